//! Static files: what lies below `www/`, and nothing else.

use std::io::{self, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::BytesMut;
use hyper::header::{
    ACCEPT_RANGES, ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderMap,
    HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, LAST_MODIFIED, RANGE,
};
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode};
use tokio::io::AsyncReadExt as _;
use tokio::sync::mpsc;

use crate::entry::EntryPath;
use crate::target::Target;

use super::body::{Body, Piece};
use super::range::{Wanted, wanted};

/// The static files of a release.
#[derive(Debug, Clone)]
pub struct Files {
    pub www: PathBuf,
    /// For which file names are looked at as this target has them.
    pub target: Target,
    /// Whether names that carry a hash may be cached for ever.
    pub hashed: bool,
}

impl Files {
    /// Answers with the file that the request names; `None` when there is no such file.
    pub async fn answer(&self, parts: &Parts) -> Option<Response<Body>> {
        let name = requested(parts.uri.path(), self.target)?;
        let (www, path) = (self.www.clone(), name.below(&self.www));
        // Disk may be slow, and a slow disk must not hold up other requests.
        let opened = tokio::task::spawn_blocking(move || open_below(&www, &path)).await;
        let file = opened.ok()??;
        Some(self.respond(parts, &name, file))
    }

    fn respond(&self, parts: &Parts, name: &EntryPath, file: Found) -> Response<Body> {
        if parts.method != Method::GET && parts.method != Method::HEAD {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        let mut response = Response::new(Body::empty());
        let for_ever = self.hashed && carries_hash(name.as_str());
        let cache = if for_ever { "public, max-age=31536000, immutable" } else { "no-cache" };
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static(cache));
        headers.insert(ETAG, text(&file.etag()));
        headers.insert(LAST_MODIFIED, text(&httpdate::fmt_http_date(file.modified)));
        headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        if file.is_known(&parts.headers) {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return response;
        }
        headers.insert(CONTENT_TYPE, text(&content_type(name.as_str())));
        let (start, end) = match file.wanted(&parts.headers) {
            Wanted::Whole => (0, file.length),
            Wanted::Part(start, end) => {
                let range = format!("bytes {start}-{}/{}", end - 1, file.length);
                headers.insert(CONTENT_RANGE, text(&range));
                *response.status_mut() = StatusCode::PARTIAL_CONTENT;
                (start, end)
            }
            Wanted::Unsatisfiable => {
                headers.insert(CONTENT_RANGE, text(&format!("bytes */{}", file.length)));
                headers.remove(CONTENT_TYPE);
                *response.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
                return response;
            }
        };
        response.headers_mut().insert(CONTENT_LENGTH, (end - start).into());
        if parts.method == Method::GET && start < end {
            let (sender, pieces) = mpsc::channel(2);
            tokio::spawn(send(file.file, start, end - start, sender));
            *response.body_mut() = Body::stream(pieces, Some(end - start));
        }
        response
    }
}

/// The entry of the bundle, below `www/`, that a request's path names.
///
/// Decoded once. What is not the name of an entry names no file: so there is no way out by `..`, drives,
/// streams (`a:b`), device names, or a trailing dot that Windows would drop; and `\` separates nothing.
fn requested(path: &str, target: Target) -> Option<EntryPath> {
    let decoded = percent_encoding::percent_decode_str(path).decode_utf8().ok()?;
    let name = EntryPath::parse(decoded.strip_prefix('/')?, target).ok()?;
    // IIS keeps its settings there and shows them to nobody.
    let hidden = name.as_str().split('/').any(|part| part.eq_ignore_ascii_case("web.config"));
    (!hidden).then_some(name)
}

/// A file that may be shown.
struct Found {
    file: std::fs::File,
    length: u64,
    modified: SystemTime,
}

/// Opens a regular file that really lies below `www`, whatever links there are.
fn open_below(www: &Path, path: &Path) -> Option<Found> {
    if !fs_err::canonicalize(path).ok()?.starts_with(fs_err::canonicalize(www).ok()?) {
        return None;
    }
    // A folder or a pipe must not even be opened: a pipe would wait for its other end.
    if !fs_err::metadata(path).ok()?.is_file() {
        return None;
    }
    let file = fs_err::File::open(path).ok()?.into_parts().0;
    let metadata = file.metadata().ok()?;
    Some(Found { length: metadata.len(), modified: metadata.modified().unwrap_or(UNIX_EPOCH), file })
}

impl Found {
    fn etag(&self) -> String {
        let since = self.modified.duration_since(UNIX_EPOCH).unwrap_or_default();
        format!("\"{:x}-{:x}\"", since.as_nanos(), self.length)
    }

    /// Whether the client says that it has this very file.
    fn is_known(&self, headers: &HeaderMap) -> bool {
        if let Some(known) = headers.get(IF_NONE_MATCH).and_then(|value| value.to_str().ok()) {
            let etag = self.etag();
            return known
                .split(',')
                .map(str::trim)
                .any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag);
        }
        self.is_unchanged_since(headers.get(IF_MODIFIED_SINCE))
    }

    fn is_unchanged_since(&self, date: Option<&HeaderValue>) -> bool {
        let date =
            date.and_then(|value| value.to_str().ok()).and_then(|text| httpdate::parse_http_date(text).ok());
        // A date of HTTP has whole seconds.
        let seconds = |time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        date.is_some_and(|date| seconds(self.modified) <= seconds(date))
    }

    fn wanted(&self, headers: &HeaderMap) -> Wanted {
        if let Some(condition) = headers.get(IF_RANGE) {
            let same = condition.as_bytes() == self.etag().as_bytes()
                || condition.as_bytes() == httpdate::fmt_http_date(self.modified).as_bytes();
            if !same {
                return Wanted::Whole;
            }
        }
        let range = headers.get(RANGE).and_then(|value| value.to_str().ok());
        range.map_or(Wanted::Whole, |range| wanted(range, self.length))
    }
}

/// Sends `length` bytes from `start`, in pieces, as fast as they are taken.
async fn send(mut file: std::fs::File, start: u64, length: u64, sender: mpsc::Sender<Piece>) {
    let seeking = tokio::task::spawn_blocking(move || file.seek(SeekFrom::Start(start)).map(|_| file));
    let Ok(Ok(file)) = seeking.await else { return };
    let mut file = tokio::fs::File::from_std(file).take(length);
    let read: io::Result<()> = async {
        loop {
            let mut piece = BytesMut::with_capacity(64 * 1024);
            if file.read_buf(&mut piece).await? == 0 {
                return Ok(());
            }
            if sender.send(Piece::Data(piece.freeze())).await.is_err() {
                return Ok(());
            }
        }
    }
    .await;
    // A file that became shorter, or that the disk does not give, is cut off and not ended.
    if read.is_ok() && file.limit() == 0 {
        // A client that left does not need the end either.
        let _ = sender.send(Piece::End).await;
    }
}

/// Whether a name is one that hashed storages make: a part of twelve hex digits, `.a1b2c3d4e5f6.`, before the extension.
fn carries_hash(name: &str) -> bool {
    let file = name.rsplit('/').next().unwrap_or(name);
    let parts: Vec<&str> = file.split('.').collect();
    let inner = parts.get(1..parts.len().saturating_sub(1)).unwrap_or_default();
    inner.iter().any(|part| part.len() == 12 && part.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn content_type(name: &str) -> String {
    let kind = mime_guess::from_path(name).first_or_octet_stream();
    let text =
        kind.type_() == mime_guess::mime::TEXT || matches!(kind.subtype().as_str(), "javascript" | "json");
    if text { format!("{}; charset=utf-8", kind.essence_str()) } else { kind.essence_str().to_owned() }
}

fn text(value: &str) -> HeaderValue {
    HeaderValue::from_str(value).expect("made here of visible ASCII")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(path: &str) -> Option<String> {
        requested(path, Target::WindowsX86_64).map(|name| name.to_string())
    }

    #[test]
    fn a_path_names_the_entry_below_the_web_root() {
        assert_eq!(name("/static/a%20b/gr%C3%BC%C3%9Fe.css").as_deref(), Some("static/a b/grüße.css"));
        assert_eq!(name("/favicon.ico").as_deref(), Some("favicon.ico"));
        assert_eq!(name("/a%252e").as_deref(), Some("a%2e"));
    }

    #[test]
    fn no_path_leaves_the_web_root() {
        for path in [
            "/static/../../holdall.json",
            "/static/%2e%2e/%2e%2e/app/manage.py",
            "/static/%2E%2E%2fapp",
            "/..\\app\\manage.py",
            "/..%5capp",
            "/static%5c..%5c..%5capp",
            "//etc/passwd",
            "/%2fetc/passwd",
            "/c:/windows/win.ini",
            "/C%3A%5Cwindows",
            "/static/a.css%00.png",
            "/static/a.css.",
            "/static/a.css%20",
            "/static/a.css::$DATA",
            "/static/con",
            "/static/",
            "/",
            "",
            "/static/%ff",
            "/web.config",
            "/static/WEB%2EConfig",
            "/web.config/x",
        ] {
            assert_eq!(name(path), None, "{path}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_link_that_leads_out_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let www = folder.path().join("www");
        fs_err::create_dir_all(www.join("static")).unwrap();
        fs_err::write(folder.path().join("secret"), "s").unwrap();
        fs_err::write(www.join("static/a"), "a").unwrap();
        fs_err::os::unix::fs::symlink(folder.path().join("secret"), www.join("static/b")).unwrap();
        assert!(open_below(&www, &www.join("static/a")).is_some());
        assert!(open_below(&www, &www.join("static/b")).is_none());
        assert!(open_below(&www, &www.join("static")).is_none());
    }

    #[test]
    fn a_hash_is_a_part_of_twelve_hex_digits() {
        assert!(carries_hash("static/base.a1b2c3d4e5f6.css"));
        assert!(carries_hash("static/base.a1b2c3d4e5f6.css.map"));
        for name in [
            "static/base.css",
            "static/a1b2c3d4e5f6.css",
            "static/base.a1b2c3d4e5f6",
            "static/base.a1b2c3d4e5f.css",
            "static/base.g1b2c3d4e5f6.css",
            "static/x.a1b2c3d4e5f6.d/base.css",
        ] {
            assert!(!carries_hash(name), "{name}");
        }
    }

    #[test]
    fn text_is_utf_8() {
        assert_eq!(content_type("a.css"), "text/css; charset=utf-8");
        assert_eq!(content_type("a.js"), "text/javascript; charset=utf-8");
        assert_eq!(content_type("a.woff2"), "font/woff2");
        assert_eq!(content_type("a.svg"), "image/svg+xml");
        assert_eq!(content_type("a"), "application/octet-stream");
    }
}
