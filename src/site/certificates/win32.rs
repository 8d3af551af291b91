//! What the Rust libraries do not offer of Windows: its store of certificates.

use std::ffi::c_void;
use std::io;
use std::ptr::{null, null_mut};

use windows_sys::Win32::Security::Cryptography::{
    CERT_CONTEXT, CERT_FRIENDLY_NAME_PROP_ID, CERT_KEY_PROV_INFO_PROP_ID, CERT_OPEN_STORE_FLAGS,
    CERT_STORE_OPEN_EXISTING_FLAG, CERT_STORE_PROV_SYSTEM_W, CERT_STORE_READONLY_FLAG,
    CERT_SYSTEM_STORE_LOCAL_MACHINE, CertCloseStore, CertEnumCertificatesInStore,
    CertGetCertificateContextProperty, CertOpenStore, HCERTSTORE,
};

/// A certificate as Windows has it.
pub struct Found {
    pub der: Vec<u8>,
    pub has_key: bool,
    pub friendly_name: Option<String>,
}

/// All of the store `Personal` of the computer account.
pub fn personal() -> io::Result<Vec<Found>> {
    let name: Vec<u16> = "MY\0".encode_utf16().collect();
    let flags: CERT_OPEN_STORE_FLAGS =
        CERT_SYSTEM_STORE_LOCAL_MACHINE | CERT_STORE_READONLY_FLAG | CERT_STORE_OPEN_EXISTING_FLAG;
    // SAFETY: the name ends in NUL and lives through the call, which takes it for a provider by that kind of name.
    let store = Store(unsafe {
        CertOpenStore(CERT_STORE_PROV_SYSTEM_W, 0, 0, flags, name.as_ptr().cast::<c_void>())
    });
    if store.0.is_null() {
        return Err(io::Error::last_os_error());
    }
    let mut all = Vec::new();
    let mut context: *const CERT_CONTEXT = null();
    loop {
        // SAFETY: the store is open. The call frees the context before, which is used no more.
        context = unsafe { CertEnumCertificatesInStore(store.0, context) };
        if context.is_null() {
            return Ok(all);
        }
        // SAFETY: the context lives until the next call; pointer and length in it are those of the certificate.
        let der = unsafe {
            std::slice::from_raw_parts((*context).pbCertEncoded, (*context).cbCertEncoded as usize).to_vec()
        };
        all.push(Found {
            der,
            has_key: property(context, CERT_KEY_PROV_INFO_PROP_ID).is_some(),
            friendly_name: property(context, CERT_FRIENDLY_NAME_PROP_ID).as_deref().map(text),
        });
    }
}

/// What the store says of a certificate beside itself.
fn property(context: *const CERT_CONTEXT, id: u32) -> Option<Vec<u8>> {
    let mut length = 0;
    // SAFETY: the context is alive; without room the call only tells how much is needed.
    if unsafe { CertGetCertificateContextProperty(context, id, null_mut(), &mut length) } == 0 {
        return None;
    }
    // Of words, so that structures in it lie as they must.
    let mut buffer = vec![0_u64; (length as usize).div_ceil(8)];
    // SAFETY: as before, and there is as much room as was asked for.
    let done = unsafe {
        CertGetCertificateContextProperty(context, id, buffer.as_mut_ptr().cast::<c_void>(), &mut length)
    };
    let bytes = buffer.iter().flat_map(|word| word.to_ne_bytes()).take(length as usize);
    (done != 0).then(|| bytes.collect())
}

fn text(bytes: &[u8]) -> String {
    let units = bytes.chunks_exact(2).map(|unit| u16::from_ne_bytes([unit[0], unit[1]]));
    String::from_utf16_lossy(&units.take_while(|unit| *unit != 0).collect::<Vec<_>>())
}

/// An open store.
struct Store(HCERTSTORE);

impl Drop for Store {
    fn drop(&mut self) {
        if !self.0.is_null() {
            // SAFETY: the store is open, and closed once.
            unsafe { CertCloseStore(self.0, 0) };
        }
    }
}
