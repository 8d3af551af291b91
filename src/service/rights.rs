//! What the account of a service may do in the site's folder: read it, secrets included, and change what the project writes.
//! Added to what others may there; said by SID, as a service's own account is computed from its name and need not be known
//! yet (<https://learn.microsoft.com/windows-server/identity/ad-ds/manage/understand-service-accounts#virtual-accounts>).

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use super::Registration;
use super::registered::VIRTUAL;
use crate::site::Home;
use crate::site::rights::{GrantError, icacls};
use crate::site::secrets::Sid;

/// Leave for one account in one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leave {
    pub path: PathBuf,
    /// A SID behind `*`, or the name of an account of the domain.
    pub account: String,
    pub rights: &'static str,
}

/// What the account of a service needs of a site whose release lies in `release`.
pub fn of(service: &Registration, home: &Home, release: &Path) -> Vec<Leave> {
    let leave = |path: PathBuf, rights| Leave { path, account: account(service), rights };
    let mut all = vec![
        leave(home.folder.clone(), "(OI)(CI)RX"),
        leave(home.shared(), "(OI)(CI)M"),
        // It has rights of its own, and hands nothing down.
        leave(home.secrets_toml(), "R"),
    ];
    if !release.starts_with(&home.folder) {
        all.push(leave(release.to_owned(), "(OI)(CI)RX"));
    }
    all
}

/// The same of the secrets alone, which are written anew as a whole.
pub fn of_secrets(service: &Registration, home: &Home) -> Leave {
    Leave { path: home.secrets_toml(), account: account(service), rights: "R" }
}

fn account(service: &Registration) -> String {
    match service.account.strip_prefix(VIRTUAL) {
        Some(name) => format!("*{}", Sid::of_service(name).as_str()),
        None => service.account.clone(),
    }
}

impl Leave {
    fn args(&self) -> Vec<OsString> {
        let grant = format!("{}:{}", self.account, self.rights);
        vec![self.path.clone().into_os_string(), "/grant".into(), grant.into(), "/q".into()]
    }

    /// Gives it. What is not there needs none. Elsewhere than on Windows services are run by whoever started them.
    pub fn give(&self) -> Result<(), GrantError> {
        match cfg!(windows) && self.path.exists() {
            true => icacls(&self.args(), self),
            false => Ok(()),
        }
    }
}

/// As people would type it.
impl fmt::Display for Leave {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "icacls \"{}\" /grant \"{}:{}\" /q", self.path.display(), self.account, self.rights)
    }
}
