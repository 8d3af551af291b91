//! Static files.

use std::io::Write as _;

use super::Test;
use super::client::{ask, connect, get, read};

#[test]
fn a_file_is_served_with_type_length_and_dates() {
    let test = Test::start();
    let reply = get(test.address(), "/static/base.css");
    assert_eq!((reply.status, &*reply.text()), (200, "body {}"));
    assert_eq!(reply.header("content-type"), Some("text/css; charset=utf-8"));
    assert_eq!(reply.header("content-length"), Some("7"));
    assert_eq!(reply.header("cache-control"), Some("no-cache"));
    assert!(reply.header("last-modified").unwrap().ends_with(" GMT"));
    assert!(reply.header("etag").unwrap().starts_with('"'));
    let named = get(test.address(), "/static/gr%C3%BC%C3%9Fe.txt");
    assert_eq!((named.status, &*named.text()), (200, "0123456789"));
}

#[test]
fn a_hashed_name_may_be_kept_for_ever() {
    let hashed = "/static/base.a1b2c3d4e5f6.css";
    let kept = get(Test::start().address(), hashed);
    assert_eq!(kept.header("cache-control"), Some("public, max-age=31536000, immutable"));
    let plain = Test::with(|served| served.hashed_static = false);
    assert_eq!(get(plain.address(), hashed).header("cache-control"), Some("no-cache"));
}

#[test]
fn head_tells_the_same_without_the_file() {
    let test = Test::start();
    let reply = ask(test.address(), "HEAD /static/base.css", &[]);
    assert_eq!((reply.status, reply.header("content-length"), reply.body.len()), (200, Some("7"), 0));
}

#[test]
fn a_file_that_the_client_has_is_not_sent_again() {
    let test = Test::start();
    let first = get(test.address(), "/static/base.css");
    let (etag, date) = (first.header("etag").unwrap(), first.header("last-modified").unwrap());
    let conditions = [
        (format!("If-None-Match: {etag}"), 304),
        (format!("If-None-Match: \"other\", W/{etag}"), 304),
        ("If-None-Match: \"other\"".to_owned(), 200),
        (format!("If-Modified-Since: {date}"), 304),
        ("If-Modified-Since: Mon, 01 Jan 2001 00:00:00 GMT".to_owned(), 200),
        (format!("If-None-Match: \"other\"\r\nIf-Modified-Since: {date}"), 200),
    ];
    for (condition, status) in conditions {
        let reply = ask(test.address(), "GET /static/base.css", &[&condition]);
        assert_eq!(reply.status, status, "{condition}");
        assert_eq!(reply.header("etag"), Some(etag));
        assert_eq!(reply.body.is_empty(), status == 304);
    }
}

#[test]
fn one_range_of_a_file_is_sent_alone() {
    let test = Test::start();
    let path = "GET /static/gr%C3%BC%C3%9Fe.txt";
    let part = ask(test.address(), path, &["Range: bytes=2-4"]);
    assert_eq!((part.status, &*part.text()), (206, "234"));
    assert_eq!(part.header("content-range"), Some("bytes 2-4/10"));
    assert_eq!(part.header("content-length"), Some("3"));
    let beyond = ask(test.address(), path, &["Range: bytes=10-"]);
    assert_eq!((beyond.status, beyond.header("content-range")), (416, Some("bytes */10")));
    let changed = ask(test.address(), path, &["Range: bytes=2-4", "If-Range: \"older\""]);
    assert_eq!((changed.status, &*changed.text()), (200, "0123456789"));
}

#[test]
fn a_large_file_arrives_whole() {
    let test = Test::start();
    let content: Vec<u8> = (0..5_000_000u32).map(|n| (n % 253) as u8).collect();
    std::fs::write(test.www().join("static/large.bin"), &content).unwrap();
    assert!(get(test.address(), "/static/large.bin").body == content);
    let part = ask(test.address(), "GET /static/large.bin", &["Range: bytes=4000000-"]);
    assert!(part.body == content[4_000_000..]);
}

#[test]
fn nothing_outside_the_web_root_is_ever_shown() {
    let test = Test::start();
    for path in [
        "/static/../holdall.json",
        "/static/../../holdall.json",
        "/../holdall.json",
        "/static/%2e%2e/%2e%2e/holdall.json",
        "/%2e%2e/app/settings.py",
        "/%2e%2e%2fapp%2fsettings.py",
        "/..\\app\\settings.py",
        "/%2e%2e%5capp%5csettings.py",
        "/static/..%5c..%5capp%5csettings.py",
        "//app/settings.py",
        "/app/settings.py",
        "/python/python",
        "/holdall.json",
        "/www/web.config",
        "/web.config",
        "/WEB.CONFIG",
        "/web%2econfig",
        "/%252e%252e/holdall.json",
        "/.",
        "/..",
        "/static/..",
    ] {
        let mut stream = connect(test.address());
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let reply = read(stream).unwrap();
        assert!(!reply.text().contains("secret"), "{path}");
        assert!(matches!(reply.status, 400 | 404), "{path}: {}", reply.status);
    }
}

#[test]
fn what_is_no_file_is_the_applications_business() {
    let test = Test::start();
    for path in ["/static/missing.css", "/static/", "/static", "/"] {
        let reply = get(test.address(), path);
        assert_eq!(reply.status, 404);
        assert!(reply.text().starts_with("pid="), "{path} did not reach the application");
    }
}

#[test]
fn a_file_can_only_be_read() {
    let reply = ask(Test::start().address(), "DELETE /static/base.css", &[]);
    assert_eq!((reply.status, reply.header("allow")), (405, Some("GET, HEAD")));
}
