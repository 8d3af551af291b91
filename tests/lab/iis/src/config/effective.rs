//! The configuration of a path: `applicationHost.config`, its locations, and the `web.config` files down to it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::locks::{said, violation};
use super::merge::{Effective, Violation};
use super::place::{canonical, levels, same, scopes};
use super::{Config, Definition, Mode, hresult};
use crate::schema;
use crate::xml::{Document, Element};

/// A `web.config` and the configuration path whose folder it lies in.
#[derive(Debug, Clone)]
pub struct WebConfig {
    /// `Site` or `Site/app/folder`.
    pub path: String,
    pub file: PathBuf,
    document: Document,
}

/// What IIS does at a `<remove>` of what isn't there; no public source tells.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RemoveAbsent {
    #[default]
    Fine,
    Error,
}

impl WebConfig {
    /// Reads a file; none where there is none.
    pub fn load(path: &str, file: &Path) -> Result<Option<WebConfig>, Violation> {
        let failed =
            |hresult, message: String, line| Violation { hresult, message, file: file.to_owned(), line };
        let bytes = match fs_err::read(file) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(_) => {
                let message = "Cannot read configuration file due to insufficient permissions";
                return Err(failed(0x8007_0005, message.to_owned(), 0));
            }
        };
        let document = Document::parse(&bytes).map_err(|error| {
            failed(hresult::INVALID_DATA, "Configuration file is not well-formed XML".to_owned(), error.line)
        })?;
        if document.root().name() != "configuration" {
            let message = format!("Unrecognized element '{}'", document.root().name());
            return Err(failed(hresult::INVALID_DATA, message, document.root().line()));
        }
        Ok(Some(WebConfig { path: canonical(path).to_owned(), file: file.to_owned(), document }))
    }

    pub fn root(&self) -> &Element {
        self.document.root()
    }
}

/// A place where a section is written.
struct Layer<'a> {
    level: String,
    file: &'a Path,
    section: &'a Element,
    /// Whether it is in a `web.config`.
    below: bool,
    /// Whether it locks the section for deeper files.
    locks: bool,
    inherited_by_applications: bool,
}

impl Config {
    /// A section as it counts for a path, or why IIS would answer 500.19 because of it.
    pub fn effective(
        &self,
        section: &str,
        path: &str,
        files: &[WebConfig],
        remove_absent: RemoveAbsent,
    ) -> Result<Effective, Violation> {
        let undeclared = || undeclared(section, self.path(), 0);
        let schema = schema::section(section).ok_or_else(undeclared)?;
        let declaration = self.declaration(section).ok_or_else(undeclared)?;
        let mut effective = Effective::new(&schema.element);
        let application = self.application_of(path);
        let mut denied = false;
        for layer in self.layers(section, path, files)? {
            let in_file = |mut violation: Violation| {
                layer.file.clone_into(&mut violation.file);
                violation
            };
            let too_deep = match declaration.definition {
                Definition::AppHostOnly => layer.below || !layer.level.is_empty(),
                Definition::MachineToApplication => layer.below && !self.is_application(&layer.level),
                Definition::Everywhere => false,
            };
            let locked = layer.below && (denied || self.mode(section, &layer.level) == Mode::Deny);
            if too_deep || locked {
                return Err(in_file(violation(layer.section)));
            }
            // A file below can lock further, and never unlock.
            denied |= layer.below && layer.locks;
            if !layer.inherited_by_applications && layer.level.len() < application.len() {
                continue;
            }
            effective.take(layer.section, remove_absent == RemoveAbsent::Fine).map_err(in_file)?;
        }
        Ok(effective)
    }

    /// Why IIS answers 500.19 for a path whatever is asked there: a fault in any section of these files.
    pub fn check(
        &self,
        path: &str,
        files: &[WebConfig],
        remove_absent: RemoveAbsent,
    ) -> Result<(), Violation> {
        let mut sections = BTreeSet::new();
        for file in files {
            for scope in [file.root()].into_iter().chain(file.root().children().filter(is_location)) {
                self.sections_in(scope, &file.file, &mut sections)?;
            }
        }
        for section in sections.iter().filter(|section| schema::section(section).is_some()) {
            self.effective(section, path, files, remove_absent)?;
        }
        Ok(())
    }

    /// Which sections of IIS stand in a part of a file. Those of others, as `system.web`, are not read.
    fn sections_in(
        &self,
        scope: &Element,
        file: &Path,
        found: &mut BTreeSet<String>,
    ) -> Result<(), Violation> {
        let declared: Vec<String> =
            self.declarations().into_iter().map(|declaration| declaration.path).collect();
        let mut groups: Vec<(String, &Element)> = scope
            .children()
            .filter(|child| declared.iter().any(|path| path.starts_with(&format!("{}/", child.name()))))
            .map(|child| (child.name().to_owned(), child))
            .collect();
        while let Some((prefix, group)) = groups.pop() {
            for child in group.children() {
                let path = format!("{prefix}/{}", child.name());
                if declared.contains(&path) {
                    found.insert(path);
                } else if declared.iter().any(|declared| declared.starts_with(&format!("{path}/"))) {
                    groups.push((path, child));
                } else {
                    return Err(undeclared(&path, file, child.line()));
                }
            }
        }
        Ok(())
    }

    /// Where a section is written for a path, from the server down.
    fn layers<'a>(
        &'a self,
        section: &str,
        path: &str,
        files: &'a [WebConfig],
    ) -> Result<Vec<Layer<'a>>, Violation> {
        let mut layers = Vec::new();
        for level in levels(path) {
            add_layers(&mut layers, scopes(self.root(), level), section, level, (self.path(), false))?;
            for file in files {
                let Some(relative) = relative(&file.path, level) else { continue };
                let here = scopes(file.root(), relative);
                add_layers(&mut layers, here, section, level, (&file.file, true))?;
            }
        }
        Ok(layers)
    }

    /// The configuration path of the application that a path belongs to.
    fn application_of(&self, path: &str) -> String {
        let deepest = levels(path).into_iter().rev().find(|level| self.is_application(level));
        deepest.unwrap_or_default().to_owned()
    }

    /// Whether a configuration path is the root of an application.
    fn is_application(&self, path: &str) -> bool {
        let (site, below) = path.split_once('/').unwrap_or((path, ""));
        let named = |own: &str| same(own, below);
        self.site(site).is_some_and(|site| site.applications.iter().any(|own| named(&own.path)))
    }
}

fn add_layers<'a>(
    layers: &mut Vec<Layer<'a>>,
    scopes: impl Iterator<Item = &'a Element>,
    section: &str,
    level: &str,
    (file, below): (&'a Path, bool),
) -> Result<(), Violation> {
    let mut seen = false;
    for scope in scopes {
        let (group, name) = section.rsplit_once('/').unwrap_or(("", section));
        let Some(group) = scope.descendant(group) else { continue };
        for element in group.children().filter(|child| child.name() == name) {
            if seen {
                let message = "Sections must only appear once per config file.  See the help topic <location> for exceptions.";
                let violation = Violation::new(hresult::DUPLICATE, element, message);
                return Err(Violation { file: file.to_owned(), ..violation });
            }
            seen = true;
            layers.push(Layer {
                level: level.to_owned(),
                file,
                section: element,
                below,
                locks: said(element).or_else(|| said(scope)) == Some(Mode::Deny),
                inherited_by_applications: scope.attribute("inheritInChildApplications") != Some("false"),
            });
        }
    }
    Ok(())
}

fn is_location(element: &&Element) -> bool {
    element.name() == "location"
}

/// The part of a level below a file's path; none when the level isn't below it.
fn relative<'a>(file: &str, level: &'a str) -> Option<&'a str> {
    let head = level.get(..file.len())?;
    let rest = &level[file.len()..];
    match same(head, file) && !level.is_empty() {
        true if rest.is_empty() => Some(""),
        true => rest.strip_prefix('/'),
        false => None,
    }
}

fn undeclared(section: &str, file: &Path, line: usize) -> Violation {
    let message = format!(
        "The configuration section '{section}' cannot be read because it is missing a section declaration"
    );
    Violation { hresult: hresult::INVALID_DATA, message, file: file.to_owned(), line }
}
