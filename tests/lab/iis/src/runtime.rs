//! What runs and what doesn't: `runtime.json` beside the configuration, written by appcmd and watched by the web server.
//!
//! IIS keeps this in the memory of WAS and of http.sys; only the wish (`serverAutoStart`, `autoStart`) is configuration.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::config::{Pool, Site, write_whole};
use crate::hold::Hold;

/// The whole file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Runtime {
    /// By the sites' ids, which a new name doesn't change.
    pub sites: BTreeMap<u32, Standing>,
    pub pools: BTreeMap<String, Standing>,
    /// Worker processes by their ids, with their pools: the web server tells, `list wp` shows.
    pub workers: BTreeMap<u32, String>,
}

/// How a site or a pool stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Standing {
    /// What was last asked for; none as long as it stands as its configuration wishes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
    /// How often a pool was recycled or started: new processes at each.
    pub recycled: u64,
    /// When it was made, in milliseconds since 1970; 0 for one that has always been there.
    pub created: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    Started,
    Stopped,
}

impl State {
    /// As appcmd prints it.
    pub fn name(self) -> &'static str {
        match self {
            State::Started => "Started",
            State::Stopped => "Stopped",
        }
    }
}

impl Runtime {
    /// Reads the file; none is as if nothing had been asked for.
    pub fn load(path: &Path) -> std::io::Result<Runtime> {
        match fs_err::read(path) {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes)?),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Runtime::default()),
            Err(error) => Err(error),
        }
    }

    /// Reads, changes and writes the file with nobody in between.
    pub fn change<T>(path: &Path, change: impl FnOnce(&mut Runtime) -> T) -> std::io::Result<T> {
        let _held = Hold::wait(&path.with_extension("lock"))?;
        let mut runtime = Runtime::load(path)?;
        let before = runtime.clone();
        let result = change(&mut runtime);
        if runtime != before {
            write_whole(path, &serde_json::to_vec_pretty(&runtime)?)?;
        }
        Ok(result)
    }

    pub fn site(&self, site: &Site) -> State {
        let asked = self.sites.get(&site.id).and_then(|standing| standing.state);
        asked.unwrap_or(if site.server_auto_start { State::Started } else { State::Stopped })
    }

    pub fn pool(&self, pool: &Pool) -> State {
        let asked = self.pools.get(&pool_key(&pool.name)).and_then(|standing| standing.state);
        asked.unwrap_or(if pool.auto_start { State::Started } else { State::Stopped })
    }

    /// How often a pool got new processes.
    pub fn recycled(&self, pool: &str) -> u64 {
        self.pools.get(&pool_key(pool)).map_or(0, |standing| standing.recycled)
    }

    pub fn site_mut(&mut self, id: u32) -> &mut Standing {
        self.sites.entry(id).or_default()
    }

    pub fn pool_mut(&mut self, name: &str) -> &mut Standing {
        self.pools.entry(pool_key(name)).or_default()
    }

    pub fn forget_pool(&mut self, name: &str) {
        self.pools.remove(&pool_key(name));
    }
}

impl Standing {
    /// One that is just being made.
    pub fn new(state: Option<State>) -> Standing {
        Standing { state, recycled: 0, created: now() }
    }

    /// Whether it was made less than this many milliseconds ago.
    pub fn is_younger_than(&self, milliseconds: u64) -> bool {
        now().saturating_sub(self.created) < milliseconds
    }
}

/// Names of pools are the same in any case of letters.
fn pool_key(name: &str) -> String {
    name.to_lowercase()
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_at_the_same_time_are_all_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("runtime.json");
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..5 {
                        Runtime::change(&path, |runtime| runtime.pool_mut("P").recycled += 1).unwrap();
                    }
                });
            }
        });
        assert_eq!(Runtime::load(&path).unwrap().recycled("p"), 40);
    }
}
