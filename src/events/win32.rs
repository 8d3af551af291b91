//! What the Rust libraries do not offer of Windows: its event log, and the registry in which sources of events stand.

use std::io;
use std::ptr::{null, null_mut};

use windows_sys::Win32::System::EventLog::{
    DeregisterEventSource, EVENTLOG_ERROR_TYPE, EVENTLOG_INFORMATION_TYPE, EVENTLOG_WARNING_TYPE,
    RegisterEventSourceW, ReportEventW,
};
use windows_sys::Win32::System::Registry::{
    HKEY, HKEY_LOCAL_MACHINE, KEY_SET_VALUE, REG_DWORD, REG_EXPAND_SZ, REG_OPTION_NON_VOLATILE, RegCloseKey,
    RegCreateKeyExW, RegDeleteKeyW, RegSetValueExW,
};

use super::{Level, SOURCE};

/// Where [sources stand](https://learn.microsoft.com/windows/win32/eventlog/event-sources).
const SOURCES: &str = "SYSTEM\\CurrentControlSet\\Services\\EventLog\\Application";

/// A program of every Windows whose messages 1 to 1000 are the text that they are given, and nothing else.
const MESSAGES: &str = "%SystemRoot%\\System32\\EventCreate.exe";

/// Information, warnings and errors.
const TYPES: u32 = 7;

/// Writes an event into the log "Application".
pub fn report(level: Level, id: u32, text: &str) -> io::Result<()> {
    let (name, text) = (wide(SOURCE), wide(text));
    // SAFETY: the name ends in NUL and lives through the call; none stands for this machine.
    let source = unsafe { RegisterEventSourceW(null(), name.as_ptr()) };
    if source.is_null() {
        return Err(io::Error::last_os_error());
    }
    let kind = match level {
        Level::Information => EVENTLOG_INFORMATION_TYPE,
        Level::Warning => EVENTLOG_WARNING_TYPE,
        Level::Error => EVENTLOG_ERROR_TYPE,
    };
    let texts = [text.as_ptr()];
    // SAFETY: the handle is open; there is one text, which ends in NUL and lives through the call.
    let reported = unsafe { ReportEventW(source, kind, 0, id, null_mut(), 1, 0, texts.as_ptr(), null()) };
    let result = if reported == 0 { Err(io::Error::last_os_error()) } else { Ok(()) };
    // SAFETY: the handle is open, and closed once.
    unsafe { DeregisterEventSource(source) };
    result
}

/// Makes the source known, or says anew what it is. Takes an administrator.
pub fn register() -> io::Result<()> {
    let path = wide(&format!("{SOURCES}\\{SOURCE}"));
    let mut key: HKEY = null_mut();
    // SAFETY: the path ends in NUL and lives through the call; what is not wanted of it is null.
    succeeded(unsafe {
        RegCreateKeyExW(
            HKEY_LOCAL_MACHINE,
            path.as_ptr(),
            0,
            null(),
            REG_OPTION_NON_VOLATILE,
            KEY_SET_VALUE,
            null(),
            &mut key,
            null_mut(),
        )
    })?;
    let messages: Vec<u8> = wide(MESSAGES).iter().flat_map(|unit| unit.to_le_bytes()).collect();
    let values = [
        ("EventMessageFile", REG_EXPAND_SZ, messages),
        ("TypesSupported", REG_DWORD, TYPES.to_le_bytes().to_vec()),
    ];
    let set = values.iter().try_for_each(|(name, kind, bytes)| {
        let (name, length) = (wide(name), u32::try_from(bytes.len()).unwrap_or_default());
        // SAFETY: the key is open; name and bytes live through the call, and the length is that of the bytes.
        succeeded(unsafe { RegSetValueExW(key, name.as_ptr(), 0, *kind, bytes.as_ptr(), length) })
    });
    // SAFETY: the key is open, and closed once.
    unsafe { RegCloseKey(key) };
    set
}

/// Forgets the source. One that is not there is no failure.
pub fn unregister() -> io::Result<()> {
    let path = wide(&format!("{SOURCES}\\{SOURCE}"));
    // SAFETY: the path ends in NUL and lives through the call.
    match succeeded(unsafe { RegDeleteKeyW(HKEY_LOCAL_MACHINE, path.as_ptr()) }) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}

fn succeeded(error: u32) -> io::Result<()> {
    match error {
        0 => Ok(()),
        error => Err(io::Error::from_raw_os_error(error as i32)),
    }
}
