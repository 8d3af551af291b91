//! The lab's web server with the real bridge behind it: what visitors of a site see while it is deployed to.
//!
//! `HOLDALL_BRIDGE_PYTHON` names a Python with `holdall_bridge` installed.
#![cfg(not(windows))]
#![allow(clippy::unwrap_used)]

mod commands;
mod configuration;
mod lab;
mod pages;
mod processes;
mod program;
mod responder;
mod switching;
