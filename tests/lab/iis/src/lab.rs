//! The folder of one lab's IIS: its files, and `lab.toml` with what a test wants it to be like.
//!
//! ```toml
//! [switches]                       # what no public source tells; names and answers of facts.toml
//! "switch.delay" = "later"
//!
//! [timing]                         # milliseconds
//! later = 1500                     # how late `later` is
//! known = 0                        # how long a new site or pool can't be started yet (exit code 4312)
//! slow = 0                         # what every command takes longer
//!
//! [rights]
//! elevated = true                  # else every command ends with 5
//!
//! [paths]                          # what paths of Windows are here
//! drives = { "C:" = "/tmp/lab/c" }
//! variables = { SystemDrive = "C:" }
//!
//! [[fault]]                        # any number; the first that fits a command counts
//! command = 3                      # the N-th command since the lab was made, or
//! matches = "set vdir Shop/"       # one whose words, joined by blanks, contain this
//! times = 1                        # for how many commands; all when it isn't said
//! when = "before"                  # or "after" its effect, or "commit": between reading and writing the file
//! exit = 32                        # how the command ends; it goes on when this isn't said
//! text = "ERROR ( ... )"           # what it prints then
//! slow = 500                       # milliseconds to wait
//! hold = "held"                    # make this file and wait until somebody removes it
//! run = ["set", "site", "Other", "/id:9"]   # another writer's command, in between
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::switches::Switches;
use crate::xml::Document;

/// A lab's folder. What is asked of it is read anew each time, so that a test may change it.
#[derive(Debug, Clone)]
pub struct Lab {
    pub folder: PathBuf,
    pub settings: Settings,
}

/// What stands in `lab.toml`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    pub switches: Switches,
    pub timing: Timing,
    pub rights: Rights,
    pub paths: Paths,
    pub fault: Vec<Fault>,
    /// What the web server alone reads.
    pub serve: toml::Table,
}

/// In milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Timing {
    /// How late that is which a switch answers with `later`.
    pub later: u64,
    /// How long a new site or pool isn't known to WAS.
    pub known: u64,
    /// What every command of appcmd takes longer.
    pub slow: u64,
}

impl Default for Timing {
    fn default() -> Timing {
        Timing { later: 1500, known: 0, slow: 0 }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rights {
    /// Whether appcmd runs as an elevated administrator.
    pub elevated: bool,
}

impl Default for Rights {
    fn default() -> Rights {
        Rights { elevated: true }
    }
}

/// What paths of Windows are on this machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Paths {
    /// Folders that stand for drives: `C:`.
    pub drives: BTreeMap<String, PathBuf>,
    /// What `%NAME%` is, before the environment is asked.
    pub variables: BTreeMap<String, String>,
}

/// What happens to a command besides what it does.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Fault {
    pub command: Option<usize>,
    pub matches: Option<String>,
    pub times: Option<usize>,
    pub when: When,
    pub exit: Option<i32>,
    pub text: String,
    pub slow: u64,
    pub hold: Option<PathBuf>,
    pub run: Vec<String>,
}

/// Before a command's effect, after it, or between its reading and writing of the file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum When {
    #[default]
    Before,
    Commit,
    After,
}

/// Why a lab's folder can't be used.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    #[error("cannot read the lab's settings")]
    Unreadable(#[source] std::io::Error),
    #[error("`{}` is wrong", path.display())]
    Wrong { path: PathBuf, source: Box<toml::de::Error> },
}

impl Lab {
    /// Reads `lab.toml` of a folder; without one everything is as it is by default.
    pub fn open(folder: &Path) -> Result<Lab, LabError> {
        let path = folder.join("lab.toml");
        let settings = match fs_err::read_to_string(&path) {
            Ok(text) => {
                toml::from_str(&text).map_err(|source| LabError::Wrong { path, source: Box::new(source) })?
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Settings::default(),
            Err(error) => return Err(LabError::Unreadable(error)),
        };
        Ok(Lab { folder: folder.to_owned(), settings })
    }

    /// The folder that a program of the lab works in: `HOLDALL_LAB_IIS`, else `config` beside the program, as
    /// `inetsrv\config` lies beside `inetsrv\appcmd.exe`.
    pub fn folder_of_program() -> PathBuf {
        if let Some(folder) = std::env::var_os("HOLDALL_LAB_IIS") {
            return folder.into();
        }
        let program = std::env::current_exe().unwrap_or_default();
        program.parent().unwrap_or_else(|| Path::new(".")).join("config")
    }

    /// The configuration that counts: the lab's own, or the shared one that `redirection.config` leads to.
    pub fn config(&self) -> PathBuf {
        let shared = fs_err::read(self.folder.join("redirection.config"))
            .ok()
            .and_then(|bytes| Document::parse(&bytes).ok())
            .and_then(|document| {
                let redirection = document.root().child("configurationRedirection")?;
                let path = redirection.attribute("path")?;
                (redirection.attribute("enabled") == Some("true")).then(|| self.settings.paths.located(path))
            });
        shared.unwrap_or_else(|| self.folder.clone()).join("applicationHost.config")
    }

    /// What runs and what doesn't.
    pub fn runtime(&self) -> PathBuf {
        self.folder.join("runtime.json")
    }

    /// Every command that appcmd was given.
    pub fn commands(&self) -> PathBuf {
        self.folder.join("commands.jsonl")
    }
}

impl Paths {
    /// Replaces `%NAME%`; names are not case-sensitive, and what is unknown stays.
    pub fn expanded(&self, text: &str) -> String {
        let mut expanded = String::new();
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once('%') {
            expanded.push_str(before);
            match behind.split_once('%').and_then(|(name, behind)| Some((self.variable(name)?, behind))) {
                Some((value, behind)) => {
                    expanded.push_str(&value);
                    rest = behind;
                }
                None => {
                    expanded.push('%');
                    rest = behind;
                }
            }
        }
        expanded + rest
    }

    fn variable(&self, name: &str) -> Option<String> {
        let own = self.variables.iter().find(|(own, _)| own.eq_ignore_ascii_case(name));
        own.map(|(_, value)| value.clone()).or_else(|| std::env::var(name).ok())
    }

    /// Where a path of the configuration lies on this machine.
    pub fn located(&self, path: &str) -> PathBuf {
        let path = self.expanded(path);
        let drive = path.get(..2).filter(|drive| drive.ends_with(':'));
        let folder = drive
            .and_then(|drive| self.drives.iter().find(|(own, _)| own.eq_ignore_ascii_case(drive)))
            .map(|(_, folder)| folder);
        match folder {
            Some(folder) => {
                let parts = path[2..].split(['\\', '/']).filter(|part| !part.is_empty());
                parts.fold(folder.clone(), |path, part| path.join(part))
            }
            None => PathBuf::from(path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_nobody_knows_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Lab::open(folder.path()).unwrap().settings, Settings::default());
        for wrong in ["[switches]\nnonsense = 'x'", "[[fault]]\nwhen = 'never'", "[timing]\nslow = 'x'"] {
            fs_err::write(folder.path().join("lab.toml"), wrong).unwrap();
            assert!(Lab::open(folder.path()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn paths_of_windows_lie_where_the_lab_says() {
        let paths: Paths =
            toml::from_str("drives = { 'C:' = '/lab/c' }\nvariables = { SystemDrive = 'c:', Loop = '100%' }")
                .unwrap();
        assert_eq!(paths.expanded(r"%systemdrive%\a%b%NoSuchName%"), r"c:\a%b%NoSuchName%");
        assert_eq!(paths.expanded("50%"), "50%");
        assert_eq!(paths.located(r"%SystemDrive%\a\b"), Path::new("/lab/c").join("a").join("b"));
        assert_eq!(paths.located("/else/where"), Path::new("/else/where"));
    }
}
