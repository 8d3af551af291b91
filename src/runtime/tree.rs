//! The files of a runtime that was given as an archive or a folder, by name, links resolved.
//!
//! Trusts nothing in it: a name or a link that leaves the tree, a device, an archive that unpacks to more than
//! any CPython needs, each is an error. Writes nothing.

use std::collections::BTreeMap;
use std::io::{self, Read, Seek as _};
use std::path::Path;

use flate2::read::GzDecoder;
use walkdir::WalkDir;

use super::{RuntimeError, links};
use crate::digest::{Hasher, Sha256};
use crate::entry::{EntryPath, EntryPathError};
use crate::layer::Content;
use crate::target::Target;

/// More than twice what the largest build of CPython with its tests takes.
const LARGEST: u64 = 2 << 30;

/// All files of a runtime as it was given.
#[derive(Debug)]
pub struct Tree {
    /// By `/`-separated names.
    pub files: BTreeMap<String, Content>,
    /// Of the archive. A folder has none: while its Python is used, files appear in it that no bundle has.
    pub digest: Option<Sha256>,
}

enum Raw {
    File(Content),
    /// The name of what it leads to, from the top of the tree.
    Link(String),
}

/// Collects entries, checking each name.
struct Entries<'a> {
    origin: &'a Path,
    found: BTreeMap<String, Raw>,
    size: u64,
}

/// Reads a folder, or an archive of one of the forms that runtimes come in.
pub fn read(path: &Path) -> Result<Tree, RuntimeError> {
    let mut entries = Entries { origin: path, found: BTreeMap::new(), size: 0 };
    if path.is_dir() {
        entries.read_folder()?;
        return Ok(Tree { files: entries.resolved()?, digest: None });
    }
    if !path.exists() {
        return Err(RuntimeError::NotThere { path: path.to_owned() });
    }
    let mut file = fs_err::File::open(path).map_err(RuntimeError::file)?;
    let mut magic = [0; 6];
    let length = read_up_to(&mut file, &mut magic).map_err(RuntimeError::file)?;
    let rewind = |file: &mut fs_err::File| file.rewind().map_err(RuntimeError::file);
    rewind(&mut file)?;
    let digest = Sha256::of_reader(&mut file).map_err(RuntimeError::file)?.0;
    rewind(&mut file)?;
    match &magic[..length] {
        [0x1f, 0x8b, ..] => entries.read_tar(GzDecoder::new(io::BufReader::new(file)))?,
        [b'P', b'K', 3, 4, ..] => entries.read_zip(file)?,
        magic => return Err(RuntimeError::UnknownArchive { path: path.to_owned(), kind: kind(magic) }),
    }
    Ok(Tree { files: entries.resolved()?, digest: Some(digest) })
}

/// The bytes of one file.
pub fn bytes(content: &Content) -> Result<Vec<u8>, RuntimeError> {
    Ok(content.read().map_err(RuntimeError::file)?.into_owned())
}

fn kind(magic: &[u8]) -> &'static str {
    match magic {
        [0x28, 0xb5, 0x2f, 0xfd, ..] => "a zstd archive",
        [0xfd, b'7', b'z', b'X', b'Z', 0] => "an xz archive",
        [b'7', b'z', 0xbc, 0xaf, 0x27, 0x1c] => "a 7z archive",
        [b'M', b'Z', ..] => "a Windows program",
        _ => "not an archive",
    }
}

fn read_up_to(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while length < buffer.len() {
        match reader.read(&mut buffer[length..])? {
            0 => break,
            read => length += read,
        }
    }
    Ok(length)
}

impl Entries<'_> {
    fn read_folder(&mut self) -> Result<(), RuntimeError> {
        let root = self.origin;
        for entry in WalkDir::new(root).min_depth(1).sort_by_file_name() {
            let entry = entry.map_err(|error| RuntimeError::file(error.into()))?;
            let relative = entry.path().strip_prefix(root).unwrap_or(entry.path());
            if entry.file_type().is_dir() {
                continue;
            }
            let name = EntryPath::from_relative(relative, Target::LinuxX86_64);
            let name = name.map_err(|source| self.bad_name(source))?.as_str().to_owned();
            if entry.path_is_symlink() {
                self.read_link(&name, entry.path())?;
            } else if entry.file_type().is_file() {
                self.add(&name, Raw::File(Content::File(entry.into_path())))?;
            } else {
                return Err(self.irregular(&name));
            }
        }
        Ok(())
    }

    /// A link of a folder. Installers write some with the whole path, which leads to a place inside all the same.
    fn read_link(&mut self, name: &str, link: &Path) -> Result<(), RuntimeError> {
        let to = fs_err::read_link(link).map_err(RuntimeError::file)?;
        if to.is_absolute()
            && let (Ok(real), Ok(top)) = (fs_err::canonicalize(link), fs_err::canonicalize(self.origin))
            && let Ok(inside) = real.strip_prefix(top)
        {
            let inside = EntryPath::from_relative(inside, Target::LinuxX86_64);
            let inside = inside.map_err(|source| self.bad_name(source))?;
            return self.add_link(name, "", inside.as_str());
        }
        let to = to.to_string_lossy();
        let to = if cfg!(windows) { to.replace('\\', "/") } else { to.into_owned() };
        self.add_link(name, folder_of(name), &to)
    }

    fn read_tar(&mut self, reader: impl Read) -> Result<(), RuntimeError> {
        let origin = self.origin;
        let broken = |source| RuntimeError::BrokenArchive { path: origin.to_owned(), source };
        let mut archive = tar::Archive::new(reader);
        for entry in archive.entries().map_err(broken)? {
            let mut entry = entry.map_err(broken)?;
            let kind = entry.header().entry_type();
            if kind.is_dir() || kind.is_pax_global_extensions() {
                continue;
            }
            let Some(name) = self.name(&entry.path_bytes())? else { continue };
            let link = entry.link_name_bytes().map(|to| String::from_utf8_lossy(&to).into_owned());
            match link {
                Some(to) if kind.is_symlink() => self.add_link(&name, folder_of(&name), &to)?,
                Some(to) if kind.is_hard_link() => self.add_link(&name, "", &to)?,
                _ if kind.is_file() || kind.is_contiguous() => {
                    let bytes = self.read_entry(&mut entry)?;
                    self.add(&name, Raw::File(Content::Bytes(bytes)))?;
                }
                _ => return Err(self.irregular(&name)),
            }
        }
        Ok(())
    }

    fn read_zip(&mut self, file: fs_err::File) -> Result<(), RuntimeError> {
        let origin = self.origin;
        let broken = |error: zip::result::ZipError| RuntimeError::BrokenArchive {
            path: origin.to_owned(),
            source: io::Error::other(error),
        };
        let mut archive = zip::ZipArchive::new(io::BufReader::new(file)).map_err(broken)?;
        for index in 0..archive.len() {
            let mut entry = archive.by_index(index).map_err(broken)?;
            let raw = entry.name().map_err(broken)?.into_owned();
            if raw.ends_with('/') {
                continue;
            }
            let Some(name) = self.name(raw.as_bytes())? else { continue };
            let link = entry.is_symlink();
            let bytes = self.read_entry(&mut entry)?;
            if link {
                self.add_link(&name, folder_of(&name), &String::from_utf8_lossy(&bytes))?;
            } else {
                self.add(&name, Raw::File(Content::Bytes(bytes)))?;
            }
        }
        Ok(())
    }

    /// Reads one entry whole. What a header says of its size is not believed.
    fn read_entry(&mut self, reader: impl Read) -> Result<Vec<u8>, RuntimeError> {
        let mut bytes = Vec::new();
        let room = LARGEST - self.size;
        reader
            .take(room + 1)
            .read_to_end(&mut bytes)
            .map_err(|source| RuntimeError::BrokenArchive { path: self.origin.to_owned(), source })?;
        self.grow(bytes.len() as u64)?;
        Ok(bytes)
    }

    fn grow(&mut self, by: u64) -> Result<(), RuntimeError> {
        self.size += by;
        if self.size > LARGEST {
            return Err(RuntimeError::TooLarge { path: self.origin.to_owned(), limit: LARGEST >> 30 });
        }
        Ok(())
    }

    /// The checked name of an entry; `None` for the tree's own top.
    fn name(&self, raw: &[u8]) -> Result<Option<String>, RuntimeError> {
        let raw = String::from_utf8(raw.to_vec()).map_err(|error| {
            let name = String::from_utf8_lossy(error.as_bytes()).into_owned();
            self.bad_name(EntryPathError::Malformed(name))
        })?;
        let mut plain = raw.as_str();
        while let Some(rest) = plain.strip_prefix("./") {
            plain = rest;
        }
        if plain.is_empty() || plain == "." {
            return Ok(None);
        }
        // Names are checked for the server's system once that is known.
        let name = EntryPath::parse(plain, Target::LinuxX86_64).map_err(|source| self.bad_name(source))?;
        Ok(Some(name.as_str().to_owned()))
    }

    fn add(&mut self, name: &str, raw: Raw) -> Result<(), RuntimeError> {
        if self.found.insert(name.to_owned(), raw).is_none() {
            return Ok(());
        }
        let name = EntryPath::parse(name, Target::LinuxX86_64).map_err(|source| self.bad_name(source))?;
        Err(self.bad_name(EntryPathError::Duplicate(name)))
    }

    /// Adds a link that leads to `to`, seen from `folder`.
    fn add_link(&mut self, name: &str, folder: &str, to: &str) -> Result<(), RuntimeError> {
        let outside = || RuntimeError::LinkOutside {
            path: self.origin.to_owned(),
            link: name.to_owned(),
            to: to.escape_debug().to_string(),
        };
        let to = links::target(folder, to).ok_or_else(outside)?;
        self.add(name, Raw::Link(to))
    }

    /// Puts copies in the place of links.
    fn resolved(mut self) -> Result<BTreeMap<String, Content>, RuntimeError> {
        let mut files = BTreeMap::new();
        let mut links = BTreeMap::new();
        for (name, raw) in std::mem::take(&mut self.found) {
            match raw {
                Raw::File(content) => drop(files.insert(name, content)),
                Raw::Link(to) => drop(links.insert(name, to)),
            }
        }
        for (copy, of) in links::copies(&files, links).map_err(|(link, to)| RuntimeError::DeadLink {
            path: self.origin.to_owned(),
            link,
            to,
        })? {
            let content = files[&of].clone();
            if let Content::Bytes(bytes) = &content {
                self.grow(bytes.len() as u64)?;
            }
            files.insert(copy, content);
        }
        Ok(files)
    }

    fn bad_name(&self, source: EntryPathError) -> RuntimeError {
        RuntimeError::BadName { path: self.origin.to_owned(), source }
    }

    fn irregular(&self, name: &str) -> RuntimeError {
        RuntimeError::Irregular { path: self.origin.to_owned(), name: name.to_owned() }
    }
}

fn folder_of(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// The digest of all names and contents.
pub fn digest(files: &BTreeMap<String, Content>) -> Result<Sha256, RuntimeError> {
    let mut hasher = Hasher::default();
    for (name, content) in files {
        let digest = content.sha256().map_err(RuntimeError::file)?;
        hasher.update(format!("{name}\0{digest}\0"));
    }
    Ok(hasher.finish())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    enum Entry<'a> {
        File(&'a str, &'a str),
        Link(&'a str, &'a str),
        Hard(&'a str, &'a str),
        Fifo(&'a str),
    }
    use Entry::{Fifo, File, Hard, Link};

    /// Writes a `.tar.gz` whose names are taken as they are, hostile ones too.
    fn tar_gz(entries: &[Entry<'_>]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        let gzip = flate2::write::GzEncoder::new(file.reopen().unwrap(), flate2::Compression::fast());
        let mut archive = tar::Builder::new(gzip);
        for entry in entries {
            let mut header = tar::Header::new_gnu();
            let (kind, name, to, bytes) = match entry {
                File(name, text) => (tar::EntryType::Regular, name, "", *text),
                Link(name, to) => (tar::EntryType::Symlink, name, *to, ""),
                Hard(name, to) => (tar::EntryType::Link, name, *to, ""),
                Fifo(name) => (tar::EntryType::Fifo, name, "", ""),
            };
            header.set_entry_type(kind);
            header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
            header.as_old_mut().linkname[..to.len()].copy_from_slice(to.as_bytes());
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            header.set_cksum();
            archive.append(&header, bytes.as_bytes()).unwrap();
        }
        archive.into_inner().unwrap().finish().unwrap();
        file
    }

    fn text(tree: &Tree, name: &str) -> String {
        String::from_utf8(bytes(&tree.files[name]).unwrap()).unwrap()
    }

    #[track_caller]
    fn refused(entries: &[Entry<'_>], word: &str) {
        let archive = tar_gz(entries);
        let error = read(archive.path()).unwrap_err();
        let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        assert!(format!("{error}: {cause}").contains(word), "{error}: {cause}");
    }

    #[test]
    fn links_inside_become_copies() {
        let archive = tar_gz(&[
            Link("python/bin/python3", "python3.12"),
            File("./python/bin/python3.12", "program"),
            Link("python/lib64", "lib"),
            Link("python/chain", "./lib64/a"),
            File("python/lib/a/x.py", "x"),
            Hard("python/hard", "python/bin/python3.12"),
        ]);
        let tree = read(archive.path()).unwrap();
        let names: Vec<&str> = tree.files.keys().map(String::as_str).collect();
        assert_eq!(
            names,
            [
                "python/bin/python3",
                "python/bin/python3.12",
                "python/chain/x.py",
                "python/hard",
                "python/lib/a/x.py",
                "python/lib64/a/x.py",
            ]
        );
        assert_eq!(text(&tree, "python/bin/python3"), "program");
        assert_eq!(text(&tree, "python/chain/x.py"), "x");
    }

    #[test]
    fn what_leaves_the_tree_is_refused() {
        refused(&[File("../evil", "")], "leaves the folder");
        refused(&[File("/etc/evil", "")], "leaves the folder");
        refused(&[File("python\\evil", "")], "malformed");
        refused(&[Link("python/a", "../../etc/passwd")], "`python/a` leads outside");
        refused(&[Link("python/a", "/etc/passwd")], "leads outside");
        refused(&[Hard("python/a", "../b")], "leads outside");
        refused(&[Link("python/a", "b")], "`python/a` leads to `python/b`, and nothing");
        refused(&[Fifo("python/fifo")], "neither a file nor a folder");
        refused(&[File("python/a", "1"), File("./python/a", "2")], "occurs twice");
    }

    #[test]
    fn other_archives_and_broken_ones_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let check = |bytes: &[u8], word: &str| {
            let file = folder.path().join("runtime");
            fs_err::write(&file, bytes).unwrap();
            let error = read(&file).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        };
        check(&[0x28, 0xb5, 0x2f, 0xfd, 0, 0, 0], "a zstd archive");
        check(b"", "not an archive");
        check(b"PK\x03\x04 and then nothing", "cannot be read to its end");
        let whole = fs_err::read(tar_gz(&[File("python/a", &"text ".repeat(999))]).path()).unwrap();
        check(&whole[..whole.len() / 2], "cannot be read to its end");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_by_its_whole_path_is_a_copy_if_it_stays_inside() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("runtime");
        fs_err::create_dir_all(root.join("bin")).unwrap();
        fs_err::write(root.join("bin/python3.12"), "program").unwrap();
        fs_err::os::unix::fs::symlink(root.join("bin/python3.12"), root.join("bin/python")).unwrap();
        assert_eq!(text(&read(&root).unwrap(), "bin/python"), "program");
        fs_err::write(folder.path().join("secret"), "").unwrap();
        fs_err::os::unix::fs::symlink(folder.path().join("secret"), root.join("bin/other")).unwrap();
        assert!(matches!(read(&root), Err(RuntimeError::LinkOutside { .. })));
    }

    #[test]
    fn a_folder_is_read_by_name_and_content() {
        let folder = tempfile::tempdir().unwrap();
        fs_err::create_dir_all(folder.path().join("python/Lib")).unwrap();
        fs_err::write(folder.path().join("python/Lib/os.py"), "os").unwrap();
        let tree = read(folder.path()).unwrap();
        assert_eq!(text(&tree, "python/Lib/os.py"), "os");
        let before = digest(&tree.files).unwrap();
        fs_err::write(folder.path().join("python/Lib/os.py"), "so").unwrap();
        assert_ne!(digest(&tree.files).unwrap(), before);
    }
}
