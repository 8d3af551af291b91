//! Wheels that stories make themselves: good ones, and ones that no tool would make.

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use holdall::digest::Sha256;
use zip::write::SimpleFileOptions;

/// A wheel being made: its files, and the lines of its RECORD.
pub struct Maker {
    pub name: String,
    pub files: Vec<(String, Vec<u8>)>,
    pub record: String,
    /// Names of entries that are links to somewhere.
    pub links: Vec<(String, String)>,
    /// The METADATA, which an index serves beside the wheel.
    pub metadata: String,
    /// Names in the zip that are to become others of the same length, which no writer of zips would take.
    pub renamed: Vec<(String, Vec<u8>)>,
}

/// A wheel's file.
#[derive(Clone)]
pub struct WheelFile {
    pub project: String,
    pub file_name: String,
    pub bytes: Vec<u8>,
    pub metadata: String,
}

impl WheelFile {
    pub fn sha256(&self) -> Sha256 {
        Sha256::of(&self.bytes)
    }
}

impl Maker {
    /// Version 1.0 of a package without code.
    pub fn new(name: &str) -> Maker {
        let mut maker = Maker {
            name: name.to_owned(),
            files: Vec::new(),
            record: String::new(),
            links: Vec::new(),
            metadata: format!("Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"),
            renamed: Vec::new(),
        };
        maker.add(
            &format!("{name}-1.0.dist-info/WHEEL"),
            "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        );
        maker
    }

    /// What the package needs besides. Only the stories with exporters ask, which are for Unix.
    #[cfg(unix)]
    pub fn requires(&mut self, requirement: &str) -> &mut Maker {
        self.metadata += &format!("Requires-Dist: {requirement}\n");
        self
    }

    /// A file that RECORD lists.
    pub fn add(&mut self, name: &str, content: impl AsRef<[u8]>) -> &mut Maker {
        self.list(&line_of(name, content.as_ref())).add_unlisted(name, content)
    }

    pub fn add_unlisted(&mut self, name: &str, content: impl AsRef<[u8]>) -> &mut Maker {
        self.files.push((name.to_owned(), content.as_ref().to_vec()));
        self
    }

    /// A line of RECORD.
    pub fn list(&mut self, line: &str) -> &mut Maker {
        self.record += &format!("{line}\n");
        self
    }

    pub fn link(&mut self, name: &str, to: &str) -> &mut Maker {
        self.links.push((name.to_owned(), to.to_owned()));
        self
    }

    /// `name` in the zip, and in RECORD, becomes `other` of as many bytes.
    pub fn rename(&mut self, name: &str, other: impl AsRef<[u8]>) -> &mut Maker {
        assert_eq!(name.len(), other.as_ref().len());
        self.renamed.push((name.to_owned(), other.as_ref().to_vec()));
        self
    }

    pub fn build(&self) -> WheelFile {
        let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        let options = SimpleFileOptions::default().unix_permissions(0o644);
        let list = format!("{}-1.0.dist-info/RECORD", self.name);
        let metadata = (format!("{}-1.0.dist-info/METADATA", self.name), self.metadata.clone().into_bytes());
        let about_metadata = line_of(&metadata.0, &metadata.1);
        let record = (list.clone(), format!("{}{about_metadata}\n{list},,\n", self.record).into_bytes());
        for (name, content) in self.files.iter().chain([&metadata, &record]) {
            zip.start_file(name.as_str(), options).unwrap();
            zip.write_all(content).unwrap();
        }
        for (name, to) in &self.links {
            zip.add_symlink(name.as_str(), to.as_str(), options).unwrap();
        }
        let mut bytes = zip.finish().unwrap().into_inner();
        for (name, other) in &self.renamed {
            replace_all(&mut bytes, name.as_bytes(), other);
        }
        WheelFile {
            project: self.name.clone(),
            file_name: format!("{}-1.0-py3-none-any.whl", self.name),
            bytes,
            metadata: self.metadata.clone(),
        }
    }
}

/// The line of RECORD for a file.
fn line_of(name: &str, content: &[u8]) -> String {
    let hash = URL_SAFE_NO_PAD.encode(Sha256::of(content).as_bytes());
    format!("\"{name}\",sha256={hash},{}", content.len())
}

/// Puts `other` in the place of every `old`, which is as long.
pub fn replace_all(bytes: &mut [u8], old: &[u8], other: &[u8]) {
    let mut replaced = 0;
    for at in 0..=bytes.len() - old.len() {
        if bytes[at..].starts_with(old) {
            bytes[at..at + old.len()].copy_from_slice(other);
            replaced += 1;
        }
    }
    assert!(replaced > 0, "nothing to replace");
}
