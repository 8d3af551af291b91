//! Files as a folder, a tar.gz or a zip: sorted, without times and owners, so that the same files give the same
//! bytes. A file appears under its name whole or not at all.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// Paths, separated by `/`, and their bytes.
pub type Files = BTreeMap<String, Vec<u8>>;

/// Writes the files below `folder`.
pub fn write_folder(files: &Files, folder: &Path) -> anyhow::Result<()> {
    for (name, bytes) in files {
        let path = folder.join(name);
        fs_err::create_dir_all(path.parent().context("a file lies in a folder")?)?;
        fs_err::write(&path, bytes)?;
        #[cfg(unix)]
        fs_err::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(mode(name, bytes)))?;
    }
    Ok(())
}

/// Writes the files as a tar.gz.
pub fn write_tar_gz(files: &Files, path: &Path) -> anyhow::Result<()> {
    let partial = partial(path);
    let gz = flate2::GzBuilder::new().write(fs_err::File::create(&partial)?, flate2::Compression::new(6));
    let mut tar = tar::Builder::new(gz);
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(mode(name, bytes));
        header.set_mtime(0);
        tar.append_data(&mut header, name, bytes.as_slice())?;
    }
    tar.into_inner()?.finish()?.flush()?;
    fs_err::rename(partial, path)?;
    Ok(())
}

/// Writes the files as a zip.
pub fn write_zip(files: &Files, path: &Path) -> anyhow::Result<()> {
    let partial = partial(path);
    let mut zip = zip::ZipWriter::new(fs_err::File::create(&partial)?);
    for (name, bytes) in files {
        let options = zip::write::SimpleFileOptions::default()
            .last_modified_time(zip::DateTime::default())
            .unix_permissions(mode(name, bytes));
        zip.start_file(name.as_str(), options)?;
        zip.write_all(bytes)?;
    }
    zip.finish()?.flush()?;
    fs_err::rename(partial, path)?;
    Ok(())
}

fn partial(path: &Path) -> PathBuf {
    path.with_added_extension("partial")
}

/// What starts may be executed.
fn mode(name: &str, bytes: &[u8]) -> u32 {
    if name.ends_with(".exe") || bytes.starts_with(b"\x7fELF") { 0o755 } else { 0o644 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_files_give_the_same_archives() {
        let folder = std::env::temp_dir().join(format!("holdall-xtask-archive-{}", std::process::id()));
        fs_err::create_dir_all(&folder).unwrap();
        let files = Files::from([
            ("python/python.exe".to_owned(), b"MZ".to_vec()),
            ("python/Lib/os.py".to_owned(), b"import sys\n".to_vec()),
        ]);
        for write in [write_tar_gz, write_zip] {
            let (first, second) = (folder.join("first"), folder.join("second"));
            write(&files, &first).unwrap();
            write(&files, &second).unwrap();
            assert_eq!(fs_err::read(first).unwrap(), fs_err::read(second).unwrap());
        }
        fs_err::remove_dir_all(folder).unwrap();
    }
}
