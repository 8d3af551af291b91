//! Of one site.

use std::net::IpAddr;

use super::super::rights::may_change;
use super::super::{Database, Finding, Iis, Level, Listening, Machine, Site, Subject};
use super::{BINDINGS, CERTIFICATE};
use crate::site::SiteSettings;
use crate::site::iis::Actual;
use crate::site::iis::wanted::Spot;
use crate::site::settings::{Binding, Position};

/// The process that http.sys listens in: the kernel itself.
const KERNEL: u32 = 4;

/// Connections that a database keeps back for its administrators: PostgreSQL three, MySQL one.
const KEPT_BACK: u64 = 3;

pub(super) fn examine(machine: &Machine, subject: &Subject<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(site) = &subject.site {
        findings.extend(site.lacks.iter().cloned());
        if let Iis::Asked(actual) = &subject.iis {
            findings.extend(bindings(site));
            findings.extend(ports_free(machine, site, actual));
            let is_said = site.lacks.iter().any(|lack| lack.id == CERTIFICATE);
            findings.extend(site.certificates.iter().filter(|_| !is_said).cloned());
        }
    }
    findings.extend(root_rights(machine, subject));
    findings.extend(subject.site.as_ref().map(connections));
    findings
}

fn bindings(site: &Site<'_>) -> Option<Finding> {
    let is_said = site.lacks.iter().any(|lack| lack.id == BINDINGS);
    (!is_said).then(|| Finding::ok(BINDINGS, "no other site answers at its addresses"))
}

/// The addresses at which a site is to answer: its own, none below another's site.
fn wanted(settings: &SiteSettings, spot: &Spot, actual: &Actual) -> Vec<Binding> {
    match &settings.position {
        Position::Own { bindings } if bindings.is_empty() && actual.site(&spot.site).is_none() => {
            vec![Binding::any(80)]
        }
        Position::Own { bindings } => bindings.clone(),
        Position::Below { .. } => Vec::new(),
    }
}

/// The ports at which a site is to answer.
pub fn ports(settings: &SiteSettings, spot: &Spot, actual: &Actual) -> Vec<u16> {
    let mut ports: Vec<u16> =
        wanted(settings, spot, actual).into_iter().map(|binding| binding.port).collect();
    ports.sort_unstable();
    ports.dedup();
    ports
}

fn ports_free(machine: &Machine, site: &Site<'_>, actual: &Actual) -> Option<Finding> {
    const ID: &str = "site.ports";
    let bindings = wanted(site.settings, site.spot, actual);
    let taken: Vec<String> = bindings
        .iter()
        .filter_map(|binding| {
            let other = machine.listening.iter().find(|other| takes(other, binding, machine, actual))?;
            let program = other.program.as_deref().map_or_else(
                || "another program".to_owned(),
                |program| {
                    let process =
                        other.process.map_or_else(String::new, |process| format!(" (process {process})"));
                    format!("`{program}`{process}")
                },
            );
            Some(format!("{program} listens at {}, where {binding} is to answer", other.at))
        })
        .collect();
    match (&taken[..], &bindings[..]) {
        (_, []) => None,
        ([], _) => Some(Finding::ok(ID, "no other program listens on its ports")),
        _ => Some(Finding::problem(
            ID,
            taken.join(", and "),
            "end that program, or give this site another port (`[[bindings]]` in `site.toml`)",
        )),
    }
}

/// Whether somebody else than the web server listens where a binding is to answer.
fn takes(other: &Listening, binding: &Binding, machine: &Machine, actual: &Actual) -> bool {
    let on_port = |listening: &&Listening| listening.at.port() == binding.port;
    let is_kernel = |listening: &Listening| listening.process == Some(KERNEL);
    // Where http.sys is, it alone is the web server; elsewhere something stands in for it, and listens where IIS says that
    // sites answer.
    let has_kernel = machine.listening.iter().filter(on_port).any(is_kernel);
    let serves = |information: &str| {
        let port = information.rsplit_once(':').and_then(|(rest, _)| rest.rsplit(':').next());
        port.and_then(|port| port.parse().ok()) == Some(binding.port)
    };
    let stands_in = !has_kernel && actual.taken.iter().any(|taken| serves(&taken.information));
    on_port(&other) && !is_kernel(other) && !stands_in && meet(other.at.ip(), binding.ip)
}

fn meet(listens: IpAddr, wanted: Option<IpAddr>) -> bool {
    wanted.is_none_or(|wanted| listens.is_unspecified() || listens == wanted)
}

fn root_rights(machine: &Machine, subject: &Subject<'_>) -> Option<Finding> {
    const ID: &str = "site.root-rights";
    let (folder, sddl) = machine.rights.as_ref()?;
    let is_site = subject.site.as_ref().is_some_and(|site| site.folder == folder);
    let shown = folder.display();
    Some(match may_change(sddl) {
        None => {
            Finding::new(ID, Level::Unknown, format!("the rights on `{shown}` cannot be understood: {sddl}"))
        }
        Some(who) if who.is_empty() => {
            Finding::ok(ID, format!("nobody but administrators and the site changes `{shown}`"))
        }
        Some(who) if is_site => Finding::problem(
            ID,
            format!("{} may change what lies in `{shown}`, and with it what the site runs", who.join(", ")),
            "move what the site wrote aside, have `holdall site init` or a deploy make the folder, and move it back; or take \
             their rights away: `icacls`",
        ),
        Some(who) => Finding::warning(
            ID,
            format!(
                "{} may make folders or files in `{shown}`; a site's own folder is guarded",
                who.join(", ")
            ),
            format!("`icacls \"{shown}\" /inheritance:r /grant *S-1-5-32-544:(OI)(CI)F *S-1-5-18:(OI)(CI)F`"),
        ),
    })
}

/// One process has one connection to each database, and at a switch those of two releases are there.
fn connections(site: &Site<'_>) -> Finding {
    const ID: &str = "database.connections";
    let most = u64::from(site.settings.max_instances(site.cores)) * 2;
    let reach = format!("at a switch up to {most} processes have a connection to each database");
    let fewer = "lower `maxInstances` in `[fastcgi]` of site.toml, or have the database take more";
    let Some(databases) = site.databases else {
        return Finding::warning(
            ID,
            reach,
            format!(
                "compare that with its limit: PostgreSQL takes 100, MySQL 151 unless set otherwise; {fewer}"
            ),
        );
    };
    let tight: Vec<(&Database, u64)> = databases
        .iter()
        .filter_map(|database| Some((database, database.most?)))
        .filter(|(_, limit)| most + KEPT_BACK > *limit)
        .collect();
    let said = |(database, limit): &(&Database, u64)| {
        format!("`{}` ({}) takes {limit}", database.name, database.vendor)
    };
    match &tight[..] {
        [] => Finding::ok(ID, reach),
        tight => {
            let limits: Vec<String> = tight.iter().map(said).collect();
            let text = format!("{reach}, and {}", limits.join(", "));
            match tight.iter().any(|(_, limit)| most / 2 + KEPT_BACK > *limit) {
                true => Finding::problem(ID, text, fewer),
                false => Finding::warning(ID, text, fewer),
            }
        }
    }
}
