//! A lock becomes wheel layers: uv selects, Holdall downloads, checks and maps.
//!
//! No URL of an index and no credential leaves this stage, neither in a bundle nor in a message. Nothing is built
//! from sources, and no console scripts are made: `python -m` replaces them.

mod answers;
mod committed;
mod credentials;
mod download;
mod environment;
mod error;
mod export;
mod fetch;
mod inputs;
mod layers;
mod lock;
mod own;
mod parallel;
mod prune;
mod pylock;
mod question;
mod record;
mod refusal;
mod sdist;
mod sound;
mod supply;
mod supported;
mod tags;
mod target_lock;
mod uv;
mod wheel;

pub use download::{Wheel, damage as wheel_damage, download, is_cached};
pub use environment::{BuildEnvironment, damage as environment_damage, environment};
pub use error::PackagesError;
pub use export::Exporter;
pub use layers::{PackageLayers, Shaping, layers};
pub use lock::{Lock, LockedWheel, Selected, local_wheel, lock, select_for_lock};
pub use own::project_wheel;
pub use prune::{InForce, Pruned, Prunings, Whole};
pub use question::Request;
pub use sdist::Build;
pub use sound::check;
pub use supply::Supply;
pub use target_lock::{
    Changes, Entry, TargetLock, Update, place as lock_place, python_of as lock_python,
    target_of_one as lock_target,
};
pub use uv::{Uv, UvVersion};

#[cfg(test)]
mod stories;
