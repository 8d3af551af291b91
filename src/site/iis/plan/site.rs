//! The site or application itself: made when it is not there, else brought to what is wanted. The switch to another
//! release is one command.

use super::staging::clear;
use super::{ABSENT, Applied, Change, Difference, Found, IisPlan, Lack};
use crate::site::iis::actual::{
    ANONYMOUS, Actual, App, HANDLERS, MODULES, Site, SiteBinding, WEBDAV_MODULE, same_name,
};
use crate::site::iis::appcmd::{Command, Items, Object, Quoted, Verb};
use crate::site::iis::wanted::{Spot, Wanted};
use crate::site::iis::xml::{is_below, same_path};
use crate::site::settings::Binding;

pub(super) const FOLDER: &str = "physicalPath";
const POOL: &str = "applicationPool";
const HANDLERS_MODE: &str = "handlers";
const VISITOR: &str = "anonymousAuthentication.userName";

/// How the application stands in what was applied.
pub(super) fn app_thing(spot: &Spot) -> String {
    format!("app {}", spot.location())
}

/// The site around it, which is ours only when it holds nothing else.
pub(super) fn site_thing(spot: &Spot) -> String {
    format!("site {}", spot.site)
}

/// What is set for its part of the server's addresses.
pub(super) fn location_thing(spot: &Spot) -> String {
    format!("location {}", spot.location())
}

fn vdir_thing(spot: &Spot, path: &str) -> String {
    format!("vdir {}{path}", spot.location())
}

/// Whether we have made what is there: it was applied, or it serves something of the site's, as one does whose making was
/// interrupted.
pub(super) fn is_ours(wanted: &Wanted, app: &App, last: &Applied) -> bool {
    let own = |folder| is_below(folder, &wanted.spot.home) || same_path(folder, &wanted.release.www);
    last.knows(&app_thing(&wanted.spot)) || app.physical_path().is_some_and(own)
}

/// The bindings that would be added, and at which another site answers already: IIS would not start this one.
pub(super) fn taken(wanted: &Wanted, actual: &Actual) -> Vec<Lack> {
    let site = actual.site(&wanted.spot.site);
    let any = [Binding::any(80)];
    let bindings = match site {
        None if wanted.bindings.is_empty() && !wanted.spot.is_below() => &any[..],
        _ => &wanted.bindings[..],
    };
    let is_new = |binding: &&Binding| {
        let own = site.into_iter().flat_map(|site| &site.bindings);
        !own.into_iter().any(|own| is_named(own, &label(binding)))
    };
    let lack = |binding: &Binding| {
        let information = binding.information();
        let other = actual.taken.iter().find(|taken| {
            taken.information.eq_ignore_ascii_case(&information) && !same_name(&taken.site, &wanted.spot.site)
        })?;
        Some(Lack::Binding { binding: binding.to_string(), site: other.site.clone() })
    };
    bindings.iter().filter(is_new).filter_map(lack).collect()
}

/// The site with all its settings but the release that it serves. Made with the wanted release if it is not there.
pub fn settle(wanted: &Wanted, actual: &Actual, last: &Applied, take_over: bool) -> IisPlan {
    let spot = &wanted.spot;
    let site = actual.site(&spot.site);
    let app = actual.app(&spot.site, &spot.app);
    // What was applied to something that is gone says nothing about what is made in its place.
    let mut known = last.clone();
    if app.is_none() {
        [app_thing(spot), location_thing(spot)].iter().for_each(|thing| known.forget(thing));
        let vdirs = format!("vdir {}/", spot.location());
        last.things().filter(|thing| thing.starts_with(&vdirs)).for_each(|thing| known.forget(thing));
    }
    if site.is_none() {
        known.forget(&site_thing(spot));
    }
    // A making that was interrupted is finished.
    let begun = !known.knows(&app_thing(spot)) && app.is_none_or(|app| is_ours(wanted, app, last));
    let mut difference = Difference::new(actual, &known, take_over);
    match (site, app) {
        (None, _) => create_site(&mut difference, wanted),
        (Some(_), None) => create_app(&mut difference, wanted),
        (Some(_), Some(_)) => {}
    }
    pool(&mut difference, wanted, app, begun);
    if let Some(site) = site.filter(|_| !spot.is_below()) {
        bindings(&mut difference, wanted, site, begun);
    }
    locations(&mut difference, spot, begun, app.is_none());
    media(&mut difference, wanted, app, begun);
    if begun && !spot.is_below() {
        start(&mut difference, spot, site);
    }
    difference.plan
}

/// The switch: the folder that the root of the application shows. Empty when it is there already, or when the site is
/// only being made.
pub fn switch(wanted: &Wanted, actual: &Actual, last: &Applied, take_over: bool) -> IisPlan {
    let (spot, www) = (&wanted.spot, &wanted.release.www);
    let mut difference = Difference::new(actual, last, take_over);
    if let Some(folder) = actual.app(&spot.site, &spot.app).and_then(App::physical_path) {
        let thing = app_thing(spot);
        // Anything of the site's own was switched to by us, even when nobody lived to write it down.
        let (ours, known) = match is_below(folder, &spot.home) {
            true => (true, None),
            false => (false, last.value(&thing, FOLDER)),
        };
        let known = known.map(str::to_owned);
        let mut books = Applied::default();
        if let Some(known) = &known {
            books.set(&thing, FOLDER, known);
        }
        let mut alone = Difference::new(actual, &books, take_over);
        let found =
            Found { thing: &thing, name: FOLDER, wanted: www, firm: true, ours, actual: Some(folder) };
        if alone.is_due(found) {
            let says = format!("switch {} to {www}", spot.location());
            difference.change(Change::new(says, show(spot, www), vec![show(spot, folder)]));
        }
        if let Some(applied) = alone.plan.applied.value(&thing, FOLDER) {
            difference.applied(&thing, FOLDER, applied);
        }
        difference.plan.drift = alone.plan.drift;
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
                ssl_flags(spot, binding.scheme(), &binding.information(), &flags),
                Vec::new(),
            ));
        }
        difference.applied(&thing, &label(binding), &flags);
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
    if let Some(before) = before.filter(|_| difference.plan.changes.len() > changes) {
        super::pool::remove(difference, &before, spot);
    }
}

fn label(binding: &Binding) -> String {
    format!("binding {binding}")
}

fn is_named(binding: &SiteBinding, name: &str) -> bool {
    format!("binding {}/{}", binding.protocol, binding.information).eq_ignore_ascii_case(name)
}

fn pair(scheme: &str, information: &str) -> Vec<(&'static str, Quoted)> {
    vec![("protocol", Quoted::plain(scheme)), ("bindingInformation", Quoted::plain(information))]
}

fn set_site(spot: &Spot) -> Command {
    Command::new(Verb::Set, Object::Site, Some(&spot.site))
}

pub(super) fn ssl_flags(spot: &Spot, scheme: &str, information: &str, flags: &str) -> Command {
    let items = Items::of("bindings", pair(scheme, information));
    set_site(spot).editing(items, "sslFlags", flags)
}

/// An element of the list of bindings. Servers before IIS 8 know no flags.
fn item(scheme: &str, information: &str, flags: &str) -> Items {
    let mut attributes = pair(scheme, information);
    if flags != "0" {
        attributes.push(("sslFlags", Quoted::plain(flags)));
    }
    Items::of("bindings", attributes)
}

fn bindings(difference: &mut Difference<'_>, wanted: &Wanted, site: &Site, ours: bool) {
    let (spot, thing) = (&wanted.spot, site_thing(&wanted.spot));
    if wanted.bindings.is_empty() {
        return;
    }
    let ours = ours || difference.last.knows(&thing);
    for binding in &wanted.bindings {
        let (name, flags) = (label(binding), binding.ssl_flags().to_string());
        let there = site.bindings.iter().find(|other| is_named(other, &name));
        let actual = there.map_or_else(|| ABSENT.to_owned(), |there| there.ssl_flags.to_string());
        let found =
            Found { thing: &thing, name: &name, wanted: &flags, firm: true, ours, actual: Some(&actual) };
        match there {
            Some(_) => difference
                .setting(found, |flags| ssl_flags(spot, binding.scheme(), &binding.information(), flags)),
            None => {
                if difference.is_due(found) {
                    let does = set_site(spot).adding(item(binding.scheme(), &binding.information(), &flags));
                    difference
                        .change(Change::plain(format!("add the binding {binding} to the {thing}"), does));
                }
            }
        }
    }
    // Those that were wanted once. What others have added is theirs.
    let wanted_names: Vec<String> = wanted.bindings.iter().map(label).collect();
    let before: Vec<String> = difference.last.of(&thing).map(|(name, _)| name.to_owned()).collect();
    for name in before.iter().filter(|name| name.starts_with("binding ") && !wanted_names.contains(name)) {
        let there = site.bindings.iter().find(|other| is_named(other, name));
        if let Some(there) = there
            && Quoted::parse(&there.information).is_ok()
        {
            let does = set_site(spot).removing(item(
                &there.protocol,
                &there.information,
                &there.ssl_flags.to_string(),
            ));
            difference.change(Change::plain(format!("remove the {name} from the {thing}"), does));
        }
        difference.plan.applied.unset(&thing, name);
    }
}

/// Handlers open to the release's own `web.config`, visitors with the rights of the pool, and no WebDAV in the way. For an
/// application that is only being made (`new`) all of it can go again without a trace.
fn locations(difference: &mut Difference<'_>, spot: &Spot, ours: bool, new: bool) {
    let (location, thing) = (spot.location(), location_thing(spot));
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

/// Uploads: a virtual directory whose sub-folders' `web.config` counts for nothing.
fn media(difference: &mut Difference<'_>, wanted: &Wanted, app: Option<&App>, ours: bool) {
    let spot = &wanted.spot;
    let vdir = |path: &str| format!("{}{path}", spot.location());
    if let Some(media) = &wanted.media {
        let thing = vdir_thing(spot, &media.path);
        match app.and_then(|app| app.vdir(&media.path)) {
            None => {
                let actual = Some(ABSENT);
                let found = Found {
                    thing: &thing,
                    name: FOLDER,
                    wanted: &media.folder,
                    firm: true,
                    ours: true,
                    actual,
                };
                if difference.is_due(found) {
                    let does = add_vdir(spot, &media.path, &media.folder, false);
                    difference.change(Change::plain(format!("make the {thing}"), does));
                    difference.applied(&thing, "allowSubDirConfig", "false");
                }
            }
            Some(there) => {
                let ours = ours || difference.last.knows(&thing);
                let sub_dir = there.sub_dir_config.to_string();
                for (name, wanted, actual) in [
                    (FOLDER, media.folder.as_str(), there.physical_path.as_str()),
                    ("allowSubDirConfig", "false", &sub_dir),
                ] {
                    let found = Found { thing: &thing, name, wanted, firm: true, ours, actual: Some(actual) };
                    difference.setting(found, |value| {
                        Command::new(Verb::Set, Object::Vdir, Some(&vdir(&media.path))).property(name, value)
                    });
                }
            }
        }
    }
    let wanted = wanted.media.as_ref().map(|media| vdir_thing(spot, &media.path));
    let prefix = format!("vdir {}", spot.location());
    let last = difference.last;
    for thing in last.things().filter(|thing| wanted.as_deref() != Some(*thing)) {
        let Some(path) = thing.strip_prefix(&prefix).filter(|path| path.starts_with('/')) else { continue };
        if let Some(there) = app.and_then(|app| app.vdir(path)) {
            let does = Command::new(Verb::Delete, Object::Vdir, Some(&vdir(path)));
            let undoes = add_vdir(spot, path, &there.physical_path, there.sub_dir_config);
            difference.change(Change::new(format!("delete the {thing}"), does, vec![undoes]));
        }
        difference.plan.applied.forget(thing);
    }
}

pub(super) fn add_vdir(spot: &Spot, path: &str, folder: &str, sub_dir_config: bool) -> Command {
    Command::new(Verb::Add, Object::Vdir, None)
        .property("app.name", &spot.app_name())
        .property("path", path)
        .property(FOLDER, folder)
        .property("allowSubDirConfig", if sub_dir_config { "true" } else { "false" })
}

fn start(difference: &mut Difference<'_>, spot: &Spot, site: Option<&Site>) {
    let thing = site_thing(spot);
    if site.is_none_or(|site| !site.auto_start) {
        let auto = |value| set_site(spot).property("serverAutoStart", value);
        let says = format!("let the {thing} start with the server");
        difference.change(Change::new(says, auto("true"), vec![auto("false")]));
    }
    if site.is_none_or(|site| !site.is_started()) {
        let does = Command::new(Verb::Start, Object::Site, Some(&spot.site));
        difference.change(Change::plain(format!("start the {thing}"), does));
    }
}
