//! The few pages that the embedded server itself answers with.

use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{Response, StatusCode};

use super::body::Body;
use super::exchange::Failure;
use super::processes::NoProcess;

/// A page for a request that no process could be found for.
pub fn no_process(reason: NoProcess) -> Response<Body> {
    let text = match reason {
        NoProcess::Busy => "All processes are at work, and too many requests wait already.",
        NoProcess::NotStarting => {
            "The site does not start. The reason stands where the server was started from, in its terminal or log."
        }
        NoProcess::Stopping => "The server is being stopped.",
    };
    let mut response = page(StatusCode::SERVICE_UNAVAILABLE, text);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// A page for a request that a process did not answer.
pub fn failed(failure: &Failure) -> Response<Body> {
    let (status, text) = match failure {
        Failure::Ended => (StatusCode::BAD_GATEWAY, "The process that worked on this request ended."),
        Failure::Silent(_) => (StatusCode::GATEWAY_TIMEOUT, "The site did not answer in time."),
        Failure::Refused(_) => (StatusCode::SERVICE_UNAVAILABLE, "The site refused this request."),
        Failure::GaveUp(_) | Failure::NotFastCgi | Failure::Head(_) => {
            (StatusCode::BAD_GATEWAY, "The site gave an answer that cannot be passed on.")
        }
    };
    page(status, text)
}

pub fn page(status: StatusCode, text: &str) -> Response<Body> {
    let html = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>{status}</title>\n\
         <body style=\"font: 1rem/1.5 sans-serif; margin: 3rem\"><h1>{status}</h1>\n<p>{text}</p></body></html>\n"
    );
    let mut response = Response::new(Body::whole(html));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
