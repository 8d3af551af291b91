//! The project's two layers, made afresh each time: its files with the settings inside a bundle, and its static files.
//!
//! What has not changed since the last bundle of this project is neither compiled nor compressed again.

use std::collections::BTreeSet;
use std::path::Path;

use super::{AppError, AppFiles, Collected, Input, SiteFacts, site_package};
use crate::bytecode::{Bytecode, Compiler};
use crate::cache::Cache;
use crate::digest::Sha256;
use crate::layer::{self, Content, Earlier, Key, Layer, LayerError, Source};
use crate::manifest::LayerKind;
use crate::progress::{Notice, Progress, Running, Stage, Unit};

/// The layers of a project.
#[derive(Debug)]
pub struct ProjectLayers {
    pub app: Layer,
    pub static_files: Layer,
    pub notices: Vec<Notice>,
    kept_as: [Key; 2],
}

/// Makes both layers as files in `scratch`, which the run removes when it is over.
pub fn layers(
    input: &Input<'_>,
    facts: &SiteFacts,
    collected: &Collected,
    files: AppFiles,
    cache: &Cache,
    scratch: &Path,
    progress: &dyn Progress,
) -> Result<ProjectLayers, AppError> {
    let AppFiles { mut sources, notices, .. } = files;
    sources.extend(site_package(input, facts)?);
    let static_sources = collected.sources.clone();
    let total = layer::total_size(&sources) + layer::total_size(&static_sources);
    let _running = Running::begin(progress, Stage::App, total, Unit::Bytes);

    let kept_as = [LayerKind::App, LayerKind::Static].map(|kind| kept_as(kind, input));
    let [earlier_app, earlier_static] = kept_as.map(|key| Earlier::find(cache, &key));
    if let Some(compiler) = input.compiler {
        add_bytecode(&mut sources, input, compiler, earlier_app.as_ref())?;
    }
    let build = |key, name, sources, earlier: &Option<Earlier>| {
        layer::build_in(scratch, key, name, sources, earlier.as_ref(), Stage::App, progress)
    };
    let app = build(&kept_as[0], "app", sources, &earlier_app)?;
    let static_files = build(&kept_as[1], "static", static_sources, &earlier_static)?;
    Ok(ProjectLayers { app, static_files, notices, kept_as })
}

impl ProjectLayers {
    /// Keeps both for the next bundle of this project. Call it when they have been copied: their files are moved.
    pub fn keep(self, cache: &Cache) {
        for (key, layer) in self.kept_as.iter().zip([self.app, self.static_files]) {
            // Whoever cannot keep them makes them anew the next time.
            let _ = layer::keep(cache, key, layer);
        }
    }
}

/// One place for each project folder, target and compiler: what stands there is of use to no other.
fn kept_as(kind: LayerKind, input: &Input<'_>) -> Key {
    let root = Sha256::of(input.root.as_os_str().as_encoded_bytes());
    Key::new(kind, input.target, &[root, Sha256::of(Compiler::shape(input.compiler))])
}

/// Adds the bytecode of the modules among `sources`: what the earlier layer has for the same source at the same
/// place, and else compiled now.
fn add_bytecode(
    sources: &mut Vec<Source>,
    input: &Input<'_>,
    compiler: &Compiler,
    earlier: Option<&Earlier>,
) -> Result<(), AppError> {
    let mut known = Vec::new();
    let mut unknown = Vec::new();
    let mut places = BTreeSet::new();
    for source in sources.iter_mut() {
        let Some(place) = compiler.place(&source.path, input.target) else { continue };
        // Read once, so that source and bytecode are of the same moment.
        if let Content::File(path) = &source.content {
            let bytes = fs_err::read(path);
            let bytes = bytes.map_err(|error| LayerError::unreadable(path, error))?;
            source.content = Content::Bytes(bytes);
        }
        places.insert(place.clone());
        let bytecode = earlier.and_then(|earlier| {
            let Content::Bytes(bytes) = &source.content else { return None };
            let same = earlier.digest_at(source.path.as_str())? == Sha256::of(bytes);
            same.then(|| earlier.content(&earlier.digest_at(place.as_str())?)).flatten()
        });
        match bytecode {
            Some(bytes) => known.push(Bytecode { path: place, bytes }),
            None => unknown.push(source.clone()),
        }
    }
    known.extend(compiler.compile(&unknown, input.target)?);
    // What the project has there itself may be of another source: nobody compares it when the module is imported.
    sources.retain(|source| !places.contains(&source.path));
    sources.extend(known.into_iter().map(Source::from));
    Ok(())
}
