//! The options of all commands that select packages.

use std::path::PathBuf;

use crate::project::Overrides;

/// Which packages, and where they come from.
#[derive(Debug, Default, clap::Args)]
pub struct Packages {
    /// An extra of the project's own dependencies; give it once for each [adds to `[packages] extras`]
    #[arg(long, value_name = "NAME")]
    extra: Vec<String>,
    /// A dependency group that belongs to production; give it once for each [adds to `[packages] groups`]
    #[arg(long, value_name = "NAME")]
    group: Vec<String>,
    /// A folder of wheels to take packages from, beside the index; give it once for each [adds to `[packages]
    /// find-links`]
    #[arg(long, value_name = "DIR")]
    find_links: Vec<PathBuf>,
    /// Never ask the package index: all packages come from the folders of wheels and from the cache
    #[arg(long)]
    offline: bool,
}

impl Packages {
    pub fn overrides(self) -> Overrides {
        let Packages { extra, group, find_links, offline } = self;
        Overrides { extras: extra, groups: group, find_links, offline, ..Overrides::default() }
    }
}
