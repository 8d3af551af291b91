//! Is this machine ready for a site? What is read of it is a value ([`Machine`]); the checks are pure, over that value and
//! what is known of the site; what can be put right is a value, too, and done only when somebody wants it.
//!
//! The names of the checks are what scripts and the page `docs/doctor.md` know them by: they stay as they are.

mod checks;
pub mod configuration;
mod database;
mod fix;
mod machine;
mod rights;
mod services;

use std::path::{Path, PathBuf};

use miette::Diagnostic;
use serde::{Serialize, Serializer};

use crate::entry::EntryPath;
use crate::manifest::Manifest;
use crate::progress::Notice;
use crate::release::ReleaseId;
use crate::site::SiteSettings;
use crate::site::iis::Actual;
use crate::site::iis::plan::Lack;
use crate::site::iis::wanted::Spot;

pub use checks::{examine, ports};
pub use database::{Database, QUESTION};
pub use fix::{Fix, FixError, Fixed};
pub use machine::{
    Antivirus, AppLocker, Clock, CodeIntegrity, Listening, Machine, Wanted, blocked_below, is_diverted,
};
pub use services::{Seen, Services};

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    Ok,
    /// It cannot be seen.
    Unknown,
    /// A site may serve all the same.
    Warning,
    /// No site can be deployed, or served, as it is.
    Problem,
}

/// What a check has found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub id: &'static str,
    pub level: Level,
    pub says: String,
    pub remedy: Option<String>,
    /// The command that would be run.
    #[serde(serialize_with = "shown")]
    pub fix: Option<Fix>,
}

fn shown<S: Serializer>(fix: &Option<Fix>, serializer: S) -> Result<S::Ok, S::Error> {
    fix.as_ref().map(ToString::to_string).serialize(serializer)
}

impl Finding {
    pub fn new(id: &'static str, level: Level, says: impl Into<String>) -> Finding {
        Finding { id, level, says: says.into(), remedy: None, fix: None }
    }

    pub fn ok(id: &'static str, says: impl Into<String>) -> Finding {
        Finding::new(id, Level::Ok, says)
    }

    pub fn warning(id: &'static str, says: impl Into<String>, remedy: impl Into<String>) -> Finding {
        Finding { remedy: Some(remedy.into()), ..Finding::new(id, Level::Warning, says) }
    }

    pub fn problem(id: &'static str, says: impl Into<String>, remedy: impl Into<String>) -> Finding {
        Finding { remedy: Some(remedy.into()), ..Finding::new(id, Level::Problem, says) }
    }

    /// What an error says, with its causes.
    pub fn of_error(id: &'static str, error: &dyn Diagnostic) -> Finding {
        let mut says = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            says.push_str(&format!(": {error}"));
            cause = error.source();
        }
        let remedy = error.help().map(|help| help.to_string());
        Finding { remedy, ..Finding::new(id, Level::Problem, says) }
    }

    /// What IIS lacks for a site, in the words of whoever has found it.
    pub fn of_lack(lack: &Lack) -> Finding {
        let id = match lack {
            Lack::FastCgi => checks::CGI,
            Lack::Feature { .. } => checks::FEATURES,
            Lack::Binding { .. } => checks::BINDINGS,
            Lack::Twice(_) => checks::WEB_CONFIG,
            Lack::NoSni { .. } => checks::SNI,
            Lack::Certificate(_)
            | Lack::NothingToKeep { .. }
            | Lack::CertificateTaken { .. }
            | Lack::TwoCertificates { .. } => checks::CERTIFICATE,
            Lack::Stopped(_) | Lack::PoolStopped(_) => checks::STARTED,
            Lack::Password(_) | Lack::NoAccount(_) => checks::ACCOUNT,
            Lack::Site(_)
            | Lack::Moved { .. }
            | Lack::Foreign { .. }
            | Lack::OtherRoot { .. }
            | Lack::Changed(_)
            | Lack::OtherApps { .. } => checks::PLACE,
        };
        let fix = matches!(lack, Lack::FastCgi).then_some(Fix::EnableCgi);
        let level = if lack.is_harmless() { Level::Warning } else { Level::Problem };
        Finding { fix, level, ..Finding::of_error(id, lack) }
    }

    /// With the change that puts it right.
    #[must_use]
    pub fn fixed_by(self, fix: Fix) -> Finding {
        Finding { fix: Some(fix), ..self }
    }

    pub fn is_problem(&self) -> bool {
        self.level == Level::Problem
    }

    /// As a deploy tells it that goes on all the same.
    pub fn notice(&self) -> Notice {
        Notice { what: self.says.clone(), help: self.remedy.clone().unwrap_or_default() }
    }
}

/// What is examined on a machine.
#[derive(Debug)]
pub struct Subject<'a> {
    /// The folder of all sites.
    pub root: &'a Path,
    pub iis: Iis<'a>,
    pub site: Option<Site<'a>>,
    pub bundle: Option<Parcel<'a>>,
}

/// What could be learned of the web server.
#[derive(Debug)]
pub enum Iis<'a> {
    /// This system has none.
    NotHere,
    /// It did not answer, for this reason.
    Silent(&'a Finding),
    Asked(&'a Actual),
}

/// A site that is there, or is to be.
#[derive(Debug)]
pub struct Site<'a> {
    pub settings: &'a SiteSettings,
    /// Its folder, which need not be there yet.
    pub folder: &'a Path,
    pub spot: &'a Spot,
    /// Of this machine.
    pub cores: u32,
    /// The release that was completed last, and when, in seconds since 1970.
    pub newest: Option<(&'a ReleaseId, u64)>,
    /// Whether a release of it serves.
    pub serves: bool,
    pub lacks: Vec<Finding>,
    /// What there is to say of the certificates that it shows, or is to show.
    pub certificates: Vec<Finding>,
    pub databases: Option<&'a [Database]>,
    pub services: Option<&'a Services>,
}

/// A bundle that is to be deployed.
#[derive(Debug)]
pub struct Parcel<'a> {
    pub manifest: &'a Manifest,
    /// Where it is to lie, or lies.
    pub folder: PathBuf,
    pub longest: Option<&'a EntryPath>,
    /// Whether its files are yet to be written.
    pub expands: bool,
    pub has_vc_runtime: bool,
}
