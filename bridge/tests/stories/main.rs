//! Stories of the bridge: the installed wheel, real processes, real sockets.
#![cfg(all(unix, feature = "python"))]
#![allow(clippy::unwrap_used)]

mod applications;
mod bridge;
mod check;
mod client;
mod errors;
mod life;
mod logs;
mod maintenance;
mod probe;
mod protocol;
mod records;
mod renewal;
mod requests;
mod slow;
