//! What a project says of its services in `holdall.toml`, as a bundle carries it.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::Schedule;
use crate::entry::EntryPath;
use crate::target::Target;

/// How many processes of one service there may be.
pub const MOST_INSTANCES: u32 = 32;

/// How long one may take to end, in seconds.
pub const LONGEST_STOP: u32 = 3600;

/// A service of the project. Field order is the order in the manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    pub name: ServiceName,
    /// `manage.py …`, `python -m …`, or a program inside the bundle, with what belongs to it. `{instance}` stands for the
    /// number of the instance.
    pub command: Vec<String>,
    /// How many run beside each other.
    pub instances: u32,
    /// When it is run; without one it runs all the time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
    pub restart: Restart,
    /// In seconds, from the moment at which it is asked to end to that at which it is killed.
    pub stop_timeout: u32,
    pub environment: BTreeMap<String, String>,
}

/// What becomes of a service that ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Restart {
    #[default]
    Always,
    /// It ended with another code than 0.
    OnFailure,
    Never,
}

/// A service's name: it becomes part of the name that Windows knows it by, and that of its log.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ServiceName(String);

/// A text that cannot be a service's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAServiceName {
    #[error("a service's name has letters, digits, `-` and `_`, 32 at most, a letter first")]
    Letters,
    #[error("Windows keeps this name for a device")]
    Reserved,
    #[error("a name does not end in a number after `-`: so end the names of further instances")]
    Number,
}

impl Service {
    /// As short as it can be said.
    pub const STOP_TIMEOUT: u32 = 30;

    /// Whether it could be written in a `holdall.toml`; why not, else.
    pub fn check(&self, target: Target) -> Result<(), String> {
        let refused = |why: &str| Err(format!("service `{}` {why}", self.name));
        match self.command.first().map(String::as_str) {
            None => return refused("has no command"),
            Some("manage.py" | "python") => {}
            Some(program) => {
                if EntryPath::parse(program, target).is_err() {
                    return refused("starts a program that is not in the bundle");
                }
            }
        }
        match () {
            () if !(1..=MOST_INSTANCES).contains(&self.instances) => {
                refused("has no fit number of instances")
            }
            () if self.stop_timeout > LONGEST_STOP => refused("takes too long to end"),
            () if self.schedule.is_some() && self.instances != 1 => {
                refused("is run by a schedule, and has more than one instance")
            }
            () => Ok(()),
        }
    }

    /// Its command as one would type it.
    pub fn line(&self) -> String {
        let quoted = |word: &String| match word.is_empty() || word.contains(' ') {
            true => format!("\"{word}\""),
            false => word.clone(),
        };
        self.command.iter().map(quoted).collect::<Vec<_>>().join(" ")
    }
}

impl ServiceName {
    pub fn parse(text: &str) -> Result<ServiceName, NotAServiceName> {
        let letter = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let first = text.chars().next().is_some_and(|c| c.is_ascii_alphabetic());
        if !first || text.len() > 32 || !text.chars().all(letter) {
            return Err(NotAServiceName::Letters);
        }
        let last = text.rsplit_once('-').map(|(_, last)| last);
        if last.is_some_and(|last| !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit())) {
            return Err(NotAServiceName::Number);
        }
        EntryPath::parse(text, Target::WindowsX86_64).map_err(|_| NotAServiceName::Reserved)?;
        Ok(ServiceName(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Windows takes names that differ in case for one.
    pub fn is_same(&self, other: &ServiceName) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl fmt::Display for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for ServiceName {
    type Error = NotAServiceName;

    fn try_from(text: String) -> Result<ServiceName, NotAServiceName> {
        ServiceName::parse(&text)
    }
}

impl From<ServiceName> for String {
    fn from(name: ServiceName) -> String {
        name.0
    }
}

impl Restart {
    pub fn parse(text: &str) -> Result<Restart, &'static str> {
        match text {
            "always" => Ok(Restart::Always),
            "on-failure" => Ok(Restart::OnFailure),
            "never" => Ok(Restart::Never),
            _ => Err("it is one of `always`, `on-failure`, `never`"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_fits_wherever_windows_needs_it() {
        for right in ["worker", "mail_out", "a-b", "Beat2"] {
            assert!(ServiceName::parse(right).is_ok(), "{right}");
        }
        for wrong in ["", "1st", "-a", "a b", "a.b", "aux", "worker-2", &"a".repeat(33)] {
            assert!(ServiceName::parse(wrong).is_err(), "{wrong}");
        }
        assert!(ServiceName::parse("Beat").unwrap().is_same(&ServiceName::parse("beat").unwrap()));
    }
}
