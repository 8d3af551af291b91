//! Who may do what in a site's folder. On Windows that is said once, by the folder, and handed down to all that is made in
//! it: rights set file by file would take minutes, and be forgotten for one.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::secrets::{SECRETS_TOML, Sid};
use super::settings::SITE_TOML;
use super::state::STATE_JSON;
use crate::durable::Disk;

/// Whose folder it is that lies where a site is made: decided by the names in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// A site was made in it: its rights were set then, and are the administrator's since.
    Made,
    /// Nobody has: it is empty, or somebody has laid settings or data there for the site.
    New,
    /// Of somebody else, who has this in it.
    Foreign(String),
}

impl Standing {
    /// That of a folder in which there are these names.
    pub fn of(names: &[String]) -> Standing {
        let any = |known: &[&str]| names.iter().any(|name| known.contains(&name.as_str()));
        if any(&[STATE_JSON, "releases", "run", "journal.jsonl"]) {
            return Standing::Made;
        }
        let mut others =
            names.iter().filter(|name| !["shared", "lock", "lock.json"].contains(&name.as_str()));
        match others.next() {
            Some(other) if !any(&[SITE_TOML, SECRETS_TOML]) => Standing::Foreign(other.clone()),
            _ => Standing::New,
        }
    }
}

/// Gives a folder that is there the rights that it would have been made with, and has administrators own it: whoever owns
/// a folder may give himself rights again. Elsewhere than on Windows that is its maker's business.
pub fn guard(path: &Path, rights: &str) -> io::Result<()> {
    #[cfg(windows)]
    {
        crate::private::guard_folder(path, &format!("O:BA{rights}"))
    }
    #[cfg(not(windows))]
    {
        let _ = (path, rights);
        Ok(())
    }
}

/// Makes a folder with rights of its own, unless it is there. Elsewhere than on Windows those are the usual ones.
pub fn make_folder(disk: &Disk, path: &Path, rights: &str) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let above = path.parent().unwrap_or(Path::new("."));
    disk.create_folders(above)?;
    match disk.create_guarded_folder(path, rights) {
        // Somebody else was faster.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
        made => made?,
    }
    disk.sync_folder(above)
}

/// Of a site's folder. What runs in the pool has its rights whatever account it runs under: IIS
/// [adds the SID of the pool](https://learn.microsoft.com/iis/manage/configuring-security/ensure-security-isolation-for-web-sites)
/// to the token of every worker.
///
/// In the words of Windows: system and administrators may do all (`FA`), the pool may read and run
/// (`FRFX`); what the folder above would hand down does not count (`P`), and all of it is handed down further (`OICI`).
pub fn of_site(pool: &Sid) -> String {
    format!("D:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;FRFX;;;{})", pool.as_str())
}

/// Of the folder of what the project writes: the pool may change (0x1301bf) what is in it, too. What has other rights of
/// its own it cannot remove, as it may not remove children for being in its folder (0x40).
pub fn of_shared(pool: &Sid) -> String {
    format!("D:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;0x1301bf;;;{})", pool.as_str())
}

/// Of the web root of a release, in which IIS reads as whoever asks: as the pool, as IUSR for visitors without a name, or as
/// somebody whom Windows knows, who is a user (`BU`).
pub fn of_www(pool: &Sid) -> String {
    let readers = [pool.as_str(), IUSR, "BU"];
    let grants = readers.map(|reader| format!("(A;OICI;FRFX;;;{reader})"));
    format!("D:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA){}", grants.concat())
}

/// Of a file that says to IIS what to do: the pool may read it (`FR`), and what the folder would hand down does not count.
pub fn of_config(pool: &Sid) -> String {
    format!("D:P(A;;FA;;;SY)(A;;FA;;;BA)(A;;FR;;;{})", pool.as_str())
}

/// The account as which IIS reads for visitors without a name: a
/// [well-known SID](https://learn.microsoft.com/windows/win32/secauthz/well-known-sids).
const IUSR: &str = "S-1-5-17";

/// All users of the machine and of its domain.
const USERS: &str = "S-1-5-32-545";

/// Leave to read and run what is in a folder that was somebody else's work: it is added to what others may there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    pub folder: PathBuf,
    pub sids: Vec<String>,
}

/// A grant that Windows did not take.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum GrantError {
    #[error("cannot start `{grant}`")]
    #[diagnostic(help("it is a program of Windows itself"))]
    Unstarted { grant: String, source: io::Error },
    #[error("`{grant}` ended with {code}: {said}")]
    #[diagnostic(help(
        "the site's pool has to read the folder: copy it to a disk of this server that knows rights, such as NTFS"
    ))]
    Refused { grant: String, code: String, said: String },
}

/// What the release in `folder`, which was copied there, needs beside the rights that it has: those that one has which
/// was expanded.
pub fn of_adopted(folder: &Path, pool: &Sid) -> Vec<Grant> {
    let grant = |folder: PathBuf, sids: &[&str]| Grant {
        folder,
        sids: sids.iter().map(|sid| (*sid).to_owned()).collect(),
    };
    vec![grant(folder.to_owned(), &[pool.as_str()]), grant(folder.join("www"), &[IUSR, USERS])]
}

impl Grant {
    /// What `icacls` is told. By SIDs, as names are another in each language, and the pool's is known late.
    pub fn args(&self) -> Vec<OsString> {
        let sids = self.sids.iter().map(|sid| format!("*{sid}:(OI)(CI)RX").into());
        let begin = [self.folder.clone().into_os_string(), "/grant".into()];
        begin.into_iter().chain(sids).chain(["/q".into()]).collect()
    }

    /// Gives it, to all that is in the folder.
    pub fn give(&self) -> Result<(), GrantError> {
        icacls(&self.args(), self)
    }
}

/// Runs the program of Windows that gives rights; `grant` is what it is told, for messages.
pub fn icacls(args: &[OsString], grant: &dyn fmt::Display) -> Result<(), GrantError> {
    // By its full path: the current folder may hold anything.
    let windows = std::env::var_os("SystemRoot").unwrap_or_else(|| "C:\\Windows".into());
    let program = PathBuf::from(windows).join("System32").join("icacls.exe");
    let output = crate::interrupt::output(Command::new(program).args(args))
        .map_err(|source| GrantError::Unstarted { grant: grant.to_string(), source })?;
    if output.status.success() {
        return Ok(());
    }
    let code = output.status.code().map_or_else(|| output.status.to_string(), |code| code.to_string());
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(GrantError::Refused { grant: grant.to_string(), code, said })
}

/// As people would type it.
impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "icacls \"{}\"", self.folder.display())?;
        self.args().iter().skip(1).try_for_each(|arg| write!(f, " {}", arg.to_string_lossy()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pool_reads_the_site_and_changes_what_it_wrote() {
        let pool = Sid::parse("S-1-5-82-1-2-3-4-5").unwrap();
        assert_eq!(of_site(&pool), "D:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;FRFX;;;S-1-5-82-1-2-3-4-5)");
        assert!(of_shared(&pool).ends_with("(A;OICI;0x1301bf;;;S-1-5-82-1-2-3-4-5)"));
    }

    #[test]
    fn visitors_read_the_web_root_alone() {
        let pool = Sid::parse("S-1-5-82-1-2-3-4-5").unwrap();
        let of_www = of_www(&pool);
        assert!(of_www.starts_with(&of_site(&pool)), "whoever reads the release reads this part: {of_www}");
        assert!(of_www.ends_with("(A;OICI;FRFX;;;S-1-5-17)(A;OICI;FRFX;;;BU)"), "{of_www}");
        for other in [of_site(&pool), of_shared(&pool), of_config(&pool)] {
            assert!(!other.contains("S-1-5-17") && !other.contains("BU"), "{other}");
        }
    }

    #[test]
    fn a_release_that_was_copied_may_be_read_by_those_who_read_any() {
        let pool = Sid::parse("S-1-5-82-1-2-3-4-5").unwrap();
        let grants = of_adopted("/srv/shop & co".as_ref(), &pool);
        let shown: Vec<_> = grants.iter().map(|grant| grant.to_string().replace('\\', "/")).collect();
        assert_eq!(
            shown,
            [
                "icacls \"/srv/shop & co\" /grant *S-1-5-82-1-2-3-4-5:(OI)(CI)RX /q",
                "icacls \"/srv/shop & co/www\" /grant *S-1-5-17:(OI)(CI)RX *S-1-5-32-545:(OI)(CI)RX /q",
            ]
        );
        assert_eq!(grants[0].args()[0], "/srv/shop & co", "as it is: no shell is between");
    }

    #[test]
    fn a_folder_that_was_there_is_known_by_what_is_in_it() {
        let check = |names: &[&str], expected: Standing| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            assert_eq!(Standing::of(&names), expected, "{names:?}");
        };
        check(&[], Standing::New);
        check(&["site.toml", "notes.txt"], Standing::New);
        check(&["secrets.toml"], Standing::New);
        // What a removal leaves.
        check(&["lock", "shared"], Standing::New);
        check(&["lock", "shared", "site.toml", "state.json"], Standing::Made);
        check(&["releases", "notes.txt"], Standing::Made);
        check(&["journal.jsonl", "shared"], Standing::Made);
        check(&["shared", "wwwroot"], Standing::Foreign("wwwroot".to_owned()));
        check(&["manage.py", "shop"], Standing::Foreign("manage.py".to_owned()));
    }

    #[test]
    fn a_folder_is_made_once() {
        let above = tempfile::tempdir().unwrap();
        let folder = above.path().join("sites").join("shop");
        let rights = "D:(A;OICI;FA;;;WD)";
        for _ in 0..2 {
            make_folder(&Disk::default(), &folder, rights).unwrap();
            assert!(folder.is_dir());
        }
    }
}
