//! Stories that a user would tell, run through the real command. `cargo xtask test` prepares what they need.
#![allow(clippy::unwrap_used)]

mod archive;
mod archive_bad;
mod archive_forge;
#[cfg(target_os = "linux")]
mod bad_bundle;
#[cfg(target_os = "linux")]
mod bad_packages;
#[cfg(target_os = "linux")]
mod bad_project;
mod harness;
mod init;
#[cfg(unix)]
mod preview;
mod runtime_given;
#[cfg(target_os = "linux")]
mod runtime_host;
mod startproject;
mod wagtail;
