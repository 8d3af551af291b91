//! Visitors of a site that is closed, and requests that take their time.

use super::client::{Answer, get};
use super::probe::start;

fn status(answer: &Answer) -> &str {
    answer.head.lines().find_map(|line| line.strip_prefix("Status: ")).unwrap()
}

#[test]
fn a_closed_site_turns_visitors_away_and_lets_those_through_who_may_come() {
    let bridge = start("environment", "probe.file = 'probe.toml'\nmaintenance.file = 'closed.toml'\n");
    let from = |address: &str| bridge.connect().ask(&get("/page?key=1").with("REMOTE_ADDR", address));
    assert_eq!(status(&from("192.0.2.1")), "200 OK");
    let file = bridge.folder.path().join("closed.toml");
    std::fs::write(&file, "retry-after = 7\nmessage = 'a & b'\nallow = ['198.51.100.0/24']\n").unwrap();
    let closed = from("192.0.2.1");
    assert_eq!(status(&closed), "503 Service Unavailable");
    assert!(closed.head.contains("Retry-After: 7") && closed.text().contains("<p>a &amp; b</p>"));
    let posted =
        bridge.connect().ask(&get("/").with("REQUEST_METHOD", "POST").with("REMOTE_ADDR", "192.0.2.1"));
    assert_eq!(status(&posted), "503 Service Unavailable");
    assert_eq!(status(&from("198.51.100.7")), "200 OK");
    // Whoever puts a release into service sees it.
    let token = "0123456789abcdef0123456789abcdef";
    let pass = format!("token = '{token}'\nexpires = 99999999999\n");
    std::fs::write(bridge.folder.path().join("probe.toml"), pass).unwrap();
    let probe = get("/").with("REMOTE_ADDR", "192.0.2.1").with("HTTP_X_HOLDALL_PROBE", token);
    assert_eq!(status(&bridge.connect().ask(&probe)), "200 OK");
    std::fs::remove_file(&file).unwrap();
    assert_eq!(status(&from("192.0.2.1")), "200 OK");
}

#[test]
fn what_takes_long_is_logged_without_its_query() {
    let events = "[events]\nsource = 'holdall'\nname = 'shop'\nfolder = '.'\nslow = 0\n";
    let bridge = start("environment", events);
    bridge.connect().ask(&get("/page").with("PATH_INFO", "/page").with("QUERY_STRING", "key=hidden"));
    bridge.wait_for("GET /page took 0.0 s");
    assert!(!bridge.log().contains("hidden"), "{}", bridge.log());
    assert!(bridge.folder.path().join(".event-101").exists(), "the next minute is quiet");
}
