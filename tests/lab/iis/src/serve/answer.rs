//! An answer with what every answer of a path has: its headers, and a page of the server's where it is one of trouble.

use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, SERVER};
use hyper::{Response, StatusCode};

use super::body::Body;
use super::pages::{self, Trouble};
use super::settings::Settings;

/// Status, headers, body and, of an answer that is the server's own, what is wrong.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Body,
    pub trouble: Option<Trouble>,
}

/// The server's own answer to a trouble.
pub fn own(settings: &Settings, trouble: Trouble) -> Answer {
    let page = pages::page(&trouble, &settings.errors);
    let file = settings.errors.pages.iter().find(|page| {
        page.status == trouble.status && page.substatus.is_none_or(|substatus| substatus == trouble.substatus)
    });
    let file = file.filter(|_| {
        pages::is_replaced(trouble.status, &settings.errors) && pages::is_custom(&settings.errors)
    });
    let body = file.and_then(|page| fs_err::read(&page.file).ok()).unwrap_or_else(|| page.into_bytes());
    let headers = [(CONTENT_TYPE, HeaderValue::from_static("text/html"))];
    Answer {
        status: StatusCode::from_u16(trouble.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        headers: headers.into_iter().collect(),
        body: Body::whole(body),
        trouble: Some(trouble),
    }
}

impl Answer {
    /// Adds what every answer has.
    pub fn respond(self, settings: &Settings) -> Response<Body> {
        let mut response = Response::new(self.body);
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        let headers = response.headers_mut();
        if settings.filtering.remove_server_header {
            headers.remove(SERVER);
        } else {
            headers.insert(SERVER, HeaderValue::from_static("Microsoft-IIS/10.0"));
        }
        for (name, value) in &settings.headers {
            if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
                headers.append(name, value);
            }
        }
        response
    }
}
