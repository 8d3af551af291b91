//! Recipes: data about what Holdall obtains and shapes, read from the TOML files in `recipes/`.
//!
//! They are compiled in; a file of the same name in a folder named by `HOLDALL_RECIPES` takes the place of the
//! one inside. Reads; obtains nothing itself.

mod packages;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::digest::Sha256;
use crate::python::{MinorVersion, PythonVersion};
use crate::target::Target;

pub use packages::{PackageRecipes, Pattern, Pruning};

/// The variable that names a folder laid out as `recipes/` is.
pub const FOLDER_VARIABLE: &str = "HOLDALL_RECIPES";

const RUNTIMES: [(&str, &str); 5] = [
    ("runtimes/3.10.toml", include_str!("../recipes/runtimes/3.10.toml")),
    ("runtimes/3.11.toml", include_str!("../recipes/runtimes/3.11.toml")),
    ("runtimes/3.12.toml", include_str!("../recipes/runtimes/3.12.toml")),
    ("runtimes/3.13.toml", include_str!("../recipes/runtimes/3.13.toml")),
    ("runtimes/3.14.toml", include_str!("../recipes/runtimes/3.14.toml")),
];

const UV: (&str, &str) = ("tools/uv.toml", include_str!("../recipes/tools/uv.toml"));
const PATCHELF: (&str, &str) = ("tools/patchelf.toml", include_str!("../recipes/tools/patchelf.toml"));

const WEB_CONFIG: (&str, &str) = ("iis/web.config", include_str!("../recipes/iis/web.config"));
const MEDIA_CONFIG: (&str, &str) = ("iis/media.config", include_str!("../recipes/iis/media.config"));
const REGISTER: (&str, &str) = ("iis/register.cmd", include_str!("../recipes/iis/register.cmd"));
const UNREGISTER: (&str, &str) = ("iis/unregister.cmd", include_str!("../recipes/iis/unregister.cmd"));
const DEPLOY_CMD: (&str, &str) = ("deploy/deploy.cmd", include_str!("../recipes/deploy/deploy.cmd"));
const DEPLOY_SH: (&str, &str) = ("deploy/deploy.sh", include_str!("../recipes/deploy/deploy.sh"));

/// All recipes in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipes {
    /// Oldest minor version first.
    pub runtimes: Vec<RuntimeRecipe>,
    pub packages: PackageRecipes,
    pub patchelf: ToolRecipe,
    pub uv: ToolRecipe,
    pub iis: IisTemplates,
    pub deploy: DeployScripts,
}

/// What IIS is given to read, before its values are filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IisTemplates {
    /// For the web root of a release.
    pub web_config: Template,
    /// For the folder of uploads.
    pub media_config: Template,
    /// For people without holdall.
    pub register: Template,
    pub unregister: Template,
}

/// What a bundle is put into service by, where it was unpacked. They are the same in all bundles for a system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeployScripts {
    pub windows: String,
    pub unix: String,
}

/// A text with places for values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// For messages.
    pub file: PathBuf,
    pub text: String,
}

/// Where the portable builds of one minor version of CPython come from.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuntimeRecipe {
    pub python: PythonVersion,
    pub targets: BTreeMap<Target, Download>,
}

/// A file on the network, known by its content.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Download {
    pub url: String,
    pub sha256: Sha256,
}

/// A program that the Python client of the package index can install.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolRecipe {
    pub name: String,
    pub version: String,
    /// The oldest version found on PATH that will do.
    pub oldest: String,
    /// Of the files that may be installed.
    pub sha256: Vec<Sha256>,
}

impl ToolRecipe {
    /// Whether a program that was found is new enough.
    pub fn accepts(&self, version: &str) -> bool {
        numbers(version) >= numbers(&self.oldest)
    }
}

fn numbers(version: &str) -> Vec<u32> {
    version.split('.').map_while(|part| part.parse().ok()).collect()
}

/// A recipe that cannot be used.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum RecipeError {
    #[error("cannot read a recipe")]
    #[diagnostic(help(
        "`HOLDALL_RECIPES` names the folder: check that you may read it, or unset the variable"
    ))]
    Unreadable { source: io::Error },
    #[error("the recipe `{}` is not right", file.display())]
    #[diagnostic(help("the files in `recipes/` of Holdall's repository show what a recipe holds"))]
    Malformed { file: PathBuf, source: toml::de::Error },
}

impl Recipes {
    /// The recipes compiled in, those in the folder named by `HOLDALL_RECIPES` taking their place.
    pub fn of_user() -> Result<Recipes, RecipeError> {
        let folder = std::env::var_os(FOLDER_VARIABLE).filter(|folder| !folder.is_empty()).map(PathBuf::from);
        Recipes::read(folder.as_deref())
    }

    /// The recipes compiled in, those in `folder` taking their place.
    pub fn read(folder: Option<&Path>) -> Result<Recipes, RecipeError> {
        let runtimes = RUNTIMES.iter().map(|recipe| one(*recipe, folder)).collect::<Result<_, _>>()?;
        let packages = PackageRecipes::read(folder)?;
        let (patchelf, uv) = (one(PATCHELF, folder)?, one(UV, folder)?);
        let iis = IisTemplates {
            web_config: template(WEB_CONFIG, folder)?,
            media_config: template(MEDIA_CONFIG, folder)?,
            register: template(REGISTER, folder)?,
            unregister: template(UNREGISTER, folder)?,
        };
        let deploy = DeployScripts {
            windows: template(DEPLOY_CMD, folder)?.text,
            unix: template(DEPLOY_SH, folder)?.text,
        };
        Ok(Recipes { runtimes, packages, patchelf, uv, iis, deploy })
    }

    /// The newest CPython for `target` that `fits`, and where its build comes from.
    pub fn runtime(
        &self,
        target: Target,
        fits: impl Fn(MinorVersion) -> bool,
    ) -> Option<(PythonVersion, &Download)> {
        self.runtimes
            .iter()
            .filter(|recipe| fits(recipe.python.minor))
            .filter_map(|recipe| Some((recipe.python, recipe.targets.get(&target)?)))
            .max_by_key(|(python, _)| *python)
    }
}

impl Download {
    /// The name under which the file is kept, `+` and the like written plainly.
    pub fn file_name(&self) -> String {
        self.url.rsplit('/').next().unwrap_or(&self.url).replace("%2B", "+")
    }
}

/// Reads one recipe: the file in `folder` if it is there, else the text compiled in.
fn one<T: DeserializeOwned>(
    recipe: (&'static str, &'static str),
    folder: Option<&Path>,
) -> Result<T, RecipeError> {
    let Template { file, text } = template(recipe, folder)?;
    parsed(file, &text)
}

/// Reads a recipe that is text for others.
fn template(
    (name, text): (&'static str, &'static str),
    folder: Option<&Path>,
) -> Result<Template, RecipeError> {
    let own = folder.map(|folder| folder.join(name)).filter(|file| file.exists());
    match own {
        Some(file) => {
            let text = fs_err::read_to_string(&file).map_err(|source| RecipeError::Unreadable { source })?;
            Ok(Template { file, text })
        }
        None => Ok(Template { file: Path::new("recipes").join(name), text: text.to_owned() }),
    }
}

fn parsed<T: DeserializeOwned>(file: PathBuf, text: &str) -> Result<T, RecipeError> {
    toml::from_str(text).map_err(|source| RecipeError::Malformed { file, source })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_recipe_compiled_in_is_whole() {
        let recipes = Recipes::read(None).unwrap();
        for ((name, _), recipe) in RUNTIMES.iter().zip(&recipes.runtimes) {
            assert_eq!(*name, format!("runtimes/{}.toml", recipe.python.minor));
            for (target, download) in &recipe.targets {
                let file = download.file_name();
                assert!(download.url.starts_with("https://"), "{name}: {target}");
                assert!(file.starts_with(&format!("cpython-{}+", recipe.python)), "{name}: {target}: {file}");
                assert!(file.contains(target.uv_platform()), "{name}: {target}: {file}");
                assert!(file.ends_with("-install_only_stripped.tar.gz"), "{name}: {target}: {file}");
            }
            for target in [Target::WindowsX86_64, Target::LinuxX86_64, Target::LinuxArm64] {
                assert!(recipe.targets.contains_key(&target), "{name} lacks {target}");
            }
        }
        let mut digests: Vec<_> =
            recipes.runtimes.iter().flat_map(|recipe| recipe.targets.values()).map(|d| d.sha256).collect();
        let all = digests.len();
        digests.sort_unstable();
        digests.dedup();
        assert_eq!(digests.len(), all, "two files cannot have one digest");
        for tool in [recipes.patchelf, recipes.uv] {
            assert!(tool.accepts(&tool.version) && !tool.sha256.is_empty(), "{tool:?}");
        }
    }

    #[test]
    fn versions_of_tools_are_compared_by_their_numbers() {
        let tool = ToolRecipe { oldest: "0.14".to_owned(), ..Recipes::read(None).unwrap().patchelf };
        assert!(!tool.accepts("0.9") && !tool.accepts("0.13.9"));
        assert!(tool.accepts("0.14") && tool.accepts("0.14.3") && tool.accepts("0.18.0.20240101"));
    }

    #[test]
    fn the_newest_python_that_fits_is_chosen() {
        let recipes = Recipes::read(None).unwrap();
        let chosen = |target, newest: u16| {
            recipes.runtime(target, |minor| minor.minor <= newest).map(|(python, _)| python.minor.minor)
        };
        assert_eq!(chosen(Target::WindowsX86_64, 12), Some(12));
        assert_eq!(chosen(Target::WindowsArm64, 10), None);
        assert_eq!(chosen(Target::LinuxX86_64, 9), None);
    }

    #[test]
    fn a_folder_takes_the_place_of_single_recipes() {
        let folder = tempfile::tempdir().unwrap();
        fs_err::create_dir(folder.path().join("runtimes")).unwrap();
        let file = folder.path().join("runtimes/3.12.toml");
        fs_err::write(&file, "python = \"3.12.99\"\n[targets]\n").unwrap();
        let recipes = Recipes::read(Some(folder.path())).unwrap();
        let patches: Vec<_> = recipes.runtimes.iter().map(|recipe| recipe.python.patch).collect();
        assert_eq!((patches.len(), patches[2]), (RUNTIMES.len(), 99));
        fs_err::create_dir(folder.path().join("iis")).unwrap();
        fs_err::write(folder.path().join("iis/web.config"), "own").unwrap();
        let recipes = Recipes::read(Some(folder.path())).unwrap();
        assert_eq!(recipes.iis.web_config.text, "own");

        fs_err::write(&file, "python = \"3.12.99\"\n[target]\n").unwrap();
        let error = Recipes::read(Some(folder.path())).unwrap_err();
        assert!(matches!(error, RecipeError::Malformed { file: named, .. } if named == file));
    }
}
