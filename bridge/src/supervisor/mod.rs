//! Several processes on one listening socket: started as the first one was, replaced when they die, told to
//! stop together. Nothing is forked: a worker is the same program again, with the socket as its descriptor 0.
//!
//! A worker's standard output is a pipe to here. It says when the application is imported and when enough requests were
//! answered, and its end, on either side, tells the other that the process is gone.
//!
//! A worker that is to be renewed goes on until its successor can answer, and leaves then. One at a time, so that
//! there is never more than one process too many; and one that cannot be followed stays.

mod place;
mod worker;

use std::ffi::OsString;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant, SystemTime};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use signal_hook::consts::SIGCHLD;

use self::place::{Loss, Place};
use self::worker::Worker;
use crate::log_file::LogFile;
use crate::renewal::Renewal;
use crate::transports::{Listener, go_on_in};
use crate::{log, stop};

pub use self::worker::{FULL, READY};

/// How often memory and the file that is touched are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// What workers get beyond the grace of their requests, for leaving.
const LAST_WORD: Duration = Duration::from_secs(5);

/// How this process was started.
#[derive(Debug)]
pub struct Program {
    pub executable: OsString,
    pub arguments: Vec<OsString>,
}

/// A worker that was told to stop, and when it is killed if it has not.
struct Leaving {
    worker: Worker,
    deadline: Instant,
}

/// Keeps `count` workers until told to stop. `false` if none of them ever got ready.
pub fn supervise(
    program: &Program,
    count: u16,
    renewal: &Renewal,
    listener: &Listener,
    grace: Duration,
    mut log_file: Option<LogFile>,
) -> io::Result<bool> {
    let mut soft = stop::signals(&stop::SOFT)?;
    let mut children = stop::signals(&[SIGCHLD])?;
    let mut places: Vec<Place> = (0..count).map(|_| Place::empty()).collect();
    let mut leaving: Vec<Leaving> = Vec::new();
    let (mut announced, mut served) = (false, false);
    let mut touched = renewal.touched();
    let mut look_at = renewal.is_looked_for().then(|| Instant::now() + LOOK);
    loop {
        fill(&mut places, program, listener);
        wait(&soft, &children, &places, &leaving, look_at);
        // What is said of it shall not stand in a file that has been moved away.
        if let Some(file) = log_file.as_mut().and_then(LogFile::renew) {
            // A service does not end over its log.
            if let Err(error) = go_on_in(&file) {
                log::line(&format!("the log cannot go on in a new file: {error}"));
            }
        }
        if stop::drain(&mut soft) {
            log::line("stopping: workers finish their requests");
            stop_all(places, leaving, grace, &mut soft);
            log::line("stopped");
            return Ok(true);
        }
        stop::drain(&mut children);
        for place in &mut places {
            let loss = place.listen()?;
            served |= place.serves();
            if let Some(Loss::NeverReady) = loss
                && !served
            {
                log::line("the application cannot be served: no worker has got ready");
                stop_all(places, leaving, grace, &mut soft);
                return Ok(false);
            }
            if let Some(worker) = place.relieved() {
                worker.tell_to_stop();
                leaving.push(Leaving { worker, deadline: Instant::now() + grace + LAST_WORD });
            }
        }
        bury(&mut leaving);
        if look_at.is_some_and(|at| at <= Instant::now()) {
            look_at = Some(Instant::now() + LOOK);
            look(renewal, &mut touched, &mut places);
        }
        if !announced && places.iter().all(Place::serves) {
            announced = true;
            let processes = if count == 1 { "process" } else { "processes" };
            log::line(&format!("ready: {count} {processes} at {}", listener.address()));
        }
    }
}

/// Starts what is due: a worker wherever there is none, and the successor of one worker.
fn fill(places: &mut [Place], program: &Program, listener: &Listener) {
    for place in places.iter_mut().filter(|place| place.is_due()) {
        place.start(|| Worker::start(program, listener));
    }
    if !places.iter().any(Place::has_successor)
        && let Some(place) = places.iter_mut().find(|place| place.is_to_be_renewed())
    {
        place.start(|| Worker::start(program, listener));
    }
}

/// Finds workers that are to be renewed, though they do not say so themselves.
fn look(renewal: &Renewal, touched: &mut Option<SystemTime>, places: &mut [Place]) {
    let now = renewal.touched();
    if now != *touched {
        *touched = now;
        // A file that was taken away asks for nothing.
        if now.is_some() {
            log::line("the file of `reload` was touched: workers are replaced");
            places.iter_mut().for_each(Place::renew);
        }
    }
    if let Some(most) = renewal.memory {
        places.iter_mut().for_each(|place| place.renew_above(most));
    }
}

/// Takes leave of those who have left, and ends those who were to have left by now.
fn bury(leaving: &mut Vec<Leaving>) {
    leaving.retain_mut(|Leaving { worker, deadline }| {
        if worker.is_gone() {
            return false;
        }
        if *deadline > Instant::now() {
            return true;
        }
        log::line(&format!("worker {} does not leave and is killed", worker.id()));
        worker.kill();
        false
    });
}

/// Waits for a signal, a word or the end of a worker, or the time to do something.
fn wait(
    soft: &impl AsFd,
    children: &impl AsFd,
    places: &[Place],
    leaving: &[Leaving],
    look_at: Option<Instant>,
) {
    let mut fds = vec![
        PollFd::from_borrowed_fd(soft.as_fd(), PollFlags::IN),
        PollFd::from_borrowed_fd(children.as_fd(), PollFlags::IN),
    ];
    for worker in places.iter().flat_map(Place::workers).filter(|worker| !worker.silent) {
        fds.push(PollFd::from_borrowed_fd(worker.output.as_fd(), PollFlags::IN));
    }
    let waits_for_another = places.iter().any(Place::has_successor);
    let due = places.iter().filter_map(|place| place.next_start(waits_for_another));
    let until = due.chain(leaving.iter().map(|leaving| leaving.deadline)).chain(look_at).min();
    let limit =
        until.and_then(|until| Timespec::try_from(until.saturating_duration_since(Instant::now())).ok());
    // Whatever ended it, everything is looked at afterwards.
    let _ = poll(&mut fds, limit.as_ref());
}

/// Tells every worker to stop and waits for it. Told a second time, it waits no longer.
fn stop_all(places: Vec<Place>, leaving: Vec<Leaving>, grace: Duration, soft: &mut UnixStream) {
    let mut left: Vec<Worker> = places.into_iter().flat_map(Place::into_workers).collect();
    left.iter().for_each(Worker::tell_to_stop);
    left.extend(leaving.into_iter().map(|leaving| leaving.worker));
    let deadline = Instant::now() + grace + LAST_WORD;
    while !left.is_empty() && Instant::now() < deadline && !stop::drain(soft) {
        left.retain_mut(|worker| !worker.is_gone());
        std::thread::sleep(Duration::from_millis(10));
    }
    for mut worker in left {
        log::line(&format!("worker {} does not leave and is killed", worker.id()));
        worker.kill();
    }
}
