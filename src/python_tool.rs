//! A program from the package index, pinned by version and SHA-256, installed into the cache by pip.
//!
//! Nothing outside of the cache is changed, and no Python gets a package: pip puts the program into a folder of
//! its own. A Python without pip may still be able to make an environment that has it.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::cache::{self, Cache};
use crate::interrupt::{self, Passing};
use crate::recipe::ToolRecipe;
use crate::said::Said;

/// Why a program cannot be installed.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum PythonToolError {
    #[error("`{name}` is not on PATH, and no Python here can install it: {tried}")]
    #[diagnostic(help(
        "give Python its pip (on Debian and Ubuntu: `sudo apt install python3-venv`), or install `{name}` \
         yourself and put it on PATH"
    ))]
    NoPip { name: String, tried: String },
    #[error("`{name}` is not on PATH, and pip of `{}` cannot install {name} {version}", python.display())]
    #[diagnostic(help(
        "check the network, the proxy and pip's own settings, or install `{name}` yourself and put it on PATH"
    ))]
    Refused { name: String, version: String, python: PathBuf, source: Said },
    #[error("cannot keep a program in the cache")]
    #[diagnostic(help("check that you may write there and that the disk is not full, or set HOLDALL_CACHE"))]
    Cache(#[from] io::Error),
}

/// The program of `recipe` in the cache, installed by the first of `pythons` that can, if it is not there yet.
///
/// It is installed into a folder of its own and then renamed, so that a folder of the final name is complete.
pub fn installed(
    recipe: &ToolRecipe,
    cache: &Cache,
    pythons: impl IntoIterator<Item = PathBuf>,
) -> Result<PathBuf, PythonToolError> {
    let tools = cache.folder(cache::TOOLS)?;
    let folder = tools.join(format!("{}-{}", recipe.name, recipe.version));
    if let Some(program) = program_in(&folder, &recipe.name) {
        cache::used(&folder);
        return Ok(program);
    }
    let scratch = Passing::make(|| tempfile::Builder::new().prefix(".part-").tempdir_in(&tools))?;
    let made = install(recipe, scratch.path(), pythons)?;
    // Another run may have been faster, or a broken folder stands there: both give way to one that is whole.
    if fs_err::rename(&made, &folder).is_err() && program_in(&folder, &recipe.name).is_none() {
        fs_err::remove_dir_all(&folder)?;
        fs_err::rename(&made, &folder)?;
    }
    program_in(&folder, &recipe.name).ok_or_else(|| {
        let missing = format!("{} {} brings no such program", recipe.name, recipe.version);
        io::Error::new(io::ErrorKind::NotFound, missing).into()
    })
}

/// Where pip put the program: it depends on the system and on pip's age.
fn program_in(folder: &Path, name: &str) -> Option<PathBuf> {
    let name = format!("{name}{}", std::env::consts::EXE_SUFFIX);
    ["bin", "Scripts"]
        .map(|scripts| folder.join(scripts).join(&name))
        .into_iter()
        .find(|program| program.is_file())
}

/// In what way a program in the cache is damaged, if it is. Its folder has its name and its version.
pub fn damage(folder: &Path) -> io::Result<Option<String>> {
    let name = folder.file_name().and_then(|name| Some(name.to_str()?.rsplit_once('-')?.0));
    let there = name.is_some_and(|name| program_in(folder, name).is_some());
    Ok((!there).then(|| "the program is gone".to_owned()))
}

/// Installs into a folder below `scratch` and returns it.
fn install(
    recipe: &ToolRecipe,
    scratch: &Path,
    pythons: impl IntoIterator<Item = PathBuf>,
) -> Result<PathBuf, PythonToolError> {
    let requirements = scratch.join("requirements.txt");
    let hashes: String = recipe.sha256.iter().map(|digest| format!(" --hash=sha256:{digest}")).collect();
    fs_err::write(&requirements, format!("{}=={}{hashes}\n", recipe.name, recipe.version))?;
    let mut tried = Vec::new();
    for python in pythons {
        let with_pip = match pip_of(&python, scratch) {
            Ok(with_pip) => with_pip,
            Err(why) => {
                tried.push(format!("`{}` {why}", python.display()));
                continue;
            }
        };
        let into = scratch.join("tool");
        let mut command = pip(&with_pip, scratch);
        command
            .args(["install", "--quiet", "--no-input", "--no-deps", "--only-binary", ":all:"])
            .args(["--require-hashes", "--target"])
            .arg(&into)
            .arg("-r")
            .arg(&requirements);
        let output = interrupt::output(&mut command)?;
        if output.status.success() {
            return Ok(into);
        }
        return Err(PythonToolError::Refused {
            name: recipe.name.clone(),
            version: recipe.version.clone(),
            python,
            source: said(&output),
        });
    }
    let tried = if tried.is_empty() { "there is none".to_owned() } else { tried.join(", ") };
    Err(PythonToolError::NoPip { name: recipe.name.clone(), tried })
}

/// An interpreter with pip: `python` itself, or that of an environment it makes. Else a word on why there is none.
fn pip_of(python: &Path, scratch: &Path) -> Result<PathBuf, String> {
    match interrupt::output(pip(python, scratch).arg("--version")) {
        Err(error) => return Err(format!("does not start ({error})")),
        Ok(output) if output.status.success() => return Ok(python.to_owned()),
        Ok(_) => {}
    }
    let environment = scratch.join("environment");
    let mut venv = Command::new(python);
    venv.args(["-I", "-m", "venv", "--clear"]).arg(&environment).current_dir(scratch);
    let made = interrupt::output(&mut venv);
    let inner = environment.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    match made {
        Ok(made) if made.status.success() => Ok(inner),
        _ => Err("has neither pip nor a venv module that works".to_owned()),
    }
}

fn pip(python: &Path, scratch: &Path) -> Command {
    let mut pip = Command::new(python);
    pip.args(["-m", "pip", "--disable-pip-version-check"])
        // Settings for the user's own environments, which pip would refuse to join with `--target`.
        .env("PIP_REQUIRE_VIRTUALENV", "0")
        .env("PIP_USER", "0")
        // `-m` puts the current folder first on the path of modules: none of the project's may stand there.
        .current_dir(scratch)
        .stdin(Stdio::null());
    pip
}

fn said(output: &Output) -> Said {
    Said::new(if output.stderr.is_empty() { &output.stdout } else { &output.stderr })
}

#[cfg(all(test, unix))]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io::Write as _;

    use miette::Diagnostic as _;

    use super::*;
    use crate::digest::Sha256;

    /// Writes a program of shell lines. Another process does it: a file that this one had open for writing could not
    /// be started while a test beside starts something and hands it on.
    pub(crate) fn write_program(path: &Path, lines: &str) {
        let write = "printf '#!/bin/sh\n%s\n' \"$1\" >\"$0\" && chmod +x \"$0\"";
        let written = Command::new("sh").args(["-c", write]).arg(path).arg(lines).status().unwrap();
        assert!(written.success());
    }

    /// The wheel of a program, in a folder that stands for the package index.
    struct Index {
        folder: tempfile::TempDir,
        recipe: ToolRecipe,
    }

    impl Index {
        fn new() -> Index {
            let folder = tempfile::tempdir().unwrap();
            let wheel = folder.path().join("greeter-1.2-py3-none-any.whl");
            let mut zip = zip::ZipWriter::new(fs_err::File::create(&wheel).unwrap());
            for (name, text) in [
                ("greeter-1.2.data/scripts/greeter", "#!/bin/sh\necho hello\n"),
                ("greeter-1.2.dist-info/METADATA", "Metadata-Version: 2.1\nName: greeter\nVersion: 1.2\n"),
                (
                    "greeter-1.2.dist-info/WHEEL",
                    "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
                ),
                ("greeter-1.2.dist-info/RECORD", ""),
            ] {
                let options = zip::write::SimpleFileOptions::default().unix_permissions(0o755);
                zip.start_file(name, options).unwrap();
                zip.write_all(text.as_bytes()).unwrap();
            }
            zip.finish().unwrap();
            let recipe = ToolRecipe {
                name: "greeter".to_owned(),
                version: "1.2".to_owned(),
                oldest: "1.0".to_owned(),
                sha256: vec![Sha256::of(fs_err::read(wheel).unwrap())],
            };
            Index { folder, recipe }
        }

        /// This machine's Python after some lines of shell. It asks the folder alone, and so does the Python of each
        /// environment that it makes.
        fn python(&self, before: &str) -> PathBuf {
            let path = self.folder.path().join("python");
            let offline = format!("export PIP_NO_INDEX=1 PIP_FIND_LINKS='{}'", self.folder.path().display());
            let lines = format!(
                r#"{before}
                {offline}
                case " $*" in *' -m venv '*)
                    python3 "$@" && for folder; do :; done && cd "$folder/bin" && rm python &&
                    ln -s "$(python3 -c 'import sys; print(sys.executable)')" inner &&
                    printf '#!/bin/sh\n%s\nexec "${{0%%/*}}/inner" "$@"\n' "{offline}" >python &&
                    exec chmod +x python
                esac
                exec python3 "$@""#
            );
            write_program(&path, &lines);
            path
        }

        fn cache(&self) -> Cache {
            Cache::at(self.folder.path().join("cache"))
        }

        /// The names in the cache's folder of tools.
        fn kept(&self) -> Vec<String> {
            let tools = fs_err::read_dir(self.folder.path().join("cache/tools")).unwrap();
            tools.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
        }

        #[track_caller]
        fn greets(&self, program: &Path) {
            assert!(program.starts_with(self.folder.path().join("cache/tools/greeter-1.2")));
            assert_eq!(Command::new(program).output().unwrap().stdout, b"hello\n");
            assert_eq!(self.kept(), ["greeter-1.2"]);
        }
    }

    #[test]
    fn a_program_is_installed_once_whatever_the_user_tells_pip_of_environments() {
        let index = Index::new();
        let python =
            index.python("export PIP_REQUIRE_VIRTUALENV=${PIP_REQUIRE_VIRTUALENV-1} PIP_USER=${PIP_USER-1}");
        let program = installed(&index.recipe, &index.cache(), [python]).unwrap();
        index.greets(&program);
        assert_eq!(installed(&index.recipe, &index.cache(), []).unwrap(), program);
    }

    #[test]
    fn a_broken_folder_in_the_cache_is_replaced() {
        let index = Index::new();
        fs_err::create_dir_all(index.folder.path().join("cache/tools/greeter-1.2/bin")).unwrap();
        index.greets(&installed(&index.recipe, &index.cache(), [index.python("")]).unwrap());
    }

    #[test]
    fn a_python_without_pip_installs_by_an_environment_that_has_it() {
        let index = Index::new();
        let python = index.python("case \" $*\" in *' -m pip '*) exit 1;; esac");
        let missing = PathBuf::from("/no/python");
        index.greets(&installed(&index.recipe, &index.cache(), [missing, python]).unwrap());
    }

    #[test]
    fn another_file_than_the_pinned_one_is_not_installed() {
        let mut index = Index::new();
        index.recipe.sha256 = vec![Sha256::of(b"another file")];
        let error = installed(&index.recipe, &index.cache(), [index.python("")]).unwrap_err();
        let PythonToolError::Refused { source, .. } = &error else { panic!("{error}") };
        assert!(source.as_str().to_lowercase().contains("hash"), "{source}");
        assert_eq!(index.kept(), [""; 0]);
    }

    #[test]
    fn where_no_python_has_pip_the_package_that_brings_it_is_named() {
        let index = Index::new();
        let python = index.python("case \" $*\" in *' -m pip '*|*' -m venv '*) exit 1;; esac");
        let error =
            installed(&index.recipe, &index.cache(), [python.clone(), "/no/python".into()]).unwrap_err();
        let tried = format!(
            "`{}` has neither pip nor a venv module that works, `/no/python` does not start (No such file or directory (os error 2))",
            python.display()
        );
        assert_eq!(
            error.to_string(),
            format!("`greeter` is not on PATH, and no Python here can install it: {tried}")
        );
        assert!(error.help().unwrap().to_string().contains("`sudo apt install python3-venv`"));
        assert_eq!(index.kept(), [""; 0]);
    }
}
