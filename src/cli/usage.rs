//! Command lines that are not understood, and those that ask for help: what clap has to say, in the form that was asked
//! for.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::error::ErrorKind;

use super::Output;
use super::output::{Format, is_lost, printable};
use super::report::Report;
use crate::error::Exit;

/// Prints it, and returns the exit code that goes with it.
pub fn told(error: &clap::Error, args: &[OsString]) -> ExitCode {
    // Help and version are no errors: clap prints them to standard output.
    let exit = if error.use_stderr() { Exit::Usage } else { Exit::Done };
    if exit == Exit::Usage && wants_json(args) {
        Output::new(Format::Json).json(&report(error));
        return exit.into();
    }
    match error.print() {
        Ok(()) => exit.into(),
        Err(error) if is_lost(&error) => {
            let error = crate::Error::Output(error);
            Output::new(Format::Text).error_aside(&error);
            error.exit().into()
        }
        Err(_) => exit.into(),
    }
}

/// Whether a command line that clap does not understand asks for JSON.
fn wants_json(args: &[OsString]) -> bool {
    let two = args.windows(2).any(|pair| pair[0] == "--format" && pair[1] == "json");
    two || args.iter().any(|arg| arg == "--format=json")
}

/// clap's words as an error like every other: its first paragraph is what is wrong, the rest what to do.
fn report(error: &clap::Error) -> Report {
    let words = printable(error.render().to_string().trim());
    let (what, help) = match error.kind() {
        // There all that is said is the page of help.
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            ("a command is missing", "add `--help` to see which there are")
        }
        _ => words.split_once("\n\n").unwrap_or((&words, "")),
    };
    let what = what.trim_start_matches("error: ").split_whitespace().collect::<Vec<_>>().join(" ");
    let help = Some(help.trim().to_owned()).filter(|help| !help.is_empty());
    Report { error: what, causes: Vec::new(), help, exit: Exit::Usage as u8 }
}
