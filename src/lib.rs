//! Holdall packs a Django project with everything it needs into one archive, and runs it from there.
//!
//! The modules in reading order; data flows down the list.

pub mod app;
pub mod archive;
pub mod bundle;
pub mod cache;
pub mod cli;
pub mod digest;
pub mod entry;
pub mod error;
pub mod held;
pub mod layer;
pub mod manifest;
pub mod packages;
pub mod progress;
pub mod project;
pub mod python;
pub mod recipe;
pub mod release;
pub mod runtime;
pub mod site;
pub mod target;
pub mod tools;

pub use error::Error;
