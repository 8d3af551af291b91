//! `wsgi.input`: the request's body with the manners of a binary file.

use pyo3::exceptions::{PyConnectionAbortedError, PyConnectionResetError, PyOSError, PyTimeoutError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};

use super::talk::Shared;
use crate::loss::BodyError;

/// Reads from the connection when asked, so that a body of any size takes bounded memory.
#[pyclass(frozen, module = "holdall_bridge")]
pub struct Input {
    shared: Shared,
}

impl Input {
    pub fn new(shared: Shared) -> Input {
        Input { shared }
    }

    fn line<'py>(&self, py: Python<'py>, size: Option<isize>) -> PyResult<Bound<'py, PyBytes>> {
        let line = self.shared.detached(py, |talk| talk.exchange.read_line(limit(size)));
        Ok(PyBytes::new(py, &line.map_err(as_os_error)?))
    }
}

#[pymethods]
impl Input {
    #[pyo3(signature = (size=None, /))]
    fn read<'py>(&self, py: Python<'py>, size: Option<isize>) -> PyResult<Bound<'py, PyBytes>> {
        let size = limit(size);
        let Some(count) = self.shared.briefly(py, |talk| talk.exchange.foreseen(size)) else {
            let bytes = self.shared.detached(py, |talk| talk.exchange.read(size));
            return Ok(PyBytes::new(py, &bytes.map_err(as_os_error)?));
        };
        // Received where Python keeps it: nothing is copied once more.
        let mut fewer = None;
        let whole = PyBytes::new_with(py, count, |into| {
            let read = self.shared.detached(py, |talk| talk.exchange.read_into(into)).map_err(as_os_error)?;
            if read < into.len() {
                fewer = Some(PyBytes::new(py, &into[..read]));
            }
            Ok(())
        })?;
        // Another thread has read from it meanwhile.
        Ok(fewer.unwrap_or(whole))
    }

    #[pyo3(signature = (size=None, /))]
    fn readline<'py>(&self, py: Python<'py>, size: Option<isize>) -> PyResult<Bound<'py, PyBytes>> {
        self.line(py, size)
    }

    #[pyo3(signature = (hint=None, /))]
    fn readlines<'py>(&self, py: Python<'py>, hint: Option<isize>) -> PyResult<Bound<'py, PyList>> {
        // As files have it, a hint of 0 is no hint.
        let wanted = limit(hint).filter(|hint| *hint > 0).unwrap_or(usize::MAX);
        let lines = PyList::empty(py);
        let mut total = 0;
        while total < wanted {
            let line = self.line(py, None)?;
            if line.as_bytes().is_empty() {
                break;
            }
            total += line.as_bytes().len();
            lines.append(line)?;
        }
        Ok(lines)
    }

    fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let line = self.line(py, None)?;
        Ok((!line.as_bytes().is_empty()).then_some(line))
    }
}

/// A negative size, like none, means everything.
fn limit(size: Option<isize>) -> Option<usize> {
    size.and_then(|size| usize::try_from(size).ok())
}

fn as_os_error(error: BodyError) -> PyErr {
    let text = error.to_string();
    match error {
        BodyError::Aborted | BodyError::Fault(_) => PyConnectionAbortedError::new_err(text),
        BodyError::Gone => PyConnectionResetError::new_err(text),
        BodyError::Silent => PyTimeoutError::new_err(text),
        BodyError::Short | BodyError::Lost | BodyError::Over => PyOSError::new_err(text),
    }
}
