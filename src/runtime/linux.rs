//! A runtime for Linux with glibc, as python-build-standalone builds it: `bin/python3.X` and `lib/python3.X`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::given::{Shaped, final_version};
use super::libraries::is_glibc;
use super::{RuntimeError, stdlib, tree, version};
use crate::elf::{Elf, is_elf};
use crate::layer::Content;
use crate::progress::Notice;
use crate::python::MinorVersion;

/// The version in the name of an interpreter, `bin/python3.12`.
pub fn minor_of_program(name: &str) -> Option<MinorVersion> {
    name.strip_prefix("bin/python")?.parse().ok()
}

/// Shapes the files of a folder that holds `bin/python3.X`.
///
/// Beside the interpreter, its library and what they load nothing is kept: `python3` and the like are links to
/// it, pip and the other scripts have nothing to do in a bundle, `include` and `lib/pkgconfig` are for compilers,
/// `share` describes terminals, Tcl and Tk draw windows.
pub fn shape(path: &Path, files: BTreeMap<String, Content>) -> Result<Shaped, RuntimeError> {
    let (program, minor) = interpreter(path, &files)?;
    let elf = read_elf(path, &program, &files[&program])?;
    let target = elf.as_ref().and_then(|elf| elf.target);
    let (Some(elf), Some(target)) = (elf, target) else {
        return Err(RuntimeError::UnknownMachine { path: path.to_owned(), file: program });
    };
    let header = format!("include/python{minor}/patchlevel.h");
    let found = version::of_header(&files, &header)?;
    let version = final_version(path, found, format!("`{header}`"))?;

    let mut shaped = Shaped {
        target,
        version,
        program: program.clone(),
        site_packages: format!("lib/python{minor}/site-packages"),
        files: BTreeMap::new(),
        notices: Vec::new(),
    };
    let mut needed = Needed { path, files: &files, shaped: &mut shaped, seen: BTreeSet::new() };
    needed.keep(&program, Some(elf))?;
    let library = format!("lib/python{minor}/");
    for (name, content) in &files {
        let Some(rest) = name.strip_prefix(&library) else { continue };
        if let Some(extension) = rest.strip_prefix("lib-dynload/") {
            if !stdlib::extension_left_out(extension) {
                needed.keep_extension(name, extension, content)?;
            }
        } else if !stdlib::left_out(rest) {
            needed.shaped.files.insert(name.clone(), content.clone());
        }
    }
    Ok(shaped)
}

/// The one interpreter of the folder, which must have its library beside it.
fn interpreter(
    path: &Path,
    files: &BTreeMap<String, Content>,
) -> Result<(String, MinorVersion), RuntimeError> {
    let mut found = files.keys().filter_map(|name| Some((name.clone(), minor_of_program(name)?)));
    let (Some((program, minor)), None) = (found.next(), found.next()) else {
        return Err(RuntimeError::NoForm { path: path.to_owned() });
    };
    if files.contains_key(&format!("lib/python{minor}t/os.py")) {
        return Err(RuntimeError::FreeThreaded { path: path.to_owned() });
    }
    if !files.contains_key(&format!("lib/python{minor}/os.py")) {
        return Err(RuntimeError::NoForm { path: path.to_owned() });
    }
    Ok((program, minor))
}

/// Keeps ELF files and, of the libraries in `lib/`, those that they need: Tcl's and the ones for programs that
/// embed Python stay out by that.
struct Needed<'a> {
    path: &'a Path,
    files: &'a BTreeMap<String, Content>,
    shaped: &'a mut Shaped,
    seen: BTreeSet<String>,
}

impl Needed<'_> {
    fn keep(&mut self, name: &str, elf: Option<Elf>) -> Result<(), RuntimeError> {
        self.shaped.files.insert(name.to_owned(), self.files[name].clone());
        let Some(elf) = elf else { return Ok(()) };
        let stays = |folder: &&String| folder.starts_with("$ORIGIN") || folder.starts_with("${ORIGIN}");
        if let Some(folder) = elf.rpath.iter().chain(&elf.runpath).find(|folder| !stays(folder)) {
            return Err(RuntimeError::NotRelocatable {
                path: self.path.to_owned(),
                file: name.to_owned(),
                why: format!("looks for libraries in `{folder}`"),
            });
        }
        for needed in elf.needed.iter().filter(|needed| !is_glibc(needed)) {
            let library = library_name(needed);
            if !self.seen.insert(library.clone()) {
                continue;
            }
            let Some(content) = self.files.get(&library) else {
                return Err(RuntimeError::NotRelocatable {
                    path: self.path.to_owned(),
                    file: name.to_owned(),
                    why: format!("needs `{needed}`, which is not in it"),
                });
            };
            let elf = read_elf(self.path, &library, content)?;
            self.keep(&library, elf)?;
        }
        Ok(())
    }

    fn keep_extension(&mut self, name: &str, module: &str, content: &Content) -> Result<(), RuntimeError> {
        let elf = read_elf(self.path, name, content)?;
        // `crypt`, gone from CPython 3.13, stands on a library that even portable builds take from the system.
        let missing = elf.iter().flat_map(|elf| &elf.needed).find(|needed| {
            module.starts_with("_crypt.")
                && !is_glibc(needed)
                && !self.files.contains_key(&library_name(needed))
        });
        if let Some(library) = missing {
            self.shaped.notices.push(Notice {
                what: format!(
                    "the module `{module}` is left out: it needs `{library}` of the server's system"
                ),
                help: "nothing is to be done unless the site imports `crypt`".to_owned(),
            });
            return Ok(());
        }
        self.keep(name, elf)
    }
}

/// Where a library that is asked for by name or by path lies in the runtime.
fn library_name(needed: &str) -> String {
    format!("lib/{}", needed.rsplit('/').next().unwrap_or(needed))
}

fn read_elf(path: &Path, name: &str, content: &Content) -> Result<Option<Elf>, RuntimeError> {
    let bytes = tree::bytes(content)?;
    if !is_elf(&bytes) {
        return Ok(None);
    }
    let elf = Elf::parse(bytes.as_slice())
        .map_err(|source| RuntimeError::BadProgram { file: path.join(name), source })?;
    Ok(Some(elf))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interpreter_is_known_by_its_name() {
        let minor = |name| minor_of_program(name).map(|minor| minor.to_string());
        assert_eq!(minor("bin/python3.12"), Some("3.12".to_owned()));
        for other in ["bin/python3", "bin/python", "bin/python3.12-config", "bin/python3.13t", "python3.12"] {
            assert_eq!(minor(other), None, "{other}");
        }
    }
}
