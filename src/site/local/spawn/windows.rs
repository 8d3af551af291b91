//! Processes as IIS starts them: the server end of a named pipe as standard input, its name and a shutdown event
//! in the environment, and nothing else inherited. A job ends each with all that it started.
//!
//! Unlike IIS this gives them a standard output and error, so that a person who looks at a site can read why it
//! does not start.

use std::fs::File;
use std::io;
use std::os::windows::io::OwnedHandle;
use std::os::windows::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::windows::named_pipe::ServerOptions;
use tokio::sync::watch;

use super::Stream;
use crate::site::Invocation;
use crate::site::local::channel::Channel;
use crate::site::local::win32::{self, Event, Job};

/// The name of the pipe that is the standard input.
const PIPE: &str = "_FCGI_X_PIPE_";

/// The number of the event that is set when the process is to end.
const SHUTDOWN: &str = "_FCGI_SHUTDOWN_EVENT_";

/// Starts processes.
#[derive(Clone)]
pub struct Spawner;

/// One process. Dropping it kills it: the job ends with its last handle.
pub struct Process {
    id: u32,
    job: Job,
    shutdown: Arc<Event>,
    streams: Vec<Stream>,
    ended: watch::Receiver<Option<u32>>,
}

impl Spawner {
    pub fn start() -> io::Result<Spawner> {
        Ok(Spawner)
    }

    /// Starts `invocation` with `channel` as its standard input; what it writes can be read from the process.
    pub async fn spawn(&self, invocation: &Invocation, channel: Channel) -> io::Result<Process> {
        let (output, output_end) = stream(&format!("{}-output", channel.name)).await?;
        let (errors, errors_end) = stream(&format!("{}-errors", channel.name)).await?;
        let shutdown = Arc::new(Event::new()?);
        let mut command = invocation.command();
        command.env(PIPE, &channel.name).env(SHUTDOWN, shutdown.number().to_string());
        let event = shutdown.clone();
        // Starting a program takes its time where a scanner reads it first.
        let started = tokio::task::spawn_blocking(move || {
            let job = Job::new()?;
            let standard = [&channel.pipe, &output_end, &errors_end];
            let (process, id) = win32::start(&command, standard, &event, &job)?;
            // What is left of our copies of its ends closes here, so that each stream ends with the process.
            Ok::<_, io::Error>((process, id, job))
        });
        let (process, id, job) = started.await.map_err(io::Error::other)??;
        Ok(Process { id, job, shutdown, streams: vec![output, errors], ended: watch_end(process)? })
    }
}

/// A pipe that is read here, and the end that a process writes to.
async fn stream(name: &str) -> io::Result<(Stream, OwnedHandle)> {
    let mut options = ServerOptions::new();
    let ours = options.access_outbound(false).first_pipe_instance(true).max_instances(1).create(name)?;
    let theirs = File::options().write(true).open(name)?;
    ours.connect().await?;
    Ok((Box::new(ours), theirs.into()))
}

/// Has a thread wait for the end of the process; its exit code is what the receiver gets.
fn watch_end(process: OwnedHandle) -> io::Result<watch::Receiver<Option<u32>>> {
    let (tell, ended) = watch::channel(None);
    std::thread::Builder::new().name("holdall-waiter".to_owned()).spawn(move || {
        // Dropping the sender untold says that the code cannot be had.
        if let Ok(code) = win32::wait(&process) {
            tell.send_replace(Some(code));
        }
    })?;
    Ok(ended)
}

impl Process {
    pub fn id(&self) -> u32 {
        self.id
    }

    /// What it writes. There is something the first time only.
    pub fn streams(&mut self) -> Vec<Stream> {
        std::mem::take(&mut self.streams)
    }

    /// Resolves when it has ended; again and again then.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        let code = *self.ended.wait_for(Option::is_some).await.map_err(io::Error::other)?;
        Ok(ExitStatus::from_raw(code.expect("just waited for")))
    }

    /// Asks the process to end, and ends it if it has not after `patience`; its own children go with it.
    pub async fn terminate(&mut self, patience: Duration) {
        self.shutdown.set();
        let _ = tokio::time::timeout(patience, self.wait()).await;
        self.kill().await;
    }

    /// Ends the process at once, and its own children with it.
    pub async fn kill(&mut self) {
        self.sweep();
        // A process that cannot be waited for is not worth staying for.
        let _ = self.wait().await;
    }

    /// Ends what a process left behind when it ended by itself.
    pub fn sweep(&self) {
        self.job.terminate();
    }
}
