//! Who may set a section where: its declaration in `configSections`, and locations with an override mode.
//!
//! A lock concerns the files below the one that holds it, never that file itself.

use super::place::{levels, scopes};
use super::{Config, Violation, hresult};
use crate::xml::Element;

/// How `configSections` declares a section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declaration {
    /// The full path, `system.webServer/handlers`.
    pub path: String,
    /// `overrideModeDefault`.
    pub mode: Mode,
    pub definition: Definition,
}

/// Whether files below may set a section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Allow,
    Deny,
}

/// `allowDefinition`: how deep a section may stand at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Definition {
    /// In `applicationHost.config` and for the whole server only.
    AppHostOnly,
    /// Not below the root of an application.
    MachineToApplication,
    Everywhere,
}

impl Config {
    /// All sections that the file declares.
    pub fn declarations(&self) -> Vec<Declaration> {
        let mut found = Vec::new();
        if let Some(sections) = self.root().child("configSections") {
            declared(sections, "", &mut found);
        }
        found
    }

    pub fn declaration(&self, section: &str) -> Option<Declaration> {
        self.declarations().into_iter().find(|declaration| declaration.path == section)
    }

    /// Whether a `web.config` of this path may set the section. A deeper location of the file wins over a higher one.
    pub fn mode(&self, section: &str, path: &str) -> Mode {
        let Some(declaration) = self.declaration(section) else { return Mode::Deny };
        let mut mode = declaration.mode;
        for level in levels(path) {
            for scope in scopes(self.root(), level) {
                if let Some(element) = scope.descendant(section) {
                    mode = said(element).or_else(|| said(scope)).unwrap_or(mode);
                }
            }
        }
        mode
    }
}

/// What an element says of the files below: `overrideMode`, or `allowOverride` of older files.
pub(super) fn said(element: &Element) -> Option<Mode> {
    match (element.attribute("overrideMode"), element.attribute("allowOverride")) {
        (Some("Allow"), _) | (None, Some("true")) => Some(Mode::Allow),
        (Some("Deny"), _) | (None, Some("false")) => Some(Mode::Deny),
        _ => None,
    }
}

fn declared(group: &Element, prefix: &str, found: &mut Vec<Declaration>) {
    for child in group.children() {
        let name = child.attribute("name").unwrap_or_default();
        let path = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}/{name}") };
        match child.name() {
            "sectionGroup" => declared(child, &path, found),
            "section" => found.push(Declaration {
                path,
                mode: match child.attribute("overrideModeDefault") {
                    Some("Deny") => Mode::Deny,
                    _ => Mode::Allow,
                },
                definition: match child.attribute("allowDefinition") {
                    Some("AppHostOnly" | "MachineOnly") => Definition::AppHostOnly,
                    Some("MachineToApplication") => Definition::MachineToApplication,
                    _ => Definition::Everywhere,
                },
            }),
            _ => {}
        }
    }
}

/// What IIS answers where a file sets what it may not.
pub(super) fn violation(written: &Element) -> Violation {
    let message = "This configuration section cannot be used at this path. This happens when the section is locked \
        at a parent level. Locking is either by default (overrideModeDefault=\"Deny\"), or set explicitly by a \
        location tag with overrideMode=\"Deny\" or the legacy allowOverride=\"false\".";
    Violation::new(hresult::LOCKED, written, message)
}
