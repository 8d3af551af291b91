//! Taking a site out of IIS: nothing of ours stays, and nothing of anybody else's goes.

use super::bindings::ssl_flags;
use super::certificates;
use super::location::{self, unlock, without_web_dav};
use super::media::add_vdir;
use super::site::{FOLDER, app_thing, site_thing};
use super::staging::clear;
use super::{Applied, Change, Difference, IisPlan};
use crate::site::iis::actual::{Actual, App, HANDLERS, MODULES, WEBDAV_MODULE, same_name};
use crate::site::iis::appcmd::{Command, Object, Quoted, Verb};
use crate::site::iis::wanted::Spot;
use crate::site::iis::xml::is_below;

/// What removes the site, its staging site, the FastCGI applications of all its releases and its pool. `adopted` are the
/// folders of releases that lie elsewhere.
pub fn remove(spot: &Spot, actual: &Actual, last: &Applied, adopted: &[String]) -> IisPlan {
    let mut difference = Difference::new(actual, last, false);
    difference.plan = super::unstage(spot, actual, last);
    let own = |folder: &str| {
        is_below(folder, &spot.home) || adopted.iter().any(|release| is_below(folder, release))
    };
    if let Some(app) = actual.app(&spot.site, &spot.app)
        && (last.knows(&app_thing(spot)) || app.physical_path().is_some_and(own))
    {
        remove_app(&mut difference, spot, app);
    }
    certificates::remove_all(&mut difference, spot);
    for found in actual.fastcgi.iter().filter(|found| own(&found.full_path)) {
        super::release::remove(&mut difference, found, &format!("fastcgi {}", found.full_path));
    }
    super::pool::remove(&mut difference, &spot.pool, spot);
    difference.plan.applied = Applied::default();
    difference.plan
}

/// What was applied to a site whose books are lost, made up from what is there: to be removed it has to be known. The site
/// is known by its folder, and its pool by the site's own name if nobody has said otherwise.
pub fn refound(spot: &Spot, actual: &Actual, last: &Applied) -> Applied {
    let mut books = last.clone();
    let app = actual.app(&spot.site, &spot.app).filter(|_| !last.knows(&app_thing(spot)));
    let own = |app: &&App| app.physical_path().is_some_and(|folder| is_below(folder, &spot.home));
    let Some(app) = app.filter(own) else { return books };
    books.set(&app_thing(spot), FOLDER, app.physical_path().unwrap_or_default());
    location::refound(spot, actual, &mut books);
    super::sections::refound(spot, &mut books);
    certificates::refound(spot, actual, &mut books);
    if same_name(&spot.pool, spot.own_name()) && same_name(&app.pool, &spot.pool) {
        super::pool::refound(&spot.pool, actual, &mut books);
    }
    books
}

fn remove_app(difference: &mut Difference<'_>, spot: &Spot, app: &App) {
    let location = spot.location();
    let last = difference.last;
    super::sections::removal(difference, spot);
    for (name, _) in last.of(&location::thing(spot)) {
        let (section, again) = match name {
            "handlers" => (HANDLERS, unlock(&location)),
            WEBDAV_MODULE => (MODULES, without_web_dav(&location)),
            _ => continue,
        };
        let says = format!("take back what {location} has of {section}");
        difference.change(Change::new(says, clear(&location, section), vec![again]));
    }
    let folder = app.physical_path().unwrap_or_default();
    let mut undoes = Vec::new();
    let site = difference.actual.site(&spot.site);
    let does = match site.filter(|_| !spot.is_below()) {
        None => {
            let add = Command::new(Verb::Add, Object::App, None)
                .property("site.name", &spot.site)
                .property("path", &spot.app);
            undoes.push(add.property(FOLDER, folder));
            Command::new(Verb::Delete, Object::App, Some(&spot.app_name()))
        }
        Some(site) => {
            let bindings: Vec<_> = site
                .bindings
                .iter()
                .map(|binding| format!("{}/{}", binding.protocol, binding.information))
                .collect();
            let add = Command::new(Verb::Add, Object::Site, None)
                .property("name", &spot.site)
                .property("id", &site.id)
                .property("bindings", &bindings.join(","))
                .property(FOLDER, folder);
            undoes.push(add.property("serverAutoStart", "false"));
            let limits = last.of(&site_thing(spot)).filter(|(name, _)| name.starts_with("limits."));
            undoes.extend(limits.map(|(name, value)| {
                Command::new(Verb::Set, Object::Site, Some(&spot.site)).property(name, value)
            }));
            // Those of other protocols may hold anything; they are given back as they were listed.
            let known = site
                .bindings
                .iter()
                .filter(|binding| binding.ssl_flags != 0 && Quoted::parse(&binding.information).is_ok());
            undoes.extend(known.map(|binding| {
                ssl_flags(spot, &binding.protocol, &binding.information, &binding.ssl_flags.to_string())
            }));
            Command::new(Verb::Delete, Object::Site, Some(&spot.site))
        }
    };
    let set = Command::new(Verb::Set, Object::App, Some(&spot.app_name()));
    undoes.push(set.property("applicationPool", &app.pool));
    for vdir in app.vdirs.iter().filter(|vdir| vdir.path != "/") {
        undoes.push(add_vdir(spot, &vdir.path, &vdir.physical_path, vdir.sub_dir_config));
    }
    let says = match site.filter(|_| !spot.is_below()) {
        None => format!("delete the {}", app_thing(spot)),
        Some(site) => {
            if site.auto_start {
                let set = Command::new(Verb::Set, Object::Site, Some(&spot.site));
                undoes.push(set.property("serverAutoStart", "true"));
            }
            if site.is_started() {
                undoes.push(Command::new(Verb::Start, Object::Site, Some(&spot.site)));
            }
            format!("delete the {}", site_thing(spot))
        }
    };
    difference.change(Change::new(says, does, undoes));
}
