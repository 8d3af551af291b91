//! The module for static files: a file's bytes with what caches ask for, a folder's default document.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use hyper::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_TYPE, ETAG, EXPIRES, HeaderMap, HeaderName, HeaderValue,
    IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED, LOCATION,
};
use hyper::http::request::Parts;
use hyper::{Method, StatusCode};

use super::pages::Trouble;
use super::route::OnDisk;
use super::settings::{Cache, Settings, StaticContent};

/// An answer: status, headers, body.
pub type Answer = (StatusCode, HeaderMap, Vec<u8>);

pub fn answer(parts: &Parts, path: &str, on_disk: OnDisk, settings: &Settings) -> Result<Answer, Trouble> {
    let file = match on_disk {
        OnDisk::Nothing => return Err(Trouble::new(404, 0, "there is no such file")),
        OnDisk::Folder(_) if !path.ends_with('/') => return Ok(redirect(parts)),
        OnDisk::Folder(folder) => default_document(&folder, settings)?,
        OnDisk::File(file) => file,
    };
    if parts.method != Method::GET && parts.method != Method::HEAD {
        return Err(Trouble::new(405, 0, "the module for static files takes GET and HEAD alone"));
    }
    let extension = file.extension().map(|extension| format!(".{}", extension.to_string_lossy()));
    // A file without an extension has the type of the extension `.`.
    let extension = extension.unwrap_or_else(|| ".".to_owned());
    let types = &settings.content.types;
    let kind = types.iter().find(|(known, _)| known.eq_ignore_ascii_case(&extension));
    let (_, kind) = kind.ok_or_else(|| Trouble::new(404, 3, format!("no MIME type for `{extension}`")))?;
    let unreadable = |error: std::io::Error| Trouble::new(401, 3, error.to_string());
    let bytes = fs_err::read(&file).map_err(unreadable)?;
    let modified = fs_err::metadata(&file).and_then(|data| data.modified()).map_err(unreadable)?;
    let mut headers = HeaderMap::new();
    let mut set = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    set(CONTENT_TYPE, kind);
    set(ACCEPT_RANGES, "none");
    set(LAST_MODIFIED, &httpdate::fmt_http_date(modified));
    let etag = format!("\"{:x}:0\"", nanoseconds(modified));
    if settings.content.sets_etag {
        set(ETAG, &etag);
    }
    cache(&settings.content, set);
    if is_known(parts, &etag, modified) {
        headers.remove(CONTENT_TYPE);
        return Ok((StatusCode::NOT_MODIFIED, headers, Vec::new()));
    }
    Ok((StatusCode::OK, headers, bytes))
}

/// A folder's address ends in a slash: so relative links in its document mean what they should.
fn redirect(parts: &Parts) -> Answer {
    let query = parts.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let place = HeaderValue::from_str(&format!("{}/{query}", parts.uri.path()));
    let headers = place.into_iter().map(|place| (LOCATION, place)).collect();
    (StatusCode::MOVED_PERMANENTLY, headers, Vec::new())
}

fn default_document(folder: &Path, settings: &Settings) -> Result<PathBuf, Trouble> {
    let mut documents = settings.default_documents.iter().map(|name| folder.join(name));
    documents
        .find(|file| file.is_file())
        .ok_or_else(|| Trouble::new(403, 14, "the folder has no default document and may not be listed"))
}

fn cache(content: &StaticContent, mut set: impl FnMut(HeaderName, &str)) {
    let control = match &content.cache {
        Cache::NoControl => String::new(),
        Cache::Disabled => "no-cache".to_owned(),
        Cache::MaxAge(age) => format!("max-age={}", age.as_secs()),
        Cache::Expires(when) => {
            set(EXPIRES, when);
            String::new()
        }
    };
    let words = [&*content.custom, &*control].into_iter().filter(|word| !word.is_empty());
    let words = words.collect::<Vec<_>>().join(",");
    if !words.is_empty() {
        set(CACHE_CONTROL, &words);
    }
}

/// Whether the client has the file already.
fn is_known(parts: &Parts, etag: &str, modified: SystemTime) -> bool {
    let text = |name| parts.headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    match (text(IF_NONE_MATCH), text(IF_MODIFIED_SINCE)) {
        (Some(known), _) => known.split(',').map(str::trim).any(|known| known == "*" || known == etag),
        // HTTP counts whole seconds.
        (_, Some(since)) => httpdate::parse_http_date(since)
            .is_ok_and(|since| nanoseconds(modified) / 1_000_000_000 <= nanoseconds(since) / 1_000_000_000),
        _ => false,
    }
}

fn nanoseconds(time: SystemTime) -> u128 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos())
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::http::request::Builder;

    fn settings() -> Settings {
        let content = StaticContent {
            types: vec![(".css".to_owned(), "text/css".to_owned())],
            cache: Cache::MaxAge(std::time::Duration::from_secs(60)),
            custom: "public".to_owned(),
            sets_etag: true,
        };
        Settings { content, default_documents: vec!["index.css".to_owned()], ..Settings::default() }
    }

    fn asked(request: Builder, on_disk: OnDisk) -> Result<Answer, Trouble> {
        let (parts, ()) = request.body(()).unwrap().into_parts();
        answer(&parts, parts.uri.path(), on_disk, &settings())
    }

    #[test]
    fn a_file_is_sent_with_what_caches_ask_for_and_not_again() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.CSS");
        fs_err::write(&file, "body").unwrap();
        let on_disk = || OnDisk::File(file.clone());
        let (status, headers, body) = asked(hyper::Request::get("/a.CSS"), on_disk()).unwrap();
        assert_eq!((status, &body[..]), (StatusCode::OK, &b"body"[..]));
        assert_eq!(headers[CONTENT_TYPE], "text/css");
        assert_eq!(headers[CACHE_CONTROL], "public,max-age=60");
        for (asked_by, answered_by) in [(IF_NONE_MATCH, ETAG), (IF_MODIFIED_SINCE, LAST_MODIFIED)] {
            let again = hyper::Request::get("/a.CSS").header(&asked_by, &headers[answered_by]);
            let (status, _, body) = asked(again, on_disk()).unwrap();
            assert_eq!((status, body.len()), (StatusCode::NOT_MODIFIED, 0), "{asked_by}");
        }
        let old = hyper::Request::get("/").header(IF_MODIFIED_SINCE, "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(asked(old, on_disk()).unwrap().0, StatusCode::OK);
        assert_eq!(asked(hyper::Request::post("/a.CSS"), on_disk()).unwrap_err().status, 405);
    }

    #[test]
    fn a_folder_is_its_default_document_or_refused() {
        let folder = tempfile::tempdir().unwrap();
        let on_disk = || OnDisk::Folder(folder.path().to_owned());
        let (status, headers, _) = asked(hyper::Request::get("/a?b"), on_disk()).unwrap();
        assert_eq!((status.as_u16(), &headers[LOCATION]), (301, &HeaderValue::from_static("/a/?b")));
        let refused = asked(hyper::Request::get("/a/"), on_disk()).unwrap_err();
        assert_eq!((refused.status, refused.substatus), (403, 14));
        fs_err::write(folder.path().join("index.css"), "").unwrap();
        assert_eq!(asked(hyper::Request::get("/a/"), on_disk()).unwrap().0, StatusCode::OK);
    }

    #[test]
    fn a_file_without_a_type_is_not_found() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.none");
        fs_err::write(&file, "").unwrap();
        let refused = asked(hyper::Request::get("/a.none"), OnDisk::File(file)).unwrap_err();
        assert_eq!((refused.status, refused.substatus), (404, 3));
    }
}
