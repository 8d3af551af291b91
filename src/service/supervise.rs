//! What `holdall service run` does: keeps one command running until it is told to stop.

use std::io::{self, Read as _};
use std::path::PathBuf;
use std::process::{ChildStdin, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::alarm::Alarm;
use super::backoff::Backoff;
use super::log::Log;
use super::standing::{Doing, Standing};
use super::tree::{self, Tree};
use super::{Restart, ServiceError};
use crate::release::ReleaseId;
use crate::site::Invocation;

/// How often it is looked whether the process is still there.
const TURN: Duration = Duration::from_millis(50);

/// A command, and how it is kept running.
#[derive(Debug)]
pub struct Supervised {
    pub invocation: Invocation,
    pub release: ReleaseId,
    /// None for one that a schedule runs: it is run once.
    pub restart: Option<Restart>,
    pub stop_timeout: Duration,
    /// Whether it takes the end of its standard input for the wish that it ends. Else the system has a sign for that.
    pub reads_wish: bool,
    pub log: PathBuf,
    /// Where it says how it stands.
    pub standing: PathBuf,
    /// Who hears of it when it crashes.
    pub alarm: Alarm,
}

/// Somebody wants the service to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stop;

/// How it came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Stopped,
    /// By itself, with this code.
    Ended(i32),
}

/// Runs the command until it is told to stop, or until it has ended and is not to be started again.
pub fn supervise(service: &Supervised, stop: &Receiver<Stop>) -> Result<End, ServiceError> {
    tree::prepare();
    let log =
        Log::open(&service.log).map_err(|source| ServiceError::Log { path: service.log.clone(), source })?;
    let log = Arc::new(Mutex::new(log));
    let note = |words: &str| log.lock().unwrap_or_else(PoisonError::into_inner).note(words);
    let (mut backoff, mut restarts) = (Backoff::default(), 0);
    loop {
        let begun = Instant::now();
        let ended = match Started::of(service, &log) {
            Ok(mut started) => {
                tell(service, restarts, Doing::Running { process: started.tree.id(), since: now() });
                let ended = started.wait(stop, service.stop_timeout, &note);
                started.end();
                match ended? {
                    Some(status) => Ended::of(status),
                    None => {
                        note("stopped");
                        tell(service, restarts, Doing::Ended { ended: "stopped".to_owned(), well: true });
                        return Ok(End::Stopped);
                    }
                }
            }
            // Files may be held by a virus scanner, or memory be short: that passes.
            Err(error) => Ended { code: 1, words: format!("could not be started: {error}") },
        };
        let again = match service.restart {
            Some(Restart::Always) => true,
            Some(Restart::OnFailure) => ended.code != 0,
            Some(Restart::Never) | None => false,
        };
        if !again {
            note(&ended.words);
            match service.restart {
                _ if ended.code == 0 => {}
                None => service.alarm.crashed(&ended.words),
                Some(_) => service.alarm.down(&format!("{} and is not started again", ended.words)),
            }
            tell(service, restarts, Doing::Ended { ended: ended.words, well: ended.code == 0 });
            return Ok(End::Ended(ended.code));
        }
        let pause = backoff.after(begun.elapsed());
        note(&format!("{}; it is started again in {} s", ended.words, pause.as_secs()));
        service.alarm.ended(ended.code, &ended.words, backoff.in_a_row());
        tell(service, restarts, Doing::Waiting { ended: ended.words });
        restarts += 1;
        match stop.recv_timeout(pause) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(Stop) | Err(RecvTimeoutError::Disconnected) => {
                note("stopped");
                return Ok(End::Stopped);
            }
        }
    }
}

/// A process that ended by itself.
struct Ended {
    code: i32,
    words: String,
}

impl Ended {
    fn of(status: ExitStatus) -> Ended {
        match status.code() {
            Some(code) => Ended { code, words: format!("ended with {code}") },
            None => Ended { code: 1, words: format!("ended: {status}") },
        }
    }
}

struct Started {
    tree: Tree,
    /// Held open until the process is to end, if it reads that there.
    input: Option<ChildStdin>,
    /// Closed once nobody can print any more, and all of it is in the log.
    said: Receiver<()>,
}

impl Started {
    fn of(service: &Supervised, log: &Arc<Mutex<Log>>) -> io::Result<Started> {
        let (mut said, pipe) = io::pipe()?;
        let mut command = service.invocation.command();
        command.stdin(if service.reads_wish { Stdio::piped() } else { Stdio::null() });
        command.stdout(pipe.try_clone()?).stderr(pipe);
        // Nothing that it prints comes before the word that it was started.
        let mut first = log.lock().unwrap_or_else(PoisonError::into_inner);
        let mut tree = Tree::spawn(&mut command)?;
        let input = tree.input();
        // It holds two ends of the pipe, which would never close.
        drop(command);
        first.note(&format!("started {} of {}", tree.id(), service.release));
        drop(first);
        let log = Arc::clone(log);
        let (open, closed) = channel::<()>();
        std::thread::spawn(move || {
            let _open = open;
            let mut part = [0; 8192];
            while let Ok(count @ 1..) = said.read(&mut part) {
                // A disk that is full is no reason to stop the service, nor to have it wait for room in the pipe.
                let _ = log.lock().unwrap_or_else(PoisonError::into_inner).write(&part[..count]);
            }
        });
        Ok(Started { tree, input, said: closed })
    }

    /// What it has started and left behind goes with it. Who has left the group by himself may keep the pipe open: that is
    /// not waited for.
    fn end(&mut self) {
        self.tree.kill();
        let _ = self.said.recv_timeout(Duration::from_secs(1));
    }

    /// Waits for its end. None says that it was told to stop.
    fn wait(
        &mut self,
        stop: &Receiver<Stop>,
        limit: Duration,
        note: &dyn Fn(&str),
    ) -> Result<Option<ExitStatus>, ServiceError> {
        let waited = |source| ServiceError::Wait { source };
        loop {
            if let Some(status) = self.tree.try_wait().map_err(waited)? {
                return Ok(Some(status));
            }
            match stop.recv_timeout(TURN) {
                Err(RecvTimeoutError::Timeout) => {}
                Ok(Stop) | Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        note("asked to end");
        match self.input.take() {
            Some(input) => drop(input),
            None => self.tree.ask(),
        }
        let until = Instant::now() + limit;
        while self.tree.try_wait().map_err(waited)?.is_none() {
            if Instant::now() >= until {
                note(&format!("not ended after {} s: killed", limit.as_secs()));
                break;
            }
            std::thread::sleep(TURN);
        }
        Ok(None)
    }
}

/// Whoever reads it is told less, if it cannot be written.
fn tell(service: &Supervised, restarts: u32, doing: Doing) {
    let (release, supervisor) = (service.release.clone(), std::process::id());
    let _ = Standing { release, supervisor, doing, restarts }.write(&service.standing);
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use crate::manifest::SiteName;
    use std::collections::BTreeMap;
    use std::path::Path;

    fn shell(folder: &Path, script: &str, restart: Option<Restart>) -> Supervised {
        Supervised {
            invocation: Invocation {
                program: "/bin/sh".into(),
                args: vec!["-c".into(), script.into()],
                environment: BTreeMap::new(),
                cwd: folder.to_owned(),
            },
            release: ReleaseId::parse("1.0-0123abcd").unwrap(),
            restart,
            stop_timeout: Duration::from_millis(600),
            reads_wish: false,
            log: folder.join("worker.log"),
            standing: folder.join("worker.json"),
            alarm: Alarm::of(SiteName::parse("shop").unwrap(), folder, "worker"),
        }
    }

    fn wait_for(mut holds: impl FnMut() -> bool) {
        let until = Instant::now() + Duration::from_secs(30);
        while !holds() {
            assert!(Instant::now() < until, "not in time");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn is_gone(pid: &str) -> bool {
        let state = fs_err::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
        state.is_empty() || state.contains(") Z ")
    }

    #[test]
    fn what_has_crashed_is_started_again_and_its_output_is_in_the_log() {
        let folder = tempfile::tempdir().unwrap();
        let script = "echo said; echo more >&2; [ -e third ] && exec sleep 60; [ -e second ] && touch third; \
                      touch second; exit 3";
        let service = shell(folder.path(), script, Some(Restart::OnFailure));
        let (stop, asked) = channel();
        let standing = service.standing.clone();
        let running = std::thread::spawn(move || supervise(&service, &asked));
        wait_for(|| {
            Standing::read(&standing)
                .is_some_and(|told| told.restarts == 2 && matches!(told.doing, Doing::Running { .. }))
        });
        let log = || fs_err::read_to_string(folder.path().join("worker.log")).unwrap();
        wait_for(|| log().matches("said\nmore\n").count() == 3);
        stop.send(Stop).unwrap();
        assert_eq!(running.join().unwrap().unwrap(), End::Stopped);
        let log = log();
        for pause in ["1 s", "2 s"] {
            assert!(log.contains(&format!("ended with 3; it is started again in {pause}\n")), "{log}");
        }
    }

    #[test]
    fn what_does_not_end_when_asked_is_killed_with_all_that_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let script = "trap '' TERM; sleep 60 & echo $! >child; touch up; wait; wait; sleep 60";
        let service = shell(folder.path(), script, Some(Restart::Always));
        let (stop, asked) = channel();
        let running = std::thread::spawn(move || supervise(&service, &asked));
        wait_for(|| folder.path().join("up").exists());
        let begun = Instant::now();
        stop.send(Stop).unwrap();
        assert_eq!(running.join().unwrap().unwrap(), End::Stopped);
        // It would end by itself after two minutes.
        assert!((Duration::from_millis(600)..Duration::from_secs(30)).contains(&begun.elapsed()));
        let child = fs_err::read_to_string(folder.path().join("child")).unwrap();
        wait_for(|| is_gone(&child));
    }

    #[test]
    fn what_reads_the_wish_that_it_ends_is_sent_no_signal() {
        let folder = tempfile::tempdir().unwrap();
        let script = "trap 'exit 3' TERM; touch up; cat; echo read to the end; exit 5";
        let mut service = shell(folder.path(), script, Some(Restart::Always));
        service.reads_wish = true;
        service.stop_timeout = Duration::from_secs(30);
        let (stop, asked) = channel();
        let log = service.log.clone();
        let running = std::thread::spawn(move || supervise(&service, &asked));
        wait_for(|| folder.path().join("up").exists());
        stop.send(Stop).unwrap();
        assert_eq!(running.join().unwrap().unwrap(), End::Stopped);
        let log = fs_err::read_to_string(log).unwrap();
        assert!(log.contains("read to the end\n") && !log.contains("killed"), "{log}");
    }

    #[test]
    fn what_a_schedule_runs_is_run_once_and_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let service = shell(folder.path(), "sleep 60 & echo $! >child; exit 4", None);
        let (_stop, asked) = channel();
        assert_eq!(supervise(&service, &asked).unwrap(), End::Ended(4));
        let child = fs_err::read_to_string(folder.path().join("child")).unwrap();
        wait_for(|| is_gone(&child));
        let told = Standing::read(&service.standing).unwrap();
        assert_eq!(told.doing, Doing::Ended { ended: "ended with 4".to_owned(), well: false });
        assert!(folder.path().join("services/worker.event-20").exists(), "that is told");
    }
}
