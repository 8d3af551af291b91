//! Whole sites, bundled on Linux for Windows and run in Wine by what is in the bundle alone. `cargo xtask wine sites`
//! prepares what they need.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]

mod bundles;
mod guestbook;
mod lab;
mod other_pythons;
mod other_targets;
mod packages;
mod served;
mod startproject;
mod wagtail;

#[allow(dead_code, reason = "these stories start another program than those it was written for")]
#[path = "../harness.rs"]
mod harness;
#[allow(dead_code, reason = "the harness needs a part of it")]
#[path = "../system.rs"]
mod system;
#[path = "../../xtask/src/guestbook.rs"]
mod visit;
#[path = "../../xtask/src/visitor.rs"]
mod visitor;
