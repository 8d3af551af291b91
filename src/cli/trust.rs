//! Whose signatures count: `--trust`, and `holdall trust`, which keeps the file that administrators say it in.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::Output;
use super::output::printable;
use super::table::Table;
use crate::Error;
use crate::signature::{KeyError, KeyId, PublicKey, Trust, TrustError, TrustFile, TrustedKey};

const VARIABLE: &str = "HOLDALL_TRUST";

#[derive(clap::Args)]
pub struct TrustArgs {
    /// Refuse what is not signed by this public key: the name of its file, or the line in it. Of several any one will
    /// do [default: HOLDALL_TRUST, else no signature is asked for]. What this machine's trust.toml asks for is asked for
    /// as well
    #[arg(long = "trust", value_name = "KEY")]
    keys: Vec<String>,
}

impl TrustArgs {
    /// Reads the keys. What is set and empty is an error: somebody meant to ask for a signature.
    pub fn read(&self) -> Result<Trust, Error> {
        let variable = std::env::var_os(VARIABLE).filter(|_| self.keys.is_empty());
        let variable = variable.map(|value| value.to_string_lossy().into_owned());
        if variable.as_deref() == Some("") {
            return Err(KeyError::EmptyTrust.into());
        }
        let keys = self.keys.iter().chain(&variable).map(|key| PublicKey::find(key));
        let trust = keys.collect::<Result<_, _>>().map(Trust::new)?;
        Ok(TrustFile::all()?.iter().fold(trust, |trust, file| file.narrows(trust)))
    }
}

const AFTER: &str = "\
Examples:
  holdall trust list
  holdall trust add ann ann.pub
  holdall trust remove ann

Exit codes:
  0  done
  1  the file cannot be written
  2  wrong usage
  3  a precondition does not hold, and nothing was changed";

/// Keep the keys that this machine trusts
///
/// They stand in `%ProgramData%\\holdall\\trust.toml`, or `/etc/holdall/trust.toml`, which administrators alone may write.
/// Once it is there, `deploy`, `site init`, `verify` and `preview` take nothing but what one of its keys has signed.
#[derive(clap::Subcommand)]
#[command(after_help = AFTER)]
pub enum Command {
    List(List),
    Add(Add),
    Remove(Remove),
}

const LIST: &str = "\
Examples:
  holdall trust list
  holdall trust list --format json

Exit codes:
  0  done, also if no signature is asked for
  1  failed
  2  wrong usage
  3  the file cannot be read or is not to be believed";

/// List the keys that this machine trusts
#[derive(clap::Args)]
#[command(after_help = LIST)]
pub struct List {
    #[command(flatten)]
    of: Of,
}

const ADD: &str = "\
Examples:
  holdall trust add ann ann.pub
  holdall trust add ci RWSCxMfXeAKV3+yL/PGjeLV57ijA++6ll3gr28/2PGXEDarfL7g5JWv7

Exit codes:
  0  done
  1  the file cannot be written
  2  wrong usage
  3  a precondition does not hold, and nothing was changed";

/// Trust a key
///
/// With the first one the file is made: from then on nothing is deployed here that is not signed. Get the key from the
/// person who made it, not from where the bundles come from.
#[derive(clap::Args)]
#[command(after_help = ADD)]
pub struct Add {
    /// How people call the key
    name: String,
    /// The public key: the name of its file, or the line in it
    key: String,
    #[command(flatten)]
    of: Of,
}

const REMOVE: &str = "\
Examples:
  holdall trust remove ann

Exit codes:
  0  done
  1  the file cannot be written
  2  wrong usage
  3  there is no such key, or it is the last; nothing was changed";

/// Trust a key no longer
///
/// What it signed and is deployed already serves on.
#[derive(clap::Args)]
#[command(after_help = REMOVE)]
pub struct Remove {
    /// How the key is called
    name: String,
    #[command(flatten)]
    of: Of,
}

#[derive(clap::Args)]
struct Of {
    /// Another file, such as one for HOLDALL_TRUST_FILE [default: that of this machine]
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

impl Of {
    fn place(&self) -> Result<PathBuf, TrustError> {
        let Some(file) = &self.file else { return TrustFile::place() };
        std::path::absolute(file).map_err(|source| TrustError::Unreadable { path: file.clone(), source })
    }
}

#[derive(Serialize)]
struct Listed<'a> {
    files: Vec<ListedFile<'a>>,
}

#[derive(Serialize)]
struct ListedFile<'a> {
    path: &'a Path,
    keys: &'a [TrustedKey],
}

#[derive(Serialize)]
struct Changed<'a> {
    path: &'a Path,
    name: &'a str,
    key: Option<KeyId>,
    trusted: bool,
}

pub fn run(command: Command, output: &Output) -> Result<(), Error> {
    match command {
        Command::List(args) => list(&args, output),
        Command::Add(args) => add(&args, output),
        Command::Remove(args) => remove(&args, output),
    }
}

fn list(args: &List, output: &Output) -> Result<(), Error> {
    let files = match &args.of.file {
        Some(_) => TrustFile::read(&args.of.place()?)?.into_iter().collect(),
        None => TrustFile::all()?,
    };
    if output.is_json() {
        let files = files.iter().map(|TrustFile { path, keys, .. }| ListedFile { path, keys });
        output.json(&Listed { files: files.collect() });
        return Ok(());
    }
    if files.is_empty() {
        output.line(format!("there is no `{}`: no signature is asked for", args.of.place()?.display()));
    }
    for TrustFile { path, keys, .. } in &files {
        output.line(printable(&format!("`{}` asks for one of:", path.display())));
        let mut table = Table::default();
        for TrustedKey { name, key, public } in keys {
            table.row(["", name, &key.to_string(), public.line()]);
        }
        output.line(printable(table.to_string().trim_end()));
    }
    Ok(())
}

fn add(args: &Add, output: &Output) -> Result<(), Error> {
    let (path, key) = (args.of.place()?, PublicKey::find(&args.key)?);
    TrustFile::add(&path, &args.name, &key)?;
    let value = Changed { path: &path, name: &args.name, key: Some(key.id), trusted: true };
    told(&value, &format!("{} ({}) is trusted", args.name, key.id), output);
    Ok(())
}

fn remove(args: &Remove, output: &Output) -> Result<(), Error> {
    let path = args.of.place()?;
    TrustFile::remove(&path, &args.name)?;
    let value = Changed { path: &path, name: &args.name, key: None, trusted: false };
    told(&value, &format!("{} is not trusted any more", args.name), output);
    Ok(())
}

fn told(value: &Changed<'_>, words: &str, output: &Output) {
    match output.is_json() {
        true => output.json(value),
        false => output.line(printable(words)),
    }
}
