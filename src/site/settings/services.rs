//! What an administrator says of the services that a bundle brings: `[services.NAME]`.

use std::collections::BTreeMap;

use super::keys::Keys;
use super::{Account, SettingsError};
use crate::service::{MOST_INSTANCES, ServiceName};

/// What is wanted of one service, whatever the project says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceSettings {
    /// One that is not is not registered.
    pub enabled: bool,
    pub instances: Option<u32>,
    /// A group managed account; else Windows has one for the service alone.
    pub account: Option<Account>,
}

impl Default for ServiceSettings {
    fn default() -> ServiceSettings {
        ServiceSettings { enabled: true, instances: None, account: None }
    }
}

/// Reads all of them, by name.
pub(super) fn read(keys: &Keys<'_>) -> Result<BTreeMap<String, ServiceSettings>, SettingsError> {
    let mut services = BTreeMap::new();
    for (name, keys) in keys.named_tables("services", &["enabled", "instances", "account"])? {
        if let Err(error) = ServiceName::parse(&name) {
            return Err(keys.wrong("", &name, &error.to_string()));
        }
        let wanted = ServiceSettings {
            enabled: keys.flag("enabled")?.unwrap_or(true),
            instances: keys.number("instances", 1..=MOST_INSTANCES)?,
            account: keys.parsed("account", account)?,
        };
        services.insert(name, wanted);
    }
    Ok(services)
}

/// Nobody is asked for a password when services move, which happens with every release.
fn account(text: &str) -> Result<Account, &'static str> {
    let account = Account::parse(text)?;
    match account.is_managed() {
        true => Ok(account),
        false => Err(
            "an account with a password cannot be used: name a group managed one, which ends in `$`, or none",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::SiteSettings;

    fn read(text: &str) -> Result<SiteSettings, super::SettingsError> {
        SiteSettings::parse(&format!("name = 'shop'\n{text}"), "site.toml".as_ref())
    }

    #[test]
    fn an_administrator_turns_services_off_and_says_how_many_there_are_and_who_runs_them() {
        let settings = read(
            "[services.worker]\ninstances = 4\naccount = 'SHOP\\worker$'\n[services.beat]\nenabled = false\n",
        )
        .unwrap();
        let worker = &settings.services["worker"];
        assert_eq!((worker.enabled, worker.instances), (true, Some(4)));
        assert_eq!(worker.account.as_ref().map(ToString::to_string).as_deref(), Some("SHOP\\worker$"));
        assert!(!settings.services["beat"].enabled);
    }

    #[test]
    fn what_is_wrong_names_its_key() {
        let refused = |text: &str, part: &str| {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        };
        refused("[services.worker]\nenable = true", "key `services.worker.enable`");
        refused("[services.worker]\ninstances = 0", "key `services.worker.instances`");
        refused("[services.worker]\naccount = 'SHOP\\ann'", "an account with a password cannot be used");
        refused("[services.'a b']\nenabled = true", "a service's name has letters");
        refused("services = 'worker'", "a table is wanted");
    }
}
