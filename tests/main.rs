//! Stories that a user would tell, run through the real command. `cargo xtask test` prepares what they need.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]

mod archive;
mod archive_bad;
mod archive_forge;
mod bad_bundle;
mod bad_index;
mod bad_packages;
mod bad_project;
mod bundle;
mod bytecode;
mod cache;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod cache_faults;
// Behind the lab's IIS, which is for these two.
#[cfg(any(target_os = "linux", windows))]
mod deploy;
// The exporters are programs of this machine's Python: Wine has none of its own.
#[cfg(unix)]
mod exporters;
mod given_runtime_bundle;
mod guestbook;
mod harness;
mod help;
mod hostile_wheels;
mod index_server;
mod init;
#[cfg(target_os = "linux")]
mod large_project;
mod lock;
mod minisign;
mod own_package;
mod preview;
mod probing;
mod pruning;
#[cfg(unix)]
mod reproducible;
mod runtime_given;
#[cfg(target_os = "linux")]
mod runtime_host;
mod sdist;
mod shapes;
mod signatures;
mod startproject;
mod streams;
mod system;
#[cfg(target_os = "linux")]
mod terminal;
mod traps;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod traced;
mod wagtail;
mod wheels;
