//! `wsgi.errors`: the log, line by line.

use std::sync::{Mutex, PoisonError};

use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::log;

/// A line without end is not held longer than this.
const LONGEST: usize = 64 * 1024;

/// Text on its way to the log; a line leaves when it is complete, on `flush`, or with its request.
#[pyclass(frozen, module = "holdall_bridge")]
#[derive(Default)]
pub struct Errors {
    begun: Mutex<String>,
}

impl Errors {
    /// Adds text, and passes on the lines that are complete, or `all`. Whoever reads the log may be slow: Python runs meanwhile.
    fn pass(&self, py: Python<'_>, text: &str, all: bool) {
        py.detach(|| {
            let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
            begun.push_str(text);
            let due = match begun.rfind('\n') {
                _ if all || begun.len() > LONGEST => begun.len(),
                end => end.map_or(0, |end| end + 1),
            };
            let rest = begun.split_off(due);
            if !begun.is_empty() {
                log::line(&begun);
            }
            *begun = rest;
        });
    }
}

#[pymethods]
impl Errors {
    fn write(&self, text: &Bound<'_, PyString>) -> PyResult<usize> {
        self.pass(text.py(), &text.to_string_lossy(), false);
        text.len()
    }

    fn writelines(&self, lines: &Bound<'_, PyAny>) -> PyResult<()> {
        for line in lines.try_iter()? {
            self.write(line?.cast::<PyString>()?)?;
        }
        Ok(())
    }

    fn flush(&self, py: Python<'_>) {
        self.pass(py, "", true);
    }
}

impl Drop for Errors {
    fn drop(&mut self) {
        let begun = self.begun.get_mut().unwrap_or_else(PoisonError::into_inner);
        if !begun.is_empty() {
            // Whoever moves the log wants the interpreter, and is waited for.
            let said = Python::try_attach(|py| py.detach(|| log::line(begun)));
            if said.is_none() {
                log::line(begun);
            }
        }
    }
}
