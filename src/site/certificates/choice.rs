//! Which certificate a binding shows: pure.

use super::{STORE, StoredCertificate, date};
use crate::site::settings::Certificate;

/// Why a binding gets no certificate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
pub enum CertificateLack {
    #[error("this machine has no certificate {wanted}, which the binding `{binding}` is to show")]
    #[diagnostic(help(
        "import it with its private key into {STORE}, such as by `certutil -importpfx FILE.pfx`, or correct \
         `certificate` in `site.toml`{}",
        known(there)
    ))]
    Missing { binding: String, wanted: String, there: Vec<String> },
    #[error("the certificate {certificate}, which the binding `{binding}` is to show, ended on {on}")]
    #[diagnostic(help(
        "import its successor with its private key into {STORE}, and name that in `site.toml` if it is named there by its thumbprint"
    ))]
    Expired { binding: String, certificate: String, on: String },
    #[error("the certificate {certificate}, which the binding `{binding}` is to show, begins on {on} only")]
    #[diagnostic(help("check the clock of this machine, or name one that is valid now"))]
    NotYet { binding: String, certificate: String, on: String },
    #[error(
        "the private key of the certificate {certificate}, which the binding `{binding}` is to show, is not on this machine"
    )]
    #[diagnostic(help("import the certificate with its key, from a `.pfx` file, into {STORE}"))]
    NoKey { binding: String, certificate: String },
    #[error("the certificate {certificate}, which the binding `{binding}` is to show, is for {} and not for `{host}`", names.join(", "))]
    #[diagnostic(help("name one that is for that host, or correct `host` in `site.toml`"))]
    OtherHost { binding: String, certificate: String, names: Vec<String>, host: String },
    #[error(
        "the certificate {certificate}, which the binding `{binding}` is to show, was not issued for servers"
    )]
    #[diagnostic(help("browsers refuse it: have one issued for server authentication"))]
    NotForServers { binding: String, certificate: String },
}

fn known(there: &[String]) -> String {
    match there {
        [] => "; there is no other one".to_owned(),
        _ => format!("; those that are there are for {}", there.join(", ")),
    }
}

/// The certificate that a binding (`https/*:443:host`) shows now, by its thumbprint or as the newest valid one for a
/// subject. `None` where somebody else looks after it.
pub fn choose<'a>(
    all: &'a [StoredCertificate],
    wanted: &Certificate,
    binding: &str,
    host: Option<&str>,
    now: u64,
) -> Result<Option<&'a StoredCertificate>, CertificateLack> {
    let found: Vec<&StoredCertificate> = match wanted {
        Certificate::Keep => return Ok(None),
        Certificate::Thumbprint(thumbprint) => {
            all.iter().filter(|certificate| certificate.thumbprint == *thumbprint).collect()
        }
        Certificate::Subject(subject) => {
            all.iter().filter(|certificate| certificate.covers(subject)).collect()
        }
    };
    let fit = |certificate: &&&StoredCertificate| lack(certificate, binding, host, now).is_none();
    if let Some(newest) = found.iter().filter(fit).max_by_key(|certificate| age(certificate)) {
        return Ok(Some(newest));
    }
    // Of those that will not do, the newest is the one that somebody has meant.
    let newest = found.iter().max_by_key(|certificate| age(certificate));
    Err(newest.and_then(|newest| lack(newest, binding, host, now)).unwrap_or_else(|| {
        let wanted = match wanted {
            Certificate::Thumbprint(thumbprint) => format!("`{}`", thumbprint.as_str()),
            Certificate::Subject(subject) => format!("for `{subject}`"),
            Certificate::Keep => String::new(),
        };
        let mut there: Vec<String> = all.iter().flat_map(|certificate| certificate.names.clone()).collect();
        there.sort();
        there.dedup();
        CertificateLack::Missing { binding: binding.to_owned(), wanted, there }
    }))
}

/// Whether `there`, which a binding shows, is newer than `wanted` and as good: it is never replaced by that.
pub fn supersedes(
    there: &StoredCertificate,
    wanted: &StoredCertificate,
    host: Option<&str>,
    now: u64,
) -> bool {
    let same = match host {
        Some(host) => there.covers(host),
        None => wanted.names.iter().all(|name| there.covers(name)),
    };
    same && there.is_valid(now) && there.has_key && age(there) > age(wanted)
}

/// By which one is newer than another.
fn age(certificate: &StoredCertificate) -> (u64, u64) {
    (certificate.not_before, certificate.not_after)
}

/// Why a certificate will not do.
fn lack(found: &StoredCertificate, binding: &str, host: Option<&str>, now: u64) -> Option<CertificateLack> {
    let (binding, certificate) = (binding.to_owned(), format!("`{}`", found.thumbprint.as_str()));
    if found.not_after < now {
        return Some(CertificateLack::Expired { binding, certificate, on: found.end() });
    }
    if found.not_before > now {
        return Some(CertificateLack::NotYet { binding, certificate, on: date(found.not_before) });
    }
    if !found.has_key {
        return Some(CertificateLack::NoKey { binding, certificate });
    }
    if !found.for_servers {
        return Some(CertificateLack::NotForServers { binding, certificate });
    }
    let other = host.filter(|host| !found.covers(host));
    let (names, host) = (found.names.clone(), other?.to_owned());
    Some(CertificateLack::OtherHost { binding, certificate, names, host })
}
