//! The project as an installed package, as far as it is one: the metadata that `importlib.metadata` tells of it.
//!
//! Where developers have the project installed in place (`uv sync`, `poetry install`, `pip install -e .`), its code
//! asks for its own version or finds its plugins by entry points. A bundle has the code in `app/`, which is on
//! Python's path, so that only the metadata is missing: it is made from what `pyproject.toml` says. No build backend
//! runs, and no file is there twice.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::str::FromStr as _;

use toml::Value;

use super::Found;
use super::config::Config;
use super::error::ProjectError;
use super::pyproject::Pyproject;
use crate::manifest::Version;
use crate::progress::Notice;

/// What a package's dist-info says of the project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Distribution {
    pub name: String,
    /// In the form of Python's versions.
    pub version: String,
    /// The file METADATA.
    pub metadata: String,
    /// The file `entry_points.txt`, empty if there are none.
    pub entry_points: String,
}

/// Finds out whether the project is a package, as uv and Poetry do: it has a build backend, and does not say that it
/// is none. The configuration can say otherwise.
pub(super) fn find(
    pyprojects: &[Pyproject],
    config: &Config,
    version: &Found<Version>,
    notices: &mut Vec<Notice>,
) -> Result<Option<Distribution>, ProjectError> {
    let set = config.packages.project;
    if set == Some(false) {
        return Ok(None);
    }
    let named = pyprojects.iter().find(|pyproject| name(pyproject).is_some());
    let Some(pyproject) = named.filter(|pyproject| set == Some(true) || is_package(pyproject)) else {
        return match set {
            Some(true) => Err(ProjectError::NoPackage { place: config.place("packages.project") }),
            _ => Ok(None),
        };
    };
    let name = name(pyproject).expect("one with a name was chosen");
    let written = pyproject.text(&["project.version", "tool.poetry.version"]).map(|found| found.value);
    let own = match written {
        Some(written) => pep440_rs::Version::from_str(&written).ok(),
        None => described(version.value.as_str()),
    };
    let Some(own) = own else {
        notices.push(Notice {
            what: format!(
                "`{name}` is a package, and its version `{}` ({}) is none to Python: importlib.metadata will not know it",
                version.value, version.from
            ),
            help: format!(
                "give it a version such as `1.2` in `{}`, or set {} to false",
                pyproject.shown,
                config.key("packages.project")
            ),
        });
        return Ok(None);
    };
    let version = own.to_string();
    let metadata = metadata(pyproject, name, &version);
    Ok(Some(Distribution { name: name.to_owned(), version, metadata, entry_points: entry_points(pyproject) }))
}

fn name(pyproject: &Pyproject) -> Option<&str> {
    let name = pyproject.value("project.name").or_else(|| pyproject.value("tool.poetry.name"))?.as_str()?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    (!name.is_empty() && name.chars().all(plain)).then_some(name)
}

fn is_package(pyproject: &Pyproject) -> bool {
    let switch = |key: &str| pyproject.value(key).and_then(Value::as_bool);
    let said = switch("tool.uv.package").or_else(|| switch("tool.poetry.package-mode"));
    said.unwrap_or_else(|| pyproject.value("build-system").is_some())
}

/// The version that git describes (`v1.4`, `v1.4-2-g0a1b2c3`), as Python's tools write it.
fn described(version: &str) -> Option<pep440_rs::Version> {
    let parsed = pep440_rs::Version::from_str(version);
    parsed.ok().or_else(|| {
        let (rest, commit) = version.rsplit_once("-g")?;
        let (tag, count) = rest.rsplit_once('-')?;
        pep440_rs::Version::from_str(&format!("{tag}.post{count}+g{commit}")).ok()
    })
}

fn metadata(pyproject: &Pyproject, name: &str, version: &str) -> String {
    let mut text = format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n");
    let mut line = |key: &str, value: &str| {
        // A line end would begin another field.
        let value = value.split_whitespace().collect::<Vec<_>>().join(" ");
        let _ = writeln!(text, "{key}: {value}");
    };
    if let Some(summary) = pyproject.text(&["project.description", "tool.poetry.description"]) {
        line("Summary", &summary.value);
    }
    if let Some(python) = pyproject.text(&["project.requires-python"]) {
        line("Requires-Python", &python.value);
    }
    for requirement in texts(pyproject.value("project.dependencies")) {
        line("Requires-Dist", &without_address(requirement));
    }
    let extras = pyproject.value("project.optional-dependencies").and_then(Value::as_table);
    for (extra, requirements) in extras.into_iter().flatten() {
        line("Provides-Extra", extra);
        for requirement in texts(Some(requirements)) {
            let requirement = without_address(requirement);
            let conditional = match requirement.split_once(';') {
                Some((what, marker)) => format!("{what}; ({}) and extra == \"{extra}\"", marker.trim()),
                None => format!("{requirement} ; extra == \"{extra}\""),
            };
            line("Requires-Dist", &conditional);
        }
    }
    text
}

/// A requirement without the URL it may name: that may hold a secret.
fn without_address(requirement: &str) -> String {
    let Some((name, rest)) = requirement.split_once('@') else { return requirement.to_owned() };
    let marker = rest.split_once(" ;").map(|(_, marker)| format!(" ;{marker}"));
    format!("{}{}", name.trim_end(), marker.unwrap_or_default())
}

fn texts(value: Option<&Value>) -> impl Iterator<Item = &str> {
    value.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

fn entry_points(pyproject: &Pyproject) -> String {
    let mut groups: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    let mut add = |group: &str, table: Option<&Value>| {
        for (name, value) in table.and_then(Value::as_table).into_iter().flatten() {
            // Poetry writes a script as a table too.
            let of_table = || value.get("callable").or_else(|| value.get("reference"))?.as_str();
            if let Some(object) = value.as_str().or_else(of_table) {
                groups.entry(group.to_owned()).or_default().insert(name.clone(), object.to_owned());
            }
        }
    };
    for key in ["project.scripts", "tool.poetry.scripts"] {
        add("console_scripts", pyproject.value(key));
    }
    add("gui_scripts", pyproject.value("project.gui-scripts"));
    for key in ["project.entry-points", "tool.poetry.plugins"] {
        for (group, table) in pyproject.value(key).and_then(Value::as_table).into_iter().flatten() {
            add(group, Some(table));
        }
    }
    let mut text = String::new();
    for (group, entries) in groups {
        let _ = writeln!(text, "[{group}]");
        for (name, object) in entries {
            let _ = writeln!(text, "{name} = {object}");
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn found(pyproject: &str, version: &str) -> (Option<Distribution>, Vec<Notice>) {
        let folder = tempfile::tempdir().unwrap();
        fs_err::write(folder.path().join("pyproject.toml"), pyproject).unwrap();
        let pyprojects = Pyproject::find(folder.path(), &[folder.path().to_owned()]).unwrap();
        let version = Found::new(Version::parse(version).unwrap(), "git describe");
        let mut notices = Vec::new();
        (find(&pyprojects, &Config::default(), &version, &mut notices).unwrap(), notices)
    }

    const SHOP: &str = "[build-system]\nrequires = []\n[project]\nname = 'Shop'\ndynamic = ['version']\n";

    #[test]
    fn a_project_with_a_build_backend_is_a_package_unless_it_says_otherwise() {
        assert!(found(SHOP, "1.0").0.is_some());
        assert!(found(&SHOP.replace("[build-system]\nrequires = []\n", ""), "1.0").0.is_none());
        assert!(found(&format!("{SHOP}[tool.uv]\npackage = false\n"), "1.0").0.is_none());
        assert!(found(&format!("{SHOP}[tool.poetry]\npackage-mode = false\n"), "1.0").0.is_none());
    }

    #[test]
    fn a_version_left_to_the_backend_is_the_one_that_git_describes() {
        let version = |described: &str| found(SHOP, described).0.map(|distribution| distribution.version);
        assert_eq!(version("v1.4").as_deref(), Some("1.4"));
        assert_eq!(version("v1.4-2-g0a1b2c3").as_deref(), Some("1.4.post2+g0a1b2c3"));
        assert_eq!(version("0a1b2c3d4e5f"), None);
        let (_, notices) = found(SHOP, "0a1b2c3d4e5f");
        assert!(notices[0].what.contains("`0a1b2c3d4e5f` (git describe) is none to Python"), "{notices:?}");
    }

    #[test]
    fn metadata_and_entry_points_are_those_of_pyproject() {
        let pyproject = "[build-system]\nrequires = []\n[project]\nname = 'shop'\nversion = '1.0'\ndescription = 'Sells\nLicense: none'\nrequires-python = '>=3.10'\ndependencies = ['django>=5', 'own @ git+https://me:pw@x.example/own ; sys_platform == \"win32\"']\n[project.optional-dependencies]\npg = ['psycopg ; python_version > \"3\"', 'x']\n[project.scripts]\nshop = 'shop.cli:main'\n[project.entry-points.'shop.plugins']\nbasket = 'shop.basket:Basket'\n";
        let shop =
            found(&pyproject.replace("'Sells\nLicense: none'", "'''Sells\nLicense: none'''"), "9").0.unwrap();
        assert_eq!(
            shop.metadata,
            "Metadata-Version: 2.1\nName: shop\nVersion: 1.0\nSummary: Sells License: none\nRequires-Python: >=3.10\nRequires-Dist: django>=5\nRequires-Dist: own ; sys_platform == \"win32\"\nProvides-Extra: pg\nRequires-Dist: psycopg ; (python_version > \"3\") and extra == \"pg\"\nRequires-Dist: x ; extra == \"pg\"\n"
        );
        assert_eq!(
            shop.entry_points,
            "[console_scripts]\nshop = shop.cli:main\n\n[shop.plugins]\nbasket = shop.basket:Basket\n\n"
        );
        let poetry = "[build-system]\nrequires = []\n[tool.poetry]\nname = 'shop'\nversion = '2'\n[tool.poetry.scripts]\na = { callable = 'a:b' }\n[tool.poetry.plugins.'p']\nq = 'q'\n";
        let shop = found(poetry, "9").0.unwrap();
        assert_eq!(
            (shop.version.as_str(), shop.entry_points.as_str()),
            ("2", "[console_scripts]\na = a:b\n\n[p]\nq = q\n\n")
        );
    }
}
