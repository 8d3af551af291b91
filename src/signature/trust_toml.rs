//! `trust.toml`: the keys that the administrators of a machine trust. Where it is, nothing else is taken, whatever the
//! environment or the command line says: both can but ask for more.
//!
//! A file that others may write says nothing about whom administrators trust: it is refused, and so is the command.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use toml_edit::{ArrayOfTables, DocumentMut, Item, Table, value};

use super::{KeyId, PublicKey, Trust, secret};
use crate::durable::Disk;
use crate::private::{Of, changers};

/// The variable that names one more file, beside that of the machine.
pub const TRUST_FILE_VARIABLE: &str = "HOLDALL_TRUST_FILE";

const NAME: &str = "trust.toml";

/// Names are shown in tables.
const NAME_LIMIT: usize = 64;

/// Of the file and of a folder that is made for it, in the words of Windows: administrators and the system may do all
/// (`FA`), everybody may read it (`FR`), and what a folder above would hand down does not count (`P`).
const FILE_RIGHTS: &str = "O:BAD:P(A;;FA;;;SY)(A;;FA;;;BA)(A;;FR;;;BU)";
const FOLDER_RIGHTS: &str = "O:BAD:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;FRFX;;;BU)";

/// A file that was read, and that nobody else may write.
#[derive(Debug, Clone)]
pub struct TrustFile {
    pub path: PathBuf,
    pub keys: Vec<TrustedKey>,
    text: String,
}

/// A key, and how people call it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TrustedKey {
    pub name: String,
    pub key: KeyId,
    #[serde(serialize_with = "line")]
    pub public: PublicKey,
}

fn line<S: serde::Serializer>(key: &PublicKey, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(key.line())
}

/// Why it is not known whom the administrators of this machine trust, or why that is not changed.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum TrustError {
    #[error("cannot read `{}`, and so not say whom this machine trusts", path.display())]
    #[diagnostic(help(
        "check that it is there and that you may read it: everybody may, if `holdall trust add` made it"
    ))]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("it is not known where this machine keeps its `trust.toml`")]
    #[diagnostic(help("Windows did not say where its folder for the data of programs is: mend that first"))]
    NoPlace(#[source] io::Error),
    #[error("`{}`, line {line}: {what}", path.display())]
    #[diagnostic(help(
        "each key is said so: `[[key]]`, below it `name = \"…\"` and `public = \"RW…\"`, the line in its `.pub` file; \
         `holdall trust add` writes it"
    ))]
    Malformed { path: PathBuf, line: usize, what: String },
    #[error("`{}` may be changed by {}: it does not say whom administrators trust", path.display(), by.join(", "))]
    #[diagnostic(help("look whether its keys are yours, and take that right away: {remedy}"))]
    Loose { path: PathBuf, by: Vec<String>, remedy: String },
    #[error("`{}` is no file of its own: a link may lead anywhere tomorrow", path.display())]
    #[diagnostic(help("put the file itself there"))]
    NoFile { path: PathBuf },
    #[error("HOLDALL_TRUST_FILE is set, and empty")]
    #[diagnostic(help("name a file like `trust.toml`, or unset it"))]
    EmptyVariable,
    #[error("`{}` is trusted already, as `{name}`", path.display())]
    #[diagnostic(help("`holdall trust list` names all keys"))]
    Known { path: PathBuf, name: String },
    #[error("`{}` has a key `{name}` already", path.display())]
    #[diagnostic(help("give the new one another name, such as `{name}-2`; both count until one is removed"))]
    Taken { path: PathBuf, name: String },
    #[error("`{}` has no key `{name}`{}", path.display(), known(names))]
    #[diagnostic(help("`holdall trust list` names all keys"))]
    Unknown { path: PathBuf, name: String, names: Vec<String> },
    #[error("`{name}` is the last key in `{}`", path.display())]
    #[diagnostic(help(
        "without keys nothing could be deployed: add its successor first. If no signature is to be asked for any more, \
         delete the file"
    ))]
    Last { path: PathBuf, name: String },
    #[error("`{}` cannot be the name of a key: {NAME_LIMIT} letters at most, and no control characters", name.escape_debug())]
    #[diagnostic(help("name it after who signs, such as `ann` or `ci`"))]
    Name { name: String },
    #[error("cannot write `{}`", path.display())]
    #[diagnostic(help("administrators may: run this as one, elevated; what was there is as it was"))]
    Unwritable { path: PathBuf, source: io::Error },
}

impl TrustError {
    /// Whether nothing was done yet.
    pub fn is_precondition(&self) -> bool {
        !matches!(self, TrustError::Unwritable { .. })
    }
}

fn known(names: &[String]) -> String {
    match names {
        [] => String::new(),
        _ => format!(", but {}", names.join(", ")),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    key: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: toml::Spanned<String>,
    public: toml::Spanned<String>,
}

impl TrustFile {
    /// The place of the file that counts on this machine, whether or not it is there.
    pub fn place() -> Result<PathBuf, TrustError> {
        #[cfg(windows)]
        let folder = crate::private::program_data().map_err(TrustError::NoPlace)?;
        #[cfg(not(windows))]
        let folder = Path::new("/etc");
        Ok(folder.join("holdall").join(NAME))
    }

    /// All that count on this machine: its own, if it is there, and the one that the variable names, which has to be.
    pub fn all() -> Result<Vec<TrustFile>, TrustError> {
        let mut files: Vec<TrustFile> = TrustFile::read(&TrustFile::place()?)?.into_iter().collect();
        if let Some(named) = std::env::var_os(TRUST_FILE_VARIABLE) {
            let path = match named.is_empty() {
                true => return Err(TrustError::EmptyVariable),
                false => PathBuf::from(named),
            };
            // Somebody meant to ask for a signature.
            let gone =
                || TrustError::Unreadable { path: path.clone(), source: io::ErrorKind::NotFound.into() };
            files.push(TrustFile::read(&path)?.ok_or_else(gone)?);
        }
        Ok(files)
    }

    /// Reads a file, if it is there and nobody else may write it.
    pub fn read(path: &Path) -> Result<Option<TrustFile>, TrustError> {
        let unreadable = |source| TrustError::Unreadable { path: path.to_owned(), source };
        match fs_err::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unreadable(error)),
            Ok(found) if !found.is_file() => return Err(TrustError::NoFile { path: path.to_owned() }),
            Ok(_) => {}
        }
        for (path, of) in [(folder(path), Of::Folder), (path, Of::File)] {
            let by = changers(path, of).map_err(unreadable)?;
            if !by.is_empty() {
                return Err(TrustError::Loose { path: path.to_owned(), by, remedy: remedy(path, of) });
            }
        }
        let text = fs_err::read_to_string(path).map_err(unreadable)?;
        TrustFile::parse(path, text).map(Some)
    }

    fn parse(path: &Path, text: String) -> Result<TrustFile, TrustError> {
        let body = text.trim_start_matches('\u{feff}');
        let wrong = |at: usize, what: String| {
            let line = body[..at.min(body.len())].matches('\n').count() + 1;
            TrustError::Malformed { path: path.to_owned(), line, what }
        };
        let file: File = toml::from_str(body).map_err(|error| {
            wrong(error.span().map_or(0, |Range { start, .. }| start), error.message().to_owned())
        })?;
        let mut keys: Vec<TrustedKey> = Vec::new();
        for Entry { name, public } in file.key {
            if !is_name(name.as_ref()) {
                return Err(wrong(name.span().start, "this is no name for a key".to_owned()));
            }
            if keys.iter().any(|other| other.name == *name.as_ref()) {
                return Err(wrong(name.span().start, format!("there are two keys `{}`", name.as_ref())));
            }
            let at = public.span().start;
            let key = PublicKey::of_line(public.as_ref()).ok_or_else(|| {
                // It is not repeated: what is printed ends in logs.
                let what = match secret::is_secret(public.as_ref().trim()) {
                    true => "`public` is a secret key, which has no business here",
                    false => "`public` is not the line of a public key",
                };
                wrong(at, what.to_owned())
            })?;
            keys.push(TrustedKey { name: name.into_inner(), key: key.id, public: key });
        }
        if keys.is_empty() {
            return Err(wrong(0, "it names no key, and so would refuse everything".to_owned()));
        }
        Ok(TrustFile { path: path.to_owned(), keys, text: body.to_owned() })
    }

    /// What it asks for, beside `trust`.
    pub fn narrows(&self, trust: Trust) -> Trust {
        trust.and(&self.path, self.keys.iter().map(|key| key.public.clone()).collect())
    }

    /// Adds a key to the file at `path`, which is made if it is missing.
    pub fn add(path: &Path, name: &str, key: &PublicKey) -> Result<(), TrustError> {
        if !is_name(name) {
            return Err(TrustError::Name { name: name.to_owned() });
        }
        let there = TrustFile::read(path)?;
        for known in there.iter().flat_map(|there| &there.keys) {
            let (path, known_name) = (path.to_owned(), known.name.clone());
            if known.public == *key {
                return Err(TrustError::Known { path, name: known_name });
            }
            if known.name == name {
                return Err(TrustError::Taken { path, name: known_name });
            }
        }
        let mut document = there.as_ref().map_or_else(DocumentMut::new, TrustFile::document);
        let mut entry = Table::new();
        entry.insert("name", value(name));
        entry.insert("public", value(key.line()));
        let keys = document.entry("key").or_insert_with(|| Item::ArrayOfTables(ArrayOfTables::new()));
        match keys.as_array_of_tables_mut() {
            Some(keys) => keys.push(entry),
            // Written as a list of its own, which is right, too.
            None => {
                keys.as_array_mut().into_iter().for_each(|keys| keys.push(entry.clone().into_inline_table()))
            }
        }
        write(path, &document.to_string())
    }

    /// Removes a key from the file at `path`; never the last.
    pub fn remove(path: &Path, name: &str) -> Result<(), TrustError> {
        let unknown = |names| TrustError::Unknown { path: path.to_owned(), name: name.to_owned(), names };
        let there = TrustFile::read(path)?.ok_or_else(|| unknown(Vec::new()))?;
        let names = || there.keys.iter().map(|key| key.name.clone()).collect();
        let at = there.keys.iter().position(|key| key.name == name).ok_or_else(|| unknown(names()))?;
        if there.keys.len() == 1 {
            return Err(TrustError::Last { path: path.to_owned(), name: name.to_owned() });
        }
        let mut document = there.document();
        match document.get_mut("key") {
            Some(Item::ArrayOfTables(keys)) => drop(keys.remove(at)),
            Some(keys) => keys.as_array_mut().into_iter().for_each(|keys| drop(keys.remove(at))),
            None => {}
        }
        write(path, &document.to_string())
    }

    fn document(&self) -> DocumentMut {
        self.text.parse().expect("it was read as TOML before")
    }
}

fn is_name(name: &str) -> bool {
    !name.trim().is_empty() && name.chars().count() <= NAME_LIMIT && !name.contains(char::is_control)
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// How others lose the right to change it.
fn remedy(path: &Path, of: Of) -> String {
    let shown = path.display();
    match (cfg!(windows), of) {
        (true, Of::File) => format!(
            "`icacls \"{shown}\" /setowner *S-1-5-32-544` and `icacls \"{shown}\" /inheritance:r /grant:r *S-1-5-18:F \
             *S-1-5-32-544:F *S-1-5-32-545:R`"
        ),
        (true, Of::Folder) => format!(
            "`icacls \"{shown}\" /setowner *S-1-5-32-544` and `icacls \"{shown}\" /inheritance:r /grant:r \
             *S-1-5-18:(OI)(CI)F *S-1-5-32-544:(OI)(CI)F *S-1-5-32-545:(OI)(CI)RX`"
        ),
        (false, _) => format!("`chown root '{shown}'` and `chmod go-w '{shown}'`"),
    }
}

fn write(path: &Path, text: &str) -> Result<(), TrustError> {
    let disk = Disk::default();
    let written = match folder(path).is_dir() {
        true => Ok(()),
        false => crate::site::rights::make_folder(&disk, folder(path), FOLDER_RIGHTS),
    };
    let written = written.and_then(|()| disk.replace_guarded(path, FILE_RIGHTS, text.as_bytes()));
    written.map_err(|source| TrustError::Unwritable { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANN: &str = "RWSCxMfXeAKV3+yL/PGjeLV57ijA++6ll3gr28/2PGXEDarfL7g5JWv7";

    fn key(line: &str) -> PublicKey {
        PublicKey::of_line(line).unwrap()
    }

    /// A key that nobody has the secret half of.
    fn other(number: u8) -> PublicKey {
        PublicKey::of_parts(KeyId([number; 8]), &[number; 32]).unwrap()
    }

    #[track_caller]
    fn refused(text: &str) -> String {
        TrustFile::parse(Path::new("trust.toml"), text.to_owned()).unwrap_err().to_string()
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        let good = format!("\u{feff}# whom we trust\r\n[[key]]\r\nname = \"ann\"\r\npublic = \"{ANN}\"\r\n");
        let file = TrustFile::parse(Path::new("trust.toml"), good.clone()).unwrap();
        assert_eq!((file.keys.len(), &*file.keys[0].name, file.keys[0].public.line()), (1, "ann", ANN));
        let check = |text: &str, expected: &str| {
            let said = refused(text);
            assert!(said.starts_with("`trust.toml`, line ") && said.contains(expected), "{said}");
        };
        check("", "line 1: it names no key");
        check(&format!("[[key]]\nname = 'ann'\npublik = '{ANN}'\n"), "line 3: unknown field `publik`");
        check(&format!("keys = 1\n{good}").replace('\u{feff}', ""), "line 1: unknown field `keys`");
        check("[[key]]\nname = 'ann'\n", "line 1: missing field `public`");
        check("[[key]]\nname = 'ann'\npublic = 'RWx'\n", "line 3: `public` is not the line of a public key");
        check(&format!("[[key]]\nname = ' '\npublic = '{ANN}'\n"), "line 2: this is no name");
        let twice = format!("{good}[[key]]\nname = 'ann'\npublic = '{}'\n", other(1).line());
        check(&twice, "line 6: there are two keys `ann`");
        check("[[key]\n", "line 1: ");
    }

    #[test]
    fn a_secret_key_is_refused_and_not_repeated() {
        let file = fs_err::read_to_string(
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/minisign/ann.key"),
        );
        let file = file.unwrap();
        let line = file.lines().last().unwrap();
        let said = refused(&format!("[[key]]\nname = 'ann'\npublic = '{line}'\n"));
        assert!(said.contains("line 3: `public` is a secret key") && !said.contains(line), "{said}");
    }

    #[test]
    fn keys_come_and_go_and_what_people_wrote_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("holdall").join(NAME);
        assert!(TrustFile::read(&path).unwrap().is_none());
        TrustFile::add(&path, "ann", &key(ANN)).unwrap();
        let text = fs_err::read_to_string(&path).unwrap();
        assert_eq!(text, format!("[[key]]\nname = \"ann\"\npublic = \"{ANN}\"\n"));
        fs_err::write(&path, format!("# whom we trust\n{text}")).unwrap();
        assert!(matches!(TrustFile::remove(&path, "ann"), Err(TrustError::Last { .. })));
        TrustFile::add(&path, "ci", &other(1)).unwrap();
        assert!(matches!(TrustFile::add(&path, "ci", &other(2)), Err(TrustError::Taken { .. })));
        assert!(matches!(TrustFile::add(&path, "bob", &other(1)), Err(TrustError::Known { .. })));
        assert!(matches!(TrustFile::add(&path, "a\nb", &other(2)), Err(TrustError::Name { .. })));
        let error = TrustFile::remove(&path, "bob").unwrap_err();
        assert!(error.to_string().ends_with("has no key `bob`, but ann, ci"), "{error}");
        TrustFile::remove(&path, "ann").unwrap();
        let text = fs_err::read_to_string(&path).unwrap();
        assert!(text.contains("name = \"ci\"") && !text.contains(ANN), "{text}");
        // Written as one list it means the same.
        fs_err::write(&path, format!("key = [{{ name = 'ann', public = '{ANN}' }}]\n")).unwrap();
        TrustFile::add(&path, "ci", &other(1)).unwrap();
        TrustFile::remove(&path, "ann").unwrap();
        assert_eq!(TrustFile::read(&path).unwrap().unwrap().keys[0].name, "ci");
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_may_write_is_not_believed() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(NAME);
        TrustFile::add(&path, "ann", &key(ANN)).unwrap();
        let set = |path: &Path, mode| fs_err::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
        for (changed, mode, back) in [(path.as_path(), 0o664, 0o644), (folder.path(), 0o777, 0o700)] {
            set(changed, mode);
            let error = TrustFile::read(&path).unwrap_err();
            assert!(error.to_string().starts_with(&format!("`{}` may be changed by ", changed.display())));
            assert!(matches!(TrustFile::add(&path, "ci", &other(1)), Err(TrustError::Loose { .. })));
            set(changed, back);
        }
        let link = folder.path().join("link.toml");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(matches!(TrustFile::read(&link), Err(TrustError::NoFile { .. })));
        assert!(TrustFile::read(&path).unwrap().is_some());
    }
}
