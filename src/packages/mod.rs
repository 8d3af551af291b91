//! A lock becomes wheel layers: uv selects, Holdall downloads, checks and maps.
//!
//! No URL of an index and no credential leaves this stage, neither in a bundle nor in a message. Nothing is built
//! from sources, and no console scripts are made: `python -m` replaces them.

mod committed;
mod credentials;
mod download;
mod environment;
mod error;
mod export;
mod fetch;
mod layers;
mod lock;
mod parallel;
mod prune;
mod pylock;
mod record;
mod refusal;
mod sound;
mod tags;
mod uv;
mod wheel;

pub use download::{Wheel, download, is_cached};
pub use environment::{BuildEnvironment, environment};
pub use error::PackagesError;
pub use export::Exporter;
pub use layers::{PackageLayers, Shaping, layers};
pub use lock::{Lock, LockedWheel, local_wheel, lock};
pub use prune::{InForce, Pruned, Prunings, Whole};
pub use sound::check;
pub use uv::{Uv, UvVersion};

#[cfg(test)]
mod stories;
