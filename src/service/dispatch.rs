//! This process as a service of Windows: the service manager has started it, and tells it when to stop.

use std::ffi::OsString;
use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use windows_service::service::{
    ServiceControl, ServiceControlAccept, ServiceExitCode, ServiceState, ServiceStatus, ServiceType,
};
use windows_service::service_control_handler::{self, ServiceControlHandlerResult, ServiceStatusHandle};
use windows_service::{Error, define_windows_service, service_dispatcher};

use super::supervise::Stop;

/// What a process is told that no service manager has started.
const NOT_A_SERVICE: i32 = 1063;

/// How long the service manager is asked to wait at a time.
const WAIT: Duration = Duration::from_secs(60);

type Work = Box<dyn FnOnce(Receiver<Stop>) -> i32 + Send>;

static WORK: Mutex<Option<Work>> = Mutex::new(None);

define_windows_service!(service_main, main);

/// Does the work as a service, whose end is this code. Gives it back if no service manager has started this process.
pub fn run(work: Work) -> io::Result<Option<Work>> {
    *held() = Some(work);
    // A service that has its process for itself need not say its name.
    match service_dispatcher::start("", service_main) {
        Ok(()) => Ok(None),
        Err(Error::Winapi(error)) if error.raw_os_error() == Some(NOT_A_SERVICE) => Ok(held().take()),
        Err(Error::Winapi(error)) => Err(error),
        Err(error) => Err(io::Error::other(error)),
    }
}

fn held() -> std::sync::MutexGuard<'static, Option<Work>> {
    WORK.lock().unwrap_or_else(PoisonError::into_inner)
}

fn main(_: Vec<OsString>) {
    let Some(work) = held().take() else { return };
    let (stop, asked) = channel();
    let told: &'static Told = Box::leak(Box::new(Told { stop: Mutex::new(stop), status: Mutex::new(None) }));
    let handler = move |control| match control {
        ServiceControl::Stop | ServiceControl::Shutdown => {
            told.tell(ServiceState::StopPending, 0);
            // Its work may have ended by itself.
            let _ = told.stop.lock().unwrap_or_else(PoisonError::into_inner).send(Stop);
            ServiceControlHandlerResult::NoError
        }
        ServiceControl::Interrogate => ServiceControlHandlerResult::NoError,
        _ => ServiceControlHandlerResult::NotImplemented,
    };
    // Without a handler nobody could stop it: it does not begin.
    let Ok(status) = service_control_handler::register("", handler) else { return };
    *told.status.lock().unwrap_or_else(PoisonError::into_inner) = Some(status);
    told.tell(ServiceState::Running, 0);
    let code = work(asked);
    told.tell(ServiceState::Stopped, code);
}

/// What the handler and the work have in common.
struct Told {
    stop: Mutex<Sender<Stop>>,
    status: Mutex<Option<ServiceStatusHandle>>,
}

impl Told {
    /// The service manager that cannot be told will find out when the process ends.
    fn tell(&self, state: ServiceState, code: i32) {
        let accepted = match state {
            ServiceState::Running => ServiceControlAccept::STOP | ServiceControlAccept::SHUTDOWN,
            _ => ServiceControlAccept::empty(),
        };
        let status = ServiceStatus {
            service_type: ServiceType::OWN_PROCESS,
            current_state: state,
            controls_accepted: accepted,
            exit_code: match u32::try_from(code) {
                Ok(0) => ServiceExitCode::NO_ERROR,
                code => ServiceExitCode::ServiceSpecific(code.unwrap_or(1)),
            },
            checkpoint: u32::from(state == ServiceState::StopPending),
            wait_hint: if state == ServiceState::StopPending { WAIT } else { Duration::ZERO },
            process_id: None,
        };
        if let Some(handle) = &*self.status.lock().unwrap_or_else(PoisonError::into_inner) {
            let _ = handle.set_service_status(status);
        }
    }
}
