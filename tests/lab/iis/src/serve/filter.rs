//! Request filtering: what is refused before any handler sees it, with the substatus that IIS gives.

use hyper::http::request::Parts;

use super::settings::Filtering;

/// Whether a `+`, or one that is encoded, counts as escaped twice; no public source says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plus {
    pub is_refused: bool,
    pub encoded_is_refused: bool,
}

/// The substatus of 404 with which a request is refused; `path` is the decoded one.
pub fn refused(filtering: &Filtering, parts: &Parts, path: &str, plus: Plus) -> Option<u16> {
    let raw = parts.uri.path();
    if !filtering.verbs.allows(parts.method.as_str()) {
        return Some(6);
    }
    if raw.len() > filtering.max_url {
        return Some(14);
    }
    if parts.uri.query().is_some_and(|query| query.len() > filtering.max_query) {
        return Some(15);
    }
    if !filtering.allow_double_escaping && is_double_escaped(raw, path, plus) {
        return Some(11);
    }
    let lower = path.to_lowercase();
    if filtering.denied_sequences.iter().any(|denied| lower.contains(&denied.to_lowercase())) {
        return Some(5);
    }
    let is_hidden =
        |segment: &str| filtering.hidden_segments.iter().any(|hidden| hidden.to_lowercase() == segment);
    if lower.split('/').any(is_hidden) {
        return Some(8);
    }
    let last = path.rsplit('/').next().unwrap_or_default();
    // A path without an extension counts as unlisted, and is allowed with the extension `.` as IIS has it.
    if last.rfind('.').is_some_and(|dot| !filtering.extensions.allows(&last[dot..])) {
        return Some(7);
    }
    let length = parts.headers.get(hyper::header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    let length = length.and_then(|length| length.parse::<u64>().ok());
    length.is_some_and(|length| length > filtering.max_content_length).then_some(13)
}

/// Decoding once more must change nothing.
fn is_double_escaped(raw: &str, path: &str, plus: Plus) -> bool {
    let again = percent_encoding::percent_decode_str(path).decode_utf8_lossy();
    again != path
        || plus.is_refused && raw.contains('+')
        || plus.encoded_is_refused && raw.to_ascii_lowercase().contains("%2b")
}

#[cfg(test)]
mod tests {
    use super::super::route::canonical;
    use super::super::settings::Listed;
    use super::*;

    const PLUS: Plus = Plus { is_refused: true, encoded_is_refused: false };

    fn installed() -> Filtering {
        let unlisted = Listed { allow_unlisted: true, listed: Vec::new() };
        Filtering {
            max_content_length: 30_000_000,
            max_url: 4096,
            max_query: 2048,
            hidden_segments: vec!["web.config".to_owned(), "bin".to_owned()],
            extensions: Listed { listed: vec![(".config".to_owned(), false)], ..unlisted.clone() },
            verbs: Listed { listed: vec![("TRACE".to_owned(), false)], ..unlisted },
            denied_sequences: vec!["..".to_owned()],
            ..Filtering::default()
        }
    }

    #[track_caller]
    fn check(request: hyper::http::request::Builder, filtering: &Filtering, expected: Option<u16>) {
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let path = canonical(parts.uri.path()).unwrap();
        assert_eq!(refused(filtering, &parts, &path, PLUS), expected, "{}", parts.uri);
    }

    #[test]
    fn each_refusal_has_its_number() {
        let get = |target: &str| hyper::Request::get(target);
        let filtering = installed();
        check(get("/binary/x?bin/x"), &filtering, None);
        check(get("/a/BIN/x"), &filtering, Some(8));
        check(get("/Web.config"), &filtering, Some(8));
        check(get("/a.CONFIG"), &filtering, Some(7));
        check(get("/a.config/b"), &filtering, None);
        check(get("/a%252Fb"), &filtering, Some(11));
        check(get("/a+b"), &filtering, Some(11));
        check(get("/a%2Bb?a+b"), &filtering, None);
        check(get("/a...b"), &filtering, Some(5));
        check(get(&format!("/{}", "x".repeat(4096))), &filtering, Some(14));
        check(get(&format!("/?{}", "x".repeat(2048))), &filtering, None);
        check(get(&format!("/?{}", "x".repeat(2049))), &filtering, Some(15));
        check(hyper::Request::trace("/"), &filtering, Some(6));
        check(hyper::Request::post("/").header("Content-Length", "30000000"), &filtering, None);
        check(hyper::Request::post("/").header("Content-Length", "30000001"), &filtering, Some(13));
    }

    #[test]
    fn double_escaping_may_be_allowed() {
        let filtering = Filtering { allow_double_escaping: true, ..installed() };
        check(hyper::Request::get("/a+b%252F"), &filtering, None);
    }
}
