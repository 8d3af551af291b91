//! appcmd.exe: what is typed, what it does to the configuration, what it prints, and how it ends.
//!
//! Everything goes to standard output, errors too. The exit code is the Win32 code of an HRESULT. Texts are those
//! that public logs and issues of appcmd show; real ones are localized, so that a tool must not depend on them.

use std::io::Read;

use crate::lab::Lab;

mod args;
mod backup;
mod change;
mod command;
mod config;
mod edit;
mod errors;
pub(crate) mod fault;
mod indexer;
mod input;
mod list;
mod objects;
mod output;
mod record;
mod states;
mod target;

pub use errors::Failure;
pub use record::{Record, records};

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    pub exit: i32,
    /// What it printed, in the encoding that the lab's switch says.
    pub stdout: Vec<u8>,
}

/// Runs one command as the program does: noted in the lab's record, with the faults that its settings ask for.
pub fn run(lab: &Lab, args: &[String], stdin: &mut dyn Read) -> Done {
    let (exit, text) = fault::run(lab, args, stdin);
    Done { exit, stdout: output::encoded(&text, lab.settings.switches.appcmd_encoding) }
}

/// The exit code as this system can have it. Windows has 32 bits for it; elsewhere a code above 255 comes as its low
/// byte with the highest bit set, which keeps all codes of appcmd apart: 1056 is 160, 1062 is 166, 1168 is 144, 1726 is
/// 190, 4312 is 216.
pub fn exit_code(exit: i32) -> i32 {
    if cfg!(windows) || (0..256).contains(&exit) { exit } else { exit & 0xff | 0x80 }
}
