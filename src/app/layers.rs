//! The project's two layers, made afresh each time: its files with the settings inside a bundle, and its static files.

use std::path::Path;

use super::{AppError, AppFiles, Collected, Input, SiteFacts, site_package};
use crate::layer::{self, Layer};
use crate::manifest::LayerKind;
use crate::progress::{Notice, Progress, Running, Stage, Unit};

/// The layers of a project.
#[derive(Debug)]
pub struct ProjectLayers {
    pub app: Layer,
    pub static_files: Layer,
    pub notices: Vec<Notice>,
}

/// Makes both layers as files in `scratch`, which the run removes when it is over: nobody asks for them again.
pub fn layers(
    input: &Input<'_>,
    facts: &SiteFacts,
    collected: &Collected,
    files: AppFiles,
    scratch: &Path,
    progress: &dyn Progress,
) -> Result<ProjectLayers, AppError> {
    let AppFiles { mut sources, notices, .. } = files;
    sources.extend(site_package(input, facts)?);
    let static_sources = collected.sources.clone();
    let total = layer::total_size(&sources) + layer::total_size(&static_sources);
    let _running = Running::begin(progress, Stage::App, total, Unit::Bytes);
    let build = |kind, name, sources| {
        layer::build_in(scratch, kind, input.target, name, sources, Stage::App, progress)
    };
    let app = build(LayerKind::App, "app", sources)?;
    let static_files = build(LayerKind::Static, "static", static_sources)?;
    Ok(ProjectLayers { app, static_files, notices })
}
