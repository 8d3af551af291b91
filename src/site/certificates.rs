//! The certificates of this machine, and which of them a binding shows.
//!
//! Windows keeps those of its services in the store `Personal` of the computer account, each with its private key. In its
//! place stands a folder wherever `HOLDALL_CERTIFICATES` names one: a certificate is a file there (`.pem`, `.crt`, `.cer` or
//! `.der`), and its key lies beside it under the same name (`.key`), or in the same file.
//!
//! Nothing here writes. The choice is made of values alone.

mod choice;
#[cfg(windows)]
mod win32;

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

pub use choice::{CertificateLack, choose, supersedes};

use super::settings::Thumbprint;

/// The variable that names a folder in the place of the machine's store.
pub const FOLDER_VARIABLE: &str = "HOLDALL_CERTIFICATES";

/// What the store is called where people see it.
pub const STORE: &str = r"LocalMachine\My";

/// How long before its end a certificate is worth a word, in days.
pub const WARNED_BEFORE: u64 = 30;

const DAY: u64 = 24 * 60 * 60;

/// A certificate that a binding may show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredCertificate {
    pub thumbprint: Thumbprint,
    /// The hosts that it is for, in small letters: its alternative names, or its common name if it has none of them.
    pub names: Vec<String>,
    /// What administrators call it.
    pub friendly_name: Option<String>,
    /// In seconds since 1970.
    pub not_before: u64,
    /// In seconds since 1970.
    pub not_after: u64,
    /// Whether its private key is there.
    pub has_key: bool,
    /// Whether its issuer has given it for servers: those of machines and people are for other purposes.
    pub for_servers: bool,
}

/// Why the certificates of this machine are not known.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum CertificateError {
    #[error("cannot read the certificates of this machine, {STORE}")]
    #[diagnostic(help("open a prompt by `Run as administrator` and run the same command again"))]
    Store(#[source] io::Error),
    #[error("cannot read the certificates in `{}`", folder.display())]
    #[diagnostic(help("correct {FOLDER_VARIABLE}, or remove it to have those of the machine"))]
    Folder { folder: PathBuf, source: io::Error },
}

/// All certificates of this machine that can be read as such. Elsewhere than on Windows there are none, unless a folder is
/// named.
pub fn read() -> Result<Vec<StoredCertificate>, CertificateError> {
    match std::env::var_os(FOLDER_VARIABLE).filter(|folder| !folder.is_empty()) {
        Some(folder) => of_folder(Path::new(&folder)),
        None => of_machine(),
    }
}

#[cfg(windows)]
fn of_machine() -> Result<Vec<StoredCertificate>, CertificateError> {
    let all = win32::personal().map_err(CertificateError::Store)?;
    let parsed = |found: win32::Found| {
        let friendly_name = found.friendly_name;
        StoredCertificate::parse(&found.der, found.has_key)
            .map(|certificate| StoredCertificate { friendly_name, ..certificate })
    };
    Ok(all.into_iter().filter_map(parsed).collect())
}

#[cfg(not(windows))]
fn of_machine() -> Result<Vec<StoredCertificate>, CertificateError> {
    Ok(Vec::new())
}

/// Those that lie in a folder.
fn of_folder(folder: &Path) -> Result<Vec<StoredCertificate>, CertificateError> {
    let unreadable = |source| CertificateError::Folder { folder: folder.to_owned(), source };
    let mut paths = Vec::new();
    for entry in fs_err::read_dir(folder).map_err(unreadable)? {
        paths.push(entry.map_err(unreadable)?.path());
    }
    paths.sort();
    let mut all = Vec::new();
    for path in paths {
        let kind = path.extension().and_then(|kind| kind.to_str()).map(str::to_ascii_lowercase);
        if !["pem", "crt", "cer", "der"].iter().any(|known| kind.as_deref() == Some(*known)) {
            continue;
        }
        let bytes = fs_err::read(&path).map_err(unreadable)?;
        // The first is the site's own; those of its issuers may follow.
        let der = CertificateDer::from_pem_slice(&bytes).map_or(bytes.clone(), |der| der.to_vec());
        let has_key = PrivateKeyDer::from_pem_slice(&bytes).is_ok() || path.with_extension("key").is_file();
        all.extend(StoredCertificate::parse(&der, has_key));
    }
    Ok(all)
}

impl StoredCertificate {
    /// Reads what counts here of a certificate in DER.
    pub fn parse(der: &[u8], has_key: bool) -> Option<StoredCertificate> {
        let (_, parsed) = X509Certificate::from_der(der).ok()?;
        let alternative = parsed.subject_alternative_name().ok().flatten();
        let alternative = alternative.into_iter().flat_map(|names| &names.value.general_names);
        let mut names: Vec<String> = alternative
            .filter_map(|name| match name {
                GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
                _ => None,
            })
            .collect();
        if names.is_empty() {
            let common = parsed.subject().iter_common_name().filter_map(|name| name.as_str().ok());
            names.extend(common.map(str::to_ascii_lowercase));
        }
        let purposes = parsed.extended_key_usage().ok().flatten();
        let seconds = |time: x509_parser::time::ASN1Time| u64::try_from(time.timestamp()).unwrap_or(0);
        let validity = parsed.validity();
        Some(StoredCertificate {
            thumbprint: Thumbprint::of(der),
            names,
            friendly_name: None,
            not_before: seconds(validity.not_before),
            not_after: seconds(validity.not_after),
            has_key,
            for_servers: purposes.is_none_or(|purposes| purposes.value.server_auth || purposes.value.any),
        })
    }

    /// Whether it is for this host, itself or by a `*` for the first part of it.
    pub fn covers(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        let is_it = |name: &String| {
            let below = name.strip_prefix("*.").zip(host.split_once('.'));
            *name == host || below.is_some_and(|(name, (first, rest))| name == rest && first != "*")
        };
        self.names.iter().any(is_it)
    }

    /// Whether it holds at this time, in seconds since 1970.
    pub fn is_valid(&self, now: u64) -> bool {
        (self.not_before..=self.not_after).contains(&now)
    }

    /// The days that are left of it, if it ends soon.
    pub fn ends_soon(&self, now: u64) -> Option<u64> {
        let left = self.not_after.saturating_sub(now) / DAY;
        (left < WARNED_BEFORE).then_some(left)
    }

    /// When it ends, as people read it.
    pub fn end(&self) -> String {
        date(self.not_after)
    }
}

/// `06 Nov 2026`
fn date(seconds: u64) -> String {
    let text = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds.min(LAST)));
    text.get(5..16).unwrap_or(&text).to_owned()
}

/// The last second that has a date of this form: the end of the year 9999.
const LAST: u64 = 253_402_300_799;

#[cfg(test)]
pub(crate) mod tests;
