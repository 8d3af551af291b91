//! Asking a small server on the loopback address, which answers as the test wants.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};

use super::*;
use crate::durable::Disk;
use crate::site::place::tests::guestbook;

const NEW: &str = "0123abcd";

/// Answers each connection with what `answer` makes of the head of its request; with nothing, it says nothing and
/// keeps the connection for a while.
fn serve(answer: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> SocketAddr {
    accept(move |stream| talk(stream, &answer))
}

fn accept(work: impl Fn(TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    let work = Arc::new(work);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let work = Arc::clone(&work);
            std::thread::spawn(move || work(stream));
        }
    });
    at
}

fn talk(mut stream: impl Read + Write, answer: impl Fn(&str) -> Option<String>) {
    let mut head = String::new();
    let mut reader = BufReader::new(&mut stream);
    while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).is_ok_and(|read| read > 0) {}
    match answer(&head) {
        Some(answer) => {
            let _ = stream.write_all(answer.as_bytes()).and_then(|()| stream.flush());
        }
        None => std::thread::sleep(Duration::from_secs(5)),
    }
}

fn page(status: &str, headers: &str, body: &str) -> Option<String> {
    let length = body.len();
    Some(format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n{body}"))
}

fn of(release: &str) -> String {
    format!("X-Holdall-Release: {release}\r\n")
}

fn address(at: SocketAddr) -> Address {
    Address { at, host: "www.example.org".to_owned(), https: false }
}

fn visitor(at: SocketAddr) -> Visitor {
    Visitor::at(address(at), Duration::from_secs(2)).unwrap()
}

fn expected() -> Expected {
    Expected {
        release: NEW.to_owned(),
        windows_authentication: false,
        has_https: false,
        certificate: None,
        also: Vec::new(),
    }
}

fn root() -> Question {
    Question::Page("/?q=a%20b".to_owned())
}

#[test]
fn the_address_is_connected_to_and_the_host_is_asked_for() {
    let at = serve(|head| page("200 OK", "", &head.replace("accept: */*\r\n", "")));
    for (host, said) in [
        ("www.example.org", "host: www.example.org"),
        ("www.example.org:8080", "host: www.example.org:8080"),
        ("www.example.org:80", "host: www.example.org"),
        ("192.0.2.7", "host: 192.0.2.7"),
        ("[2001:db8::1]:81", "host: [2001:db8::1]:81"),
        ("Www.Example.Org", "host: www.example.org"),
        ("täst.example", "host: xn--tst-qla.example"),
    ] {
        let address = Address { at, host: host.to_owned(), https: false };
        let answer = Visitor::at(address, Duration::from_secs(2)).unwrap().ask(&root()).unwrap();
        assert_eq!(answer.said[0], "GET /?q=a%20b HTTP/1.1");
        assert!(answer.said.iter().any(|line| line == said), "{said} in {answer:?}");
    }
}

#[test]
fn what_cannot_be_asked_is_said_before_anybody_is_asked() {
    for (host, path) in [("", "/"), ("a b", "/"), ("www.example.org", "about")] {
        let address = Address { at: ([127, 0, 0, 1], 9).into(), host: host.to_owned(), https: false };
        let asked =
            Visitor::at(address, Duration::from_secs(2)).unwrap().ask(&Question::File(path.to_owned()));
        assert!(matches!(asked, Err(Trouble::Unaskable { .. })), "{host} {path}: {asked:?}");
    }
}

#[test]
fn an_answer_names_its_release_and_its_process() {
    let at =
        serve(|_| page("302 Found", &format!("{}X-Holdall-Process: 7\r\nLocation: /a\r\n", of(NEW)), ""));
    let answer = visitor(at).ask(&root()).unwrap();
    assert_eq!((answer.status, answer.release.as_deref(), answer.process), (302, Some(NEW), Some(7)));
    assert_eq!((answer.location.as_deref(), answer.said.len()), (Some("/a"), 0));
    assert_eq!(expected().judge(&address(at), &root(), &answer), Ok(Some(7)));
}

#[test]
fn silence_of_every_kind_is_told_apart() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_eq!(visitor(nobody).ask(&root()), Err(Trouble::Refused { at: nobody }));
    let hanging = Visitor::at(address(serve(|_| None)), Duration::from_millis(200)).unwrap();
    assert!(matches!(hanging.ask(&root()), Err(Trouble::Hung { path, .. }) if path == "/?q=a%20b"));
    let closing = visitor(serve(|_| Some(String::new())));
    assert!(matches!(closing.ask(&root()), Err(Trouble::Broken { .. })), "{:?}", closing.ask(&root()));
    let plain = Address { https: true, ..address(serve(|_| Some("HTTP/1.1 400 Bad\r\n\r\n".to_owned()))) };
    let asked = Visitor::at(plain, Duration::from_secs(2)).unwrap().ask(&root());
    assert!(matches!(asked, Err(Trouble::Tls { .. })), "{asked:?}");
}

#[test]
fn a_failure_is_told_with_its_first_lines() {
    let body = "<html><title>OperationalError at /</title><pre>no such table: shop_order</pre></html>";
    let at = serve(move |_| {
        page("500 Internal Server Error", &format!("{}Content-Type: text/html\r\n", of(NEW)), body)
    });
    let answer = visitor(at).ask(&root()).unwrap();
    let trouble = expected().judge(&address(at), &root(), &answer).unwrap_err();
    let told = trouble.to_string();
    assert!(
        told.contains(&format!("http://www.example.org ({at}) answers `/?q=a%20b` with status 500")),
        "{told}"
    );
    assert!(told.ends_with("  | OperationalError at /\n  | no such table: shop_order"), "{told}");
}

/// A server with a certificate for `names`, which notes whom it is asked for.
fn serve_tls(names: &[&str]) -> (SocketAddr, Vec<u8>) {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    let der = made.cert.der().to_vec();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let config = Arc::new(config);
    let at = accept(move |mut socket| {
        let mut tls = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
        while tls.is_handshaking() && tls.complete_io(&mut socket).is_ok() {}
        let asked_for = tls.server_name().unwrap_or("nobody").to_owned();
        let mut stream = rustls::Stream::new(&mut tls, &mut socket);
        talk(&mut stream, |_| page("200 OK", &of(NEW), &asked_for));
        tls.send_close_notify();
        let _ = tls.complete_io(&mut socket);
    });
    (at, der)
}

#[test]
fn a_certificate_is_named_and_not_judged() {
    let (at, der) = serve_tls(&["www.example.org", "example.org"]);
    let thumbprint = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, &der);
    let thumbprint: String = thumbprint.as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
    for (host, asked_for, fits) in [
        ("www.example.org", "www.example.org", true),
        ("other.example.org:8443", "other.example.org", false),
        ("192.0.2.7", "nobody", false),
    ] {
        let address = Address { at, host: host.to_owned(), https: true };
        let answer = Visitor::at(address, Duration::from_secs(5)).unwrap().ask(&root()).unwrap();
        let certificate = answer.certificate.unwrap();
        assert_eq!((answer.said, certificate.fits), (vec![asked_for.to_owned()], fits), "{host}");
        assert_eq!(certificate.thumbprint, thumbprint);
        assert_eq!(certificate.names, ["www.example.org", "example.org"]);
    }
}

/// A server whose nth answer, from 0, is what `answer` gives.
fn serve_in_turn(answer: impl Fn(usize) -> Option<String> + Send + Sync + 'static) -> SocketAddr {
    let count = AtomicUsize::new(0);
    serve(move |_| answer(count.fetch_add(1, Ordering::SeqCst)))
}

fn wait(at: SocketAddr, limit: Duration, seen: &mut Vec<String>) -> Result<Waited, Trouble> {
    let questions = [Question::File("/static/a.css".to_owned()), root()];
    wait_until(&visitor(at), &questions, &expected(), 3, limit, |trouble| seen.push(trouble.to_string()))
}

#[test]
fn a_release_is_waited_for_until_it_answers_several_times_in_a_row() {
    // The release before answers, then nobody, then both by turns: only what comes in a row counts.
    let at = serve_in_turn(|nth| match nth {
        0 | 4 | 9 => page("200 OK", &of("fedcba98"), ""),
        1 => page("503 Service Unavailable", "Server: Microsoft-HTTPAPI/2.0\r\n", ""),
        _ => page("200 OK", &format!("{}X-Holdall-Process: {}\r\n", of(NEW), 10 + nth % 2), ""),
    });
    let mut seen = Vec::new();
    let waited = wait(at, Duration::from_secs(20), &mut seen).unwrap();
    assert_eq!(seen.len(), 4, "{seen:?}");
    assert!(seen[0].contains("with release fedcba98") && seen[1].contains("Windows itself"), "{seen:?}");
    assert_eq!(waited.rounds, 10, "{seen:?}");
    assert_eq!(waited.processes, BTreeSet::from([10, 11]));
}

#[test]
fn a_release_that_never_comes_is_waited_for_no_longer_than_the_limit() {
    let at = serve(|_| page("200 OK", &of("fedcba98"), ""));
    let begun = Instant::now();
    let waited = wait(at, Duration::from_millis(300), &mut Vec::new());
    assert!(matches!(waited, Err(Trouble::OtherRelease { found, .. }) if found == "fedcba98"));
    assert!((Duration::from_millis(300)..Duration::from_secs(3)).contains(&begun.elapsed()));
}

#[test]
fn a_release_that_fails_by_itself_is_not_waited_for() {
    let at = serve(|head| match head.contains("/static/") {
        true => page("200 OK", &of(NEW), ""),
        false => page("400 Bad Request", &of(NEW), ""),
    });
    let mut seen = Vec::new();
    let waited = wait(at, Duration::from_secs(60), &mut seen);
    assert!(matches!(waited, Err(Trouble::HostRefused { host, .. }) if host == "www.example.org"));
    assert_eq!(seen.len(), 3);
}

/// How a release with one process is waited for that never answers `/hangs/`, nor anything else from then on; and how
/// many troubles were seen.
fn wait_with_silence(questions: &[Question], limit: Duration) -> (Trouble, usize) {
    let hangs = AtomicBool::new(false);
    let at = serve(move |head| {
        hangs.fetch_or(head.contains("/hangs/"), Ordering::SeqCst);
        if hangs.load(Ordering::SeqCst) && !head.contains("/static/") {
            return None;
        }
        page("200 OK", &of(NEW), "")
    });
    let visitor = Visitor::at(address(at), Duration::from_millis(200)).unwrap();
    let mut seen = 0;
    let waited = wait_until(&visitor, questions, &expected(), 3, limit, |_| seen += 1);
    (waited.unwrap_err(), seen)
}

#[test]
fn a_page_that_hangs_is_not_waited_for_once_the_release_has_answered_another() {
    let hangs = Question::Page("/hangs/".to_owned());
    let (trouble, seen) = wait_with_silence(&[root(), hangs], Duration::from_secs(60));
    // It is the one that is told, and not the one that found no process afterwards.
    assert!(matches!(&trouble, Trouble::Hung { path, .. } if path == "/hangs/"), "{trouble}");
    assert_eq!(seen, 3);
}

#[test]
fn a_release_that_has_only_files_to_show_may_still_be_starting_and_is_waited_for() {
    let (file, hangs) = (Question::File("/static/a.css".to_owned()), Question::Page("/hangs/".to_owned()));
    for questions in [vec![hangs.clone()], vec![file, hangs]] {
        let (trouble, seen) = wait_with_silence(&questions, Duration::from_secs(3));
        assert!(matches!(trouble, Trouble::Hung { .. }), "{trouble}");
        assert!(seen > 3, "{seen}");
    }
}

#[test]
fn warming_up_asks_so_often_at_once_and_tells_the_processes() {
    let root = tempfile::tempdir().unwrap();
    let place = guestbook(root.path());
    place.make_folders(&Disk::default()).unwrap();
    let warm_up = Warm { processes: 4, wait: Duration::from_secs(1) };
    let pass = Pass::issue(&place, Some(warm_up), Duration::from_secs(60)).unwrap();
    let (together, count) = (Barrier::new(4), AtomicUsize::new(0));
    let at = serve(move |head| {
        let is_warm = head.contains("x-holdall-probe: ") && head.contains(";scheme=https;warm\r\n");
        // If they came one after the other, the first would wait here for ever.
        together.wait();
        let nth = count.fetch_add(1, Ordering::SeqCst);
        let status = if is_warm && nth != 3 { "200 OK" } else { "500 Internal Server Error" };
        page(status, &format!("{}X-Holdall-Process: {}\r\n", of(NEW), 100 + nth / 2), "")
    });
    let visitor = visitor(at).with_pass(&pass, true);
    let warmed = warm(&visitor, "/", &expected(), &pass);
    assert_eq!(warmed.processes, BTreeSet::from([100, 101]));
    assert_eq!(warmed.troubles.len(), 1, "{:?}", warmed.troubles);
    assert!(!format!("{visitor:?}").contains("scheme="), "the token is in no log");
}
