//! The two files of a key pair. The secret one can be read by its owner alone; neither replaces a file that is there.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::{KeyError, Secret};
use crate::held;
use crate::interrupt::Passing;
use crate::manifest::SiteName;
use crate::private;

/// Where a key pair will lie: nothing is there yet.
#[derive(Debug)]
pub struct KeyPlace {
    files: KeyFiles,
}

/// The files of a key pair.
#[derive(Debug, Clone)]
pub struct KeyFiles {
    pub secret: PathBuf,
    pub public: PathBuf,
}

impl KeyPlace {
    /// The place for `<name>.key` and `<name>.pub` in `folder`. Asked before a password is.
    pub fn of(folder: &Path, name: &str) -> Result<KeyPlace, KeyError> {
        SiteName::parse(name).map_err(|_| KeyError::Name(name.to_owned()))?;
        let [secret, public] = ["key", "pub"].map(|ending| folder.join(format!("{name}.{ending}")));
        if let Some(path) = [&secret, &public].into_iter().find(|path| path.symlink_metadata().is_ok()) {
            return Err(KeyError::Exists { path: path.clone() });
        }
        Ok(KeyPlace { files: KeyFiles { secret, public } })
    }

    pub fn secret(&self) -> &Path {
        &self.files.secret
    }

    /// Writes both files, or none.
    pub fn write(self, secret: &Secret) -> Result<KeyFiles, KeyError> {
        let KeyFiles { secret: path, public } = &self.files;
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source: io::Error| match source.kind() {
                io::ErrorKind::AlreadyExists => KeyError::Exists { path },
                _ => KeyError::Unwritable { path, source },
            }
        };
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            let made = fs_err::create_dir_all(folder);
            made.map_err(|source| KeyError::Unwritable { path: path.clone(), source })?;
        }
        let secret_file = New::write(path, private::create, &secret.file).map_err(failed(path))?;
        let public_file = New::write(public, |path| File::create_new(path), &secret.public.file());
        public_file.map_err(failed(public))?.stays();
        secret_file.stays();
        Ok(self.files)
    }
}

/// A new file, which goes again unless it is to stay.
struct New(Option<PathBuf>);

impl New {
    fn write(
        path: &Path,
        create: impl FnOnce(&Path) -> io::Result<File>,
        text: &str,
    ) -> io::Result<Passing<New>> {
        let mut file = None;
        let new = Passing::make(|| {
            file = Some(create(path)?);
            Ok(New(Some(path.to_owned())))
        })?;
        let mut file = file.expect("it was made with its path");
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        Ok(new)
    }
}

impl AsRef<Path> for New {
    fn as_ref(&self) -> &Path {
        self.0.as_deref().expect("asked only when it was just made")
    }
}

impl Passing<New> {
    fn stays(self) {
        self.hand_over(|mut new| new.0 = None);
    }
}

impl Drop for New {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            // One that cannot be removed is no whole key, and no program takes it for one.
            let _ = held::remove_file(path);
        }
    }
}
