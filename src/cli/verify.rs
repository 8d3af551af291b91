//! `holdall verify`: is it still what was bundled?

use std::path::PathBuf;

use serde::Serialize;

use super::Output;
use super::opened::{Opened, Signed};
use super::output::printable;
use super::trust::TrustArgs;
use crate::archive::Difference;
use crate::digest::Sha256;
use crate::{Error, release};

const AFTER: &str = "\
Examples:
  holdall verify dist/shop-2.4-windows-x86_64.zip
  holdall verify preview/shop/releases/2.4-1f0c9a22
  holdall verify shop.zip --trust shop.pub

Exit codes:
  0  every file is as it was bundled
  1  something differs, the signature is not accepted, or it cannot be read
  2  wrong usage
  3  a key that was named cannot be read";

/// Compare every file of a bundle, or of the folder it was expanded into, with its SHA-256
///
/// Names each file that differs, is missing or is extra, one a line. The identity that it prints at the end covers
/// every byte: two bundles with the same identity hold the same files. With `--trust` the signature is checked before
/// anything else.
#[derive(clap::Args)]
#[command(after_help = AFTER)]
pub struct Args {
    /// The bundle or folder
    #[arg(value_name = "BUNDLE|FOLDER")]
    path: PathBuf,
    #[command(flatten)]
    trust: TrustArgs,
}

#[derive(Serialize)]
struct Verified<'a> {
    path: String,
    identity: Sha256,
    files: u64,
    signature: Option<Signed>,
    differences: &'a [Difference],
}

pub fn run(args: Args, output: &Output) -> Result<(), Error> {
    let opened = Opened::open(&args.path, &args.trust.read()?)?;
    let progress = output.progress();
    let differences = match &opened {
        Opened::Bundle(bundle) => bundle.verify(&*progress)?,
        Opened::Release(release) => release::verify(release, &*progress)?,
    };
    let (files, identity, signature) = (opened.files(), opened.identity(), opened.signed());
    let signed = signature.as_ref().map(text);
    if output.is_json() {
        let path = args.path.display().to_string();
        output.json(&Verified { path, identity, files, signature, differences: &differences });
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
        if let Some(signed) = signed {
            output.line(signed);
        }
    }
    Ok(())
}

fn text(signed: &Signed) -> String {
    match (signed.key, &signed.flaw) {
        (Some(key), _) if signed.trusted => format!("signed by {key}, which is trusted"),
        (Some(key), _) => format!("signed by {key}, not checked: `--trust KEY` does"),
        (None, flaw) => format!("signed, but not checked: {}", flaw.as_deref().unwrap_or_default()),
    }
}
