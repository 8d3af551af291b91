//! `--runtime host`: this machine's CPython, made to run from any folder of this machine.
//!
//! The survey lists every file with what will be done to it; carrying it out changes only copies.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use walkdir::WalkDir;

use super::libraries::{System, is_glibc};
use super::patchelf::{self, Patchelf};
use super::pythons::HostPython;
use super::{RuntimeError, debian, stdlib};
use crate::cache::Cache;
use crate::digest::{Hasher, Sha256};
use crate::elf::{Elf, is_elf};
use crate::entry::EntryPath;
use crate::layer::{Content, Source};
use crate::progress::Notice;
use crate::target::Target;

/// Counts the ways in which this module has shaped a runtime: another number, another layer.
const SHAPE: &str = "host runtime 2";

/// What becomes of this machine's CPython.
#[derive(Debug, Clone)]
pub struct HostPlan {
    files: BTreeMap<EntryPath, Planned>,
    patchelf: Patchelf,
}

/// What the survey learnt beside the plan.
pub struct HostFacts {
    pub digest: Sha256,
    pub notices: Vec<Notice>,
}

#[derive(Debug, Clone)]
struct Planned {
    from: PathBuf,
    change: Change,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Change {
    None,
    /// A text rewritten.
    Text(String),
    /// Where an ELF file is to look for libraries: nowhere of its own, or there.
    Rpath(Option<&'static str>),
}

/// Libraries by the name they are asked for.
type Libraries = BTreeMap<String, (PathBuf, Elf)>;

/// Libraries that packages take for granted, though they are no part of glibc: wheels in C++ ask for the one,
/// modules written in Rust for the other.
const TAKEN_FOR_GRANTED: [&str; 2] = ["libgcc_s.so.1", "libstdc++.so.6"];

/// Looks at `python`: which files it consists of, and which libraries they need.
pub fn survey(
    python: HostPython,
    target: Target,
    patchelf: Patchelf,
) -> Result<(HostPlan, HostFacts), RuntimeError> {
    if python.library_folder != "lib" {
        return Err(RuntimeError::LibraryFolder { program: python.path, folder: python.library_folder });
    }
    let program =
        read_elf(&python.path)?.ok_or_else(|| RuntimeError::NotElf { file: python.path.clone() })?;
    if program.target != Some(target) || !program.needed.iter().any(|name| name == "libc.so.6") {
        return Err(RuntimeError::OtherMachine { program: python.path, target });
    }
    let mut survey = Survey {
        target,
        system: System::survey(target),
        files: BTreeMap::new(),
        libraries: BTreeMap::new(),
        notices: Vec::new(),
    };
    survey.library_of_python(&python)?;
    survey.extensions(&python)?;
    survey.program(&python, program)?;
    survey.copied_libraries()?;

    let files = survey.files;
    let digest = digest(&files, &patchelf)?;
    let facts = HostFacts { digest, notices: survey.notices };
    Ok((HostPlan { files, patchelf }, facts))
}

struct Survey {
    target: Target,
    system: System,
    files: BTreeMap<EntryPath, Planned>,
    libraries: Libraries,
    notices: Vec<Notice>,
}

impl Survey {
    fn add(&mut self, path: &str, from: PathBuf, change: Change) -> Result<(), RuntimeError> {
        let path = EntryPath::parse(&format!("python/{path}"), self.target)?;
        self.files.insert(path, Planned { from, change });
        Ok(())
    }

    /// The modules written in Python.
    fn library_of_python(&mut self, python: &HostPython) -> Result<(), RuntimeError> {
        let minor = python.version.minor;
        for (relative, from) in files_below(&python.stdlib, |path| {
            path == "lib-dynload" || stdlib::left_out(path) || debian::LEFT_OUT.contains(&path)
        })? {
            let change = match relative.as_str() {
                "site.py" => {
                    let text = fs_err::read_to_string(&from).map_err(RuntimeError::file)?;
                    if debian::is_patched(&text) {
                        let change = Change::Text(debian::sitecustomize(minor));
                        self.add(&format!("lib/python{minor}/sitecustomize.py"), from.clone(), change)?;
                    }
                    Change::None
                }
                "sysconfig.py" | "sysconfig/__init__.py" => self.sysconfig(&from)?,
                _ => Change::None,
            };
            self.add(&format!("lib/python{minor}/{relative}"), from, change)?;
        }
        Ok(())
    }

    /// Debian's `sysconfig` rewritten; any other as it is.
    fn sysconfig(&mut self, file: &Path) -> Result<Change, RuntimeError> {
        let text = fs_err::read_to_string(file).map_err(RuntimeError::file)?;
        match debian::sysconfig(&text) {
            Ok(rewritten) => Ok(rewritten.map_or(Change::None, Change::Text)),
            Err(function) => {
                // Packages are found by `site`; a site that asks `sysconfig` for their folder is a rare one.
                self.notices.push(Notice {
                    what: format!(
                        "`sysconfig` in the bundle names folders of this machine: it has no `{function}`"
                    ),
                    help: "nothing is to be done unless the site asks `sysconfig` where packages lie"
                        .to_owned(),
                });
                Ok(Change::None)
            }
        }
    }

    /// The modules written in C. One whose libraries are not on this machine does not load here either: it is
    /// left out, with a word.
    fn extensions(&mut self, python: &HostPython) -> Result<(), RuntimeError> {
        let Some(folder) = &python.extensions else { return Ok(()) };
        for (relative, from) in files_below(folder, stdlib::extension_left_out)? {
            let path = format!("lib/python{}/lib-dynload/{relative}", python.version.minor);
            let Some(elf) = read_elf(&from)? else {
                self.add(&path, from, Change::None)?;
                continue;
            };
            match closure(&self.system, &from, &elf) {
                Ok(libraries) => {
                    self.libraries.extend(libraries);
                    self.add(&path, from, rpath(&elf, "$ORIGIN/../.."))?;
                }
                Err(library) => self.notices.push(Notice {
                    what: format!("the module `{relative}` is left out: this machine has no `{library}`"),
                    help: "install that library if the site needs the module, then bundle again".to_owned(),
                }),
            }
        }
        Ok(())
    }

    fn program(&mut self, python: &HostPython, elf: Elf) -> Result<(), RuntimeError> {
        let libraries = closure(&self.system, &python.path, &elf)
            .map_err(|library| RuntimeError::LibraryMissing { library, by: python.path.clone() })?;
        self.libraries.extend(libraries);
        for name in TAKEN_FOR_GRANTED {
            if let Some(file) = self.system.find(name, &python.path, &Elf::default())
                && let Some(elf) = read_elf(&file)?
            {
                self.libraries.insert(name.to_owned(), (file, elf));
            }
        }
        // Written even if the interpreter needs no library itself: it holds for what is loaded later.
        let change = Change::Rpath(Some("$ORIGIN/../lib"));
        self.add(&format!("bin/python{}", python.version.minor), python.path.clone(), change)
    }

    fn copied_libraries(&mut self) -> Result<(), RuntimeError> {
        for (name, (from, elf)) in std::mem::take(&mut self.libraries) {
            self.add(&format!("lib/{name}"), from, rpath(&elf, "$ORIGIN"))?;
        }
        Ok(())
    }
}

/// All libraries outside glibc that `file` brings with it; the name of the first that is not there otherwise.
fn closure(system: &System, file: &Path, elf: &Elf) -> Result<Libraries, String> {
    let mut found = Libraries::new();
    let mut open = vec![(file.to_owned(), elf.clone())];
    while let Some((by, elf)) = open.pop() {
        for needed in &elf.needed {
            let name = needed.rsplit('/').next().unwrap_or(needed);
            if is_glibc(name) || found.contains_key(name) {
                continue;
            }
            let library = system.find(needed, &by, &elf).ok_or_else(|| needed.clone())?;
            let facts = fs_err::read(&library).ok().and_then(|bytes| Elf::parse(bytes.as_slice()).ok());
            let facts = facts.ok_or_else(|| needed.clone())?;
            open.push((library.clone(), facts.clone()));
            found.insert(name.to_owned(), (library, facts));
        }
    }
    Ok(found)
}

/// A file that asks only for glibc is left as it is, unless it names a folder of this machine.
fn rpath(elf: &Elf, wanted: &'static str) -> Change {
    if elf.needed.iter().any(|name| !is_glibc(name)) {
        Change::Rpath(Some(wanted))
    } else if elf.rpath.is_empty() && elf.runpath.is_empty() {
        Change::None
    } else {
        Change::Rpath(None)
    }
}

fn read_elf(file: &Path) -> Result<Option<Elf>, RuntimeError> {
    let bytes = fs_err::read(file).map_err(RuntimeError::file)?;
    if !is_elf(&bytes) {
        return Ok(None);
    }
    let elf = Elf::parse(bytes.as_slice())
        .map_err(|source| RuntimeError::BadProgram { file: file.to_owned(), source })?;
    Ok(Some(elf))
}

/// The files below `folder`, links followed, by their `/`-separated names.
fn files_below(
    folder: &Path,
    left_out: impl Fn(&str) -> bool,
) -> Result<BTreeMap<String, PathBuf>, RuntimeError> {
    let name = |path: &Path| -> String {
        let relative = path.strip_prefix(folder).unwrap_or(path);
        relative.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
    };
    let mut found = BTreeMap::new();
    let mut walk = WalkDir::new(folder).min_depth(1).follow_links(true).into_iter();
    while let Some(entry) = walk.next() {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                // A link to nothing, as the licence is where documentation is not installed.
                if error.path().is_some_and(|path| path.is_symlink() && !path.exists()) {
                    continue;
                }
                return Err(RuntimeError::file(error.into()));
            }
        };
        let relative = name(entry.path());
        if left_out(&relative) {
            if entry.file_type().is_dir() {
                walk.skip_current_dir();
            }
        } else if entry.file_type().is_file() {
            found.insert(relative, entry.into_path());
        }
    }
    Ok(found)
}

/// Digest of all that decides the layer's bytes.
fn digest(files: &BTreeMap<EntryPath, Planned>, patchelf: &Patchelf) -> Result<Sha256, RuntimeError> {
    let contents: Vec<Sha256> = files
        .par_iter()
        .map(|(_, file)| Sha256::of_file(&file.from).map_err(RuntimeError::file))
        .collect::<Result<_, _>>()?;
    let mut hasher = Hasher::default();
    hasher.update(format!("{SHAPE}\0{}\0", patchelf.version()));
    for ((path, file), content) in files.iter().zip(contents) {
        hasher.update(format!("{path}\0{content}\0{:?}\0", file.change));
    }
    Ok(hasher.finish())
}

/// Changes copies of the files as planned.
pub fn sources(plan: &HostPlan, cache: &Cache) -> Result<Vec<Source>, RuntimeError> {
    let patchelf = plan.patchelf.ready(cache)?;
    let scratch = tempfile::tempdir().map_err(RuntimeError::file)?;
    let files: Vec<_> = plan.files.iter().enumerate().collect();
    files
        .into_par_iter()
        .map(|(number, (path, file))| {
            let content = match &file.change {
                Change::None => Content::File(file.from.clone()),
                Change::Text(text) => Content::Bytes(text.clone().into_bytes()),
                Change::Rpath(rpath) => {
                    let copy = scratch.path().join(number.to_string());
                    // Written afresh: a copy would keep the read-only mode of a system's library.
                    let bytes = fs_err::read(&file.from).map_err(RuntimeError::file)?;
                    fs_err::write(&copy, bytes).map_err(RuntimeError::file)?;
                    patchelf::set_rpath(&patchelf, &copy, *rpath)?;
                    Content::Bytes(fs_err::read(&copy).map_err(RuntimeError::file)?)
                }
            };
            let executable = path.as_str().starts_with("python/bin/");
            Ok(Source { path: path.clone(), content, executable })
        })
        .collect()
}
