//! The text of a file that people write: UTF-8, with or without the mark that editors on Windows begin it with.

use std::path::Path;

use super::SettingsError;

/// Reads the file; one in another encoding is refused with the name that an editor has for what it seems to be.
pub fn read(path: &Path) -> Result<String, SettingsError> {
    let bytes =
        fs_err::read(path).map_err(|source| SettingsError::Unreadable { path: path.to_owned(), source })?;
    decoded(bytes).map_err(|seems| SettingsError::Encoding { path: path.to_owned(), seems })
}

/// Fails with what the bytes seem to be.
fn decoded(bytes: Vec<u8>) -> Result<String, String> {
    // In what PowerShell's `>` and Notepad's "Unicode" write every second byte of a plain letter is NUL.
    let is_wide = bytes.starts_with(&[0xff, 0xfe])
        || bytes.starts_with(&[0xfe, 0xff])
        || bytes.iter().filter(|byte| **byte == 0).count() > bytes.len() / 4;
    if is_wide {
        return Err("UTF-16, which editors also call \"Unicode\"".to_owned());
    }
    String::from_utf8(bytes).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        format!("a code page such as Windows-1252 or Latin-1, which editors also call \"ANSI\" (line {line})")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_encoding_is_told_by_its_bytes() {
        let wide =
            |text: &str, bytes: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(bytes).collect::<Vec<u8>>();
        let text = "name = 'shop'\n# Büro\n";
        assert_eq!(decoded(text.into()).unwrap(), text);
        assert_eq!(decoded(format!("\u{feff}{text}").into()).unwrap(), format!("\u{feff}{text}"));
        assert_eq!(decoded(Vec::new()).unwrap(), "");
        let marked = format!("\u{feff}{text}");
        for bytes in [
            wide(&marked, u16::to_le_bytes),
            wide(&marked, u16::to_be_bytes),
            wide(text, u16::to_le_bytes),
            wide(text, u16::to_be_bytes),
        ] {
            assert!(decoded(bytes).unwrap_err().starts_with("UTF-16"));
        }
        let latin: Vec<u8> = text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
        let seems = decoded(latin).unwrap_err();
        assert!(seems.contains("Windows-1252") && seems.ends_with("(line 2)"), "{seems}");
    }
}
