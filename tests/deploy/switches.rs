//! What no public source tells of IIS is a switch of the lab's: the story of a deploy is told with every answer to each.
//!
//! The answers that differ from the lab's first ones are given together, as many at once as go together: what goes wrong
//! with one of them goes wrong with all. Those with which not all can hold have stories of their own, which say what then
//! holds.

use std::process::Command;

use super::bundles::Release;
use super::server::Server;
use super::visitors::Visitor;
use super::web_server::lab_program;
use crate::harness::Test;

/// Some answers. `switches` and `serve` are the sections of `lab.toml`.
struct Answers {
    switches: &'static [(&'static str, &'static str)],
    serve: &'static [(&'static str, &'static str)],
    timing: &'static str,
}

/// With all of these a site is brought to its next release and back, and no visitor notices.
const UNNOTICED: [Answers; 4] = [
    Answers { switches: &[], serve: &[], timing: "" },
    Answers {
        switches: &[
            ("full-path.case", "compared"),
            ("full-path.variables", "literal"),
            ("full-path.blanks", "quoted"),
            ("edit.itself", "kept"),
            ("edit.others", "kept"),
            ("sites.processes", "own"),
            ("switch.processes", "restarted"),
            ("switch.delay", "later"),
            ("pool.account", "later"),
            ("site.created", "stopped"),
            ("site.port-taken", "stopped"),
            ("site.start-twice", "error"),
            ("site.stop-twice", "error"),
            ("appcmd.encoding", "code-page"),
            ("appcmd.nothing-found", "error"),
        ],
        serve: &[
            ("params.path", "path-info"),
            ("params.non-ascii", "code-page"),
            ("params.request-uri", "decoded"),
            ("params.chunked-length", "empty"),
            ("params.remote-user", "absent"),
            ("request.hang-up", "pipe-closed"),
            ("answer.streamed", "held-back"),
            ("filter.plus", "passed"),
            ("filter.percent-2b", "passed"),
            ("pipe.end", "client"),
            ("pipe.handle", "overlapped"),
            ("pipe.connected", "connected"),
        ],
        timing: "later = 800\nknown = 300",
    },
    Answers {
        switches: &[
            ("full-path.blanks", "neither"),
            ("site.port-taken", "started"),
            ("appcmd.encoding", "lost"),
        ],
        serve: &[
            ("params.path", "script-name"),
            ("params.non-ascii", "percent-encoded"),
            ("params.request-uri", "absent"),
            ("params.chunked-length", "absent"),
            ("request.hang-up", "process-ended"),
        ],
        timing: "",
    },
    Answers {
        switches: &[("full-path.blanks", "both")],
        serve: &[("params.path", "neither"), ("request.hang-up", "nothing")],
        timing: "",
    },
];

/// With these some visitors may notice, or not every folder or port will do: see the stories below.
const NOTICED: &[(&str, &[&str])] = &[
    ("switch.in-flight", &["finished", "broken"]),
    ("full-path.blanks", &["bare", "both", "quoted", "neither"]),
    ("site.port-taken", &["refused", "stopped", "started"]),
    ("appcmd.encoding", &["utf-8", "code-page", "lost"]),
    ("config.remove-absent", &["fine", "error"]),
];

impl Answers {
    fn toml(&self) -> String {
        let section = |name: &str, answers: &[(&str, &str)]| {
            let lines = answers.iter().map(|(id, answer)| format!("'{id}' = '{answer}'\n"));
            format!("[{name}]\n{}", lines.collect::<String>())
        };
        let Answers { switches, serve, timing } = self;
        format!("{}{}[timing]\n{timing}\n", section("switches", switches), section("serve", serve))
    }

    fn says(&self, id: &str) -> Option<&'static str> {
        self.switches.iter().chain(self.serve).find(|(known, _)| *known == id).map(|(_, answer)| *answer)
    }
}

const WHOLE: [Release; 2] = [Release::First, Release::Second];
/// For what is not about the project: it takes a fifth of the time.
const TINY: [Release; 2] = [Release::TinyFirst, Release::TinySecond];

/// The story: a site is made, brought to its next release and back, while somebody asks; and goes.
#[track_caller]
fn told_with(answers: &Answers, kind: &str, [first, second]: [Release; 2]) {
    let server = Server::of(kind, "sites");
    server.lab(&answers.toml());
    server.deploy(first, &[]).success();
    let visitor = Visitor::of(&server);
    let switched = server.deploy(second, &[]).success();
    let said = String::from_utf8_lossy(&switched.get_output().stderr).into_owned();
    let are_others = said.contains("the processes that were warmed up are not those that serve");
    let own = answers.says("sites.processes") == Some("own");
    assert_eq!(are_others, own || answers.says("switch.processes") == Some("restarted"), "{said}");
    server.assert_tidy(second);
    server.holdall(&["rollback", "--server", "iis"]).success();
    server.assert_tidy(first);
    let seen = visitor.stop();
    let versions: Vec<_> = seen.iter().map(|seen| seen.split(' ').next().unwrap()).collect();
    assert_eq!(versions, ["1.0", "1.1", "1.0"], "{seen:?}");
    server.holdall(&["remove", "--server", "iis"]).success();
    let left: Vec<_> = ["site", "apppool", "config"].map(|object| server.appcmd(&["list", object])).into();
    assert!(!left.concat().contains("guestbook"), "{left:?}");
}

#[test]
fn a_site_is_brought_to_its_next_release_however_iis_answers_what_nobody_knows() {
    std::thread::scope(|scope| {
        for answers in &UNNOTICED[1..] {
            scope.spawn(|| told_with(answers, "cgi", WHOLE));
        }
        // Where ASP.NET has opened the handlers of every site, the lab's first answers and others.
        for answers in &UNNOTICED[..2] {
            scope.spawn(|| told_with(answers, "aspnet", TINY));
        }
    });
}

/// A server whose lab answers `id` so.
fn answering(id: &str, answer: &str, sites: &'static str) -> Server {
    let server = Server::of("cgi", sites);
    server.lab(&format!("[switches]\n'{id}' = '{answer}'\n"));
    server
}

fn answers_to(id: &str) -> impl Iterator<Item = &'static str> {
    NOTICED.iter().filter(move |(known, _)| *known == id).flat_map(|(_, answers)| answers.iter().copied())
}

/// Calls `told` with each answer to a question, at once.
fn with_each_answer_to(id: &'static str, told: impl Fn(&str) + Sync) {
    std::thread::scope(|scope| answers_to(id).for_each(|answer| drop(scope.spawn(|| told(answer)))));
}

#[test]
fn where_iis_breaks_off_what_it_is_answering_a_switch_costs_those_requests_and_no_other() {
    with_each_answer_to("switch.in-flight", |answer| {
        let server = answering("switch.in-flight", answer, "sites");
        server.deploy(Release::TinyFirst, &[]).success();
        let visitor = Visitor::of(&server);
        server.deploy(Release::TinySecond, &[]).success();
        server.holdall(&["rollback", "--server", "iis"]).success();
        server.assert_tidy(Release::TinyFirst);
        let visits = visitor.visits();
        let versions: Vec<_> = visits.seen.iter().map(|seen| seen.split(' ').next().unwrap()).collect();
        assert_eq!(versions, ["1.0", "1.1", "1.0"], "{:?}", visits.seen);
        // One visitor has one request under way: two switches break off two, and none is answered wrongly.
        assert!(visits.failed.len() <= if answer == "broken" { 2 } else { 0 }, "{:?}", visits.failed);
        assert!(visits.failed.iter().all(|failed| failed.starts_with("http://")), "{:?}", visits.failed);
    });
}

#[test]
fn below_a_folder_with_a_blank_a_release_serves_or_is_refused_before_anybody_sees_it() {
    with_each_answer_to("full-path.blanks", |answer| {
        let server = answering("full-path.blanks", answer, "my sites");
        let done = server.deploy(Release::First, &[]);
        let said = String::from_utf8_lossy(&done.get_output().stderr).into_owned();
        if ["bare", "both"].contains(&answer) {
            done.success();
            server.assert_tidy(Release::First);
            return;
        }
        done.code(4);
        assert!(said.contains("before the switch") && said.contains("500"), "{said}");
        assert_nothing_is_left(&server);
    });
}

#[test]
fn below_a_folder_beyond_ascii_a_release_serves_in_whatever_encoding_appcmd_answers() {
    with_each_answer_to("appcmd.encoding", |answer| {
        let server = answering("appcmd.encoding", answer, "grün");
        server.deploy(Release::First, &[]).success();
        let visitor = Visitor::of(&server);
        server.deploy(Release::Second, &[]).success();
        server.holdall(&["rollback", "--server", "iis"]).success();
        server.assert_tidy(Release::First);
        visitor.stop();
    });
}

#[test]
fn a_binding_that_somebody_else_takes_meanwhile_is_left_to_them() {
    with_each_answer_to("site.port-taken", |answer| {
        let server = answering("site.port-taken", answer, "sites");
        let other = ["add", "site", "/name:Other", &format!("/bindings:http/*:{}:", server.port)];
        // Before anything is made it is said whose it is.
        server.appcmd(&other);
        let refused = server.deploy(Release::TinyFirst, &[]).code(3).stdout("");
        let said = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
        assert!(said.contains("belongs to the site `Other`"), "{said}");
        assert!(!server.home().exists());
        server.appcmd(&["delete", "site", "Other"]);
        // At the last moment it is found out.
        server.lab(&format!(
            "[switches]\n'site.port-taken' = '{answer}'\n[[fault]]\nmatches = 'add site /name:guestbook '\n\
             times = 1\nrun = {other:?}\n"
        ));
        let refused = server.deploy(Release::TinyFirst, &[]).code(4).stdout("");
        let said = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
        // Where both are started, the other one answers.
        let step =
            if answer == "started" { "does not serve well after the switch" } else { "the switch failed" };
        assert!(said.contains(step), "{said}");
        assert_nothing_is_left(&server);
        assert!(server.appcmd(&["list", "site"]).contains("SITE \"Other\""));
        server.appcmd(&["delete", "site", "Other"]);
        server.lab("");
        server.deploy(Release::TinyFirst, &[]).success();
        server.assert_tidy(Release::TinyFirst);
    });
}

#[test]
fn where_nothing_absent_may_be_removed_a_release_is_refused_before_anybody_sees_it() {
    with_each_answer_to("config.remove-absent", |answer| {
        let server = answering("config.remove-absent", answer, "sites");
        let done = server.deploy(Release::TinyFirst, &[]);
        let said = String::from_utf8_lossy(&done.get_output().stderr).into_owned();
        if answer == "fine" {
            done.success();
            server.assert_tidy(Release::TinyFirst);
            return;
        }
        done.code(4);
        assert!(said.contains("before the switch") && said.contains("www/web.config"), "{said}");
        assert_nothing_is_left(&server);
    });
}

/// What the lab's IIS says to something that it does not know: the names that it does know.
fn known_to_the_lab(section: &str, id: &str) -> Vec<String> {
    let folder = Test::empty();
    folder.write("lab.toml", format!("[{section}]\n'{id}' = 'nonsense'\n"));
    folder.write("applicationHost.config", "");
    let mut iis = Command::new(lab_program("iis"));
    let refused = iis.arg("--config").arg(folder.path("")).output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    let known = said.split_once("expected ").unwrap_or_else(|| panic!("{said}")).1.lines().next().unwrap();
    known.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn every_answer_to_every_question_is_given_in_some_story() {
    let mut questions = 0;
    for section in ["switches", "serve"] {
        for id in known_to_the_lab(section, "nonsense") {
            let told = |answer: &String| {
                UNNOTICED.iter().any(|answers| answers.says(&id) == Some(answer))
                    || answers_to(&id).any(|told| told == answer)
            };
            let answers = known_to_the_lab(section, &id);
            let untold: Vec<_> = answers.iter().filter(|answer| !told(answer)).collect();
            // One counts where nothing is said.
            assert!(answers.len() > 1 && untold.len() <= 1, "`{id}` is never answered by {untold:?}");
            questions += 1;
        }
    }
    assert_eq!(questions, 29);
}

/// No release is there, and no trace of one in the web server.
#[track_caller]
fn assert_nothing_is_left(server: &Server) {
    let status = server.status();
    assert_eq!(status["releases"], serde_json::json!([]), "{status:#}");
    assert_eq!(status["unfinished"], serde_json::json!([]), "{status:#}");
    let left: Vec<_> = ["site", "apppool", "config"].map(|object| server.appcmd(&["list", object])).into();
    assert!(!left.concat().contains("guestbook"), "{left:?}");
}
