//! What can be put right here. Each is shown as the command that somebody would type, and done only when it is wanted.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::machine::zone;
use crate::interrupt::{self, Within};

/// The variable that names another program to run in the place of Windows' own `dism`.
pub const PROGRAM_VARIABLE: &str = "HOLDALL_DISM";

/// What `dism` is told: the feature by which IIS runs FastCGI programs, with those that it needs.
const ENABLE_CGI: [&str; 5] = ["/online", "/enable-feature", "/all", "/featurename:IIS-CGI", "/norestart"];

/// A feature takes some minutes; one that is fetched from Windows Update, more.
const LIMIT: Duration = Duration::from_secs(30 * 60);

/// ERROR_SUCCESS_REBOOT_REQUIRED: it is done, and holds once Windows was started anew.
const RESTART_NEEDED: i32 = 3010;

/// One change of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fix {
    /// The CGI feature of IIS is switched on.
    EnableCgi,
    /// What says of these files that they come from elsewhere is taken away.
    Unblock(Vec<PathBuf>),
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fixed {
    Done,
    /// Windows has to be started anew before it holds.
    AfterRestart,
}

/// Why something was not put right.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum FixError {
    #[error("cannot start `{}`", program.display())]
    #[diagnostic(help("it is a program of Windows itself; HOLDALL_DISM names another"))]
    Unstarted { program: PathBuf, source: io::Error },
    #[error("`{fix}` ended with {code}:\n{said}")]
    #[diagnostic(help(
        "the words above are its own; run it by hand, or add the feature with Server Manager"
    ))]
    Failed { fix: Fix, code: i32, said: String },
    #[error("`{fix}` had not ended after {} minutes, and was ended", limit.as_secs() / 60)]
    #[diagnostic(help("look whether Windows is installing updates, then run the same command again"))]
    Overdue { fix: Fix, limit: Duration },
    #[error("cannot unblock `{}`", path.display())]
    #[diagnostic(help("check that you may write it, and that nobody has it open"))]
    Blocked { path: PathBuf, source: io::Error },
}

impl Fix {
    pub fn run(&self) -> Result<Fixed, FixError> {
        match self {
            Fix::EnableCgi => self.enable(),
            Fix::Unblock(paths) => paths.iter().try_for_each(|path| unblock(path)).map(|()| Fixed::Done),
        }
    }

    fn enable(&self) -> Result<Fixed, FixError> {
        let program = dism();
        let within = interrupt::output_within(Command::new(&program).args(ENABLE_CGI), LIMIT)
            .map_err(|source| FixError::Unstarted { program, source })?;
        let Within::Ended(output) = within else {
            return Err(FixError::Overdue { fix: self.clone(), limit: LIMIT });
        };
        match output.status.code().unwrap_or(-1) {
            0 => Ok(Fixed::Done),
            RESTART_NEEDED => Ok(Fixed::AfterRestart),
            code => {
                let said = String::from_utf8_lossy(&output.stdout).into_owned();
                let said = said + &String::from_utf8_lossy(&output.stderr);
                Err(FixError::Failed { fix: self.clone(), code, said: said.trim().to_owned() })
            }
        }
    }
}

/// By its full path: the current folder may hold anything.
fn dism() -> PathBuf {
    match std::env::var_os(PROGRAM_VARIABLE).filter(|program| !program.is_empty()) {
        Some(program) => program.into(),
        None => {
            let windows = std::env::var_os("SystemRoot").unwrap_or_else(|| r"C:\Windows".into());
            PathBuf::from(windows).join("System32").join("dism.exe")
        }
    }
}

fn unblock(path: &Path) -> Result<(), FixError> {
    match std::fs::remove_file(zone(path)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(FixError::Blocked { path: path.to_owned(), source: error })
        }
        _ => Ok(()),
    }
}

/// As people would type it.
impl fmt::Display for Fix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fix::EnableCgi => write!(f, "dism {}", ENABLE_CGI.join(" ")),
            Fix::Unblock(paths) => {
                f.write_str("Unblock-File")?;
                let quoted = |path: &PathBuf| format!("'{}'", path.display().to_string().replace('\'', "''"));
                let named: Vec<String> = paths.iter().take(3).map(quoted).collect();
                write!(f, " {}", named.join(", "))?;
                match paths.len() - named.len() {
                    0 => Ok(()),
                    more => write!(f, " and {more} more"),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fix_is_shown_as_it_would_be_typed() {
        assert_eq!(
            Fix::EnableCgi.to_string(),
            "dism /online /enable-feature /all /featurename:IIS-CGI /norestart"
        );
        let paths = ["a b.zip", "ann's.exe", "c", "d", "e"].map(PathBuf::from);
        assert_eq!(
            Fix::Unblock(paths.to_vec()).to_string(),
            "Unblock-File 'a b.zip', 'ann''s.exe', 'c' and 2 more"
        );
    }

    #[test]
    fn what_is_not_blocked_any_more_is_unblocked() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shop.zip");
        fs_err::write(&path, "zip").unwrap();
        std::fs::write(zone(&path), "[ZoneTransfer]\r\nZoneId=3\r\n").unwrap();
        for _ in 0..2 {
            assert_eq!(Fix::Unblock(vec![path.clone()]).run().unwrap(), Fixed::Done);
            assert!(std::fs::metadata(zone(&path)).is_err());
        }
        assert_eq!(fs_err::read_to_string(&path).unwrap(), "zip");
    }
}
