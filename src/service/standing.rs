//! How a service that runs says of itself how it stands: a small file below the site's `shared`, which its account may
//! write. The system knows no more than that its supervisor is there.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::held;
use crate::release::ReleaseId;

/// What a supervisor last wrote down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    pub release: ReleaseId,
    /// The supervisor itself: of one that is gone nothing here counts.
    pub supervisor: u32,
    pub doing: Doing,
    /// How often the command has been started again.
    pub restarts: u32,
}

/// What the service is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "doing", rename_all = "kebab-case")]
pub enum Doing {
    Running {
        process: u32,
        /// In seconds since 1970.
        since: u64,
    },
    /// It has crashed, and is started again in a while.
    Waiting { ended: String },
    /// It has ended, and stays so.
    Ended { ended: String, well: bool },
}

/// Where the instance of this name keeps it.
pub fn path(shared: &Path, instance: &str) -> PathBuf {
    shared.join("services").join(format!("{instance}.json"))
}

impl Standing {
    pub fn read(path: &Path) -> Option<Standing> {
        serde_json::from_slice(&fs_err::read(path).ok()?).ok()
    }

    /// Whole or not at all. It is of no use after a power cut.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let folder = path.parent().unwrap_or(Path::new("."));
        fs_err::create_dir_all(folder)?;
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        serde_json::to_writer(&mut file, self)?;
        held::persist(file, path)
    }
}
