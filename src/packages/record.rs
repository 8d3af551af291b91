//! RECORD: the list of a package's files that stands in its dist-info (PEP 376, PEP 427).

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::Digest as _;

use crate::digest::Sha256;

/// What a wheel's RECORD says of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Recorded {
    algorithm: Algorithm,
    digest: Vec<u8>,
    pub size: Option<u64>,
}

/// The algorithms that PEP 427 allows: SHA-256 or better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Algorithm {
    Sha256,
    Sha384,
    Sha512,
}

impl Recorded {
    /// The SHA-256 of these bytes, if they are those of the file.
    pub fn sha256_of(&self, bytes: &[u8]) -> Option<Sha256> {
        let sha256 = Sha256::of(bytes);
        let fits = match self.algorithm {
            Algorithm::Sha256 => self.digest == sha256.as_bytes(),
            Algorithm::Sha384 => self.digest == sha2::Sha384::digest(bytes)[..],
            Algorithm::Sha512 => self.digest == sha2::Sha512::digest(bytes)[..],
        };
        (fits && self.size.is_none_or(|size| size == bytes.len() as u64)).then_some(sha256)
    }

    /// Whether both say the same of a file's content.
    pub fn same_content(&self, other: &Recorded) -> bool {
        (self.algorithm, &self.digest) == (other.algorithm, &other.digest)
    }

    fn parse(hash: &str, size: &str) -> Option<Recorded> {
        let (algorithm, digest) = hash.split_once('=')?;
        let (algorithm, length) = match algorithm {
            "sha256" => (Algorithm::Sha256, 32),
            "sha384" => (Algorithm::Sha384, 48),
            "sha512" => (Algorithm::Sha512, 64),
            _ => return None,
        };
        let digest = URL_SAFE_NO_PAD.decode(digest.trim_end_matches('=')).ok()?;
        let size = if size.is_empty() { None } else { Some(size.parse().ok()?) };
        (digest.len() == length).then_some(Recorded { algorithm, digest, size })
    }
}

/// Reads a wheel's RECORD: by name, what it says; `None` for a name without a hash. The error is the problem.
pub(super) fn read(record: &[u8]) -> Result<BTreeMap<String, Option<Recorded>>, String> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(record);
    let mut files = BTreeMap::new();
    for row in reader.records() {
        let row = row.map_err(|_| "its RECORD is no table of names, hashes and sizes".to_owned())?;
        let column = |at| row.get(at).unwrap_or_default();
        let name = column(0);
        let recorded = match column(1) {
            "" => None,
            hash => Some(Recorded::parse(hash, column(2)).ok_or_else(|| {
                format!("its RECORD gives `{}` no hash that is known", name.escape_debug())
            })?),
        };
        if files.insert(name.to_owned(), recorded).is_some() {
            return Err(format!("its RECORD names `{}` twice", name.escape_debug()));
        }
    }
    Ok(files)
}

/// Writes the RECORD of what is really there. `files` are names relative to site-packages; `own` is the name of
/// RECORD itself, which has no hash.
pub(super) fn write(files: impl IntoIterator<Item = (String, Sha256, u64)>, own: &str) -> Vec<u8> {
    let mut rows: Vec<[String; 3]> = files
        .into_iter()
        .map(|(name, digest, size)| {
            [name, format!("sha256={}", URL_SAFE_NO_PAD.encode(digest.as_bytes())), size.to_string()]
        })
        .chain([[own.to_owned(), String::new(), String::new()]])
        .collect();
    rows.sort();
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        writer.write_record(row).expect("rows of equal length go into memory");
    }
    writer.into_inner().expect("memory takes every byte")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_written_is_read_back_sorted() {
        let odd = "b/a, \"b\".txt".to_owned();
        let files = [(odd.clone(), Sha256::of("x"), 1), ("a.py".to_owned(), Sha256::of("yy"), 2)];
        let text = write(files, "a-1.dist-info/RECORD");
        let lines: Vec<_> = std::str::from_utf8(&text).unwrap().lines().collect();
        assert_eq!(lines[0], "a-1.dist-info/RECORD,,");
        assert!(lines[1].starts_with("a.py,sha256=") && lines[1].ends_with(",2"), "{lines:?}");
        let read = read(&text).unwrap();
        assert!(
            read[&odd].as_ref().unwrap().sha256_of(b"x").is_some()
                && read[&odd].as_ref().unwrap().sha256_of(b"y").is_none()
        );
        assert_eq!(read["a-1.dist-info/RECORD"], None);
    }

    #[test]
    fn better_hashes_are_known_and_worse_ones_are_not() {
        let sha512 = URL_SAFE_NO_PAD.encode(sha2::Sha512::digest(b"x"));
        let record = read(format!("a.py,sha512={sha512},1\r\n").as_bytes()).unwrap();
        assert!(record["a.py"].as_ref().unwrap().sha256_of(b"x").is_some());
        assert_eq!(read(b"a.py,md5=abc,1\n").unwrap_err(), "its RECORD gives `a.py` no hash that is known");
        assert_eq!(read(b"a,,\na,,\n").unwrap_err(), "its RECORD names `a` twice");
    }
}
