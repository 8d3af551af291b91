//! What is run around a switch: hooks, and before migrations a copy of the databases that lie in the site's own folder.
//!
//! Hooks are told what the site is told. What they print is kept ([`record`](super::record)), and shown when they fail. None
//! may run for ever: the site is locked meanwhile, and what has not ended in time is ended with all that it started.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use walkdir::WalkDir;

use super::copies;
use super::record::Record;
use crate::durable::Disk;
use crate::interrupt::{self, Within};
use crate::site::settings::Hook;
use crate::site::{self, Invocation, Place, environment};

/// How an SQLite database begins: <https://www.sqlite.org/fileformat.html#magic_header_string>.
const SQLITE: &[u8; 16] = b"SQLite format 3\0";

/// Copies by the backup interface of SQLite: also a database that is being written to comes out whole.
const COPY: &str = "import sqlite3, sys\n\
    source, copy = sqlite3.connect(sys.argv[1]), sqlite3.connect(sys.argv[2])\n\
    source.backup(copy)\n\
    copy.close()\n";

/// How much is shown of what a hook that failed has said.
const LINES: usize = 20;

/// Why what was to be run did not do its work.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum HookError {
    #[error("cannot start `{invocation}`")]
    #[diagnostic(help("check the program's name in `[hooks]` of site.toml"))]
    Unstarted { invocation: String, source: io::Error },
    #[error("`{invocation}` ended with {code}{}:\n{said}", kept_in(log.as_deref()))]
    #[diagnostic(help(
        "the words above are its own; run it by hand with `holdall manage`, or correct `[hooks]` in site.toml"
    ))]
    Failed { invocation: String, code: String, said: String, log: Option<PathBuf> },
    #[error(
        "`{invocation}` had not ended after {seconds} s, and was ended with all that it started{}{}",
        kept_in(log.as_deref()),
        after_colon(said)
    )]
    #[diagnostic(help(
        "run it by hand with `holdall manage` to see what it waits for: a question that nobody answers, or a lock in \
         the database. If it needs longer, set `timeout` in `[hooks]` of site.toml (seconds)"
    ))]
    Overdue { invocation: String, seconds: u64, said: String, log: Option<PathBuf> },
    #[error("cannot look for databases below `{}`", path.display())]
    #[diagnostic(help("check that you may read it"))]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("cannot make the folder `{}` for copies of the databases", path.display())]
    #[diagnostic(help("check that the disk has room and that you may write there"))]
    NoFolder { path: PathBuf, source: io::Error },
}

/// The migrations of the release at `place` that its database has not seen, as `app.name`.
pub fn unapplied(
    place: &Place,
    given: &BTreeMap<String, String>,
    limit: Duration,
) -> Result<Vec<String>, HookError> {
    let question = site::manage(place, ["showmigrations", "--plan", "--no-color"], given);
    let said = run(&question, &Record::begin(place, "migrations"), limit)?;
    Ok(listed(&said))
}

/// Lines with an empty box; whatever the project itself prints has none.
fn listed(said: &str) -> Vec<String> {
    let name = |line: &str| Some(line.trim().strip_prefix("[ ]")?.split_whitespace().next()?.to_owned());
    said.lines().filter_map(name).collect()
}

/// Whether one of the hooks brings the database up to date.
pub fn migrates(hooks: &[Hook]) -> bool {
    hooks.iter().any(|hook| {
        hook.manage().is_some_and(|args| args.first().is_some_and(|command| command == "migrate"))
    })
}

/// Copies every SQLite database below `shared` into a folder of the release's own. Returns where it is, if there is any.
///
/// SQLite makes durable what it writes, and we the folders around it: what is migrated next may need the copy.
pub fn copy_databases(
    place: &Place,
    given: &BTreeMap<String, String>,
    disk: &Disk,
    limit: Duration,
) -> Result<Option<PathBuf>, HookError> {
    let databases = databases(&place.shared())?;
    let folder = copies::folder(&place.shared()).join(&place.id);
    if databases.is_empty() {
        return Ok(None);
    }
    let no_folder = |source| HookError::NoFolder { path: folder.clone(), source };
    for database in databases {
        let below = database.strip_prefix(place.shared()).expect("it was found there");
        let copy = folder.join(below);
        disk.create_folders(copy.parent().unwrap_or(&folder)).map_err(no_folder)?;
        // One that a run before this has begun is not a database to copy into.
        match fs_err::remove_file(&copy) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(no_folder(error)),
            _ => {}
        }
        let args = ["-c".into(), COPY.into(), database.into_os_string(), copy.into_os_string()];
        let copying = site::invocation::python(place, args, environment::variables(place, given));
        run(&copying, &Record::begin(place, "copy"), limit)?;
    }
    Ok(Some(folder))
}

/// The databases in a folder: not what lies in backups, nor among uploads and temporary files.
fn databases(shared: &Path) -> Result<Vec<PathBuf>, HookError> {
    let [logs, media, tmp] = ["logs", "media", "tmp"].map(|name| shared.join(name));
    let left_out = [copies::folder(shared), logs, media, tmp];
    let mut found = Vec::new();
    let walk = WalkDir::new(shared).sort_by_file_name().into_iter();
    for entry in walk.filter_entry(|entry| !left_out.iter().any(|folder| entry.path() == folder)) {
        let unreadable = |source| HookError::Unreadable { path: shared.to_owned(), source };
        // What SQLite has beside a database comes and goes while the site runs.
        let is_gone = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
        let entry = match entry.map_err(io::Error::from) {
            Err(error) if is_gone(&error) => continue,
            entry => entry.map_err(unreadable)?,
        };
        if !entry.file_type().is_file() {
            continue;
        }
        match is_sqlite(entry.path()) {
            Ok(true) => found.push(entry.into_path()),
            Err(error) if !is_gone(&error) => return Err(unreadable(error)),
            _ => {}
        }
    }
    Ok(found)
}

/// Whether a file is a database.
pub(super) fn is_sqlite(path: &Path) -> io::Result<bool> {
    let mut begin = Vec::new();
    fs_err::File::open(path)?.take(SQLITE.len() as u64).read_to_end(&mut begin)?;
    Ok(begin == SQLITE)
}

/// Runs one hook to its end, or to that of its time. `step` says which of a deploy's it belongs to.
pub fn hook(
    hook: &Hook,
    step: &str,
    place: &Place,
    given: &BTreeMap<String, String>,
    limit: Duration,
) -> Result<(), HookError> {
    run(&invocation(hook, place, given), &Record::begin(place, step), limit).map(drop)
}

/// The program that a hook is.
pub fn invocation(hook: &Hook, place: &Place, given: &BTreeMap<String, String>) -> Invocation {
    match hook.manage() {
        Some(args) => site::manage(place, args, given),
        None => {
            let mut words = hook.words.iter();
            let program = words.next().map(PathBuf::from).unwrap_or_default();
            let args: Vec<OsString> = words.map(OsString::from).collect();
            let environment = environment::variables(place, given);
            Invocation { program, args, environment, cwd: place.release.join("app") }
        }
    }
}

/// Runs a program, and keeps what it printed; returns it.
fn run(invocation: &Invocation, record: &Record<'_>, limit: Duration) -> Result<String, HookError> {
    let what = invocation.to_string();
    let within = interrupt::output_within(&mut invocation.command(), limit).map_err(|source| {
        record.keep(&what, b"", b"", &format!("could not be started: {source}"));
        HookError::Unstarted { invocation: what.clone(), source }
    })?;
    let output = match within {
        Within::Ended(output) => output,
        Within::Overdue { stdout, stderr } => {
            let seconds = limit.as_secs();
            let log =
                record.keep(&what, &stdout, &stderr, &format!("had not ended after {seconds} s: was ended"));
            let said = last_lines(&stdout, &stderr);
            return Err(HookError::Overdue { invocation: what, seconds, said, log });
        }
    };
    let code = output.status.code().map_or_else(|| output.status.to_string(), |code| code.to_string());
    let log = record.keep(&what, &output.stdout, &output.stderr, &format!("ended with {code}"));
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = last_lines(&output.stdout, &output.stderr);
    Err(HookError::Failed { invocation: what, code, said, log })
}

fn kept_in(log: Option<&Path>) -> String {
    log.map_or_else(String::new, |log| format!(" (all that it said is in `{}`)", log.display()))
}

fn last_lines(stdout: &[u8], stderr: &[u8]) -> String {
    let said = String::from_utf8_lossy(stdout) + String::from_utf8_lossy(stderr);
    let lines: Vec<&str> = said.trim_end().lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}

fn after_colon(said: &str) -> String {
    if said.is_empty() { String::new() } else { format!(":\n{said}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::place::tests::guestbook;

    #[test]
    fn migrations_are_read_as_django_lists_them() {
        let said = "[X]  contenttypes.0001_initial\r\nThe project says [ ] something\n[ ]  entries.0002_more ... (entries.0001)\n";
        assert_eq!(listed(said), ["entries.0002_more"]);
    }

    #[test]
    fn a_hook_is_manage_py_or_a_program_of_the_machine() {
        let place = guestbook("/srv".as_ref());
        let parsed = |text: &str| invocation(&Hook::parse(text).unwrap(), &place, &BTreeMap::new());
        let migrate = parsed("manage.py migrate --noinput");
        assert!(migrate.program.ends_with("python3.12"));
        assert!(migrate.to_string().ends_with("migrate --noinput"));
        let other = parsed("\"C:\\my tools\\backup.exe\" all");
        assert_eq!((other.program, other.args), ("C:\\my tools\\backup.exe".into(), vec!["all".into()]));
        assert_eq!(other.environment["HOLDALL_SITE"], "guestbook");
        assert!(migrates(&[Hook::parse("x").unwrap(), Hook::parse("manage.py migrate").unwrap()]));
        assert!(!migrates(&[Hook::parse("manage.py check").unwrap()]));
    }

    #[test]
    fn databases_are_told_by_how_they_begin() {
        let shared = tempfile::tempdir().unwrap();
        let write = |path: &str, bytes: &[u8]| {
            let path = shared.path().join(path);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(path, bytes).unwrap();
        };
        write("databases/a.db", b"SQLite format 3\0 and more");
        write("databases/b.txt", b"SQLite format 3");
        write("media/uploaded.db", b"SQLite format 3\0");
        write("backups/1/a.db", b"SQLite format 3\0");
        assert_eq!(databases(shared.path()).unwrap(), [shared.path().join("databases").join("a.db")]);
    }

    #[cfg(unix)]
    #[test]
    fn a_hook_is_kept_and_one_that_fails_is_quoted_with_the_name_of_that_file() {
        let root = tempfile::tempdir().unwrap();
        let place = Place { release: "/".into(), ..guestbook(root.path()) };
        let said = |script: &str| {
            let hook = Hook::parse(&format!("sh -c \"{script}\"")).unwrap();
            let mut invocation = invocation(&hook, &place, &BTreeMap::new());
            invocation.cwd = "/".into();
            run(&invocation, &Record::begin(&place, "before"), Duration::from_millis(500))
        };
        let logs = || -> Vec<PathBuf> {
            let folder = super::super::record::folder(&place.shared());
            let mut logs: Vec<_> =
                fs_err::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
            logs.sort();
            logs
        };
        said("echo fine").unwrap();
        assert!(fs_err::read_to_string(&logs()[0]).unwrap().contains("\nfine\n"));
        let error = said("echo one; echo two >&2; exit 3").unwrap_err();
        let file = logs()[1].display().to_string();
        let expected = format!("ended with 3 (all that it said is in `{file}`):\none\ntwo");
        assert!(error.to_string().ends_with(&expected), "{error}");
        let error = said("echo begun; sleep 600").unwrap_err().to_string();
        let file = logs()[2].display().to_string();
        assert!(error.contains(&file) && error.ends_with(":\nbegun"), "{error}");
    }
}
