//! What is set for a site's part of the server's addresses, in a tag of its own in applicationHost.config.

use super::staging::clear;
use super::{Actual, Applied, Change, Difference, Found};
use crate::site::iis::actual::{ANONYMOUS, HANDLERS, MODULES, WEBDAV_MODULE};
use crate::site::iis::appcmd::{Command, Items, Quoted, Verb};
use crate::site::iis::wanted::Spot;

const HANDLERS_MODE: &str = "handlers";
pub(super) const VISITOR: &str = "anonymousAuthentication.userName";

/// How it stands in what was applied.
pub(super) fn thing(spot: &Spot) -> String {
    at(&spot.location())
}

/// The same for any part of a site's addresses.
pub(super) fn at(location: &str) -> String {
    format!("location {location}")
}

/// Handlers open to the release's own `web.config`, visitors with the rights of the pool, and no WebDAV in the way. For an
/// application that is only being made (`new`) all of it can go again without a trace.
pub(super) fn compare(difference: &mut Difference<'_>, spot: &Spot, ours: bool, new: bool) {
    let (location, thing) = (spot.location(), thing(spot));
    let ours = ours || difference.last.knows(&thing);
    let there = difference.actual.locations.get(&location).cloned();
    let has_web_dav = difference.actual.has_web_dav();
    let web_dav = there.as_ref().map_or(has_web_dav, |there| there.web_dav);
    let there = there.unwrap_or_default();
    let found = |name, wanted, actual| Found { thing: &thing, name, wanted, firm: true, ours, actual };
    let undoes = |does: &Command, section| match new {
        true => vec![clear(&location, section)],
        false => does.inverse().into_iter().collect(),
    };

    let mode = there.handlers_locked.map(|locked| if locked { "Deny" } else { "Allow" });
    if difference.is_due(found(HANDLERS_MODE, "Allow", mode)) {
        let does = unlock(&location);
        let undoes = undoes(&does, HANDLERS);
        difference.change(Change::new(format!("let {location} name its own handlers"), does, undoes));
    }
    let before = there.anonymous_user.as_deref();
    if difference.is_due(found(VISITOR, "", before)) {
        let does = visitor(&location, "");
        let undoes = match before.filter(|_| !new) {
            Some(before) => vec![visitor(&location, before)],
            None => undoes(&does, ANONYMOUS),
        };
        difference.change(Change::new(
            format!("let visitors of {location} have the rights of its pool"),
            does,
            undoes,
        ));
    }
    let state = if web_dav { "present" } else { "removed" };
    if has_web_dav && difference.is_due(found(WEBDAV_MODULE, "removed", Some(state))) {
        let does = without_web_dav(&location);
        let undoes = undoes(&does, MODULES);
        difference.change(Change::new(format!("keep WebDAV away from {location}"), does, undoes));
    }
}

/// All that is ever set for it, as if it was.
pub(super) fn refound(spot: &Spot, actual: &Actual, books: &mut Applied) {
    let thing = thing(spot);
    let web_dav = actual.has_web_dav().then_some((WEBDAV_MODULE, "removed"));
    for (name, value) in [(HANDLERS_MODE, "Allow"), (VISITOR, "")].into_iter().chain(web_dav) {
        books.set(&thing, name, value);
    }
}

pub(super) fn unlock(location: &str) -> Command {
    Command::config(Verb::Unlock, Some(location), HANDLERS).committed()
}

/// Empty stands for the account of the pool.
pub(super) fn visitor(location: &str, user: &str) -> Command {
    Command::config(Verb::Set, Some(location), ANONYMOUS).property("userName", user).committed()
}

pub(super) fn without_web_dav(location: &str) -> Command {
    let module = Items::item(vec![("name", Quoted::plain(WEBDAV_MODULE))]);
    Command::config(Verb::Set, Some(location), MODULES).removing(module).committed()
}
