//! `backup`: copies of the whole configuration in folders beside it.
//!
//! The real one keeps them in `inetsrv\\backup`, which no public source says of today's versions.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use super::args::Typed;
use super::command::Context;
use super::errors::{self, Failure};
use super::objects;
use crate::config::write_whole;

pub fn execute(context: &mut Context<'_>, mut typed: Typed) -> Result<(), Failure> {
    let named = typed.take_value("name").or(typed.take_value("backup.name"));
    let name = typed.identifier.clone().or(named);
    typed.take("stop");
    if let Some(parameter) = typed.parameters.first() {
        return Err(errors::unknown_attribute(&parameter.name));
    }
    if name
        .as_ref()
        .is_some_and(|name| name.is_empty() || name.contains(['/', '\\', ':']) || name.contains(".."))
    {
        return Err(errors::bad_value("BACKUP.NAME", &name.unwrap_or_default(), "Invalid backup name"));
    }
    match (typed.verb.as_str(), name) {
        ("list", name) => list(context, name),
        ("add", name) => add(context, &name.unwrap_or_else(time)),
        ("delete", Some(name)) => {
            let folder = existing(context, &name)?;
            fs_err::remove_dir_all(folder).map_err(|error| failed(&error))?;
            context.say(&format!("BACKUP object \"{name}\" deleted"));
            Ok(())
        }
        ("restore", Some(name)) => restore(context, &name),
        ("delete" | "restore", None) => Err(errors::must_specify("BACKUP")),
        (verb, _) => Err(errors::no_such_command(verb, "BACKUP")),
    }
}

fn list(context: &mut Context<'_>, wanted: Option<String>) -> Result<(), Failure> {
    let mut names = Vec::new();
    if let Ok(entries) = fs_err::read_dir(context.lab.folder.join("backup")) {
        names.extend(entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()));
    }
    names.sort();
    names.retain(|name| wanted.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(name)));
    if names.is_empty() && wanted.is_some() {
        return Err(errors::nothing_found());
    }
    for name in names {
        context.say(&format!("BACKUP \"{name}\""));
    }
    Ok(())
}

fn add(context: &mut Context<'_>, name: &str) -> Result<(), Failure> {
    let folder = folder(context, name);
    if folder.exists() {
        return Err(errors::duplicate(name));
    }
    fs_err::create_dir_all(&folder)
        .and_then(|()| fs_err::copy(context.lab.config(), folder.join("applicationHost.config")))
        .map_err(|error| failed(&error))?;
    context.say(&format!("BACKUP object \"{name}\" added"));
    Ok(())
}

/// Puts a copy back, whoever has written since. It stops the whole server meanwhile: all pools get new processes.
fn restore(context: &mut Context<'_>, name: &str) -> Result<(), Failure> {
    let file = existing(context, name)?.join("applicationHost.config");
    fs_err::read(file)
        .and_then(|bytes| write_whole(&context.lab.config(), &bytes))
        .map_err(|error| failed(&error))?;
    let pools = context.load()?.pools();
    objects::runtime(context, |runtime| {
        for pool in pools {
            runtime.pool_mut(&pool.name).recycled += 1;
        }
    })?;
    context.say(&format!("Restored configuration from backup \"{name}\""));
    Ok(())
}

fn folder(context: &Context<'_>, name: &str) -> PathBuf {
    context.lab.folder.join("backup").join(name)
}

fn existing(context: &Context<'_>, name: &str) -> Result<PathBuf, Failure> {
    let folder = folder(context, name);
    if folder.is_dir() { Ok(folder) } else { Err(errors::no_object("BACKUP", name)) }
}

/// The name of a copy that nobody has named: when it was made.
fn time() -> String {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs().to_string()
}

fn failed(error: &std::io::Error) -> Failure {
    Failure { exit: 5, text: format!("ERROR ( message:{error} )\r\n") }
}
