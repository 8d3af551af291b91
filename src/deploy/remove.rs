//! A site goes: out of the web server, and its releases from the disk. What the project wrote, and what an administrator
//! wrote, stays unless somebody says otherwise.

use std::io;
use std::time::{Duration, Instant};

use super::{DeployError, Fault, Hands, Survey, lock, retire, services};
use crate::held;
use crate::release::Release;
use crate::release::prune::{self, PrunePlan, Removal, Why};
use crate::site::iis::plan::{self, Lack};
use crate::site::maintenance::MAINTENANCE_TOML;
use crate::site::{Home, SiteSettings};

/// How long processes may take to end: IIS gives those of a pool 90 s unless somebody says otherwise, and kills them then.
const PATIENCE: Duration = Duration::from_secs(100);

const PAUSE: Duration = Duration::from_millis(100);

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
    let lock = lock(home, "remove", hands)?;
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
    // What runs in a release holds it.
    let mut state = survey.state.clone();
    services::go_over(&survey, &mut state, &[], &home.folder).map_err(failed)?;
    // Then the web server: a release that nobody is sent to can go.
    let done = hands.server.apply(spot, |actual| plan::remove(spot, actual, applied, &adopted));
    drop(done.map_err(|error| failed(error.into()))?);
    for found in &survey.found {
        // Where the pool is not ours to delete, they end for this alone.
        retire::end_processes(&survey, &found.id).map_err(failed)?;
    }
    wait_for_processes(&survey);
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
    for name in ["journal.jsonl", "journal.1.jsonl", MAINTENANCE_TOML] {
        let path = home.folder.join(name);
        crate::durable::gone(home.disk.remove_file(&path)).map_err(unwritable(path.clone()))?;
    }
    home.forget().map_err(|error| failed(error.into()))?;
    match data {
        Data::Kept => drop(lock),
        Data::Removed => lock.remove_folder().map_err(unwritable(home.folder.clone()))?,
    }
    Ok(())
}

/// Waits until nobody runs the Python of a release any more, so that none ends at work or holds what is to go. IIS ends the
/// processes of a pool that was deleted when they have answered, and takes its time.
fn wait_for_processes(survey: &Survey) {
    let ours = survey.found.iter().filter(|found| !found.adopted);
    let manifests = ours.filter_map(|found| Some((found, Release::open(&found.folder).ok()?.manifest)));
    let programs: Vec<_> = manifests
        .map(|(found, manifest)| {
            manifest
                .python
                .program
                .as_str()
                .split('/')
                .fold(found.folder.clone(), |path, part| path.join(part))
        })
        .collect();
    let until = Instant::now() + PATIENCE;
    while programs.iter().any(|program| held::is_running(program)) && Instant::now() < until {
        std::thread::sleep(PAUSE);
    }
}
