//! Every byte of a bundle against its digests.

use std::fmt;
use std::io;
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;
use serde::Serialize;

use super::ArchiveError;
use super::open::Bundle;
use super::read::CopyError;
use crate::progress::{Progress, Running, Stage, Unit};

/// One way in which a bundle or a release is not what its manifest says.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "difference", rename_all = "lowercase")]
pub enum Difference {
    /// A file that an index lists is not there.
    Missing { path: String },
    /// Something that no index lists is there.
    Extra { path: String },
    /// A file is there, but it is not the one that was bundled.
    Differs { path: String, what: Aspect },
    /// The files are right, but the bytes between them are not those that were bundled.
    Layer { name: String },
}

/// In what a file differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Aspect {
    Content,
    /// It is a program here and not there.
    Executable,
    /// It is a link, a folder or a device.
    Type,
}

impl Difference {
    /// As a part of a sentence, which a line of a table is not.
    pub fn said(&self) -> String {
        let (how, what) = match self {
            Difference::Missing { path } => ("is missing", path),
            Difference::Extra { path } => ("is extra", path),
            Difference::Differs { path, .. } => ("differs", path),
            Difference::Layer { name } => return format!("the block of the layer `{name}` differs"),
        };
        format!("`{}` {how}", what.escape_debug())
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Difference::Missing { path } => write!(f, "missing  {path}"),
            Difference::Extra { path } => write!(f, "extra    {path}"),
            Difference::Differs { path, what: Aspect::Content } => write!(f, "differs  {path}"),
            Difference::Differs { path, what: Aspect::Executable } => {
                write!(f, "differs  {path} (whether it is a program)")
            }
            Difference::Differs { path, what: Aspect::Type } => {
                write!(f, "differs  {path} (not a regular file)")
            }
            Difference::Layer { name } => write!(f, "differs  the block of the layer {name}"),
        }
    }
}

impl Bundle {
    /// Reads everything: each file must have its size and SHA-256, each layer its digest. Returns what differs, sorted.
    pub fn verify(&self, progress: &dyn Progress) -> Result<Vec<Difference>, ArchiveError> {
        let total = self.layers().iter().map(|layer| layer.entry.size).sum();
        let running = Running::begin(progress, Stage::Verify, total, Unit::Bytes);
        let differences = Mutex::new(Vec::new());
        self.read_all(|reader, file| {
            let copied = reader.copy(file, &mut io::sink());
            running.advance(file.indexed.size);
            match copied {
                Ok(()) => Ok(()),
                Err(CopyError::Archive(ArchiveError::Content { entry, .. })) => {
                    let mut differences = differences.lock().unwrap_or_else(PoisonError::into_inner);
                    differences.push(Difference::Differs { path: entry, what: Aspect::Content });
                    Ok(())
                }
                Err(CopyError::Archive(error)) => Err(error),
                Err(CopyError::Write(_)) => unreachable!("a sink takes what it is given"),
            }
        })?;
        let mut differences = differences.into_inner().unwrap_or_else(PoisonError::into_inner);
        let damaged_layers = self
            .layers()
            .par_iter()
            .map(|layer| {
                let same = self.reader()?.layer_digest(layer)? == layer.entry.digest;
                Ok((!same).then(|| Difference::Layer { name: layer.entry.name.clone() }))
            })
            .filter_map(Result::transpose)
            .collect::<Result<Vec<_>, ArchiveError>>()?;
        // A damaged file damages its layer: saying both would say one thing twice.
        if differences.is_empty() {
            differences = damaged_layers;
        }
        differences.sort();
        Ok(differences)
    }
}
