//! A wheel's files get their places in the bundle, as PEP 427 says.
//!
//! Each file is held against the wheel's own RECORD. Scripts and headers are left out: a server neither types
//! commands into a shell nor compiles. Bytecode that a wheel carries is left out as well: a bundle has its own.

mod data;

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufReader;
use std::path::Path;
use std::sync::Arc;

use libdeflater::Decompressor;
use rayon::prelude::*;
use zip::ZipArchive;

use super::download::Wheel;
use super::error::PackagesError;
use super::lock::normalized;
use super::record::{self, Recorded};
use super::tags::WheelName;
use crate::archive::positioned::Positioned;
use crate::bytecode::Compiler;
use crate::digest::Sha256;
use crate::entry::EntryPath;
use crate::layer::{Content, Kept, Source};
use crate::python::PythonLayout;
use crate::target::Target;
use data::{Data, Read};

/// Changes whenever the same wheel would be mapped to other files: a layer of another mapping is built anew.
pub(super) const MAPPING: &str = "wheel mapping 3";

/// A wheel that unpacks to more than this many bytes, and to more than so many times its own size, is hostile.
const HUGE: u64 = 64 << 20;
const HUGE_RATIO: u64 = 100;

/// Files above this size are unpacked one after the other, so that a few large ones do not fill the memory.
const LARGE: u64 = 64 << 20;

/// Where the files of one wheel will lie. Its contents are read by [`Mapped::sources`].
pub(super) struct Mapped {
    pub wheel: Wheel,
    /// `django-5.2.dist-info`
    dist_info: String,
    site_packages: EntryPath,
    target: Target,
    /// How many entries of different names the zip has.
    pub entries: usize,
    pub files: Vec<MappedFile>,
}

/// One file of a wheel.
pub(super) struct MappedFile {
    data: Data,
    pub path: EntryPath,
    /// Its name in RECORD: relative to site-packages.
    pub name: String,
    pub recorded: Recorded,
    executable: bool,
}

/// A file that was read and is the one of RECORD.
struct Unpacked {
    content: Content,
    size: u64,
    sha256: Sha256,
    /// The text of a module, for the compiler.
    module: Option<Vec<u8>>,
}

/// A file that another package of the bundle brings already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Taken {
    /// With the same content: it is there, and stays in RECORD.
    Same,
    /// With another content: this package has no such file.
    Other,
}

/// Finds the place of each file of `wheel`, reading no more than its lists.
pub(super) fn map(wheel: &Wheel, layout: &PythonLayout, target: Target) -> Result<Mapped, PackagesError> {
    let bad = |problem: String| PackagesError::BadWheel { file: wheel.file.clone(), problem };
    let file_name = &wheel.locked.file_name;
    let parts =
        WheelName::parse(file_name).ok_or_else(|| bad("its file name is not a wheel's".to_owned()))?;
    let minor = layout.version.minor;
    if parts.rank(target, minor).is_none() {
        return Err(PackagesError::Unfit { wheel: file_name.clone(), target, minor });
    }

    let mut zip = open(&wheel.file)?;
    let entries = entries(&mut zip).map_err(bad)?;
    check_sizes(entries.values(), fs_err::metadata(&wheel.file)?.len()).map_err(bad)?;
    let dist_info = dist_info(entries.values(), &parts).map_err(bad)?;
    let file = Positioned::open(&wheel.file)?;
    let text = |name: &str| {
        let entry = entries.values().find(|entry| entry.name == name);
        let entry = entry.ok_or_else(|| bad(format!("it has no `{name}`")))?;
        read(&file, name, entry.data, &mut Decompressor::new()).map(Read::into_content).map_err(bad)
    };
    check_version(&text(&format!("{dist_info}/WHEEL"))?).map_err(bad)?;
    let mut recorded = record::read(&text(&format!("{dist_info}/RECORD"))?).map_err(bad)?;

    let misplaced = |source| PackagesError::BadName { wheel: file_name.clone(), source };
    let site_packages = &layout.site_packages;
    let prefix = site_packages.folders().next().unwrap_or(site_packages.as_str());
    let mut files = Vec::new();
    for Entry { name, executable, data } in entries.values() {
        // Checked as it stands, before any part of it is taken off.
        EntryPath::parse(name, target).map_err(misplaced)?;
        if is_about_the_list(name, &dist_info) {
            recorded.remove(name);
            continue;
        }
        let recorded = recorded
            .remove(name)
            .flatten()
            .ok_or_else(|| bad(format!("it holds `{name}`, which has no hash in its RECORD")))?;
        if recorded.size.is_some_and(|listed| listed != data.size) {
            return Err(bad(format!("its `{name}` is not as long as its RECORD says")));
        }
        let path = match place(name) {
            Place::SitePackages(rest) => format!("{site_packages}/{rest}"),
            Place::Prefix(rest) => format!("{prefix}/{rest}"),
            Place::Nowhere => continue,
            Place::Unknown(kind) => return Err(bad(format!("it holds data of the unknown kind `{kind}`"))),
        };
        let path = EntryPath::parse(&path, target).map_err(misplaced)?;
        let name = recorded_name(&path, site_packages);
        files.push(MappedFile { data: *data, path, name, recorded, executable: *executable });
    }
    if let Some(missing) = recorded.into_keys().find(|name| !is_about_the_list(name, &dist_info)) {
        return Err(bad(format!("its RECORD names `{}`, which is not there", missing.escape_debug())));
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    if let Some(pair) = files.windows(2).find(|pair| pair[0].path == pair[1].path) {
        return Err(bad(format!("two of its files become `{}`", pair[0].path)));
    }
    let (wheel, site_packages, entries) = (wheel.clone(), site_packages.clone(), zip.len());
    Ok(Mapped { wheel, dist_info, site_packages, target, entries, files })
}

impl Mapped {
    /// The size of its files in bytes, as far as its RECORD says it.
    pub fn size(&self) -> u64 {
        self.files.iter().filter_map(|file| file.recorded.size).sum()
    }

    /// Leaves files out, as if the wheel did not have them.
    pub fn leave_out(&mut self, is_left_out: impl Fn(usize) -> bool) {
        let mut number = 0..;
        self.files.retain(|_| !number.next().is_some_and(&is_left_out));
    }

    /// How much memory its files take while they are read and compiled, in bytes and roughly: modules with their
    /// bytecode, what was not packed, and the largest file.
    pub fn held(&self) -> u64 {
        let kept = |file: &MappedFile| match file.path.as_str().ends_with(".py") {
            true => file.data.size.saturating_mul(2),
            false if file.data.is_stored() => file.data.size,
            false => 0,
        };
        let largest = self.files.iter().map(|file| file.data.size).max().unwrap_or(0);
        self.files.iter().map(kept).fold(largest, u64::saturating_add)
    }

    /// Hands the content of the files that are `wanted` to `with`, with their numbers in `files`.
    pub fn read(
        &self,
        wanted: impl Fn(&MappedFile) -> bool,
        mut with: impl FnMut(usize, Vec<u8>),
    ) -> Result<(), PackagesError> {
        let zip = Positioned::open(&self.wheel.file)?;
        let mut decompressor = Decompressor::new();
        for (number, file) in self.files.iter().enumerate().filter(|(_, file)| wanted(file)) {
            let read = read(&zip, &file.name, file.data, &mut decompressor);
            with(number, read.map_err(|problem| self.bad(problem))?.into_content());
        }
        Ok(())
    }

    fn bad(&self, problem: String) -> PackagesError {
        PackagesError::BadWheel { file: self.wheel.file.clone(), problem }
    }

    /// Reads all files, several at once, and holds each against RECORD. The modules' text is wanted where there is a
    /// compiler.
    fn unpack(&self, with_modules: bool) -> Result<Vec<Unpacked>, PackagesError> {
        let zip = Arc::new(Positioned::open(&self.wheel.file)?);
        let with = || (zip.another(), Decompressor::new());
        let one = |(another, decompressor): &mut (std::io::Result<Positioned>, Decompressor),
                   file: &MappedFile| {
            let another = another.as_ref().map_err(|error| self.bad(error.to_string()))?;
            let read =
                read(another, &file.name, file.data, decompressor).map_err(|problem| self.bad(problem))?;
            self.check(file, &zip, read, with_modules)
        };
        let is_large = |file: &MappedFile| file.data.size > LARGE;
        let mut unpacked: Vec<Option<Unpacked>> = self
            .files
            .par_iter()
            .map_init(with, |with, file| (!is_large(file)).then(|| one(with, file)).transpose())
            .collect::<Result<_, _>>()?;
        for (file, unpacked) in self.files.iter().zip(&mut unpacked).filter(|(file, _)| is_large(file)) {
            *unpacked = Some(one(&mut with(), file)?);
        }
        Ok(unpacked.into_iter().flatten().collect())
    }

    /// A file that is the one of RECORD, ready for a layer.
    fn check(
        &self,
        file: &MappedFile,
        zip: &Arc<Positioned>,
        read: Read,
        with_modules: bool,
    ) -> Result<Unpacked, PackagesError> {
        let content = read.content();
        let size = content.len() as u64;
        let sha256 = file.recorded.sha256_of(content);
        let sha256 =
            sha256.ok_or_else(|| self.bad(format!("its `{}` is not the file of its RECORD", file.name)))?;
        let module = (with_modules && file.path.as_str().ends_with(".py")).then(|| content.to_vec());
        let content = match read {
            Read::Deflated(packed, content) => {
                Kept::new(zip, file.data.offset, &packed, &content, sha256, self.target)
                    .map_or_else(|| Content::Bytes(content), Content::Kept)
            }
            Read::Stored(content) => Content::Bytes(content),
        };
        Ok(Unpacked { content, size, sha256, module })
    }

    /// Reads the files of the wheel, except those that another package has brought, and adds what an installer
    /// writes: bytecode if there is a compiler, INSTALLER, and a RECORD of what is really there.
    ///
    /// What the wheel has deflated stays as it is: to deflate it anew makes a bundle about half a percent smaller, and
    /// takes a quarter more of a first bundle's processor time (`benches/bundle.md`).
    pub fn sources(
        &self,
        taken: &BTreeMap<EntryPath, Taken>,
        compiler: Option<&Compiler>,
    ) -> Result<Vec<Source>, PackagesError> {
        let mut sources = Vec::with_capacity(self.files.len() + 2);
        let mut modules = Vec::new();
        let mut list = Vec::with_capacity(self.files.len() + 1);
        for (file, unpacked) in self.files.iter().zip(self.unpack(compiler.is_some())?) {
            let taken = taken.get(&file.path);
            if taken != Some(&Taken::Other) {
                list.push((file.name.clone(), unpacked.sha256, unpacked.size));
            }
            if taken.is_none() {
                let (path, executable) = (&file.path, file.executable);
                let source = |content| Source { path: path.clone(), content, executable };
                modules.extend(unpacked.module.map(Content::Bytes).map(source));
                sources.push(source(unpacked.content));
            }
        }
        if let Some(compiler) = compiler {
            for bytecode in compiler.compile(&modules, self.target)? {
                let name = recorded_name(&bytecode.path, &self.site_packages);
                list.push((name, Sha256::of(&bytecode.bytes), bytecode.bytes.len() as u64));
                sources.push(bytecode.into());
            }
        }
        let own = |name: &str| {
            let path = self.site_packages.join(&format!("{}/{name}", self.dist_info), self.target);
            path.map_err(|source| PackagesError::BadName {
                wheel: self.wheel.locked.file_name.clone(),
                source,
            })
        };
        let mut written =
            |path, bytes| sources.push(Source { path, content: Content::Bytes(bytes), executable: false });
        let installer = b"holdall\n".to_vec();
        list.push((format!("{}/INSTALLER", self.dist_info), Sha256::of(&installer), installer.len() as u64));
        written(own("INSTALLER")?, installer);
        written(own("RECORD")?, record::write(list, &format!("{}/RECORD", self.dist_info)));
        sources.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(sources)
    }
}

/// Files that two packages bring: which of them the later one (by name) has to do without.
///
/// Equal files are common (`tests/__init__.py`), and unequal ones that no program loads (a LICENSE beside the
/// packages) do no harm: the first package's stays. Anything else is an error, because one of the two would break.
pub(super) fn taken(all: &[Mapped]) -> Result<Vec<BTreeMap<EntryPath, Taken>>, PackagesError> {
    let mut first: BTreeMap<&EntryPath, (&Mapped, &Recorded)> = BTreeMap::new();
    let mut result = Vec::with_capacity(all.len());
    for mapped in all {
        let mut taken = BTreeMap::new();
        for file in &mapped.files {
            let Some((owner, content)) = first.get(&file.path) else {
                first.insert(&file.path, (mapped, &file.recorded));
                continue;
            };
            let kind = match content.same_content(&file.recorded) {
                true => Taken::Same,
                false if is_loaded(&file.path) => {
                    return Err(PackagesError::Conflict {
                        first: owner.wheel.locked.name.clone(),
                        second: mapped.wheel.locked.name.clone(),
                        path: file.path.clone(),
                    });
                }
                false => Taken::Other,
            };
            taken.insert(file.path.clone(), kind);
        }
        result.push(taken);
    }
    Ok(result)
}

/// Whether a program may read this file: all but texts for people.
fn is_loaded(path: &EntryPath) -> bool {
    let name = path.as_str().rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
    let (stem, extension) = name.split_once('.').unwrap_or((&name, ""));
    let for_people =
        ["license", "licence", "copying", "notice", "authors", "readme", "changelog", "changes", "news"];
    !(for_people.iter().any(|word| stem.starts_with(word)) && matches!(extension, "" | "md" | "rst" | "txt"))
}

/// The name of a file in RECORD: relative to site-packages, which some files lie outside of.
fn recorded_name(path: &EntryPath, site_packages: &EntryPath) -> String {
    let below = |folder: &str| path.as_str().strip_prefix(folder)?.strip_prefix('/');
    if let Some(name) = below(site_packages.as_str()) {
        return name.to_owned();
    }
    // Nothing of a package lies outside of Python's own folder.
    let mut folders = site_packages.folders();
    let name = folders.next().and_then(below).unwrap_or(path.as_str());
    "../".repeat(folders.count() + 1) + name
}

enum Place<'a> {
    SitePackages(&'a str),
    Prefix(&'a str),
    Nowhere,
    Unknown(&'a str),
}

fn place(name: &str) -> Place<'_> {
    // Made by another Python; one without its module could not even be imported.
    if name.ends_with(".pyc") && name.split('/').any(|part| part == "__pycache__") {
        return Place::Nowhere;
    }
    let Some((_, rest)) = name.split_once('/').filter(|(top, _)| top.ends_with(".data")) else {
        return Place::SitePackages(name);
    };
    match rest.split_once('/') {
        Some(("purelib" | "platlib", rest)) => Place::SitePackages(rest),
        Some(("data", rest)) => Place::Prefix(rest),
        Some(("scripts" | "headers", _)) => Place::Nowhere,
        Some((kind, _)) => Place::Unknown(kind),
        None => Place::Unknown(rest),
    }
}

/// RECORD and what is about it, and what an installer writes: all of it is ours to say.
fn is_about_the_list(name: &str, dist_info: &str) -> bool {
    let own = ["RECORD", "RECORD.jws", "RECORD.p7s", "INSTALLER", "REQUESTED", "direct_url.json"];
    name.strip_prefix(dist_info)
        .and_then(|rest| rest.strip_prefix('/'))
        .is_some_and(|rest| own.contains(&rest))
}

type Archive = ZipArchive<BufReader<fs_err::File>>;

fn open(file: &Path) -> Result<Archive, PackagesError> {
    ZipArchive::new(BufReader::new(fs_err::File::open(file)?))
        .map_err(|error| PackagesError::BadWheel { file: file.to_owned(), problem: error.to_string() })
}

/// A file in the zip.
struct Entry {
    name: String,
    executable: bool,
    data: Data,
}

/// The files in the zip, by their number there.
fn entries(zip: &mut Archive) -> Result<BTreeMap<usize, Entry>, String> {
    let mut entries = BTreeMap::new();
    for number in 0..zip.len() {
        let file = zip.by_index(number).map_err(|error| error.to_string())?;
        let name = file.name().map_err(|error| error.to_string())?.into_owned();
        if file.is_symlink() {
            return Err(format!("it holds the link `{}`", name.escape_debug()));
        }
        // What the wheel's maker said, not what any file system here thinks.
        let executable = file.unix_mode().is_some_and(|mode| mode & 0o111 != 0);
        if !file.is_dir() {
            let data =
                Data::of(&file).map_err(|problem| format!("its `{}`: {problem}", name.escape_debug()))?;
            entries.insert(number, Entry { name, executable, data });
        }
    }
    Ok(entries)
}

/// Reads one file. The error is the problem.
fn read(zip: &Positioned, name: &str, data: Data, decompressor: &mut Decompressor) -> Result<Read, String> {
    data.read(zip, decompressor)
        .map_err(|problem| format!("its `{}` cannot be read: {problem}", name.escape_debug()))
}

/// The one dist-info folder, which must be that of the package.
fn dist_info<'a>(entries: impl Iterator<Item = &'a Entry>, parts: &WheelName<'_>) -> Result<String, String> {
    let tops = entries.filter_map(|entry| entry.name.split_once('/')).map(|(top, _)| top);
    let found: BTreeSet<&str> = tops.filter(|top| top.ends_with(".dist-info")).collect();
    match found.iter().copied().collect::<Vec<_>>().as_slice() {
        [one] if one.split('-').next().map(normalized) == Some(normalized(parts.name)) => {
            Ok((*one).to_owned())
        }
        [other] => Err(format!("its `{other}` is that of another package")),
        [] => Err("it has no dist-info folder".to_owned()),
        _ => Err("it has several dist-info folders".to_owned()),
    }
}

/// A small archive that claims to be huge is a bomb: deflate packs nothing by more than 1 : 1032, and no package by more
/// than a small part of that.
fn check_sizes<'a>(entries: impl Iterator<Item = &'a Entry>, packed: u64) -> Result<(), String> {
    let unpacked: u64 = entries.map(|entry| entry.data.size).fold(0, u64::saturating_add);
    match unpacked > HUGE && unpacked / HUGE_RATIO > packed {
        true => Err(format!("its {packed} bytes would become {unpacked}, as those of no real package do")),
        false => Ok(()),
    }
}

fn check_version(wheel: &[u8]) -> Result<(), String> {
    let text = String::from_utf8_lossy(wheel);
    let version =
        text.lines().find_map(|line| line.strip_prefix("Wheel-Version:")).unwrap_or_default().trim();
    match version.split('.').next() {
        Some("1") => Ok(()),
        _ => Err(format!("it has Wheel-Version `{version}`, and 1 is known")),
    }
}

#[cfg(test)]
mod tests;
