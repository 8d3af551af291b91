//! What is built up on an IIS for a while: changes, each with its inverse, and requests.
//!
//! IIS stands behind a small trait, so that all of it also runs against one that is made up.

use std::io::Read;
use std::path::Path;
use std::time::Duration;

use anyhow::ensure;

use super::http::{Answer, Request};
use super::plan::{Change, Invocation};

/// How a program ended, and what it wrote.
#[derive(Debug, Clone)]
pub struct Done {
    pub code: i32,
    pub stdout: Vec<u8>,
}

/// An IIS and the machine it runs on.
pub trait Iis {
    fn run(&mut self, command: &Invocation) -> anyhow::Result<Done>;

    /// Sends a request and returns what comes back, to be read or to be left.
    fn send(&mut self, request: &Request) -> anyhow::Result<Box<dyn Read>>;

    fn pause(&mut self, time: Duration);

    /// The folder of [`super::plan::Names`], as this system writes it.
    fn folder(&self) -> &Path;
}

/// How long IIS gets to take up what appcmd has written.
pub const PATIENCE: Duration = Duration::from_secs(15);
/// How often it is asked meanwhile.
pub const STEP: Duration = Duration::from_millis(500);

/// Changes of an IIS that are taken back when this is dropped.
pub struct Stand<'a> {
    pub iis: &'a mut dyn Iis,
    /// What takes back the changes that stand, in their order.
    undo: Vec<Invocation>,
    /// What could not be taken back.
    pub not_undone: Vec<String>,
}

impl Drop for Stand<'_> {
    fn drop(&mut self) {
        self.undo_to(0);
    }
}

impl<'a> Stand<'a> {
    pub fn new(iis: &'a mut dyn Iis) -> Stand<'a> {
        Stand { iis, undo: Vec::new(), not_undone: Vec::new() }
    }

    /// How many changes stand.
    pub fn mark(&self) -> usize {
        self.undo.len()
    }

    /// What else there is to do at the end.
    pub fn also_undo(&mut self, command: Invocation) {
        self.undo.push(command);
    }

    pub fn run(&mut self, command: &Invocation) -> anyhow::Result<Done> {
        let mut done = self.iis.run(command)?;
        for _ in 0..10 {
            // The file is in use, the service restarts, or it does not know yet what has just been made.
            if ![32, 1726, 4312].contains(&done.code) {
                break;
            }
            self.iis.pause(STEP);
            done = self.iis.run(command)?;
        }
        let said = String::from_utf8_lossy(&done.stdout);
        ensure!(done.code == 0, "`{command}` ended with {}: {}", done.code, said.trim());
        Ok(done)
    }

    pub fn change(&mut self, change: &Change) -> anyhow::Result<()> {
        self.run(&change.does)?;
        self.undo.push(change.undoes.clone());
        Ok(())
    }

    /// Takes back all changes but the first `mark`, the last one first.
    pub fn undo_to(&mut self, mark: usize) {
        for command in self.undo.split_off(mark).into_iter().rev() {
            if let Err(error) = self.run(&command) {
                self.not_undone.push(format!("not undone: {error:#}"));
            }
        }
    }

    pub fn answer(&mut self, request: &Request) -> anyhow::Result<Answer> {
        Answer::read(self.iis.send(request)?)
    }

    /// The first answer that is the right one, or the one at the end of all patience: IIS takes changes up late.
    pub fn settled(&mut self, port: u16, right: impl Fn(&Answer) -> bool) -> anyhow::Result<Answer> {
        let mut waited = Duration::ZERO;
        loop {
            let answer = self.answer(&Request::get(port, "/"));
            if waited >= PATIENCE || answer.as_ref().is_ok_and(&right) {
                return answer;
            }
            self.iis.pause(STEP);
            waited += STEP;
        }
    }
}
