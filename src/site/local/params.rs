//! The parameters a FastCGI server sends for one HTTP request (CGI/1.1, RFC 3875).

use std::net::SocketAddr;
use std::path::Path;

use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HOST};
use hyper::http::request::Parts;

/// Names and values, in the order in which they are sent.
pub type Params = Vec<(Vec<u8>, Vec<u8>)>;

/// What is the same for all requests of a connection.
#[derive(Debug, Clone, Copy)]
pub struct Connection {
    pub local: SocketAddr,
    pub remote: SocketAddr,
}

pub fn params(parts: &Parts, connection: Connection, www: &Path) -> Params {
    let uri = &parts.uri;
    let mut params = Params::new();
    let mut add = |name: &str, value: &[u8]| params.push((name.as_bytes().to_owned(), value.to_owned()));
    add("GATEWAY_INTERFACE", b"CGI/1.1");
    add("SERVER_SOFTWARE", concat!("holdall/", env!("CARGO_PKG_VERSION")).as_bytes());
    add("SERVER_PROTOCOL", format!("{:?}", parts.version).as_bytes());
    add("SERVER_NAME", &server_name(parts, connection));
    add("SERVER_PORT", connection.local.port().to_string().as_bytes());
    add("REMOTE_ADDR", connection.remote.ip().to_string().as_bytes());
    add("REMOTE_PORT", connection.remote.port().to_string().as_bytes());
    add("REQUEST_METHOD", parts.method.as_str().as_bytes());
    add("REQUEST_URI", uri.path_and_query().map_or("/", |target| target.as_str()).as_bytes());
    add("SCRIPT_NAME", b"");
    // Decoded once, to bytes: what they mean is the application's business.
    add("PATH_INFO", &percent_encoding::percent_decode_str(uri.path()).collect::<Vec<u8>>());
    add("QUERY_STRING", uri.query().unwrap_or("").as_bytes());
    add("DOCUMENT_ROOT", www.to_string_lossy().as_bytes());
    for (name, param) in [(CONTENT_TYPE, "CONTENT_TYPE"), (CONTENT_LENGTH, "CONTENT_LENGTH")] {
        if let Some(value) = parts.headers.get(name) {
            add(param, value.as_bytes());
        }
    }
    for name in parts.headers.keys() {
        // A header `Proxy` would become HTTP_PROXY, which programs take for a setting. A name with `_`
        // would be taken for another one with `-`, so a client could pose as a proxy that sets that one.
        if name == CONTENT_TYPE || name == CONTENT_LENGTH || name == "proxy" || name.as_str().contains('_') {
            continue;
        }
        let separator: &[u8] = if name == COOKIE { b"; " } else { b", " };
        let values: Vec<&[u8]> = parts.headers.get_all(name).iter().map(|value| value.as_bytes()).collect();
        add(
            &format!("HTTP_{}", name.as_str().to_ascii_uppercase().replace('-', "_")),
            &values.join(separator),
        );
    }
    params
}

/// The host that the client asked for, as IIS has it; the address when it named none.
fn server_name(parts: &Parts, connection: Connection) -> Vec<u8> {
    let asked = parts.headers.get(HOST).and_then(|host| host.to_str().ok());
    let host = asked.and_then(|host| host.parse::<hyper::http::uri::Authority>().ok());
    match host {
        Some(host) if !host.host().is_empty() => host.host().as_bytes().to_owned(),
        _ => connection.local.ip().to_string().into_bytes(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::Request;

    fn sent(request: hyper::http::request::Builder) -> Vec<(String, String)> {
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let connection = Connection {
            local: "127.0.0.1:8000".parse().unwrap(),
            remote: "127.0.0.1:50000".parse().unwrap(),
        };
        let text = |bytes: Vec<u8>| bytes.into_iter().map(char::from).collect::<String>();
        params(&parts, connection, "/www".as_ref())
            .into_iter()
            .map(|(name, value)| (text(name), text(value)))
            .collect()
    }

    #[track_caller]
    fn value<'a>(params: &'a [(String, String)], name: &str) -> Option<&'a str> {
        let found: Vec<_> = params.iter().filter(|(given, _)| given == name).collect();
        assert!(found.len() < 2, "{name} was sent twice");
        found.first().map(|(_, value)| &**value)
    }

    #[test]
    fn a_request_is_told_as_cgi_has_it() {
        let params = sent(
            Request::post("/gr%C3%BC%C3%9Fe%2525/?q=%20a&b")
                .header("Host", "site.example:8000")
                .header("Content-Type", "text/plain")
                .header("Content-Length", "3")
                .header("X-One", "1"),
        );
        for (name, expected) in [
            ("REQUEST_METHOD", "POST"),
            ("SCRIPT_NAME", ""),
            ("PATH_INFO", "/gr\u{c3}\u{bc}\u{c3}\u{9f}e%25/"),
            ("QUERY_STRING", "q=%20a&b"),
            ("REQUEST_URI", "/gr%C3%BC%C3%9Fe%2525/?q=%20a&b"),
            ("SERVER_NAME", "site.example"),
            ("SERVER_PORT", "8000"),
            ("SERVER_PROTOCOL", "HTTP/1.1"),
            ("REMOTE_ADDR", "127.0.0.1"),
            ("REMOTE_PORT", "50000"),
            ("CONTENT_TYPE", "text/plain"),
            ("CONTENT_LENGTH", "3"),
            ("GATEWAY_INTERFACE", "CGI/1.1"),
            ("DOCUMENT_ROOT", "/www"),
            ("HTTP_HOST", "site.example:8000"),
            ("HTTP_X_ONE", "1"),
        ] {
            assert_eq!(value(&params, name), Some(expected), "{name}");
        }
        assert_eq!(value(&params, "HTTP_CONTENT_LENGTH"), None);
    }

    #[test]
    fn headers_that_pose_as_others_are_dropped() {
        let params = sent(
            Request::get("/").header("Proxy", "evil").header("X_Forwarded_For", "evil").header("X-Real", "1"),
        );
        assert!(params.iter().all(|(_, value)| value != "evil"));
        assert_eq!(value(&params, "HTTP_X_REAL"), Some("1"));
        assert_eq!(value(&params, "SERVER_NAME"), Some("127.0.0.1"));
        assert_eq!(value(&params, "CONTENT_LENGTH"), None);
    }

    #[test]
    fn a_header_sent_twice_is_one_parameter() {
        let twice = Request::get("/").header("Accept", "a").header("Accept", "b");
        let params = sent(twice.header("Cookie", "c=1").header("Cookie", "d=2"));
        assert_eq!(value(&params, "HTTP_ACCEPT"), Some("a, b"));
        assert_eq!(value(&params, "HTTP_COOKIE"), Some("c=1; d=2"));
    }
}
