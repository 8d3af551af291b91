//! The environment of one request: what the web server sent, as native strings, and the bridge's own keys.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::errors::Errors;
use super::file_wrapper::FileWrapper;
use super::input::Input;
use super::strings::{Strings, native};
use crate::exchange::announced_length;
use crate::forwarded::{Proxies, Visitor, is_forwarding};
use crate::gateway::{gateway, is_passed_on};
use crate::protocol::Params;

/// What is the same for every request of this process.
pub struct Template {
    constants: Py<PyDict>,
    strings: Strings,
    proxies: Option<Proxies>,
}

impl Template {
    /// `threads` and `processes` say whether the application may be called a second time meanwhile; `proxies` whose word on
    /// visitors counts, if that is not for the application to say.
    pub fn new(
        py: Python<'_>,
        threads: bool,
        processes: bool,
        proxies: Option<Proxies>,
    ) -> PyResult<Template> {
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
        Ok(Template { constants: constants.unbind(), strings: Strings::default(), proxies })
    }

    /// A fresh dictionary for a request.
    pub fn environ<'py>(
        &self,
        py: Python<'py>,
        params: &Params,
        input: Bound<'py, Input>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let environ = self.constants.bind(py).copy()?;
        let visitor = self.proxies.as_ref().map(|proxies| proxies.visitor(params));
        let is_nobodys_word = |name: &[u8]| visitor == Some(None) && is_forwarding(name);
        let passed_on =
            params.pairs().filter(|(name, value)| is_passed_on(name, value) && !is_nobodys_word(name));
        self.strings.each(py, passed_on, |name, value| environ.set_item(name, value))?;
        // "-1" and the like say that the length is not known; the application would take them for a number.
        let length = params.value(b"CONTENT_LENGTH").unwrap_or_default();
        if !length.is_empty() && announced_length(params).is_none() {
            environ.del_item("CONTENT_LENGTH")?;
        }
        let gateway = gateway(params);
        environ.set_item(intern!(py, "SCRIPT_NAME"), native(py, &gateway.script_name))?;
        environ.set_item(intern!(py, "PATH_INFO"), native(py, &gateway.path_info))?;
        let visitor = visitor.flatten().unwrap_or_default();
        let https = visitor.https.unwrap_or(gateway.https);
        environ.set_item(
            intern!(py, "wsgi.url_scheme"),
            if https { intern!(py, "https") } else { intern!(py, "http") },
        )?;
        tell(py, &environ, &visitor, https)?;
        if !environ.contains(intern!(py, "SERVER_PORT"))? {
            environ.set_item(intern!(py, "SERVER_PORT"), if https { "443" } else { "80" })?;
        }
        environ.set_item(intern!(py, "wsgi.input"), input)?;
        // One for each request: threads do not end each other's lines.
        environ.set_item(intern!(py, "wsgi.errors"), Bound::new(py, Errors::default())?)?;
        Ok(environ)
    }
}

/// Puts a visitor in the place of the proxy that came for them.
fn tell(py: Python<'_>, environ: &Bound<'_, PyDict>, visitor: &Visitor<'_>, https: bool) -> PyResult<()> {
    if let Some(address) = visitor.address.map(|address| address.to_string()) {
        environ.set_item("REMOTE_ADDR", &address)?;
        environ.set_item("REMOTE_HOST", &address)?;
        // It is one of the proxy's.
        if environ.contains("REMOTE_PORT")? {
            environ.del_item("REMOTE_PORT")?;
        }
    }
    if visitor.https.is_some() {
        environ.set_item("HTTPS", if https { "on" } else { "off" })?;
    }
    if let Some(host) = visitor.host {
        environ.set_item("HTTP_HOST", native(py, host))?;
    }
    // The port that the proxy came to says nothing of the one that the visitor sees.
    let port = visitor.port.or(visitor.host.and_then(port_of));
    match (port, visitor.https.is_some() || visitor.host.is_some()) {
        (Some(port), _) => environ.set_item("SERVER_PORT", native(py, port)),
        (None, true) => environ.set_item("SERVER_PORT", if https { "443" } else { "80" }),
        (None, false) => Ok(()),
    }
}

/// `8443` of `www.example:8443`.
fn port_of(host: &[u8]) -> Option<&[u8]> {
    let at = host.iter().rposition(|byte| *byte == b':')?;
    let port = &host[at + 1..];
    let is_port = !port.is_empty() && port.iter().all(u8::is_ascii_digit) && !host[..at].contains(&b':');
    (is_port || host[..at].ends_with(b"]")).then_some(port)
}
