//! Where the data of a site goes: each place inside the project that its settings write to, mapped to a place
//! below the site's shared folder. Pure: what the settings say is asked elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::error::AppError;
use super::{APP, Input};
use crate::entry::EntryPath;
use crate::progress::Notice;

/// A place that the settings write to.
#[derive(Debug, Clone, Deserialize)]
pub struct Place {
    /// As people write it: `DATABASES['default']['NAME']`.
    pub setting: String,
    /// Absolute, on this machine.
    pub path: String,
    /// Where it goes below the shared folder unless something else is said.
    pub default: String,
    /// Where it lies in the bundle (`app/db.sqlite3`), if it lies in the project.
    pub inside: Option<String>,
}

/// What the site writes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Writable {
    /// Path inside the bundle -> path below the site's `shared/`.
    pub table: BTreeMap<String, String>,
    /// Settings that lead out of the project, with the path on this machine. They are left as they are.
    pub outside: Vec<(String, String)>,
}

/// Maps `places`. `named` holds every setting that is a path inside the project, for `[paths]`.
pub fn map(
    input: &Input<'_>,
    places: &[Place],
    named: &BTreeMap<String, String>,
) -> Result<(Writable, Vec<Notice>), AppError> {
    let mut notices = Vec::new();
    let mut mapped = configured(input, places, named)?;
    let mut owner: BTreeMap<String, String> = BTreeMap::new();
    for (inside, place) in &mapped {
        if let Some(first) = owner.insert(place.to_lowercase(), inside.clone()) {
            let place = place.clone();
            return Err(AppError::SamePlace { first, second: inside.clone(), place });
        }
    }

    let mut outside = BTreeSet::new();
    let mut by_path = BTreeMap::new();
    for place in places {
        match &place.inside {
            None => drop(outside.insert((place.setting.clone(), place.path.clone()))),
            Some(inside) if holds_code(input, inside) => notices.push(Notice {
                what: format!("{} is a folder that holds the project's code: `{inside}`", place.setting),
                help: format!(
                    "in the bundle it is `shared/{}`, which begins empty; a folder of its own in the settings is clearer",
                    place.default
                ),
            }),
            Some(inside) => drop(by_path.entry(inside).or_insert(place)),
        }
    }
    for (inside, place) in by_path {
        // A folder inside one that moves in the same way moves with it.
        let kind = |default: &str| default.split('/').next().unwrap_or_default().to_owned();
        let moves_with = |(above, to): (&String, &String)| {
            inside.strip_prefix(above.as_str()).is_some_and(|rest| rest.starts_with('/'))
                && (kind(to) == kind(&place.default) || place.default.starts_with("storages/"))
        };
        if mapped.contains_key(inside) || mapped.iter().any(moves_with) {
            continue;
        }
        let wrong = |source| AppError::Name { path: place.path.clone().into(), source };
        EntryPath::parse(inside, input.target).map_err(wrong)?;
        EntryPath::parse(&place.default, input.target).map_err(wrong)?;
        let mut names = (1..).map(|number| numbered(&place.default, number));
        let to = names.find(|to| !owner.contains_key(&to.to_lowercase()));
        let to = to.expect("there are more numbers than places");
        owner.insert(to.to_lowercase(), inside.clone());
        mapped.insert(inside.clone(), to);
    }
    notices.extend(outside.iter().map(|(setting, path)| Notice {
        what: format!("{setting} leads out of the project: `{path}`"),
        help: "a path worked out from the project's folder moves with the rest; any other stays: see that the server has it, or let the setting come from the environment"
            .to_owned(),
    }));
    Ok((Writable { table: mapped, outside: outside.into_iter().collect() }, notices))
}

/// What `[paths]` says: path inside the bundle -> path below `shared/`.
fn configured(
    input: &Input<'_>,
    places: &[Place],
    named: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, AppError> {
    let mut configured = BTreeMap::new();
    for (key, value) in input.paths {
        let wrong = || AppError::Paths { key: key.clone(), value: value.clone() };
        let by_setting = places.iter().find(|place| place.setting == *key).map(|place| place.inside.clone());
        let inside = match by_setting.or_else(|| named.get(key).cloned().map(Some)) {
            Some(inside) => inside.ok_or_else(wrong)?,
            None => format!("{APP}/{}", key.trim_start_matches("./").trim_end_matches('/')),
        };
        let inside = EntryPath::parse(&inside, input.target).map_err(|_| wrong())?;
        let to = EntryPath::parse(value.trim_end_matches('/'), input.target).map_err(|_| wrong())?;
        if holds_code(input, inside.as_str()) {
            return Err(wrong());
        }
        configured.insert(inside.to_string(), to.to_string());
    }
    Ok(configured)
}

/// Whether a folder cannot move because `manage.py` or the settings lie in it.
fn holds_code(input: &Input<'_>, inside: &str) -> bool {
    let code = input.roots().into_iter().flat_map(|root| {
        let package = input.settings.split('.').next().unwrap_or_default();
        [root.join(package), input.manage.to_owned()]
    });
    inside == APP || code.into_iter().any(|code| Path::new(APP).join(code).starts_with(inside))
}

/// `databases/db.sqlite3`, then `databases/db-2.sqlite3`.
fn numbered(path: &str, number: u32) -> String {
    if number == 1 {
        return path.to_owned();
    }
    let name_at = path.rfind('/').map_or(0, |at| at + 1);
    match path[name_at..].rfind('.') {
        Some(dot) if dot > 0 => {
            let (stem, extension) = path.split_at(name_at + dot);
            format!("{stem}-{number}{extension}")
        }
        _ => format!("{path}-{number}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::test_input;

    fn place(setting: &str, inside: &str, default: &str) -> Place {
        Place {
            setting: setting.to_owned(),
            path: format!("/home/me/shop/{inside}"),
            default: default.to_owned(),
            inside: Some(inside.to_owned()),
        }
    }

    /// Maps the places (setting, path inside, default) under `[paths]`; one `from -> to` a line.
    fn mapped(places: &[(&str, &str, &str)], paths: &[(&str, &str)]) -> Result<String, String> {
        let paths = paths.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let places: Vec<_> =
            places.iter().map(|(setting, inside, default)| place(setting, inside, default)).collect();
        let named = BTreeMap::from([("EXPORTS".to_owned(), "app/data/exports".to_owned())]);
        let input = Input { paths: &paths, ..test_input(Path::new("/home/me/shop")) };
        let (writable, _) = map(&input, &places, &named).map_err(|error| error.to_string())?;
        Ok(writable.table.iter().map(|(from, to)| format!("{from} -> {to}\n")).collect())
    }

    const DATABASE: (&str, &str, &str) =
        ("DATABASES['default']['NAME']", "app/db.sqlite3", "databases/db.sqlite3");

    #[test]
    fn each_place_goes_where_its_kind_goes() {
        let media = ("MEDIA_ROOT", "app/media", "media");
        assert_eq!(
            mapped(&[media, DATABASE], &[]).unwrap(),
            "app/db.sqlite3 -> databases/db.sqlite3\napp/media -> media\n"
        );
    }

    #[test]
    fn two_files_of_one_name_are_kept_apart() {
        let other = ("DATABASES['other']['NAME']", "app/other/db.sqlite3", "databases/db.sqlite3");
        assert_eq!(
            mapped(&[other, DATABASE], &[]).unwrap(),
            "app/db.sqlite3 -> databases/db.sqlite3\napp/other/db.sqlite3 -> databases/db-2.sqlite3\n"
        );
    }

    #[test]
    fn a_storage_below_media_moves_with_it_and_a_database_there_does_not() {
        let media = ("MEDIA_ROOT", "app/data", "media");
        let storage = ("STORAGES['private']", "app/data/private", "storages/private");
        let database = ("DATABASES", "app/data/db.sqlite3", "databases/db.sqlite3");
        assert_eq!(
            mapped(&[media, storage, database], &[]).unwrap(),
            "app/data -> media\napp/data/db.sqlite3 -> databases/db.sqlite3\n"
        );
    }

    #[test]
    fn paths_in_the_configuration_win_by_path_or_by_name_of_the_setting() {
        assert_eq!(mapped(&[DATABASE], &[("db.sqlite3", "main.db")]).unwrap(), "app/db.sqlite3 -> main.db\n");
        assert_eq!(mapped(&[DATABASE], &[(DATABASE.0, "main.db")]).unwrap(), "app/db.sqlite3 -> main.db\n");
        assert_eq!(mapped(&[], &[("EXPORTS", "exports/")]).unwrap(), "app/data/exports -> exports\n");
        assert_eq!(mapped(&[], &[("data/", "data")]).unwrap(), "app/data -> data\n");
    }

    #[test]
    fn paths_that_leave_their_folder_or_hold_code_are_refused() {
        for (key, value) in
            [("../data", "data"), ("data", "../data"), ("/data", "data"), ("data", ""), ("mysite", "x")]
        {
            let error = mapped(&[], &[(key, value)]).unwrap_err();
            assert!(error.contains(&format!("`{key}` = `{value}`")), "{error}");
        }
        let error = mapped(&[], &[("a", "x"), ("b", "X")]).unwrap_err();
        assert_eq!(error, "`app/a` and `app/b` would both be kept as `shared/X`");
    }

    #[test]
    fn the_project_folder_itself_never_moves() {
        assert_eq!(mapped(&[("MEDIA_ROOT", "app", "media")], &[]).unwrap(), "");
    }
}
