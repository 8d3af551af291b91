//! `cargo xtask iis-bridge`: the real bridge behind the real IIS, started by its own process manager, and asked for what
//! the tests in Wine ask of it there.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::ask::copy_python;
use super::file::quoted;
use super::http::Request;
use super::machine;
use super::plan::{Invocation, Names, add_pool, add_site, appcmd, use_pool};
use super::stand::{STEP, Stand};
use crate::tools;

/// What `tests/lab/iis/site.py` writes into the log when its process ends as a Python process should.
const FRONT_DOOR: &str = "left by the front door";

/// What is told of the bridge, and how it is asked.
type Story<'a> = (&'static str, fn(&mut Stand<'a>, &Names) -> anyhow::Result<()>);

/// In this order: the last one ends the process.
fn stories<'a>() -> [Story<'a>; 7] {
    [
        ("a page whose address has characters beyond ASCII", address),
        ("a body of ten megabytes", large_body),
        ("an answer of a megabyte", large_answer),
        ("what is printed does not meet the stream", printed),
        ("an exception is a 500 without its words", exception),
        ("the extension module that serves cannot be deleted", loaded),
        ("a recycled pool's process leaves by the front door", front_door),
    ]
}

pub fn run() -> anyhow::Result<()> {
    machine::check_system()?;
    let system = machine::check_iis()?;
    let python = tools::base_python()?;
    let wheel = tools::build_product()?.wheel()?;
    let (failures, folder) = machine::with_files(
        |folder| make_folder(folder, &python, &wheel),
        |iis, names| {
            let mut stand = Stand::new(iis);
            register(&mut stand, names)?;
            let mut failures = tell(&mut stand, names);
            stand.undo_to(0);
            failures.append(&mut stand.not_undone);
            Ok(failures)
        },
    )?;
    for failure in &failures {
        eprintln!("{failure}");
    }
    if let Err(error) = folder {
        eprintln!("files are left behind: {error:#}");
    }
    tools::step(&format!("{system}: the bridge was asked {} things", stories().len()));
    ensure!(failures.is_empty(), "{} of them failed", failures.len());
    Ok(())
}

/// Tells all stories and returns those that are not true.
fn tell<'a>(stand: &mut Stand<'a>, names: &Names) -> Vec<String> {
    let mut failures = Vec::new();
    for (what, story) in stories::<'a>() {
        tools::step(what);
        if let Err(error) = story(stand, names) {
            failures.push(format!("{what}: {error:#}"));
        }
    }
    failures
}

/// A Python with the bridge in it, the site, and a folder for its log.
fn make_folder(folder: &Path, python: &Path, wheel: &Path) -> anyhow::Result<()> {
    copy_python(python, &folder.join("python"))?;
    let packages = folder.join("python").join("Lib").join("site-packages");
    let mut zip = zip::ZipArchive::new(fs_err::File::open(wheel)?)?;
    zip.extract(packages).with_context(|| format!("cannot unpack `{}`", wheel.display()))?;
    for empty in ["shared", "www"] {
        fs_err::create_dir_all(folder.join(empty))?;
    }
    fs_err::copy(tools::root().join("tests/lab/iis/site.py"), folder.join("site_behind_iis.py"))?;
    fs_err::write(folder.join("bridge.toml"), configuration())?;
    Ok(())
}

/// Paths in it are relative to the file.
fn configuration() -> String {
    format!(
        "app = {}\npythonpath = [\".\"]\n\n[log]\npath = {}\n",
        quoted("site_behind_iis:application"),
        quoted("shared/bridge.log")
    )
}

/// Registers the bridge as Holdall's bundles have it started, and waits for its first answer.
fn register(stand: &mut Stand<'_>, names: &Names) -> anyhow::Result<()> {
    let (site, port) = names.site;
    let bridge = names.bridge();
    stand.change(&add_pool(names.pool))?;
    let grant = format!("IIS AppPool\\{}:(OI)(CI)M", names.pool);
    let icacls = Invocation { program: "icacls", args: vec![names.below("shared"), "/grant".into(), grant] };
    let mut tried = 0;
    // The name of a pool that was just made may not be known yet.
    while stand.iis.run(&icacls)?.code != 0 {
        ensure!(tried < 30, "`{icacls}` fails");
        tried += 1;
        stand.iis.pause(STEP);
    }
    stand.change(&bridge.add())?;
    stand.change(&add_site(site, port, &names.below("www")))?;
    stand.run(&use_pool(site, names.pool))?;
    stand.change(&bridge.handle(site))?;
    let first = stand.settled(port, |answer| answer.status == 200)?;
    let said = String::from_utf8_lossy(&first.body).into_owned();
    ensure!(
        first.status == 200,
        "IIS does not serve the bridge: status {}, {said}; {}",
        first.status,
        log(stand)
    );
    Ok(())
}

/// What the bridge has written into its log.
fn log(stand: &Stand<'_>) -> String {
    let log = stand.iis.folder().join("shared").join("bridge.log");
    fs_err::read_to_string(log).unwrap_or_else(|error| error.to_string())
}

/// The body of an answer with status 200.
fn body(stand: &mut Stand<'_>, request: &Request) -> anyhow::Result<Vec<u8>> {
    let answer = stand.answer(request)?;
    ensure!(answer.status == 200, "status {}; {}", answer.status, log(stand));
    Ok(answer.body)
}

fn address(stand: &mut Stand<'_>, names: &Names) -> anyhow::Result<()> {
    let environ = body(stand, &Request::get(names.site.1, "/environ/gr%C3%BCn/%E6%97%A5?a=%20b"))?;
    let environ: Value = serde_json::from_slice(&environ)?;
    // PEP 3333 has bytes as characters of latin-1.
    let expected: String = "/environ/grün/日".bytes().map(char::from).collect();
    for (name, expected) in
        [("PATH_INFO", expected.as_str()), ("SCRIPT_NAME", ""), ("QUERY_STRING", "a=%20b")]
    {
        ensure!(environ[name] == expected, "{name} is {}, not {expected:?}", environ[name]);
    }
    Ok(())
}

fn large_body(stand: &mut Stand<'_>, names: &Names) -> anyhow::Result<()> {
    let sent: Vec<u8> = (0..10_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let expected: String = Sha256::digest(&sent).iter().map(|byte| format!("{byte:02x}")).collect();
    let digest = body(stand, &Request { body: Some(sent), ..Request::get(names.site.1, "/digest") })?;
    ensure!(digest == expected.as_bytes(), "other bytes arrived than were sent");
    Ok(())
}

fn large_answer(stand: &mut Stand<'_>, names: &Names) -> anyhow::Result<()> {
    let expected: Vec<u8> = (0..=255).cycle().take(1 << 20).collect();
    let found = body(stand, &Request::get(names.site.1, "/large"))?;
    ensure!(found == expected, "{} bytes came, not the {} that were sent", found.len(), expected.len());
    Ok(())
}

fn printed(stand: &mut Stand<'_>, names: &Names) -> anyhow::Result<()> {
    let found = body(stand, &Request::get(names.site.1, "/print"))?;
    ensure!(found == b"printed", "the answer is {:?}", String::from_utf8_lossy(&found));
    ensure!(
        log(stand).contains("what is printed goes to the log"),
        "the log has not what was printed: {}",
        log(stand)
    );
    Ok(())
}

fn exception(stand: &mut Stand<'_>, names: &Names) -> anyhow::Result<()> {
    let answer = stand.answer(&Request::get(names.site.1, "/fail"))?;
    let said = String::from_utf8_lossy(&answer.body).into_owned();
    ensure!(answer.status == 500, "status {}", answer.status);
    ensure!(!said.contains("the words of an exception"), "a visitor reads: {said}");
    ensure!(log(stand).contains("the words of an exception"), "the log has no traceback: {}", log(stand));
    Ok(())
}

fn loaded(stand: &mut Stand<'_>, names: &Names) -> anyhow::Result<()> {
    let packages = stand.iis.folder().join("python/Lib/site-packages/holdall_bridge");
    let mut modules = Vec::new();
    for entry in fs_err::read_dir(packages)? {
        modules.push(entry?.path());
    }
    let module = modules.iter().find(|path| path.extension().is_some_and(|kind| kind == "pyd"));
    let deleted = fs_err::remove_file(module.context("the bridge has no extension module")?);
    ensure!(deleted.is_err(), "it was deleted");
    body(stand, &Request::get(names.site.1, "/")).map(drop)
}

fn front_door(stand: &mut Stand<'_>, names: &Names) -> anyhow::Result<()> {
    stand.run(&appcmd(["recycle", "apppool", names.pool]))?;
    let mut waited = Duration::ZERO;
    while !log(stand).contains(FRONT_DOOR) {
        ensure!(waited < Duration::from_secs(30), "its log does not say so: {}", log(stand));
        waited += STEP;
        stand.iis.pause(STEP);
    }
    body(stand, &Request::get(names.site.1, "/")).map(drop)
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Read};
    use std::path::PathBuf;
    use std::process::{Child, Command, Stdio};

    use super::super::stand::{Done, Iis};
    use super::*;

    /// Python's own web server with the site, and what stands in for IIS's commands.
    struct Plain {
        server: Child,
        port: u16,
        folder: PathBuf,
    }

    impl Plain {
        fn start(folder: &Path) -> Plain {
            let start = "import sys; from wsgiref.simple_server import make_server; from site_behind_iis import application\n\
                         server = make_server('127.0.0.1', 0, application); print(server.server_port, flush=True)\n\
                         sys.stdout = open(sys.argv[1], 'w'); sys.stderr = sys.stdout; server.serve_forever()";
            fs_err::copy(tools::root().join("tests/lab/iis/site.py"), folder.join("site_behind_iis.py"))
                .unwrap();
            fs_err::create_dir_all(folder.join("shared")).unwrap();
            let mut server = Command::new(tools::host_python().unwrap().path)
                .args(["-u", "-B", "-c", start])
                .arg(folder.join("shared/bridge.log"))
                .current_dir(folder)
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let mut line = String::new();
            BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
            Plain { server, port: line.trim().parse().unwrap(), folder: folder.to_owned() }
        }
    }

    impl Drop for Plain {
        fn drop(&mut self) {
            self.server.kill().unwrap();
            self.server.wait().unwrap();
        }
    }

    impl Iis for Plain {
        fn run(&mut self, command: &Invocation) -> anyhow::Result<Done> {
            if command.args[0] == "recycle" {
                let log = self.folder.join("shared/bridge.log");
                fs_err::write(log, FRONT_DOOR).unwrap();
            }
            Ok(Done { code: 0, stdout: Vec::new() })
        }

        fn send(&mut self, request: &Request) -> anyhow::Result<Box<dyn Read>> {
            Ok(Box::new(request.send()?))
        }

        fn pause(&mut self, _: Duration) {}

        fn folder(&self) -> &Path {
            &self.folder
        }
    }

    #[test]
    fn the_stories_are_true_of_a_plain_web_server_but_for_the_module_it_has_not() {
        let folder = tempfile::tempdir().unwrap();
        let mut plain = Plain::start(folder.path());
        let mut names = Names::new("", [plain.port, 0, 0]);
        let mut stand = Stand::new(&mut plain);
        let failures = tell(&mut stand, &names);
        drop(stand);
        // Two things are left to IIS and the bridge: SCRIPT_NAME, which is right here too, and the `.pyd`.
        assert_eq!(failures.len(), 1, "{failures:#?}");
        assert!(
            failures[0].starts_with("the extension module that serves cannot be deleted: "),
            "{failures:#?}"
        );
        names.site.1 = 1;
        let mut stand = Stand::new(&mut plain);
        assert_eq!(tell(&mut stand, &names).len(), stories().len());
    }

    #[test]
    fn the_configuration_finds_the_site_and_its_log_beside_it() {
        let table: toml::Table = configuration().parse().unwrap();
        assert_eq!(table["app"].as_str(), Some("site_behind_iis:application"));
        assert_eq!(table["log"]["path"].as_str(), Some("shared/bridge.log"));
    }
}
