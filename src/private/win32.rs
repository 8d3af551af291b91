//! What the Rust libraries do not offer of Windows: a new file or folder with rights of its own from its first
//! moment.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::windows::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::windows::io::{AsRawHandle as _, FromRawHandle as _, OwnedHandle};
use std::path::{Path, PathBuf};
use std::ptr::{null, null_mut};

use windows_sys::Win32::Foundation::{GENERIC_WRITE, INVALID_HANDLE_VALUE, LocalFree};
use windows_sys::Win32::Security::Authorization::{
    ConvertSecurityDescriptorToStringSecurityDescriptorW, ConvertSidToStringSidW,
    ConvertStringSecurityDescriptorToSecurityDescriptorW, GetNamedSecurityInfoW, SDDL_REVISION_1,
    SE_FILE_OBJECT, SetNamedSecurityInfoW,
};
use windows_sys::Win32::Security::{
    DACL_SECURITY_INFORMATION, GetSecurityDescriptorDacl, GetSecurityDescriptorOwner, GetTokenInformation,
    OWNER_SECURITY_INFORMATION, PROTECTED_DACL_SECURITY_INFORMATION, SECURITY_ATTRIBUTES, TOKEN_QUERY,
    TOKEN_USER, TokenUser,
};
use windows_sys::Win32::Storage::FileSystem::{
    CREATE_NEW, CreateDirectoryW, CreateFileW, FILE_ATTRIBUTE_NORMAL, FILE_SHARE_DELETE, FILE_SHARE_READ,
};
use windows_sys::Win32::System::Com::CoTaskMemFree;
use windows_sys::Win32::System::Threading::{GetCurrentProcess, OpenProcessToken};
use windows_sys::Win32::UI::Shell::{FOLDERID_ProgramData, SHGetKnownFolderPath};
use windows_sys::core::BOOL;

/// Makes a file that was not there, with the rights that `sddl` says.
pub fn create(path: &Path, sddl: &str) -> io::Result<File> {
    let name: Vec<u16> = path.as_os_str().encode_wide().chain([0]).collect();
    let descriptor = descriptor(sddl)?;
    let attributes = attributes(&descriptor);
    // SAFETY: name and attributes live through the call, and the name ends in NUL.
    let handle = unsafe {
        CreateFileW(
            name.as_ptr(),
            GENERIC_WRITE,
            // It may be renamed while it is open.
            FILE_SHARE_READ | FILE_SHARE_DELETE,
            &attributes,
            CREATE_NEW,
            FILE_ATTRIBUTE_NORMAL,
            null_mut(),
        )
    };
    if handle == INVALID_HANDLE_VALUE {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the handle is new and nobody else's.
    Ok(unsafe { File::from_raw_handle(handle) })
}

/// Makes a folder that was not there, with the rights that `sddl` says.
pub fn create_folder(path: &Path, sddl: &str) -> io::Result<()> {
    let name: Vec<u16> = path.as_os_str().encode_wide().chain([0]).collect();
    let descriptor = descriptor(sddl)?;
    // SAFETY: name and attributes live through the call, and the name ends in NUL.
    succeeded(unsafe { CreateDirectoryW(name.as_ptr(), &attributes(&descriptor)) })
}

/// Gives a folder that is there the owner and the rights that `sddl` says, which it hands down to all that is in it. What
/// the folder above would hand down does not count.
pub fn guard_folder(path: &Path, sddl: &str) -> io::Result<()> {
    let name: Vec<u16> = path.as_os_str().encode_wide().chain([0]).collect();
    let descriptor = descriptor(sddl)?;
    let (mut owner, mut dacl, mut present, mut defaulted) = (null_mut(), null_mut(), 0, 0);
    // SAFETY: the descriptor lives as long as what is said to point into it.
    succeeded(unsafe { GetSecurityDescriptorOwner(descriptor.0, &mut owner, &mut defaulted) })?;
    // SAFETY: as above.
    succeeded(unsafe { GetSecurityDescriptorDacl(descriptor.0, &mut present, &mut dacl, &mut defaulted) })?;
    // No list at all would let everybody do everything.
    if owner.is_null() || present == 0 || dacl.is_null() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let what = OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION | PROTECTED_DACL_SECURITY_INFORMATION;
    // SAFETY: the name ends in NUL; owner and list lie in the descriptor, which lives through the call.
    let error = unsafe {
        SetNamedSecurityInfoW(name.as_ptr(), SE_FILE_OBJECT, what, owner, null_mut(), dacl, null())
    };
    match error {
        0 => Ok(()),
        error => Err(io::Error::from_raw_os_error(error as i32)),
    }
}

fn descriptor(sddl: &str) -> io::Result<Allocated> {
    let rights: Vec<u16> = sddl.encode_utf16().chain([0]).collect();
    let mut descriptor = Allocated(null_mut());
    // SAFETY: the text ends in NUL; what the call allocates is freed when it is dropped.
    succeeded(unsafe {
        ConvertStringSecurityDescriptorToSecurityDescriptorW(
            rights.as_ptr(),
            SDDL_REVISION_1,
            &mut descriptor.0,
            null_mut(),
        )
    })?;
    Ok(descriptor)
}

/// They hold for as long as the descriptor is there.
fn attributes(descriptor: &Allocated) -> SECURITY_ATTRIBUTES {
    SECURITY_ATTRIBUTES {
        nLength: size_of::<SECURITY_ATTRIBUTES>() as u32,
        lpSecurityDescriptor: descriptor.0,
        bInheritHandle: 0,
    }
}

/// The user that this program runs as, in the form `S-1-5-…`.
pub fn user() -> io::Result<String> {
    let mut token = null_mut();
    // SAFETY: the handle of this process is always there, and needs no closing.
    succeeded(unsafe { OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &mut token) })?;
    // SAFETY: the handle is new and nobody else's.
    let token = unsafe { OwnedHandle::from_raw_handle(token) };
    // A SID takes 68 bytes at most. Of words, so that the structure at its beginning lies as it must.
    let mut buffer = [0_u64; 32];
    let mut length = 0;
    // SAFETY: pointer and length are those of the buffer.
    succeeded(unsafe {
        GetTokenInformation(
            token.as_raw_handle(),
            TokenUser,
            buffer.as_mut_ptr().cast(),
            size_of_val(&buffer) as u32,
            &mut length,
        )
    })?;
    // SAFETY: the call has put the structure there, and what it points to lies in the buffer, too.
    let sid = unsafe { (*buffer.as_ptr().cast::<TOKEN_USER>()).User.Sid };
    let mut text = null_mut();
    // SAFETY: the SID lives as long as the buffer; what the call allocates is freed when it is dropped.
    succeeded(unsafe { ConvertSidToStringSidW(sid, &mut text) })?;
    let _freed = Allocated(text.cast());
    // SAFETY: the text ends in NUL, and lives until it is freed.
    String::from_utf16(&unsafe { units(text) }).map_err(io::Error::other)
}

/// Who owns what lies at `path`, and who may do what with it, in the words of Windows.
pub fn sddl(path: &Path) -> io::Result<String> {
    let name: Vec<u16> = path.as_os_str().encode_wide().chain([0]).collect();
    let what = OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION;
    let mut descriptor = Allocated(null_mut());
    // SAFETY: the name ends in NUL; what the call allocates is freed when it is dropped.
    let error = unsafe {
        GetNamedSecurityInfoW(
            name.as_ptr(),
            SE_FILE_OBJECT,
            what,
            null_mut(),
            null_mut(),
            null_mut(),
            null_mut(),
            &mut descriptor.0,
        )
    };
    if error != 0 {
        return Err(io::Error::from_raw_os_error(error as i32));
    }
    let mut text = null_mut();
    // SAFETY: the descriptor lives through the call; what the call allocates is freed when it is dropped.
    succeeded(unsafe {
        ConvertSecurityDescriptorToStringSecurityDescriptorW(
            descriptor.0,
            SDDL_REVISION_1,
            what,
            &mut text,
            null_mut(),
        )
    })?;
    let _freed = Allocated(text.cast());
    // SAFETY: the text ends in NUL, and lives until it is freed.
    String::from_utf16(&unsafe { units(text) }).map_err(io::Error::other)
}

/// The folder in which Windows keeps what belongs to the whole machine.
pub fn program_data() -> io::Result<PathBuf> {
    let mut text = null_mut();
    // SAFETY: the identifier is Windows' own; what the call allocates is freed below, whatever it returns.
    let result = unsafe { SHGetKnownFolderPath(&FOLDERID_ProgramData, 0, null_mut(), &mut text) };
    let folder = match result {
        // SAFETY: the text ends in NUL, and lives until it is freed.
        0.. => Ok(PathBuf::from(OsString::from_wide(&unsafe { units(text) }))),
        error => Err(io::Error::from_raw_os_error(error)),
    };
    // SAFETY: allocated for this call, and freed once; for a null pointer nothing is done.
    unsafe { CoTaskMemFree(text.cast()) };
    folder
}

/// Up to the NUL.
///
/// # Safety
/// The text ends in NUL.
unsafe fn units(text: *const u16) -> Vec<u16> {
    // SAFETY: no unit is read behind the NUL, and up to it all are there.
    (0..).map(|at| unsafe { *text.add(at) }).take_while(|unit| *unit != 0).collect()
}

/// Memory that Windows has allocated for this program.
struct Allocated(*mut std::ffi::c_void);

impl Drop for Allocated {
    fn drop(&mut self) {
        // SAFETY: allocated by Windows, and freed once; for a null pointer nothing is done.
        unsafe { LocalFree(self.0) };
    }
}

fn succeeded(result: BOOL) -> io::Result<()> {
    match result {
        0 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}
