//! Writing a target's lock (PEP 751), for people to commit and for other tools to read.
//!
//! A wheel stands there by name, hash and the place to get it: PEP 751 wants `url` or `path`, and uv and pip install
//! from the file alone. A URL is written without credentials, which belong to the machine that fetches; a wheel from a
//! folder has its path from the lock.

use std::fmt::Write as _;
use std::path::Path;

use reqwest::Url;
use toml::Value;

use super::super::error::PackagesError;
use super::super::inputs::{Inputs, relative};
use super::super::lock::{Lock, LockedWheel, Origin};
use crate::target::Target;

const HEAD: &str = "\
# Written by `holdall lock`: the wheels of this project for one target and one Python. Commit it; what it is made
# from decides, and `holdall lock` makes it anew.
";

/// The text of the lock that will lie in `folder`.
pub(in super::super) fn write(
    lock: &Lock,
    inputs: &Inputs,
    extras: &[String],
    groups: &[String],
    folder: &Path,
) -> Result<String, PackagesError> {
    let mut text = HEAD.to_owned();
    let mut line = |line: String| {
        text.push_str(&line);
        text.push('\n');
    };
    line("lock-version = \"1.0\"".to_owned());
    line(format!("environments = [{}]", quoted(environment(lock.target))));
    line(format!("requires-python = \"=={}.*\"", lock.minor));
    line("created-by = \"holdall\"".to_owned());
    if lock.wheels.is_empty() {
        line("packages = []".to_owned());
    }
    for wheel in &lock.wheels {
        line(format!("\n[[packages]]\nname = {}\nversion = {}", quoted(&wheel.name), quoted(&wheel.version)));
        line(format!("wheels = [{}]", file(wheel, folder)?));
    }
    line(format!("\n[tool.holdall]\ntarget = \"{}\"\npython = \"{}\"", lock.target, lock.minor));
    for (key, list) in [("extras", extras), ("groups", groups)] {
        if !list.is_empty() {
            let words: Vec<String> = list.iter().map(|word| quoted(word)).collect();
            line(format!("{key} = [{}]", words.join(", ")));
        }
    }
    line(
        "\n# What the lock is made from, by the SHA-256 of what matters in it.\n[tool.holdall.inputs]"
            .to_owned(),
    );
    for (name, digest) in &inputs.0 {
        line(format!("{} = \"{digest}\"", quoted(name)));
    }
    Ok(text)
}

fn file(wheel: &LockedWheel, folder: &Path) -> Result<String, PackagesError> {
    let mut text = format!("{{ name = {}, ", quoted(&wheel.file_name));
    let place = match &wheel.origin {
        Origin::Path(path) | Origin::Project(path) => format!("path = {}", quoted(&relative(path, folder)?)),
        Origin::Url(url) => format!("url = {}", quoted(&public(url))),
    };
    text.push_str(&place);
    if let Some(size) = wheel.size {
        let _ = write!(text, ", size = {size}");
    }
    let _ = write!(text, ", hashes = {{ sha256 = \"{}\" }} }}", wheel.sha256);
    Ok(text)
}

/// A URL without what may be a secret in it.
fn public(url: &Url) -> String {
    let mut url = url.clone();
    // These fail for URLs that cannot have such parts.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    url.to_string()
}

/// A marker that holds where the target's wheels run.
fn environment(target: Target) -> &'static str {
    match target {
        Target::WindowsX86_64 => "sys_platform == 'win32' and platform_machine == 'AMD64'",
        Target::WindowsArm64 => "sys_platform == 'win32' and platform_machine == 'ARM64'",
        Target::LinuxX86_64 => "sys_platform == 'linux' and platform_machine == 'x86_64'",
        Target::LinuxArm64 => "sys_platform == 'linux' and platform_machine == 'aarch64'",
    }
}

/// A TOML string.
fn quoted(text: &str) -> String {
    Value::String(text.to_owned()).to_string()
}
