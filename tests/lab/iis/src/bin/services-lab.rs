//! The service manager of the lab in the folder that HOLDALL_LAB_SERVICES names: see the library's `services`. On systems
//! with `/proc`; Windows has its own.

use std::io::Write as _;
use std::path::PathBuf;

use holdall_lab_iis::services::{Refusal, VARIABLE, run};

fn main() {
    let args: Vec<String> =
        std::env::args_os().skip(1).map(|arg| arg.to_string_lossy().into_owned()).collect();
    let folder = std::env::var_os(VARIABLE).map(PathBuf::from);
    let done = match folder {
        Some(folder) => run(&folder, &args),
        None => Err(Refusal(1, format!("{VARIABLE} names no folder\n"))),
    };
    let (exit, said) = match done {
        Ok(said) => (0, said),
        Err(Refusal(exit, said)) => (exit, said),
    };
    let _ = std::io::stdout().write_all(said.as_bytes());
    // Of which systems but Windows keep eight bits.
    std::process::exit(if exit & 0xff == 0 && exit != 0 { 1 } else { exit })
}
