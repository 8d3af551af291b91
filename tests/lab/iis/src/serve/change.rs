//! What a new configuration means for what runs: a plan, made of the old model and the new one.

use super::model::{Application, Folder, Model, Site};

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The pool gets a new worker.
    Recycle { pool: String, why: &'static str },
    /// The application's processes are replaced.
    Restart(Application),
    /// They go on, with new limits.
    Update(Application),
    /// They end, for the application is not registered any more.
    Remove(Application),
    /// What a site is answering is broken off.
    Break { site: u32 },
}

/// What no public source says of IIS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reactions {
    /// Editing a FastCGI application restarts its processes.
    pub edit_restarts_itself: bool,
    /// Adding, removing or editing one restarts those of all others.
    pub edit_restarts_others: bool,
    /// A change of a physicalPath recycles the pool.
    pub switch_recycles: bool,
    /// It breaks off what the site is answering.
    pub switch_breaks: bool,
}

/// In the order in which it is to be done.
pub fn changes(old: &Model, new: &Model, reactions: Reactions) -> Vec<Change> {
    let mut changes = Vec::new();
    for (name, before) in &old.pools {
        let why = match new.pools.get(name) {
            None => "removed",
            Some(after) if before.is_started && !after.is_started => "stopped",
            Some(after) if before.recycles != after.recycles => "asked for",
            Some(after)
                if (&before.settings, &before.environment) != (&after.settings, &after.environment) =>
            {
                "settings"
            }
            Some(_) => continue,
        };
        changes.push(Change::Recycle { pool: name.clone(), why });
    }
    applications(old, new, reactions, &mut changes);
    for site in &new.sites {
        let Some(before) = old.sites.iter().find(|before| before.id == site.id) else { continue };
        let moved: Vec<_> = site.folders.iter().filter(|folder| is_moved(before, folder)).collect();
        if reactions.switch_recycles {
            for folder in &moved {
                let recycle = Change::Recycle { pool: folder.pool.clone(), why: "physicalPath" };
                if !changes.contains(&recycle) {
                    changes.push(recycle);
                }
            }
        }
        if reactions.switch_breaks && !moved.is_empty() {
            changes.push(Change::Break { site: site.id });
        }
    }
    changes
}

fn applications(old: &Model, new: &Model, reactions: Reactions, changes: &mut Vec<Change>) {
    let same = |one: &Application, other: &Application| {
        (&one.full_path, &one.arguments) == (&other.full_path, &other.arguments)
    };
    let of = |model: &Model, wanted: &Application| {
        model.applications.iter().find(|application| same(application, wanted)).cloned()
    };
    let is_edited = old.applications != new.applications;
    for before in &old.applications {
        changes.extend(match of(new, before) {
            None => Some(Change::Remove(before.clone())),
            Some(after) if after != *before && reactions.edit_restarts_itself => Some(Change::Restart(after)),
            Some(after) if after != *before => Some(Change::Update(after)),
            // Others were edited, or there would be nothing to do.
            Some(after) if is_edited && reactions.edit_restarts_others => Some(Change::Restart(after)),
            Some(_) => None,
        });
    }
}

fn is_moved(before: &Site, folder: &Folder) -> bool {
    before.folders.iter().any(|old| {
        old.path == folder.path
            && old.application == folder.application
            && old.physical_path != folder.physical_path
    })
}

#[cfg(test)]
mod tests {
    use super::super::model::Pool;
    use super::super::model::tests::{application, folder, site};
    use super::*;

    const CALM: Reactions = Reactions {
        edit_restarts_itself: false,
        edit_restarts_others: false,
        switch_recycles: false,
        switch_breaks: false,
    };

    fn model() -> Model {
        let pool = |recycles| Pool { is_started: true, recycles, ..Pool::default() };
        Model {
            sites: vec![site("one", 1, 80, "pool"), site("two", 2, 81, "pool")],
            pools: [("other".to_owned(), pool(0)), ("pool".to_owned(), pool(3))].into(),
            applications: vec![application("a"), application("b")],
        }
    }

    #[track_caller]
    fn check(edit: impl Fn(&mut Model), reactions: Reactions, expected: &[Change]) {
        let (old, mut new) = (model(), model());
        edit(&mut new);
        assert_eq!(changes(&old, &new, reactions), expected);
    }

    fn recycle(why: &'static str) -> Change {
        Change::Recycle { pool: "pool".to_owned(), why }
    }

    #[test]
    fn a_pool_is_recycled_when_it_is_asked_for_or_what_its_worker_has_changes() {
        let of = |model: &mut Model, edit: fn(&mut Pool)| edit(model.pools.get_mut("pool").unwrap());
        check(|_| {}, CALM, &[]);
        check(|model| of(model, |pool| pool.recycles += 1), CALM, &[recycle("asked for")]);
        check(|model| of(model, |pool| pool.is_started = false), CALM, &[recycle("stopped")]);
        check(|model| of(model, |pool| pool.settings.push('x')), CALM, &[recycle("settings")]);
        check(|model| drop(model.pools.remove("pool")), CALM, &[recycle("removed")]);
    }

    #[test]
    fn a_switch_does_to_processes_what_the_lab_is_told() {
        let switch = |model: &mut Model| model.sites[0].folders[0] = folder("/", "", "/srv/new", "pool");
        check(switch, CALM, &[]);
        check(switch, Reactions { switch_recycles: true, ..CALM }, &[recycle("physicalPath")]);
        check(switch, Reactions { switch_breaks: true, ..CALM }, &[Change::Break { site: 1 }]);
        let add = |model: &mut Model| model.sites.push(site("three", 3, 82, "pool"));
        check(add, Reactions { switch_recycles: true, switch_breaks: true, ..CALM }, &[]);
    }

    #[test]
    fn an_edited_application_is_restarted_or_only_its_limits_change() {
        let edited = Application { max_instances: 9, ..application("a") };
        let edit = |model: &mut Model| model.applications[0].max_instances = 9;
        let itself = Reactions { edit_restarts_itself: true, ..CALM };
        let others = Reactions { edit_restarts_others: true, ..CALM };
        check(edit, CALM, &[Change::Update(edited.clone())]);
        check(edit, itself, &[Change::Restart(edited.clone())]);
        check(edit, others, &[Change::Update(edited), Change::Restart(application("b"))]);
        let add = |model: &mut Model| model.applications.push(application("c"));
        check(add, itself, &[]);
        check(add, others, &[Change::Restart(application("a")), Change::Restart(application("b"))]);
        let remove = |model: &mut Model| drop(model.applications.remove(0));
        check(remove, itself, &[Change::Remove(application("a"))]);
    }
}
