//! The package `holdall_site` and `holdall.pth`, which stand in the bundle's site-packages: how the
//! project is found by its Python, and how its settings are changed.

use std::fmt::Write as _;

use super::Input;
use super::error::AppError;
use super::survey::SiteFacts;
use crate::layer::{Content, Source};

/// The settings module of every bundled project: the value of DJANGO_SETTINGS_MODULE.
pub const SETTINGS: &str = "holdall_site.settings";

pub(super) const INIT: &str = include_str!("holdall_site/__init__.py");
pub(super) const WRITABLE: &str = include_str!("holdall_site/writable.py");

/// The files of the package and `holdall.pth`, sorted by path.
pub fn site_package(input: &Input<'_>, facts: &SiteFacts) -> Result<Vec<Source>, AppError> {
    let files = [
        ("holdall.pth", pth(input)?),
        ("holdall_site/__init__.py", unix(INIT)),
        ("holdall_site/layout.py", layout(input, facts)?),
        ("holdall_site/settings.py", unix(include_str!("holdall_site/settings.py"))),
        ("holdall_site/writable.py", unix(WRITABLE)),
    ];
    let source = |(name, text): (&str, String)| {
        let path = input.site_packages.join(name, input.target);
        let path = path.expect("these names are good everywhere");
        Source { path, content: Content::Bytes(text.into_bytes()), executable: false }
    };
    Ok(files.into_iter().map(source).collect())
}

/// Puts the project's folders before all others, as `manage.py` has it outside of a bundle.
///
/// Plain lines would be read in the locale's encoding and would come after the packages. `sitedir` is the
/// folder of the file, by the name that Python's `site` module gives it.
fn pth(input: &Input<'_>) -> Result<String, AppError> {
    let up = "../".repeat(input.site_packages.as_str().split('/').count());
    let mut text = "import sys; sys.dont_write_bytecode = True\n".to_owned();
    for root in input.roots().into_iter().rev() {
        let folder = literal_ascii(&format!("{up}{}", input.entry(root)?));
        writeln!(
            text,
            "import os, sys; sys.path.insert(0, os.path.normpath(os.path.join(sitedir, {folder})))"
        )
        .expect("writing to a string does not fail");
    }
    Ok(text)
}

/// The part of the package that differs between bundles.
fn layout(input: &Input<'_>, facts: &SiteFacts) -> Result<String, AppError> {
    let up = "../".repeat(input.site_packages.as_str().split('/').count() + 1);
    let static_root = match &facts.static_files.place {
        Some(place) => literal(place.folder().as_str()),
        None => "None".to_owned(),
    };
    let mut text = format!(
        "\"\"\"What this bundle is like; written when it was made.\"\"\"\n\n\
         # The project's own settings module.\nSETTINGS = {}\n\n\
         # The release, seen from this folder; the rest is relative to the release.\nRELEASE = {}\n\
         # The folder of manage.py.\nMANAGE = {}\n\
         # The collected static files, if the bundle has them.\nSTATIC_ROOT = {static_root}\n\
         # What the site writes -> where it lies in the site's shared folder.\nPATHS = {{\n",
        literal(input.settings),
        literal(up.trim_end_matches('/')),
        literal(input.entry(input.manage_folder())?.as_str()),
    );
    for (from, to) in &facts.writable.table {
        writeln!(text, "    {}: {},", literal(from), literal(to)).expect("writing to a string does not fail");
    }
    text.push_str("}\n");
    Ok(text)
}

/// A text as a literal of Python, which reads all that JSON writes.
pub(super) fn literal(text: &str) -> String {
    serde_json::to_string(text).expect("a text can be written as JSON")
}

/// A text as a literal in which nothing depends on an encoding.
fn literal_ascii(text: &str) -> String {
    let mut literal = String::new();
    for c in self::literal(text).chars() {
        match c {
            c if c.is_ascii() => literal.push(c),
            c => write!(literal, "\\U{:08x}", u32::from(c)).expect("writing to a string does not fail"),
        }
    }
    literal
}

/// The same bytes, however the repository was checked out.
pub(super) fn unix(text: &str) -> String {
    text.replace("\r\n", "\n")
}
