//! `secrets.toml`: environment values that nobody but administrators and the site's own processes may read.
//!
//! The file is given its rights before its content, and no value is ever shown: not by `Debug`, not in a message.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

use super::SiteSettings;
use super::settings::{PoolName, same_variable};
use crate::interrupt::Passing;
use crate::manifest::Manifest;
use crate::private;

/// The file's name in a site's folder.
pub const SECRETS_TOML: &str = "secrets.toml";

/// Secret variables by name.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secrets(BTreeMap<String, String>);

/// The security identifier of an account, as `S-1-5-…`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sid(String);

/// Why secrets cannot be read or written, or a release does not get all it needs.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum SecretsError {
    #[error("cannot read `{}`", path.display())]
    #[diagnostic(help("administrators may read it: run this as one"))]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("`{}` is not a list of variables: line {line}", path.display())]
    #[diagnostic(help("each line holds `NAME = \"value\"`; `holdall env set` writes them"))]
    Malformed { path: PathBuf, line: usize },
    #[error("cannot write `{}`", path.display())]
    #[diagnostic(help("administrators may write it: run this as one; what was there is as it was"))]
    Unwritable { path: PathBuf, source: io::Error },
    #[error("`{}` cannot be the name of an environment variable", .0.escape_debug())]
    #[diagnostic(help("a name has no blanks and no `=`"))]
    Name(String),
    #[error("`{name}` is not to be set: {why}")]
    #[diagnostic(help("name the variable otherwise"))]
    Ours { name: String, why: &'static str },
    #[error("the value of `{0}` cannot be that of an environment variable: it holds a NUL")]
    #[diagnostic(help("check where it comes from"))]
    Value(String),
    #[error("the variable `{first}` is set in `site.toml`, and `{second}` in `secrets.toml`")]
    #[diagnostic(help("remove one of them: `holdall env unset`, or edit `site.toml`"))]
    Twice { first: String, second: String },
    #[error("the site needs variables that nobody has set: {}", names.join(", "))]
    #[diagnostic(help("`holdall env set {site} {}` asks for its value", names[0]))]
    Missing { site: String, names: Vec<String> },
}

impl Secrets {
    /// Reads the file; one that is not there holds nothing.
    pub fn read(path: &Path) -> Result<Secrets, SecretsError> {
        let text = match fs_err::read_to_string(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Secrets::default()),
            read => read.map_err(|source| SecretsError::Unreadable { path: path.to_owned(), source })?,
        };
        Secrets::parse(&text).map_err(|line| SecretsError::Malformed { path: path.to_owned(), line })
    }

    /// Fails with the line that is wrong. The parser's own words would quote it, value and all.
    fn parse(text: &str) -> Result<Secrets, usize> {
        let text = text.trim_start_matches('\u{feff}');
        let line = |at: usize| text[..at.min(text.len())].matches('\n').count() + 1;
        let table: BTreeMap<String, toml::Spanned<String>> =
            toml::from_str(text).map_err(|error| line(error.span().map_or(0, |span| span.start)))?;
        let mut secrets = Secrets::default();
        for (name, value) in table {
            let at = value.span().start;
            secrets.set(&name, value.into_inner()).map_err(|_| line(at))?;
        }
        Ok(secrets)
    }

    pub fn set(&mut self, name: &str, value: String) -> Result<(), SecretsError> {
        if !super::settings::is_variable(name) {
            return Err(SecretsError::Name(name.to_owned()));
        }
        if let Some(why) = super::settings::set_by_holdall(name) {
            return Err(SecretsError::Ours { name: name.to_owned(), why });
        }
        if value.contains('\0') {
            return Err(SecretsError::Value(name.to_owned()));
        }
        // Windows takes names that differ in case for one.
        self.unset(name);
        self.0.insert(name.to_owned(), value);
        Ok(())
    }

    /// Whether it was there.
    pub fn unset(&mut self, name: &str) -> bool {
        let before = self.0.len();
        self.0.retain(|other, _| !same_variable(other, name));
        self.0.len() < before
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Writes the file whole or not at all. On Windows administrators and the system have it, and `readers` read it;
    /// elsewhere it is for its owner alone.
    pub fn write(&self, path: &Path, readers: &[Sid]) -> Result<(), SecretsError> {
        let text = toml::to_string(&self.0).expect("a table of texts can be written as TOML");
        write(path, readers, text.as_bytes())
            .map_err(|source| SecretsError::Unwritable { path: path.to_owned(), source })
    }
}

/// Names alone.
impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Sid {
    /// Takes the form `S-1-5-…`.
    pub fn parse(text: &str) -> Option<Sid> {
        let mut parts = text.strip_prefix("S-1-")?.split('-');
        let numbers = parts.clone().count();
        let right = (2..=16).contains(&numbers) && parts.all(|part| part.parse::<u64>().is_ok());
        right.then(|| Sid(text.to_owned()))
    }

    /// The account that IIS makes for a pool, `IIS AppPool\NAME`. Its SID follows from the name (the SHA-1 of it in
    /// small letters), so that rights can be given before the account is known everywhere.
    pub fn of_pool(pool: &PoolName) -> Sid {
        Sid::hashed("S-1-5-82", &pool.as_str().to_lowercase())
    }

    /// The account that Windows has for a service, `NT SERVICE\\NAME`: the SHA-1 of the name in capital letters, as
    /// `sc.exe showsid` tells it.
    pub fn of_service(name: &str) -> Sid {
        Sid::hashed("S-1-5-80", &name.to_uppercase())
    }

    fn hashed(authority: &str, name: &str) -> Sid {
        let name: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, &name);
        let words = hash
            .as_ref()
            .chunks_exact(4)
            .map(|four| u32::from_le_bytes([four[0], four[1], four[2], four[3]]));
        Sid(words.fold(authority.to_owned(), |sid, word| format!("{sid}-{word}")))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// All variables that an administrator gives a release: those of `site.toml` and the secret ones. Fails with the
/// names that the release needs and nobody gave.
pub fn given(
    settings: &SiteSettings,
    secrets: &Secrets,
    manifest: &Manifest,
) -> Result<BTreeMap<String, String>, SecretsError> {
    let mut given = settings.environment.clone();
    for (name, value) in &secrets.0 {
        if let Some(first) = settings.environment.keys().find(|first| same_variable(first, name)) {
            return Err(SecretsError::Twice { first: first.clone(), second: name.clone() });
        }
        given.insert(name.clone(), value.clone());
    }
    match super::environment::missing(manifest, &given) {
        names if names.is_empty() => Ok(given),
        names => Err(SecretsError::Missing { site: settings.name.to_string(), names }),
    }
}

fn write(path: &Path, readers: &[Sid], bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let make = || {
        tempfile::Builder::new().prefix(".holdall-").make_in(folder, |path| create_restricted(path, readers))
    };
    let mut file = Passing::make(make)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.hand_over(|file| crate::held::persist(file, path))
}

#[cfg(unix)]
fn create_restricted(path: &Path, _readers: &[Sid]) -> io::Result<std::fs::File> {
    private::create(path)
}

#[cfg(windows)]
fn create_restricted(path: &Path, readers: &[Sid]) -> io::Result<std::fs::File> {
    private::create_with(path, &rights(readers))
}

/// The rights in the words of Windows: all (`FA`) for system and administrators, who own it, reading (`FR`) for the
/// others; what the folder would hand down does not count (`P`).
#[cfg(any(windows, test))]
fn rights(readers: &[Sid]) -> String {
    let all = "O:BAD:P(A;;FA;;;SY)(A;;FA;;;BA)".to_owned();
    readers.iter().fold(all, |rights, reader| format!("{rights}(A;;FR;;;{})", reader.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::SiteName;
    use crate::site::place::tests::guestbook;

    fn secrets(pairs: &[(&str, &str)]) -> Secrets {
        let mut secrets = Secrets::default();
        pairs.iter().for_each(|(name, value)| secrets.set(name, (*value).to_owned()).unwrap());
        secrets
    }

    #[test]
    fn the_account_of_a_service_follows_from_its_name() {
        // What `sc.exe showsid TrustedInstaller` prints on every Windows.
        let known = "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464";
        assert_eq!(Sid::of_service("TrustedInstaller").as_str(), known);
    }

    #[test]
    fn what_is_written_is_read_back_by_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(SECRETS_TOML);
        assert_eq!(Secrets::read(&path).unwrap(), Secrets::default());
        let secrets = secrets(&[("SECRET_KEY", "a\"'\\\n$%ü"), ("A.B", "")]);
        for _ in 0..2 {
            secrets.write(&path, &[]).unwrap();
            assert_eq!(Secrets::read(&path).unwrap(), secrets);
        }
        assert_eq!(fs_err::read_dir(folder.path()).unwrap().count(), 1);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs_err::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn no_value_is_ever_shown() {
        assert_eq!(format!("{:?}", secrets(&[("KEY", "hidden")])), r#"{"KEY"}"#);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(SECRETS_TOML);
        for wrong in
            ["A = 'x'\nKEY = 'hidden\n", "A = 'x'\nKEY = ['hidden']\n", "A = 'x'\n'K Y' = 'hidden'\n"]
        {
            fs_err::write(&path, wrong).unwrap();
            let error = Secrets::read(&path).unwrap_err();
            assert!(matches!(error, SecretsError::Malformed { line: 2, .. }), "{error:?}");
            assert!(!format!("{error:?}").contains("hidden"), "{error:?}");
        }
    }

    #[test]
    fn names_that_differ_in_case_alone_are_one() {
        let mut secrets = secrets(&[("Key", "1"), ("KEY", "2")]);
        assert_eq!(secrets.names().collect::<Vec<_>>(), ["KEY"]);
        assert!(secrets.unset("key") && !secrets.unset("key"));
        assert!(matches!(secrets.set("A B", String::new()), Err(SecretsError::Name(_))));
        assert!(matches!(secrets.set("A", "\0".to_owned()), Err(SecretsError::Value(_))));
        assert!(matches!(secrets.set("Path", String::new()), Err(SecretsError::Ours { .. })));
    }

    #[test]
    fn a_release_gets_plain_and_secret_variables_or_is_told_what_it_lacks() {
        let mut manifest = guestbook("/srv".as_ref()).manifest;
        let mut settings = SiteSettings::named(SiteName::parse("shop").unwrap());
        settings.environment.insert("PLAIN".to_owned(), "1".to_owned());
        let secrets = secrets(&[("SECRET_KEY", "2")]);
        let given_to = |settings: &SiteSettings, manifest: &Manifest| given(settings, &secrets, manifest);
        let expected =
            [("PLAIN", "1"), ("SECRET_KEY", "2")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(given_to(&settings, &manifest).unwrap(), expected.into());
        manifest.site.environment = ["A", "SECRET_KEY", "B"].map(str::to_owned).into();
        let error = given_to(&settings, &manifest).unwrap_err();
        assert_eq!(error.to_string(), "the site needs variables that nobody has set: A, B");
        settings.environment.insert("secret_key".to_owned(), "3".to_owned());
        assert!(matches!(given_to(&settings, &manifest), Err(SecretsError::Twice { .. })));
    }

    #[test]
    fn the_account_of_a_pool_is_known_by_the_pools_name() {
        let pool = |name| Sid::of_pool(&PoolName::parse(name).unwrap());
        // Well known: every server with IIS has this pool.
        let known = "S-1-5-82-3006700770-424185619-1745488364-794895919-4004696415";
        assert_eq!(pool("DefaultAppPool").as_str(), known);
        assert_eq!(Sid::parse(known), Some(pool("DEFAULTAPPPOOL")));
        for wrong in ["", "S-1-", "S-1-5-x", "IUSR", "S-1-5-82-1)(A;;FA;;;WD"] {
            assert_eq!(Sid::parse(wrong), None, "{wrong}");
        }
        assert_eq!(
            rights(&[Sid::parse("S-1-5-17").unwrap()]),
            "O:BAD:P(A;;FA;;;SY)(A;;FA;;;BA)(A;;FR;;;S-1-5-17)"
        );
    }
}
