//! A small bundle, made anew for each test.
#![allow(clippy::unwrap_used)]

mod opening;

use std::path::Path;

use crate::archive::{Bundle, assemble};
use crate::entry::EntryPath;
use crate::layer::{self, Content, Key, Source};
use crate::manifest::{LayerKind, Manifest};
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
