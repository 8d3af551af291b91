//! Who is asked for a name: `[authentication]`.

use std::collections::BTreeMap;

use super::keys::Keys;
use super::{SettingsError, VirtualPath, WINDOWS};

/// Whether visitors are asked for their Windows account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authentication {
    /// Nobody is asked.
    Anonymous,
    Windows {
        /// In the order in which they are offered, if they were named.
        providers: Option<Vec<&'static str>>,
        /// Paths at which nobody is asked all the same.
        anonymous: Vec<VirtualPath>,
        /// Attributes that were named, by key, as IIS writes them.
        attributes: BTreeMap<&'static str, String>,
    },
}

/// The ways in which IIS lets Windows tell who somebody is.
const PROVIDERS: &[&str] = &["Negotiate", "NTLM", "Negotiate:Kerberos"];

/// Reads `[authentication]`, whose other keys mean nothing where nobody is asked.
pub(super) fn read(keys: &Keys<'_>) -> Result<Option<Authentication>, SettingsError> {
    let windows = keys.flag("authentication.windows")?;
    let providers = keys.list("authentication.providers", |text| {
        let known = PROVIDERS.iter().find(|known| **known == text).copied();
        known.ok_or_else(|| format!("it is one of `{}`", PROVIDERS.join("`, `")))
    })?;
    if let Some(named) = &providers {
        let twice = named.iter().enumerate().find(|(at, name)| named[..*at].contains(name));
        if let Some((_, twice)) = twice {
            return Err(keys.wrong("authentication.providers", twice, "it stands there twice"));
        }
        if named.is_empty() {
            return Err(keys.wrong("authentication.providers", "[]", "nobody could say who they are"));
        }
    }
    let anonymous = keys.list("authentication.anonymous", VirtualPath::parse)?;
    let attributes = keys.attributes("authentication", WINDOWS)?;
    let depending =
        ["providers", "anonymous"].into_iter().chain(WINDOWS.iter().map(|attribute| attribute.key));
    let depending = depending.map(|key| format!("authentication.{key}")).find(|key| keys.names(key));
    match (windows, depending) {
        (None, Some(_)) => Err(keys.missing("authentication.windows", "windows = true")),
        (Some(false), Some(key)) => {
            let why = "without Windows authentication nobody is asked anywhere";
            Err(keys.contradiction(&key, "authentication.windows = false", why))
        }
        (None, None) => Ok(None),
        (Some(false), None) => Ok(Some(Authentication::Anonymous)),
        (Some(true), _) => {
            let anonymous = anonymous.unwrap_or_default();
            let same =
                |one: &VirtualPath, other: &VirtualPath| one.as_str().eq_ignore_ascii_case(other.as_str());
            let twice = anonymous
                .iter()
                .enumerate()
                .find(|(at, path)| anonymous[..*at].iter().any(|one| same(one, path)));
            match twice {
                Some((_, twice)) => {
                    Err(keys.wrong("authentication.anonymous", &twice.to_string(), "it stands there twice"))
                }
                None => Ok(Some(Authentication::Windows { providers, anonymous, attributes })),
            }
        }
    }
}
