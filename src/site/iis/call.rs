//! One run of a program of Windows: of `appcmd`, which IIS's own configuration is told by, or of `netsh`, which tells http.sys
//! of certificates.

use std::fmt;

use super::appcmd::{self, Meaning};
use super::netsh;

#[derive(Clone, PartialEq, Eq)]
pub enum Call {
    Appcmd(appcmd::Command),
    Netsh(netsh::Command),
}

impl Call {
    /// The words after the program's name: one argument each, without any quoting of a shell.
    pub fn args(&self) -> Vec<String> {
        match self {
            Call::Appcmd(command) => command.args(),
            Call::Netsh(command) => command.args(),
        }
    }

    /// What is written to the program's standard input.
    pub fn standard_input(&self) -> Option<&str> {
        match self {
            Call::Appcmd(command) => command.standard_input(),
            Call::Netsh(_) => None,
        }
    }

    /// What an exit code asks for. That of netsh says no more than whether it was done.
    pub fn meaning(&self, code: i32) -> Meaning {
        match self {
            Call::Appcmd(command) => command.meaning(code),
            Call::Netsh(_) if code == 0 => Meaning::Done,
            Call::Netsh(command) if command.verb == netsh::Verb::Show => Meaning::NotFound,
            Call::Netsh(_) => Meaning::Failed,
        }
    }

    /// Whether the exit code says that what this removes is not there.
    pub fn finds_nothing_to_remove(&self, code: i32) -> bool {
        match self {
            Call::Appcmd(command) => command.finds_nothing_to_remove(code),
            Call::Netsh(_) => false,
        }
    }

    /// What has to find nothing for this to be as good as done, where the exit code doesn't tell why it failed.
    pub fn proof(&self) -> Option<Call> {
        match self {
            Call::Netsh(command) if command.verb == netsh::Verb::Delete => {
                Some(netsh::Command::show(&command.endpoint).into())
            }
            _ => None,
        }
    }

    /// The line for a batch file.
    pub fn batch_line(&self) -> String {
        match self {
            Call::Appcmd(command) => command.batch_line(),
            Call::Netsh(command) => command.to_string(),
        }
    }
}

impl From<appcmd::Command> for Call {
    fn from(command: appcmd::Command) -> Call {
        Call::Appcmd(command)
    }
}

impl From<netsh::Command> for Call {
    fn from(command: netsh::Command) -> Call {
        Call::Netsh(command)
    }
}

/// The line as it can be pasted into a prompt of `cmd.exe`.
impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Call::Appcmd(command) => command.fmt(f),
            Call::Netsh(command) => command.fmt(f),
        }
    }
}

/// As it is displayed: what is fed stays hidden.
impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
