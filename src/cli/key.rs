//! `holdall key new`: the two halves of a signing key.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::Output;
use super::output::printable;
use super::password;
use super::stop::Ending;
use super::table::Table;
use crate::Error;
use crate::progress::Notice;
use crate::signature::{KeyId, KeyPlace, Secret};

const AFTER: &str = "\
Examples:
  holdall key new shop --output ~/keys

Exit codes:
  0  done
  1  failed
  2  wrong usage
  3  a precondition does not hold, and nothing was changed";

const AFTER_NEW: &str = "\
Examples:
  holdall key new shop --output ~/keys               asks for a password, twice
  holdall key new ci --password-file ci-password     for a machine that nobody sits at

Exit codes:
  0  both files are there
  1  they cannot be written; neither is there
  2  wrong usage
  3  a key of this name is there already, or there is no password; nothing was made";

/// Make the keys that sign bundles
#[derive(clap::Subcommand)]
#[command(after_help = AFTER)]
pub enum Command {
    New(New),
}

/// Make a secret key that signs bundles, and the public key that verifies them
///
/// Writes NAME.key, which signs and is read by nobody but you, and NAME.pub, which may be known to everybody. Both are in
/// minisign's form. Nothing that is there is replaced.
#[derive(clap::Args)]
#[command(after_help = AFTER_NEW)]
pub struct New {
    /// What both files are called
    #[arg(default_value = "holdall")]
    name: String,
    /// The folder for both, made if missing [default: this folder]
    #[arg(long, short, value_name = "DIR")]
    output: Option<PathBuf>,
    /// The file whose first line is the password [default: HOLDALL_KEY_PASSWORD, else it is asked for]
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Make a key that whoever gets hold of its file can sign with
    #[arg(long, conflicts_with = "password_file")]
    no_password: bool,
}

#[derive(Serialize)]
struct Made<'a> {
    secret: &'a Path,
    public: &'a Path,
    key: KeyId,
    line: &'a str,
    notices: Vec<Notice>,
}

pub fn run(command: Command, output: &Output) -> Result<(), Error> {
    let Command::New(args) = command;
    new(args, output)
}

fn new(args: New, output: &Output) -> Result<(), Error> {
    let _ending = Ending::listen(output).map_err(Error::System)?;
    let folder = args.output.unwrap_or_default();
    let place = KeyPlace::of(&folder, &args.name)?;
    let password = match args.no_password {
        true => None,
        false => Some(password::new(place.secret(), args.password_file.as_deref())?),
    };
    let secret = Secret::make(password)?;
    let files = place.write(&secret)?;
    let (path, public, line) = (files.secret.display(), files.public.display(), secret.public.line());
    let notices: Vec<_> = in_repository(&files.secret).into_iter().collect();
    if output.is_json() {
        let key = secret.public.id;
        output.json(&Made { secret: &files.secret, public: &files.public, key, line, notices });
        return Ok(());
    }
    let (protection, keep) = match secret.protected {
        true => ("protected by its password", "the secret key and its password"),
        false => ("without a password: whoever reads it can sign", "the secret key"),
    };
    let mut table = Table::default();
    table.row(["secret key", &path.to_string(), protection]);
    table.row(["public key", &public.to_string(), "for everybody who verifies"]);
    table.row(["key id", &secret.public.id.to_string(), ""]);
    output.line(printable(&format!("{table}\n{line}")));
    notices.iter().for_each(|notice| output.notice(notice));
    output.aside(printable(&format!(
        "\nKeep a copy of {keep} where only you can reach it: it cannot be made again.\n\
         Next:\n  holdall bundle --sign {path}\n  holdall verify --trust {line} BUNDLE"
    )));
    Ok(())
}

/// What to know of a secret that lies where it is soon committed.
fn in_repository(secret: &Path) -> Option<Notice> {
    let secret = std::path::absolute(secret).ok()?;
    let root = secret.ancestors().skip(1).find(|folder| folder.join(".git").exists())?;
    let parts = secret.strip_prefix(root).ok()?.iter().map(|part| part.to_string_lossy());
    let name = parts.collect::<Vec<_>>().join("/");
    Some(Notice {
        what: format!("the secret key lies in the repository `{}`", root.display()),
        help: format!("move it out before it is committed, or add `/{name}` to .gitignore"),
    })
}
