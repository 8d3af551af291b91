//! Runs a test program and shows what it says as it comes.
//!
//! Now and then, on a busy machine, Wine answers ERROR_INTERNAL_ERROR when it is to start a process, which Windows does
//! not, or starts one that ends with STATUS_DLL_INIT_FAILED before its first instruction, or looks up a name with
//! WSANOTINITIALISED in a process that has long begun to use the network. Tests that failed with just that are run once more,
//! and that is said; any other failure stands.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use anyhow::Context as _;

/// How programs write those errors (the launcher of uv's environments the third way), and that status.
const OF_WINE: [&str; 5] =
    ["code: 1359,", "(os error 1359)", "(error 1359)", "-1073741502", "(os error 10093)"];

/// Runs the tests that `command` makes for the words that it is given.
pub fn run(command: impl Fn(&[String]) -> Command, words: &[String]) -> anyhow::Result<ExitStatus> {
    let (status, said) = once(command(words))?;
    let failed = failed(&said);
    let again: Vec<_> =
        failed.iter().filter(|(_, output)| OF_WINE.iter().any(|it| output.contains(it))).collect();
    if again.is_empty() || again.len() < failed.len() {
        print!("{}", results(&said));
        return Ok(status);
    }
    // Those that failed are counted by the second run.
    print!(
        "{}",
        results(&said).replace("FAILED", "again").replace(&format!("{} failed", failed.len()), "0 failed")
    );
    crate::tools::step("Wine failed these tests by what Windows does not: once more");
    let names = again.into_iter().map(|(name, _)| name.clone());
    let words: Vec<String> = ["--exact".to_owned()].into_iter().chain(names).collect();
    let (status, said) = once(command(&words))?;
    print!("{}", results(&said));
    Ok(status)
}

/// How long nothing more comes once the tests have ended and all that they wrote was read.
const QUIET: Duration = Duration::from_secs(1);

/// One run to its end, shown but for the line with its result.
///
/// The end is that of the test program, not of what it wrote: a program that a story has killed may leave another behind
/// that was only just created, which keeps that open and never runs. It goes with Wine's server.
fn once(mut command: Command) -> anyhow::Result<(ExitStatus, String)> {
    // Nothing keeps standard error open when the tests are done: Wine's own services run since its server was started.
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    let mut tests = command.spawn().with_context(|| format!("cannot start {command:?}"))?;
    // Held to the end: a Windows program that finds its standard input closed may not start others.
    let input = tests.stdin.take();
    let output = BufReader::new(tests.stdout.take().context("standard output is a pipe")?);
    let (tell, told) = mpsc::channel();
    thread::spawn(move || output.split(b'\n').try_for_each(|line| tell.send(line).map_err(drop)));
    let mut said = String::new();
    let mut ended = None;
    loop {
        match told.recv_timeout(QUIET) {
            Ok(line) => {
                let line = String::from_utf8_lossy(&line?).trim_end_matches('\r').to_owned() + "\n";
                if !is_result(&line) {
                    print!("{line}");
                }
                said.push_str(&line);
            }
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) if ended.is_some() => break,
            Err(RecvTimeoutError::Timeout) => ended = tests.try_wait()?,
        }
    }
    let status = tests.wait()?;
    drop(input);
    Ok((status, said))
}

fn is_result(line: &str) -> bool {
    line.starts_with("test result: ")
}

fn results(said: &str) -> String {
    said.lines().filter(|line| is_result(line)).map(|line| format!("{line}\n")).collect()
}

/// The tests that failed, each with what it wrote.
fn failed(said: &str) -> Vec<(String, String)> {
    let name = |line: &str| Some(line.strip_prefix("---- ")?.strip_suffix(" stdout ----")?.to_owned());
    let mut failed: Vec<(String, String)> = Vec::new();
    let mut inside = false;
    for line in said.lines() {
        if let Some(name) = name(line) {
            failed.push((name, String::new()));
            inside = true;
        } else if line == "failures:" {
            inside = false;
        } else if let (true, Some((_, output))) = (inside, failed.last_mut()) {
            output.push_str(line);
            output.push('\n');
        }
    }
    failed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_test_that_failed_is_known_with_what_it_wrote() {
        let said = "test a ... ok\ntest b::c ... FAILED\n\nfailures:\n\n---- b::c stdout ----\n\
            Os { code: 1359, kind: Uncategorized }\n\n---- d stdout ----\nassertion failed\n\n\
            failures:\n    b::c\n    d\n\ntest result: FAILED. 1 passed; 2 failed; 0 ignored\n";
        let failed = failed(said);
        let names: Vec<_> = failed.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["b::c", "d"]);
        assert!(OF_WINE.iter().any(|it| failed[0].1.contains(it)));
        assert!(!OF_WINE.iter().any(|it| failed[1].1.contains(it)));
        assert_eq!(results(said), "test result: FAILED. 1 passed; 2 failed; 0 ignored\n");
    }

    /// A test program that fails with these words, and passes when it is told which test to run again.
    #[cfg(unix)]
    fn fails_once_with(why: &str) -> ExitStatus {
        let script = format!(
            "if [ \"$*\" = '--exact b::c' ]; then echo 'test result: ok. 1 passed; 0 failed'; exit 0; fi\n\
             printf 'test b::c ... FAILED\\n\\nfailures:\\n\\n---- b::c stdout ----\\n{why}\\n\\nfailures:\\n    b::c\\n'\n\
             echo 'test result: FAILED. 0 passed; 1 failed'; exit 101"
        );
        let command = |words: &[String]| {
            let mut shell = Command::new("sh");
            shell.args(["-c", &script, "sh"]).args(words);
            shell
        };
        run(command, &[]).unwrap()
    }

    #[cfg(unix)]
    #[test]
    fn what_a_test_has_left_behind_is_not_waited_for() {
        let command = |_: &[String]| {
            let mut shell = Command::new("sh");
            shell.args(["-c", "sleep 600 & echo $!; echo 'test result: ok. 1 passed; 0 failed'"]);
            shell
        };
        let (status, said) = once(command(&[])).unwrap();
        let (left, result) = said.split_once('\n').unwrap();
        assert!(Command::new("kill").arg(left).status().unwrap().success(), "it is still there");
        assert!(status.success() && result.starts_with("test result: ok"), "{said}");
    }

    #[cfg(unix)]
    #[test]
    fn only_what_failed_for_wines_sake_is_run_once_more() {
        assert!(fails_once_with("Internal error. (os error 1359)").success());
        assert!(fails_once_with("Unexpected failure. code=-1073741502").success());
        assert!(fails_once_with("python.exe: cannot start the interpreter (error 1359)").success());
        assert!(!fails_once_with("assertion failed").success());
    }
}
