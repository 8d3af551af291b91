//! The standard streams on Windows. Their numbers belong to the C library that Python was built with, so it is Python
//! that moves them; Windows' own handles follow.

use std::fs::File;
use std::os::windows::io::RawHandle;

use pyo3::prelude::*;

use crate::win32;

/// Points standard input at nothing, and output and errors at `log` (at where errors went, without one), so that
/// nothing the application or a program of it prints or reads meets the pipe. Standard input's own handle of the pipe
/// is closed by this.
pub fn shield(py: Python<'_>, log: Option<File>) -> PyResult<()> {
    // Who has but one pipe for a process may name it as all three streams.
    let [input, output, errors] = [0, 1, 2].map(|number| open_handle(py, number));
    let errors_are_input = input.is_some() && errors == input;
    match input.filter(|_| errors_are_input || output == input) {
        // Each of the numbers would close the one handle that they stand for.
        Some(shared) => win32::close_once(shared as RawHandle, || point_away(py, log, errors_are_input)),
        None => point_away(py, log, errors_are_input),
    }
}

fn handle_of(py: Python<'_>, number: i32) -> PyResult<isize> {
    py.import("msvcrt")?.call_method1("get_osfhandle", (number,))?.extract()
}

/// What a number stands for, if that is anything: negative handles are C's for "none".
fn open_handle(py: Python<'_>, number: i32) -> Option<isize> {
    handle_of(py, number).ok().filter(|handle| *handle > 0)
}

fn point_away(py: Python<'_>, log: Option<File>, errors_are_input: bool) -> PyResult<()> {
    let os = py.import("os")?;
    let msvcrt = py.import("msvcrt")?;
    let flag = |name: &str| -> PyResult<i32> { os.getattr(name)?.extract() };
    let point = |from: i32, to: i32| os.call_method1("dup2", (from, to)).map(drop);
    let binary = flag("O_BINARY")? | flag("O_NOINHERIT")?;

    let nothing: i32 = os.call_method1("open", ("nul", flag("O_RDWR")? | binary))?.extract()?;
    point(nothing, 0)?;
    let output: i32 = match log {
        Some(file) => {
            let flags = flag("O_APPEND")? | flag("O_WRONLY")? | binary;
            msvcrt.call_method1("open_osfhandle", (win32::into_number(file), flags))?.extract()?
        }
        None if !errors_are_input && os.call_method1("fstat", (2,)).is_ok() => 2,
        // IIS gives its processes neither output nor errors, and a log has no place in the pipe.
        None => nothing,
    };
    // Opened where nothing was, either may stand in one of the places that are still to be filled.
    let spare: Vec<i32> = [nothing, output].into_iter().filter(|number| *number > 2).collect();
    point(output, 2)?;
    point(2, 1)?;
    for number in spare.into_iter().collect::<std::collections::BTreeSet<_>>() {
        os.call_method1("close", (number,))?;
    }
    for (number, standard) in win32::STANDARD {
        win32::set_standard_handle(standard, handle_of(py, number)? as RawHandle)?;
    }
    Ok(())
}

/// Points output and errors at another log.
pub fn go_on_in(py: Python<'_>, log: File) -> PyResult<()> {
    let os = py.import("os")?;
    let msvcrt = py.import("msvcrt")?;
    let flag = |name: &str| -> PyResult<i32> { os.getattr(name)?.extract() };
    let flags = flag("O_APPEND")? | flag("O_WRONLY")? | flag("O_BINARY")? | flag("O_NOINHERIT")?;
    let number: i32 = msvcrt.call_method1("open_osfhandle", (win32::into_number(log), flags))?.extract()?;
    crate::log::while_nobody_writes(|| {
        for (standard_number, standard) in win32::STANDARD.into_iter().filter(|(number, _)| *number > 0) {
            os.call_method1("dup2", (number, standard_number))?;
            win32::set_standard_handle(standard, handle_of(py, standard_number)? as RawHandle)?;
        }
        os.call_method1("close", (number,)).map(drop)
    })
}

/// The same, without a log, for those who have something to say on standard output themselves: returns what it was.
pub fn take_output(py: Python<'_>) -> PyResult<Option<File>> {
    // Without standard output nobody hears.
    let output = open_handle(py, 1).map(|handle| win32::copy(handle as RawHandle)).transpose()?;
    shield(py, None)?;
    Ok(output)
}
