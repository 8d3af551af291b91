//! Packages that are there as source alone: built into wheels on this machine, where the bundle is for it.
//!
//! uv builds, in an environment of its own with what the package asks for; nothing of the project takes part. The
//! source is fetched and held against its hash as a wheel is. What comes out is kept in the cache by what went in.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::download::{Wheel, download};
use super::environment::version_of;
use super::error::PackagesError;
use super::inputs::plain;
use super::lock::{LockedWheel, local_wheel};
use super::pylock;
use super::question::{Question, Request};
use super::tags::WheelName;
use super::uv::Uv;
use crate::cache::{self, Cache};
use crate::digest::Sha256;
use crate::interrupt::Passing;
use crate::progress::{Notice, Silent};
use crate::said::Said;
use crate::target::Target;

/// What may be built from source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Build {
    /// Nothing: what was built is on this machine alone, and no lock can name it.
    Nothing,
    /// What runs everywhere, as pure Python does: the bundle goes to other machines.
    Portable,
    /// All: the bundle is for this machine.
    ForThisMachine,
}

/// The wheels that were selected, the built ones among them, and what to know of these.
pub(super) struct Built {
    pub wheels: Vec<LockedWheel>,
    pub notices: Vec<Notice>,
}

/// The folder of the cache that holds wheels built here.
const FOLDER: &str = cache::BUILT;

/// How many lines of a build that failed are shown.
const LINES: usize = 12;

/// Whether packages lack a wheel, and this machine and this Python are what the bundle is for, so that a build here is
/// one for there.
pub(super) fn can_build(
    uv: &Uv,
    request: &Request<'_>,
    refused: &PackagesError,
) -> Result<bool, PackagesError> {
    let lacking = matches!(refused, PackagesError::NoWheel { .. } | PackagesError::NotSupplied { .. });
    let here = lacking && request.build != Build::Nothing && Target::host() == Some(request.target);
    Ok(here && version_of(&uv.python)?.minor == request.minor)
}

/// Selects once more, where the packages that were `refused` may be source, and builds these. Where that changes
/// nothing, the refusal stands.
pub(super) fn select(
    uv: &Uv,
    question: &Question,
    request: &Request<'_>,
    refused: PackagesError,
    cache: &Cache,
) -> Result<Built, PackagesError> {
    let Request { target, minor, .. } = *request;
    let mut sources: BTreeSet<String> = match &refused {
        PackagesError::NoWheel { packages, .. } | PackagesError::NotSupplied { packages, .. } => {
            packages.iter().cloned().collect()
        }
        _ => return Err(refused),
    };
    let file = loop {
        let mut aim = request.aim();
        aim.extend(sources.iter().flat_map(|name| ["--no-binary".into(), OsString::from(name)]));
        let failure = match question.compile(uv, &aim, None) {
            Ok(file) => break file,
            Err(failure) => failure,
        };
        let before = sources.len();
        sources.extend(failure.without_wheels());
        if sources.len() == before {
            return Err(match failure.built() {
                Some((package, version)) if sources.contains(&package) => {
                    PackagesError::NotBuilt { package, version, target, minor, source: failure.said() }
                }
                _ => refused,
            });
        }
    };
    let within = plain(&std::path::absolute(request.folder())?);
    let text = fs_err::read_to_string(&file)?;
    let (mut wheels, archives) =
        pylock::read_with_sources(&sources, Some(&within), &text, &file, target, minor)?;
    if let Some(committed) = &question.committed {
        committed.check(&[&wheels[..], &archives].concat(), target, minor)?;
    }
    let mut notices = Vec::new();
    for archive in download(&archives, request, cache, &Silent, &mut notices)? {
        let wheel = build(uv, &archive, request, cache)?;
        notices.push(notice(&archive.locked));
        wheels.push(wheel);
    }
    Ok(Built { wheels, notices })
}

fn build(
    uv: &Uv,
    archive: &Wheel,
    request: &Request<'_>,
    cache: &Cache,
) -> Result<LockedWheel, PackagesError> {
    let Request { target, minor, .. } = *request;
    let LockedWheel { name, version, sha256, .. } = &archive.locked;
    let python = version_of(&uv.python)?;
    let of = format!("built 1\n{sha256}\n{}\n{python}\n{}\n{target}", uv.python.display(), uv.version);
    let folder = cache.folder(FOLDER)?.join(Sha256::of(of).to_string());
    if !folder.is_dir() {
        let parent = folder.parent().expect("a folder of the cache has one above it");
        let work = Passing::make(|| tempfile::Builder::new().prefix(".part-").tempdir_in(parent))?;
        let out = work.path().join("out");
        let mut args: Vec<OsString> =
            ["build", "--wheel", "--no-create-gitignore"].map(OsString::from).into();
        args.extend(request.supply.options());
        args.extend(["--out-dir".into(), out.clone().into(), archive.file.clone().into()]);
        // In the folder of the project uv finds its settings of indexes.
        uv.run(request.folder(), args).map_err(|failure| PackagesError::NotBuilt {
            package: name.clone(),
            version: version.clone(),
            target,
            minor,
            source: Said::new(last_words(&failure.0).as_bytes()),
        })?;
        // Another run may have been faster: either's is whole.
        if crate::held::rename(&out, &folder).is_err() && !folder.is_dir() {
            crate::held::rename(&out, &folder)?;
        }
    }
    cache::used(&folder);
    let file = wheel_in(&folder)?;
    let wheel = local_wheel(&file)?;
    let parts = WheelName::parse(&wheel.file_name).expect("its name was read just now");
    if wheel.name != *name || parts.rank(target, minor).is_none() {
        return Err(PackagesError::Unfit { wheel: wheel.file_name, target, minor });
    }
    if request.build == Build::Portable && parts.platform != "any" {
        let (package, version) = (name.clone(), version.clone());
        return Err(PackagesError::BuiltForHere { package, version, target });
    }
    // Its own file name may spell the version in another way than the index.
    Ok(LockedWheel { version: version.clone(), ..wheel })
}

/// The end of what a build printed: there it says what it misses.
fn last_words(said: &str) -> String {
    let printed = said.split_once("\nerror: Failed to build").map_or(said, |(printed, _)| printed);
    let lines: Vec<&str> = printed.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}

/// The one wheel that a build has left.
fn wheel_in(folder: &Path) -> Result<PathBuf, PackagesError> {
    let mut wheels: Vec<PathBuf> = Vec::new();
    for entry in fs_err::read_dir(folder)? {
        wheels.push(entry?.path());
    }
    wheels.retain(|path| path.extension().is_some_and(|extension| extension == "whl"));
    wheels.sort();
    wheels.into_iter().next().ok_or_else(|| PackagesError::BadWheel {
        file: folder.to_owned(),
        problem: "the build left none there".to_owned(),
    })
}

fn notice(archive: &LockedWheel) -> Notice {
    let LockedWheel { name, version, file_name, sha256, .. } = archive;
    Notice {
        what: format!("`{name}` {version} has no wheel: it was built here from `{file_name}` (SHA-256 {sha256})"),
        help: "another machine may build it otherwise: a wheel in a folder that `find-links` names is the same for all"
            .to_owned(),
    }
}
