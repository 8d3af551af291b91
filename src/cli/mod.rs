//! What may be typed, and what is printed: one file a command. The only place that knows clap, and the only
//! one that prints.

pub mod apply;
pub mod bundle;
pub mod cache;
pub mod deploy;
pub mod doctor;
pub mod env;
pub mod init;
pub mod inspect;
pub mod key;
pub mod lock;
pub mod logs;
pub mod maintenance;
pub mod manage;
mod opened;
pub mod output;
mod packages;
mod password;
pub mod preview;
pub mod prune;
pub mod releases;
pub mod remove;
mod report;
pub mod restart;
pub mod rollback;
pub mod serve;
mod served;
pub mod service;
pub mod shell;
pub mod sign;
pub mod site;
pub mod status;
mod stop;
mod switch;
mod table;
pub mod trust;
mod usage;
pub mod verify;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;

pub use output::Output;

/// What stands below the help of `holdall` itself. Each command says below its own what its codes mean there.
const AFTER: &str = "\
The way of a site:
  holdall lock --runtime host          fix the versions of all packages, for you to commit
  holdall bundle --runtime host        pack the project in this folder into dist/
  holdall preview dist/SITE.zip        look at it in a browser
  holdall verify dist/SITE.zip         check that a copy arrived as it was made
  holdall deploy SITE.zip              put it into service, on the server

Exit codes:
    0  done
    1  failed
    2  wrong usage
    3  a precondition does not hold, and nothing was changed
    4  failed, and all is as it was before
    5  failed, and not all could be taken back
  130  ended by Ctrl-C before it was done

Environment:
  HOLDALL_CACHE    where downloads and packed layers are kept [default: the user's cache folder]
  HOLDALL_TOOLS    the folder with Holdall's own parts for other targets
  HOLDALL_PYTHON   the Python of this machine to use, before those on PATH
  HOLDALL_UV       the uv to use, before the one on PATH
  HOLDALL_POETRY   the poetry to use for a `poetry.lock`, before the one on PATH
  HOLDALL_PIPENV   the pipenv to use for a `Pipfile.lock`, before the one on PATH
  HOLDALL_RECIPES  a folder whose files stand in for the recipes of the same names
  HOLDALL_TRUST    the public key that `verify`, `preview` and `deploy` ask for, or the name of its file
  HOLDALL_TRUST_FILE
                   one more file like trust.toml, beside that of this machine
  HOLDALL_EVENTS   a file that gets what goes to the event log of Windows, a line of JSON each
  HOLDALL_ROOT     the folder of all sites on a server
  HOLDALL_APPCMD   the program to run in place of IIS's own appcmd
  HOLDALL_NETSH    the program to run in place of Windows's own netsh
  HOLDALL_CERTIFICATES
                   a folder of certificates in place of the machine's own
  HOLDALL_SERVICES the program to run in place of the service manager
  HOLDALL_KEY_PASSWORD
                   the password of the secret key that signs
  NO_COLOR         set to anything: no colours";

/// Pack a Django project into one archive that runs by itself.
#[derive(Parser)]
#[command(name = "holdall", bin_name = "holdall", version, about, after_help = AFTER, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// How to print: `text` for people, or `json` for scripts, one value a line on standard output
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t = output::Format::Text,
        value_name = "text|json",
        hide_possible_values = true,
        display_order = 900
    )]
    format: output::Format,
}

#[derive(clap::Subcommand)]
enum Command {
    Bundle(bundle::Args),
    Init(init::Args),
    Lock(lock::Args),
    Preview(preview::Args),
    Inspect(inspect::Args),
    Verify(verify::Args),
    #[command(subcommand)]
    Cache(cache::Command),
    Sign(sign::Args),
    #[command(subcommand)]
    Key(key::Command),
    Doctor(doctor::Args),
    #[command(subcommand)]
    Trust(trust::Command),
    Deploy(deploy::Args),
    Rollback(rollback::Args),
    Status(status::Args),
    Releases(releases::Args),
    Prune(prune::Args),
    Remove(remove::Args),
    Apply(apply::Args),
    Restart(restart::Args),
    #[command(subcommand)]
    Maintenance(maintenance::Command),
    Logs(logs::Args),
    Manage(manage::Args),
    Shell(shell::Args),
    Serve(serve::Args),
    #[command(subcommand)]
    Service(service::Command),
    #[command(subcommand)]
    Site(site::Command),
    #[command(subcommand)]
    Env(env::Command),
}

/// Runs the command line `args` and returns the exit code of the process.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    // The old console shows colours only once it is asked to; one that cannot is none of ours.
    #[cfg(windows)]
    let _ = anstyle_query::windows::enable_ansi_colors();
    let args: Vec<OsString> = args.into_iter().collect();
    let cli = match Cli::try_parse_from(&args) {
        Ok(cli) => cli,
        Err(error) => return usage::told(&error, &args),
    };
    let output = Output::new(cli.format);
    let result = run(cli.command, &output);
    match (result, output::lost()) {
        (Ok(code), None) => code,
        (Ok(_), Some(source)) => {
            let error = crate::Error::Output(source);
            output.error_aside(&error);
            error.exit().into()
        }
        (Err(error), _) => {
            output.error(&error);
            // What machines read takes nothing: a person may see it.
            if output::lost().is_some() {
                output.error_aside(&error);
            }
            error.exit().into()
        }
    }
}

fn run(command: Command, output: &Output) -> Result<ExitCode, crate::Error> {
    let done = match command {
        // What they start has the last word.
        Command::Manage(args) => return manage::run(args),
        Command::Shell(args) => return shell::run(args),
        Command::Service(command) => return service::run(command, output),
        Command::Init(args) => init::run(args, output),
        Command::Bundle(args) => bundle::run(args, output),
        Command::Lock(args) => lock::run(args, output),
        Command::Inspect(args) => inspect::run(args, output),
        Command::Preview(args) => preview::run(args, output),
        Command::Verify(args) => verify::run(args, output),
        Command::Cache(command) => cache::run(command, output),
        Command::Sign(args) => sign::run(args, output),
        Command::Key(command) => key::run(command, output),
        Command::Doctor(args) => doctor::run(args, output),
        Command::Trust(command) => trust::run(command, output),
        Command::Deploy(args) => deploy::run(args, output),
        Command::Rollback(args) => rollback::run(args, output),
        Command::Status(args) => status::run(args, output),
        Command::Releases(args) => releases::run(args, output),
        Command::Prune(args) => prune::run(args, output),
        Command::Remove(args) => remove::run(args, output),
        Command::Apply(args) => apply::run(args, output),
        Command::Restart(args) => restart::run(args, output),
        Command::Maintenance(command) => maintenance::run(command, output),
        Command::Logs(args) => logs::run(args, output),
        Command::Serve(args) => serve::run(args, output),
        Command::Site(command) => site::run(command, output),
        Command::Env(command) => env::run(command, output),
    };
    done.map(|()| ExitCode::SUCCESS)
}
