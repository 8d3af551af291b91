//! Releases of different Pythons on one server: side by side, and one after the other in the same site.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::server::Server;
use super::tiny;
use super::visitors::ask;
use crate::harness::prepared;

/// A Python, and where it finds the bridge.
struct Python {
    program: PathBuf,
    bridge: String,
    version: String,
}

const TELL: &str = "import holdall_bridge, os, sys; print('%d.%d.%d' % sys.version_info[:3]); \
                    print(os.path.dirname(os.path.dirname(holdall_bridge.__file__)))";

/// What the bridge says of itself in this Python, if it can be there.
fn asked(program: &Path, bridge: &str) -> Option<Python> {
    let done = Command::new(program).args(["-B", "-c", TELL]).env("PYTHONPATH", bridge).output().ok()?;
    let said = String::from_utf8(done.stdout).ok()?;
    let (version, bridge) = said.trim().split_once('\n').filter(|_| done.status.success())?;
    Some(Python { program: program.to_owned(), bridge: bridge.to_owned(), version: version.to_owned() })
}

/// That of the tests, and another of this machine's, if there is one. One bridge does for all of them.
fn two() -> Option<[Python; 2]> {
    let first = asked(&prepared("HOLDALL_BRIDGE_PYTHON"), "").unwrap();
    let path = std::env::var_os("PATH")?;
    let names = ["python3.14", "python3.13", "python3.12", "python3.11", "python3.10", "python3"];
    let all = names.iter().flat_map(|name| std::env::split_paths(&path).map(move |folder| folder.join(name)));
    let there = all.filter(|program| program.is_file());
    let other = there.filter_map(|program| asked(&program, &first.bridge));
    let second = other.into_iter().find(|other| other.version != first.version)?;
    Some([first, second])
}

/// The Python that answers.
fn answering(port: u16) -> String {
    let page = ask(&format!("http://localhost:{port}/")).unwrap();
    let told: serde_json::Value = serde_json::from_str(page.header("x-environ")).unwrap();
    told["python"].as_str().unwrap().to_owned()
}

#[test]
fn sites_of_different_pythons_serve_side_by_side_and_a_site_goes_from_one_to_the_other_and_back() {
    let Some([first, second]) = two() else {
        eprintln!("skipped: there is one Python alone on this machine");
        return;
    };
    let server = Server::with_one_process();
    let other = server.another_site("other");
    let deploy = |site: &str, version: &str, python: &Python| {
        let folder = server.test.path(&format!("bundle-{version}"));
        fs_err::create_dir_all(&folder).unwrap();
        let bundle = tiny::bundle_of(&folder, version, &python.program, &python.bridge);
        server.holdall(&["deploy", bundle.to_str().unwrap(), "--site", site, "--server", "iis"]).success();
    };
    deploy("site.toml", "1.0", &first);
    deploy("other.toml", "2.0", &second);
    assert_eq!([answering(server.port), answering(other)], [&*first.version, &*second.version]);

    deploy("site.toml", "1.1", &second);
    assert_eq!([answering(server.port), answering(other)], [&*second.version; 2]);
    server.holdall(&["rollback", "guestbook", "--server", "iis"]).success();
    assert_eq!([answering(server.port), answering(other)], [&*first.version, &*second.version]);
}
