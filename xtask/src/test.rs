//! `cargo xtask test`: installs what the tests need, runs all of them in groups, and ends with a count.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;

#[cfg(target_os = "linux")]
use crate::{fuzz, servers};
use crate::{lab, tools, wine};

/// Options of `cargo xtask test`.
#[derive(clap::Args)]
pub struct Args {
    /// Run only the groups whose name contains this
    group: Option<String>,
}

/// How many tests passed, failed and were left out.
#[derive(Default, Clone, Copy)]
struct Count {
    passed: u64,
    failed: u64,
    skipped: u64,
}

/// Commands that belong together, and how to read their count.
struct Group {
    name: &'static str,
    command: Command,
    counted: Counted,
}

/// Who counts the tests of a group.
enum Counted {
    /// `test result: ok. 3 passed; 0 failed; 0 ignored`, once for each test program
    Cargo,
    /// `Ran 12 tests` and `FAILED (failures=1)`
    Django,
    /// One test: did it end well?
    Whole,
}

/// A group's name, the chore that is run for it, and whether that can be.
type Chore = (&'static str, &'static str, fn() -> anyhow::Result<bool>);

/// What needs programs that Linux has.
#[cfg(target_os = "linux")]
const CHORES: &[Chore] = &[
    ("bridge under fuzzing", "fuzz", fuzz::is_available),
    ("bridge behind web servers", "servers", servers::is_available),
];
#[cfg(not(target_os = "linux"))]
const CHORES: &[Chore] = &[];

pub fn run(args: &Args) -> anyhow::Result<()> {
    let started = Instant::now();
    let prepared = tools::prepare_tests()?;
    let mut total = Count::default();
    // Windows needs no lab to run what is for Windows.
    let lab = if cfg!(windows) { None } else { lab::available()? };
    let mut times = vec![("prepare", started.elapsed())];
    let mut groups = groups(&prepared)?;
    match lab {
        Some(_) => groups.extend(lab_groups()?),
        None if cfg!(windows) => groups.push(pipe_group(&prepared)?),
        None => total.skipped += 1 + wine::PARTS.len() as u64,
    }
    let wanted = |name: &str| args.group.as_ref().is_none_or(|wanted| name.contains(wanted.as_str()));
    // What a run is not about need not be installed for it.
    for (name, word, is_available) in CHORES.iter().filter(|(name, ..)| wanted(name)) {
        match is_available()? {
            true => groups.push(Group { name, command: chore(&[word])?, counted: Counted::Whole }),
            false => total.skipped += 1,
        }
    }
    for group in groups {
        if !wanted(group.name) {
            continue;
        }
        tools::step(group.name);
        let started = Instant::now();
        let name = group.name;
        let count = run_group(group, &prepared)?;
        times.push((name, started.elapsed()));
        total.passed += count.passed;
        total.failed += count.failed;
        total.skipped += count.skipped;
    }
    println!();
    for (name, time) in times {
        println!("{:>7.1} s  {name}", Duration::as_secs_f64(&time));
    }
    println!("{} passed, {} failed, {} skipped", total.passed, total.failed, total.skipped);
    anyhow::ensure!(total.failed == 0, "{} tests failed", total.failed);
    anyhow::ensure!(total.passed > 0, "no test ran");
    Ok(())
}

fn groups(prepared: &[(&str, PathBuf)]) -> anyhow::Result<Vec<Group>> {
    let cargo = |arguments: &[&str]| {
        let mut cargo = tools::cargo();
        cargo.arg("test").args(arguments).arg("--no-fail-fast");
        cargo
    };
    let django = path_of("HOLDALL_TEST_PYTHON", prepared)?;
    let mut guestbook = Command::new(django);
    guestbook
        .args(["-B", "manage.py", "test"])
        .current_dir(tools::root().join("examples/guestbook"))
        .env("SECRET_KEY", "for the example's own tests");
    let mut demo = Command::new(std::env::current_exe()?);
    demo.args(["demo", "--check"]);
    Ok(vec![
        Group {
            name: "holdall",
            // All but its `sites`, which need the lab.
            command: cargo(&["--package", "holdall", "--lib", "--bins", "--test", "stories"]),
            counted: Counted::Cargo,
        },
        Group { name: "xtask", command: cargo(&["--package", "xtask"]), counted: Counted::Cargo },
        Group { name: "bridge", command: cargo(&["--package", "holdall-bridge"]), counted: Counted::Cargo },
        Group {
            name: "bridge without Python",
            command: cargo(&["--package", "holdall-bridge", "--no-default-features", "--lib"]),
            counted: Counted::Cargo,
        },
        Group {
            name: "IIS of the lab",
            command: cargo(&["--package", "holdall-lab-iis"]),
            counted: Counted::Cargo,
        },
        Group { name: "guestbook", command: guestbook, counted: Counted::Django },
        Group { name: "demo", command: demo, counted: Counted::Whole },
    ])
}

/// What was prepared under this name.
fn path_of<'a>(name: &str, prepared: &'a [(&str, PathBuf)]) -> anyhow::Result<&'a PathBuf> {
    let found = prepared.iter().find(|(known, _)| *known == name);
    found.map(|(_, path)| path).with_context(|| format!("{name} was not prepared"))
}

/// The bridge on pipes, on Windows itself. The lab runs the same tests in Wine.
fn pipe_group(prepared: &[(&str, PathBuf)]) -> anyhow::Result<Group> {
    let environment = path_of("HOLDALL_BRIDGE_PYTHON", prepared)?.ancestors().nth(2);
    let environment = environment.context("an environment is a folder")?;
    let mut command = tools::cargo();
    command.args(["test", "--package", "holdall", "--test", "lab", "--no-fail-fast"]);
    // The Python itself: what an environment has in its place starts it as another process.
    command.env("HOLDALL_LAB_PYTHON", tools::base_python()?.join("python.exe"));
    command.env("PYTHONPATH", environment.join("Lib").join("site-packages"));
    command.env("HOLDALL_LAB_APPS", tools::root().join("bridge/tests/apps"));
    Ok(Group { name: "bridge on pipes", command, counted: Counted::Cargo })
}

/// What is proved in the Windows lab.
fn lab_groups() -> anyhow::Result<Vec<Group>> {
    let check = Group { name: "lab", command: chore(&["lab", "--check"])?, counted: Counted::Whole };
    let parts = wine::PARTS.iter().map(|part| {
        let command = chore(&["wine", part.word()])?;
        Ok(Group { name: part.group(), command, counted: Counted::Cargo })
    });
    [Ok(check)].into_iter().chain(parts).collect()
}

/// One of this program's own chores.
fn chore(words: &[&str]) -> anyhow::Result<Command> {
    let mut chore = Command::new(std::env::current_exe()?);
    chore.args(words);
    Ok(chore)
}

/// Runs the command of a group, shows what it prints as it comes, and counts.
fn run_group(mut group: Group, prepared: &[(&str, PathBuf)]) -> anyhow::Result<Count> {
    let from_errors = matches!(group.counted, Counted::Django);
    for (name, path) in prepared {
        group.command.env(name, path);
    }
    // unittest writes its result to standard error, cargo's test programs to standard output.
    let (stdout, stderr) = match from_errors {
        true => (Stdio::inherit(), Stdio::piped()),
        false => (Stdio::piped(), Stdio::inherit()),
    };
    let mut child = group
        .command
        .stdin(Stdio::null())
        .stdout(stdout)
        .stderr(stderr)
        .spawn()
        .with_context(|| format!("cannot start {:?}", group.command))?;
    let mut count = Count::default();
    let watched: Box<dyn std::io::Read> = match from_errors {
        true => Box::new(child.stderr.take().context("standard error was asked for")?),
        false => Box::new(child.stdout.take().context("standard output was asked for")?),
    };
    for line in BufReader::new(watched).split(b'\n') {
        let line = String::from_utf8_lossy(&line?).into_owned();
        println!("{line}");
        match group.counted {
            Counted::Cargo => add_cargo_line(&mut count, &line),
            Counted::Django => add_unittest_line(&mut count, &line),
            Counted::Whole => {}
        }
    }
    let status = child.wait()?;
    match (group.counted, status.success()) {
        (Counted::Whole, true) => count.passed = 1,
        // A program that did not build or was killed counts nothing itself.
        (_, false) if count.failed == 0 => count.failed = 1,
        _ => {}
    }
    Ok(count)
}

/// `test result: FAILED. 3 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s`
fn add_cargo_line(count: &mut Count, line: &str) {
    let Some((_, result)) = line.split_once("test result: ") else { return };
    for part in result.split(['.', ';']) {
        let mut words = part.split_whitespace();
        let (Some(number), Some(word)) = (words.next().and_then(|n| n.parse::<u64>().ok()), words.next())
        else {
            continue;
        };
        match word {
            "passed" => count.passed += number,
            "failed" => count.failed += number,
            "ignored" => count.skipped += number,
            _ => {}
        }
    }
}

/// `Ran 12 tests in 0.3s`, then `OK (skipped=1)` or `FAILED (failures=1, errors=2)`
fn add_unittest_line(count: &mut Count, line: &str) {
    if let Some(rest) = line.strip_prefix("Ran ") {
        count.passed += rest.split(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0);
    } else if line.starts_with("FAILED (") || line.starts_with("OK (") {
        for part in line.split(['(', ',', ')']) {
            let Some((word, number)) = part.trim().split_once('=') else { continue };
            let number: u64 = number.parse().unwrap_or(0);
            match word {
                "failures" | "errors" => count.failed += number,
                "skipped" => count.skipped += number,
                _ => continue,
            }
            count.passed = count.passed.saturating_sub(number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_results_of_both_kinds_of_runner_are_counted() {
        let mut count = Count::default();
        add_cargo_line(
            &mut count,
            "test result: FAILED. 3 passed; 1 failed; 2 ignored; 0 measured; finished in 0.10s",
        );
        assert_eq!((count.passed, count.failed, count.skipped), (3, 1, 2));
        for line in ["Ran 12 tests in 0.3s", "", "FAILED (failures=1, errors=2, skipped=1)"] {
            add_unittest_line(&mut count, line);
        }
        assert_eq!((count.passed, count.failed, count.skipped), (11, 4, 3));
    }
}
