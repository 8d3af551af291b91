//! Switching a site from release to release, and recycling its pool, while visitors ask for pages.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::lab::{Lab, agent, get, page};

/// What a visitor got: which release its header and its page speak of, and what failed.
#[derive(Default)]
struct Visits {
    seen: Vec<String>,
    failed: Vec<String>,
}

/// Visitors who ask for a static and a dynamic page in turn until `stop`.
fn visitors(url: &str, count: usize, stop: &Arc<AtomicBool>) -> Vec<std::thread::JoinHandle<Visits>> {
    let visit = |url: String, stop: Arc<AtomicBool>| {
        let agent = agent();
        let mut visits = Visits::default();
        while !stop.load(Ordering::SeqCst) {
            for path in ["/page", "/static/site.css"] {
                let page = match agent.get(format!("{url}{path}")).call() {
                    Ok(answer) => page(Ok(answer)),
                    Err(error) => {
                        visits.failed.push(format!("{path}: {error}"));
                        continue;
                    }
                };
                let release = page.header("x-holdall-release").unwrap_or_default().to_owned();
                let is_whole = page.status == 200 && !release.is_empty() && page.text.contains(&release);
                if is_whole {
                    visits.seen.push(release);
                } else {
                    visits.failed.push(format!("{path}: {page:?}"));
                }
            }
        }
        visits
    };
    (0..count)
        .map(|_| {
            let (url, stop) = (url.to_owned(), Arc::clone(stop));
            std::thread::spawn(move || visit(url, stop))
        })
        .collect()
}

/// Switches there and back under load; whether anything failed.
fn switched_under_load(switches: &str) {
    let mut lab = Lab::new();
    lab.release("two", 2);
    lab.switches("switches", switches);
    lab.serve();
    let stop = Arc::<AtomicBool>::default();
    let visitors = visitors(&lab.url(""), 4, &stop);
    for release in ["two", "one", "two"] {
        std::thread::sleep(Duration::from_millis(400));
        lab.switch(release);
        let until = Instant::now() + Duration::from_secs(10);
        while lab.get("/page").header("x-holdall-release") != Some(release) {
            assert!(Instant::now() < until, "{release} is not served: {switches}");
        }
    }
    std::thread::sleep(Duration::from_millis(400));
    stop.store(true, Ordering::SeqCst);
    for visits in visitors.into_iter().map(|visitor| visitor.join().unwrap()) {
        assert_eq!((visits.failed.len(), visits.failed.first()), (0, None), "{switches}");
        // Every visitor sees both, and each release only between two switches.
        let mut order = visits.seen;
        order.dedup();
        assert_eq!(order, ["one", "two", "one", "two"], "{switches}");
    }
}

#[test]
fn a_switch_under_load_fails_no_request_whatever_becomes_of_the_processes() {
    for answer in ["kept", "restarted"] {
        switched_under_load(&format!("\"switch.processes\" = \"{answer}\""));
    }
}

#[test]
fn a_switch_that_counts_later_fails_no_request_either() {
    switched_under_load("\"switch.delay\" = \"later\"");
}

#[test]
fn a_switch_counts_at_once_or_later_as_the_lab_is_told() {
    for (answer, expected) in [("at-once", "two"), ("later", "one")] {
        let mut lab = Lab::new();
        lab.release("two", 1);
        lab.switches("switches", &format!("\"switch.delay\" = \"{answer}\""));
        lab.serve();
        lab.switch("two");
        assert_eq!(lab.get("/static/site.css").header("x-holdall-release"), Some(expected));
        std::thread::sleep(Duration::from_millis(1600));
        assert_eq!(lab.get("/static/site.css").header("x-holdall-release"), Some("two"));
    }
}

#[test]
fn a_request_in_flight_at_a_switch_is_finished_or_broken_as_the_lab_is_told() {
    for (answer, is_finished) in [("finished", true), ("broken", false)] {
        let mut lab = Lab::new();
        lab.release("two", 1);
        lab.switches("switches", &format!("\"switch.in-flight\" = \"{answer}\""));
        lab.serve();
        let url = lab.url("/hold?1.5");
        let slow = std::thread::spawn(move || agent().get(url).call().map(|answer| answer.status().as_u16()));
        std::thread::sleep(Duration::from_millis(700));
        lab.switch("two");
        let slow = slow.join().unwrap();
        assert_eq!(slow.is_ok(), is_finished, "{slow:?}");
        assert_eq!(lab.ask("/")["release"], "two");
    }
}

#[test]
fn a_recycle_under_load_fails_no_request_and_gives_new_processes() {
    let mut lab = Lab::new();
    lab.serve();
    let before = lab.ask("/")["pid"].clone();
    let stop = Arc::<AtomicBool>::default();
    let visitors = visitors(&lab.url(""), 4, &stop);
    for recycled in 1..=3 {
        std::thread::sleep(Duration::from_millis(300));
        lab.write("runtime.json", &format!(r#"{{"pools": {{"pool": {{"recycled": {recycled}}}}}}}"#));
    }
    std::thread::sleep(Duration::from_millis(500));
    stop.store(true, Ordering::SeqCst);
    for visits in visitors.into_iter().map(|visitor| visitor.join().unwrap()) {
        assert_eq!((visits.failed.len(), visits.failed.first()), (0, None));
        assert!(!visits.seen.is_empty());
    }
    assert_eq!(lab.end_of(&before), "drained");
    let recycles = lab.journal().iter().filter(|line| line["event"] == "recycled").count();
    assert_eq!(recycles, 3);
}

#[test]
fn a_rollback_finds_the_processes_of_the_release_before_still_warm() {
    let mut lab = Lab::new();
    lab.release("two", 1);
    lab.switches("switches", "\"edit.others\" = \"kept\"");
    lab.serve();
    let one = lab.ask("/")["pid"].clone();
    lab.switch("two");
    assert_eq!(lab.ask("/")["release"], "two");
    lab.switch("one");
    assert_eq!(lab.ask("/")["pid"], one);
}

#[test]
fn an_answer_streams_or_is_held_back() {
    use std::io::Read as _;
    for (answer, is_early) in [("at-once", true), ("held-back", false)] {
        let mut lab = Lab::new();
        lab.switches("serve", &format!("\"answer.streamed\" = \"{answer}\""));
        lab.serve();
        assert_eq!(lab.get("/").status, 200);
        let begun = Instant::now();
        let mut body = agent().get(lab.url("/stream?1")).call().unwrap().into_body().into_reader();
        let mut first = [0; 6];
        body.read_exact(&mut first).unwrap();
        assert_eq!(begun.elapsed() < Duration::from_millis(800), is_early, "{answer}");
        let mut rest = String::new();
        body.read_to_string(&mut rest).unwrap();
        assert_eq!((&first, &*rest), (b"first\n", "second\n"));
    }
}

#[test]
fn a_visitor_who_leaves_costs_no_process_but_where_the_lab_says_so() {
    for (answer, is_kept) in
        [("abort-record", true), ("pipe-closed", true), ("nothing", true), ("process-ended", false)]
    {
        let mut lab = Lab::new();
        lab.applications[0].attributes = r#"maxInstances="1""#.to_owned();
        lab.switches("serve", &format!("\"request.hang-up\" = \"{answer}\""));
        lab.serve();
        let before = lab.ask("/")["pid"].clone();
        let impatient =
            ureq::Agent::config_builder().timeout_global(Some(Duration::from_millis(300))).build();
        ureq::Agent::from(impatient).get(lab.url("/hold?1")).call().unwrap_err();
        assert_eq!(get(&lab.url("/")).json()["pid"] == before, is_kept, "{answer}");
    }
}
