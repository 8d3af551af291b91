//! How commands ended stands where whoever watches many servers looks.

use serde_json::Value;

use super::bundles::Release;
use super::server::Server;

#[test]
fn how_commands_ended_is_noted_without_what_others_have_said() {
    let server = Server::in_memory();
    let file = server.test.path("events.jsonl");
    let run = |args: &[&str], code: i32| {
        let mut command = server.command(args);
        let done = command.env("HOLDALL_EVENTS", &file).output().unwrap();
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert_eq!(done.status.code(), Some(code), "{args:?}: {said}");
    };
    let deploy = |release: Release, code: i32| {
        let bundle = release.bundle();
        run(&["deploy", bundle.to_str().unwrap(), "--site", "site.toml", "--server", "iis"], code);
    };
    deploy(Release::TinyFirst, 0);
    // Nothing happens, and so nothing is noted.
    deploy(Release::TinyFirst, 0);
    server.site_toml("hooks.before = ['sh -c \"echo planted-$((800+15)); exit 1\"']");
    deploy(Release::TinySecond, 4);
    server.site_toml("requests.header = false");
    deploy(Release::TinySecond, 3);
    server.site_toml("");
    deploy(Release::TinySecond, 0);
    run(&["rollback", "--server", "iis"], 0);
    run(&["maintenance", "on"], 0);
    run(&["maintenance", "off"], 0);
    run(&["maintenance", "off"], 0);
    run(&["remove", "guestbook", "--with-data", "--server", "iis"], 0);
    let text = fs_err::read_to_string(&file).unwrap();
    assert!(!text.contains("planted-815"), "{text}");
    let events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told: Vec<(u64, &str)> = events
        .iter()
        .map(|event| (event["id"].as_u64().unwrap(), event["level"].as_str().unwrap()))
        .collect();
    let (information, warning, error) = ("information", "warning", "error");
    let expected = [
        (1, information),
        (11, error),
        (10, warning),
        (1, information),
        (2, information),
        (4, information),
        (5, information),
        (3, information),
    ];
    assert_eq!(told, expected, "{text}");
    let failed = events[1]["text"].as_str().unwrap();
    assert!(
        failed.starts_with("guestbook: deploy failed: 1.1-") && failed.contains("ended with 1"),
        "{failed}"
    );
    assert!(!server.home().exists());
}
