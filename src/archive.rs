//! Bundles as zips: written by copying the layers' blocks, opened with suspicion, verified down to each file.
//!
//! Neither compresses nor unpacks a tree; what a bundle becomes on a server is the business of `release`.

mod assemble;
pub(crate) mod block;
pub(crate) mod directory;
mod error;
mod head;
mod names;
mod open;
pub(crate) mod positioned;
mod read;
pub(crate) mod records;
mod sign;
mod verify;
mod whole;

pub use assemble::{Written, assemble};
pub use error::ArchiveError;
pub(crate) use head::{MANIFEST_LIMIT, SIGNATURE_LIMIT};
pub(crate) use open::check_indexes;
pub use open::{Bundle, BundleFile, BundleLayer};
pub(crate) use read::stream;
pub use read::{CopyError, Reader};
pub use verify::{Aspect, Difference};

/// The signature's name inside a bundle. It follows the manifest, when there is one.
pub const SIGNATURE: &str = "holdall.json.minisig";
