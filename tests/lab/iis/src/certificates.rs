//! Certificates, and where http.sys shows them: in place of the store of the machine the folder `certificates` of a lab, of its
//! table `sslcert.json`.
//!
//! A certificate is a file `NAME.pem`, and its key lies beside it as `NAME.key`. The table is read for every handshake, and
//! written by [`netsh`](crate::netsh) alone; without rows there is no file.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use serde::{Deserialize, Serialize};

use crate::lab::Lab;

/// Rows by endpoint: `hostnameport=a.example:443`, `ipport=0.0.0.0:443`.
pub type Table = BTreeMap<String, Row>;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// 40 hex digits in small letters.
    pub certhash: String,
    pub appid: String,
    pub certstorename: Option<String>,
    /// What was said of visitors' own certificates, by the words of `add`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub more: BTreeMap<String, String>,
}

impl Lab {
    pub fn table(&self) -> std::io::Result<Table> {
        match fs_err::read(self.folder.join(TABLE)) {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes)?),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Table::new()),
            Err(error) => Err(error),
        }
    }

    pub fn write_table(&self, table: &Table) -> std::io::Result<()> {
        let path = self.folder.join(TABLE);
        if table.is_empty() {
            return match fs_err::remove_file(path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            };
        }
        let new = path.with_extension("new");
        fs_err::write(&new, serde_json::to_string_pretty(table)?)?;
        fs_err::rename(new, path)
    }

    /// The certificate with its key, if both are there and belong together.
    pub fn certificate(&self, certhash: &str) -> Option<CertifiedKey> {
        let entries = fs_err::read_dir(self.folder.join(FOLDER)).ok()?;
        let mut pems = entries.filter_map(Result::ok).map(|entry| entry.path());
        pems.find_map(|pem| {
            let chain: Vec<CertificateDer<'static>> =
                CertificateDer::pem_file_iter(&pem).ok()?.collect::<Result<_, _>>().ok()?;
            if hash(chain.first()?) != certhash {
                return None;
            }
            let key = PrivateKeyDer::from_pem_file(pem.with_extension("key")).ok()?;
            let certified = CertifiedKey::new(chain, any_supported_type(&key).ok()?);
            certified.keys_match().is_ok().then_some(certified)
        })
    }
}

/// Shows what the table says to whoever comes to an address.
#[derive(Debug)]
pub struct Shown {
    pub lab: Lab,
    pub local: SocketAddr,
}

impl ResolvesServerCert for Shown {
    /// By the host that is named, by one with a `*` for its first part, then by the address, and by that of all.
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let port = self.local.port();
        let host = hello.server_name().map(str::to_lowercase);
        let wild = host.as_ref().and_then(|host| Some(format!("*.{}", host.split_once('.')?.1)));
        let hosts = host.into_iter().chain(wild).map(|host| format!("hostnameport={host}:{port}"));
        let ips = [self.local.ip(), IpAddr::V4(Ipv4Addr::UNSPECIFIED)];
        let ips = ips.map(|ip| format!("ipport={}", SocketAddr::new(ip, port)));
        let table = self.lab.table().ok()?;
        let row = hosts.chain(ips).find_map(|endpoint| table.get(&endpoint))?;
        self.lab.certificate(&row.certhash).map(Arc::new)
    }
}

fn hash(der: &CertificateDer<'_>) -> String {
    let digest = digest(&SHA1_FOR_LEGACY_USE_ONLY, der);
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

const TABLE: &str = "sslcert.json";
const FOLDER: &str = "certificates";
