//! How a request is lost: why the rest of a body cannot be had, or an answer can go no further.

use std::time::Duration;

use crate::protocol::Fault;

/// How long a peer may neither send what it announced nor take what it asked for.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Why the rest of a body cannot be had. For the application each of them is an `OSError`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    #[error("the request body ended before its Content-Length")]
    Short,
    #[error("the web server aborted the request")]
    Aborted,
    #[error("the web server closed the connection inside the request body")]
    Gone,
    #[error("the web server sent nothing of the request body for {} s", PATIENCE.as_secs())]
    Silent,
    #[error("the part of the request body that was kept in a temporary file is lost")]
    Lost,
    #[error("the web server sent what is no FastCGI inside the request body: {0}")]
    Fault(Fault),
    #[error("the request is over")]
    Over,
}

/// Why an answer can go no further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unwanted {
    #[error("the web server aborted the request")]
    Aborted,
    #[error("the web server closed the connection before the end of the answer")]
    Gone,
    #[error("the web server took nothing of the answer for {} s", PATIENCE.as_secs())]
    Silent,
    #[error("the body or the connection broke off: {0}")]
    Input(BodyError),
    #[error("the answer is complete")]
    Complete,
}
