//! What a Django project's own settings say of the log: FCGI_LOG, FCGI_LOG_PATH and FCGI_DEBUG, as older ways to run Django
//! behind IIS had it. They are looked for once the application is imported, and nothing is imported for it.

use std::path::PathBuf;

use pyo3::prelude::*;

/// What is asked for there.
#[derive(Debug, Default)]
pub struct Recipe {
    /// Where each process writes a log of its own.
    pub folder: Option<PathBuf>,
    /// The records that pass are told.
    pub debug: bool,
}

/// Reads the settings of the project, if it has any.
pub fn recipe(py: Python<'_>) -> PyResult<Recipe> {
    let modules = py.import("sys")?.getattr("modules")?;
    let module = modules.call_method1("get", ("django.conf",))?;
    if module.is_none() {
        return Ok(Recipe::default());
    }
    let settings = module.getattr("settings")?;
    // A project that has not used its settings yet may set them up in its own way later.
    if !settings.getattr("configured")?.is_truthy()? {
        return Ok(Recipe::default());
    }
    let is_set = |name: &str| settings.getattr_opt(name)?.map_or(Ok(false), |value| value.is_truthy());
    let path = |name: &str| -> PyResult<Option<PathBuf>> {
        let value = settings.getattr_opt(name)?.filter(|value| !value.is_none());
        value.map(|value| value.extract()).transpose()
    };
    let folder = match is_set("FCGI_LOG")? {
        true => {
            // The web server may have started this anywhere.
            let root = path("BASE_DIR")?.unwrap_or_default();
            Some(path("FCGI_LOG_PATH")?.map_or_else(|| root.clone(), |folder| root.join(folder)))
        }
        false => None,
    };
    Ok(Recipe { folder, debug: is_set("FCGI_DEBUG")? })
}
