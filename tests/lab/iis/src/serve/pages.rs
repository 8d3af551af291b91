//! What IIS itself says when a request has no other answer.

use super::settings::{ErrorMode, Errors, Existing};

/// An answer of the server's own, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    pub status: u16,
    pub substatus: u16,
    pub why: String,
}

impl Trouble {
    pub fn new(status: u16, substatus: u16, why: impl Into<String>) -> Trouble {
        Trouble { status, substatus, why: why.into() }
    }
}

/// The page for a trouble; all clients are local ones here.
pub fn page(trouble: &Trouble, errors: &Errors) -> String {
    let Trouble { status, substatus, why } = trouble;
    let name = reason(*status);
    if errors.existing == Existing::PassThrough {
        // The module that makes pages steps aside, and what set the status has said no more than this.
        return short(*status).to_owned();
    }
    match errors.mode {
        ErrorMode::Custom => format!(
            "<!DOCTYPE html>\r\n<title>{status} - {name}</title>\r\n<h1>Server Error</h1>\r\n<h2>{status} - {name}.</h2>\r\n"
        ),
        ErrorMode::DetailedLocalOnly | ErrorMode::Detailed => format!(
            "<!DOCTYPE html>\r\n<title>IIS 10.0 Detailed Error - {status}.{substatus} - {name}</title>\r\n\
             <h1>HTTP Error {status}.{substatus} - {name}</h1>\r\n<pre>{}</pre>\r\n",
            escaped(why)
        ),
    }
}

/// Whether a handler's own answer with this status gives way to a page of the server.
pub fn is_replaced(status: u16, errors: &Errors) -> bool {
    status >= 400 && errors.existing != Existing::PassThrough
}

fn short(status: u16) -> &'static str {
    match status {
        404 => {
            "The resource you are looking for has been removed, had its name changed, or is temporarily unavailable."
        }
        401 => "You do not have permission to view this directory or page.",
        400..500 => "The request cannot be processed.",
        _ => "The page cannot be displayed because an internal server error has occurred.",
    }
}

fn reason(status: u16) -> &'static str {
    let status = hyper::StatusCode::from_u16(status).ok();
    status.and_then(|status| status.canonical_reason()).unwrap_or("Error")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

/// Whether files named for a status are shown; to local clients, as all are here, only in this mode.
pub fn is_custom(errors: &Errors) -> bool {
    errors.mode == ErrorMode::Custom
}
