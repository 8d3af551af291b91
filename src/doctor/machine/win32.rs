//! What the Rust libraries do not offer of Windows: who listens, and what this process may.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::windows::ffi::OsStrExt as _;
use std::os::windows::io::{AsRawHandle as _, FromRawHandle as _, OwnedHandle};
use std::path::Path;
use std::ptr::null_mut;

use windows_sys::Wdk::System::SystemInformation::{NtQuerySystemInformation, SystemCodeIntegrityInformation};
use windows_sys::Win32::Foundation::ERROR_INSUFFICIENT_BUFFER;
use windows_sys::Win32::NetworkManagement::IpHelper::{
    GetExtendedTcpTable, MIB_TCP6ROW_OWNER_PID, MIB_TCPROW_OWNER_PID, TCP_TABLE_OWNER_PID_LISTENER,
};
use windows_sys::Win32::Networking::WinSock::{AF_INET, AF_INET6};
use windows_sys::Win32::Security::{GetTokenInformation, TOKEN_ELEVATION, TOKEN_QUERY, TokenElevation};
use windows_sys::Win32::Storage::FileSystem::GetDiskFreeSpaceExW;
use windows_sys::Win32::System::Threading::{
    GetCurrentProcess, OpenProcess, OpenProcessToken, PROCESS_NAME_WIN32, PROCESS_QUERY_LIMITED_INFORMATION,
    QueryFullProcessImageNameW,
};
use windows_sys::Win32::System::WindowsProgramming::{
    CODEINTEGRITY_OPTION_UMCI_AUDITMODE_ENABLED, CODEINTEGRITY_OPTION_UMCI_ENABLED,
    SYSTEM_CODEINTEGRITY_INFORMATION,
};

use super::CodeIntegrity;

fn wide(path: &Path) -> Vec<u16> {
    path.as_os_str().encode_wide().chain([0]).collect()
}

/// The bytes that this user may still write where `path` is.
pub fn free(path: &Path) -> io::Result<u64> {
    let (path, mut free) = (wide(path), 0);
    // SAFETY: the path ends in NUL, and the number lives through the call; the others are not wanted.
    match unsafe { GetDiskFreeSpaceExW(path.as_ptr(), &mut free, null_mut(), null_mut()) } {
        0 => Err(io::Error::last_os_error()),
        _ => Ok(free),
    }
}

/// Whether this process has an administrator's rights, and not only an administrator's name.
pub fn elevated() -> io::Result<bool> {
    let mut token = null_mut();
    // SAFETY: the handle of this process is always there, and needs no closing.
    if unsafe { OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &mut token) } == 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the handle is new and nobody else's.
    let token = unsafe { OwnedHandle::from_raw_handle(token) };
    let (mut elevation, mut length) = (TOKEN_ELEVATION::default(), 0);
    // SAFETY: pointer and length are those of a structure that lives through the call.
    let told = unsafe {
        GetTokenInformation(
            token.as_raw_handle(),
            TokenElevation,
            (&raw mut elevation).cast(),
            size_of::<TOKEN_ELEVATION>() as u32,
            &mut length,
        )
    };
    match told {
        0 => Err(io::Error::last_os_error()),
        _ => Ok(elevation.TokenIsElevated != 0),
    }
}

/// What the kernel makes sure of before it runs a program.
pub fn code_integrity() -> Option<CodeIntegrity> {
    let mut found = SYSTEM_CODEINTEGRITY_INFORMATION {
        Length: size_of::<SYSTEM_CODEINTEGRITY_INFORMATION>() as u32,
        CodeIntegrityOptions: 0,
    };
    let (length, mut returned) = (found.Length, 0);
    // SAFETY: pointer and length are those of a structure that lives through the call.
    let status = unsafe {
        NtQuerySystemInformation(
            SystemCodeIntegrityInformation,
            (&raw mut found).cast(),
            length,
            &mut returned,
        )
    };
    let has = |option: u32| found.CodeIntegrityOptions & option != 0;
    (status >= 0).then(|| {
        match (has(CODEINTEGRITY_OPTION_UMCI_ENABLED), has(CODEINTEGRITY_OPTION_UMCI_AUDITMODE_ENABLED)) {
            (_, true) => CodeIntegrity::Audited,
            (true, false) => CodeIntegrity::Enforced,
            (false, false) => CodeIntegrity::Off,
        }
    })
}

/// All that listen by TCP, with their processes.
pub fn listeners() -> Vec<(SocketAddr, u32)> {
    // Only the lower half of the number is that of the port, in the order of the network.
    let port = |port: u32| u16::from_be(port as u16);
    let old = rows::<MIB_TCPROW_OWNER_PID>(AF_INET).into_iter().map(|row| {
        let ip = IpAddr::V4(Ipv4Addr::from(row.dwLocalAddr.to_ne_bytes()));
        (SocketAddr::new(ip, port(row.dwLocalPort)), row.dwOwningPid)
    });
    let new = rows::<MIB_TCP6ROW_OWNER_PID>(AF_INET6).into_iter().map(|row| {
        let ip = IpAddr::V6(Ipv6Addr::from(row.ucLocalAddr));
        (SocketAddr::new(ip, port(row.dwLocalPort)), row.dwOwningPid)
    });
    old.chain(new).collect()
}

/// The rows of a table that begins with their number. Both kinds of row are plain numbers, aligned as that number is.
fn rows<Row: Copy>(family: u16) -> Vec<Row> {
    let mut length = 0;
    // Others begin to listen meanwhile.
    for _ in 0..5 {
        let mut buffer = vec![0_u32; (length as usize).div_ceil(size_of::<u32>()) + 1];
        let room = (buffer.len() * size_of::<u32>()) as u32;
        length = room;
        // SAFETY: pointer and length are those of the buffer.
        let error = unsafe {
            GetExtendedTcpTable(
                buffer.as_mut_ptr().cast(),
                &mut length,
                0,
                family.into(),
                TCP_TABLE_OWNER_PID_LISTENER,
                0,
            )
        };
        match error {
            0 => {
                let count = (buffer[0] as usize).min((room as usize - size_of::<u32>()) / size_of::<Row>());
                let first = buffer[1..].as_ptr().cast::<Row>();
                // SAFETY: so many rows fit into the buffer behind the number, and any bits are such a row.
                return (0..count).map(|at| unsafe { first.add(at).read_unaligned() }).collect();
            }
            ERROR_INSUFFICIENT_BUFFER => {}
            _ => break,
        }
    }
    Vec::new()
}

/// The file name of a process's program, if it is there and may be asked.
pub fn program(process: u32) -> Option<String> {
    // SAFETY: numbers alone.
    let handle = unsafe { OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, 0, process) };
    if handle.is_null() {
        return None;
    }
    // SAFETY: the handle is new and nobody else's.
    let handle = unsafe { OwnedHandle::from_raw_handle(handle) };
    let mut name = vec![0_u16; 32_768];
    let mut length = name.len() as u32;
    // SAFETY: pointer and length are those of the buffer.
    let told = unsafe {
        QueryFullProcessImageNameW(handle.as_raw_handle(), PROCESS_NAME_WIN32, name.as_mut_ptr(), &mut length)
    };
    let path = (told != 0).then(|| String::from_utf16_lossy(&name[..length as usize]))?;
    path.rsplit('\\').next().map(str::to_owned)
}
