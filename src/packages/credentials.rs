//! Credentials for the indexes, where uv finds its own: in URLs of indexes, in UV_INDEX_<NAME>_USERNAME and _PASSWORD,
//! and in netrc. uv writes a wheel's URL without them, so that whoever fetches it has to find them again.
//!
//! Nothing here is ever shown or written. What only a keyring knows is not asked.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use reqwest::Url;

use super::answers::settings_files;
use super::committed::{logical_lines, with_included};
use super::question::Request;
use crate::project::Dependencies;

/// Who may fetch what.
#[derive(Default)]
pub(super) struct Credentials {
    /// Those of indexes, by the place that they are for.
    indexes: Vec<(Place, Login)>,
    netrc: Netrc,
}

/// The part of a URL that credentials are for: other paths of the same server count, as its files lie elsewhere.
#[derive(PartialEq, Eq)]
struct Place {
    scheme: String,
    host: String,
    port: Option<u16>,
}

#[derive(Clone, PartialEq, Eq)]
pub(super) struct Login {
    pub name: String,
    pub password: Option<String>,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login(…)")
    }
}

impl Credentials {
    /// Reads them where uv would for this request.
    pub fn of(request: &Request<'_>) -> Credentials {
        let variables: BTreeMap<String, String> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let mut indexes = Vec::new();
        for name in ["UV_INDEX", "UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS"] {
            let value = variables.get(name).map_or("", String::as_str);
            indexes.extend(value.split([' ', '\t', '\n', ',']).filter(|word| !word.is_empty()).map(named));
        }
        let folder = std::path::absolute(request.folder()).unwrap_or_default();
        for file in settings_files(&folder) {
            let table = fs_err::read_to_string(&file).ok().and_then(|text| text.parse::<toml::Table>().ok());
            indexes.extend(table.iter().flat_map(of_settings));
        }
        if let Dependencies::Requirements(files) = request.dependencies {
            indexes.extend(of_requirements(files));
        }
        let variable = |name: &str| variables.get(name).cloned();
        let indexes =
            indexes.iter().filter_map(|(name, url)| login(name.as_deref(), url, &variable)).collect();
        Credentials { indexes, netrc: Netrc::of_user() }
    }

    /// The login for a URL that has none of its own.
    pub fn login(&self, url: &Url) -> Option<Login> {
        if !url.username().is_empty() || url.password().is_some() {
            return None;
        }
        let place = Place::of(url)?;
        let of_index = self.indexes.iter().find(|(index, _)| *index == place).map(|(_, login)| login.clone());
        of_index.or_else(|| self.netrc.login(&place.host))
    }
}

impl Place {
    fn of(url: &Url) -> Option<Place> {
        let host = url.host_str()?.to_owned();
        Some(Place { scheme: url.scheme().to_owned(), host, port: url.port_or_known_default() })
    }
}

/// `name=https://…` or a URL alone.
fn named(word: &str) -> (Option<String>, String) {
    match word.split_once('=') {
        Some((name, url)) if !name.contains([':', '/']) => (Some(name.to_owned()), url.to_owned()),
        _ => (None, word.to_owned()),
    }
}

/// The indexes of a `uv.toml`, or of `[tool.uv]` in a `pyproject.toml`.
fn of_settings(table: &toml::Table) -> Vec<(Option<String>, String)> {
    let own = table.get("tool").and_then(|tool| tool.get("uv")).and_then(toml::Value::as_table);
    let table = own.unwrap_or(table);
    let text = |value: &toml::Value| value.as_str().map(str::to_owned);
    let mut indexes = Vec::new();
    for index in table.get("index").and_then(toml::Value::as_array).into_iter().flatten() {
        if let Some(url) = index.get("url").and_then(text) {
            indexes.push((index.get("name").and_then(text), url));
        }
    }
    for settings in [Some(table), table.get("pip").and_then(toml::Value::as_table)].into_iter().flatten() {
        indexes.extend(settings.get("index-url").and_then(text).map(|url| (None, url)));
        let more = settings.get("extra-index-url").and_then(toml::Value::as_array);
        indexes.extend(more.into_iter().flatten().filter_map(text).map(|url| (None, url)));
    }
    indexes
}

/// The indexes that requirements files name.
fn of_requirements(files: &[PathBuf]) -> Vec<(Option<String>, String)> {
    let mut indexes = Vec::new();
    for file in with_included(files).unwrap_or_default() {
        let text = fs_err::read_to_string(&file).unwrap_or_default();
        for line in logical_lines(&text) {
            let options = ["--index-url", "--extra-index-url", "--find-links", "-i", "-f"];
            let value = options.iter().find_map(|option| line.trim().strip_prefix(option));
            if let Some(url) = value.map(|value| value.trim_start_matches(['=', ' ', '\t'])) {
                indexes.push((None, expanded(url.trim())));
            }
        }
    }
    indexes
}

/// `${NAME}` in a requirements file stands for an environment variable.
fn expanded(text: &str) -> String {
    let mut parts = text.split("${");
    let mut whole = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once('}').unwrap_or((part, ""));
        whole.push_str(&std::env::var(name).unwrap_or_default());
        whole.push_str(rest);
    }
    whole
}

/// The login of an index: the one in its URL, completed by the variables of its name.
fn login(name: Option<&str>, url: &str, variable: &dyn Fn(&str) -> Option<String>) -> Option<(Place, Login)> {
    let url = Url::parse(url).ok()?;
    let decoded = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
    let of_name = |what: &str| {
        let name: String = name?
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' })
            .collect();
        variable(&format!("UV_INDEX_{name}_{what}")).filter(|value| !value.is_empty())
    };
    let user = of_name("USERNAME").or_else(|| Some(decoded(url.username())));
    let password = of_name("PASSWORD").or_else(|| url.password().map(decoded));
    let login = Login { name: user.unwrap_or_default(), password };
    // A name alone waits for a keyring.
    login.password.is_some().then_some((Place::of(&url)?, login))
}

/// What a netrc file says, by host.
#[derive(Default)]
struct Netrc {
    machines: BTreeMap<String, Login>,
    default: Option<Login>,
}

impl Netrc {
    /// The file that NETRC names, or the one in the user's folder.
    fn of_user() -> Netrc {
        let named = std::env::var_os("NETRC").filter(|file| !file.is_empty()).map(PathBuf::from);
        let home = std::env::var_os(if cfg!(windows) { "USERPROFILE" } else { "HOME" }).map(PathBuf::from);
        let names: &[&str] = if cfg!(windows) { &[".netrc", "_netrc"] } else { &[".netrc"] };
        let of_home = home.iter().flat_map(|home| names.iter().map(|name| home.join(name)));
        let file = named.or_else(|| of_home.into_iter().find(|file: &PathBuf| file.is_file()));
        file.and_then(|file| fs_err::read_to_string(Path::new(&file)).ok())
            .map_or_else(Netrc::default, |text| Netrc::read(&text))
    }

    fn read(text: &str) -> Netrc {
        let mut netrc = Netrc::default();
        let mut machine: Option<Option<String>> = None;
        let mut login = Login { name: String::new(), password: None };
        let mut words = text.lines().flat_map(|line| {
            // A comment is a word that begins with `#`, and not a password that does.
            let line = if line.trim_start().starts_with('#') { "" } else { line };
            line.split_whitespace()
        });
        let mut ended = |machine: &mut Option<Option<String>>, login: &mut Login| {
            let empty = Login { name: String::new(), password: None };
            let login = std::mem::replace(login, empty);
            match machine.take() {
                Some(Some(host)) => drop(netrc.machines.entry(host).or_insert(login)),
                Some(None) => netrc.default = Some(login),
                None => {}
            }
        };
        while let Some(word) = words.next() {
            match word {
                "machine" => {
                    ended(&mut machine, &mut login);
                    machine = words.next().map(|host| Some(host.to_ascii_lowercase()));
                }
                "default" => {
                    ended(&mut machine, &mut login);
                    machine = Some(None);
                }
                "login" => login.name = words.next().unwrap_or_default().to_owned(),
                "password" => login.password = words.next().map(str::to_owned),
                "account" => drop(words.next()),
                _ => {}
            }
        }
        ended(&mut machine, &mut login);
        netrc
    }

    fn login(&self, host: &str) -> Option<Login> {
        self.machines.get(&host.to_ascii_lowercase()).or(self.default.as_ref()).cloned()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn credentials(indexes: &[&str], netrc: &str) -> Credentials {
        let variable = |name: &str| match name {
            "UV_INDEX_OUR_CORP_USERNAME" => Some("ann".to_owned()),
            "UV_INDEX_OUR_CORP_PASSWORD" => Some("of name".to_owned()),
            _ => None,
        };
        let indexes = indexes.iter().map(|word| named(word));
        let indexes = indexes.filter_map(|(name, url)| login(name.as_deref(), &url, &variable)).collect();
        Credentials { indexes, netrc: Netrc::read(netrc) }
    }

    #[track_caller]
    fn check(credentials: &Credentials, url: &str, expected: Option<(&str, &str)>) {
        let login = credentials.login(&url.parse().unwrap());
        let found = login.as_ref().map(|login| (login.name.as_str(), login.password.as_deref().unwrap()));
        assert!(found == expected, "{url}");
    }

    #[test]
    fn the_login_of_an_index_is_for_its_server_and_no_other() {
        let of = credentials(
            &[
                "https://bob:s%40fe@x.example/simple",
                "our-corp=https://y.example:8443/a/simple/",
                "https://only@z.example/",
            ],
            "# mine\nmachine w.example\n  login eve password #1\ndefault login any password rest\n",
        );
        check(&of, "https://x.example/files/a.whl", Some(("bob", "s@fe")));
        check(&of, "https://y.example:8443/files/a.whl", Some(("ann", "of name")));
        check(&of, "http://w.example/a.whl", Some(("eve", "#1")));
        check(&of, "https://me:own@x.example/a.whl", None);
        for other in ["http://x.example/a.whl", "https://y.example/a.whl", "https://z.example/a.whl"] {
            check(&of, other, Some(("any", "rest")));
        }
        check(&credentials(&[], "machine a login b"), "https://x.example/", None);
        assert_eq!(format!("{:?}", of.login(&"https://x.example/".parse().unwrap())), "Some(Login(…))");
    }

    #[test]
    fn the_indexes_of_settings_and_requirements_are_read() {
        let table =
            "[tool.uv]\nextra-index-url = ['https://b']\n[[tool.uv.index]]\nname = 'a'\nurl = 'https://a'\n";
        let found = of_settings(&table.parse().unwrap());
        assert_eq!(found, [(Some("a".to_owned()), "https://a".to_owned()), (None, "https://b".to_owned())]);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("requirements.txt");
        fs_err::write(&file, "--extra-index-url https://u:p@c/simple\n-i=https://d\ndjango\n").unwrap();
        let found = of_requirements(&[file]);
        assert_eq!(found, [(None, "https://u:p@c/simple".to_owned()), (None, "https://d".to_owned())]);
    }
}
