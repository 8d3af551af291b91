//! Processes that do what the bridge never does: words on FCGI_STDERR, answers that are none.

use crate::lab::{Lab, agent};

/// A site whose processes misbehave as the query asks.
fn served(attributes: &str) -> Lab {
    let mut lab = Lab::new();
    lab.applications[0].attributes = format!("maxInstances=\"1\" {attributes}");
    lab.misbehave();
    lab.serve();
    lab
}

#[test]
fn words_on_standard_error_do_what_the_mode_says() {
    for (mode, status, text) in [
        ("ReturnStdErrIn500", 500, "words on &lt;stderr>"),
        ("ReturnGeneric500", 500, "wrote to its standard error"),
        ("IgnoreAndReturn200", 200, ""),
        ("TerminateProcess", 500, "was terminated"),
    ] {
        let lab = served(&format!("stderrMode=\"{mode}\""));
        let before = lab.get("/").text;
        let page = lab.get("/?stderr");
        assert!(page.status == status && page.text.contains(text), "{mode}: {page:?}");
        let is_kept = lab.get("/").text == before;
        assert_eq!(is_kept, mode != "TerminateProcess", "{mode}");
    }
}

#[test]
fn what_is_no_answer_is_a_failure_of_the_server() {
    let lab = served("");
    let before = lab.get("/").text;
    for (query, text) in
        [("headless", "gave no answer"), ("refused", "with status 3"), ("nonsense", "not FastCGI")]
    {
        let page = lab.get(&format!("/?{query}"));
        assert!(page.status == 500 && page.text.contains(text), "{query}: {page:?}");
    }
    // What speaks no FastCGI any more is replaced.
    assert_ne!(lab.get("/").text, before);
}

#[test]
fn an_answer_shorter_than_it_says_is_not_taken_for_whole() {
    let lab = served("");
    let answer = agent().get(lab.url("/?length")).call();
    assert!(answer.and_then(|mut answer| answer.body_mut().read_to_string()).is_err());
    assert_eq!(lab.get("/").status, 200);
}
