//! The project's `pyproject.toml`, which may be missing, incomplete, or there for other tools only.

use std::path::{Path, PathBuf};

use super::Found;
use super::disk;
use super::error::ProjectError;

#[derive(Debug, Clone)]
pub struct Pyproject {
    pub path: PathBuf,
    pub shown: String,
    table: toml::Table,
}

impl Pyproject {
    /// Those of the folder of `manage.py` and of the root, in this order, if they are there.
    pub fn find(root: &Path, folders: &[PathBuf]) -> Result<Vec<Pyproject>, ProjectError> {
        let mut found = Vec::new();
        for folder in folders {
            let path = folder.join("pyproject.toml");
            if let Some(table) = disk::toml(root, &path)? {
                found.push(Pyproject { shown: disk::shown(root, &path), path, table });
            }
        }
        Ok(found)
    }

    pub fn value(&self, key: &str) -> Option<&toml::Value> {
        disk::lookup(&self.table, key)
    }

    /// The first of `keys` that holds a text which is not empty.
    pub fn text(&self, keys: &[&str]) -> Option<Found<String>> {
        keys.iter().find_map(|key| {
            let text = self.value(key)?.as_str().filter(|text| !text.is_empty())?;
            Some(Found::new(text.to_owned(), format!("{}, key `{key}`", self.shown)))
        })
    }

    /// Whether `[project]` lists dependencies itself.
    pub fn lists_dependencies(&self) -> bool {
        self.value("project.dependencies")
            .and_then(toml::Value::as_array)
            .is_some_and(|list| !list.is_empty())
    }

    /// Whether `[project]` leaves its dependencies to the build backend.
    pub fn has_dynamic_dependencies(&self) -> bool {
        let dynamic = self.value("project.dynamic").and_then(toml::Value::as_array);
        dynamic.is_some_and(|dynamic| dynamic.iter().any(|name| name.as_str() == Some("dependencies")))
    }

    /// The requirements files from which setuptools takes the dependencies.
    pub fn dynamic_requirements(&self) -> Vec<PathBuf> {
        let files = match self.value("tool.setuptools.dynamic.dependencies.file") {
            Some(toml::Value::Array(files)) => files.iter().filter_map(toml::Value::as_str).collect(),
            Some(toml::Value::String(file)) => vec![file.as_str()],
            _ => Vec::new(),
        };
        files.into_iter().map(|file| self.path.with_file_name(file)).collect()
    }
}
