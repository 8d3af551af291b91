//! The site or application itself: made when it is not there, else brought to what is wanted. The switch to another
//! release is one command.

use super::{ABSENT, Applied, Change, Difference, Drift, Found, IisPlan, Lack};
use super::{bindings, certificates, location, media, sections};
use crate::release::ReleaseId;
use crate::site::iis::actual::{Actual, App, Site, same_name};
use crate::site::iis::appcmd::{Command, Object, Verb};
use crate::site::iis::wanted::{Spot, Wanted};
use crate::site::iis::xml::{is_below, same_path};
use crate::site::settings::Binding;

pub(super) const FOLDER: &str = "physicalPath";
const POOL: &str = "applicationPool";
const APP: &str = "app ";

/// How the application stands in what was applied.
pub(super) fn app_thing(spot: &Spot) -> String {
    format!("{APP}{}", spot.location())
}

/// The site around it, which is ours only when it holds nothing else.
pub(super) fn site_thing(spot: &Spot) -> String {
    format!("site {}", spot.site)
}

/// Whether we have made what is there: it was applied, or it serves something of the site's, as one does whose making was
/// interrupted.
pub(super) fn is_ours(wanted: &Wanted, app: &App, last: &Applied) -> bool {
    let own = |folder| is_below(folder, &wanted.spot.home) || same_path(folder, &wanted.release.www);
    last.knows(&app_thing(&wanted.spot)) || app.physical_path().is_some_and(own)
}

/// Where the site stands if that is not at `spot`, where it is wanted now: at an application that something was applied to
/// and that is still there.
pub fn stands(spot: &Spot, actual: &Actual, last: &Applied) -> Option<Spot> {
    let others = known_apps(last).filter(|location| !same_name(location, &spot.location()));
    let other = |location: &str| {
        let pool = last.value(&format!("{APP}{location}"), POOL).unwrap_or(&spot.pool).to_owned();
        Spot { endpoints: spot.endpoints.clone(), ..Spot::at(location, pool, spot.home.clone()) }
    };
    others.map(other).find(|other| is_there(other, actual))
}

/// Where a site may stand whose books are lost and that is not where it is wanted: at an application in a pool of the
/// site's own name. The folder that it serves has to be asked for. What was made to show a release before anyone sees it is
/// no such place: a first deploy that was cut short has left it.
pub fn may_stand(spot: &Spot, actual: &Actual, last: &Applied) -> Vec<Spot> {
    if known_apps(last).next().is_some() || is_there(spot, actual) {
        return Vec::new();
    }
    let in_pool = actual.applications.iter().filter(|app| same_name(&app.pool, spot.own_name()));
    let shows = |app: &str| app.split_once('/').is_some_and(|(site, _)| same_name(site, &spot.staging()));
    let in_pool = in_pool.filter(|app| !shows(&app.name));
    let at = |location: &str| {
        let pool = spot.own_name().to_owned();
        let at = Spot::at(location.strip_suffix('/').unwrap_or(location), pool, spot.home.clone());
        Spot { endpoints: spot.endpoints.clone(), ..at }
    };
    in_pool.map(|app| at(&app.name)).collect()
}

/// The locations that something was applied to.
fn known_apps(last: &Applied) -> impl Iterator<Item = &str> {
    last.things().filter_map(|thing| thing.strip_prefix(APP))
}

fn is_there(spot: &Spot, actual: &Actual) -> bool {
    actual.applications.iter().any(|app| same_name(&app.name, &spot.app_name()))
}

/// The folder of sites below which a release serves `folder`: `<root>/<site>/releases/<id>/www`.
pub(super) fn root_of(folder: &str) -> Option<&str> {
    let mut parts = folder.trim_end_matches(['/', '\\']).rsplitn(5, ['/', '\\']);
    let [www, id, releases, _site, root] = [(); 5].map(|()| parts.next());
    let is_release = www?.eq_ignore_ascii_case("www")
        && ReleaseId::parse(id?).is_ok()
        && releases?.eq_ignore_ascii_case("releases");
    root.filter(|_| is_release)
}

/// Notes that the folder which is shown is one of the site's releases: it was switched to by us, even when nobody lived to
/// write it down. What was never applied stays so.
pub fn shows_release(spot: &Spot, folder: &str, last: &mut Applied) {
    let thing = app_thing(spot);
    if last.value(&thing, FOLDER).is_some() {
        last.set(&thing, FOLDER, folder);
    }
}

/// Whether visitors would not come to the release that serves as long as this setting stays as somebody has set it.
pub(super) fn is_vital(spot: &Spot, drift: &Drift) -> bool {
    let Drift { thing, name, found, .. } = drift;
    (*thing == app_thing(spot) && (name == FOLDER || name == POOL))
        || (*thing == site_thing(spot) && bindings::is_label(name) && found == ABSENT)
}

/// What somebody has stopped that has to run. A site of ours that is only half made is started once it is whole.
pub fn stopped(wanted: &Wanted, actual: &Actual, last: &Applied) -> Option<Lack> {
    let spot = &wanted.spot;
    let is_half_made = match actual.app(&spot.site, &spot.app) {
        Some(app) => !spot.is_below() && !last.knows(&app_thing(spot)) && is_ours(wanted, app, last),
        None => false,
    };
    if !is_half_made && actual.site(&spot.site).is_some_and(|site| !site.is_started()) {
        return Some(Lack::Stopped(spot.site.clone()));
    }
    let pool = actual.pool(&spot.pool).filter(|pool| pool.is_stopped());
    pool.map(|pool| Lack::PoolStopped(pool.name.clone()))
}

/// The site with all its settings but the release that it serves. Made with the wanted release if it is not there.
pub fn settle(wanted: &Wanted, actual: &Actual, last: &Applied, take_over: bool) -> IisPlan {
    let spot = &wanted.spot;
    let site = actual.site(&spot.site);
    let app = actual.app(&spot.site, &spot.app);
    // What was applied to something that is gone says nothing about what is made in its place.
    let mut known = last.clone();
    for location in known_apps(last) {
        let other = Spot::at(location, String::new(), String::new());
        if !is_there(&other, actual) {
            forget(&mut known, &other);
        }
    }
    if app.is_none() {
        forget(&mut known, spot);
        let vdirs = format!("vdir {}/", spot.location());
        last.things().filter(|thing| thing.starts_with(&vdirs)).for_each(|thing| known.forget(thing));
    }
    if site.is_none() {
        known.forget(&site_thing(spot));
    }
    // A making that was interrupted is finished.
    let begun = !known.knows(&app_thing(spot)) && app.is_none_or(|app| is_ours(wanted, app, last));
    let mut difference = Difference::new(actual, &known, take_over);
    certificates::compare(&mut difference, wanted);
    match (site, app) {
        (None, _) => create_site(&mut difference, wanted),
        (Some(_), None) => create_app(&mut difference, wanted),
        (Some(_), Some(_)) => {}
    }
    pool(&mut difference, wanted, app, begun);
    if let Some(site) = site.filter(|_| !spot.is_below()) {
        bindings::compare(&mut difference, wanted, site, begun);
    }
    if !spot.is_below() {
        limits(&mut difference, wanted, site, begun);
    }
    certificates::clear(&mut difference, wanted);
    location::compare(&mut difference, spot, begun, app.is_none());
    let ours = begun || difference.last.knows(&location::thing(spot));
    sections::compare(&mut difference, wanted, ours, app.is_none());
    media::compare(&mut difference, wanted, app, begun);
    if begun && !spot.is_below() {
        start(&mut difference, spot, site);
    }
    difference.plan
}

/// What was applied to an application and to its addresses is gone with it.
fn forget(known: &mut Applied, spot: &Spot) {
    let of_addresses = known.things().filter(|thing| spot.part_of(thing).is_some());
    let gone: Vec<String> = of_addresses.map(str::to_owned).chain([app_thing(spot)]).collect();
    gone.iter().for_each(|thing| known.forget(thing));
}

/// The switch: the folder that the root of the application shows. Empty when it is there already, or when the site is
/// only being made.
pub fn switch(wanted: &Wanted, actual: &Actual, last: &Applied, take_over: bool) -> IisPlan {
    let (spot, www) = (&wanted.spot, &wanted.release.www);
    let thing = app_thing(spot);
    let folder = actual.app(&spot.site, &spot.app).and_then(App::physical_path);
    // Anything of the site's own was switched to by us, even when nobody lived to write it down.
    let ours = folder.is_some_and(|folder| is_below(folder, &spot.home));
    let mut known = last.clone();
    if ours {
        known.unset(&thing, FOLDER);
    }
    let mut difference = Difference::new(actual, &known, take_over);
    if let Some(folder) = folder {
        let found =
            Found { thing: &thing, name: FOLDER, wanted: www, firm: true, ours, actual: Some(folder) };
        if difference.is_due(found) {
            let says = format!("switch {} to {www}", spot.location());
            difference.change(Change::new(says, show(spot, www), vec![show(spot, folder)]));
        }
    }
    difference.plan
}

fn show(spot: &Spot, folder: &str) -> Command {
    let root = format!("{}/", spot.location());
    Command::new(Verb::Set, Object::Vdir, Some(&root)).property(FOLDER, folder)
}

fn create_site(difference: &mut Difference<'_>, wanted: &Wanted) {
    let (spot, www) = (&wanted.spot, &wanted.release.www);
    let any = [Binding::any(80)];
    let all = if wanted.bindings.is_empty() { &any[..] } else { &wanted.bindings[..] };
    let list: Vec<_> = all.iter().map(ToString::to_string).collect();
    // Stopped until it is whole: else it would serve in the server's own pool for a moment.
    let does = Command::new(Verb::Add, Object::Site, None)
        .property("name", &spot.site)
        .property("bindings", &list.join(","))
        .property(FOLDER, www)
        .property("serverAutoStart", "false");
    let thing = site_thing(spot);
    difference.change(Change::plain(format!("make the {thing}"), does));
    difference.applied(&app_thing(spot), FOLDER, www);
    for binding in all {
        let flags = binding.ssl_flags().to_string();
        if flags != "0" {
            let says = format!("set sslFlags of {binding} to `{flags}`");
            difference.change(Change::new(
                says,
                bindings::ssl_flags(spot, binding.scheme(), &binding.information(), &flags),
                Vec::new(),
            ));
        }
        difference.applied(&thing, &bindings::label(binding), &flags);
    }
}

fn create_app(difference: &mut Difference<'_>, wanted: &Wanted) {
    let (spot, www) = (&wanted.spot, &wanted.release.www);
    let does = Command::new(Verb::Add, Object::App, None)
        .property("site.name", &spot.site)
        .property("path", &spot.app)
        .property(FOLDER, www);
    let thing = app_thing(spot);
    difference.change(Change::plain(format!("make the {thing}"), does));
    difference.applied(&thing, FOLDER, www);
}

fn pool(difference: &mut Difference<'_>, wanted: &Wanted, app: Option<&App>, ours: bool) {
    let spot = &wanted.spot;
    let actual = app.map(|app| app.pool.as_str());
    let thing = app_thing(spot);
    let before = difference.last.value(&thing, POOL).map(str::to_owned);
    let found = Found { thing: &thing, name: POOL, wanted: &spot.pool, firm: true, ours, actual };
    let changes = difference.plan.changes.len();
    difference.setting(found, |pool| {
        Command::new(Verb::Set, Object::App, Some(&spot.app_name())).property(POOL, pool)
    });
    // The pool that it has left, if it was ours.
    let is_left = |before: &String| !same_name(before, &spot.pool) && difference.plan.changes.len() > changes;
    if let Some(before) = before.filter(is_left) {
        super::pool::remove(difference, &before, spot);
    }
}

fn limits(difference: &mut Difference<'_>, wanted: &Wanted, site: Option<&Site>, ours: bool) {
    let spot = &wanted.spot;
    let thing = site_thing(spot);
    let ours = ours || difference.last.knows(&thing);
    for limit in &wanted.limits {
        let name = limit.attribute.path;
        let actual = site.and_then(|site| site.value(name));
        let found = Found { thing: &thing, name, wanted: &limit.value, firm: true, ours, actual };
        difference.setting(found, |value| bindings::set_site(spot).property(name, value));
    }
}

fn start(difference: &mut Difference<'_>, spot: &Spot, site: Option<&Site>) {
    let thing = site_thing(spot);
    if site.is_none_or(|site| !site.auto_start) {
        let auto = |value| bindings::set_site(spot).property("serverAutoStart", value);
        let says = format!("let the {thing} start with the server");
        difference.change(Change::new(says, auto("true"), vec![auto("false")]));
    }
    if site.is_none_or(|site| !site.is_started()) {
        let does = Command::new(Verb::Start, Object::Site, Some(&spot.site));
        difference.change(Change::plain(format!("start the {thing}"), does));
    }
}
