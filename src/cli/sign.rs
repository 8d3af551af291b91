//! `holdall sign`: a bundle that is there already gets a signature.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::Output;
use super::output::{printable, size};
use super::password;
use super::stop::Ending;
use crate::Error;
use crate::archive::Bundle;
use crate::digest::Sha256;
use crate::signature::{KeyId, Signature, SignatureError, SignatureFlaw, Trust, comment};

const AFTER: &str = "\
Examples:
  holdall sign dist/shop-2.4-windows-x86_64.zip --key shop.key
  holdall sign shop.zip --key shop.key --output signed/shop.zip

Exit codes:
  0  the bundle is signed by this key
  1  failed; the bundle is as it was
  2  wrong usage
  3  the key cannot be used, or the bundle is signed by another; nothing was changed";

/// Sign a bundle, so that `holdall verify --trust` can tell who made it
///
/// The signature is minisign's, over the exact bytes of `holdall.json`; through the digests in it, it covers every byte of
/// the bundle. Every file is compared with its digest first. The bundle's identity stays the same, and the same key
/// makes the same signature each time.
#[derive(clap::Args)]
#[command(after_help = AFTER)]
pub struct Args {
    /// The bundle
    bundle: PathBuf,
    /// The secret key, which `holdall key new` or minisign made
    #[arg(long, value_name = "KEY")]
    key: PathBuf,
    /// The file whose first line is the password of the key [default: HOLDALL_KEY_PASSWORD, else it is asked for]
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// The file for the signed bundle [default: the bundle itself, replaced as a whole]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Put this signature in the place of another key's
    #[arg(long)]
    replace: bool,
}

#[derive(Serialize)]
struct Signed<'a> {
    path: &'a Path,
    identity: Sha256,
    size: u64,
    signed_by: KeyId,
    /// Whether anything was written.
    changed: bool,
}

pub fn run(args: Args, output: &Output) -> Result<(), Error> {
    let _ending = Ending::listen(output).map_err(Error::System)?;
    let signer = password::open(&args.key, args.password_file.as_deref())?;
    let key = signer.public();
    let bundle = Bundle::open(&args.bundle)?;
    let identity = bundle.identity();
    let own = Trust::new(vec![key.clone()]);
    let signature = match bundle.signature() {
        Some(there) if is_right(&own, &bundle) => Some(there.to_owned()),
        Some(there) if !args.replace => {
            let by = by(there, key.id);
            return Err(SignatureError::SignedAlready { path: args.bundle, by }.into());
        }
        _ => None,
    };
    let kept = signature.is_some();
    let signature =
        signature.unwrap_or_else(|| signer.sign(bundle.manifest_bytes(), &comment(bundle.manifest())));
    let path = args.output.as_deref().unwrap_or(&args.bundle);
    let changed = !kept || args.output.is_some();
    let mut length = bundle.length();
    if changed {
        let progress = output.progress();
        let differences = bundle.verify(&*progress)?;
        if !differences.is_empty() {
            let count = differences.len();
            return Err(SignatureError::Damaged { path: args.bundle, count }.into());
        }
        length = bundle.write_signed(&signature, &behind_links(path), &*progress)?;
    }
    if output.is_json() {
        output.json(&Signed { path, identity, size: length, signed_by: key.id, changed });
    } else {
        output.line(match kept {
            true => format!("signed by {} already", key.id),
            false => format!("signed by {}", key.id),
        });
        output.line(format!("identity  {identity}"));
        output.line(printable(&format!("{} ({})", path.display(), size(length))));
    }
    Ok(())
}

/// Whether the bundle's signature is one that `own` key made for it.
fn is_right(own: &Trust, bundle: &Bundle) -> bool {
    let (path, manifest) = (bundle.path(), bundle.manifest());
    let vouched = own.check(path, bundle.manifest_bytes(), bundle.signature());
    vouched.is_ok_and(|vouched| vouched.is_some_and(|vouched| vouched.matched(path, manifest).is_ok()))
}

/// By whom a bundle is signed that this key did not rightly sign.
fn by(signature: &[u8], own: KeyId) -> String {
    match Signature::parse(signature) {
        Ok(signature) if signature.key == own => format!("by the key {own}, but not rightly"),
        Ok(signature) => format!("by the key {}, and this one is {own}", signature.key),
        Err(SignatureFlaw::Algorithm) => "in a way that holdall does not take".to_owned(),
        Err(_) => "in a way that cannot be read".to_owned(),
    }
}

/// The file that a link leads to: that is replaced, not the link.
fn behind_links(path: &Path) -> PathBuf {
    match path.is_symlink() {
        true => fs_err::canonicalize(path).unwrap_or_else(|_| path.to_owned()),
        false => path.to_owned(),
    }
}
