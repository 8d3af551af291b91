//! The `holdall` command: parse, call, print, exit.

use std::process::ExitCode;

fn main() -> ExitCode {
    holdall::cli::main(std::env::args_os())
}
