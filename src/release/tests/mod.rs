//! A small bundle, made anew for each test.
#![allow(clippy::unwrap_used)]

mod deploying;
mod making;
mod opening;
mod pruning;
mod reusing;

use std::path::Path;
use std::time::{Duration, SystemTime};

use super::*;
use crate::archive::{Bundle, assemble};
use crate::durable::Disk;
use crate::entry::EntryPath;
use crate::layer::{self, Content, Key, Source};
use crate::manifest::LayerKind;
use crate::progress::{Silent, Stage};
use crate::site::place;
use crate::target::Target;

pub(super) const TARGET: Target = Target::LinuxX86_64;

/// Files by path, with their text. Programs lie below a folder `bin`.
pub(super) const FILES: [(&str, &str); 6] = [
    ("app/manage.py", "print('manage')\n"),
    ("app/shop/__init__.py", ""),
    ("app/shop/settings.py", "DEBUG = False\n"),
    ("python/bin/python3.12", "#!/bin/sh\nexec python3 \"$@\"\n"),
    ("www/static/logo.svg", "<svg/>\n"),
    ("www/static/site.css", "body { color: black }\n"),
];

pub(super) fn entry(path: &str) -> EntryPath {
    EntryPath::parse(path, TARGET).unwrap()
}

/// [`FILES`] with other texts for some, and with some more.
pub(super) fn files(changed: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    let mut files = FILES.to_vec();
    files.retain(|(path, _)| changed.iter().all(|(other, _)| other != path));
    files.extend(changed);
    files
}

/// A manifest without layers; it says that the bytecode is in the bundle.
pub(super) fn manifest(version: &str) -> Manifest {
    let mut manifest = place::tests::guestbook(Path::new("")).manifest;
    manifest.version = version.to_owned().try_into().unwrap();
    manifest.bytecode = Some("3.12.4".parse().unwrap());
    manifest
}

/// The bundle of `manifest` with these files, written to `folder`.
pub(super) fn bundle_of(folder: &Path, manifest: Manifest, files: &[(&str, &str)]) -> Bundle {
    let layer = |kind: LayerKind, top: &str| {
        let of_layer = files.iter().filter(|(path, _)| path.starts_with(top));
        let source = |(path, text): &(&str, &str)| Source {
            path: entry(path),
            content: Content::Bytes((*text).into()),
            executable: path.contains("/bin/"),
        };
        let key = Key::new(kind, TARGET, &[]);
        let sources = of_layer.map(source).collect();
        layer::build_in(folder, &key, top, sources, None, Stage::App, &Silent).unwrap()
    };
    let layers = vec![
        layer(LayerKind::Runtime, "python"),
        layer(LayerKind::Static, "www"),
        layer(LayerKind::App, "app"),
    ];
    let path = folder.join(format!("{}.zip", manifest.version));
    let written = assemble(manifest, layers, &path, None, &Silent).unwrap();
    Bundle::open(&written.path).unwrap()
}

pub(super) fn bundle(folder: &Path, version: &str, files: &[(&str, &str)]) -> Bundle {
    bundle_of(folder, manifest(version), files)
}

/// Releases of a site in this folder.
pub(super) fn releases(site: &Path) -> Releases {
    Releases::open(site, Vec::new(), Disk::default()).unwrap()
}

/// The slot of a bundle that is no release yet.
#[track_caller]
pub(super) fn slot(releases: &Releases, bundle: &Bundle) -> Slot {
    match releases.reserve(bundle, &[]).unwrap() {
        Reserved::Slot(slot) => slot,
        Reserved::Complete(complete) => panic!("{} is complete", complete.id),
    }
}

/// A time at which nothing is done.
pub(super) fn at() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_790_000_000)
}

/// A `web.config` that says whose it is.
pub(super) fn making(text: &str) -> Making<'static> {
    let file = Handed {
        path: entry("www/web.config"),
        bytes: text.as_bytes().to_owned(),
        origin: Origin::WebConfig,
    };
    Making { files: vec![file], carry_over: None }
}

/// All of a deploy that happens in the folder of a release.
pub(super) fn deploy(
    releases: &Releases,
    bundle: &Bundle,
    replaced: Option<&Complete>,
) -> Result<Completed, ReleaseError> {
    let slot = match releases.reserve(bundle, &[])? {
        Reserved::Slot(slot) => slot,
        Reserved::Complete(complete) => return Ok(Completed { complete: *complete, notices: Vec::new() }),
    };
    let unmarked = expand_unmarked(bundle, slot, &Reuse::of([], replaced), &Silent)?;
    let carry_over = replaced.map(|from| CarryOver { from, retention: 2 });
    complete(unmarked, &Making { carry_over, ..making("<configuration/>") }, at(), &Silent)
}

/// What differs in a release, a line each.
pub(super) fn differences(release: &Release) -> Vec<String> {
    verify(release, &Silent).unwrap().iter().map(ToString::to_string).collect()
}

/// All complete releases of a site, each of which is what its mark says.
#[track_caller]
pub(super) fn complete_ones(site: &Path, when: &str) -> Vec<Complete> {
    let complete = releases(site).find().unwrap().into_iter().filter_map(|found| match found.state {
        State::Complete(complete) => Some(*complete),
        _ => None,
    });
    complete
        .inspect(|complete| {
            let differences = differences(&complete.release);
            assert!(differences.is_empty(), "{when}: {} is not complete: {differences:?}", complete.id);
            assert!(drift(complete).unwrap().is_empty(), "{when}: {}", complete.id);
        })
        .collect()
}
