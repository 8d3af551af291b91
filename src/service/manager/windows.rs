//! The service manager of Windows, and its Task Scheduler by its own program.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use windows_service::Error;
use windows_service::service::{
    Service, ServiceAccess, ServiceAction, ServiceActionType, ServiceErrorControl, ServiceFailureActions,
    ServiceFailureResetPeriod, ServiceInfo, ServiceStartType, ServiceState, ServiceStatus, ServiceType,
};
use windows_service::service_manager::{ServiceManager, ServiceManagerAccess};

use super::{PATIENCE, TURN, said};
use crate::interrupt;
use crate::service::plan::task;
use crate::service::{Found, Registration, Schedule, ServiceChange, ServiceError, State};

/// Codes of Windows (<https://learn.microsoft.com/windows/win32/debug/system-error-codes--1000-1299->).
const ALREADY_RUNNING: i32 = 1056;
const DOES_NOT_EXIST: i32 = 1060;
const NOT_ACTIVE: i32 = 1062;
const MARKED_FOR_DELETE: i32 = 1072;

pub fn query(name: &str) -> Result<Option<Found>, ServiceError> {
    let Some((config, status)) =
        ask(name, |service| service.query_config().and_then(|config| Ok((config, service.query_status()?))))?
    else {
        return Ok(None);
    };
    let text = |text: OsString| text.to_string_lossy().into_owned();
    Ok(Some(Found {
        line: text(config.executable_path.into_os_string()),
        account: config.account_name.map(text).unwrap_or_default(),
        display: text(config.display_name),
        start: match config.start_type {
            ServiceStartType::AutoStart => "auto".to_owned(),
            ServiceStartType::OnDemand => "demand".to_owned(),
            other => format!("{other:?}"),
        },
        state: state_of(&status),
        process: status.process_id,
        task: has_task(name)?,
    }))
}

/// What a service is doing: no more than is worth asking again and again.
pub fn state(name: &str) -> Result<Option<State>, ServiceError> {
    Ok(ask(name, Service::query_status)?.map(|status| state_of(&status)))
}

fn state_of(status: &ServiceStatus) -> State {
    match status.current_state {
        ServiceState::Stopped => State::Stopped,
        ServiceState::StartPending => State::Starting,
        ServiceState::StopPending => State::Stopping,
        _ => State::Running,
    }
}

/// Asks a service something, if there is one of this name.
fn ask<T>(
    name: &str,
    question: impl FnOnce(&Service) -> windows_service::Result<T>,
) -> Result<Option<T>, ServiceError> {
    let access = ServiceAccess::QUERY_STATUS | ServiceAccess::QUERY_CONFIG;
    let opened =
        manager(ServiceManagerAccess::CONNECT).and_then(|manager| manager.open_service(name, access));
    match opened.and_then(|service| question(&service)) {
        // One that was deleted goes as soon as nobody has it open any more.
        Err(error) if matches!(code(&error), Some(DOES_NOT_EXIST | MARKED_FOR_DELETE)) => Ok(None),
        asked => asked.map(Some).map_err(|error| refused(&format!("sc.exe query {name}"), error)),
    }
}

pub fn perform(change: &ServiceChange) -> Result<(), ServiceError> {
    let command = change.to_string();
    let refused = |error| refused(&command, error);
    let open = |name: &str, access| {
        manager(ServiceManagerAccess::CONNECT).and_then(|manager| manager.open_service(name, access))
    };
    match change {
        ServiceChange::Create(one) => create(one).map_err(refused),
        ServiceChange::Configure(one) => {
            let service =
                open(&one.name, ServiceAccess::CHANGE_CONFIG | ServiceAccess::START).map_err(refused)?;
            service.change_config(&info(one)).and_then(|()| describe(&service, one)).map_err(refused)
        }
        ServiceChange::Delete { name } => {
            open(name, ServiceAccess::DELETE).and_then(|service| service.delete()).map_err(refused)
        }
        ServiceChange::Start { name } => {
            let started = open(name, ServiceAccess::START).and_then(|service| service.start::<OsString>(&[]));
            match started {
                Err(error) if code(&error) == Some(ALREADY_RUNNING) => Ok(()),
                started => started.map_err(refused),
            }
        }
        ServiceChange::Stop { name, .. } => {
            let stopped = open(name, ServiceAccess::STOP).and_then(|service| service.stop());
            match stopped {
                Err(error) if code(&error) == Some(NOT_ACTIVE) => Ok(()),
                stopped => stopped.map(drop).map_err(refused),
            }
        }
        ServiceChange::Schedule { name, schedule } => schtasks(&create_task(name, schedule)),
        ServiceChange::Unschedule { name } => {
            schtasks(&["/Delete", "/F", "/TN", &task(name)].map(OsString::from))
        }
    }
}

fn manager(access: ServiceManagerAccess) -> windows_service::Result<ServiceManager> {
    ServiceManager::local_computer(None::<&str>, access)
}

/// One of this name that was deleted just now is gone as soon as nobody has it open any more.
fn create(one: &Registration) -> windows_service::Result<()> {
    let until = Instant::now() + PATIENCE;
    loop {
        let manager = manager(ServiceManagerAccess::CREATE_SERVICE)?;
        // To say what becomes of one that crashes takes leave to start it.
        match manager.create_service(&info(one), ServiceAccess::CHANGE_CONFIG | ServiceAccess::START) {
            Err(error) if code(&error) == Some(MARKED_FOR_DELETE) && Instant::now() < until => {
                std::thread::sleep(TURN);
            }
            created => return describe(&created?, one),
        }
    }
}

fn info(one: &Registration) -> ServiceInfo {
    ServiceInfo {
        name: one.name.clone().into(),
        display_name: one.display.clone().into(),
        service_type: ServiceType::OWN_PROCESS,
        start_type: match one.is_permanent() {
            true => ServiceStartType::AutoStart,
            false => ServiceStartType::OnDemand,
        },
        error_control: ServiceErrorControl::Normal,
        executable_path: PathBuf::from(&one.command[0]),
        launch_arguments: one.command[1..].iter().map(OsString::from).collect(),
        dependencies: Vec::new(),
        account_name: Some(one.account.clone().into()),
        account_password: None,
    }
}

/// What cannot be said when it is made. The supervisor starts the command again by itself: this is for the supervisor, if
/// somebody ends it.
fn describe(service: &Service, one: &Registration) -> windows_service::Result<()> {
    service.set_description(&one.description)?;
    if !one.lasting {
        return Ok(());
    }
    let restart = |seconds| ServiceAction {
        action_type: ServiceActionType::Restart,
        delay: Duration::from_secs(seconds),
    };
    service.update_failure_actions(ServiceFailureActions {
        reset_period: ServiceFailureResetPeriod::After(Duration::from_secs(3600)),
        reboot_msg: None,
        command: None,
        actions: Some(vec![restart(5), restart(60), restart(300)]),
    })
}

/// The task starts the service, and the service knows its release: so it stays as it is when that changes, and whoever the
/// service is run as needs no rights to run tasks.
fn create_task(name: &str, schedule: &Schedule) -> Vec<OsString> {
    let sc = system("sc.exe");
    let run = format!("\"{}\" start {name}", sc.display());
    let fixed = ["/Create", "/F", "/TN", &task(name), "/RU", "SYSTEM", "/TR", &run].map(OsString::from);
    fixed.into_iter().chain(schedule.args().into_iter().map(OsString::from)).collect()
}

/// Whether there is a task for it. A program that does not know the question, as Wine's, succeeds and says nothing.
fn has_task(name: &str) -> Result<bool, ServiceError> {
    let output = run_schtasks(&["/Query", "/TN", &task(name)].map(OsString::from))?;
    Ok(output.status.success() && !output.stdout.is_empty())
}

fn schtasks(args: &[OsString]) -> Result<(), ServiceError> {
    let output = run_schtasks(args)?;
    let words: Vec<_> = args.iter().map(|arg| arg.to_string_lossy()).collect();
    match output.status.success() {
        true => Ok(()),
        false => Err(ServiceError::Refused {
            command: format!("schtasks.exe {}", words.join(" ")),
            said: said(&output),
        }),
    }
}

fn run_schtasks(args: &[OsString]) -> Result<std::process::Output, ServiceError> {
    let program = system("schtasks.exe");
    interrupt::output(Command::new(&program).args(args))
        .map_err(|source| ServiceError::Unstarted { program: program.display().to_string(), source })
}

/// A program of Windows, by its full path: the current folder may hold anything.
fn system(program: &str) -> PathBuf {
    let windows = std::env::var_os("SystemRoot").unwrap_or_else(|| "C:\\Windows".into());
    PathBuf::from(windows).join("System32").join(program)
}

fn code(error: &Error) -> Option<i32> {
    match error {
        Error::Winapi(error) => error.raw_os_error(),
        _ => None,
    }
}

fn refused(command: &str, error: Error) -> ServiceError {
    let said = match &error {
        Error::Winapi(error) => error.to_string(),
        other => other.to_string(),
    };
    ServiceError::Refused { command: command.to_owned(), said }
}
