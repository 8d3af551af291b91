//! Commands of `netsh http … sslcert` as values. Which certificate is shown stands in no configuration of IIS: http.sys, which
//! takes requests for it, keeps a table of its own, by host and port (SNI) or by address and port.
//!
//! What netsh says is in the language of the server, so that only what is the same in all of them is read: that it found
//! nothing by its exit code, the certificate by its 40 digits, the owner by the form of its GUID.

mod rest;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::site::settings::{Binding, Protocol, Thumbprint};

pub use rest::Rest;

/// By which http.sys knows that an entry was made by Holdall.
pub const APP_ID: &str = "{b1a6f0c4-52c8-4f0e-9d0b-6d0f4f4c8a57}";

/// The store that Holdall's certificates lie in.
const STORE: &str = "MY";

/// One run of netsh.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    pub verb: Verb,
    pub endpoint: Endpoint,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verb {
    Show,
    Add(Entry),
    Delete,
}

/// Where a certificate is shown.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Endpoint {
    /// To whoever names this host (SNI), at any address.
    Host { host: String, port: u16 },
    /// To whoever comes to this address and names no host that has one of its own. All sites share it.
    Ip(SocketAddr),
}

/// A row of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub thumbprint: Thumbprint,
    /// The program that has made it, as a GUID in braces.
    pub app_id: String,
    /// The store of the computer account in which the certificate lies, if one was named.
    pub store: Option<String>,
    pub rest: Rest,
}

impl Endpoint {
    /// Where a binding has its certificate: one with a host is told from others by SNI.
    pub fn of(binding: &Binding) -> Option<Endpoint> {
        let Protocol::Https(_) = binding.protocol else { return None };
        Some(match &binding.host {
            Some(host) => Endpoint::Host { host: host.clone(), port: binding.port },
            None => Endpoint::at(binding.ip, binding.port),
        })
    }

    fn at(ip: Option<IpAddr>, port: u16) -> Endpoint {
        Endpoint::Ip(SocketAddr::new(ip.unwrap_or(Ipv4Addr::UNSPECIFIED.into()), port))
    }

    /// Reads what [`Display`](fmt::Display) writes.
    pub fn parse(text: &str) -> Option<Endpoint> {
        match text.split_once('=')? {
            ("hostnameport", value) => {
                let (host, port) = value.rsplit_once(':')?;
                Some(Endpoint::Host { host: host.to_owned(), port: port.parse().ok()? })
            }
            ("ipport", value) => Some(Endpoint::Ip(value.parse().ok()?)),
            _ => None,
        }
    }

    /// Where http.sys looks if there is nothing here.
    pub fn fallback(&self) -> Option<Endpoint> {
        match self {
            Endpoint::Host { port, .. } => Some(Endpoint::at(None, *port)),
            Endpoint::Ip(_) => None,
        }
    }

    /// Whether a binding of IIS, `IP:port:host`, shows what stands here. One with a host may show that of its address:
    /// visitors who name none get it, and all of them if the binding is one without SNI.
    pub fn is_used_by(&self, information: &str) -> bool {
        let Some((ip, port, found)) = parts(information) else { return false };
        match self {
            Endpoint::Host { host, port: own } => *own == port && found.eq_ignore_ascii_case(host),
            Endpoint::Ip(_) => *self == Endpoint::at(ip, port),
        }
    }
}

/// `IP:port:host`, where an IPv6 address stands in brackets and `*` for all.
fn parts(information: &str) -> Option<(Option<IpAddr>, u16, &str)> {
    let (rest, host) = information.rsplit_once(':')?;
    let (ip, port) = rest.rsplit_once(':')?;
    let ip: Option<IpAddr> = ip.trim_matches(['[', ']']).parse().ok();
    Some((ip, port.parse().ok()?, host))
}

impl Entry {
    /// One of Holdall's own.
    pub fn of(thumbprint: &Thumbprint) -> Entry {
        Entry {
            thumbprint: thumbprint.clone(),
            app_id: APP_ID.to_owned(),
            store: Some(STORE.to_owned()),
            rest: Rest::Usual,
        }
    }

    /// The same in the place of another, which goes on asking visitors for what that one asks them, as far as that can be
    /// said.
    #[must_use]
    pub fn in_place_of(self, other: &Entry) -> Entry {
        match other.rest.words() {
            [] => self,
            words => Entry { rest: Rest::Said(words.to_vec()), ..self },
        }
    }

    /// Whether Holdall has made it.
    pub fn is_ours(&self) -> bool {
        self.app_id.eq_ignore_ascii_case(APP_ID)
    }

    /// Reads what `show sslcert` prints of one entry: a line each for the endpoint, the certificate, the program, the store
    /// and more, each a label and a value in the same order whatever the language.
    pub fn read(printed: &str) -> Option<Entry> {
        let value = |line: &'_ str| line.rsplit_once(": ").map_or("", |(_, value)| value.trim()).to_owned();
        let is_guid = |value: &String| value.len() == 38 && value.starts_with('{') && value.ends_with('}');
        let mut lines = printed.lines().map(value);
        let thumbprint = lines.find_map(|value| match value.contains(char::is_whitespace) {
            true => None,
            false => Thumbprint::parse(&value).ok(),
        })?;
        let app_id = lines.find(is_guid)?;
        let store = lines.next().filter(|store| !store.is_empty() && !store.starts_with('('));
        let rest = Rest::read(&lines.collect::<Vec<_>>());
        Some(Entry { thumbprint, app_id, store, rest })
    }
}

impl Command {
    pub fn show(endpoint: &Endpoint) -> Command {
        Command { verb: Verb::Show, endpoint: endpoint.clone() }
    }

    pub fn add(endpoint: &Endpoint, entry: Entry) -> Command {
        Command { verb: Verb::Add(entry), endpoint: endpoint.clone() }
    }

    pub fn delete(endpoint: &Endpoint) -> Command {
        Command { verb: Verb::Delete, endpoint: endpoint.clone() }
    }

    /// The words after the program's name.
    pub fn args(&self) -> Vec<String> {
        let verb = match self.verb {
            Verb::Show => "show",
            Verb::Add(_) => "add",
            Verb::Delete => "delete",
        };
        let mut args = ["http", verb, "sslcert"].map(str::to_owned).to_vec();
        args.push(self.endpoint.to_string());
        if let Verb::Add(entry) = &self.verb {
            args.push(format!("certhash={}", entry.thumbprint.as_str().to_ascii_lowercase()));
            args.push(format!("appid={}", entry.app_id));
            args.extend(entry.store.as_ref().map(|store| format!("certstorename={store}")));
            args.extend(entry.rest.words().iter().cloned());
        }
        args
    }
}

/// As netsh takes it: `hostnameport=www.example.org:443`, `ipport=0.0.0.0:443`.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Endpoint::Host { host, port } => write!(f, "hostnameport={host}:{port}"),
            Endpoint::Ip(address) => write!(f, "ipport={address}"),
        }
    }
}

/// It is on PATH, and so is much else.
const PROGRAM: &str = r"%windir%\System32\netsh.exe";

/// The line as it can be pasted into a prompt of `cmd.exe`, or written into a batch file: no word of it means anything to it.
impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PROGRAM} {}", self.args().join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::settings::Certificate;

    const HASH: &str = "0123456789ABCDEF0123456789ABCDEF01234567";

    fn endpoint(ip: Option<&str>, host: Option<&str>) -> Endpoint {
        let (ip, host) = (ip.map(|ip| ip.parse().unwrap()), host.map(str::to_owned));
        let binding = Binding { protocol: Protocol::Https(Certificate::Keep), ip, port: 8443, host };
        Endpoint::of(&binding).unwrap()
    }

    #[test]
    fn a_certificate_is_shown_by_host_or_by_address() {
        for (ip, host, expected) in [
            (None, None, "ipport=0.0.0.0:8443"),
            (Some("192.0.2.1"), None, "ipport=192.0.2.1:8443"),
            (Some("::1"), None, "ipport=[::1]:8443"),
            (None, Some("a.example"), "hostnameport=a.example:8443"),
            (Some("192.0.2.1"), Some("*.example"), "hostnameport=*.example:8443"),
        ] {
            let endpoint = endpoint(ip, host);
            assert_eq!(endpoint.to_string(), expected);
            assert_eq!(Endpoint::parse(expected), Some(endpoint));
        }
        assert_eq!(Endpoint::of(&Binding::any(80)), None);
        assert_eq!(Endpoint::parse("ccs=443"), None);
    }

    #[test]
    fn who_else_shows_it_is_known_by_the_bindings() {
        let check = |endpoint: &Endpoint, information: &str, used: bool| {
            assert_eq!(endpoint.is_used_by(information), used, "{endpoint} {information}");
        };
        let all = endpoint(None, None);
        check(&all, "*:8443:", true);
        check(&all, ":8443:a.example", true);
        check(&all, "0.0.0.0:8443:", true);
        check(&all, "192.0.2.1:8443:", false);
        check(&all, "*:443:", false);
        check(&endpoint(Some("::1"), None), "[::1]:8443:x", true);
        let host = endpoint(None, Some("a.example"));
        check(&host, "*:8443:A.example", true);
        check(&host, "*:8443:", false);
        assert_eq!(host.fallback(), Some(all.clone()));
        assert_eq!(all.fallback(), None);
    }

    #[test]
    fn an_entry_is_read_in_any_language() {
        let english = format!(
            "\r\nSSL Certificate bindings:\r\n-------------------------\r\n\r\n    Hostname:port                : a.example:443\r\n    \
             Certificate Hash             : {}\r\n    Application ID               : {{4dc3e181-e14b-4a21-b022-59fc669b0914}}\r\n    \
             Certificate Store Name       : WebHosting\r\n    Verify Client Certificate Revocation : Enabled\r\n    \
             Ctl Identifier               : (null)\r\n\r\n",
            HASH.to_lowercase()
        );
        let read = Entry::read(&english).unwrap();
        assert_eq!((read.thumbprint.as_str(), read.store.as_deref()), (HASH, Some("WebHosting")));
        assert!(!read.is_ours());
        let german = format!(
            "\r\nSSL-Zertifikatbindungen:\r\n\r\n    IP:Port                      : [::1]:443\r\n    Zertifikathash               : {HASH}\r\n    \
             Anwendungs-ID                : {}\r\n    Zertifikatspeichername       : (null)\r\n",
            APP_ID.to_uppercase()
        );
        let read = Entry::read(&german).unwrap();
        assert_eq!((read.is_ours(), read.store), (true, None));
        assert_eq!(Entry::read("\r\nThe parameter is incorrect.\r\n"), None);
    }

    #[test]
    fn commands_are_those_of_netsh() {
        let endpoint = endpoint(None, Some("a.example"));
        let entry = Entry::of(&Thumbprint::parse(HASH).unwrap());
        assert_eq!(
            Command::add(&endpoint, entry).to_string(),
            format!(
                "{PROGRAM} http add sslcert hostnameport=a.example:8443 certhash={} appid={APP_ID} certstorename=MY",
                HASH.to_lowercase()
            )
        );
        assert_eq!(Command::delete(&endpoint).args()[1..3], ["delete", "sslcert"]);
        assert_eq!(Command::show(&endpoint).args()[1], "show");
    }
}
