//! A bundle becomes a release of the site: expanded or adopted, with the files that the server adds.

use std::path::Path;
use std::time::SystemTime;

use super::plan::Make;
use super::{DeployError, Fault, Source, Survey};
use crate::digest::Sha256;
use crate::entry::EntryPath;
use crate::progress::{Notice, Progress};
use crate::recipe::Recipes;
use crate::release::{
    self, Adoption, CarryOver, Complete, Completed, Handed, Making, Origin, Release, ReleaseError, ReleaseId,
    Reserved, Reuse, Unmarked, prune,
};
use crate::signature::Trust;
use crate::site::Place;
use crate::site::iis::Wanted;
use crate::site::iis::own::{self, OWN};
use crate::site::iis::web_config::WebConfig;
use crate::site::rights::{self, Grant};
use crate::site::secrets::Sid;

/// Where IIS looks for what a release says.
const WEB_CONFIG: &str = "www/web.config";

/// The release's `web.config`, with what the project's own says.
fn web_config(
    survey: &Survey,
    place: &Place,
    recipes: &Recipes,
    own: Option<&str>,
) -> Result<Handed, DeployError> {
    let wanted = survey.wanted(place)?;
    Ok(rendered(survey, place, &wanted, recipes, own)?)
}

fn rendered(
    survey: &Survey,
    place: &Place,
    wanted: &Wanted,
    recipes: &Recipes,
    own: Option<&str>,
) -> Result<Handed, Fault> {
    let config = WebConfig::of(&survey.settings, wanted, &place.manifest);
    let text = config.render(&recipes.iis.web_config)?;
    let bytes = match own {
        Some(own) => own::merged(&text, own, OWN)?.0.into_bytes(),
        None => text.into_bytes(),
    };
    let path = EntryPath::parse(WEB_CONFIG, place.manifest.target).expect("it is fit for any target");
    Ok(Handed { path, bytes, origin: Origin::WebConfig })
}

/// Fails if what a project says in its own `web.config` cannot be, with the settings of this site.
pub fn check_own(survey: &Survey, place: &Place, source: &Source) -> Result<(), DeployError> {
    let Some(own) = own_of(source)? else { return Ok(()) };
    web_config(survey, place, &Recipes::of_user()?, Some(&own)).map(drop)
}

pub fn own_of(source: &Source) -> Result<Option<String>, Fault> {
    match source {
        Source::Bundle(bundle) => {
            let bytes = bundle.read(OWN).map_err(ReleaseError::from)?;
            Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
        }
        Source::Folder(release) => Ok(own_in(release)),
    }
}

/// That of a folder. One that is not what was bundled counts for nothing: whoever compares the folder with its bundle
/// tells of it.
pub fn own_in(release: &Release) -> Option<String> {
    let file = release.files().find(|file| file.path.as_str() == OWN)?;
    let bytes = fs_err::read(file.path.below(&release.root)).ok()?;
    (Sha256::of(&bytes) == file.sha256).then(|| String::from_utf8_lossy(&bytes).into_owned())
}

/// Whether what a complete release says to IIS is what it would say if it were made now.
pub fn is_current(survey: &Survey, place: &Place, complete: &Complete) -> bool {
    let Ok(recipes) = Recipes::of_user() else { return true };
    let own = own_in(&complete.release);
    let Ok(config) = web_config(survey, place, &recipes, own.as_deref()) else { return true };
    let sha256 = Sha256::of(&config.bytes);
    complete.mark.made.iter().any(|made| made.path == config.path && made.sha256 == sha256)
}

/// All of a bundle, where its release is going to be.
pub enum Laid<'a> {
    /// A release already.
    Complete(Box<Complete>),
    /// Without what the server adds to it.
    Unmarked(Box<Unmarked>, Making<'a>),
}

/// Expands the bundle, or checks the folder that it was copied into.
pub fn lay<'a>(
    survey: &'a Survey,
    source: Source,
    make: &Make,
    trust: &Trust,
    progress: &dyn Progress,
) -> Result<Laid<'a>, Fault> {
    let id = source.id();
    let place = survey.place(source.manifest(), &id, folder(survey, make, &source));
    let recipes = Recipes::of_user()?;
    let wanted = Wanted::of(&survey.settings, &place, survey.cores)?;
    let active = survey.active.as_ref().and_then(|active| survey.complete(active));
    let own = own_of(&source)?;
    let making = Making {
        files: vec![rendered(survey, &place, &wanted, &recipes, own.as_deref())?],
        carry_over: active
            .filter(|active| active.id != id)
            .map(|from| CarryOver { from, retention: survey.settings.releases.keep }),
    };
    let unmarked = match (source, make) {
        (_, Make::Nothing) => {
            let there = survey.complete(&id).cloned().ok_or(Fault::Gone { release: id })?;
            return Ok(Laid::Complete(there.into()));
        }
        (Source::Bundle(bundle), _) => {
            if let Make::Expand { folder, anew: true, .. } = make {
                super::retire::all_gone(removed(survey, &id, folder, progress))?;
            }
            let live: Vec<_> = survey.active.iter().collect();
            let slot = match survey.releases.reserve(&bundle, &live)? {
                Reserved::Complete(complete) => return Ok(Laid::Complete(complete)),
                Reserved::Slot(slot) => slot,
            };
            let pool = Sid::of_pool(&survey.settings.pool_name());
            let slot = slot.guard("www", rights::of_www(&pool));
            let reuse = Reuse::of(survey.all_complete().filter(|earlier| earlier.id != id), active);
            release::expand_unmarked(&bundle, slot, &reuse, progress)?
        }
        (Source::Folder(release), make) => {
            if let Make::Adopt { grants, .. } = make {
                grants.iter().try_for_each(Grant::give)?;
            }
            let disk = survey.releases.disk();
            match release::adopt(&release.root, trust, &making, SystemTime::now(), disk, progress)? {
                Adoption::Complete(complete) => return Ok(Laid::Complete(complete)),
                Adoption::Unmarked(unmarked) => *unmarked,
            }
        }
    };
    Ok(Laid::Unmarked(unmarked.into(), making))
}

/// Makes the server's own files and the mark. What could not be made is no failure, and told.
pub fn complete(laid: Laid<'_>, progress: &dyn Progress) -> Result<(Complete, Vec<Notice>), Fault> {
    match laid {
        Laid::Complete(complete) => Ok((*complete, Vec::new())),
        Laid::Unmarked(unmarked, making) => {
            let Completed { complete, notices } =
                release::complete(*unmarked, &making, SystemTime::now(), progress)?;
            Ok((complete, notices))
        }
    }
}

/// Removes a release that does not serve, with what belongs to it, as far as it goes.
pub fn removed(survey: &Survey, id: &ReleaseId, folder: &Path, progress: &dyn Progress) -> prune::Pruned {
    let removal = prune::Removal {
        id: id.clone(),
        folder: folder.to_owned(),
        run: Some(survey.releases.run(id)),
        why: prune::Why::Incomplete,
    };
    let plan = prune::PrunePlan { removals: vec![removal], left: Vec::new() };
    prune::carry_out(plan, survey.releases.disk(), progress)
}

fn folder(survey: &Survey, make: &Make, source: &Source) -> std::path::PathBuf {
    match (make, source) {
        (Make::Expand { folder, .. } | Make::Adopt { folder, .. }, _) => folder.clone(),
        (Make::Nothing, _) => {
            let there = survey.complete(&source.id()).map(|complete| complete.root().to_owned());
            there.unwrap_or_else(|| survey.releases.folder().join(source.id()))
        }
    }
}
