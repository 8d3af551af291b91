//! The lab's IIS: what stands in for appcmd and for the web server behind it where there is no IIS.
//!
//! It is strict: what the real one refuses, this refuses, with the exit code and the words that public sources report.
//! What no public source tells is a switch, so that whatever relies on it can be tested with each answer.

pub mod appcmd;
pub mod config;
mod hold;
pub mod init;
pub mod lab;
pub mod physical;
pub mod runtime;
pub mod schema;
pub mod serve;
pub mod switches;
pub mod xml;
