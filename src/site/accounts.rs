//! Accounts of Windows: whether there is one of a name. Reads, and changes nothing.

#[cfg(windows)]
mod win32;

use super::settings::Account;

/// What this machine says of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// Nobody can tell: its domain gives no answer, or this is no Windows.
    Unsaid,
    Absent,
    There,
}

/// Asks this machine, and the domain that it is in.
#[cfg(windows)]
pub fn look_up(account: &Account) -> Known {
    if account.built_in().is_some() {
        return Known::There;
    }
    // The dot is how IIS and its dialogs say `this machine`.
    let name = match account.as_str().strip_prefix(".\\") {
        Some(user) => format!("{}\\{user}", std::env::var("COMPUTERNAME").unwrap_or_default()),
        None => account.to_string(),
    };
    match win32::is_there(&name) {
        Ok(true) => Known::There,
        Ok(false) => Known::Absent,
        Err(_) => Known::Unsaid,
    }
}

/// Nobody knows accounts of Windows here.
#[cfg(not(windows))]
pub fn look_up(_: &Account) -> Known {
    Known::Unsaid
}
