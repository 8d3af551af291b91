//! The records of a zip, byte for byte, as Holdall writes them. Everything that a zip leaves open is fixed
//! here by rule, so that equal content gives equal bytes and a reader can compare whole records.
//!
//! Does no input or output and knows nothing of layers.

/// A file up to this size is described by the 32-bit fields of a zip.
const SMALL: u64 = 0xFFFF_FFFE;
const IN_ZIP64: u32 = 0xFFFF_FFFF;

const LOCAL: u32 = 0x0403_4b50;
const CENTRAL: u32 = 0x0201_4b50;
const END: u32 = 0x0605_4b50;
const END64: u32 = 0x0606_4b50;
const LOCATOR64: u32 = 0x0706_4b50;

pub const LOCAL_LENGTH: usize = 30;
pub const CENTRAL_LENGTH: usize = 46;
pub const END_LENGTH: usize = 22;
pub const END64_LENGTH: usize = 56;
pub const LOCATOR64_LENGTH: usize = 20;

/// Made on unix (the upper byte) by a program that knows zip64 (4.5).
const MADE_BY: u16 = 3 << 8 | 45;
const NEEDS_DEFLATE: u16 = 20;
const NEEDS_ZIP64: u16 = 45;
/// Names are UTF-8. Set on every entry, ASCII or not, so that no reader has to guess.
const UTF8: u16 = 1 << 11;
const ENCRYPTED: u16 = 1 | 1 << 6 | 1 << 13;
const DATA_DESCRIPTOR: u16 = 1 << 3;
/// 1980-01-01 00:00:00, the earliest time a zip can tell: entries carry no time of their own.
const DOS_TIME: u16 = 0;
const DOS_DATE: u16 = 1 << 5 | 1;
const ZIP64_EXTRA: u16 = 1;

const FILE_TYPE: u32 = 0o170_000;
const REGULAR: u32 = 0o100_000;
const LINK: u32 = 0o120_000;

/// How an entry's bytes are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    Stored,
    Deflate,
}

/// One entry of a zip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub name: String,
    pub method: Method,
    pub crc: u32,
    /// Size of the content.
    pub size: u64,
    /// Size of the data in the zip.
    pub packed: u64,
    pub executable: bool,
    /// Where the local header begins.
    pub offset: u64,
}

impl Record {
    /// Length of the local header with its name.
    pub fn header_length(&self) -> u64 {
        (LOCAL_LENGTH + self.name.len() + if self.is_large() { 20 } else { 0 }) as u64
    }

    /// Length of local header and data; saturates for sizes that no file has.
    pub fn length(&self) -> u64 {
        self.header_length().saturating_add(self.packed)
    }

    /// Where the data begins.
    pub fn data_offset(&self) -> u64 {
        self.offset.saturating_add(self.header_length())
    }

    /// Where the next entry begins.
    pub fn end(&self) -> u64 {
        self.offset.saturating_add(self.length())
    }

    /// The same entry at another place.
    pub fn at(&self, offset: u64) -> Record {
        Record { offset, ..self.clone() }
    }

    /// Both sizes go into a zip64 field, or neither: local and central records then agree.
    fn is_large(&self) -> bool {
        self.size > SMALL || self.packed > SMALL
    }

    /// The local header. It does not depend on where the entry lies.
    pub fn local(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(LOCAL_LENGTH + self.name.len() + 20);
        put_u32(&mut bytes, LOCAL);
        self.put_shared(&mut bytes, self.is_large());
        put_u16(&mut bytes, if self.is_large() { 20 } else { 0 });
        bytes.extend_from_slice(self.name.as_bytes());
        if self.is_large() {
            put_zip64(&mut bytes, &[self.size, self.packed]);
        }
        bytes
    }

    /// Appends the record of the central directory.
    pub fn put_central(&self, bytes: &mut Vec<u8>) {
        let far = self.offset > SMALL;
        let mut wide = Vec::new();
        if self.is_large() {
            wide.extend([self.size, self.packed]);
        }
        if far {
            wide.push(self.offset);
        }
        let extra = if wide.is_empty() { 0 } else { 4 + 8 * wide.len() };
        put_u32(bytes, CENTRAL);
        put_u16(bytes, MADE_BY);
        self.put_shared(bytes, !wide.is_empty());
        put_u16(bytes, extra as u16);
        put_u16(bytes, 0); // no comment
        put_u16(bytes, 0); // first disk
        put_u16(bytes, 0); // no internal attributes
        put_u32(bytes, (REGULAR | if self.executable { 0o755 } else { 0o644 }) << 16);
        put_u32(bytes, if far { IN_ZIP64 } else { self.offset as u32 });
        bytes.extend_from_slice(self.name.as_bytes());
        if !wide.is_empty() {
            put_zip64(bytes, &wide);
        }
    }

    /// The fields from "version needed" to "name length", which both records have.
    fn put_shared(&self, bytes: &mut Vec<u8>, zip64: bool) {
        put_u16(bytes, if zip64 { NEEDS_ZIP64 } else { NEEDS_DEFLATE });
        put_u16(bytes, UTF8);
        put_u16(bytes, if self.method == Method::Deflate { 8 } else { 0 });
        put_u16(bytes, DOS_TIME);
        put_u16(bytes, DOS_DATE);
        put_u32(bytes, self.crc);
        put_u32(bytes, if self.is_large() { IN_ZIP64 } else { self.packed as u32 });
        put_u32(bytes, if self.is_large() { IN_ZIP64 } else { self.size as u32 });
        put_u16(bytes, u16::try_from(self.name.len()).expect("an entry path is shorter than 64 KiB"));
    }

    /// Reads the record that `bytes` begins with; returns it and its length.
    ///
    /// Only what [`Record::put_central`] writes is accepted; the rest is told apart by [`Flaw`].
    pub fn parse_central(bytes: &[u8]) -> Result<(Record, usize), Flaw> {
        if bytes.len() < CENTRAL_LENGTH || u32_at(bytes, 0) != CENTRAL {
            return Err(Flaw::NoRecord);
        }
        let name_end = CENTRAL_LENGTH + usize::from(u16_at(bytes, 28));
        let extra_end = name_end + usize::from(u16_at(bytes, 30));
        let name = bytes.get(CENTRAL_LENGTH..name_end).ok_or(Flaw::NoRecord)?;
        let extra = bytes.get(name_end..extra_end).ok_or(Flaw::NoRecord)?;
        let flaw = |what| Flaw::Entry { name: String::from_utf8_lossy(name).into_owned(), what };
        let flags = u16_at(bytes, 8);
        if flags & ENCRYPTED != 0 {
            return Err(flaw(EntryFlaw::Encrypted));
        }
        if flags & DATA_DESCRIPTOR != 0 {
            return Err(flaw(EntryFlaw::DataDescriptor));
        }
        let method = match u16_at(bytes, 10) {
            0 => Method::Stored,
            8 => Method::Deflate,
            other => return Err(flaw(EntryFlaw::Method(other))),
        };
        let mode = u32_at(bytes, 38) >> 16;
        if mode & FILE_TYPE == LINK {
            return Err(flaw(EntryFlaw::Link));
        }
        let mut record = Record {
            name: std::str::from_utf8(name).map_err(|_| flaw(EntryFlaw::NotUnicode))?.to_owned(),
            method,
            crc: u32_at(bytes, 16),
            packed: u64::from(u32_at(bytes, 20)),
            size: u64::from(u32_at(bytes, 24)),
            executable: mode & 0o111 != 0,
            offset: u64::from(u32_at(bytes, 42)),
        };
        let mut wide = extra.get(4..).unwrap_or_default().chunks_exact(8).map(|eight| u64_at(eight, 0));
        for (field, raw) in [(&mut record.size, 24), (&mut record.packed, 20), (&mut record.offset, 42)] {
            if u32_at(bytes, raw) == IN_ZIP64 {
                *field = wide.next().ok_or_else(|| flaw(EntryFlaw::NotByRule))?;
            }
        }
        // Everything else is fixed by rule, so the record must come out as it went in.
        let mut canonical = Vec::with_capacity(extra_end);
        record.put_central(&mut canonical);
        if bytes.get(..canonical.len()) != Some(&canonical) {
            return Err(flaw(EntryFlaw::NotByRule));
        }
        if method == Method::Stored && record.size != record.packed {
            return Err(flaw(EntryFlaw::NotByRule));
        }
        Ok((record, canonical.len()))
    }
}

/// Why bytes are no central record of a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Flaw {
    /// No whole record stands there.
    NoRecord,
    /// The record of this entry uses what no bundle has.
    Entry { name: String, what: EntryFlaw },
}

/// What no entry of a bundle has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryFlaw {
    Encrypted,
    DataDescriptor,
    Method(u16),
    Link,
    NotUnicode,
    /// A field that the format fixes holds something else.
    NotByRule,
}

/// What the end of a zip says of its central directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    pub entries: u64,
    pub directory_size: u64,
    pub directory_offset: u64,
}

impl End {
    /// The end records: the classic one, with the two of zip64 before it only where a field needs them.
    pub fn to_bytes(self) -> Vec<u8> {
        let mut bytes = Vec::new();
        if self.is_large() {
            put_u32(&mut bytes, END64);
            put_u64(&mut bytes, (END64_LENGTH - 12) as u64); // without its first two fields
            put_u16(&mut bytes, MADE_BY);
            put_u16(&mut bytes, NEEDS_ZIP64);
            put_u32(&mut bytes, 0); // this disk
            put_u32(&mut bytes, 0); // disk of the directory
            put_u64(&mut bytes, self.entries);
            put_u64(&mut bytes, self.entries);
            put_u64(&mut bytes, self.directory_size);
            put_u64(&mut bytes, self.directory_offset);
            put_u32(&mut bytes, LOCATOR64);
            put_u32(&mut bytes, 0); // disk of the record above
            put_u64(&mut bytes, self.directory_offset.saturating_add(self.directory_size));
            put_u32(&mut bytes, 1); // number of disks
        }
        let entries = u16::try_from(self.entries).unwrap_or(u16::MAX);
        put_u32(&mut bytes, END);
        put_u16(&mut bytes, 0);
        put_u16(&mut bytes, 0);
        put_u16(&mut bytes, entries);
        put_u16(&mut bytes, entries);
        put_u32(&mut bytes, u32::try_from(self.directory_size).unwrap_or(IN_ZIP64));
        put_u32(&mut bytes, u32::try_from(self.directory_offset).unwrap_or(IN_ZIP64));
        put_u16(&mut bytes, 0); // no comment
        bytes
    }

    /// Reads the end records from the last bytes of a file, which must end with them.
    pub fn parse(tail: &[u8]) -> Option<End> {
        let classic = &tail[tail.len().checked_sub(END_LENGTH)?..];
        if u32_at(classic, 0) != END {
            return None;
        }
        let mut end = End {
            entries: u64::from(u16_at(classic, 10)),
            directory_size: u64::from(u32_at(classic, 12)),
            directory_offset: u64::from(u32_at(classic, 16)),
        };
        if end.is_large() {
            let whole = END64_LENGTH + LOCATOR64_LENGTH + END_LENGTH;
            let record = &tail[tail.len().checked_sub(whole)?..];
            end = End {
                entries: u64_at(record, 32),
                directory_size: u64_at(record, 40),
                directory_offset: u64_at(record, 48),
            };
        }
        tail.ends_with(&end.to_bytes()).then_some(end)
    }

    fn is_large(self) -> bool {
        self.entries >= u64::from(u16::MAX)
            || self.directory_size >= u64::from(IN_ZIP64)
            || self.directory_offset >= u64::from(IN_ZIP64)
    }
}

/// Whether a file that begins so may be a zip.
pub fn begins_like_a_zip(head: &[u8]) -> bool {
    head.len() >= 4 && u32_at(head, 0) == LOCAL
}

/// Whether these bytes begin with the classic end record, right or wrong.
pub fn begins_like_an_end(bytes: &[u8]) -> bool {
    bytes.len() >= 4 && u32_at(bytes, 0) == END
}

/// Whether a classic end record stands anywhere in these bytes.
pub fn has_an_end(bytes: &[u8]) -> bool {
    bytes.windows(4).any(begins_like_an_end)
}

fn put_zip64(bytes: &mut Vec<u8>, fields: &[u64]) {
    put_u16(bytes, ZIP64_EXTRA);
    put_u16(bytes, (8 * fields.len()) as u16);
    fields.iter().for_each(|field| put_u64(bytes, *field));
}

fn put_u16(bytes: &mut Vec<u8>, value: u16) {
    bytes.extend_from_slice(&value.to_le_bytes());
}

fn put_u32(bytes: &mut Vec<u8>, value: u32) {
    bytes.extend_from_slice(&value.to_le_bytes());
}

fn put_u64(bytes: &mut Vec<u8>, value: u64) {
    bytes.extend_from_slice(&value.to_le_bytes());
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        Record {
            name: "app/grüße.txt".to_owned(),
            method: Method::Deflate,
            crc: 0x1234_5678,
            size: 5000,
            packed: 700,
            executable: false,
            offset: 90,
        }
    }

    #[track_caller]
    fn comes_back(record: &Record) {
        let mut bytes = Vec::new();
        record.put_central(&mut bytes);
        assert_eq!(Record::parse_central(&bytes), Ok((record.clone(), bytes.len())));
        assert_eq!(record.local().len() as u64, record.header_length());
    }

    #[test]
    fn a_record_is_read_back_whatever_fields_need_zip64() {
        let small = record();
        comes_back(&small);
        comes_back(&Record { executable: true, ..small.clone() });
        for (size, packed, offset) in [
            (0xFFFF_FFFF, 5, 90),
            (0x1_0000_0000, 0xFFFF_FFFF, 90),
            (u64::MAX, u64::MAX, u64::MAX),
            (5, 5, 0xFFFF_FFFF),
            (0xFFFF_FFFE, 5, 0xFFFF_FFFE),
        ] {
            comes_back(&Record { size, packed, offset, ..small.clone() });
        }
    }

    #[test]
    fn zip64_is_used_only_where_a_field_needs_it() {
        let mut bytes = Vec::new();
        Record { size: 0xFFFF_FFFE, ..record() }.put_central(&mut bytes);
        assert_eq!(bytes.len(), CENTRAL_LENGTH + record().name.len());
        let end = End { entries: 65_534, directory_size: 5, directory_offset: 0xFFFF_FFFE };
        assert_eq!(end.to_bytes().len(), END_LENGTH);
        let end = End { entries: 65_535, ..end };
        assert_eq!(end.to_bytes().len(), END64_LENGTH + LOCATOR64_LENGTH + END_LENGTH);
    }

    #[test]
    fn the_end_is_read_back() {
        for (entries, directory_size, directory_offset) in
            [(0, 0, 0), (3, 200, 1000), (65_535, 9, 9), (1, 1 << 33, 5), (1, 5, u64::MAX)]
        {
            let end = End { entries, directory_size, directory_offset };
            let mut bytes = b"junk before".to_vec();
            bytes.extend(end.to_bytes());
            assert_eq!(End::parse(&bytes), Some(end));
            bytes.push(0);
            assert_eq!(End::parse(&bytes), None);
        }
    }

    #[test]
    fn any_changed_byte_of_a_record_is_refused_or_seen() {
        let record = Record { offset: 1 << 33, ..record() };
        let mut bytes = Vec::new();
        record.put_central(&mut bytes);
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 0x10;
            assert_ne!(Record::parse_central(&changed), Ok((record.clone(), bytes.len())), "byte {at}");
        }
        for length in 0..bytes.len() {
            assert!(Record::parse_central(&bytes[..length]).is_err(), "cut at {length}");
        }
    }
}
