//! `maintenance.toml`: while it is there, the bridge of whatever release serves answers visitors by status 503 and a page
//! that says so. It lies in the site's folder, beside the releases, so that another release changes nothing about it.
//!
//! IIS has no means of its own that is sure to answer every address by 503: pages for errors are shown for errors alone,
//! `httpRedirect` knows statuses of 300 alone, and rewriting takes a module that nobody has to have. A site that is stopped,
//! or whose pool is, answers by 503 as well, but lets nobody through, says nothing, and could not be asked whether the next
//! release serves well.

use std::fmt;
use std::io;
use std::path::PathBuf;

use ipnet::IpNet;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Home, HomeError};
use crate::durable::{Mode, gone};

/// The file's name in a site's folder.
pub const MAINTENANCE_TOML: &str = "maintenance.toml";

/// What visitors are told, and who has said so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Maintenance {
    pub by: By,
    /// UTC.
    pub since: String,
    /// Seconds after which visitors may come again: what `Retry-After` says.
    pub retry_after: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Visitors who see the project all the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<IpNet>,
}

/// Who has closed a site, and so who opens it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum By {
    /// `holdall maintenance on`: it stays so until somebody says otherwise.
    Command,
    /// A deploy, which opens it when it ends; if it was killed, the next command does.
    Deploy,
}

impl Maintenance {
    /// One that begins now, with what is usual.
    pub fn begin(by: By) -> Maintenance {
        let since = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        Maintenance { by, since, retry_after: 300, message: None, allow: Vec::new() }
    }
}

impl fmt::Display for Maintenance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by = match self.by {
            By::Command => "closed to visitors",
            By::Deploy => "closed to visitors by a deploy",
        };
        write!(f, "{by} since {}, for maintenance (503, Retry-After {} s)", self.since, self.retry_after)?;
        match &self.allow[..] {
            [] => Ok(()),
            nets => {
                let nets: Vec<String> = nets.iter().map(IpNet::to_string).collect();
                write!(f, ", but for {}", nets.join(", "))
            }
        }
    }
}

impl Home {
    pub fn maintenance_toml(&self) -> PathBuf {
        self.folder.join(MAINTENANCE_TOML)
    }

    /// Whether the site is closed, and how.
    pub fn maintenance(&self) -> Result<Option<Maintenance>, HomeError> {
        let path = self.maintenance_toml();
        let text = match fs_err::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            text => text.map_err(|source| HomeError::Unreadable { path: path.clone(), source })?,
        };
        let parsed = toml::from_str(text.trim_start_matches('\u{feff}'));
        parsed.map(Some).map_err(|source| HomeError::Maintenance { path, source })
    }

    /// Closes the site to visitors, from this moment on.
    pub fn close(&self, maintenance: &Maintenance) -> Result<(), HomeError> {
        let path = self.maintenance_toml();
        let text = toml::to_string(maintenance).expect("strings, numbers and a list can be written as TOML");
        let written = self.disk.replace(&path, Mode::Plain, text.as_bytes());
        written.map_err(|source| HomeError::Unwritable { path, source })
    }

    /// Opens it. Says whether it was closed.
    pub fn open(&self) -> Result<bool, HomeError> {
        let path = self.maintenance_toml();
        let was_closed = path.exists();
        let opened = gone(self.disk.remove_file(&path)).and_then(|()| self.disk.sync_folder(&self.folder));
        opened.map(|()| was_closed).map_err(|source| HomeError::Unwritable { path, source })
    }

    /// Opens a site that a deploy has closed; what somebody else has closed stays so.
    pub fn open_after_deploy(&self) -> Result<(), HomeError> {
        match self.maintenance() {
            Ok(Some(Maintenance { by: By::Deploy, .. })) => self.open().map(drop),
            // Somebody has written it by hand, and will see to it.
            Ok(_) | Err(HomeError::Maintenance { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::durable::Disk;
    use crate::manifest::SiteName;

    fn home(root: &Path) -> Home {
        let home = Home::below(root, &SiteName::parse("shop").unwrap(), Disk::default());
        fs_err::create_dir_all(&home.folder).unwrap();
        home
    }

    #[test]
    fn a_site_is_closed_and_opened_by_one_file() {
        let root = tempfile::tempdir().unwrap();
        let home = home(root.path());
        assert_eq!(home.maintenance().unwrap(), None);
        let maintenance = Maintenance {
            message: Some("back at \"5\"".to_owned()),
            allow: vec!["192.0.2.0/24".parse().unwrap()],
            ..Maintenance::begin(By::Command)
        };
        home.close(&maintenance).unwrap();
        assert_eq!(home.maintenance().unwrap(), Some(maintenance.clone()));
        assert!(maintenance.to_string().ends_with("(503, Retry-After 300 s), but for 192.0.2.0/24"));
        assert!(home.open().unwrap() && !home.open().unwrap());
    }

    #[test]
    fn a_deploy_opens_what_a_deploy_has_closed_and_nothing_else() {
        let root = tempfile::tempdir().unwrap();
        let home = home(root.path());
        home.open_after_deploy().unwrap();
        for (by, closed) in [(By::Deploy, false), (By::Command, true)] {
            home.close(&Maintenance::begin(by)).unwrap();
            home.open_after_deploy().unwrap();
            assert_eq!(home.maintenance().unwrap().is_some(), closed);
        }
        fs_err::write(home.maintenance_toml(), "closed = true\n").unwrap();
        home.open_after_deploy().unwrap();
        assert!(matches!(home.maintenance(), Err(HomeError::Maintenance { .. })));
    }
}
