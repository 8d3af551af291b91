//! Which CPython a runtime holds, read from its files without starting it.

use std::collections::BTreeMap;

use super::RuntimeError;
use super::tree;
use crate::layer::Content;
use crate::python::{MinorVersion, PythonVersion};

/// What a program or a header says of its version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    Final(PythonVersion),
    PreRelease,
}

/// Looks into the C header that every build of CPython with headers has.
pub fn of_header(files: &BTreeMap<String, Content>, name: &str) -> Result<Option<Found>, RuntimeError> {
    let Some(content) = files.get(name) else { return Ok(None) };
    Ok(in_header(&String::from_utf8_lossy(&tree::bytes(content)?)))
}

/// Reads `#define PY_VERSION "3.12.4"`. A `+` after the numbers says: built from the branch after that release.
fn in_header(text: &str) -> Option<Found> {
    let value = text.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        (words.next() == Some("#define") && words.next() == Some("PY_VERSION"))
            .then(|| words.next())
            .flatten()
    })?;
    let value = value.trim_matches('"').trim_end_matches('+');
    Some(value.parse().map_or(Found::PreRelease, Found::Final))
}

/// Reads the version resource of `python3XY.dll`.
///
/// Its third number is `patch * 1000 + release level * 10 + serial`, the level of a final release being 15.
pub fn in_dll(bytes: &[u8]) -> Option<Found> {
    // The fixed part of a version resource: its signature and the version of its own form, aligned to 32 bits.
    const SIGNATURE: [u8; 4] = 0xfeef_04bd_u32.to_le_bytes();
    const FORM: [u8; 4] = 0x0001_0000_u32.to_le_bytes();
    let words = bytes.as_chunks::<4>().0;
    let at = words.windows(2).position(|pair| pair == [SIGNATURE, FORM])?;
    let half = |word: usize, upper: bool| -> Option<u16> {
        let word = u32::from_le_bytes(*words.get(at + word)?);
        u16::try_from(if upper { word >> 16 } else { word & 0xffff }).ok()
    };
    let (major, minor, third) = (half(2, true)?, half(2, false)?, half(3, true)?);
    if third % 1000 != 150 {
        return Some(Found::PreRelease);
    }
    Some(Found::Final(PythonVersion { minor: MinorVersion { major, minor }, patch: third / 1000 }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_header_is_read_whatever_its_spacing() {
        let found = |text: &str| in_header(text);
        let version = Found::Final("3.12.4".parse().unwrap());
        assert_eq!(
            found("/* */\n#define PY_VERSION_HEX 1\n#define PY_VERSION              \"3.12.4\"\n"),
            Some(version)
        );
        assert_eq!(found("#define PY_VERSION \"3.12.4+\"\r\n"), Some(version));
        assert_eq!(found("#define PY_VERSION \"3.13.0rc1\"\n"), Some(Found::PreRelease));
        assert_eq!(found("#define OTHER \"3.13.0\"\n"), None);
    }

    #[test]
    fn the_dll_tells_patch_level_and_release_level() {
        let resource = |third: u16| {
            let mut bytes = b"\0\0\0\0VS__".to_vec();
            bytes.extend(0xfeef_04bd_u32.to_le_bytes());
            bytes.extend(0x0001_0000_u32.to_le_bytes());
            bytes.extend(((3_u32 << 16) | 12).to_le_bytes());
            bytes.extend(((u32::from(third) << 16) | 1013).to_le_bytes());
            bytes
        };
        assert_eq!(in_dll(&resource(4150)), Some(Found::Final("3.12.4".parse().unwrap())));
        assert_eq!(in_dll(&resource(150)), Some(Found::Final("3.12.0".parse().unwrap())));
        assert_eq!(in_dll(&resource(121)), Some(Found::PreRelease));
        assert_eq!(in_dll(b"no resource in here"), None);
    }
}
