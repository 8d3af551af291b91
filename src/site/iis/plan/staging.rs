//! The site on which a release shows itself before anyone sees it: on this machine's own address, in the same pool, at the
//! same path. It goes when the deploy ends, and the next one removes what a crash has left.

use super::location::{unlock, visitor, without_web_dav};
use super::site::FOLDER;
use super::{Applied, Change, Difference, IisPlan, sections};
use crate::site::iis::actual::{ANONYMOUS, Actual, HANDLERS, MODULES, WINDOWS};
use crate::site::iis::appcmd::{Command, Object, Verb};
use crate::site::iis::wanted::{Spot, Wanted};

/// Makes and starts it, on a port that is free.
pub fn stage(wanted: &Wanted, actual: &Actual, last: &Applied, port: u16) -> IisPlan {
    let (spot, www) = (&wanted.spot, &wanted.release.www);
    let name = spot.staging();
    let mut plan = unstage(spot, actual, last);
    let mut change = |says: String, does: Command, undoes: Option<Command>| {
        plan.changes.push(Change::new(says, does, undoes.into_iter().collect()));
    };
    let add = Command::new(Verb::Add, Object::Site, None)
        .property("name", &name)
        .property("bindings", &format!("http/127.0.0.1:{port}:"))
        .property(FOLDER, www)
        .property("serverAutoStart", "false");
    let delete = add.inverse();
    change(format!("make the site {name} on port {port} of this machine"), add, delete);
    let set_pool = |app: &str| {
        Command::new(Verb::Set, Object::App, Some(&format!("{name}{app}")))
            .property("applicationPool", &spot.pool)
    };
    change(format!("put {name} into pool {}", spot.pool), set_pool("/"), None);
    if spot.is_below() {
        // The release has to find itself at the path that visitors will use.
        let add = Command::new(Verb::Add, Object::App, None)
            .property("site.name", &name)
            .property("path", &spot.app)
            .property(FOLDER, www);
        change(format!("make the app {name}{}", spot.app), add, None);
        change(format!("put {name}{} into pool {}", spot.app, spot.pool), set_pool(&spot.app), None);
    }
    // Its locations are taken back before the site: afterwards nobody would find them.
    change(format!("let {name} name its own handlers"), unlock(&name), Some(clear(&name, HANDLERS)));
    let anonymous = visitor(&name, "").property("enabled", "true");
    change(format!("let {name} ask nobody for a name"), anonymous, Some(clear(&name, ANONYMOUS)));
    if actual.windows_authentication {
        let does = Command::config(Verb::Set, Some(&name), WINDOWS).property("enabled", "false").committed();
        change(format!("let {name} ask for no Windows account"), does, Some(clear(&name, WINDOWS)));
    }
    if actual.has_web_dav() {
        change(format!("keep WebDAV away from {name}"), without_web_dav(&name), Some(clear(&name, MODULES)));
    }
    for (location, section, does) in sections::staged(wanted, actual) {
        let says = format!("set {} of {location} as the site has it", section.name());
        change(says, does, Some(clear(&location, section.path())));
    }
    let start = Command::new(Verb::Start, Object::Site, Some(&name));
    let stop = start.inverse();
    change(format!("start the site {name}"), start, stop);
    plan
}

/// Removes it, if it is there. Nothing takes that back: it is only ever made anew.
pub fn unstage(spot: &Spot, actual: &Actual, last: &Applied) -> IisPlan {
    let mut difference = Difference::new(actual, last, false);
    let name = spot.staging();
    if actual.site(&name).is_some() {
        let windows = actual.windows_authentication.then_some(WINDOWS);
        let web_dav = actual.has_web_dav().then_some(MODULES);
        for (location, section) in sections::staged_parts(spot) {
            let says = format!("take back what {location} has of {}", section.name());
            difference.change(Change::new(says, clear(&location, section.path()), Vec::new()));
        }
        for section in [Some(HANDLERS), Some(ANONYMOUS), windows, web_dav].into_iter().flatten() {
            let says = format!("take back what {name} has of {section}");
            difference.change(Change::new(says, clear(&name, section), Vec::new()));
        }
        let does = Command::new(Verb::Delete, Object::Site, Some(&name));
        difference.change(Change::new(format!("delete the site {name}"), does, Vec::new()));
    }
    difference.plan
}

/// Takes away what a location has of a section, with the section itself.
pub(super) fn clear(location: &str, section: &str) -> Command {
    Command::config(Verb::Clear, Some(location), section).switch("delete").committed()
}
