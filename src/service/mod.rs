//! Background commands of a project as services of the system.
//!
//! A project declares them in `holdall.toml`, a bundle carries them in its manifest, a deploy registers them.

pub mod alarm;
mod backoff;
mod declared;
#[cfg(windows)]
pub mod dispatch;
mod error;
pub mod invocation;
pub mod log;
pub mod manager;
pub mod plan;
mod registered;
pub mod rights;
mod schedule;
pub mod standing;
pub mod supervise;
mod tree;
pub mod turn;

pub use declared::{LONGEST_STOP, MOST_INSTANCES, Restart, Service, ServiceName};
pub use error::ServiceError;
pub use manager::Manager;
pub use plan::{Actual, Found, ServiceChange, State};
pub use registered::Registration;
pub use schedule::{NotASchedule, Schedule, Span, Time, Weekday};
pub use standing::Standing;
pub use turn::{Registered, ServiceStatus, Turn};
