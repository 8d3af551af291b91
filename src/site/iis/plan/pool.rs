//! The application pool.

use quick_xml::escape::escape;

use super::{Change, Difference, Found, Lack, same_value};
use crate::site::accounts::Known;
use crate::site::iis::actual::{Actual, Pool, same_name};
use crate::site::iis::appcmd::{Command, Items, Object, Quoted, Verb};
use crate::site::iis::wanted::{Spot, Wanted, WantedPool};
use crate::site::settings::{self, Account};
use crate::site::state::Applied;

const IDENTITY: &str = "processModel.identityType";
const SCHEDULE: &str = "recycling.periodicRestart.schedule";
const USER: &str = "processModel.userName";
const PASSWORD: &str = "processModel.password";
/// Stands beside the settings of a pool that is ours to delete.
const MADE: &str = "made";
const OWN: &str = "ApplicationPoolIdentity";
const USERS: &str = "SpecificUser";

/// Whether we have made a pool: it was written down, or it is just as we make it, as one is whose maker was stopped.
fn is_ours(wanted: &Wanted, pool: &Pool, last: &Applied) -> bool {
    let mut settings = wanted.pool.settings.iter();
    last.value(&thing(&wanted.spot.pool), MADE).is_some()
        || settings.all(|setting| {
            pool.value(setting.attribute.path).is_some_and(|value| same_value(value, &setting.value))
        })
}

/// How a pool stands in what was applied.
pub(super) fn thing(name: &str) -> String {
    format!("pool {name}")
}

/// An account whose password somebody has to give, if it is to be set.
fn guarded(wanted: &WantedPool) -> Option<&Account> {
    wanted.account.as_ref().filter(|account| !account.is_managed())
}

/// Whether the account has to be set.
fn account_is_due(wanted: &Wanted, actual: &Actual, last: &Applied, take_over: bool) -> bool {
    let mut difference = Difference::new(actual, last, take_over);
    match (actual.pool(&wanted.spot.pool), &wanted.pool.account) {
        (None, account) => account.is_some(),
        (Some(_), None) => false,
        (Some(pool), Some(account)) => user(&mut difference, wanted, pool, account),
    }
}

fn user(difference: &mut Difference<'_>, wanted: &Wanted, pool: &Pool, account: &Account) -> bool {
    let thing = thing(&wanted.spot.pool);
    let ours = is_ours(wanted, pool, difference.last);
    // The server keeps a name there even when it doesn't count.
    let actual = match pool.value(IDENTITY) {
        Some(identity) if !identity.eq_ignore_ascii_case(USERS) => Some(identity),
        _ => pool.value(USER),
    };
    difference.is_due(Found { thing: &thing, name: USER, wanted: account.as_str(), firm: true, ours, actual })
}

/// What says to IIS who an account is.
fn identity(account: &Account) -> Vec<(&'static str, &str)> {
    match account.built_in() {
        Some(kind) => vec![(IDENTITY, kind)],
        None => vec![(IDENTITY, USERS), (USER, account.as_str())],
    }
}

pub(super) fn lacks(wanted: &Wanted, actual: &Actual, last: &Applied, take_over: bool) -> Option<Lack> {
    let account = wanted.pool.account.as_ref()?;
    if !account_is_due(wanted, actual, last, take_over) {
        return None;
    }
    if wanted.pool.known == Known::Absent {
        return Some(Lack::NoAccount(account.to_string()));
    }
    let asked = guarded(&wanted.pool).is_some() && wanted.pool.password.is_none();
    asked.then(|| Lack::Password(account.to_string()))
}

pub(super) fn compare(difference: &mut Difference<'_>, wanted: &Wanted) {
    let actual = difference.actual;
    let thing = thing(&wanted.spot.pool);
    let Some(pool) = actual.pool(&wanted.spot.pool) else {
        create(difference, wanted, &thing);
        return;
    };
    let ours = is_ours(wanted, pool, difference.last);
    if ours {
        difference.applied(&thing, MADE, "true");
    }
    for setting in &wanted.pool.settings {
        let path = setting.attribute.path;
        let found = Found {
            thing: &thing,
            name: path,
            wanted: &setting.value,
            firm: setting.named,
            ours,
            actual: pool.value(path),
        };
        difference.setting(found, |value| set(&wanted.spot.pool).property(path, value));
    }
    schedule(difference, wanted, &thing, ours, pool);
    // Without its password no account is set: nothing would run under it.
    let can_be = guarded(&wanted.pool).is_none() || wanted.pool.password.is_some();
    if let Some(account) = wanted.pool.account.as_ref().filter(|_| can_be)
        && user(difference, wanted, pool, account)
    {
        let says = format!("let {thing} run as `{account}`");
        let name = &wanted.spot.pool;
        let does = match guarded(&wanted.pool) {
            // The password of an account before has no business there any more.
            None => {
                let own = identity(account).into_iter();
                let set = own.fold(set(name), |set, (path, value)| set.property(path, value));
                let set = if account.built_in().is_some() { set.property(USER, "") } else { set };
                set.property(PASSWORD, "")
            }
            Some(account) => {
                let password = wanted.pool.password.as_ref().map_or("", |password| password.reveal());
                let settings: Vec<_> = identity(account).into_iter().chain([(PASSWORD, password)]).collect();
                Command::new(Verb::Set, Object::AppPool, None)
                    .input(xml(&wanted.spot.pool, &settings), "the account and its password")
            }
        };
        // A password that was there before is nobody's to give back; the new one goes with its account.
        let before = pool.value(IDENTITY).filter(|identity| !identity.eq_ignore_ascii_case(USERS));
        let undoes = before
            .map(|identity| set(name).property(IDENTITY, identity).property(USER, "").property(PASSWORD, ""));
        difference.change(Change::new(says, does, undoes.into_iter().collect()));
    }
}

/// The times of the day at which the worker is replaced. What the file doesn't name is nobody's business.
fn schedule(difference: &mut Difference<'_>, wanted: &Wanted, thing: &str, ours: bool, pool: &Pool) {
    let Some(times) = &wanted.pool.schedule else { return };
    let found = pool.schedule().map(|times| times.join(","));
    let wanted_times = times.join(",");
    let is_due = difference.is_due(Found {
        thing,
        name: SCHEDULE,
        wanted: &wanted_times,
        firm: true,
        ours,
        actual: found.as_deref(),
    });
    if is_due {
        let before =
            found.or_else(|| difference.last.value(thing, SCHEDULE).map(str::to_owned)).unwrap_or_default();
        let says = format!(
            "set the times at which the worker of {thing} is replaced from `{before}` to `{wanted_times}`"
        );
        let name = &wanted.spot.pool;
        let (does, undoes) = (timed(name, &before, &wanted_times), timed(name, &wanted_times, &before));
        difference.change(Change::new(says, does, vec![undoes]));
    }
}

/// Has a pool that knows these times know others.
fn timed(name: &str, before: &str, after: &str) -> Command {
    let times = |list: &str| -> Vec<Items> {
        let times = list.split(',').filter(|time| !time.is_empty());
        times.map(|time| Items::of(SCHEDULE, vec![("value", Quoted::plain(time))])).collect()
    };
    let removed = times(before).into_iter().fold(set(name), Command::removing);
    times(after).into_iter().fold(removed, Command::adding)
}

fn set(name: &str) -> Command {
    Command::new(Verb::Set, Object::AppPool, Some(name))
}

fn create(difference: &mut Difference<'_>, wanted: &Wanted, thing: &str) {
    let (name, wanted) = (wanted.spot.pool.as_str(), &wanted.pool);
    let mut settings: Vec<(&str, &str)> =
        wanted.settings.iter().map(|setting| (setting.attribute.path, setting.value.as_str())).collect();
    settings.extend(wanted.account.as_ref().map_or_else(|| vec![(IDENTITY, OWN)], identity));
    let add = Command::new(Verb::Add, Object::AppPool, None);
    let does = match guarded(wanted) {
        Some(_) => {
            let password = wanted.password.as_ref().map_or("", |password| password.reveal());
            let settings: Vec<_> = settings.iter().copied().chain([(PASSWORD, password)]).collect();
            add.input(xml(name, &settings), "the pool with its account and its password")
        }
        None => {
            settings.iter().fold(add.property("name", name), |add, (path, value)| add.property(path, value))
        }
    };
    let delete = Command::new(Verb::Delete, Object::AppPool, Some(name));
    difference.change(Change::new(format!("make the {thing}"), does, vec![delete]));
    difference.applied(thing, MADE, "true");
    for (path, value) in settings {
        difference.applied(thing, path, value);
    }
    if let Some(times) =
        wanted.schedule.as_ref().map(|times| times.join(",")).filter(|times| !times.is_empty())
    {
        let says = format!("set the times at which the worker of {thing} is replaced to `{times}`");
        difference.change(Change::new(says, timed(name, "", &times), vec![timed(name, &times, "")]));
        difference.applied(thing, SCHEDULE, &times);
    }
}

/// A pool that is there, as if all of it had been made by us.
pub(super) fn refound(name: &str, actual: &Actual, books: &mut Applied) {
    let Some(pool) = actual.pool(name) else { return };
    let thing = thing(name);
    books.set(&thing, MADE, "true");
    let paths = settings::POOL.iter().map(|attribute| attribute.path).chain([IDENTITY, USER]);
    let known = paths.filter_map(|path| Some((path, pool.value(path)?)));
    known.for_each(|(path, value)| books.set(&thing, path, value));
}

/// Deletes the pool if nothing but the site and its staging site uses it.
pub(super) fn remove(difference: &mut Difference<'_>, name: &str, spot: &Spot) {
    let actual = difference.actual;
    let thing = thing(name);
    let staging = format!("{}/", spot.staging()).to_lowercase();
    let is_own = |app: &str| same_name(app, &spot.app_name()) || app.to_lowercase().starts_with(&staging);
    let used = actual.applications.iter().any(|app| same_name(&app.pool, name) && !is_own(&app.name));
    if used || difference.last.value(&thing, MADE).is_none() {
        return;
    }
    if let Some(pool) = actual.pool(name) {
        let add = Command::new(Verb::Add, Object::AppPool, None).property("name", name);
        let times = difference.last.value(&thing, SCHEDULE).filter(|times| !times.is_empty());
        let times = times.map(|times| timed(name, "", times));
        let settings: Vec<(String, String)> = difference
            .last
            .of(&thing)
            .filter(|(path, _)| ![MADE, SCHEDULE].contains(path))
            .map(|(path, applied)| (path.to_owned(), pool.value(path).unwrap_or(applied).to_owned()))
            .collect();
        let add = settings.iter().fold(add, |add, (path, value)| add.property(path, value));
        let does = Command::new(Verb::Delete, Object::AppPool, Some(name));
        let undoes = [add].into_iter().chain(times).collect();
        difference.change(Change::new(format!("delete the {thing}"), does, undoes));
    }
    difference.plan.applied.forget(&thing);
}

/// A pool as `list apppool /config /xml` prints it, which is what `/in` takes.
fn xml(name: &str, settings: &[(&str, &str)]) -> String {
    let attributes = |settings: &[(&str, &str)]| -> String {
        settings.iter().map(|(name, value)| format!(" {name}=\"{}\"", escape(*value))).collect()
    };
    let own: Vec<_> = settings.iter().copied().filter(|(path, _)| !path.contains('.')).collect();
    let direct = |element| -> Vec<_> {
        below(settings, element).into_iter().filter(|(path, _)| !path.contains('.')).collect()
    };
    let name = escape(name);
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<appcmd><APPPOOL APPPOOL.NAME=\"{name}\"><add name=\"{name}\"{}>\
         <processModel{} /><recycling{}><periodicRestart{} /></recycling><failure{} /></add></APPPOOL></appcmd>\n",
        attributes(&own),
        attributes(&direct("processModel")),
        attributes(&direct("recycling")),
        attributes(&direct("recycling.periodicRestart")),
        attributes(&direct("failure")),
    )
}

fn below<'a>(settings: &[(&'a str, &'a str)], element: &str) -> Vec<(&'a str, &'a str)> {
    let inside = |path: &'a str| path.strip_prefix(element)?.strip_prefix('.');
    settings.iter().filter_map(|(path, value)| Some((inside(path)?, *value))).collect()
}
