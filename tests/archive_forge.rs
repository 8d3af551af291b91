//! A second writer of the format, for bundles that the real one would not write. It follows
//! `docs/bundle-format.md`, stores everything uncompressed, and checks nothing.

use holdall::digest::Sha256;
use serde_json::{Value, json};

/// A bundle about to be written, open to any damage.
#[derive(Clone)]
pub struct Forged {
    pub entries: Vec<Entry>,
    /// Bytes before, and after, the zip proper.
    pub before: Vec<u8>,
    pub after: Vec<u8>,
    /// Changes the end record: entries, size and offset of the directory.
    pub end: fn(u16, u32, u32) -> (u16, u32, u32),
}

/// One entry of the zip.
#[derive(Clone)]
pub struct Entry {
    pub name: Vec<u8>,
    pub data: Vec<u8>,
    pub size: u32,
    pub crc: u32,
    pub method: u16,
    pub flags: u16,
    pub attributes: u32,
    /// Bytes that belong to nothing, before the entry.
    pub gap: usize,
    /// What the central directory says of the offset, relative to the truth.
    pub shift: i64,
    /// Changes a byte of the local header alone.
    pub local: Option<(usize, u8)>,
}

impl Entry {
    pub fn new(name: &str, data: impl Into<Vec<u8>>, executable: bool) -> Entry {
        let mut entry = Entry {
            name: name.into(),
            data: Vec::new(),
            size: 0,
            crc: 0,
            method: 0,
            flags: 0x0800,
            attributes: if executable { 0o100_755 << 16 } else { 0o100_644 << 16 },
            gap: 0,
            shift: 0,
            local: None,
        };
        entry.set(data);
        entry
    }

    /// Replaces the content, with all that follows from it.
    pub fn set(&mut self, data: impl Into<Vec<u8>>) {
        self.data = data.into();
        self.size = self.data.len() as u32;
        self.crc = crc32fast::hash(&self.data);
    }

    fn shared(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for field in [20, self.flags, self.method, 0, 0x0021] {
            bytes.extend(field.to_le_bytes());
        }
        for field in [self.crc, self.data.len() as u32, self.size] {
            bytes.extend(field.to_le_bytes());
        }
        bytes.extend((self.name.len() as u16).to_le_bytes());
        bytes.extend([0, 0]);
        bytes
    }

    fn local_header(&self) -> Vec<u8> {
        let mut bytes = b"PK\x03\x04".to_vec();
        bytes.extend(self.shared());
        bytes.extend(&self.name);
        if let Some((at, value)) = self.local {
            bytes[at] = value;
        }
        bytes
    }

    fn central(&self, offset: u32) -> Vec<u8> {
        let mut bytes = b"PK\x01\x02\x2d\x03".to_vec();
        bytes.extend(self.shared());
        bytes.extend([0; 6]);
        bytes.extend(self.attributes.to_le_bytes());
        bytes.extend(offset.to_le_bytes());
        bytes.extend(&self.name);
        bytes
    }
}

/// A file of a layer: path, content, whether it is a program.
pub type File<'a> = (&'a str, &'a str, bool);

impl Forged {
    /// A right bundle of these layers (kind, name, files sorted by path), if their names are right.
    pub fn new(target: &str, layers: &[(&str, &str, &[File<'_>])]) -> Forged {
        let mut blocks = Vec::new();
        let mut described = Vec::new();
        let mut offset = 0;
        let mut longest = ".holdall/.json".len() + 64;
        for (kind, name, files) in layers {
            let entries: Vec<Entry> = files.iter().map(|file| Entry::new(file.0, file.1, file.2)).collect();
            let mut block = Vec::new();
            let mut lines = Vec::new();
            for (entry, (path, content, executable)) in entries.iter().zip(files.iter()) {
                longest = longest.max(path.encode_utf16().count());
                let mut line = json!({"path": path, "size": content.len(), "sha256": Sha256::of(content)});
                if *executable {
                    line["executable"] = json!(true);
                }
                line["offset"] = json!(block.len());
                lines.push(line);
                block.extend(entry.local_header());
                block.extend(&entry.data);
            }
            let digest = Sha256::of(&block);
            let index = json!({ "files": lines }).to_string();
            let index_entry = Entry::new(&format!(".holdall/{digest}.json"), index.clone(), false);
            let index_length = index_entry.local_header().len() + index.len();
            described.push(json!({
                "name": name, "kind": kind, "digest": digest,
                "offset": offset, "length": index_length + block.len(),
                "entries": files.len(), "size": files.iter().map(|file| file.1.len()).sum::<usize>(),
                "index": {"digest": Sha256::of(&index), "size": index.len(), "length": index_length},
            }));
            offset += index_length + block.len();
            blocks.push(index_entry);
            blocks.extend(entries);
        }
        let mut manifest = manifest(target);
        manifest["longest_path"] = json!(longest);
        manifest["layers"] = json!(described);
        blocks.insert(0, Entry::new("holdall.json", manifest.to_string(), false));
        Forged { entries: blocks, before: Vec::new(), after: Vec::new(), end: |a, b, c| (a, b, c) }
    }

    /// Changes the manifest, with all that follows from it inside the zip.
    pub fn manifest(mut self, change: impl FnOnce(&mut Value)) -> Forged {
        let mut manifest: Value = serde_json::from_slice(&self.entries[0].data).unwrap();
        change(&mut manifest);
        self.entries[0].set(manifest.to_string());
        self
    }

    /// Changes the entry of this name.
    pub fn entry(mut self, name: &str, change: impl FnOnce(&mut Entry)) -> Forged {
        let at = self.place(name);
        change(&mut self.entries[at]);
        self
    }

    /// Where the entry stands whose name begins so.
    pub fn place(&self, name: &str) -> usize {
        self.entries.iter().position(|entry| entry.name.starts_with(name.as_bytes())).unwrap()
    }

    pub fn with(mut self, change: impl FnOnce(&mut Forged)) -> Forged {
        change(&mut self);
        self
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut directory = Vec::new();
        for entry in &self.entries {
            bytes.extend(vec![0; entry.gap]);
            directory.extend(entry.central((bytes.len() as i64 + entry.shift) as u32));
            bytes.extend(entry.local_header());
            bytes.extend(&entry.data);
        }
        let (entries, size, offset) =
            (self.end)(self.entries.len() as u16, directory.len() as u32, bytes.len() as u32);
        bytes.extend(directory);
        bytes.extend(b"PK\x05\x06\0\0\0\0");
        bytes.extend(entries.to_le_bytes());
        bytes.extend(entries.to_le_bytes());
        bytes.extend(size.to_le_bytes());
        bytes.extend(offset.to_le_bytes());
        bytes.extend([0, 0]);
        [&self.before, &bytes, &self.after].into_iter().flatten().copied().collect()
    }
}

/// The manifest of a made-up site, without layers.
pub fn manifest(target: &str) -> Value {
    json!({
        "format": 1, "name": "shop", "version": "1.0", "target": target,
        "python": {
            "version": "3.12.4", "program": "python/python.exe", "site_packages": "python/Lib/site-packages",
        },
        "portable": true,
        "django": {
            "version": "5.2", "settings": "shop.settings", "wsgi": "shop.wsgi:application",
            "manage": "app/manage.py",
        },
        "site": {
            "static_url": "/static/", "static_root": "www/static", "hashed_static": true,
            "environment": ["SECRET_KEY"], "health": "/", "paths": {"app/db.sqlite3": "db.sqlite3"},
            "migrations": {"shop": ["0001_initial"]}, "services": [],
        },
        "longest_path": 0,
        "lock": Sha256::of("lock"), "bridge": Sha256::of("bridge"), "holdall": Sha256::of("holdall"),
        "layers": [],
    })
}
