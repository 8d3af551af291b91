//! What serves a release: its folders, its environment, the programs that are started for it, and the
//! embedded web server ([`local`]).
//!
//! Nothing here changes a release, and nothing here prints.

pub mod accounts;
pub mod bridge_toml;
pub mod certificates;
pub mod environment;
pub mod given;
pub mod home;
pub mod iis;
pub mod invocation;
pub mod local;
pub mod lock;
pub mod maintenance;
pub mod media;
pub mod place;
pub mod probe;
pub mod rights;
pub mod secrets;
pub mod settings;
pub mod state;

pub use bridge_toml::BridgeToml;
pub use home::{Home, HomeError};
pub use invocation::{Invocation, bridge, manage};
pub use maintenance::Maintenance;
pub use media::MediaConfig;
pub use place::Place;
pub use secrets::{Secrets, SecretsError};
pub use settings::{SettingsError, SiteSettings};
pub use state::{State, StateError};
