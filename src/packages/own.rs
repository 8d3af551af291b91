//! The project itself as a package: a wheel with nothing but its dist-info, since its code is the application.

use std::io::{Cursor, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zip::CompressionMethod;
use zip::write::SimpleFileOptions;

use super::download::place_in;
use super::error::PackagesError;
use super::lock::{Lock, LockedWheel, Origin, normalized};
use crate::cache::{Cache, write_whole};
use crate::digest::Sha256;
use crate::project::Distribution;

/// Makes the wheel in the cache: the same bytes for the same metadata, everywhere.
pub fn project_wheel(distribution: &Distribution, cache: &Cache) -> Result<LockedWheel, PackagesError> {
    let name = normalized(&distribution.name);
    let stem = format!("{}-{}", name.replace('-', "_"), distribution.version);
    let bytes = wheel(distribution, &stem);
    let mut wheel = LockedWheel {
        name,
        version: distribution.version.clone(),
        file_name: format!("{stem}-py3-none-any.whl"),
        sha256: Sha256::of(&bytes),
        size: Some(bytes.len() as u64),
        origin: Origin::Project(Default::default()),
    };
    let file = place_in(&wheel, cache)?;
    write_whole(&file, |part| part.write_all(&bytes))?;
    wheel.origin = Origin::Project(file);
    Ok(wheel)
}

impl Lock {
    /// Adds the project itself, unless a package of its name is there. The lock's digest stays: it tells of what
    /// comes from others.
    pub fn add_project(&mut self, project: LockedWheel) {
        if let Err(at) = self.wheels.binary_search_by(|wheel| wheel.name.cmp(&project.name)) {
            self.wheels.insert(at, project);
        }
    }
}

pub(super) fn wheel(distribution: &Distribution, stem: &str) -> Vec<u8> {
    let about = "Wheel-Version: 1.0\nGenerator: holdall\nRoot-Is-Purelib: true\nTag: py3-none-any\n";
    let mut files = vec![("METADATA", distribution.metadata.as_str()), ("WHEEL", about)];
    if !distribution.entry_points.is_empty() {
        files.push(("entry_points.txt", &distribution.entry_points));
    }
    let mut record = String::new();
    for (name, text) in &files {
        let digest = URL_SAFE_NO_PAD.encode(Sha256::of(text).as_bytes());
        record.push_str(&format!("{stem}.dist-info/{name},sha256={digest},{}\n", text.len()));
    }
    record.push_str(&format!("{stem}.dist-info/RECORD,,\n"));
    files.push(("RECORD", &record));
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    // The time of the options is a fixed one.
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let mut put = || {
        for (name, text) in &files {
            zip.start_file(format!("{stem}.dist-info/{name}"), options)?;
            zip.write_all(text.as_bytes())?;
        }
        Ok::<_, zip::result::ZipError>(())
    };
    put().expect("memory takes every file");
    zip.finish().expect("memory takes every file").into_inner()
}
