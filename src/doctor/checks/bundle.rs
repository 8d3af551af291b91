//! Of a bundle that is to be deployed.

use super::super::{Finding, Fix, Machine, Subject};
use crate::release::{ReleaseError, WINDOWS_LIMIT};

pub(super) fn examine(machine: &Machine, subject: &Subject<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(path_length(machine, subject));
    findings.extend(blocked(machine, subject));
    findings
}

fn path_length(machine: &Machine, subject: &Subject<'_>) -> Option<Finding> {
    const ID: &str = "bundle.path-length";
    let bundle = subject.bundle.as_ref().filter(|_| machine.is_windows)?;
    let length = crate::release::length_below(&bundle.folder, bundle.longest?);
    Some(match length > WINDOWS_LIMIT {
        false => {
            Finding::ok(ID, format!("its longest path will have {length} characters, of {WINDOWS_LIMIT}"))
        }
        true => Finding::of_error(
            ID,
            &ReleaseError::PathTooLong {
                folder: bundle.folder.clone(),
                path: bundle.longest?.to_string(),
                length,
                limit: WINDOWS_LIMIT,
            },
        ),
    })
}

/// What was downloaded, or copied from where somebody had downloaded it.
fn blocked(machine: &Machine, subject: &Subject<'_>) -> Option<Finding> {
    const ID: &str = "bundle.blocked";
    subject.bundle.as_ref()?;
    let remedy = "`holdall doctor --fix` unblocks it, and so does `Unblock-File` in PowerShell";
    Some(match &machine.blocked[..] {
        [] => Finding::ok(ID, "nothing of the bundle is marked as downloaded"),
        [one] => Finding::warning(
            ID,
            format!("`{}` is marked as downloaded: Windows may refuse to run what is in it", one.display()),
            remedy,
        )
        .fixed_by(Fix::Unblock(machine.blocked.clone())),
        many => Finding::warning(
            ID,
            format!(
                "{} programs of the bundle are marked as downloaded: Windows may refuse to run them",
                many.len()
            ),
            remedy.replace(" it", " them"),
        )
        .fixed_by(Fix::Unblock(machine.blocked.clone())),
    })
}
