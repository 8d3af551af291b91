//! Recipes of packages: which of their files no site reads at run time.
//!
//! `recipes/packages/any.toml` holds for every package, each other file for the package that it is named for.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use globset::{GlobBuilder, GlobMatcher};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::{RecipeError, one, parsed};
use crate::digest::{Hasher, Sha256};

const PACKAGES: &[(&str, &str)] = &[
    ("packages/any.toml", include_str!("../../recipes/packages/any.toml")),
    ("packages/celery.toml", include_str!("../../recipes/packages/celery.toml")),
    ("packages/django.toml", include_str!("../../recipes/packages/django.toml")),
    ("packages/gevent.toml", include_str!("../../recipes/packages/gevent.toml")),
    ("packages/greenlet.toml", include_str!("../../recipes/packages/greenlet.toml")),
    ("packages/lxml.toml", include_str!("../../recipes/packages/lxml.toml")),
    ("packages/numpy.toml", include_str!("../../recipes/packages/numpy.toml")),
    ("packages/pyarrow.toml", include_str!("../../recipes/packages/pyarrow.toml")),
    ("packages/pywin32.toml", include_str!("../../recipes/packages/pywin32.toml")),
    ("packages/scikit-learn.toml", include_str!("../../recipes/packages/scikit-learn.toml")),
    ("packages/scipy.toml", include_str!("../../recipes/packages/scipy.toml")),
    ("packages/sqlalchemy.toml", include_str!("../../recipes/packages/sqlalchemy.toml")),
    ("packages/wagtail.toml", include_str!("../../recipes/packages/wagtail.toml")),
];

/// The name of the recipe that holds for every package.
const ANY: &str = "any";

/// The recipes of all packages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageRecipes {
    /// By the package's normalized name, or [`ANY`].
    recipes: BTreeMap<String, PackageRecipe>,
    digest: Sha256,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct PackageRecipe {
    #[serde(deserialize_with = "prunings")]
    pruning: Vec<Pruning>,
}

/// Prunings whose modules can be searched for.
fn prunings<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Pruning>, D::Error> {
    let prunings = Vec::<Pruning>::deserialize(deserializer)?;
    let plain = |module: &&str| module.chars().all(|c| c.is_alphanumeric() || c == '_');
    if let Some(module) = prunings.iter().flat_map(Pruning::modules).find(|module| !plain(module)) {
        return Err(D::Error::custom(format!(
            "the last part of a pattern for folders or modules is a plain name, and `{module}` is none"
        )));
    }
    Ok(prunings)
}

/// Files that a bundle does without, and why. Names are those of RECORD: relative to site-packages.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pruning {
    /// A word or two for tables: `tests`.
    pub what: String,
    /// Why no site misses them.
    pub reason: String,
    /// Folders that go with all that is in them, or stay.
    #[serde(default)]
    pub folders: Vec<Pattern>,
    /// A folder goes only if a file with this ending lies in it, at any depth.
    #[serde(default)]
    pub holds: Option<String>,
    /// Single files.
    #[serde(default)]
    pub files: Vec<Pattern>,
    /// What stays although `folders` or `files` name it.
    #[serde(default, rename = "except")]
    pub exceptions: Vec<Pattern>,
    /// A file with one of these endings goes only if another lies beside it that has the ending on the right in its
    /// place: `.po` and `.mo`.
    #[serde(default)]
    pub beside: BTreeMap<String, String>,
    /// The files stay when a module of the package that stays has one of these words in its text.
    #[serde(default)]
    pub unless: Vec<String>,
    /// The files stay when one of these packages, by normalized name, is in the bundle.
    #[serde(default)]
    pub needed_by: Vec<String>,
    /// Modules that only name what is pruned and do not import it.
    #[serde(default)]
    pub overlook: Vec<String>,
}

/// A pattern over names: `*` and `?` within a part, `**` over parts.
#[derive(Clone, Deserialize)]
#[serde(try_from = "String")]
pub struct Pattern {
    matcher: GlobMatcher,
    /// How every name ends that matches: most names are told by it, and much sooner.
    ending: String,
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.matcher.glob().glob())
    }
}

impl TryFrom<String> for Pattern {
    type Error = globset::Error;

    fn try_from(text: String) -> Result<Pattern, globset::Error> {
        let matcher = GlobBuilder::new(&text).literal_separator(true).build()?.compile_matcher();
        let ending =
            text.rsplit(['/', '*', '?', '[', ']', '{', '}', '\\']).next().unwrap_or_default().to_owned();
        Ok(Pattern { matcher, ending })
    }
}

impl Pattern {
    pub fn matches(&self, name: &str) -> bool {
        name.ends_with(&self.ending) && self.matcher.is_match(name)
    }

    fn last_part(&self) -> &str {
        let text = self.matcher.glob().glob();
        text.rsplit('/').next().unwrap_or(text)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Pattern) -> bool {
        self.matcher.glob() == other.matcher.glob()
    }
}

impl Eq for Pattern {}

impl Pruning {
    /// The last parts of the names of the modules that may go: what an import of one must mention.
    pub fn modules(&self) -> impl Iterator<Item = &str> {
        let files = self.files.iter().filter_map(|pattern| pattern.last_part().strip_suffix(".py"));
        self.folders.iter().map(Pattern::last_part).chain(files)
    }
}

impl PackageRecipes {
    /// Those compiled in, and those in `folder`, which take the place of others of the same name.
    pub(super) fn read(folder: Option<&Path>) -> Result<PackageRecipes, RecipeError> {
        let mut recipes = BTreeMap::new();
        for recipe in PACKAGES {
            recipes.insert(package(recipe.0), one::<PackageRecipe>(*recipe, folder)?);
        }
        let own = folder.map(|folder| folder.join("packages")).filter(|folder| folder.exists());
        let unreadable = |source| RecipeError::Unreadable { source };
        for entry in own.map(fs_err::read_dir).transpose().map_err(unreadable)?.into_iter().flatten() {
            let file = entry.map_err(unreadable)?.path();
            if file.extension().is_some_and(|extension| extension == "toml") {
                let text = fs_err::read_to_string(&file).map_err(unreadable)?;
                recipes.insert(package(&file.to_string_lossy()), parsed(file, &text)?);
            }
        }
        // The debug form tells every field, so equal digests mean equal prunings.
        let mut hasher = Hasher::default();
        hasher.update(format!("{recipes:?}"));
        Ok(PackageRecipes { recipes, digest: hasher.finish() })
    }

    /// The prunings for one package, by normalized name: its own before those for every package.
    pub fn of(&self, package: &str) -> impl Iterator<Item = &Pruning> {
        let own = if package == ANY { None } else { self.recipes.get(package) };
        own.into_iter().chain(self.recipes.get(ANY)).flat_map(|recipe| &recipe.pruning)
    }

    /// Whether this pruning is one for every package.
    pub fn is_for_any(&self, pruning: &Pruning) -> bool {
        self.recipes.get(ANY).is_some_and(|recipe| recipe.pruning.contains(pruning))
    }

    pub fn all(&self) -> impl Iterator<Item = &Pruning> {
        self.recipes.values().flat_map(|recipe| &recipe.pruning)
    }

    /// Of all recipes.
    pub fn digest(&self) -> Sha256 {
        self.digest
    }
}

/// `numpy` for `packages/numpy.toml`.
fn package(file: &str) -> String {
    let name = file.rsplit(['/', '\\']).next().unwrap_or(file);
    name.trim_end_matches(".toml").to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_recipe_of_the_folder_is_compiled_in_and_whole() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("recipes/packages");
        let mut files: Vec<_> = fs_err::read_dir(folder)
            .unwrap()
            .map(|entry| format!("packages/{}", entry.unwrap().file_name().to_str().unwrap()))
            .collect();
        files.sort();
        assert_eq!(PACKAGES.iter().map(|(name, _)| *name).collect::<Vec<_>>(), files);
        let recipes = PackageRecipes::read(None).unwrap();
        for (package, recipe) in &recipes.recipes {
            for pruning in &recipe.pruning {
                assert!(!pruning.what.is_empty() && !pruning.reason.is_empty(), "{package}");
                assert!(!pruning.reason.ends_with('.'), "{package}: {}", pruning.reason);
                assert!(!pruning.folders.is_empty() || !pruning.files.is_empty(), "{package}");
            }
        }
    }

    #[test]
    fn a_folder_replaces_recipes_and_adds_others() {
        let folder = tempfile::tempdir().unwrap();
        fs_err::create_dir(folder.path().join("packages")).unwrap();
        let write = |name: &str, text: &str| {
            fs_err::write(folder.path().join("packages").join(name), text).unwrap();
            PackageRecipes::read(Some(folder.path()))
        };
        let plain = PackageRecipes::read(None).unwrap();
        let pruning = "[[pruning]]\nwhat = 'maps'\nreason = 'no map is drawn'\nfolders = ['shop/maps']\n";
        let added = write("our-shop.toml", pruning).unwrap();
        let whats = |recipes: &PackageRecipes, package: &str| {
            recipes.of(package).map(|pruning| pruning.what.clone()).collect::<Vec<_>>()
        };
        assert_eq!(whats(&added, "our-shop")[0], "maps");
        assert_eq!(whats(&added, "our-shop")[1..], whats(&plain, "other"));
        assert_eq!(whats(&added, "any"), whats(&plain, "other"));
        let replaced = write("any.toml", "pruning = []").unwrap();
        assert_eq!(whats(&replaced, "our-shop"), ["maps"]);
        assert_eq!(whats(&replaced, "other"), [""; 0]);
    }

    #[test]
    fn a_recipe_that_cannot_be_used_names_its_file_and_what_is_wrong() {
        let folder = tempfile::tempdir().unwrap();
        fs_err::create_dir(folder.path().join("packages")).unwrap();
        let refused = |line: &str, expected: &str| {
            let file = folder.path().join("packages/shop.toml");
            fs_err::write(&file, format!("[[pruning]]\nwhat = 'a'\nreason = 'b'\n{line}\n")).unwrap();
            let error = PackageRecipes::read(Some(folder.path())).unwrap_err();
            assert!(error.to_string().contains("shop.toml"), "{error}");
            let source = std::error::Error::source(&error).unwrap().to_string();
            assert!(source.contains(expected), "{source}");
        };
        refused("folders = ['**/test*']", "is a plain name, and `test*` is none");
        refused("files = ['a/*.py']", "is a plain name, and `*` is none");
        refused("files = ['a/[.txt']", "unclosed character class");
        refused("folder = ['a']", "unknown field `folder`");
    }
}
