//! Each wheel becomes a layer, found in the cache if the same wheel was mapped to the same places before.

use std::collections::BTreeMap;
use std::num::NonZero;

use super::download::Wheel;
use super::error::PackagesError;
use super::parallel::{Share, each};
use super::prune::survey::survey;
use super::prune::{self, Candidates, Pruned, Prunings};
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

/// How many bytes of unpacked wheels are held in memory at once, or one wheel.
const UNPACKED: u64 = 64 << 20;

/// The layers of all packages, by name, and that of the bridge after them.
#[derive(Debug)]
pub struct PackageLayers {
    pub layers: Vec<Layer>,
    /// What was left out, by package.
    pub pruned: Vec<Pruned>,
    pub notices: Vec<Notice>,
}

/// What decides, besides the wheels, about the files of packages.
#[derive(Debug, Clone, Copy)]
pub struct Shaping<'a> {
    pub layout: &'a PythonLayout,
    pub target: Target,
    pub prunings: &'a Prunings,
    pub compiler: Option<&'a Compiler>,
}

/// Makes or finds the layers of `packages` and of the bridge.
pub fn layers(
    packages: &[Wheel],
    bridge: &Wheel,
    shaping: &Shaping<'_>,
    cache: &Cache,
    progress: &dyn Progress,
) -> Result<PackageLayers, PackagesError> {
    let Shaping { layout, target, prunings, compiler } = *shaping;
    let mut wheels: Vec<(LayerKind, &Wheel)> =
        packages.iter().map(|wheel| (LayerKind::Package, wheel)).collect();
    wheels.sort_by(|(_, a), (_, b)| a.locked.name.cmp(&b.locked.name));
    wheels.push((LayerKind::Bridge, bridge));

    let at_once = std::thread::available_parallelism().map_or(4, NonZero::get);
    let mut mapped = each(at_once, &wheels, |(_, wheel)| wheel::map(wheel, layout, target))?;
    let pruned = prune(&mut mapped, prunings, at_once, cache)?;
    let taken = wheel::taken(&mapped)?;

    progress.begin(Stage::Packages, mapped.iter().map(Mapped::size).sum(), Unit::Bytes);
    let work: Vec<_> = wheels.iter().zip(&mapped).zip(&taken).collect();
    let memory = Share::of(UNPACKED);
    let made = each(at_once, &work, |(((kind, wheel), mapped), taken)| {
        let mut notices = Vec::new();
        let name = &wheel.locked.name;
        let key = Key::new(*kind, target, &[wheel.locked.sha256, mapping(shaping, mapped, taken)]);
        if let Some(layer) = layer::find(cache, &key, name).layer(&mut notices) {
            progress.advance(Stage::Packages, mapped.size());
            return Ok((layer, notices));
        }
        let layer = memory.with(mapped.held(), || {
            let sources = mapped.sources(taken, compiler)?;
            Ok::<_, PackagesError>(layer::build_cached(
                cache,
                &key,
                name,
                sources,
                Stage::Packages,
                progress,
            )?)
        })?;
        Ok::<_, PackagesError>((layer, notices))
    });
    progress.end(Stage::Packages);
    let (layers, notices): (Vec<_>, Vec<_>) = made?.into_iter().unzip();
    Ok(PackageLayers { layers, pruned, notices: notices.into_iter().flatten().collect() })
}

/// Leaves out of all wheels together what no site reads. The bridge is not among the packages, and stays whole.
pub(super) fn prune(
    mapped: &mut [Mapped],
    prunings: &Prunings,
    at_once: usize,
    cache: &Cache,
) -> Result<Vec<Pruned>, PackagesError> {
    let Some((_bridge, mapped)) = mapped.split_last_mut() else { return Ok(Vec::new()) };
    let decisions = {
        let packages = mapped.iter().map(|wheel| wheel.wheel.locked.name.as_str()).collect();
        let rules = |wheel: &Mapped| prunings.of(&wheel.wheel.locked.name, &packages);
        if mapped.iter().all(|wheel| rules(wheel).is_empty()) {
            return Ok(Vec::new());
        }
        let interest = prunings.interest();
        let surveyed = each(at_once, mapped, |wheel| {
            let names: Vec<&str> = wheel.files.iter().map(|file| file.name.as_str()).collect();
            survey(wheel, Candidates::of(&names, &rules(wheel)), &interest, cache)
        })?;
        prune::decide(&surveyed, prunings.project())
    };
    let mut pruned = Vec::new();
    for (wheel, decisions) in mapped.iter_mut().zip(&decisions) {
        let sizes = decisions.iter().map(|(&number, rule)| (*rule, wheel.files[number].recorded.size));
        pruned.extend(prune::sums(&wheel.wheel.locked.name, sizes));
        wheel.leave_out(|number| decisions.contains_key(&number));
    }
    Ok(pruned)
}

/// All that decides, besides the wheel and the target, which files its layer has.
fn mapping(shaping: &Shaping<'_>, mapped: &Mapped, taken: &BTreeMap<EntryPath, Taken>) -> Sha256 {
    let mut text =
        format!("{MAPPING}\n{}\n{}\n", shaping.layout.site_packages, Compiler::shape(shaping.compiler));
    for (path, kind) in taken {
        text.push_str(&format!("{kind:?} {path}\n"));
    }
    // What prunings have left; equal files are one layer, whatever recipe chose them.
    for file in &mapped.files {
        text.push_str(&format!("{}\n", file.path));
    }
    Sha256::of(text)
}
