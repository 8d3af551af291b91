//! Finding the application: `package.module:callable` or `package.module.callable`.

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;

/// Imports the module and takes the callable out of it. Errors are the project's own.
pub fn load<'py>(py: Python<'py>, spec: &str) -> PyResult<Bound<'py, PyAny>> {
    let (module, path) = spec.split_once(':').or_else(|| spec.rsplit_once('.')).ok_or_else(|| {
        PyValueError::new_err(format!("`{spec}` names no callable: write package.module:callable"))
    })?;
    let mut found = py.import(module)?.into_any();
    for name in path.split('.') {
        found = found.getattr(name)?;
    }
    if !found.is_callable() {
        return Err(PyTypeError::new_err(format!("`{spec}` is not callable, so it is no WSGI application")));
    }
    Ok(found)
}

/// The traceback as Python prints it.
pub fn traceback(py: Python<'_>, error: &PyErr) -> String {
    let formatted = || -> PyResult<String> {
        let parts = (error.get_type(py), error.value(py), error.traceback(py));
        let lines = py.import("traceback")?.call_method1("format_exception", parts)?;
        Ok(lines.extract::<Vec<String>>()?.concat())
    };
    // An exception that cannot be formatted (a broken `__str__`) is named by its type at least.
    formatted().unwrap_or_else(|_| format!("{}\n", error.get_type(py)))
}

/// Its last line.
pub fn summary(py: Python<'_>, error: &PyErr) -> String {
    let text = traceback(py, error);
    text.trim_end().lines().next_back().unwrap_or_default().to_owned()
}
