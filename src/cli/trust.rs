//! `--trust`: the keys whose signatures count.

use crate::signature::{KeyError, PublicKey, Trust};

const VARIABLE: &str = "HOLDALL_TRUST";

#[derive(clap::Args)]
pub struct TrustArgs {
    /// Refuse what is not signed by this public key: the name of its file, or the line in it. Of several any one will
    /// do [default: HOLDALL_TRUST, else no signature is asked for]
    #[arg(long = "trust", value_name = "KEY")]
    keys: Vec<String>,
}

impl TrustArgs {
    /// Reads the keys. What is set and empty is an error: somebody meant to ask for a signature.
    pub fn read(&self) -> Result<Trust, KeyError> {
        let variable = std::env::var_os(VARIABLE).filter(|_| self.keys.is_empty());
        let variable = variable.map(|value| value.to_string_lossy().into_owned());
        if variable.as_deref() == Some("") {
            return Err(KeyError::EmptyTrust);
        }
        let keys = self.keys.iter().chain(&variable).map(|key| PublicKey::find(key));
        keys.collect::<Result<_, _>>().map(Trust::new)
    }
}
