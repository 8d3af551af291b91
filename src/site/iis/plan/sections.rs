//! What is said of parts of a site's addresses in applicationHost.config: limits, headers, kinds of files, who is asked for
//! a name. Each section of each part is one command.

use super::location::at;
use super::staging::clear;
use super::{ABSENT, Applied, Change, Difference, Found};
use crate::site::iis::actual::Actual;
use crate::site::iis::appcmd::{At, Command, Items, Quoted, Verb};
use crate::site::iis::own::says;
use crate::site::iis::section::{Entry, LISTS, List, MIME_TYPES, PROVIDERS, Section, WantedSection};
use crate::site::iis::wanted::{Spot, Wanted};
use crate::site::iis::web_config;

/// One change within a section.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Edit {
    Set {
        path: String,
        value: String,
    },
    /// An item that is not there.
    Add {
        list: &'static List,
        name: String,
        value: String,
    },
    /// One that is there and says something else.
    Say {
        list: &'static List,
        name: String,
        value: String,
    },
    Remove {
        list: &'static List,
        name: String,
    },
}

/// An edit, what takes it back, and how it is told.
struct Step {
    does: Edit,
    undoes: Vec<Edit>,
    says: String,
}

/// Brings every section to what is wanted, and takes out items that are wanted no more.
pub(super) fn compare(difference: &mut Difference<'_>, wanted: &Wanted, ours: bool, new: bool) {
    for section in &wanted.sections {
        one(difference, wanted, section, ours, new);
    }
    let last = difference.last;
    for thing in last.things() {
        let Some(location) = wanted.spot.part_of(thing) else { continue };
        for section in Section::ALL {
            drop_unwanted(difference, wanted, thing, &location, section);
        }
    }
}

fn one(difference: &mut Difference<'_>, whole: &Wanted, wanted: &WantedSection, ours: bool, new: bool) {
    let (section, location) = (wanted.section, whole.spot.part(&wanted.path));
    let thing = at(&location);
    let is_area = section == Section::Anonymous && !wanted.path.is_empty();
    let actual = difference.actual;
    let mut is_first =
        !difference.last.of(&thing).any(|(name, _)| Section::of_setting(name) == Some(section));
    let mut steps = Vec::new();
    for entry in &wanted.entries {
        let is_hidden = hides(&whole.in_force, &wanted.path, entry);
        let (name, wanted) = (entry.name(section), entry.wanted());
        let found = match (found(actual, &location, section, entry), entry) {
            // An item that stands in a `web.config` alone cannot be edited here: appcmd ends with 4312.
            (_, Entry::Item { list, name: item, .. }) if is_hidden => {
                let applied = difference.last.value(&thing, &name).map(str::to_owned);
                Some(applied.unwrap_or_else(|| inherited(actual, list, item)))
            }
            (_, Entry::Whole { .. }) if is_hidden => None,
            // The release is not there yet whose `web.config` says something of it.
            (None, Entry::Item { list, name, .. }) if new => Some(inherited(actual, list, name)),
            (Some(absent), Entry::Item { list, name, .. }) if new && absent == ABSENT => {
                Some(inherited(actual, list, name))
            }
            (found, _) => found,
        };
        // What holds there may be what holds above, and is about to change: an area has to say it for itself.
        let is_above = is_area && difference.last.value(&thing, &name).is_none();
        let is_due = difference.is_due(Found {
            thing: &thing,
            name: &name,
            wanted: &wanted,
            firm: true,
            ours,
            actual: found.as_deref().filter(|_| !is_above),
        });
        if is_due {
            let before = found.or_else(|| difference.last.value(&thing, &name).map(str::to_owned));
            is_first &= is_as_installed(entry, before.as_deref());
            steps.extend(self::steps(entry, before.as_deref()));
        }
    }
    if steps.is_empty() {
        return;
    }
    let says: Vec<_> = steps.iter().map(|step| step.says.as_str()).filter(|says| !says.is_empty()).collect();
    let says = format!("set {} of {location}: {}", section.name(), says.join(", "));
    let does =
        steps.iter().fold(set(&location, section), |command, step| edited(command, &step.does)).committed();
    let undoes: Vec<Edit> = steps.into_iter().rev().flat_map(|step| step.undoes).collect();
    let undoes = match new || (is_first && ours) {
        // Nobody has said anything there before.
        true => vec![clear(&location, section.path())],
        false if undoes.is_empty() => Vec::new(),
        false => vec![undoes.iter().fold(set(&location, section), edited).committed()],
    };
    difference.change(Change::new(says, does, undoes));
}

/// What is there, in the words of what is wanted; none if the answer doesn't say.
fn found(actual: &Actual, location: &str, section: Section, entry: &Entry) -> Option<String> {
    match entry {
        Entry::Value { path, .. } => actual.value(location, section, path).map(str::to_owned),
        Entry::Item { list, name, .. } => {
            let items = actual.items(location, list)?;
            let item = items
                .into_iter()
                .find(|item| item.attribute(list.key).is_some_and(|key| key.eq_ignore_ascii_case(name)));
            let value = item.map(|item| item.attribute(list.value.unwrap_or(list.key)).unwrap_or_default());
            Some(value.unwrap_or(ABSENT).to_owned())
        }
        Entry::Whole { list, .. } => {
            let items = actual.items(location, list)?;
            let names: Vec<_> = items.into_iter().filter_map(|item| item.attribute(list.key)).collect();
            Some(names.join(","))
        }
    }
}

/// Whether the `web.config` in force says what IIS tells of an entry there, so that it is not known what lies beneath.
fn hides(own: &str, path: &str, entry: &Entry) -> bool {
    match entry {
        Entry::Value { .. } => false,
        Entry::Item { list, name, .. } => says(own, path, list, Some(name)),
        Entry::Whole { list, .. } => says(own, path, list, None),
    }
}

/// What an item is for a part of the addresses of which nothing is said: what the server says, or a release's `web.config`.
fn inherited(actual: &Actual, list: &'static List, name: &str) -> String {
    let said = (*list == MIME_TYPES)
        .then(|| web_config::MIME_TYPES.iter().find(|(ending, _)| ending.eq_ignore_ascii_case(name)))
        .flatten();
    let of_server = || {
        let entry = Entry::Item { list, name: name.to_owned(), value: String::new() };
        found(actual, "", list.section, &entry)
    };
    match said {
        Some((_, kind)) => (*kind).to_owned(),
        None => of_server().unwrap_or_else(|| ABSENT.to_owned()),
    }
}

/// Whether it can be taken for what IIS itself has there.
fn is_as_installed(entry: &Entry, before: Option<&str>) -> bool {
    match entry {
        Entry::Value { standard, .. } => before.is_none_or(|before| super::same_value(before, standard)),
        Entry::Item { .. } => before.is_none_or(|before| before == ABSENT),
        Entry::Whole { .. } => before.is_none_or(|before| before == INSTALLED),
    }
}

/// The ways of Windows authentication as IIS is installed.
const INSTALLED: &str = "Negotiate,NTLM";

fn steps(entry: &Entry, before: Option<&str>) -> Vec<Step> {
    let from = before.map_or_else(String::new, |before| format!(" from `{before}`"));
    match entry {
        Entry::Value { path, value, .. } => {
            let set = |value: &str| Edit::Set { path: (*path).to_owned(), value: value.to_owned() };
            let says = format!("{path}{from} to `{value}`");
            vec![Step { does: set(value), undoes: before.map(set).into_iter().collect(), says }]
        }
        Entry::Item { list, name, value } => {
            let name = || name.clone();
            let says = match before.filter(|before| *before != ABSENT) {
                Some(_) => format!("{}{from} to `{value}`", name()),
                None => format!("{} to `{value}`", name()),
            };
            let (does, undoes) = match before.filter(|before| *before != ABSENT) {
                Some(before) => (
                    Edit::Say { list, name: name(), value: value.clone() },
                    Edit::Say { list, name: name(), value: before.to_owned() },
                ),
                None => (
                    Edit::Add { list, name: name(), value: value.clone() },
                    Edit::Remove { list, name: name() },
                ),
            };
            vec![Step { does, undoes: vec![undoes], says }]
        }
        Entry::Whole { list, names } => {
            let before = before.unwrap_or(INSTALLED);
            let add = |name: &str| Edit::Add { list, name: name.to_owned(), value: String::new() };
            let remove = |name: &str| Edit::Remove { list, name: name.to_owned() };
            let there = before.split(',').filter(|name| !name.is_empty());
            let mut steps: Vec<Step> = there
                .map(|name| Step { does: remove(name), undoes: vec![add(name)], says: String::new() })
                .collect();
            // Put back in their order: what is undone last first would turn it round.
            let put_back: Vec<Edit> =
                steps.iter_mut().flat_map(|step| std::mem::take(&mut step.undoes)).collect();
            if let Some(first) = steps.first_mut() {
                first.undoes = put_back;
            }
            steps.extend(names.iter().map(|name| Step {
                does: add(name),
                undoes: vec![remove(name)],
                says: String::new(),
            }));
            if let Some(first) = steps.first_mut() {
                first.says = format!("{} from `{before}` to `{}`", list.setting(""), names.join(","));
            }
            steps
        }
    }
}

/// Items that were put there for a `site.toml` that doesn't name them any more, and areas with their own rule.
fn drop_unwanted(
    difference: &mut Difference<'_>,
    wanted: &Wanted,
    thing: &str,
    location: &str,
    section: Section,
) {
    let spot = &wanted.spot;
    let here =
        wanted.sections.iter().find(|other| other.section == section && spot.part(&other.path) == *location);
    let is_wanted =
        |name: &str| here.is_some_and(|here| here.entries.iter().any(|entry| entry.name(section) == name));
    let last = difference.last;
    let applied = last.of(thing).filter(|(name, _)| Section::of_setting(name) == Some(section));
    let applied: Vec<(&str, &str)> = applied.collect();
    // What is said of a part of the addresses goes with the wish for it, all of it.
    if location != spot.location() && here.is_none() && !applied.is_empty() {
        let values = applied.iter().filter_map(|(name, value)| again(section, name, value));
        let again = values.fold(set(location, section), |command, edit| edited(command, &edit)).committed();
        let says = format!("take back what {location} has of {}", section.name());
        difference.change(Change::new(says, clear(location, section.path()), vec![again]));
        applied.iter().for_each(|(name, _)| difference.plan.applied.unset(thing, name));
        if difference.plan.applied.of(thing).next().is_none() {
            difference.plan.applied.forget(thing);
        }
        return;
    }
    for (name, value) in applied.into_iter().filter(|(name, _)| !is_wanted(name)) {
        let Some((list, item)) = LISTS.iter().find_map(|list| Some((*list, list.item_of(name)?))) else {
            continue;
        };
        let entry = Entry::Item { list, name: item.to_owned(), value: value.to_owned() };
        // What somebody else has changed meanwhile is theirs, and of what is hidden nobody knows that it was.
        let path = location.strip_prefix(spot.location().as_str()).unwrap_or_default();
        let found = match hides(&wanted.in_force, path, &entry) {
            true => None,
            false => found(difference.actual, location, section, &entry),
        };
        if found.as_deref().is_none_or(|found| found == value) {
            let say = |value: &str| Edit::Say { list, name: item.to_owned(), value: value.to_owned() };
            // To take out what says otherwise than the server would leave neither.
            let (does, undoes) = match inherited(difference.actual, list, item) {
                before if before != ABSENT => (say(&before), say(value)),
                _ => (
                    Edit::Remove { list, name: item.to_owned() },
                    Edit::Add { list, name: item.to_owned(), value: value.to_owned() },
                ),
            };
            let command = |edit: &Edit| edited(set(location, section), edit).committed();
            let says = format!("take {item} out of {} of {location}", section.name());
            difference.change(Change::new(says, command(&does), vec![command(&undoes)]));
        }
        difference.plan.applied.unset(thing, name);
    }
}

/// What takes out all that was ever said of the site's addresses, and what would say it again. Parts of them come first.
pub(super) fn removal(difference: &mut Difference<'_>, spot: &Spot) {
    let last = difference.last;
    let mut parts: Vec<_> = last.things().filter_map(|thing| Some((thing, spot.part_of(thing)?))).collect();
    parts.sort_by_key(|(_, location)| std::cmp::Reverse(location.len()));
    for (thing, location) in parts {
        for section in Section::ALL {
            let applied = last.of(thing).filter(|(name, _)| Section::of_setting(name) == Some(section));
            let applied: Vec<_> = applied.collect();
            if applied.is_empty() {
                continue;
            }
            let edits: Vec<Edit> =
                applied.iter().filter_map(|(name, value)| again(section, name, value)).collect();
            let again = edits.iter().fold(set(&location, section), edited).committed();
            let undoes = if edits.is_empty() { Vec::new() } else { vec![again] };
            let says = format!("take back what {location} has of {}", section.name());
            difference.change(Change::new(says, clear(&location, section.path()), undoes));
        }
    }
}

/// Every section that is looked at, as if something of it had been set: what, nobody knows any more.
pub(super) fn refound(spot: &Spot, books: &mut Applied) {
    for (location, section) in spot.sections.iter().filter(|(location, _)| !location.is_empty()) {
        books.set(&at(location), &format!("{}.", section.name()), "");
    }
}

/// What was applied, as it was set.
fn again(section: Section, name: &str, value: &str) -> Option<Edit> {
    if let Some((list, item)) = LISTS.iter().find_map(|list| Some((*list, list.item_of(name)?))) {
        return Some(Edit::Add { list, name: item.to_owned(), value: value.to_owned() });
    }
    let path = name.strip_prefix(section.name())?.strip_prefix('.')?;
    // A whole list is what IIS has until its items are named again.
    let is_one = !path.is_empty() && name != PROVIDERS.setting("");
    is_one.then(|| Edit::Set { path: path.to_owned(), value: value.to_owned() })
}

/// What a release needs to show itself as it will be shown: one command for each section, on the staging site.
pub(super) fn staged(wanted: &Wanted, actual: &Actual) -> Vec<(String, Section, Command)> {
    let root = format!("{}{}", wanted.spot.staging(), wanted.spot.app.trim_end_matches('/'));
    let shown = wanted.sections.iter().filter(|wanted| is_staged(wanted.section));
    shown
        .map(|wanted| {
            let location = format!("{root}/{}", wanted.path).trim_end_matches('/').to_owned();
            let before = |entry: &Entry| match entry {
                Entry::Item { list, name, .. } => Some(inherited(actual, list, name)),
                Entry::Value { .. } | Entry::Whole { .. } => None,
            };
            let steps = wanted.entries.iter().flat_map(|entry| steps(entry, before(entry).as_deref()));
            let command =
                steps.fold(set(&location, wanted.section), |command, step| edited(command, &step.does));
            (location, wanted.section, command.committed())
        })
        .collect()
}

/// Where a staging site may have something of these sections.
pub(super) fn staged_parts(spot: &Spot) -> Vec<(String, Section)> {
    let root = format!("{}{}", spot.staging(), spot.app.trim_end_matches('/'));
    let parts = spot.sections.iter().filter(|(_, section)| is_staged(*section));
    let mut parts: Vec<_> = parts
        .filter_map(|(location, section)| {
            Some((format!("{root}{}", location.strip_prefix(spot.location().as_str())?), *section))
        })
        .collect();
    parts.sort_by_key(|(location, _)| std::cmp::Reverse(location.len()));
    parts
}

/// Whether a page may be there or not by what a section says.
fn is_staged(section: Section) -> bool {
    matches!(section, Section::RequestFiltering | Section::StaticContent)
}

fn set(location: &str, section: Section) -> Command {
    Command::config(Verb::Set, Some(location), section.path())
}

/// The command with one more edit.
fn edited(command: Command, edit: &Edit) -> Command {
    // A value goes in from outside of the brackets, where any text may stand.
    let say = |command: Command, list: &'static List, name: &str, value: &str| match list.value {
        Some(attribute) => command.editing(item(list, name), attribute, value),
        None => command,
    };
    match edit {
        Edit::Set { path, value } => command.property(path, value),
        Edit::Say { list, name, value } => say(command, list, name, value),
        Edit::Remove { list, name } => command.removing(item(list, name)),
        Edit::Add { list, name, value } => match list.value {
            Some(attribute) => match Quoted::parse(value) {
                Ok(value) => {
                    command.adding(items(list, vec![(list.key, Quoted::plain(name)), (attribute, value)]))
                }
                Err(_) => say(command.adding(item(list, name)), list, name, value),
            },
            None => command.adding(item(list, name).at(At::End)),
        },
    }
}

/// An item by its name, which holds no quote: it was parsed so.
fn item(list: &'static List, name: &str) -> Items {
    items(list, vec![(list.key, Quoted::plain(name))])
}

fn items(list: &'static List, attributes: Vec<(&'static str, Quoted)>) -> Items {
    match list.within {
        Some(within) => Items::of(within, attributes),
        None => Items::item(attributes),
    }
}
