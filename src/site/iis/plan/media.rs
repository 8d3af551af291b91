//! The folder of uploads, as a virtual directory.

use super::site::FOLDER;
use super::{ABSENT, Change, Difference, Found};
use crate::site::iis::actual::App;
use crate::site::iis::appcmd::{Command, Object, Verb};
use crate::site::iis::wanted::{Spot, Wanted};

/// Uploads: a virtual directory whose sub-folders' `web.config` counts for nothing.
pub(super) fn compare(difference: &mut Difference<'_>, wanted: &Wanted, app: Option<&App>, ours: bool) {
    let spot = &wanted.spot;
    let vdir = |path: &str| format!("{}{path}", spot.location());
    if let Some(media) = &wanted.media {
        let thing = thing(spot, &media.path);
        match app.and_then(|app| app.vdir(&media.path)) {
            None => {
                let actual = Some(ABSENT);
                let found = Found {
                    thing: &thing,
                    name: FOLDER,
                    wanted: &media.folder,
                    firm: true,
                    ours: true,
                    actual,
                };
                if difference.is_due(found) {
                    let does = add_vdir(spot, &media.path, &media.folder, false);
                    difference.change(Change::plain(format!("make the {thing}"), does));
                    difference.applied(&thing, "allowSubDirConfig", "false");
                }
            }
            Some(there) => {
                let ours = ours || difference.last.knows(&thing);
                let sub_dir = there.sub_dir_config.to_string();
                for (name, wanted, actual) in [
                    (FOLDER, media.folder.as_str(), there.physical_path.as_str()),
                    ("allowSubDirConfig", "false", &sub_dir),
                ] {
                    let found = Found { thing: &thing, name, wanted, firm: true, ours, actual: Some(actual) };
                    difference.setting(found, |value| {
                        Command::new(Verb::Set, Object::Vdir, Some(&vdir(&media.path))).property(name, value)
                    });
                }
            }
        }
    }
    let wanted = wanted.media.as_ref().map(|media| thing(spot, &media.path));
    let prefix = format!("vdir {}", spot.location());
    let last = difference.last;
    for thing in last.things().filter(|thing| wanted.as_deref() != Some(*thing)) {
        let Some(path) = thing.strip_prefix(&prefix).filter(|path| path.starts_with('/')) else { continue };
        if let Some(there) = app.and_then(|app| app.vdir(path)) {
            let does = Command::new(Verb::Delete, Object::Vdir, Some(&vdir(path)));
            let undoes = add_vdir(spot, path, &there.physical_path, there.sub_dir_config);
            difference.change(Change::new(format!("delete the {thing}"), does, vec![undoes]));
        }
        difference.plan.applied.forget(thing);
    }
}

pub(super) fn add_vdir(spot: &Spot, path: &str, folder: &str, sub_dir_config: bool) -> Command {
    Command::new(Verb::Add, Object::Vdir, None)
        .property("app.name", &spot.app_name())
        .property("path", path)
        .property(FOLDER, folder)
        .property("allowSubDirConfig", if sub_dir_config { "true" } else { "false" })
}

fn thing(spot: &Spot, path: &str) -> String {
    format!("vdir {}{path}", spot.location())
}
