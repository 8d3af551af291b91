//! Where the parts of a site lie on one machine. Computes paths and makes the folders that a running
//! release needs; it never touches the release itself.

use std::io;
use std::path::{Path, PathBuf};

use crate::digest::Sha256;
use crate::durable::Disk;
use crate::manifest::Manifest;
use crate::release::{Complete, ReleaseId};
use crate::site::settings::Media;

/// The file that the bridge reads, in the folder of what may change while a release lives.
pub const BRIDGE_TOML: &str = "bridge.toml";

/// One release of one site, and the site's folders around it.
#[derive(Debug, Clone)]
pub struct Place {
    pub manifest: Manifest,
    /// `<root>/<site>`
    pub site: PathBuf,
    /// The release's name below `releases/` and `run/`.
    pub id: ReleaseId,
    /// The expanded bundle: unchanged once complete. Mostly `<root>/<site>/releases/<id>`.
    pub release: PathBuf,
}

impl Place {
    /// The place below `root` of a bundle with this manifest and identity, under the bundle's own name.
    pub fn below(root: &Path, manifest: Manifest, identity: Sha256) -> Place {
        let site = root.join(manifest.name.as_str());
        let id = ReleaseId::new(&manifest.version, &identity);
        Place { release: site.join("releases").join(&id), manifest, site, id }
    }

    /// The place of a release of the site whose folder is `site`, wherever the release lies.
    pub fn of(site: &Path, complete: &Complete) -> Place {
        let (manifest, release) = (complete.release.manifest.clone(), complete.root().to_owned());
        Place { manifest, site: site.to_owned(), id: complete.id.clone(), release }
    }

    /// The same with a release that lies elsewhere.
    pub fn adopting(self, release: impl Into<PathBuf>) -> Place {
        Place { release: release.into(), ..self }
    }

    /// What may change while the release lives: its `bridge.toml`.
    pub fn run(&self) -> PathBuf {
        self.site.join("run").join(&self.id)
    }

    /// What the project writes: kept from release to release.
    pub fn shared(&self) -> PathBuf {
        self.site.join("shared")
    }

    /// For temporary files of the site's processes.
    pub fn tmp(&self) -> PathBuf {
        self.shared().join("tmp")
    }

    /// The folder of uploads of the site with its folder at `site`.
    pub fn media(site: &Path, media: &Media) -> PathBuf {
        media.folder.split('/').fold(site.join("shared"), |folder, part| folder.join(part))
    }

    /// All that the web server may show.
    pub fn www(&self) -> PathBuf {
        self.release.join("www")
    }

    /// The file that the bridge reads.
    pub fn bridge_toml(&self) -> PathBuf {
        self.run().join(BRIDGE_TOML)
    }

    /// Makes the folders around the release, and those of what the project writes.
    ///
    /// Durable, as much as what is put into them: a file is lost with its folder.
    pub fn make_folders(&self, disk: &Disk) -> io::Result<()> {
        let shared = self.shared();
        disk.create_folders(&self.run())?;
        for folder in ["databases", "logs", "media", "tmp"] {
            disk.create_folders(&shared.join(folder))?;
        }
        for written in self.manifest.site.paths.values() {
            // Whether it is a file (a database) or a folder (media) only the project knows: SQLite makes a
            // file and Django a folder, as long as the folder above is there.
            let path = written.split('/').fold(shared.clone(), |path, part| path.join(part));
            if let Some(above) = path.parent() {
                disk.create_folders(above)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A release of a small site below `root`.
    pub(crate) fn guestbook(root: &Path) -> Place {
        let manifest = serde_json::from_value(serde_json::json!({
            "format": 1, "name": "guestbook", "version": "1.0.0", "target": "linux-x86_64",
            "python": {
                "version": "3.12.4",
                "program": "python/bin/python3.12",
                "site_packages": "python/lib/python3.12/site-packages",
            },
            "portable": true,
            "django": {
                "version": "5.2",
                "settings": "guestbook.settings",
                "wsgi": "guestbook.wsgi:application",
                "manage": "app/manage.py",
            },
            "site": {
                "static_url": "/static/", "static_root": "www/static", "hashed_static": true, "environment": [],
                "health": "/", "paths": { "app/db.sqlite3": "databases/inner/db.sqlite3" }, "migrations": {},
                "services": [],
            },
            "longest_path": 80,
            "lock": "0".repeat(64), "bridge": "0".repeat(64), "holdall": "0".repeat(64),
            "layers": [],
        }));
        Place::below(root, manifest.unwrap(), "0123abcd".repeat(8).parse().unwrap())
    }

    #[test]
    fn the_folders_of_what_the_project_writes_are_made() {
        let root = tempfile::tempdir().unwrap();
        let place = guestbook(root.path());
        place.make_folders(&Disk::default()).unwrap();
        assert!(place.shared().join("databases/inner").is_dir());
        assert!(!place.shared().join("databases/inner/db.sqlite3").exists());
        assert!(place.tmp().is_dir() && place.run().is_dir() && !place.release.exists());
    }
}
