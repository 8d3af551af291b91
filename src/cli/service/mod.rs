//! `holdall service`: the background commands of a site.

mod run;
mod turn;

use std::process::ExitCode;

use super::Output;
use crate::Error;
use crate::service::{ServiceStatus, Turn};

/// What the help of each says at its end.
macro_rules! after {
    ($($example:literal),+) => {
        concat!(
            "Examples:\n",
            $("  holdall service ", $example, "\n",)+
            "\nExit codes:\n  0  done\n  1  failed\n  2  wrong usage\n",
            "  3  there is no such site or service, and nothing was changed"
        )
    };
}

/// Say how the services of a site stand, and start and stop them
#[derive(clap::Subcommand)]
#[command(after_help = after!("list shop", "restart shop worker"))]
pub enum Command {
    /// Say how the services of a site stand
    #[command(after_help = after!("list shop", "list shop --format json"))]
    List(turn::ListArgs),
    /// Start services of a site that were stopped
    #[command(after_help = after!("start shop", "start shop worker"))]
    Start(turn::TurnArgs),
    /// Stop services of a site, until the next deploy or the next start of the machine
    #[command(after_help = after!("stop shop", "stop shop worker"))]
    Stop(turn::TurnArgs),
    /// Stop services of a site and start them again, so that they know its variables as they are now
    #[command(after_help = after!("restart shop", "restart shop worker"))]
    Restart(turn::TurnArgs),
    Run(run::Args),
}

pub fn run(command: Command, output: &Output) -> Result<ExitCode, Error> {
    match command {
        Command::List(args) => turn::list(&args, output),
        Command::Start(args) => turn::turn(&args, Turn::On, output),
        Command::Stop(args) => turn::turn(&args, Turn::Off, output),
        Command::Restart(args) => turn::turn(&args, Turn::Again, output),
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
