//! Runs a command with what the lab's settings want to go wrong.

use std::io::Read;
use std::time::Duration;

use super::command::{self, Context};
use super::errors::{self, Failure};
use super::record;
use crate::lab::{Fault, Lab, Settings, When};

/// The exit code and what is printed.
pub fn run(lab: &Lab, args: &[String], stdin: &mut dyn Read) -> (i32, String) {
    run_with(lab, args, &mut |at_commit| execute(lab, args, stdin, at_commit))
}

/// Called between reading and writing of a file.
type AtCommit<'a> = &'a mut dyn FnMut() -> Option<Failure>;

/// The same for any program of the lab.
pub fn run_with(
    lab: &Lab,
    args: &[String],
    execute: &mut dyn FnMut(AtCommit<'_>) -> (i32, String),
) -> (i32, String) {
    let records = match record::begin(lab, args) {
        Ok(records) => records,
        Err(error) => return (1, format!("the lab's record cannot be written: {error}\r\n")),
    };
    let number = records.len();
    let fits = |fault: &&Fault| applies(fault, number, args, &records);
    let fault = lab.settings.fault.iter().find(fits);
    let failed = |when: When| fault.filter(|fault| fault.when == when).and_then(|fault| happen(lab, fault));
    std::thread::sleep(Duration::from_millis(lab.settings.timing.slow));
    let (exit, text) = match failed(When::Before) {
        Some(failure) => (failure.exit, failure.text),
        None => {
            let mut at_commit = || failed(When::Commit);
            let (exit, text) = execute(&mut at_commit);
            match failed(When::After) {
                Some(failure) => (failure.exit, text + &failure.text),
                None => (exit, text),
            }
        }
    };
    match record::end(lab, number, exit, &text) {
        Ok(()) => (exit, text),
        Err(error) => (1, format!("{text}the lab's record cannot be written: {error}\r\n")),
    }
}

/// The command alone.
fn execute(
    lab: &Lab,
    args: &[String],
    stdin: &mut dyn Read,
    at_commit: &mut dyn FnMut() -> Option<Failure>,
) -> (i32, String) {
    if !lab.settings.rights.elevated {
        let failure = errors::not_elevated();
        return (failure.exit, failure.text);
    }
    let mut context = Context { lab, stdin, at_commit, out: String::new(), file: None };
    match command::execute(&mut context, args) {
        Ok(()) => (0, context.out),
        // What was said before the failure stays said: `changed`, then that the commit failed.
        Err(failure) => (failure.exit, context.out + &failure.text),
    }
}

/// Whether a fault is for this command, the last one of the record.
fn applies(fault: &Fault, number: usize, args: &[String], records: &[record::Record]) -> bool {
    let matches = |argv: &[String]| match &fault.matches {
        Some(wanted) => argv.join(" ").contains(wanted.as_str()),
        None => true,
    };
    let earlier = records[..number - 1].iter().filter(|record| matches(&record.argv)).count();
    fault.command.is_none_or(|command| command == number)
        && matches(args)
        && fault.times.is_none_or(|times| earlier < times)
}

/// Waits, holds the caller, lets another writer write; and the failure, if there is to be one.
fn happen(lab: &Lab, fault: &Fault) -> Option<Failure> {
    std::thread::sleep(Duration::from_millis(fault.slow));
    if let Some(file) = &fault.hold {
        let file = lab.folder.join(file);
        // Without the file nobody waits for it: the lab's folder may be gone.
        if fs_err::write(&file, "").is_ok() {
            while file.exists() {
                std::thread::sleep(Duration::from_millis(10));
            }
        }
    }
    if !fault.run.is_empty() {
        let quiet = Settings { fault: Vec::new(), ..lab.settings.clone() };
        let other = Lab { settings: quiet, ..lab.clone() };
        execute(&other, &fault.run, &mut std::io::empty(), &mut || None);
    }
    let exit = fault.exit?;
    Some(Failure { exit, text: fault.text.replace("\r\n", "\n").replace('\n', "\r\n") })
}
