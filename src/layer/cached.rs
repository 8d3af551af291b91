//! Layers kept from run to run: by what key, and whether one found is still what was written.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::pack::DEFLATE;
use super::{Index, Layer};
use crate::archive::{ArchiveError, block, directory, positioned::Positioned};
use crate::cache::{self, Cache};
use crate::digest::{Hasher, Sha256};
use crate::elf::Glibc;
use crate::manifest::{IndexEntry, LayerKind};
use crate::progress::Notice;
use crate::target::Target;

/// The cache folder of the layers.
pub(super) const FOLDER: &str = cache::LAYERS;

/// Changes whenever the bytes of a layer of equal sources would, or what stands beside them.
const LAYER_FORMAT: &str = "layer 3";

/// The name of a layer in the cache: a digest of everything that shapes its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key {
    kind: LayerKind,
    target: Target,
    digest: Sha256,
}

impl Key {
    /// `inputs` must cover all that decides about the layer's files: the digest of the archive they come from, of the
    /// rules that shape them, of the folder they are mapped to.
    pub fn new(kind: LayerKind, target: Target, inputs: &[Sha256]) -> Key {
        let mut hasher = Hasher::default();
        for part in [LAYER_FORMAT, DEFLATE, &kind.to_string(), target.as_str()] {
            hasher.update(part);
            hasher.update([0]);
        }
        inputs.iter().for_each(|input| hasher.update(input.as_bytes()));
        Key { kind, target, digest: hasher.finish() }
    }

    pub fn kind(&self) -> LayerKind {
        self.kind
    }

    pub fn target(&self) -> Target {
        self.target
    }

    pub(super) fn zip(&self, folder: &Path) -> PathBuf {
        folder.join(format!("{}.zip", self.digest))
    }

    /// The file beside the zip that holds its [`Seal`].
    fn seal(&self, folder: &Path) -> PathBuf {
        folder.join(format!("{}.sha256", self.digest))
    }
}

/// What the cache has under a key.
#[derive(Debug)]
pub enum Found {
    /// The layer, just checked against the digest beside it.
    Layer(Box<Layer>),
    Missing,
    /// Something that is not what was written: it is to be built again, and the person told.
    Damaged(Notice),
}

impl Found {
    /// The layer, if it can be used; what is to be said goes to `notices`.
    pub fn layer(self, notices: &mut Vec<Notice>) -> Option<Layer> {
        match self {
            Found::Layer(layer) => Some(*layer),
            Found::Missing => None,
            Found::Damaged(notice) => {
                notices.push(notice);
                None
            }
        }
    }
}

/// Looks for a layer in the cache; `name` is the name it will have in the bundle.
///
/// Reads and hashes the whole file, so ask once a run.
pub fn find(cache: &Cache, key: &Key, name: &str) -> Found {
    let folder = cache.root().join(FOLDER);
    let (zip, seal) = (key.zip(&folder), key.seal(&folder));
    if !zip.exists() {
        return Found::Missing;
    }
    if let Some(seal) = whole(&zip, &seal)
        && let Ok(layer) = read(&zip, key, name, seal.glibc)
    {
        cache::used(&zip);
        return Found::Layer(Box::new(layer));
    }
    Found::Damaged(Notice {
        what: format!("the cached layer of `{name}` is damaged or incomplete (`{}`)", zip.display()),
        help: "nothing: it is made again; if this comes back, check the disk".to_owned(),
    })
}

/// What is kept beside a layer's zip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seal {
    /// Of the zip.
    sha256: Sha256,
    /// What the zip tells only to those who unpack all of it.
    glibc: Option<Glibc>,
}

impl Seal {
    fn to_text(self) -> String {
        let glibc = self.glibc.map_or_else(|| "none".to_owned(), |version| version.to_string());
        format!("{}\nglibc {glibc}\n", self.sha256)
    }

    fn parse(text: &str) -> Option<Seal> {
        let (sha256, glibc) = text.strip_suffix('\n')?.split_once("\nglibc ")?;
        let glibc = match glibc {
            "none" => None,
            version => Some(version.parse().ok()?),
        };
        Some(Seal { sha256: sha256.parse().ok()?, glibc })
    }
}

/// The seal of a layer's zip, if the zip is the one that was sealed.
fn whole(zip: &Path, seal: &Path) -> Option<Seal> {
    let seal = Seal::parse(&fs_err::read_to_string(seal).ok()?)?;
    (Sha256::of_file(zip).ok()? == seal.sha256).then_some(seal)
}

/// In what way a file in the folder of layers is damaged, if it is: the zip of a layer must be the one that was sealed.
pub fn damage(file: &Path) -> io::Result<Option<String>> {
    if file.extension().is_none_or(|extension| extension != "zip") {
        return Ok(None);
    }
    let Ok(seal) = fs_err::read_to_string(file.with_extension("sha256")) else {
        return Ok(Some("its seal is missing".to_owned()));
    };
    // What follows may be in the words of another holdall, whose layers lie here too.
    Ok(match seal.lines().next().and_then(|line| line.parse::<Sha256>().ok()) {
        None => Some("its seal is broken".to_owned()),
        Some(sealed) if sealed != Sha256::of_file(file)? => Some("it is not what its seal says".to_owned()),
        Some(_) => None,
    })
}

/// Writes a layer and the seal beside it; returns the layer's file.
///
/// The seal comes first: another run that looks meanwhile finds no layer, not one without its seal. Equal
/// keys give equal bytes, so two runs that write one layer do not disturb each other.
pub(super) fn write(
    folder: &Path,
    key: &Key,
    glibc: Option<Glibc>,
    write: impl FnOnce(&mut std::fs::File) -> io::Result<()>,
) -> io::Result<PathBuf> {
    let (zip, seal) = (key.zip(folder), key.seal(folder));
    let written = cache::write_whole(&zip, |file| {
        write(file.as_file_mut())?;
        let written = Positioned::open(file.path())?;
        let (sha256, _) = Sha256::of_reader(written.range(0, written.length()))?;
        let text = Seal { sha256, glibc }.to_text();
        cache::write_whole(&seal, |seal| seal.write_all(text.as_bytes()))
    });
    match written {
        // Windows does not replace a file that another run is just reading: then that run has written it.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied && whole(&zip, &seal).is_some() => {
            Ok(zip)
        }
        written => written.map(|()| zip),
    }
}

/// Opens a layer's zip. That it is whole is known by its digest.
fn read(zip: &Path, key: &Key, name: &str, glibc: Option<Glibc>) -> Result<Layer, ArchiveError> {
    let file = Positioned::open(zip).map_err(ArchiveError::unreadable(zip))?;
    let records = directory::read(&file)?;
    let index_record = records.first().ok_or_else(|| ArchiveError::not_a_bundle(zip))?;
    let digest = index_record
        .name
        .strip_prefix(".holdall/")
        .and_then(|name| name.strip_suffix(".json")?.parse().ok())
        .ok_or_else(|| ArchiveError::not_a_bundle(zip))?;
    let bytes = block::index_bytes(&file, index_record)?;
    let index_entry =
        IndexEntry { digest: Sha256::of(&bytes), size: index_record.size, length: index_record.length() };
    let index = Index::parse(&bytes, key.target).map_err(|_| ArchiveError::not_a_bundle(zip))?;
    block::check(zip, &index, &records)?;
    Ok(Layer {
        kind: key.kind,
        name: name.to_owned(),
        target: key.target,
        digest,
        index,
        glibc,
        file: zip.to_owned(),
        index_entry,
        records,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_seal_is_read_back_or_is_none() {
        for glibc in [None, Some("2.36".parse().unwrap())] {
            let seal = Seal { sha256: Sha256::of("zip"), glibc };
            assert_eq!(Seal::parse(&seal.to_text()), Some(seal));
            let cut = |length| Seal::parse(&seal.to_text()[..length]);
            assert!((0..seal.to_text().len()).all(|length| cut(length).is_none()));
        }
    }
}
