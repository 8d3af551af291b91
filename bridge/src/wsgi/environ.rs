//! The environment of one request: what the web server sent, as native strings, and the bridge's own keys.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use super::errors::Errors;
use super::file_wrapper::FileWrapper;
use super::input::Input;
use crate::exchange::announced_length;
use crate::gateway::{gateway, is_passed_on};
use crate::protocol::Params;

/// What is the same for every request of this process.
pub struct Template {
    constants: Py<PyDict>,
}

impl Template {
    /// `threads` and `processes` say whether the application may be called a second time meanwhile.
    pub fn new(py: Python<'_>, threads: bool, processes: bool) -> PyResult<Template> {
        let constants = PyDict::new(py);
        constants.set_item("wsgi.version", (1, 0))?;
        constants.set_item("wsgi.multithread", threads)?;
        constants.set_item("wsgi.multiprocess", processes)?;
        constants.set_item("wsgi.run_once", false)?;
        constants.set_item("wsgi.file_wrapper", py.get_type::<FileWrapper>())?;
        // The end of the body is the end of the stream, whatever its announced length.
        constants.set_item("wsgi.input_terminated", true)?;
        // What a web server should send and some do not.
        constants.set_item("REQUEST_METHOD", "GET")?;
        constants.set_item("QUERY_STRING", "")?;
        constants.set_item("SERVER_NAME", "localhost")?;
        constants.set_item("SERVER_PROTOCOL", "HTTP/1.0")?;
        Ok(Template { constants: constants.unbind() })
    }

    /// A fresh dictionary for a request.
    pub fn environ<'py>(
        &self,
        py: Python<'py>,
        params: &Params,
        input: Bound<'py, Input>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let environ = self.constants.bind(py).copy()?;
        for (name, value) in params.pairs().filter(|(name, value)| is_passed_on(name, value)) {
            environ.set_item(native(py, name), native(py, value))?;
        }
        // "-1" and the like say that the length is not known; the application would take them for a number.
        let length = params.value(b"CONTENT_LENGTH").unwrap_or_default();
        if !length.is_empty() && announced_length(params).is_none() {
            environ.del_item("CONTENT_LENGTH")?;
        }
        let gateway = gateway(params);
        environ.set_item("SCRIPT_NAME", native(py, &gateway.script_name))?;
        environ.set_item("PATH_INFO", native(py, &gateway.path_info))?;
        environ.set_item("wsgi.url_scheme", if gateway.https { "https" } else { "http" })?;
        if !environ.contains("SERVER_PORT")? {
            environ.set_item("SERVER_PORT", if gateway.https { "443" } else { "80" })?;
        }
        environ.set_item("wsgi.input", input)?;
        // One for each request: threads do not end each other's lines.
        environ.set_item("wsgi.errors", Bound::new(py, Errors::default())?)?;
        Ok(environ)
    }
}

/// PEP 3333's native string: one character for each byte, whatever the bytes mean.
fn native<'py>(py: Python<'py>, bytes: &[u8]) -> Bound<'py, PyString> {
    match std::str::from_utf8(bytes) {
        Ok(ascii) if ascii.is_ascii() => PyString::new(py, ascii),
        _ => PyString::new(py, &bytes.iter().map(|byte| char::from(*byte)).collect::<String>()),
    }
}
