//! From configuration paths to folders: applications, virtual directories, and the `web.config` files on the way.

use std::path::PathBuf;

use crate::config::{Application, Config, Violation, VirtualDirectory, WebConfig, canonical, levels};
use crate::lab::Paths;

/// The virtual directory that a path is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapped {
    pub application: Application,
    pub directory: VirtualDirectory,
    /// What of the path lies below the virtual directory, without a slash at its ends.
    pub below: String,
}

impl Mapped {
    /// The folder, if it is a path of this machine.
    pub fn folder(&self, paths: &Paths) -> PathBuf {
        let root = paths.located(&self.directory.physical_path);
        self.below.split('/').filter(|part| !part.is_empty()).fold(root, |folder, part| folder.join(part))
    }
}

/// Where a path (`Site/app/folder`) lies: the deepest application, and in it the deepest virtual directory.
pub fn mapped(config: &Config, path: &str) -> Option<Mapped> {
    let path = canonical(path);
    let (site, rest) = path.split_once('/').unwrap_or((path, ""));
    let site = config.site(site)?;
    let rest = format!("/{rest}");
    let (application, rest) = site
        .applications
        .into_iter()
        .filter_map(|application| Some((below(&rest, &application.path)?.to_owned(), application)))
        .min_by_key(|(rest, _)| rest.len())
        .map(|(rest, application)| (application, format!("/{rest}")))?;
    let (directory, below) = application
        .virtual_directories
        .iter()
        .filter_map(|directory| Some((directory, below(&rest, &directory.path)?.to_owned())))
        .min_by_key(|(_, rest)| rest.len())
        .map(|(directory, rest)| (directory.clone(), rest))?;
    Some(Mapped { application, directory, below })
}

/// The `web.config` files that count for a path, from the site's root down. Below a virtual directory that doesn't
/// allow it only the one in its root counts.
pub fn web_configs(config: &Config, paths: &Paths, path: &str) -> Result<Vec<WebConfig>, Violation> {
    let mut files = Vec::new();
    for level in levels(path).into_iter().skip(1) {
        let Some(mapped) = mapped(config, level) else { continue };
        if !mapped.below.is_empty() && !mapped.directory.allow_sub_dir_config {
            continue;
        }
        files.extend(WebConfig::load(level, &mapped.folder(paths).join("web.config"))?);
    }
    Ok(files)
}

/// What of `/a/b/c` is below `/a`; none when it isn't. Paths are the same in any case of letters.
fn below<'a>(path: &'a str, above: &str) -> Option<&'a str> {
    let above = above.trim_end_matches('/');
    let head = path.get(..above.len())?;
    if head.to_lowercase() != above.to_lowercase() {
        return None;
    }
    path[above.len()..].strip_prefix('/').or((path.len() == above.len()).then_some(""))
}
