//! The project's own part of a bundle: its files, the settings module that keeps its data outside of the
//! release, what its loaded settings say, and its static files.
//!
//! The project's code runs here, in a Python that has its packages, but it is given nothing to write to: no
//! file below the project changes and no database is opened. Nothing is compressed or archived here.

mod collect;
mod error;
mod files;
mod gzip;
mod keep;
mod layers;
mod python;
mod site_package;
mod static_url;
mod survey;
#[cfg(all(test, unix))]
mod tests;
mod tree;
mod writable;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::bytecode::Compiler;
use crate::entry::EntryPath;
use crate::target::Target;

pub use collect::{Collected, collect};
pub use error::{AppError, Traceback};
pub use files::{AppFiles, LeftOut, files};
pub use keep::Why;
pub use layers::{ProjectLayers, layers};
pub use site_package::{SETTINGS, site_package};
pub use static_url::StaticPlace;
pub use survey::{SiteFacts, StaticFacts, survey};
pub use writable::Writable;

/// What is known of the project before its code runs. All relative paths count from `root`.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// The project's folder, absolute: the bundle's `app/`.
    pub root: &'a Path,
    /// `manage.py`, relative.
    pub manage: &'a Path,
    /// The folders on Python's path, relative; the one of `manage.py` comes first even if it is missing here.
    pub python_path: &'a [PathBuf],
    /// The settings module that is served.
    pub settings: &'a str,
    /// `[build] settings`: the module that is loaded while bundling instead.
    pub build_settings: Option<&'a str>,
    /// `package.module:callable`
    pub wsgi: &'a str,
    /// `[build.env]`
    pub build_env: &'a BTreeMap<String, String>,
    /// `[paths]`: a relative path, or the name of a setting -> path below the site's `shared/`.
    pub paths: &'a BTreeMap<String, String>,
    /// `[files]`: globs as in a `.gitignore` file.
    pub include: &'a [String],
    pub exclude: &'a [String],
    pub executable: &'a [String],
    pub static_files: &'a StaticChoice,
    pub target: Target,
    /// Where packages lie inside the bundle.
    pub site_packages: &'a EntryPath,
    /// Who compiles the project's modules, if anyone does.
    pub compiler: Option<&'a Compiler>,
}

/// Where the static files come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StaticChoice {
    /// `collectstatic` gathers them.
    Collect,
    /// They lie ready in this folder, relative to the project's root.
    Prebuilt(PathBuf),
    /// The bundle has none.
    None,
}

/// The project's folder inside a bundle.
const APP: &str = "app";

impl Input<'_> {
    /// The folder of `manage.py`, relative: the project's current folder wherever it runs.
    fn manage_folder(&self) -> &Path {
        self.manage.parent().unwrap_or(Path::new(""))
    }

    /// The folders on Python's path, relative, that of `manage.py` first.
    fn roots(&self) -> Vec<&Path> {
        let mut roots = vec![self.manage_folder()];
        for root in self.python_path {
            if !roots.contains(&root.as_path()) {
                roots.push(root);
            }
        }
        roots
    }

    /// A path of the project as it is named inside the bundle.
    fn entry(&self, relative: &Path) -> Result<EntryPath, AppError> {
        let wrong = |source| AppError::Name { path: self.root.join(relative), source };
        EntryPath::from_relative(&Path::new(APP).join(relative), self.target).map_err(wrong)
    }
}

/// A path as other programs take it: without the `\\?\` that Windows puts before a path it has resolved.
fn unprefixed(path: &Path) -> PathBuf {
    match path.to_str().and_then(|path| path.strip_prefix(r"\\?\")) {
        Some(plain) if !plain.starts_with("UNC") => PathBuf::from(plain),
        _ => path.to_owned(),
    }
}

#[cfg(test)]
fn test_input(root: &Path) -> Input<'_> {
    use std::sync::LazyLock;

    static NOTHING: BTreeMap<String, String> = BTreeMap::new();
    static SITE_PACKAGES: LazyLock<EntryPath> = LazyLock::new(|| {
        EntryPath::parse("python/lib/python3.12/site-packages", Target::LinuxX86_64).expect("a good path")
    });
    Input {
        root,
        manage: Path::new("manage.py"),
        python_path: &[],
        settings: "mysite.settings",
        build_settings: None,
        wsgi: "mysite.wsgi:application",
        build_env: &NOTHING,
        paths: &NOTHING,
        include: &[],
        exclude: &[],
        executable: &[],
        static_files: &StaticChoice::Collect,
        target: Target::LinuxX86_64,
        site_packages: &SITE_PACKAGES,
        compiler: None,
    }
}
