//! The real thing: Internet Information Services, by way of its own `appcmd`, and of `netsh` for
//! certificates.
//!
//! A survey reads what is there ([`actual`]); [`wanted`] says what a site needs; [`plan`] is the difference, as commands
//! with their inverses; [`run`] carries it out. All but `run` are values, made and compared on any system.

pub mod actual;
pub mod appcmd;
pub mod call;
pub mod netsh;
pub mod own;
pub mod plan;
pub mod register;
pub mod run;
pub mod schema;
pub mod section;
pub mod sni;
pub mod wanted;
pub mod web_config;
#[cfg(windows)]
mod win32;
pub mod xml;

pub use actual::{Actual, Question, survey};
pub use appcmd::Command;
pub use call::Call;
pub use plan::{Change, Drift, IisPlan};
pub use run::{Appcmd, IisLock, Runner};
pub use wanted::Wanted;
