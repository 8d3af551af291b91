//! The web server behind the lab's appcmd: serves what an `applicationHost.config` says, as IIS does as far as a site of
//! Holdall can tell, so that a deploy is proved by asking the site for pages.
//!
//! It shares no code with the product: a mistake there shall not cancel out here. It listens on the loopback address
//! alone, and knows no https, no ranges, no compression, no redirects and no names of visitors: one who has to say who
//! they are is told so, and no more. Pools recycle when they are asked to, not by time or memory.

mod answer;
mod behaviour;
mod body;
mod change;
#[cfg(not(windows))]
mod command_line;
mod current;
mod effective;
mod exchange;
mod files;
mod filter;
mod front;
mod handlers;
mod head;
mod instances;
mod journal;
mod lease;
mod model;
mod pages;
mod params;
mod process;
mod read;
mod record;
mod registered;
mod route;
mod server;
mod settings;
mod sink;
mod workers;

pub use current::{Current, OpenError};
pub use server::{JOURNAL, Server, serve};
