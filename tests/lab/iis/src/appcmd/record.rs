//! What appcmd was given and how it ended: one line when a command begins, one when it ends.
//!
//! What comes on standard input is not noted: a password may be in it, and must be nowhere else.

use std::io::Write;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::hold::Hold;
use crate::lab::Lab;

/// One command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Counted from 1.
    pub command: usize,
    /// As received, without the program.
    pub argv: Vec<String>,
    /// None for one that was ended by somebody, or is running.
    pub exit: Option<i32>,
    pub stdout: String,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Line {
    Begun { command: usize, argv: Vec<String> },
    Ended { command: usize, exit: i32, stdout: String },
}

/// All commands so far, in the order in which they began.
pub fn records(lab: &Lab) -> std::io::Result<Vec<Record>> {
    let text = match fs_err::read_to_string(lab.commands()) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut records: Vec<Record> = Vec::new();
    for line in text.lines() {
        match serde_json::from_str(line)? {
            Line::Begun { command, argv } => {
                records.push(Record { command, argv, exit: None, stdout: String::new() });
            }
            Line::Ended { command, exit, stdout } => {
                if let Some(record) = records.iter_mut().find(|record| record.command == command) {
                    (record.exit, record.stdout) = (Some(exit), stdout);
                }
            }
        }
    }
    Ok(records)
}

/// Notes a command and returns it with all that came before it.
pub fn begin(lab: &Lab, argv: &[String]) -> std::io::Result<Vec<Record>> {
    let _held = Hold::wait(&lock_file(lab))?;
    let mut records = records(lab)?;
    let (command, argv) = (records.len() + 1, argv.to_vec());
    note(lab, &Line::Begun { command, argv: argv.clone() })?;
    records.push(Record { command, argv, exit: None, stdout: String::new() });
    Ok(records)
}

pub fn end(lab: &Lab, command: usize, exit: i32, stdout: &str) -> std::io::Result<()> {
    let _held = Hold::wait(&lock_file(lab))?;
    note(lab, &Line::Ended { command, exit, stdout: stdout.to_owned() })
}

fn lock_file(lab: &Lab) -> PathBuf {
    lab.commands().with_extension("lock")
}

fn note(lab: &Lab, line: &Line) -> std::io::Result<()> {
    let line = serde_json::to_string(line)? + "\n";
    let mut file = fs_err::OpenOptions::new().create(true).append(true).open(lab.commands())?;
    file.write_all(line.as_bytes())
}
