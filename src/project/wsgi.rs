//! The WSGI application of a project, and the file it stands in.

use std::path::PathBuf;

use super::config::Config;
use super::disk;
use super::error::ProjectError;
use super::layout::Roots;
use super::settings::SettingsText;
use super::source::{self, Kind, Statement};
use super::variants::modules_in;
use super::{Found, Overrides};

/// The file of the WSGI application: what the settings say, else `wsgi.py` in or above their package, else
/// the only one in the project.
pub fn file(roots: &Roots<'_>, settings: &[String]) -> Result<Option<PathBuf>, ProjectError> {
    for module in settings {
        let text = SettingsText::read(roots, module)?;
        let named = text.text("WSGI_APPLICATION").and_then(|(application, _)| application.rsplit_once('.'));
        if let Some(file) = named.and_then(|(module, _)| roots.file_of(module)) {
            return Ok(Some(file));
        }
    }
    let nearest = settings.iter().find_map(|module| beside(roots, module));
    Ok(nearest.or_else(|| only(roots)).and_then(|module| roots.file_of(&module)))
}

/// The `wsgi` module nearest to a settings module.
fn beside(roots: &Roots<'_>, settings: &str) -> Option<String> {
    let mut package = settings;
    while let Some((above, _)) = package.rsplit_once('.') {
        let module = format!("{above}.wsgi");
        if roots.file_of(&module).is_some() {
            return Some(module);
        }
        package = above;
    }
    roots.file_of("wsgi").map(|_| "wsgi".to_owned())
}

/// The `wsgi` module of the only package that has one.
fn only(roots: &Roots<'_>) -> Option<String> {
    let mut found = Vec::new();
    for folder in roots.folders() {
        for (package, path) in modules_in(&folder) {
            if path.join("wsgi.py").is_file() {
                found.push(format!("{package}.wsgi"));
            }
        }
    }
    found.dedup();
    <[String; 1]>::try_from(found).ok().map(|[only]| only)
}

pub fn application(
    roots: &Roots<'_>,
    config: &Config,
    overrides: &Overrides,
    settings: &str,
    text: &SettingsText,
) -> Result<Found<String>, ProjectError> {
    if let Some(wsgi) = &overrides.wsgi {
        return Ok(Found::new(wsgi.clone(), "the command line"));
    }
    if let Some(wsgi) = &config.project.wsgi {
        return Ok(Found::new(wsgi.clone(), config.place("project.wsgi")));
    }
    let mut looked = Vec::new();
    if let Some((application, place)) = text.text("WSGI_APPLICATION") {
        let place = format!("{}, line {}", disk::shown(roots.root, &place.file), place.line);
        match application.rsplit_once('.') {
            Some((module, _)) if roots.owns_package_of(module) && roots.file_of(module).is_none() => {
                looked.push(format!("there is no module `{module}`, which {place} names"));
            }
            Some((module, callable)) => return Ok(Found::new(format!("{module}:{callable}"), place)),
            None => looked.push(format!("{place} gives no `package.module.callable`")),
        }
    } else {
        looked.push(format!("`{settings}` has no literal WSGI_APPLICATION"));
    }
    let Some(module) = beside(roots, settings).or_else(|| only(roots)) else {
        looked.push("there is no `wsgi.py` beside the settings".to_owned());
        return Err(ProjectError::NoWsgi { looked });
    };
    let file = roots.file_of(&module).expect("found among the files above");
    let shown = disk::shown(roots.root, &file);
    let statements = source::read(&file).map_err(|source| disk::unreadable(&file, source))?;
    match callable(&statements) {
        Some((name, line)) => Ok(Found::new(format!("{module}:{name}"), format!("{shown}, line {line}"))),
        None => {
            looked.push(format!("`{shown}` has no `application`"));
            Err(ProjectError::NoWsgi { looked })
        }
    }
}

/// The application in a `wsgi.py`: `application`, by assignment, import or definition, or whatever else
/// `get_wsgi_application()` is assigned to.
fn callable(statements: &[Statement]) -> Option<(String, usize)> {
    let introduces = |statement: &&Statement| {
        let tokens = statement.tokens.as_slice();
        let named = |at: usize| tokens.get(at).is_some_and(|token| token.is_name("application"));
        let first = |word: &str| tokens.first().is_some_and(|token| token.is_name(word));
        (named(0) && tokens.iter().any(|token| token.is_mark('=')))
            || (first("def") && named(1))
            || (first("from")
                && tokens.last().is_some_and(|token| token.is_name("application") || token.is_mark(')'))
                && tokens.iter().rev().take(3).any(|token| token.is_name("application")))
    };
    if let Some(statement) = statements.iter().find(introduces) {
        return Some(("application".to_owned(), statement.line));
    }
    statements.iter().find_map(|statement| match statement.tokens.as_slice() {
        [target, equals, call, ..] if equals.is_mark('=') && call.is_name("get_wsgi_application") => {
            let Kind::Name(name) = &target.kind else { return None };
            Some((name.clone(), statement.line))
        }
        _ => None,
    })
}
