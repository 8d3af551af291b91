//! Bytecode of a bundle that has none, compiled by the Python of the release before anybody is served: nothing is
//! written into a release later, so every start of a process would compile every module anew.

use std::collections::HashSet;
use std::path::Path;

use super::expand::WINDOWS_LIMIT;
use super::{Release, ReleaseError};
use crate::bytecode::{Bytecode, Compiler};
use crate::entry::EntryPath;
use crate::layer::{Content, IndexedFile, Source};
use crate::progress::{Progress, Running, Stage, Unit};
use crate::target::Target;

/// How many modules are in memory at once.
const AT_ONCE: usize = 1024;

/// A module, and where its bytecode belongs.
pub(super) struct Module<'a> {
    file: &'a IndexedFile,
    pub place: EntryPath,
}

/// The modules to be compiled: none if the bundle has their bytecode, or is for another machine.
pub(super) fn plan(release: &Release) -> Vec<Module<'_>> {
    let manifest = &release.manifest;
    if manifest.bytecode.is_some() || Target::host() != Some(manifest.target) {
        return Vec::new();
    }
    let there: HashSet<&EntryPath> = release.files().map(|file| &file.path).collect();
    let compiler = compiler(release);
    let places =
        release.files().filter_map(|file| Some((file, compiler.place(&file.path, manifest.target)?)));
    places
        .filter(|(_, place)| !there.contains(place) && is_found(&release.root, place))
        .map(|(file, place)| Module { file, place })
        .collect()
}

/// Compiles modules and hands each batch of bytecode on. A module that does not compile has none; a Python that does not
/// run is an error, as nothing of the release would.
pub(super) fn compile(
    release: &Release,
    modules: &[Module<'_>],
    progress: &dyn Progress,
    mut take: impl FnMut(Vec<Bytecode>) -> Result<(), ReleaseError>,
) -> Result<(), ReleaseError> {
    if modules.is_empty() {
        return Ok(());
    }
    let compiler = compiler(release);
    let running = Running::begin(progress, Stage::Compile, modules.len() as u64, Unit::Files);
    for modules in modules.chunks(AT_ONCE) {
        let source = |module: &Module<'_>| Source {
            path: module.file.path.clone(),
            content: Content::File(module.file.path.below(&release.root)),
            executable: false,
        };
        let sources: Vec<Source> = modules.iter().map(source).collect();
        let compiled = compiler.compile(&sources, release.manifest.target);
        take(compiled.map_err(|source| ReleaseError::Python {
            program: release.manifest.layout().program.below(&release.root),
            source,
        })?)?;
        running.advance(modules.len() as u64);
    }
    Ok(())
}

fn compiler(release: &Release) -> Compiler {
    let layout = release.manifest.layout();
    Compiler::new(layout.program.below(&release.root), layout.version)
}

/// Whether Python, which takes no longer path on Windows, would find bytecode there.
fn is_found(root: &Path, place: &EntryPath) -> bool {
    let length = root.to_string_lossy().encode_utf16().count() + 1 + place.utf16_len() as usize;
    !cfg!(windows) || length <= WINDOWS_LIMIT
}
