//! The FastCGI application of a release. Each release has one of its own, and the one before keeps its until it is pruned.

use super::{ABSENT, Applied, Change, Difference, Found, IisPlan};
use crate::site::iis::actual::{Actual, FASTCGI, FastCgi};
use crate::site::iis::appcmd::{Command, Items, Quoted, Verb};
use crate::site::iis::wanted::{Wanted, WantedFastCgi};
use crate::site::iis::xml::is_below;
use crate::site::settings;

const VARIABLES: &str = "environmentVariables";

/// Before the name of a variable in what was applied.
const LABEL: &str = "environment ";

/// How it stands in what was applied.
pub(super) fn thing(id: &str) -> String {
    format!("fastcgi {id}")
}

pub(super) fn compare(difference: &mut Difference<'_>, wanted: &Wanted) {
    let release = &wanted.release;
    let (thing, fastcgi) = (thing(&release.id), &release.fastcgi);
    let actual = difference.actual;
    match actual.fastcgi(fastcgi.full_path.as_str(), fastcgi.arguments.as_str()) {
        None => register(difference, fastcgi, &thing),
        Some(found) => settle(difference, fastcgi, &thing, found),
    }
}

fn register(difference: &mut Difference<'_>, fastcgi: &WantedFastCgi, thing: &str) {
    let settings: Vec<(&'static str, Quoted)> = [("monitorChangesTo", fastcgi.monitor.clone())]
        .into_iter()
        .chain(fastcgi.settings.iter().map(|setting| (setting.attribute.path, Quoted::plain(&setting.value))))
        .collect();
    let all = key(fastcgi).into_iter().chain(settings.iter().cloned()).collect();
    // The pair alone finds it again, whatever of the rest is changed until then.
    let undoes = edit().removing(Items::item(key(fastcgi))).committed();
    let does = edit().adding(Items::item(all)).committed();
    difference.change(Change::new(format!("register {thing}"), does, vec![undoes]));
    for (name, value) in &settings {
        difference.applied(thing, name, value.as_str());
    }
    for (name, value) in &fastcgi.environment {
        add_variable(difference, fastcgi, thing, name, value);
    }
}

fn settle(difference: &mut Difference<'_>, fastcgi: &WantedFastCgi, thing: &str, found: &FastCgi) {
    // Its program lies in a release: nobody else has made it.
    let ours = true;
    let set = |name: &str, value: &str| edit().editing(Items::item(key(fastcgi)), name, value).committed();
    let monitor = ("monitorChangesTo", fastcgi.monitor.as_str(), true);
    let settings = fastcgi.settings.iter();
    let settings = settings.map(|setting| (setting.attribute.path, setting.value.as_str(), setting.named));
    for (name, value, firm) in [monitor].into_iter().chain(settings) {
        let found = Found { thing, name, wanted: value, firm, ours, actual: found.value(name) };
        difference.setting(found, |value| set(name, value));
    }
    for (name, value) in &fastcgi.environment {
        let label = label(name);
        match found.environment.get(name) {
            None => {
                let actual = Some(ABSENT);
                let found = Found { thing, name: &label, wanted: value.as_str(), firm: true, ours, actual };
                if difference.is_due(found) {
                    add_variable(difference, fastcgi, thing, name, value);
                }
            }
            Some(actual) => {
                let found = Found {
                    thing,
                    name: &label,
                    wanted: value.as_str(),
                    firm: true,
                    ours,
                    actual: Some(actual),
                };
                difference.setting(found, |value| {
                    let items =
                        Items::item(key(fastcgi)).inside(VARIABLES, vec![("name", Quoted::plain(name))]);
                    edit().editing(items, "value", value).committed()
                });
            }
        }
    }
    remove_variables(difference, fastcgi, thing, found);
}

/// Those that were wanted once. One that others have added is theirs, and so is one whose value they have changed, unless
/// it is taken over.
fn remove_variables(difference: &mut Difference<'_>, fastcgi: &WantedFastCgi, thing: &str, found: &FastCgi) {
    let last = difference.last;
    let before = last.of(thing).filter_map(|(label, _)| label.strip_prefix(LABEL));
    for name in before.filter(|name| !fastcgi.environment.contains_key(*name)) {
        let label = label(name);
        let actual = found.environment.get(name).map(String::as_str);
        let wanted = Found { thing, name: &label, wanted: ABSENT, firm: true, ours: true, actual };
        let variable = actual.and_then(|value| Some((Quoted::parse(name).ok()?, Quoted::parse(value).ok()?)));
        if let Some((name, value)) = variable {
            if !difference.is_due(wanted) {
                continue;
            }
            let says = format!("take the variable {} from {thing}", name.as_str());
            let variable = vec![("name", name), ("value", value)];
            let does = edit().removing(Items::item(key(fastcgi)).inside(VARIABLES, variable)).committed();
            difference.change(Change::plain(says, does));
        }
        difference.plan.applied.unset(thing, &label);
    }
}

fn label(variable: &str) -> String {
    format!("{LABEL}{variable}")
}

fn add_variable(
    difference: &mut Difference<'_>,
    fastcgi: &WantedFastCgi,
    thing: &str,
    name: &str,
    value: &Quoted,
) {
    let attributes = vec![("name", Quoted::plain(name)), ("value", value.clone())];
    let does = edit().adding(Items::item(key(fastcgi)).inside(VARIABLES, attributes)).committed();
    difference.change(Change::plain(format!("give {thing} the variable {name}"), does));
    difference.applied(thing, &label(name), value.as_str());
}

/// What takes the FastCGI applications of a release away whose programs lie in `folder`: before the release itself is
/// deleted, or when nothing is left of it.
pub fn unregister(id: &str, folder: &str, actual: &Actual, last: &Applied) -> IisPlan {
    let mut difference = Difference::new(actual, last, false);
    for found in actual.fastcgi.iter().filter(|found| is_below(&found.full_path, folder)) {
        remove(&mut difference, found, &thing(id));
    }
    difference.plan.applied.forget(&thing(id));
    difference.plan
}

pub(super) fn remove(difference: &mut Difference<'_>, found: &FastCgi, thing: &str) {
    let parsed = |name: &'static str, value: &str| Some((name, Quoted::parse(value).ok()?));
    let pair = [("fullPath", found.full_path.as_str()), ("arguments", found.arguments.as_str())];
    // One that appcmd cannot name was not made by appcmd.
    let Some(key) = pair.into_iter().map(|(name, value)| parsed(name, value)).collect::<Option<Vec<_>>>()
    else {
        return;
    };
    let names =
        ["monitorChangesTo"].into_iter().chain(settings::FASTCGI.iter().map(|attribute| attribute.path));
    let settings = names.filter_map(|name| parsed(name, found.value(name)?));
    let all: Vec<_> = key.iter().cloned().chain(settings).collect();
    let mut undoes = vec![edit().adding(Items::item(all)).committed()];
    for (name, value) in &found.environment {
        if let (Some(name), Some(value)) = (parsed("name", name), parsed("value", value)) {
            let items = Items::item(key.clone()).inside(VARIABLES, vec![name, value]);
            undoes.push(edit().adding(items).committed());
        }
    }
    let does = edit().removing(Items::item(key)).committed();
    difference.change(Change::new(format!("unregister {thing}"), does, undoes));
}

fn edit() -> Command {
    Command::config(Verb::Set, None, FASTCGI)
}

fn key(fastcgi: &WantedFastCgi) -> Vec<(&'static str, Quoted)> {
    vec![("fullPath", fastcgi.full_path.clone()), ("arguments", fastcgi.arguments.clone())]
}
