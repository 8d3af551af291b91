//! Whether a project's own lock was made for the target at all: one for Linux alone leaves out, without a word, all
//! that only Windows needs, and may leave out everything.
//!
//! Markers are evaluated by uv, which knows what each means on the target.

use std::ffi::OsString;

use reqwest::Url;
use toml::Value;

use super::error::PackagesError;
use super::own;
use super::question::Request;
use super::uv::Uv;
use crate::cache::Cache;
use crate::project::{Dependencies, Distribution};

/// The name of a package that is nothing but a question.
const PROBE: &str = "holdall-probe";

/// Fails if the lock names the environments it is for, and none of them is the target.
pub(super) fn check(uv: &Uv, request: &Request<'_>, cache: &Cache) -> Result<(), PackagesError> {
    let (file, key) = match request.dependencies {
        Dependencies::UvLock { lock, .. } => (lock, "supported-markers"),
        Dependencies::Pylock(file) => (file, "environments"),
        Dependencies::PoetryLock { .. }
        | Dependencies::PipfileLock { .. }
        | Dependencies::Pyproject { .. }
        | Dependencies::Requirements(_) => return Ok(()),
    };
    let table = fs_err::read_to_string(file)?.parse::<toml::Table>().unwrap_or_default();
    let markers = table.get(key).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let markers: Vec<String> = markers.map(str::to_owned).collect();
    if markers.is_empty() || any_holds(uv, request, &markers, cache)? {
        return Ok(());
    }
    let (target, minor) = (request.target, request.minor);
    Err(PackagesError::LockForOtherPlatforms { file: file.clone(), markers, target, minor })
}

/// Asks uv, without any index, for a package on the condition that one of the markers holds.
fn any_holds(
    uv: &Uv,
    request: &Request<'_>,
    markers: &[String],
    cache: &Cache,
) -> Result<bool, PackagesError> {
    let work = cache.of_run()?;
    let probe = Distribution {
        name: PROBE.to_owned(),
        version: "1".to_owned(),
        metadata: format!("Metadata-Version: 2.1\nName: {PROBE}\nVersion: 1\n"),
        entry_points: String::new(),
    };
    let wheel = work.path().join("holdall_probe-1-py3-none-any.whl");
    fs_err::write(&wheel, own::wheel(&probe, "holdall_probe-1"))?;
    let url = Url::from_file_path(&wheel).expect("an absolute path has a URL");
    let condition: Vec<String> = markers.iter().map(|marker| format!("({})", one_line(marker))).collect();
    let requirements = work.path().join("requirements.txt");
    fs_err::write(&requirements, format!("{PROBE} @ {url} ; {}\n", condition.join(" or ")))?;
    let mut args: Vec<OsString> = ["pip", "compile", "--quiet", "--no-config"].map(OsString::from).into();
    args.extend(["--offline", "--no-index", "--no-deps", "--no-header"].map(OsString::from));
    args.extend(request.aim());
    args.push(requirements.into());
    let said = uv
        .run(work.path(), args)
        .map_err(|failure| failure.while_doing("read the environments of a lock"))?;
    Ok(String::from_utf8_lossy(&said).contains(PROBE))
}

/// A marker of a file that somebody else wrote: it ends no line of ours.
fn one_line(marker: &str) -> String {
    marker.split_whitespace().collect::<Vec<_>>().join(" ")
}
