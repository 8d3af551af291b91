//! Background commands of a project as services of the system.
//!
//! A project declares them in `holdall.toml`, a bundle carries them in its manifest, a deploy registers them.

mod declared;
mod schedule;

pub use declared::{LONGEST_STOP, MOST_INSTANCES, Restart, Service, ServiceName};
pub use schedule::{NotASchedule, Schedule, Span, Time, Weekday};
