//! Finding uv, installing it where there is none, and asking it. Nothing here knows what a lock is.
//!
//! uv never downloads a Python on our behalf, and is always told which one to ask.

use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::error::PackagesError;
use crate::cache::Cache;
use crate::interrupt;
use crate::progress::Notice;
use crate::python_tool;
use crate::recipe::ToolRecipe;
use crate::said::Said;

/// A uv new enough to be asked, and the Python that it is told to use.
#[derive(Debug, Clone)]
pub struct Uv {
    pub program: PathBuf,
    pub version: UvVersion,
    pub python: PathBuf,
    /// What people should know about the choice of this uv.
    pub notice: Option<Notice>,
}

/// A version of uv, `0.13.9`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UvVersion(u32, u32, u32);

impl Uv {
    /// Finds the uv that HOLDALL_UV names, or the one on PATH, or one that `python` installed into the cache.
    ///
    /// A uv older than the tested minimum is refused when it was named, and passed over with a notice when it
    /// merely stood on PATH.
    pub fn find(cache: &Cache, python: &Path, recipe: &ToolRecipe) -> Result<Uv, PackagesError> {
        if let Some(named) = std::env::var_os("HOLDALL_UV").filter(|named| !named.is_empty()) {
            return Uv::named(Path::new(&named), python, recipe);
        }
        let found = on_path(std::env::var_os("PATH").as_deref());
        Uv::found_or_installed(found, cache, python, recipe)
    }

    fn named(program: &Path, python: &Path, recipe: &ToolRecipe) -> Result<Uv, PackagesError> {
        let version = UvVersion::of(program)?;
        if !recipe.accepts(&version.to_string()) {
            return Err(PackagesError::UvTooOld {
                program: program.to_owned(),
                found: version.to_string(),
                minimum: recipe.oldest.clone(),
            });
        }
        Ok(Uv { program: program.to_owned(), version, python: python.to_owned(), notice: None })
    }

    fn found_or_installed(
        found: Option<PathBuf>,
        cache: &Cache,
        python: &Path,
        recipe: &ToolRecipe,
    ) -> Result<Uv, PackagesError> {
        let mut notice = None;
        if let Some(program) = found {
            match UvVersion::of(&program) {
                Ok(version) if recipe.accepts(&version.to_string()) => {
                    return Ok(Uv { program, version, python: python.to_owned(), notice: None });
                }
                Ok(version) => {
                    notice = Some(Notice {
                        what: format!(
                            "`{}` is uv {version}; holdall needs {} or newer and uses its own {}",
                            program.display(),
                            recipe.oldest,
                            recipe.version
                        ),
                        help: "update that uv, or name another in HOLDALL_UV".to_owned(),
                    });
                }
                // A broken uv on PATH (a shim without a version, a wrong architecture) is as good as none.
                Err(_) => {}
            }
        }
        let program = python_tool::installed(recipe, cache, [python.to_owned()])?;
        let version = UvVersion::of(&program)?;
        Ok(Uv { program, version, python: python.to_owned(), notice })
    }

    /// Runs uv in `folder` and gives back what it printed; the error is what it said, fit to be shown.
    pub(super) fn run<S: AsRef<OsStr>>(
        &self,
        folder: &Path,
        args: impl IntoIterator<Item = S>,
    ) -> Result<Vec<u8>, UvFailure> {
        self.run_without_python(
            folder,
            args.into_iter()
                .map(|arg| arg.as_ref().to_owned())
                .chain(["--python".into(), self.python.as_os_str().to_owned()]),
        )
    }

    /// As [`Uv::run`], where uv is to find a Python itself or needs none.
    pub(super) fn run_without_python<S: AsRef<OsStr>>(
        &self,
        folder: &Path,
        args: impl IntoIterator<Item = S>,
    ) -> Result<Vec<u8>, UvFailure> {
        let mut command = Command::new(&self.program);
        command
            .args(args)
            .current_dir(folder)
            .env("UV_PYTHON_DOWNLOADS", "never")
            .env("UV_NO_PROGRESS", "1")
            .env("NO_COLOR", "1")
            // What is built has this time in it, and not that of the build.
            .env("SOURCE_DATE_EPOCH", "315532800")
            // An active environment of the user's is no business of this run, and uv warns about it.
            .env_remove("VIRTUAL_ENV")
            .env_remove("FORCE_COLOR")
            .env_remove("RUST_LOG");
        match interrupt::output(&mut command) {
            Ok(Output { status, stdout, .. }) if status.success() => Ok(stdout),
            Ok(Output { stderr, .. }) => Err(UvFailure(String::from_utf8_lossy(&stderr).into_owned())),
            Err(error) => Err(UvFailure(error.to_string())),
        }
    }
}

/// A run of uv that failed, in its own words. They may hold URLs: only [`UvFailure::said`] is fit to be shown.
#[derive(Debug)]
pub(super) struct UvFailure(pub String);

impl UvFailure {
    pub(super) fn said(&self) -> Said {
        Said::new(self.0.as_bytes())
    }

    /// The error for a step whose failures need no telling apart.
    pub(super) fn while_doing(&self, doing: &'static str) -> PackagesError {
        PackagesError::Uv { doing, source: self.said() }
    }
}

impl UvVersion {
    fn of(program: &Path) -> Result<UvVersion, PackagesError> {
        let unusable = |source| PackagesError::UvUnusable { program: program.to_owned(), source };
        let output = Command::new(program).arg("--version").output().map_err(unusable)?;
        if !output.status.success() {
            return Err(unusable(io::Error::other(Said::new(&output.stderr))));
        }
        let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        let version = said.strip_prefix("uv ").and_then(|rest| rest.split(' ').next());
        version
            .and_then(UvVersion::parse)
            .ok_or_else(|| PackagesError::NotUv { program: program.to_owned(), said })
    }

    fn parse(text: &str) -> Option<UvVersion> {
        let mut parts = text.split('.').map(str::parse);
        let mut part = || parts.next()?.ok();
        let version = UvVersion(part()?, part()?, part()?);
        parts.next().is_none().then_some(version)
    }
}

impl fmt::Display for UvVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

/// The first `uv` in the folders of `path` that is a file.
fn on_path(path: Option<&OsStr>) -> Option<PathBuf> {
    let name = format!("uv{}", std::env::consts::EXE_SUFFIX);
    std::env::split_paths(path?).map(|folder| folder.join(&name)).find(|program| program.is_file())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_version_has_three_numbers() {
        assert_eq!(UvVersion::parse("0.13.9").unwrap().to_string(), "0.13.9");
        for wrong in ["0.9", "0.9.1.2", "a.b.c", ""] {
            assert_eq!(UvVersion::parse(wrong), None, "{wrong}");
        }
    }

    fn recipe() -> ToolRecipe {
        crate::recipe::Recipes::read(None).unwrap().uv
    }

    #[cfg(unix)]
    fn program_saying(folder: &Path, said: &str) -> PathBuf {
        let program = folder.join("uv");
        python_tool::tests::write_program(&program, &format!("echo '{said}'"));
        program
    }

    #[cfg(unix)]
    #[test]
    fn a_uv_that_is_too_old_is_refused_when_named_and_replaced_when_found() {
        let folder = tempfile::tempdir().unwrap();
        let old = program_saying(folder.path(), "uv 0.1.2 (abc 2024-01-01)");
        assert_eq!(on_path(Some(folder.path().as_os_str())), Some(old.clone()));
        let named = Uv::named(&old, Path::new("python3"), &recipe()).unwrap_err();
        assert!(
            named
                .to_string()
                .ends_with(&format!("is uv 0.1.2, and holdall needs {} or newer", recipe().oldest))
        );

        let cache = Cache::at(folder.path().join("cache"));
        let own = folder.path().join(format!("cache/tools/uv-{}/bin", recipe().version));
        fs_err::create_dir_all(&own).unwrap();
        let own = program_saying(&own, &format!("uv {}", recipe().version));
        let uv = Uv::found_or_installed(Some(old), &cache, Path::new("python3"), &recipe()).unwrap();
        assert_eq!(uv.program, own);
        assert!(uv.notice.unwrap().what.contains("is uv 0.1.2; holdall needs"));
    }

    #[cfg(unix)]
    #[test]
    fn another_program_is_not_taken_for_uv() {
        let folder = tempfile::tempdir().unwrap();
        let other = program_saying(folder.path(), "ultraviolet 9");
        let error = Uv::named(&other, Path::new("python3"), &recipe()).unwrap_err();
        assert!(matches!(error, PackagesError::NotUv { said, .. } if said == "ultraviolet 9"));
    }
}
