//! The real bridge on Windows, handed the standard input that IIS's process manager hands it, in every form that may
//! have. `cargo xtask wine bridge` builds this for Windows and runs it in Wine.
#![cfg(windows)]
#![allow(clippy::unwrap_used)]

mod asleep;
mod end;
mod failures;
mod fastcgi;
mod hanging_up;
mod manager;
mod records;
mod requests;
mod surroundings;
mod variants;
mod win32;
