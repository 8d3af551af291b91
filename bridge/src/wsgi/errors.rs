//! `wsgi.errors`: the log, line by line.

use std::sync::{Mutex, PoisonError};

use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::log;

/// Text on its way to the log; a line leaves when it is complete, or on `flush`.
#[pyclass(frozen, module = "holdall_bridge")]
#[derive(Default)]
pub struct Errors {
    begun: Mutex<String>,
}

#[pymethods]
impl Errors {
    fn write(&self, text: &Bound<'_, PyString>) -> PyResult<usize> {
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        begun.push_str(&text.to_string_lossy());
        if let Some(end) = begun.rfind('\n') {
            let rest = begun.split_off(end + 1);
            log::line(&begun);
            *begun = rest;
        }
        text.len()
    }

    fn writelines(&self, lines: &Bound<'_, PyAny>) -> PyResult<()> {
        for line in lines.try_iter()? {
            self.write(line?.cast::<PyString>()?)?;
        }
        Ok(())
    }

    fn flush(&self) {
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        if !begun.is_empty() {
            log::line(&begun);
            begun.clear();
        }
    }
}
