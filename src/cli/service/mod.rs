//! `holdall service`: the background commands of a site.

mod run;
mod turn;

use std::process::ExitCode;

use super::Output;
use crate::Error;
use crate::service::ServiceStatus;

const AFTER: &str = "\
Examples:
  holdall service list shop
  holdall service restart shop worker

Exit codes:
  0  done
  1  failed
  2  wrong usage
  3  there is no such site or service, and nothing was changed";

/// Say how the services of a site stand, and start and stop them
#[derive(clap::Subcommand)]
#[command(after_help = AFTER)]
pub enum Command {
    List(turn::ListArgs),
    Start(turn::StartArgs),
    Stop(turn::StopArgs),
    Restart(turn::RestartArgs),
    Run(run::Args),
}

pub fn run(command: Command, output: &Output) -> Result<ExitCode, Error> {
    match command {
        Command::List(args) => turn::list(&args, output),
        Command::Start(args) => turn::start(&args, output),
        Command::Stop(args) => turn::stop(&args, output),
        Command::Restart(args) => turn::restart(&args, output),
        Command::Run(args) => run::run(args, output),
    }
}

/// How one stands, for people.
pub fn line(service: &ServiceStatus) -> String {
    let process = service.pid.map(|pid| format!(" as process {pid}")).unwrap_or_default();
    let schedule = service.schedule.as_ref().map(|schedule| format!(", {schedule}")).unwrap_or_default();
    let restarts = match service.restarts {
        0 => String::new(),
        1 => ", started again once".to_owned(),
        times => format!(", started again {times} times"),
    };
    let ended = service.ended.as_ref().map(|ended| format!(", last {ended}")).unwrap_or_default();
    format!(
        "service {}: {}{process}, of {}{schedule}{restarts}{ended}",
        service.service, service.state, service.release
    )
}
