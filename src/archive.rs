//! Bundles as zips: written by copying the layers' blocks, opened with suspicion, verified down to each file.
//!
//! Neither compresses nor unpacks a tree; what a bundle becomes on a server is the business of `release`.

mod assemble;
pub(crate) mod block;
pub(crate) mod directory;
mod error;
mod names;
pub(crate) mod positioned;
pub(crate) mod records;

pub use assemble::{Written, assemble};
pub use error::ArchiveError;

/// The signature's name inside a bundle. It follows the manifest, when there is one.
pub const SIGNATURE: &str = "holdall.json.minisig";
