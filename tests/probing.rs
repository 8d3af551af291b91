//! A release is asked before it has visitors: through the embedded server, with the bridge of a real bundle.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use holdall::archive::Bundle;
use holdall::durable::Disk;
use holdall::progress::Silent;
use holdall::release::{Slot, expand};
use holdall::site::local::{Listening, Served, Server};
use holdall::site::probe::{Address, Expected, Pass, Question, Trouble, Visitor, Warm, warm};
use holdall::site::{BridgeToml, Place};

use crate::harness::Test;

const PROCESSES: usize = 3;

/// The guestbook, expanded, which takes visitors by HTTPS alone.
fn guestbook(test: &Test) -> Place {
    test.guestbook("site");
    let bundle = Bundle::open(&test.bundle("site", &[])).unwrap();
    let place = Place::below(&test.path("server"), bundle.manifest().clone(), bundle.identity());
    fs_err::create_dir_all(place.release.parent().unwrap()).unwrap();
    expand(&bundle, Slot::empty(&place.release).unwrap(), &Silent).unwrap();
    place.make_folders(&Disk::default()).unwrap();
    let given = [("SECRET_KEY", "not secret"), ("HTTPS_ONLY", "1"), ("ALLOWED_HOSTS", "www.example.org")];
    let given: BTreeMap<_, _> = given.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    BridgeToml::of(&place, &given).with_probes().write(&place.bridge_toml()).unwrap();
    place
}

#[test]
fn a_release_is_probed_and_warmed_up_before_it_has_visitors() {
    let test = Test::empty();
    let place = guestbook(&test);
    let listening = Listening::at(([127, 0, 0, 1], 0).into()).unwrap();
    let server = Server::start(listening, Served::release(&place, PROCESSES), |_| ()).unwrap();
    let address = Address { at: server.address(), host: "www.example.org".to_owned(), https: false };
    let visitor = Visitor::at(address.clone(), Duration::from_secs(60)).unwrap();
    let expected = Expected {
        release: "0123abcd".to_owned(),
        windows_authentication: false,
        has_https: false,
        certificate: None,
        also: Vec::new(),
    };

    // As a stranger by plain HTTP one learns nothing of the page.
    let page = Question::Page("/about/".to_owned());
    let answer = visitor.ask(&page).unwrap();
    let judged = expected.judge(&address, &page, &answer);
    assert!(
        matches!(&judged, Err(Trouble::SslRedirect { location, .. }) if location == "https://www.example.org/about/"),
        "{judged:?}"
    );
    assert_eq!(answer.process, None);

    // With leave to probe the project takes the request for one of a visitor.
    let pass = Pass::issue(&place, None, Duration::from_secs(60)).unwrap();
    let probing = visitor.clone().with_pass(&pass, true);
    let answer = probing.ask(&page).unwrap();
    assert_eq!(answer.status, 200, "{:?}", answer.said);
    assert!(answer.process.is_some());
    drop(pass);
    let answer = probing.ask(&page).unwrap();
    assert_eq!((answer.status, answer.process), (301, None), "it has been taken back");

    let first = warm_up(&place, &visitor, &expected);
    let begun = Instant::now();
    let second = warm_up(&place, &visitor, &expected);
    assert_eq!(first, second, "they are the same processes");
    assert!(begun.elapsed() < Duration::from_secs(20), "nobody had to wait for a process that did not come");
    assert_eq!(fs_err::read_dir(place.tmp()).unwrap().count(), 0, "nothing stays behind");
    server.stop().unwrap();
}

fn warm_up(place: &Place, visitor: &Visitor, expected: &Expected) -> Vec<u32> {
    let warm_up = Warm { processes: PROCESSES, wait: Duration::from_secs(50) };
    let pass = Pass::issue(place, Some(warm_up), Duration::from_secs(60)).unwrap();
    let warmed = warm(&visitor.clone().with_pass(&pass, true), "/about/", expected, &pass);
    assert_eq!(warmed.processes.len(), PROCESSES, "{:?}", warmed.troubles);
    // The embedded server names no release.
    assert!(warmed.troubles.iter().all(|trouble| matches!(trouble, Trouble::NoRelease { status: 200, .. })));
    warmed.processes.into_iter().collect()
}
