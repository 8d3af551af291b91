//! The lab's appcmd as a caller sees it: words in, text and exit code out, and what is in the file then.
#![allow(clippy::unwrap_used)]

mod backups;
mod concurrent;
mod configurations;
mod effective;
mod faults;
mod harness;
mod input;
mod objects;
mod program;
mod random;
mod states;
mod usage;
