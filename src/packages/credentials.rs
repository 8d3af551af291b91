//! Name and password for the files of private indexes, from where uv has them for the indexes themselves: their URLs,
//! UV_INDEX_NAME_USERNAME and _PASSWORD, netrc. uv writes none of them into a lock.
//!
//! Keyrings are not asked: what only they know comes from a folder of wheels.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy as _;
use reqwest::Url;

use super::committed;
use super::lock::{LockedWheel, Origin};

/// Gives each wheel's URL the credentials that belong to it. `folder` is where uv was asked, `files` what about.
pub(super) fn give(wheels: &mut [LockedWheel], folder: &Path, files: &[PathBuf]) {
    let bare = wheels.iter_mut().filter_map(|wheel| match &mut wheel.origin {
        Origin::Url(url) if url.username().is_empty() && url.password().is_none() => Some(url),
        _ => None,
    });
    let mut bare = bare.peekable();
    if bare.peek().is_some() {
        let known = Known::gather(folder, files, &|name| std::env::var(name).ok());
        bare.for_each(|url| known.give(url));
    }
}

type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// All credentials at hand.
#[derive(Default)]
struct Known {
    /// URLs of indexes with name and password in them.
    indexes: Vec<Url>,
    netrc: Vec<Machine>,
}

/// An entry of netrc; without a host it is for all.
#[derive(Debug, Default, PartialEq, Eq)]
struct Machine {
    host: Option<String>,
    login: String,
    password: String,
}

impl Known {
    fn gather(folder: &Path, files: &[PathBuf], environment: Environment<'_>) -> Known {
        let mut known = Known::default();
        let variables =
            ["UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS"];
        for text in variables.iter().filter_map(|name| environment(name)) {
            for index in text.split([' ', '\t', '\n', ',']) {
                known.named(index, environment);
            }
        }
        for url in committed::index_urls(files) {
            known.add(&expanded(&url, environment));
        }
        let above = std::path::absolute(folder).unwrap_or_default();
        let own =
            above.ancestors().flat_map(|folder| [folder.join("uv.toml"), folder.join("pyproject.toml")]);
        let named = environment("UV_CONFIG_FILE").map(PathBuf::from);
        for file in named.into_iter().chain(own).chain(of_user()) {
            let Some(table) = std::fs::read_to_string(file).ok().and_then(|text| text.parse().ok()) else {
                continue;
            };
            known.configured(&table, environment);
        }
        let home = || etcetera::home_dir().ok();
        let places = match environment("NETRC") {
            Some(file) => vec![PathBuf::from(file)],
            None => home().map_or_else(Vec::new, |home| vec![home.join(".netrc"), home.join("_netrc")]),
        };
        for text in places.iter().filter_map(|place| std::fs::read_to_string(place).ok()) {
            known.netrc.extend(machines(&text));
        }
        known
    }

    /// The indexes of a `uv.toml`, or of the part for uv in a `pyproject.toml`.
    fn configured(&mut self, table: &toml::Table, environment: Environment<'_>) {
        let uv = table.get("tool").and_then(|tool| tool.get("uv")).and_then(toml::Value::as_table);
        let uv = uv.unwrap_or(table);
        for index in uv.get("index").and_then(toml::Value::as_array).into_iter().flatten() {
            let text = |key: &str| index.get(key).and_then(toml::Value::as_str);
            match (text("name"), text("url")) {
                (Some(name), Some(url)) => self.named(&format!("{name}={url}"), environment),
                (None, Some(url)) => self.add(url),
                (_, None) => {}
            }
        }
        let pip = uv.get("pip").and_then(toml::Value::as_table);
        for table in [Some(uv), pip].into_iter().flatten() {
            for key in ["index-url", "extra-index-url", "find-links"] {
                match table.get(key) {
                    Some(toml::Value::String(url)) => self.add(url),
                    Some(toml::Value::Array(urls)) => {
                        urls.iter().filter_map(toml::Value::as_str).for_each(|url| self.add(url));
                    }
                    _ => {}
                }
            }
        }
    }

    /// `name=url` or `url`.
    fn named(&mut self, index: &str, environment: Environment<'_>) {
        let Some((name, url)) = index.split_once('=').filter(|(name, _)| !name.contains(':')) else {
            return self.add(index);
        };
        let upper = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
        let name: String = name.chars().map(upper).collect();
        let of = |what: &str| environment(&format!("UV_INDEX_{name}_{what}"));
        let (login, password) = (of("USERNAME"), of("PASSWORD"));
        match Url::parse(url) {
            Ok(mut url) if login.is_some() || password.is_some() => {
                with(&mut url, &login.unwrap_or_default(), &password.unwrap_or_default());
                self.indexes.push(url);
            }
            _ => self.add(url),
        }
    }

    fn add(&mut self, url: &str) {
        let url = Url::parse(url.trim());
        self.indexes.extend(url.ok().filter(|url| !url.username().is_empty() || url.password().is_some()));
    }

    /// Of several indexes of one host, the one whose path is most like that of `url` speaks for it.
    fn give(&self, url: &mut Url) {
        let same_host = |index: &&Url| index.origin() == url.origin();
        let alike = |index: &&Url| {
            let parts = |url: &Url| url.path().split('/').map(str::to_owned).collect::<Vec<_>>();
            parts(index).iter().zip(parts(url)).take_while(|(one, other)| **one == *other).count()
        };
        // Of equal ones the foremost: `max_by_key` takes the last.
        if let Some(index) = self.indexes.iter().filter(same_host).rev().max_by_key(alike) {
            let (login, password) = (unescaped(index.username()), index.password().map(unescaped));
            return with(url, &login, &password.unwrap_or_default());
        }
        let host = url.host_str().unwrap_or_default();
        let speaks = |machine: &&Machine| machine.host.as_deref().is_none_or(|name| name == host);
        let named = self.netrc.iter().filter(|machine| machine.host.is_some()).find(speaks);
        if let Some(machine) = named.or_else(|| self.netrc.iter().find(speaks)) {
            with(url, &machine.login, &machine.password);
        }
    }
}

/// A URL that cannot have credentials, as that of a file, stays as it is.
fn with(url: &mut Url, login: &str, password: &str) {
    if url.set_username(login).is_ok() {
        let _ = url.set_password(Some(password).filter(|password| !password.is_empty()));
    }
}

fn unescaped(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// `${NAME}` as uv reads it in requirements.
fn expanded(text: &str, environment: Environment<'_>) -> String {
    let mut expanded = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((name, after)) = after.split_once('}') else { break };
        expanded += before;
        expanded += &environment(name).unwrap_or_else(|| format!("${{{name}}}"));
        rest = after;
    }
    expanded + rest
}

/// uv's files for the user and for the whole machine.
fn of_user() -> Vec<PathBuf> {
    let base = etcetera::choose_base_strategy().ok();
    let own = base.map(|base| if cfg!(windows) { base.data_dir() } else { base.config_dir() });
    let all = if cfg!(windows) {
        std::env::var_os("PROGRAMDATA").map(PathBuf::from)
    } else {
        Some(PathBuf::from("/etc"))
    };
    let folders: BTreeSet<PathBuf> = own.into_iter().chain(all).collect();
    folders.into_iter().map(|folder| folder.join("uv/uv.toml")).collect()
}

/// The entries of a netrc file.
fn machines(text: &str) -> Vec<Machine> {
    let mut machines: Vec<Machine> = Vec::new();
    let mut macro_body = false;
    for line in text.lines() {
        // A macro goes on until an empty line.
        macro_body &= !line.trim().is_empty();
        let mut words = line.split_whitespace().take_while(|word| !word.starts_with('#'));
        while let Some(word) = words.next().filter(|_| !macro_body) {
            match word {
                "machine" => {
                    machines.push(Machine { host: words.next().map(str::to_owned), ..Machine::default() })
                }
                "default" => machines.push(Machine::default()),
                "macdef" => macro_body = true,
                "login" | "password" => {
                    let value = words.next().unwrap_or_default().trim_matches('"').to_owned();
                    match machines.last_mut() {
                        Some(machine) if word == "login" => machine.login = value,
                        Some(machine) => machine.password = value,
                        None => {}
                    }
                }
                _ => {}
            }
        }
    }
    machines
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn known(environment: &[(&str, &str)], files: &[(&str, &str)]) -> Known {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs_err::write(folder.path().join(name), text).unwrap();
        }
        let netrc = folder.path().join("netrc").display().to_string();
        let variable = |name: &str| match name {
            "NETRC" => Some(netrc.clone()),
            _ => environment.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()),
        };
        Known::gather(folder.path(), &[folder.path().join("requirements.txt")], &variable)
    }

    #[track_caller]
    fn check(known: &Known, url: &str, expected: &str) {
        let mut given = url.parse().unwrap();
        known.give(&mut given);
        assert_eq!(given.as_str(), expected);
    }

    #[test]
    fn an_index_speaks_for_its_files() {
        let known = known(
            &[
                ("UV_INDEX", "ours=https://a.example/simple https://b:p%40q@b.example:8443/x"),
                ("UV_INDEX_OURS_USERNAME", "me"),
                ("UV_INDEX_OURS_PASSWORD", "a b"),
                ("TOKEN", "t"),
            ],
            &[
                (
                    "requirements.txt",
                    "-i https://r:${TOKEN}@r.example/simple\n--find-links=https://f:g@f.example/\n",
                ),
                (
                    "uv.toml",
                    "index-url = 'https://u:v@u.example/'\npip.extra-index-url = ['https://w:x@w.example']\n",
                ),
            ],
        );
        check(&known, "https://a.example/files/a.whl", "https://me:a%20b@a.example/files/a.whl");
        check(&known, "https://b.example:8443/a.whl", "https://b:p%40q@b.example:8443/a.whl");
        check(&known, "https://r.example/a.whl", "https://r:t@r.example/a.whl");
        check(&known, "https://f.example/a.whl", "https://f:g@f.example/a.whl");
        check(&known, "https://u.example/a.whl", "https://u:v@u.example/a.whl");
        check(&known, "https://w.example/a.whl", "https://w:x@w.example/a.whl");
        for other in ["http://a.example/a.whl", "https://b.example/a.whl", "https://c.a.example/a.whl"] {
            check(&known, other, other);
        }
    }

    #[test]
    fn of_two_indexes_of_a_host_the_nearer_one_speaks() {
        let both = "https://one:1@x.example/one/simple https://two:2@x.example/two/simple";
        let known = known(&[("UV_EXTRA_INDEX_URL", both)], &[]);
        check(&known, "https://x.example/two/files/a.whl", "https://two:2@x.example/two/files/a.whl");
        check(&known, "https://x.example/files/a.whl", "https://one:1@x.example/files/a.whl");
    }

    #[test]
    fn netrc_is_read_as_other_programs_read_it() {
        let text = "# mine\nmachine a.example login me password s#cret\nmacdef init\nlogin nobody\n\n\
                    default login any password \"thing\"\nmachine b.example\n  login you\n  account x\n  password pw\n";
        let known = known(&[], &[("netrc", text)]);
        check(&known, "https://a.example/a.whl", "https://me:s%23cret@a.example/a.whl");
        check(&known, "https://b.example/a.whl", "https://you:pw@b.example/a.whl");
        check(&known, "https://c.example/a.whl", "https://any:thing@c.example/a.whl");
    }
}
