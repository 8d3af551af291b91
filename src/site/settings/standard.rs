//! What holds unless `site.toml` says otherwise.

use std::collections::BTreeMap;

use super::{Hook, Hooks, Logs, Pool, Position, Probe, Releases, Requests, SiteSettings, StaticFiles};
use crate::manifest::SiteName;

impl SiteSettings {
    /// A site of its own with nothing but a name.
    pub fn named(name: SiteName) -> SiteSettings {
        SiteSettings {
            name,
            position: Position::Own { bindings: Vec::new() },
            pool: Pool::default(),
            fastcgi: BTreeMap::new(),
            early: BTreeMap::new(),
            environment: BTreeMap::new(),
            hooks: Hooks {
                before: vec![Hook::migrate()],
                after: Vec::new(),
                backup: Vec::new(),
                timeout: 600,
            },
            probe: Probe { paths: Vec::new(), status: vec![200], timeout: 30, warm: None },
            releases: Releases { keep: 3, drain: None },
            limits: BTreeMap::new(),
            requests: Requests { attributes: BTreeMap::new(), header: true },
            static_files: StaticFiles {
                cache_days: 365,
                cache_control: "public".to_owned(),
                unhashed_cache_days: 0,
                mime_types: BTreeMap::new(),
            },
            media: None,
            authentication: None,
            trusted_proxies: Vec::new(),
            compression: BTreeMap::new(),
            headers: BTreeMap::new(),
            services: BTreeMap::new(),
            logs: Logs { keep_days: 30, max_megabytes: 500 },
        }
    }
}
