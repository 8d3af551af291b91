//! `holdall verify`: is it still what was bundled?

use std::path::PathBuf;

use serde::Serialize;

use super::Output;
use super::opened::Opened;
use super::output::printable;
use crate::archive::Difference;
use crate::digest::Sha256;
use crate::{Error, release};

const AFTER: &str = "\
Examples:
  holdall verify dist/shop-2.4-windows-x86_64.zip
  holdall verify preview/shop/releases/2.4-1f0c9a22

Exit codes:
  0  every file is as it was bundled
  1  something differs, or it cannot be read
  2  wrong usage";

/// Compare every file of a bundle, or of the folder it was expanded into, with its SHA-256
///
/// Names each file that differs, is missing or is extra, one a line. The identity that it prints at the end covers
/// every byte: two bundles with the same identity hold the same files.
#[derive(clap::Args)]
#[command(after_help = AFTER)]
pub struct Args {
    /// The bundle or folder
    #[arg(value_name = "BUNDLE|FOLDER")]
    path: PathBuf,
}

#[derive(Serialize)]
struct Verified<'a> {
    path: String,
    identity: Sha256,
    files: u64,
    differences: &'a [Difference],
}

pub fn run(args: Args, output: &Output) -> Result<(), Error> {
    let opened = Opened::open(&args.path)?;
    let progress = output.progress();
    let differences = match &opened {
        Opened::Bundle(bundle) => bundle.verify(&*progress)?,
        Opened::Release(release) => release::verify(release, &*progress)?,
    };
    let (files, identity) = (opened.files(), opened.identity());
    if output.is_json() {
        let path = args.path.display().to_string();
        output.json(&Verified { path, identity, files, differences: &differences });
    } else {
        for difference in &differences {
            output.line(printable(&difference.to_string()));
        }
    }
    if !differences.is_empty() {
        return Err(Error::Differs { path: args.path, count: differences.len() });
    }
    if !output.is_json() {
        output.line(format!("{files} files are as they were bundled"));
        output.line(format!("identity {identity}"));
    }
    Ok(())
}
