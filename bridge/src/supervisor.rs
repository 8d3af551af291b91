//! Several processes on one listening socket: started as the first one was, replaced when they die, told to
//! stop together. Nothing is forked: a worker is the same program again, with the socket as its descriptor 0.
//!
//! A worker's standard output is a pipe to here. It says when the application is imported, and its end, on either
//! side, tells the other that the process is gone.

use std::ffi::OsString;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::SIGCHLD;

use crate::transports::Listener;
use crate::{log, stop};

/// What a worker writes when it can answer requests.
pub const READY: &[u8] = b"ready\n";

/// A worker that lived shorter than this is not simply started again.
const SHORT_LIFE: Duration = Duration::from_secs(5);

/// The longest pause before a new attempt.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What workers get beyond the grace of their requests, for leaving.
const LAST_WORD: Duration = Duration::from_secs(5);

/// How this process was started.
#[derive(Debug)]
pub struct Program {
    pub executable: OsString,
    pub arguments: Vec<OsString>,
}

struct Worker {
    child: Child,
    output: ChildStdout,
    since: Instant,
    ready: bool,
    /// The output has ended, so there is nothing to poll; the process is about to be gone.
    silent: bool,
}

/// One of the places for workers: somebody there, or somebody due.
struct Place {
    worker: Option<Worker>,
    due: Instant,
    pause: Duration,
}

/// Keeps `count` workers until told to stop. `false` if none of them ever got ready.
pub fn supervise(program: &Program, count: u16, listener: &Listener, grace: Duration) -> io::Result<bool> {
    let mut soft = stop::signals(&stop::SOFT)?;
    let mut children = stop::signals(&[SIGCHLD])?;
    let mut places: Vec<Place> =
        (0..count).map(|_| Place { worker: None, due: Instant::now(), pause: Duration::ZERO }).collect();
    let (mut announced, mut served) = (false, false);
    loop {
        for place in &mut places {
            if place.worker.is_none() && place.due <= Instant::now() {
                match start(program, listener) {
                    Ok(worker) => place.worker = Some(worker),
                    Err(error) => {
                        log::line(&format!("cannot start a worker: {error}"));
                        rest(place);
                    }
                }
            }
        }
        wait(&soft, &children, &places);
        if stop::drain(&mut soft) {
            log::line("stopping: workers finish their requests");
            stop_all(&mut places, grace, &mut soft);
            log::line("stopped");
            return Ok(true);
        }
        stop::drain(&mut children);
        for place in &mut places {
            let Some(worker) = &mut place.worker else { continue };
            listen_to(worker);
            served |= worker.ready;
            if let Some(status) = worker.child.try_wait()? {
                log::line(&format!("worker {} is gone: {status}", worker.child.id()));
                // A worker may say that it is ready and die before anybody has listened.
                listen_to(worker);
                served |= worker.ready;
                let (short, never) = (worker.since.elapsed() < SHORT_LIFE, !worker.ready);
                place.worker = None;
                if never && !served {
                    log::line("the application cannot be served: no worker has got ready");
                    stop_all(&mut places, grace, &mut soft);
                    return Ok(false);
                }
                if short || never {
                    rest(place);
                } else {
                    (place.due, place.pause) = (Instant::now(), Duration::ZERO);
                }
            }
        }
        if !announced && places.iter().all(|place| place.worker.as_ref().is_some_and(|worker| worker.ready)) {
            announced = true;
            log::line(&format!("ready: {count} processes at {}", listener.address()));
        }
    }
}

fn start(program: &Program, listener: &Listener) -> io::Result<Worker> {
    let socket = OwnedFd::from(listener.socket.try_clone()?);
    let mut child = Command::new(&program.executable)
        .args(&program.arguments)
        .arg("--worker")
        .stdin(Stdio::from(socket))
        .stdout(Stdio::piped())
        .spawn()?;
    let output = child.stdout.take().expect("it was asked for");
    rustix::io::ioctl_fionbio(&output, true)?;
    Ok(Worker { child, output, since: Instant::now(), ready: false, silent: false })
}

/// The pause before the next attempt doubles each time.
fn rest(place: &mut Place) {
    place.pause = (place.pause * 2).clamp(Duration::from_secs(1), LONGEST_PAUSE);
    place.due = Instant::now() + place.pause;
}

fn listen_to(worker: &mut Worker) {
    let mut heard = [0; 64];
    match worker.output.read(&mut heard) {
        Ok(0) => worker.silent = true,
        Ok(read) => worker.ready |= heard[..read].ends_with(READY),
        Err(_) => {}
    }
}

/// Waits for a signal, a word or the end of a worker, or the time to start one.
fn wait(soft: &impl AsFd, children: &impl AsFd, places: &[Place]) {
    let mut fds = vec![
        PollFd::from_borrowed_fd(soft.as_fd(), PollFlags::IN),
        PollFd::from_borrowed_fd(children.as_fd(), PollFlags::IN),
    ];
    for worker in places.iter().filter_map(|place| place.worker.as_ref()).filter(|worker| !worker.silent) {
        fds.push(PollFd::from_borrowed_fd(worker.output.as_fd(), PollFlags::IN));
    }
    let due = places.iter().filter(|place| place.worker.is_none()).map(|place| place.due).min();
    let limit = due.and_then(|due| Timespec::try_from(due.saturating_duration_since(Instant::now())).ok());
    // Whatever ended it, everything is looked at afterwards.
    let _ = poll(&mut fds, limit.as_ref());
}

/// Tells every worker to stop and waits for it. Told a second time, it waits no longer.
fn stop_all(places: &mut [Place], grace: Duration, soft: &mut UnixStream) {
    let mut left: Vec<Child> =
        places.iter_mut().filter_map(|place| place.worker.take()).map(|worker| worker.child).collect();
    left.iter().for_each(|child| send(child, Signal::TERM));
    let deadline = Instant::now() + grace + LAST_WORD;
    while !left.is_empty() && Instant::now() < deadline && !stop::drain(soft) {
        left.retain_mut(|child| matches!(child.try_wait(), Ok(None)));
        std::thread::sleep(Duration::from_millis(10));
    }
    for mut child in left {
        log::line(&format!("worker {} does not leave and is killed", child.id()));
        // It is gone already, or goes now.
        let _ = child.kill();
        let _ = child.wait();
    }
}

fn send(child: &Child, signal: Signal) {
    // Not waited for yet, so the number is still this child's.
    if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}
