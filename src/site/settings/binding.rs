//! The addresses at which a site answers.

use std::fmt;
use std::net::IpAddr;

use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

use super::SettingsError;
use super::keys::Keys;

/// One address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    pub protocol: Protocol,
    /// Every address unless set.
    pub ip: Option<IpAddr>,
    pub port: u16,
    /// Every host unless set.
    pub host: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Protocol {
    Http,
    Https(Certificate),
}

/// Which certificate a binding shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Certificate {
    /// Whatever is there: somebody else looks after it.
    Keep,
    Thumbprint(Thumbprint),
    /// The newest valid one for this name.
    Subject(String),
}

/// The SHA-1 of a certificate: 40 hex digits, in capitals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thumbprint(String);

impl Thumbprint {
    /// Takes it as the certificate's window shows it, too: with blanks, and an invisible mark in front.
    pub fn parse(text: &str) -> Result<Thumbprint, &'static str> {
        let digits: String = text.chars().filter(|c| !c.is_whitespace() && *c != '\u{200e}').collect();
        match digits.len() == 40 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            true => Ok(Thumbprint(digits.to_ascii_uppercase())),
            false => Err("a thumbprint has 40 hex digits"),
        }
    }

    /// That of a certificate in DER.
    pub fn of(der: &[u8]) -> Thumbprint {
        let digest = digest(&SHA1_FOR_LEGACY_USE_ONLY, der);
        Thumbprint(digest.as_ref().iter().map(|byte| format!("{byte:02X}")).collect())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Binding {
    /// Plain HTTP on every address.
    pub fn any(port: u16) -> Binding {
        Binding { protocol: Protocol::Http, ip: None, port, host: None }
    }

    pub fn scheme(&self) -> &'static str {
        match self.protocol {
            Protocol::Http => "http",
            Protocol::Https(_) => "https",
        }
    }

    /// IIS's `bindingInformation`: `IP:port:host`, IPv6 in brackets.
    pub fn information(&self) -> String {
        let ip = match self.ip {
            None => "*".to_owned(),
            Some(IpAddr::V4(ip)) => ip.to_string(),
            Some(IpAddr::V6(ip)) => format!("[{ip}]"),
        };
        format!("{ip}:{}:{}", self.port, self.host.as_deref().unwrap_or_default())
    }

    /// 1 is SNI: what a host with a certificate of its own needs.
    pub fn ssl_flags(&self) -> u32 {
        u32::from(matches!(self.protocol, Protocol::Https(_)) && self.host.is_some())
    }
}

/// As appcmd lists it: `http/*:80:`.
impl fmt::Display for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.scheme(), self.information())
    }
}

/// Reads `[[bindings]]`.
pub(super) fn read(keys: &Keys<'_>) -> Result<Vec<Binding>, SettingsError> {
    let mut bindings: Vec<Binding> = Vec::new();
    for table in keys.tables("bindings", &["protocol", "ip", "port", "host", "certificate"])? {
        let binding = one(&table)?;
        if bindings.iter().any(|other| other.to_string() == binding.to_string()) {
            return Err(table.wrong("port", &binding.to_string(), "this binding stands there twice"));
        }
        bindings.push(binding);
    }
    Ok(bindings)
}

fn one(keys: &Keys<'_>) -> Result<Binding, SettingsError> {
    let certificate = match keys.text_or_table("certificate", &["thumbprint", "subject"])? {
        None => None,
        Some(Ok("keep")) => Some(Certificate::Keep),
        Some(Ok(other)) => {
            let why = "write `\"keep\"`, `{ thumbprint = \"…\" }` or `{ subject = \"www.example.com\" }`";
            return Err(keys.wrong("certificate", other, why));
        }
        Some(Err(table)) => {
            match (table.parsed("thumbprint", Thumbprint::parse)?, table.parsed("subject", parse_host)?) {
                (Some(thumbprint), None) => Some(Certificate::Thumbprint(thumbprint)),
                (None, Some(subject)) => Some(Certificate::Subject(subject)),
                (Some(_), Some(_)) => return Err(table.excluding("thumbprint", "subject")),
                (None, None) => return Err(table.missing("thumbprint", "certificate = \"keep\"")),
            }
        }
    };
    let protocol = match (keys.parsed("protocol", parse_protocol)?.unwrap_or("http"), certificate) {
        ("https", Some(certificate)) => Protocol::Https(certificate),
        ("https", None) => return Err(keys.missing("certificate", "certificate = \"keep\"")),
        (_, None) => Protocol::Http,
        (_, Some(_)) => return Err(keys.wrong("protocol", "http", "only `https` has a certificate")),
    };
    let standard = if protocol == Protocol::Http { 80 } else { 443 };
    let port = keys.number("port", 1..=65_535)?.unwrap_or(standard);
    Ok(Binding {
        protocol,
        ip: keys.parsed("ip", parse_ip)?.flatten(),
        port: u16::try_from(port).expect("checked against this range"),
        host: keys.parsed("host", parse_host)?,
    })
}

fn parse_protocol(text: &str) -> Result<&'static str, &'static str> {
    ["http", "https"].into_iter().find(|known| text == *known).ok_or("it is `http` or `https`")
}

/// An address that a machine can have.
fn parse_ip(text: &str) -> Result<Option<IpAddr>, &'static str> {
    let bracketed = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let ip = match (text, bracketed) {
        ("*", _) => return Ok(None),
        (_, Some(inner)) => inner.parse().map(IpAddr::V6).ok(),
        _ => text.parse().ok(),
    };
    let ip = ip.ok_or("an address such as `192.0.2.1`, or `*` for all")?;
    let is_mapped = matches!(ip, IpAddr::V6(ip) if ip.to_ipv4_mapped().is_some());
    let is_broadcast = matches!(ip, IpAddr::V4(ip) if ip.is_broadcast());
    match () {
        () if ip.is_unspecified() => Err("write `*` for all addresses of this machine"),
        () if ip.is_multicast() || is_broadcast || is_mapped => {
            Err("no machine has this address: one such as `192.0.2.1`, or `*` for all")
        }
        () => Ok(Some(ip)),
    }
}

/// A host's name, in small letters: IIS compares them so. `*.example.com` is known since IIS 10.
fn parse_host(text: &str) -> Result<String, &'static str> {
    let rest = text.strip_prefix("*.").unwrap_or(text);
    let part = |part: &str| {
        (1..=63).contains(&part.len())
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
            && !part.starts_with('-')
            && !part.ends_with('-')
    };
    // Browsers take a name whose last part is a number for an address, and none can be resolved.
    let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    match rest.len() <= 253 && rest.split('.').all(part) {
        true if rest.rsplit('.').next().is_some_and(is_number) => {
            Err("a host is a name; an address is set by `ip`")
        }
        true => Ok(text.to_ascii_lowercase()),
        false => {
            Err("a host is written as DNS knows it, such as `www.example.com` (`xn--…` beyond plain letters)")
        }
    }
}
