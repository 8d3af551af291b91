//! A runtime for Windows, from each of the forms in which it is published: full (python-build-standalone, the
//! zip of python.org, NuGet), with `Lib` and `DLLs`; or embeddable, flat and with the library in a zip.

use std::collections::BTreeMap;
use std::path::Path;

use object::pe::{IMAGE_FILE_MACHINE_AMD64, IMAGE_FILE_MACHINE_ARM64, ImageDosHeader, Machine};

use super::given::{Shaped, final_version};
use super::{RuntimeError, stdlib, tree, version};
use crate::layer::Content;
use crate::python::MinorVersion;
use crate::target::Target;

/// Shapes the files of a folder that holds `python.exe`.
pub fn shape(path: &Path, files: BTreeMap<String, Content>) -> Result<Shaped, RuntimeError> {
    let (dll, minor) = library(path, &files)?;
    let bytes = tree::bytes(&files[&dll])?;
    let target = target(&bytes)
        .ok_or_else(|| RuntimeError::UnknownMachine { path: path.to_owned(), file: dll.clone() })?;
    let found = match version::in_dll(&bytes) {
        None => version::of_header(&files, "include/patchlevel.h")?,
        found => found,
    };
    let looked_in = format!("the version resource of `{dll}` and `include/patchlevel.h`");
    let version = final_version(path, found.filter(|found| agrees(*found, minor)), looked_in)?;

    let zip = format!("python{}.zip", minor.digits());
    let full = files.keys().any(|name| name.eq_ignore_ascii_case("Lib/os.py"));
    if !full && !files.contains_key(&zip) {
        return Err(RuntimeError::NoForm { path: path.to_owned() });
    }
    let mut kept: BTreeMap<String, Content> = files
        .into_iter()
        .filter_map(|(name, content)| Some((place(&name, (!full).then_some(zip.as_str()))?, content)))
        .collect();
    let search_path = search_path((!full).then_some(zip.as_str()));
    kept.insert(format!("python{}._pth", minor.digits()), Content::Bytes(search_path.into_bytes()));
    Ok(Shaped {
        target,
        version,
        program: "python.exe".to_owned(),
        site_packages: "Lib/site-packages".to_owned(),
        files: kept,
        notices: Vec::new(),
    })
}

/// The one `python3XY.dll`, and the version in its name.
fn library(path: &Path, files: &BTreeMap<String, Content>) -> Result<(String, MinorVersion), RuntimeError> {
    let mut found = None;
    for name in files.keys() {
        let Some(middle) = name.strip_prefix("python3").and_then(|rest| rest.strip_suffix(".dll")) else {
            continue;
        };
        if middle.ends_with('t') {
            return Err(RuntimeError::FreeThreaded { path: path.to_owned() });
        }
        if let Ok(minor) = middle.parse() {
            found = Some((name.clone(), MinorVersion { major: 3, minor }));
        }
    }
    found.ok_or_else(|| RuntimeError::NoForm { path: path.to_owned() })
}

fn agrees(found: version::Found, minor: MinorVersion) -> bool {
    match found {
        version::Found::Final(version) => version.minor == minor,
        version::Found::PreRelease => true,
    }
}

/// The machine a PE file is for.
fn target(bytes: &[u8]) -> Option<Target> {
    let header = ImageDosHeader::parse(bytes).ok()?;
    let at = usize::try_from(header.nt_headers_offset()).ok()?;
    let header = bytes.get(at..at.checked_add(6)?)?;
    let machine = header.strip_prefix(b"PE\0\0")?;
    match Machine(u16::from_le_bytes(machine.try_into().ok()?)) {
        IMAGE_FILE_MACHINE_AMD64 => Some(Target::WindowsX86_64),
        IMAGE_FILE_MACHINE_ARM64 => Some(Target::WindowsArm64),
        _ => None,
    }
}

/// Where a file goes below `python/`, or `None` for what a site does not need: `Scripts` (pip), `include` and
/// `libs` (for compilers), `tcl`, `Tools`, `Doc`, debug symbols, `pythonw.exe`, the form's own `._pth`.
fn place(name: &str, zip: Option<&str>) -> Option<String> {
    let Some((folder, rest)) = name.split_once('/') else {
        let keep = match name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase()).as_deref()
        {
            // Beside the interpreter lie its DLL, the stable ABI's and those of the C runtime.
            Some("dll") => !is_tcl(name),
            // The embeddable form has its extension modules here.
            Some("pyd") => !stdlib::extension_left_out(name),
            Some("exe") => name == "python.exe",
            Some("zip") => Some(name) == zip,
            Some("txt") => name.eq_ignore_ascii_case("LICENSE.txt"),
            _ => false,
        };
        return keep.then(|| name.to_owned());
    };
    if folder.eq_ignore_ascii_case("Lib") {
        return (!stdlib::left_out(rest)).then(|| format!("Lib/{rest}"));
    }
    if folder.eq_ignore_ascii_case("DLLs") {
        let lower = rest.to_ascii_lowercase();
        let module = lower.ends_with(".pyd") && !stdlib::extension_left_out(rest);
        let library = lower.ends_with(".dll") && !is_tcl(rest);
        return (module || library).then(|| format!("DLLs/{rest}"));
    }
    None
}

fn is_tcl(name: &str) -> bool {
    name.starts_with("tcl") || name.starts_with("tk")
}

/// `python3XY._pth`: the interpreter looks here and nowhere else, deaf to PYTHON* variables and the registry.
///
/// `import site` makes it read the `.pth` files in `site-packages`. Lines end as in the file that CPython ships.
fn search_path(zip: Option<&str>) -> String {
    let mut lines: Vec<&str> = zip.into_iter().collect();
    lines.extend(["Lib", "DLLs", ".", "Lib\\site-packages", "import site"]);
    lines.iter().map(|line| format!("{line}\r\n")).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[track_caller]
    fn placed(name: &str, expected: Option<&str>) {
        assert_eq!(place(name, Some("python312.zip")).as_deref(), expected);
    }

    #[test]
    fn what_a_site_needs_is_kept_and_the_rest_is_not() {
        for name in ["python.exe", "python312.dll", "python3.dll", "vcruntime140_1.dll", "_ssl.pyd"] {
            placed(name, Some(name));
        }
        for name in ["python312.zip", "LICENSE.txt", "Lib/json/decoder.py", "DLLs/libssl-3.dll"] {
            placed(name, Some(name));
        }
        placed("lib/os.py", Some("Lib/os.py"));
        for name in ["pythonw.exe", "python312._pth", "python.cat", "Scripts/pip.exe", "tcl/tcl8.6/init.tcl"]
        {
            placed(name, None);
        }
        for name in ["DLLs/tcl86t.dll", "DLLs/_tkinter.pyd", "DLLs/_testcapi.pyd", "DLLs/py.ico", "other.zip"]
        {
            placed(name, None);
        }
        for name in ["Lib/site-packages/pip/__init__.py", "Lib/test/regrtest.py", "include/Python.h"] {
            placed(name, None);
        }
    }

    #[test]
    fn the_search_path_begins_with_the_zip_if_there_is_one() {
        assert_eq!(
            search_path(Some("python312.zip")),
            "python312.zip\r\nLib\r\nDLLs\r\n.\r\nLib\\site-packages\r\nimport site\r\n"
        );
        assert!(search_path(None).starts_with("Lib\r\n"));
    }
}
