//! The server variables of a request, as IIS sends them: names and order of published dumps, absent things as empty
//! texts. Where no public source says what IIS does, the lab's switches decide.

use std::net::SocketAddr;

use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HOST, TRANSFER_ENCODING};
use hyper::http::request::Parts;
use serde::Deserialize;

use super::record::Params;

/// What the variables tell of.
pub struct Asked<'a> {
    pub parts: &'a Parts,
    /// The path, decoded once.
    pub path: &'a str,
    pub site: u32,
    /// `/`, or the path of the application within the site.
    pub application: &'a str,
    /// The folder of the application.
    pub application_folder: &'a str,
    /// The file that the path names, whether it exists or not.
    pub file: &'a str,
    pub local: SocketAddr,
    pub remote: SocketAddr,
    pub https: bool,
    /// Who asks, if they had to say so.
    pub user: Option<&'a User>,
}

/// Somebody with a Windows account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// How they said who they are.
    pub provider: String,
    /// `DOMAIN\user`
    pub account: String,
}

/// What is not known of IIS's variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Habits {
    /// With a handler for `*`, whether SCRIPT_NAME and PATH_INFO hold the whole path.
    pub script_name: bool,
    pub path_info: bool,
    pub non_ascii: NonAscii,
    pub request_uri: RequestUri,
    pub chunked_length: ChunkedLength,
    /// Whether REMOTE_USER is there for an anonymous visitor, empty.
    pub remote_user: bool,
}

/// How characters beyond ASCII arrive.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NonAscii {
    #[default]
    #[serde(rename = "utf-8")]
    Utf8,
    /// In the system's code page, here 1252 as far as it agrees with Latin-1; what it lacks becomes `?`.
    CodePage,
    PercentEncoded,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RequestUri {
    #[default]
    Encoded,
    Decoded,
    Absent,
}

/// CONTENT_LENGTH of a body that comes in chunks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChunkedLength {
    #[default]
    MinusOne,
    Empty,
    Absent,
}

pub fn params(asked: &Asked<'_>, habits: Habits) -> Params {
    let Asked { parts, path, site, application, application_folder, file, local, remote, https, user } =
        *asked;
    let account = user.map_or(&b""[..], |user| user.account.as_bytes());
    let provider = user.map_or(&b""[..], |user| user.provider.as_bytes());
    let header = |name| parts.headers.get(name).map_or(&b""[..], |value| value.as_bytes());
    let mount = application.trim_end_matches('/');
    let separator = if application_folder.contains('\\') { '\\' } else { '/' };
    let folder = application_folder.trim_end_matches(separator);
    let whole = match habits.non_ascii {
        NonAscii::Utf8 => path.as_bytes().to_vec(),
        NonAscii::CodePage => {
            path.chars().map(|char| u8::try_from(u32::from(char)).unwrap_or(b'?')).collect()
        }
        NonAscii::PercentEncoded => parts.uri.path().as_bytes().to_vec(),
    };
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
    let mut params = Params::new();
    let mut add = |name: &str, value: &[u8]| params.push((name.to_owned(), value.to_vec()));
    add("APPL_MD_PATH", format!("/LM/W3SVC/{site}/ROOT{mount}").as_bytes());
    add("APPL_PHYSICAL_PATH", format!("{folder}{separator}").as_bytes());
    add("AUTH_TYPE", provider);
    add("AUTH_PASSWORD", b"");
    add("AUTH_USER", account);
    for name in ["CERT_COOKIE", "CERT_FLAGS", "CERT_ISSUER"] {
        add(name, b"");
    }
    for name in ["CERT_SERIALNUMBER", "CERT_SUBJECT"] {
        add(name, b"");
    }
    match (parts.headers.contains_key(TRANSFER_ENCODING), habits.chunked_length) {
        (true, ChunkedLength::MinusOne) => add("CONTENT_LENGTH", b"-1"),
        (true, ChunkedLength::Empty) => add("CONTENT_LENGTH", b""),
        (true, ChunkedLength::Absent) => {}
        (false, _) => add("CONTENT_LENGTH", parts.headers.get(CONTENT_LENGTH).map_or(b"0", |v| v.as_bytes())),
    }
    add("CONTENT_TYPE", header(CONTENT_TYPE));
    add("DOCUMENT_ROOT", folder.as_bytes());
    add("GATEWAY_INTERFACE", b"CGI/1.1");
    add("HTTPS", if https { b"on" } else { b"off" });
    add("HTTPS_KEYSIZE", if https { b"256" } else { b"" });
    for name in ["HTTPS_SECRETKEYSIZE", "HTTPS_SERVER_ISSUER", "HTTPS_SERVER_SUBJECT"] {
        add(name, b"");
    }
    add("INSTANCE_ID", site.to_string().as_bytes());
    add("INSTANCE_META_PATH", format!("/LM/W3SVC/{site}").as_bytes());
    add("LOCAL_ADDR", local.ip().to_string().as_bytes());
    add("LOGON_USER", account);
    add("PATH_INFO", if habits.path_info { &whole } else { b"" });
    add("PATH_TRANSLATED", file.as_bytes());
    add("QUERY_STRING", parts.uri.query().unwrap_or_default().as_bytes());
    add("REMOTE_ADDR", remote.ip().to_string().as_bytes());
    add("REMOTE_HOST", remote.ip().to_string().as_bytes());
    add("REMOTE_PORT", remote.port().to_string().as_bytes());
    if habits.remote_user || user.is_some() {
        add("REMOTE_USER", account);
    }
    add("REQUEST_METHOD", parts.method.as_str().as_bytes());
    match habits.request_uri {
        RequestUri::Encoded => add("REQUEST_URI", target.as_bytes()),
        RequestUri::Decoded => {
            let query = parts.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
            add("REQUEST_URI", [&whole[..], query.as_bytes()].concat().as_slice());
        }
        RequestUri::Absent => {}
    }
    add("SCRIPT_FILENAME", file.as_bytes());
    add("SCRIPT_NAME", if habits.script_name { &whole } else { b"" });
    add("SERVER_NAME", &server_name(header(HOST), local));
    add("SERVER_PORT", local.port().to_string().as_bytes());
    add("SERVER_PORT_SECURE", if https { b"1" } else { b"0" });
    add("SERVER_PROTOCOL", format!("{:?}", parts.version).as_bytes());
    add("SERVER_SOFTWARE", b"Microsoft-IIS/10.0");
    add("URL", &whole);
    for name in parts.headers.keys() {
        let separator: &[u8] = if name == COOKIE { b"; " } else { b", " };
        let values: Vec<_> = parts.headers.get_all(name).iter().map(|value| value.as_bytes()).collect();
        add(
            &format!("HTTP_{}", name.as_str().to_ascii_uppercase().replace('-', "_")),
            &values.join(separator),
        );
    }
    params
}

/// The host that the client named, without its port.
fn server_name(host: &[u8], local: SocketAddr) -> Vec<u8> {
    let host =
        std::str::from_utf8(host).ok().and_then(|host| host.parse::<hyper::http::uri::Authority>().ok());
    match host {
        Some(host) if !host.host().is_empty() => host.host().as_bytes().to_vec(),
        _ => local.ip().to_string().into_bytes(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HABITS: Habits = Habits {
        script_name: true,
        path_info: true,
        non_ascii: NonAscii::Utf8,
        request_uri: RequestUri::Encoded,
        chunked_length: ChunkedLength::MinusOne,
        remote_user: true,
    };

    fn told(request: hyper::http::request::Builder, habits: Habits) -> impl Fn(&str) -> Option<Vec<u8>> {
        told_by(request, habits, false)
    }

    fn told_by(
        request: hyper::http::request::Builder,
        habits: Habits,
        https: bool,
    ) -> impl Fn(&str) -> Option<Vec<u8>> {
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let path = percent_encoding::percent_decode_str(parts.uri.path()).decode_utf8().unwrap().into_owned();
        let asked = Asked {
            parts: &parts,
            path: &path,
            site: 3,
            application: "/app",
            application_folder: r"C:\site\www",
            file: r"C:\site\www\one",
            local: "127.0.0.1:8080".parse().unwrap(),
            remote: "127.0.0.1:50000".parse().unwrap(),
            https,
            user: None,
        };
        let params = params(&asked, habits);
        move |name| {
            let found: Vec<_> = params.iter().filter(|(known, _)| known == name).collect();
            assert!(found.len() < 2, "{name} is there twice");
            found.first().map(|(_, value)| value.clone())
        }
    }

    #[track_caller]
    fn check(found: Option<Vec<u8>>, expected: Option<&str>) {
        let expected = expected.map(|text| text.chars().map(|char| u32::from(char) as u8).collect());
        assert_eq!(found, expected, "{:?}", found.as_deref().map(String::from_utf8_lossy));
    }

    #[test]
    fn variables_are_those_of_iis() {
        let request = hyper::Request::post("/app/one?a=%20").header("Host", "www.example:8080");
        let told =
            told(request.header("Content-Length", "3").header("X-One", "1").header("Cookie", "c=1"), HABITS);
        for (name, expected) in [
            ("APPL_MD_PATH", "/LM/W3SVC/3/ROOT/app"),
            ("APPL_PHYSICAL_PATH", r"C:\site\www\"),
            ("SCRIPT_NAME", "/app/one"),
            ("PATH_INFO", "/app/one"),
            ("REQUEST_URI", "/app/one?a=%20"),
            ("QUERY_STRING", "a=%20"),
            ("CONTENT_LENGTH", "3"),
            ("CONTENT_TYPE", ""),
            ("HTTPS", "off"),
            ("REMOTE_USER", ""),
            ("SERVER_NAME", "www.example"),
            ("SERVER_PORT", "8080"),
            ("HTTP_HOST", "www.example:8080"),
            ("HTTP_X_ONE", "1"),
        ] {
            check(told(name), Some(expected));
        }
    }

    #[test]
    fn a_request_by_https_is_known_for_one() {
        let told = told_by(hyper::Request::get("/app/one"), HABITS, true);
        for (name, expected) in [("HTTPS", "on"), ("SERVER_PORT_SECURE", "1"), ("HTTPS_KEYSIZE", "256")] {
            check(told(name), Some(expected));
        }
    }

    #[test]
    fn what_is_not_known_goes_by_the_switches() {
        let get = || hyper::Request::get("/gr%C3%BCn/%E6%97%A5");
        check(told(get(), HABITS)("PATH_INFO"), Some("/gr\u{c3}\u{bc}n/\u{e6}\u{97}\u{a5}"));
        let habits = Habits { non_ascii: NonAscii::CodePage, request_uri: RequestUri::Decoded, ..HABITS };
        check(told(get(), habits)("PATH_INFO"), Some("/gr\u{fc}n/?"));
        check(told(get(), habits)("REQUEST_URI"), Some("/gr\u{fc}n/?"));
        let habits = Habits { non_ascii: NonAscii::PercentEncoded, script_name: false, ..HABITS };
        check(told(get(), habits)("PATH_INFO"), Some("/gr%C3%BCn/%E6%97%A5"));
        check(told(get(), habits)("SCRIPT_NAME"), Some(""));
        let habits = Habits { request_uri: RequestUri::Absent, remote_user: false, ..HABITS };
        check(told(get(), habits)("REQUEST_URI"), None);
        check(told(get(), habits)("REMOTE_USER"), None);
        check(told(get(), habits)("CONTENT_LENGTH"), Some("0"));
        let chunked = hyper::Request::post("/").header("Transfer-Encoding", "chunked");
        check(told(chunked, HABITS)("CONTENT_LENGTH"), Some("-1"));
    }
}
