//! The checks, each a function of what was read. Whatever could not be read is said to be unknown.

mod bundle;
mod iis;
mod machine;
mod services;
mod site;

use super::{Finding, Machine, Subject};

pub use site::ports;

pub(super) const CGI: &str = "iis.cgi";
pub(super) const FEATURES: &str = "iis.features";
pub(super) const SNI: &str = "iis.sni";
pub(super) const BINDINGS: &str = "site.bindings";
pub(super) const CERTIFICATE: &str = "site.certificate";
pub(super) const WEB_CONFIG: &str = "site.web-config";
pub(super) const STARTED: &str = "site.started";
pub(super) const ACCOUNT: &str = "site.account";
pub(super) const PLACE: &str = "site.place";

/// Everything that is to be said, in the order in which it is looked after.
pub fn examine(machine: &Machine, subject: &Subject<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(machine::examine(machine, subject));
    findings.extend(iis::examine(machine, subject));
    findings.extend(site::examine(machine, subject));
    findings.extend(services::examine(machine, subject));
    findings.extend(bundle::examine(machine, subject));
    findings
}

#[cfg(test)]
mod tests;
