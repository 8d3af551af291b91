//! The extension module: `main` and nothing else.

use std::ffi::OsString;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};

use std::time::Duration;

use miette::Diagnostic;
use pyo3::prelude::*;

use super::check;
use crate::cli::{Arguments, Format};
use crate::settings::Settings;
use crate::{log, stop};

/// Done.
pub const DONE: u8 = 0;
/// The application cannot be served.
pub const FAILED: u8 = 1;
/// The command line, the configuration or the descriptors are not what the bridge needs.
pub const USAGE: u8 = 2;

/// How long threads of the application may go on after a check.
const LAST_WORD: Duration = Duration::from_secs(5);

#[pymodule]
fn _bridge(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(main, module)?)?;
    module.add("__version__", env!("CARGO_PKG_VERSION"))
}

/// Runs the command line (without the program's name) and returns the exit code of the process.
#[pyfunction]
fn main(py: Python<'_>, argv: Vec<OsString>) -> u8 {
    catch_unwind(AssertUnwindSafe(|| run(py, argv))).unwrap_or(FAILED)
}

fn run(py: Python<'_>, argv: Vec<OsString>) -> u8 {
    let arguments = match Arguments::parse(argv) {
        Ok(arguments) => arguments,
        Err(answer) => {
            // Help goes to standard output, complaints to standard error; a closed one cannot be helped.
            let _ = answer.print();
            return u8::try_from(answer.exit_code()).unwrap_or(USAGE);
        }
    };
    let settings = match Settings::read(&arguments) {
        Ok(settings) => settings,
        Err(error) => {
            if arguments.format == Format::Json {
                // A closed standard output cannot be helped; the complaint follows all the same.
                let _ = std::io::stdout().write_all(check::refused(&error).as_bytes());
            }
            return refuse(&error);
        }
    };
    if arguments.check {
        let code = check::check(py, &settings, arguments.format);
        leave_within(LAST_WORD.min(Duration::from_secs(settings.grace.into())), code);
        return code;
    }
    let code = super::serve::serve(py, &settings, arguments.worker);
    leave_within(Duration::from_secs(settings.grace.into()), code);
    code
}

/// Ends the process when Python does not: it waits without limit for threads that the application started.
fn leave_within(limit: Duration, code: u8) {
    let leave = move || {
        std::thread::sleep(limit);
        log::line_unless_stuck("threads of the application do not end: leaving without them");
        stop::leave(code)
    };
    // Without it the process ends when Python does, which is the ordinary case.
    let _ = std::thread::Builder::new().name("holdall-bridge-leave".to_owned()).spawn(leave);
}

/// Prints what is wrong and what to do about it.
pub fn refuse(error: &dyn Diagnostic) -> u8 {
    // Without a standard error there is nobody to tell.
    let _ = std::io::stderr().write_all(complaint(error).as_bytes());
    USAGE
}

/// What is wrong and what to do about it, a line each.
pub fn complaint(error: &dyn Diagnostic) -> String {
    let help = error.help().map(|help| format!("  help: {help}\n"));
    format!("error: {error}\n{}", help.unwrap_or_default())
}
