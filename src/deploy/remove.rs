//! A site goes: out of the web server, and its releases from the disk. What the project wrote, and what an administrator
//! wrote, stays unless somebody says otherwise.

use std::io;

use super::{DeployError, Fault, Hands, Survey, lock, retire};
use crate::held;
use crate::release::prune::{self, PrunePlan, Removal, Why};
use crate::site::iis::plan::{self, Lack};
use crate::site::{Home, SiteSettings};

/// What becomes of media, databases, logs, settings and secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Data {
    Kept,
    Removed,
}

/// Removes the site in `home`. Begun again after it was cut short, it goes on.
pub fn remove(
    home: &Home,
    settings: &SiteSettings,
    data: Data,
    hands: &mut Hands<'_>,
) -> Result<(), DeployError> {
    let held = lock(home, "remove", hands)?;
    let survey = Survey::of(home, settings, &mut hands.server)?;
    let adopted: Vec<String> = survey
        .found
        .iter()
        .filter(|found| found.adopted)
        .map(|found| found.folder.to_string_lossy().into_owned())
        .collect();
    let spot = &survey.spot;
    let applied = &plan::refound(spot, &survey.iis, &survey.state.applied);
    // IIS deletes a site with all that is in it.
    if let Some(site) = survey.iis.site(&spot.site).filter(|_| !spot.is_below()) {
        let others = site.apps.iter().filter(|app| app.path != spot.app).map(|app| app.path.clone());
        let apps: Vec<String> = others.collect();
        if !apps.is_empty() {
            return Err(Lack::OtherApps { site: spot.site.clone(), apps }.into());
        }
    }
    let failed = |fault: Fault| DeployError::Removal(fault.into());
    // First the web server: a release that nobody is sent to can go.
    let done = hands.server.apply(spot, |actual| plan::remove(spot, actual, applied, &adopted));
    drop(done.map_err(|error| failed(error.into()))?);
    let removals = survey.found.iter().filter(|found| !found.adopted).map(|found| Removal {
        id: found.id.clone(),
        folder: found.folder.clone(),
        run: Some(survey.releases.run(&found.id)),
        why: Why::Old,
    });
    let releases = PrunePlan { removals: removals.collect(), left: Vec::new() };
    let pruned = prune::carry_out(releases, &home.disk, hands.listener.progress());
    retire::all_gone(pruned).map_err(failed)?;
    let unwritable =
        |path: std::path::PathBuf| move |source: io::Error| failed(Fault::Unwritable { path, source });
    for folder in ["releases", "run"].map(|name| home.folder.join(name)) {
        held::remove_dir_all(&folder).map_err(unwritable(folder.clone()))?;
    }
    for name in ["journal.jsonl", "journal.1.jsonl"] {
        let path = home.folder.join(name);
        crate::durable::gone(home.disk.remove_file(&path)).map_err(unwritable(path.clone()))?;
    }
    home.forget().map_err(|error| failed(error.into()))?;
    drop(held);
    if data == Data::Removed {
        held::remove_dir_all(&home.folder).map_err(unwritable(home.folder.clone()))?;
    }
    Ok(())
}
