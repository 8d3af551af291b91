//! What goes from the cache, and why: decided from what lies there, then done.

use std::io;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use super::lock::{Alone, remove};
use super::survey::State;
use super::{Cache, CacheError, Contents, Thing};
use crate::progress::{Progress, Running, Stage, Unit};

/// What is spared in any case where nobody can tell who uses the cache.
const UNSURE: Duration = Duration::from_secs(24 * 60 * 60);

/// What a person wants to be rid of, besides what nobody can use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rules {
    All,
    /// What was not used for so long; and of the rest, what was used least lately, until no more than so many bytes
    /// are left.
    Unused {
        older_than: Duration,
        keep_size: Option<u64>,
    },
}

/// Why something goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// A run that was killed has left it.
    Left,
    /// Part of it is missing.
    Half,
    Unused,
    /// It was used least lately, and the cache is to be smaller.
    Beyond,
    /// All goes.
    All,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removal {
    pub thing: Thing,
    pub why: Why,
}

/// What will be removed, sorted.
#[derive(Debug)]
pub struct PrunePlan {
    pub root: PathBuf,
    pub removals: Vec<Removal>,
    /// What was to go, and is spared because nobody can tell whether a run uses it.
    pub spared: usize,
    /// How many things stay, and their size.
    pub kept: (usize, u64),
}

/// Who may be using the cache while something is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Users {
    None,
    /// Some run does: what belongs to runs is not left over.
    Some,
    /// Nobody can tell: what was used lately stays.
    Unknown,
}

/// What was removed.
#[derive(Debug)]
pub struct Pruned {
    pub removed: Vec<Removal>,
    /// What could not be removed, and why the first could not.
    pub remaining: Option<CacheError>,
}

impl PrunePlan {
    /// Decides for a cache that the caller holds alone.
    pub fn survey(cache: &Cache, rules: Rules, alone: &Alone) -> Result<PrunePlan, CacheError> {
        let users = if alone.is_sure() { Users::None } else { Users::Unknown };
        PrunePlan::of_cache(cache, rules, users)
    }

    /// What would be decided now, for those who only look.
    pub fn foresee(cache: &Cache, rules: Rules) -> Result<PrunePlan, CacheError> {
        let users = if cache.is_busy() { Users::Some } else { Users::None };
        PrunePlan::of_cache(cache, rules, users)
    }

    fn of_cache(cache: &Cache, rules: Rules, users: Users) -> Result<PrunePlan, CacheError> {
        cache.check_ours()?;
        Ok(PrunePlan::new(Contents::survey(cache)?, rules, users, SystemTime::now()))
    }

    fn new(contents: Contents, rules: Rules, users: Users, now: SystemTime) -> PrunePlan {
        let age = |thing: &Thing| now.duration_since(thing.used).unwrap_or_default();
        let mut removals = Vec::new();
        let mut rest = Vec::new();
        let mut spared = 0;
        for thing in contents.things {
            let why = match (thing.state, rules) {
                (State::Passing, _) if users == Users::Some => None,
                (State::Passing, _) => Some(Why::Left),
                (State::Half, _) => Some(Why::Half),
                (State::Whole, Rules::All) => Some(Why::All),
                (State::Whole, Rules::Unused { older_than, .. }) => {
                    (age(&thing) >= older_than).then_some(Why::Unused)
                }
            };
            match why {
                Some(_) if users == Users::Unknown && age(&thing) < UNSURE => {
                    spared += 1;
                    rest.push(thing);
                }
                Some(why) => removals.push(Removal { thing, why }),
                None => rest.push(thing),
            }
        }
        if let Rules::Unused { keep_size: Some(most), .. } = rules {
            let mut size: u64 = rest.iter().map(|thing| thing.size).sum();
            // The one used least lately is the last.
            rest.sort_by(|a, b| b.used.cmp(&a.used).then_with(|| a.cmp(b)));
            let may_go = |thing: &Thing| {
                thing.state == State::Whole && (users != Users::Unknown || age(thing) >= UNSURE)
            };
            let (mut may_go, mut stays): (Vec<_>, Vec<_>) = rest.into_iter().partition(may_go);
            while size > most
                && let Some(thing) = may_go.pop()
            {
                size -= thing.size;
                removals.push(Removal { thing, why: Why::Beyond });
            }
            stays.extend(may_go);
            rest = stays;
        }
        removals.sort_by(|a, b| a.thing.cmp(&b.thing));
        let kept = (rest.len(), rest.iter().map(|thing| thing.size).sum());
        PrunePlan { root: contents.root, removals, spared, kept }
    }

    /// Removes what was decided. What cannot be removed stays, and does not keep the rest from going.
    pub fn carry_out(self, _alone: &Alone, progress: &dyn Progress) -> Pruned {
        let running = Running::begin(progress, Stage::Prune, self.removals.len() as u64, Unit::Steps);
        let mut removed = Vec::new();
        let mut remaining: Option<(io::Error, Vec<PathBuf>)> = None;
        for removal in self.removals {
            match removal.thing.paths.iter().try_for_each(|path| remove(path)) {
                Ok(()) => removed.push(removal),
                Err(source) => {
                    let (_, paths) = remaining.get_or_insert((source, Vec::new()));
                    paths.push(removal.thing.path().to_owned());
                }
            }
            running.advance(1);
        }
        let remaining = remaining.map(|(source, paths)| CacheError::Remains { paths, source });
        Pruned { removed, remaining }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + 1000 * DAY
    }

    /// Things of 10 bytes by name, state and days since they were used.
    fn contents(things: &[(&str, State, u32)]) -> Contents {
        let thing = |(name, state, days): &(&str, State, u32)| Thing {
            kind: "wheels".to_owned(),
            name: (*name).to_owned(),
            state: *state,
            size: 10,
            used: now() - DAY * *days,
            paths: vec![PathBuf::from(name)],
        };
        Contents { root: PathBuf::from("cache"), things: things.iter().map(thing).collect() }
    }

    #[track_caller]
    fn check(rules: Rules, users: Users, expected: &str) {
        let plan = PrunePlan::new(
            contents(&[
                ("new", State::Whole, 0),
                ("week", State::Whole, 7),
                ("old", State::Whole, 40),
                ("half", State::Half, 2),
                ("part", State::Passing, 0),
                ("dead", State::Passing, 3),
            ]),
            rules,
            users,
            now(),
        );
        let removals =
            plan.removals.iter().map(|removal| format!("{} {:?}", removal.thing.name, removal.why));
        assert_eq!(removals.collect::<Vec<_>>().join(", "), expected);
        assert_eq!(plan.kept.0 + plan.removals.len(), 6);
        assert_eq!(plan.kept.1, plan.kept.0 as u64 * 10);
    }

    const MONTH: Rules =
        Rules::Unused { older_than: Duration::from_secs(30 * 24 * 60 * 60), keep_size: None };

    #[test]
    fn what_nobody_can_use_goes_always_and_the_rest_by_age() {
        check(MONTH, Users::None, "dead Left, half Half, old Unused, part Left");
        check(Rules::All, Users::None, "dead Left, half Half, new All, old All, part Left, week All");
        check(
            Rules::Unused { older_than: 5 * DAY, keep_size: None },
            Users::None,
            "dead Left, half Half, old Unused, part Left, week Unused",
        );
    }

    #[test]
    fn what_was_used_least_lately_goes_until_the_rest_is_small_enough() {
        let keep = |size| Rules::Unused { older_than: 100 * DAY, keep_size: Some(size) };
        check(keep(30), Users::None, "dead Left, half Half, part Left");
        check(keep(29), Users::None, "dead Left, half Half, old Beyond, part Left");
        check(keep(0), Users::None, "dead Left, half Half, new Beyond, old Beyond, part Left, week Beyond");
    }

    #[test]
    fn what_belongs_to_a_run_is_left_over_only_if_none_is_running() {
        check(MONTH, Users::Some, "half Half, old Unused");
    }

    #[test]
    fn where_nobody_can_tell_who_uses_it_what_was_used_lately_stays() {
        check(Rules::All, Users::Unknown, "dead Left, half Half, old All, week All");
        let keep = Rules::Unused { older_than: 30 * DAY, keep_size: Some(0) };
        check(keep, Users::Unknown, "dead Left, half Half, old Unused, week Beyond");
    }
}
