//! Which certificates http.sys shows for the site's bindings. There before the binding that shows it, and gone after it; what
//! others have put there, or still show, is theirs.

use super::{ABSENT, Applied, Change, Difference, Drift, Found, IisPlan, Lack};
use crate::site::certificates::StoredCertificate;
use crate::site::iis::actual::{Actual, same_name};
use crate::site::iis::call::Call;
use crate::site::iis::netsh::{Command, Endpoint, Entry, Verb};
use crate::site::iis::wanted::{Shown, Spot, Wanted, WantedCertificate};

const THING: &str = "certificate ";
const THUMBPRINT: &str = "thumbprint";

/// How it stands in what was applied, and in what others have changed.
pub fn thing(endpoint: &Endpoint) -> String {
    format!("{THING}{endpoint}")
}

/// The endpoints at which Holdall has put a certificate.
pub fn applied(last: &Applied) -> impl Iterator<Item = Endpoint> {
    last.things().filter_map(|thing| Endpoint::parse(thing.strip_prefix(THING)?))
}

/// The sites but this one that show what stands at an endpoint.
fn others(actual: &Actual, endpoint: &Endpoint, spot: &Spot) -> Vec<String> {
    let own = |site: &str| same_name(site, &spot.site);
    let others =
        actual.https.iter().filter(|other| !own(&other.site) && endpoint.is_used_by(&other.information));
    let mut names: Vec<String> = others.map(|other| other.site.clone()).collect();
    names.dedup();
    names
}

/// Whether there is nothing that this certificate must not take the place of.
fn is_ours(actual: &Actual, last: &Applied, endpoint: &Endpoint, spot: &Spot, there: &Entry) -> bool {
    last.knows(&thing(endpoint)) || (there.is_ours() && others(actual, endpoint, spot).is_empty())
}

pub(super) fn lacks(wanted: &Wanted, actual: &Actual, last: &Applied, take_over: bool) -> Vec<Lack> {
    let lack = |own: &WantedCertificate| {
        let endpoint = &own.endpoint;
        match (&own.shown, actual.certificates.get(endpoint)) {
            (Shown::Lacking(lack), _) => Some(Lack::Certificate(lack.clone())),
            (Shown::Kept, None) => {
                let fallback = endpoint.fallback();
                let none = fallback.is_none_or(|fallback| !actual.certificates.contains_key(&fallback));
                none.then(|| Lack::NothingToKeep {
                    binding: own.binding.to_string(),
                    command: Box::new(Command::show(endpoint).into()),
                })
            }
            (Shown::Chosen(certificate), Some(there)) if !take_over => {
                let stays = there.thumbprint == certificate.thumbprint
                    || own.newer.contains(&there.thumbprint)
                    || is_ours(actual, last, endpoint, &wanted.spot, there);
                (!stays).then(|| Lack::CertificateTaken {
                    endpoint: endpoint.to_string(),
                    found: there.thumbprint.as_str().to_owned(),
                    sites: others(actual, endpoint, &wanted.spot),
                })
            }
            _ => None,
        }
    };
    let mut lacks: Vec<Lack> = wanted.certificates.iter().filter_map(lack).collect();
    for (at, own) in wanted.certificates.iter().enumerate() {
        let other = wanted.certificates[..at].iter().find(|other| other.endpoint == own.endpoint);
        lacks.extend(other.map(|other| Lack::TwoCertificates {
            first: other.binding.to_string(),
            second: own.binding.to_string(),
        }));
    }
    lacks
}

/// Puts the certificates there that are to be shown. Comes before the bindings.
pub(super) fn compare(difference: &mut Difference<'_>, wanted: &Wanted) {
    for own in &wanted.certificates {
        let thing = thing(&own.endpoint);
        match &own.shown {
            Shown::Chosen(certificate) => show(difference, wanted, own, certificate, &thing),
            // Somebody else looks after it from now on.
            Shown::Kept => difference.plan.applied.forget(&thing),
            Shown::Lacking(_) => {}
        }
    }
}

fn show(
    difference: &mut Difference<'_>,
    wanted: &Wanted,
    own: &WantedCertificate,
    certificate: &StoredCertificate,
    thing: &str,
) {
    let (endpoint, actual) = (&own.endpoint, difference.actual);
    let (thumbprint, there) = (certificate.thumbprint.as_str(), actual.certificates.get(endpoint));
    if let Some(newer) = there.filter(|there| own.newer.contains(&there.thumbprint)) {
        difference.plan.drift.push(Drift {
            thing: thing.to_owned(),
            name: THUMBPRINT.to_owned(),
            applied: difference.last.value(thing, THUMBPRINT).map(str::to_owned),
            found: newer.thumbprint.as_str().to_owned(),
            wanted: thumbprint.to_owned(),
            stays: true,
        });
        return;
    }
    let ours = there.is_none_or(|there| is_ours(actual, difference.last, endpoint, &wanted.spot, there));
    let found = Found {
        thing,
        name: THUMBPRINT,
        wanted: thumbprint,
        firm: true,
        ours,
        actual: Some(there.map_or(ABSENT, |there| there.thumbprint.as_str())),
    };
    // Where there is none nobody is served: a run may have been cut off that was about to put one there.
    let is_due = match there {
        None => {
            difference.applied(thing, THUMBPRINT, thumbprint);
            true
        }
        Some(_) => difference.is_due(found),
    };
    if !is_due {
        return;
    }
    if let Some(there) = there {
        take(difference, endpoint, there);
    }
    let new = Entry::of(&certificate.thumbprint);
    let (names, until) = (certificate.names.join(", "), certificate.end());
    difference.change(Change::of_certificate(
        format!("show the certificate for {names}, which ends on {until}, at {endpoint}"),
        Command::add(
            endpoint,
            match there {
                Some(there) => new.in_place_of(there),
                None => new,
            },
        ),
        Command::delete(endpoint),
    ));
}

/// Where a plan replaces what says more than its certificate, and what that is cannot be read and so not be said again.
pub fn losing<'a>(plan: &'a IisPlan, actual: &'a Actual) -> impl Iterator<Item = &'a Endpoint> {
    let taken = plan.changes.iter().filter_map(|change| match &change.does {
        Call::Netsh(Command { verb: Verb::Delete, endpoint }) => Some(endpoint),
        _ => None,
    });
    taken.filter(|endpoint| actual.certificates.get(endpoint).is_some_and(|there| there.rest.is_strange()))
}

fn take(difference: &mut Difference<'_>, endpoint: &Endpoint, there: &Entry) {
    difference.change(Change::of_certificate(
        format!("show the certificate {} no more at {endpoint}", there.thumbprint.as_str()),
        Command::delete(endpoint),
        Command::add(endpoint, there.clone()),
    ));
}

/// Takes away what was put there and is wanted no more. Comes after the bindings.
pub(super) fn clear(difference: &mut Difference<'_>, wanted: &Wanted) {
    let known = |endpoint: &Endpoint| wanted.certificates.iter().any(|own| own.endpoint == *endpoint);
    let left: Vec<Endpoint> = applied(difference.last).filter(|endpoint| !known(endpoint)).collect();
    for endpoint in left {
        remove(difference, &wanted.spot, &endpoint);
    }
}

/// Takes away all that was put there for the site.
pub(super) fn remove_all(difference: &mut Difference<'_>, spot: &Spot) {
    let all: Vec<Endpoint> = applied(difference.last).collect();
    for endpoint in all {
        remove(difference, spot, &endpoint);
    }
}

/// What somebody else has put there since stays, and so does what another site shows.
fn remove(difference: &mut Difference<'_>, spot: &Spot, endpoint: &Endpoint) {
    let actual = difference.actual;
    let last = difference.last.value(&thing(endpoint), THUMBPRINT);
    let there = actual.certificates.get(endpoint);
    if let Some(there) = there
        && last == Some(there.thumbprint.as_str())
        && others(actual, endpoint, spot).is_empty()
    {
        take(difference, endpoint, there);
    }
    difference.plan.applied.forget(&thing(endpoint));
}

/// What bears Holdall's mark where the site shows certificates, as if it had been written down.
pub(super) fn refound(spot: &Spot, actual: &Actual, books: &mut Applied) {
    for endpoint in &spot.endpoints {
        if let Some(there) = actual.certificates.get(endpoint).filter(|there| there.is_ours()) {
            books.set(&thing(endpoint), THUMBPRINT, there.thumbprint.as_str());
        }
    }
}
