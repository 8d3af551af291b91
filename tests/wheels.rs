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
    /// The METADATA, which an index serves beside the wheel.
    pub metadata: String,
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
        let metadata = format!("Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n");
        let mut maker = Maker {
            name: name.to_owned(),
            files: Vec::new(),
            record: String::new(),
            metadata: metadata.clone(),
        };
        maker.add(&format!("{name}-1.0.dist-info/METADATA"), metadata);
        maker.add(
            &format!("{name}-1.0.dist-info/WHEEL"),
            "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        );
        maker
    }

    /// A file that RECORD lists.
    pub fn add(&mut self, name: &str, content: impl AsRef<[u8]>) -> &mut Maker {
        let hash = URL_SAFE_NO_PAD.encode(Sha256::of(content.as_ref()).as_bytes());
        let size = content.as_ref().len();
        self.list(&format!("\"{name}\",sha256={hash},{size}")).add_unlisted(name, content)
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

    pub fn build(&self) -> WheelFile {
        let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        let options = SimpleFileOptions::default().unix_permissions(0o644);
        let list = format!("{}-1.0.dist-info/RECORD", self.name);
        let record = (list.clone(), format!("{}{list},,\n", self.record).into_bytes());
        for (name, content) in self.files.iter().chain([&record]) {
            zip.start_file(name.as_str(), options).unwrap();
            zip.write_all(content).unwrap();
        }
        let bytes = zip.finish().unwrap().into_inner();
        WheelFile {
            project: self.name.clone(),
            file_name: format!("{}-1.0-py3-none-any.whl", self.name),
            bytes,
            metadata: self.metadata.clone(),
        }
    }
}
