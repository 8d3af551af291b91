//! Gives ready compressed copies of static files the same bytes on every machine.
//!
//! Storages like whitenoise's write `site.css.gz` beside `site.css` with whatever zlib their Python was
//! built with.

use std::collections::BTreeMap;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use libdeflater::{CompressionLvl, Compressor};

/// Writes anew each `name.gz` in `files` that holds what its neighbour `name` holds.
pub fn normalise(files: &BTreeMap<PathBuf, PathBuf>) -> io::Result<()> {
    for (name, disk) in files {
        let plain =
            name.extension().is_some_and(|extension| extension == "gz").then(|| name.with_extension(""));
        if let Some(plain) = plain.and_then(|plain| files.get(&plain)) {
            compress_anew(disk, plain)?;
        }
    }
    Ok(())
}

fn compress_anew(compressed: &Path, plain: &Path) -> io::Result<()> {
    let content = fs_err::read(plain)?;
    // One byte more than expected is enough to see that it is something else.
    let mut inside = Vec::with_capacity(content.len() + 1);
    let limit = content.len() as u64 + 1;
    let read = MultiGzDecoder::new(fs_err::File::open(compressed)?).take(limit).read_to_end(&mut inside);
    if read.is_err() || inside != content {
        return Ok(());
    }
    let mut compressor = Compressor::new(CompressionLvl::best());
    let mut bytes = vec![0; compressor.gzip_compress_bound(content.len())];
    let length = compressor.gzip_compress(&content, &mut bytes).map_err(io::Error::other)?;
    bytes.truncate(length);
    fs_err::write(compressed, bytes)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_compressed_copy_does_not_depend_on_who_compressed_it() {
        let folder = tempfile::tempdir().unwrap();
        let content = b"body { color: black }\n".repeat(100);
        let copy = |name: &str, level| {
            let path = folder.path().join(format!("{name}.gz"));
            let mut encoder =
                flate2::GzBuilder::new().mtime(level).write(Vec::new(), flate2::Compression::new(level));
            encoder.write_all(&content).unwrap();
            fs_err::write(&path, encoder.finish().unwrap()).unwrap();
            fs_err::write(folder.path().join(name), &content).unwrap();
            normalise(&BTreeMap::from([
                (name.into(), folder.path().join(name)),
                (format!("{name}.gz").into(), path.clone()),
            ]))
            .unwrap();
            fs_err::read(path).unwrap()
        };
        let fast = copy("fast.css", 1);
        assert_eq!(fast, copy("small.css", 9));
        let mut inside = Vec::new();
        MultiGzDecoder::new(&fast[..]).read_to_end(&mut inside).unwrap();
        assert_eq!(inside, content);
    }

    #[test]
    fn an_archive_that_only_shares_a_name_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let (plain, other) = (folder.path().join("data"), folder.path().join("data.gz"));
        fs_err::write(&plain, "one").unwrap();
        fs_err::write(&other, "no gzip at all").unwrap();
        normalise(&BTreeMap::from([("data".into(), plain), ("data.gz".into(), other.clone())])).unwrap();
        assert_eq!(fs_err::read(other).unwrap(), b"no gzip at all");
    }
}
