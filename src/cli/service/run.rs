//! `holdall service run`: what the service manager starts.

use std::process::ExitCode;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use super::super::Output;
use super::super::served::{Placed, ReleaseArgs};
use super::super::stop;
use crate::Error;
use crate::deploy::Fault;
use crate::service::alarm::Alarm;
use crate::service::log::Log;
use crate::service::manager::log_of;
use crate::service::supervise::{End, Stop, Supervised, supervise};
use crate::service::{ServiceError, ServiceName, invocation, standing};

const AFTER: &str = "\
Examples:
  holdall service run shop worker
  holdall service run shop worker --release 2.3-1f0c9a22

Exit codes:
  0  it was stopped, or has ended well; any other code is its own
  2  wrong usage
  3  there is no such site, release or service, or a variable that it needs is not set";

/// Run one service of a site until it is stopped, as the service manager does
///
/// Ctrl-C stops it. What it prints goes into its log, `shared/logs/services`. What crashes is started again, after a
/// pause that gets longer.
#[derive(clap::Args, Clone)]
#[command(after_help = AFTER)]
pub struct Args {
    #[command(flatten)]
    release: ReleaseArgs,
    /// The service
    #[arg(value_name = "NAME", value_parser = name)]
    name: ServiceName,
    /// Which of its instances this is
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    instance: u32,
}

fn name(text: &str) -> Result<ServiceName, String> {
    ServiceName::parse(text).map_err(|error| error.to_string())
}

#[cfg(windows)]
pub fn run(args: Args, output: &Output) -> Result<ExitCode, Error> {
    use crate::service::dispatch;

    let as_service = args.clone();
    let work = Box::new(move |asked: Receiver<Stop>| match work(&as_service, &asked) {
        Ok(code) => code,
        Err(error) => {
            // Nobody sees what a service prints.
            as_service.note(&error);
            error.exit() as i32
        }
    });
    match dispatch::run(work).map_err(Error::System)? {
        None => Ok(ExitCode::SUCCESS),
        Some(_) => in_console(&args, output),
    }
}

#[cfg(not(windows))]
pub fn run(args: Args, output: &Output) -> Result<ExitCode, Error> {
    in_console(&args, output).inspect_err(|error| args.note(error))
}

/// Until Ctrl-C, or until whoever has started it asks it to end.
fn in_console(args: &Args, output: &Output) -> Result<ExitCode, Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_io().build();
    let runtime = runtime.map_err(Error::System)?;
    let stop = stop::Stop::listen(&runtime).map_err(Error::System)?;
    let (told, asked) = channel();
    runtime.spawn(async move {
        stop.asked().await;
        // The command may have ended by itself.
        let _ = told.send(Stop);
    });
    output.aside(format!("{} runs until Ctrl-C", args.name));
    let code = work(args, &asked)?;
    Ok(u8::try_from(code).map_or(ExitCode::FAILURE, ExitCode::from))
}

/// Runs it to its end. Returns the code.
fn work(args: &Args, asked: &Receiver<Stop>) -> Result<i32, Error> {
    let Placed { place, given, .. } = args.release.find()?;
    let services = &place.manifest.site.services;
    let service = services.iter().find(|service| service.name.is_same(&args.name));
    let service = service.ok_or_else(|| ServiceError::Unknown {
        site: args.release.site().clone(),
        release: place.id.clone(),
        name: args.name.clone(),
        known: services.iter().map(|service| service.name.to_string()).collect(),
    });
    let service = service.map_err(|error| Error::Deploy(Fault::from(error).into()))?;
    let file = args.file();
    let supervised = Supervised {
        invocation: invocation::of(service, args.instance, &place, &given),
        release: place.id.clone(),
        restart: service.schedule.is_none().then_some(service.restart),
        reads_wish: invocation::reads_wish(service, &place),
        stop_timeout: Duration::from_secs(service.stop_timeout.into()),
        log: log_of(&place.shared(), &file),
        standing: standing::path(&place.shared(), &file),
        alarm: Alarm::of(args.release.site().clone(), &place.shared(), &file),
    };
    let end = supervise(&supervised, asked).map_err(|error| Error::Deploy(Fault::from(error).into()))?;
    Ok(match end {
        End::Stopped => 0,
        End::Ended(code) => code,
    })
}

impl Args {
    /// What its log is called, without an ending.
    fn file(&self) -> String {
        match self.instance {
            1 => self.name.to_string(),
            further => format!("{}-{further}", self.name),
        }
    }

    /// Writes into its log why it does not begin, if the site is there, and has administrators hear of it.
    fn note(&self, error: &Error) {
        let Some(shared) = self.release.shared().filter(|shared| shared.is_dir()) else { return };
        let file = self.file();
        if let Ok(mut log) = Log::open(&log_of(&shared, &file)) {
            log.note(&format!("does not begin: {error}"));
        }
        Alarm::of(self.release.site().clone(), &shared, &file).down("does not begin");
    }
}
