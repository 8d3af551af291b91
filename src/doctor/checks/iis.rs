//! Of IIS as a whole.

use std::net::{IpAddr, Ipv4Addr};

use super::super::{Finding, Iis, Level, Machine, Subject};
use super::{CGI, SNI};
use crate::site::iis::Actual;
use crate::site::iis::plan::Lack;

pub(super) const SHARED: &str = "iis.shared-configuration";

pub(super) fn examine(machine: &Machine, subject: &Subject<'_>) -> Vec<Finding> {
    const PRESENT: &str = "iis.present";
    let actual = match &subject.iis {
        // It would be another one than the real.
        _ if machine.diverted => return Vec::new(),
        Iis::NotHere => {
            return vec![Finding::new(
                PRESENT,
                Level::Unknown,
                "this system has no IIS, and no other web server is known",
            )];
        }
        Iis::Silent(finding) => return vec![(*finding).clone()],
        Iis::Asked(actual) => actual,
    };
    let mut findings = vec![Finding::ok(PRESENT, "IIS answers")];
    findings.extend(cgi(actual, subject));
    findings.extend(sni(actual, subject));
    findings.push(web_dav(actual, subject));
    findings.push(shared(machine));
    findings.extend(handlers(actual, subject));
    findings.push(listen_list(machine));
    findings
}

/// Of a site it is one of the things that it lacks.
fn cgi(actual: &Actual, subject: &Subject<'_>) -> Option<Finding> {
    let is_said = subject.site.as_ref().is_some_and(|site| site.lacks.iter().any(|lack| lack.id == CGI));
    match actual.has_fastcgi() {
        true => Some(Finding::ok(CGI, "FastCGI is there")),
        false => (!is_said).then(|| Finding::of_lack(&Lack::FastCgi)),
    }
}

/// Of a site that needs it, it is one of the things that it lacks.
fn sni(actual: &Actual, subject: &Subject<'_>) -> Option<Finding> {
    let is_said = subject.site.as_ref().is_some_and(|site| site.lacks.iter().any(|lack| lack.id == SNI));
    let says = match actual.sni? {
        true => "sites at one address may show certificates of their own (SNI)",
        false => "IIS is older than IIS 8: it shows one certificate for each address and port",
    };
    (!is_said).then(|| Finding::ok(SNI, says))
}

fn web_dav(actual: &Actual, subject: &Subject<'_>) -> Finding {
    const ID: &str = "iis.webdav";
    let site = subject.site.as_ref().filter(|site| site.serves);
    let here = site.and_then(|site| actual.locations.get(&site.spot.location()));
    match (actual.has_web_dav(), here) {
        (false, _) => Finding::ok(ID, "WebDAV is not installed"),
        (true, Some(location)) if location.web_dav => Finding::warning(
            ID,
            "WebDAV takes requests by PUT and DELETE away from the project",
            "deploy again with `--take-over`, which takes WebDAV out of this site",
        ),
        (true, _) => Finding::ok(ID, "WebDAV is installed; a deploy takes it out of its site"),
    }
}

fn shared(machine: &Machine) -> Finding {
    match &machine.shared_configuration {
        None => Finding::ok(SHARED, "no other server shares the configuration of IIS"),
        Some(folder) => Finding::warning(
            SHARED,
            format!(
                "IIS shares its configuration in `{folder}` with other servers: what is changed here is changed for all of them"
            ),
            "each of them needs the same folders and the same release: deploy on the others first with the site stopped, or \
             have the folder of sites copied to them before this deploy",
        ),
    }
}

/// They are locked where no ASP.NET is installed; that stops nobody who knows it.
fn handlers(actual: &Actual, subject: &Subject<'_>) -> Option<Finding> {
    const ID: &str = "iis.handlers";
    let site = subject.site.as_ref()?;
    let location = actual.locations.get(&site.spot.location());
    match location.and_then(|location| location.handlers_locked) {
        Some(true) if site.serves => Some(Finding::problem(
            ID,
            "a `web.config` of this site may not name handlers, and a release's does: its visitors are told 500.19",
            "deploy again with `--take-over`, which unlocks them for this site",
        )),
        Some(true) => Some(Finding::ok(ID, "handlers are locked, and a deploy unlocks them for its site")),
        Some(false) => Some(Finding::ok(ID, "a `web.config` of this site may name handlers")),
        None => None,
    }
}

/// A release is shown at an address of this machine alone before it serves, and sites without an address of their own are
/// asked there.
fn listen_list(machine: &Machine) -> Finding {
    const ID: &str = "http.listen";
    let local = IpAddr::V4(Ipv4Addr::LOCALHOST);
    match &machine.listen_list[..] {
        [] => Finding::ok(ID, "IIS listens at every address"),
        list if list.iter().any(|ip| ip.is_unspecified() || *ip == local) => {
            Finding::ok(ID, format!("IIS listens at {}", listed(list)))
        }
        list => Finding::problem(
            ID,
            format!(
                "IIS listens at {} alone, and a release is shown at {local} before it serves",
                listed(list)
            ),
            format!("`netsh http add iplisten ipaddress={local}`, and start IIS anew: `iisreset`"),
        ),
    }
}

fn listed(list: &[IpAddr]) -> String {
    list.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
