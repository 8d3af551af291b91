//! `start_response` and the `write` it returns.

use pyo3::exceptions::{PyAssertionError, PyBrokenPipeError, PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString, PyTuple};

use super::talk::Shared;
use crate::head::{Head, HeadError};
use crate::reply::ReplyError;

/// The callable that takes status and headers.
#[pyclass(frozen, module = "holdall_bridge")]
pub struct StartResponse {
    shared: Shared,
}

impl StartResponse {
    pub fn new(shared: Shared) -> StartResponse {
        StartResponse { shared }
    }
}

#[pymethods]
impl StartResponse {
    #[pyo3(signature = (status, headers, exc_info=None, /))]
    fn __call__<'py>(
        slf: &Bound<'py, Self>,
        status: &Bound<'py, PyAny>,
        headers: &Bound<'py, PyAny>,
        exc_info: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let shared = &slf.get().shared;
        let (has_head, is_sent) = shared.briefly(py, |talk| (talk.reply.has_head(), talk.reply.is_sent()));
        match exc_info {
            // The application found an error too late to say so: it is passed on as it is.
            Some(exc_info) if is_sent && !exc_info.is_none() => {
                return Err(PyErr::from_value(exc_info.get_item(1)?));
            }
            Some(_) => {}
            None if has_head => {
                return Err(PyAssertionError::new_err(
                    "start_response called a second time without exc_info",
                ));
            }
            None => {}
        }
        let head = head(status, headers)?;
        shared.briefly(py, |talk| talk.reply.set_head(head));
        slf.as_any().getattr(intern!(py, "write"))
    }

    fn write(&self, py: Python<'_>, data: &Bound<'_, PyBytes>) -> PyResult<()> {
        let bytes = data.as_bytes();
        let sent = self.shared.detached(py, |talk| talk.reply.send(&mut talk.exchange, bytes));
        sent.map_err(|error| match error {
            ReplyError::Unwanted(_) => PyBrokenPipeError::new_err(error.to_string()),
            ReplyError::NoHead | ReplyError::TooLong(_) | ReplyError::TooShort { .. } => {
                PyAssertionError::new_err(error.to_string())
            }
        })
    }
}

fn head(status: &Bound<'_, PyAny>, headers: &Bound<'_, PyAny>) -> PyResult<Head> {
    let wrong = |error: HeadError| PyValueError::new_err(error.to_string());
    let mut head = Head::new(text(status, "the status")?).map_err(wrong)?;
    let list = headers
        .cast::<PyList>()
        .map_err(|_| PyTypeError::new_err(format!("headers must be a list, not {}", type_name(headers))))?;
    for item in list {
        let pair = item.cast::<PyTuple>().ok().filter(|pair| pair.len() == 2).ok_or_else(|| {
            PyTypeError::new_err(format!(
                "a header must be a tuple of name and value, not {}",
                type_name(&item)
            ))
        })?;
        let (name, value) = (pair.get_item(0)?, pair.get_item(1)?);
        head.push(text(&name, "a header name")?, text(&value, "a header value")?).map_err(wrong)?;
    }
    Ok(head)
}

fn text<'a>(value: &'a Bound<'_, PyAny>, what: &str) -> PyResult<&'a str> {
    let string = value
        .cast::<PyString>()
        .map_err(|_| PyTypeError::new_err(format!("{what} must be str, not {}", type_name(value))))?;
    string.to_str().map_err(|_| PyValueError::new_err(format!("{what} has a character outside latin-1")))
}

/// How Python calls the type of a value, for messages.
pub fn type_name(value: &Bound<'_, PyAny>) -> String {
    value.get_type().name().map_or_else(|_| "something else".to_owned(), |name| name.to_string())
}
