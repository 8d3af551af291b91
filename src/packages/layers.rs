//! Each wheel becomes a layer, found in the cache if the same wheel was mapped to the same places before.

use std::collections::BTreeMap;
use std::num::NonZero;

use super::download::Wheel;
use super::error::PackagesError;
use super::parallel::each;
use super::wheel::{self, MAPPING, Mapped, Taken};
use crate::bytecode::Compiler;
use crate::cache::Cache;
use crate::digest::Sha256;
use crate::entry::EntryPath;
use crate::layer::{self, Key, Layer};
use crate::manifest::LayerKind;
use crate::progress::{Notice, Progress, Stage, Unit};
use crate::python::PythonLayout;
use crate::target::Target;

/// The layers of all packages, by name, and that of the bridge after them.
#[derive(Debug)]
pub struct PackageLayers {
    pub layers: Vec<Layer>,
    pub notices: Vec<Notice>,
}

/// Makes or finds the layers of `packages` and of the bridge, for a runtime of this layout.
pub fn layers(
    packages: &[Wheel],
    bridge: &Wheel,
    layout: &PythonLayout,
    target: Target,
    compiler: Option<&Compiler>,
    cache: &Cache,
    progress: &dyn Progress,
) -> Result<PackageLayers, PackagesError> {
    let mut wheels: Vec<(LayerKind, &Wheel)> =
        packages.iter().map(|wheel| (LayerKind::Package, wheel)).collect();
    wheels.sort_by(|(_, a), (_, b)| a.locked.name.cmp(&b.locked.name));
    wheels.push((LayerKind::Bridge, bridge));

    let at_once = std::thread::available_parallelism().map_or(4, NonZero::get);
    let mapped = each(at_once, &wheels, |(_, wheel)| wheel::map(wheel, layout, target))?;
    let taken = wheel::taken(&mapped)?;

    progress.begin(Stage::Packages, mapped.iter().map(Mapped::size).sum(), Unit::Bytes);
    let work: Vec<_> = wheels.iter().zip(&mapped).zip(&taken).collect();
    let made = each(at_once, &work, |(((kind, wheel), mapped), taken)| {
        let mut notices = Vec::new();
        let name = &wheel.locked.name;
        let key = Key::new(*kind, target, &[wheel.locked.sha256, mapping(layout, compiler, taken)]);
        if let Some(layer) = layer::find(cache, &key, name).layer(&mut notices) {
            progress.advance(Stage::Packages, mapped.size());
            return Ok((layer, notices));
        }
        let sources = mapped.sources(taken, compiler)?;
        let layer = layer::build_cached(cache, &key, name, sources, Stage::Packages, progress)?;
        Ok::<_, PackagesError>((layer, notices))
    });
    progress.end(Stage::Packages);
    let (layers, notices): (Vec<_>, Vec<_>) = made?.into_iter().unzip();
    Ok(PackageLayers { layers, notices: notices.into_iter().flatten().collect() })
}

/// All that decides, besides the wheel and the target, which files its layer has.
fn mapping(layout: &PythonLayout, compiler: Option<&Compiler>, taken: &BTreeMap<EntryPath, Taken>) -> Sha256 {
    let mut text = format!("{MAPPING}\n{}\n{}\n", layout.site_packages, Compiler::shape(compiler));
    for (path, kind) in taken {
        text.push_str(&format!("{kind:?} {path}\n"));
    }
    Sha256::of(text)
}
