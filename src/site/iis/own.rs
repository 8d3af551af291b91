//! A `web.config` of the project's own, which is merged with the one that Holdall writes.
//!
//! It travels in the bundle. While bundling it is merged once, so that whoever wrote it hears of what cannot be; on the
//! server it is merged when the release is made.

mod merge;
mod rules;
pub mod tree;
mod twice;

pub use merge::{Merged, merge};
pub use tree::NotXml;
pub use twice::{Twice, says, twice};

use crate::progress::Notice;

/// Where it lies in a bundle.
pub const OWN: &str = "iis/site.web.config";

/// Why it cannot be merged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    #[error("it cannot be read: {0}")]
    NotXml(NotXml),
    #[error("its root is `<{0}>`, and not `<configuration>`")]
    Root(String),
    #[error("{section}{}: {why}", within(place))]
    Section {
        /// By its path: `system.webServer/handlers`.
        section: String,
        /// The `path` of the `<location>` that it stands in, or nothing.
        place: String,
        why: String,
    },
    #[error("{0}")]
    Schema(String),
    /// No fault of the project's.
    #[error("holdall's own template is not right: {0}")]
    Template(String),
}

fn within(place: &str) -> String {
    if place.is_empty() { String::new() } else { format!(" in `<location path=\"{place}\">`") }
}

/// A `web.config` that cannot be merged.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("`{file}` cannot be the site's `web.config`: {conflict}")]
#[diagnostic(help("{}", remedy(conflict)))]
pub struct OwnConfigError {
    pub file: String,
    pub conflict: Conflict,
}

fn remedy(conflict: &Conflict) -> &'static str {
    match conflict {
        Conflict::NotXml(NotXml::Doctype { .. } | NotXml::Entity { .. }) => {
            "write out what the names stand for, and take the DOCTYPE out"
        }
        Conflict::NotXml(_) | Conflict::Root(_) => "correct it: IIS could not read it either",
        Conflict::Section { .. } => {
            "take that out of the file; what Holdall says for itself is in docs/settings.md"
        }
        Conflict::Schema(_) => "correct it: IIS would answer every request with 500.19",
        Conflict::Template(_) => "correct it, or leave HOLDALL_RECIPES unset to use the one of holdall",
    }
}

/// Merges, and says which file it was that could not be.
pub fn merged(ours: &str, theirs: &str, file: &str) -> Result<(String, Vec<Notice>), OwnConfigError> {
    let Merged { text, findings } =
        merge(ours, theirs).map_err(|conflict| OwnConfigError { file: file.to_owned(), conflict })?;
    let notice =
        |(what, help): (String, &str)| Notice { what: format!("`{file}`: {what}"), help: help.to_owned() };
    Ok((text, findings.into_iter().map(notice).collect()))
}

#[cfg(test)]
mod tests;
