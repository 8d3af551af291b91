//! The folder of uploads that the web server hands out. It holds a `web.config` of ours, which the site's processes can
//! read and not change: the name is taken, so no upload gets it, and IIS looks for no other one below it
//! (`allowSubDirConfig`). What may be done with uploads stands in the web root, where nobody uploads anything.

use std::io;
use std::path::{Path, PathBuf};

use super::iis::web_config::{self, TemplateError};
use super::secrets::Sid;
use super::settings::SiteSettings;
use super::{Place, rights};
use crate::archive::{Aspect, Difference};
use crate::durable::Disk;
use crate::recipe::Template;

/// The file that is to lie there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaConfig {
    pub path: PathBuf,
    /// In the words of Windows.
    pub rights: String,
    bytes: Vec<u8>,
    /// Below the site's folder.
    name: String,
}

/// How the file stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    Right,
    Missing,
    /// Somebody else has written it: an upload of before the folder was named as one, perhaps.
    Foreign,
}

impl MediaConfig {
    /// That of the site with its folder at `site`; of one whose uploads the project itself hands out, none.
    pub fn of(
        settings: &SiteSettings,
        site: &Path,
        template: &Template,
    ) -> Result<Option<MediaConfig>, TemplateError> {
        let Some(media) = &settings.media else { return Ok(None) };
        let pool = Sid::of_pool(&settings.pool_name());
        Ok(Some(MediaConfig {
            path: Place::media(site, media).join("web.config"),
            rights: rights::of_config(&pool),
            bytes: web_config::media(template)?.into_bytes(),
            name: format!("shared/{}/web.config", media.folder),
        }))
    }

    /// Looks at the file. What cannot be read is not ours.
    pub fn standing(&self) -> Standing {
        match fs_err::symlink_metadata(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Standing::Missing,
            Ok(metadata)
                if metadata.is_file() && fs_err::read(&self.path).is_ok_and(|bytes| bytes == self.bytes) =>
            {
                Standing::Right
            }
            _ => Standing::Foreign,
        }
    }

    /// What is to be said of it when it is not right.
    pub fn difference(&self) -> Option<Difference> {
        let path = self.name.clone();
        match self.standing() {
            Standing::Right => None,
            Standing::Missing => Some(Difference::Missing { path }),
            Standing::Foreign => Some(Difference::Differs { path, what: Aspect::Content }),
        }
    }

    /// Writes it, whole and durable, in the place of what is there.
    pub fn write(&self, disk: &Disk) -> io::Result<()> {
        if let Some(folder) = self.path.parent() {
            disk.create_folders(folder)?;
        }
        disk.replace_guarded(&self.path, &self.rights, &self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::Recipes;

    fn of(site: &Path, text: &str) -> Option<MediaConfig> {
        let text = format!("name = 'shop'\n{text}");
        let settings = SiteSettings::parse(&text, Path::new("site.toml")).unwrap();
        MediaConfig::of(&settings, site, &Recipes::read(None).unwrap().iis.media_config).unwrap()
    }

    #[test]
    fn what_is_not_ours_is_seen_and_becomes_ours() {
        let site = tempfile::tempdir().unwrap();
        assert_eq!(of(site.path(), ""), None);
        let config = of(site.path(), "[media]\nurl = '/media/'\nfolder = 'up/loads'").unwrap();
        assert_eq!(config.path, site.path().join("shared").join("up").join("loads").join("web.config"));
        assert_eq!(config.standing(), Standing::Missing);
        assert_eq!(config.difference().unwrap().to_string(), "missing  shared/up/loads/web.config");
        let disk = Disk::default();
        config.write(&disk).unwrap();
        assert_eq!((config.standing(), config.difference()), (Standing::Right, None));
        fs_err::write(&config.path, "<configuration><evil /></configuration>").unwrap();
        assert_eq!(config.standing(), Standing::Foreign);
        config.write(&disk).unwrap();
        assert_eq!(config.standing(), Standing::Right);
        #[cfg(unix)]
        {
            let elsewhere = site.path().join("elsewhere");
            fs_err::rename(&config.path, &elsewhere).unwrap();
            fs_err::os::unix::fs::symlink(&elsewhere, &config.path).unwrap();
            assert_eq!(config.standing(), Standing::Foreign, "what a link names may be changed by anybody");
        }
    }

    #[test]
    fn the_pool_reads_it_and_changes_nothing() {
        let config = of(Path::new("/srv/shop"), "[media]\nurl = '/media/'").unwrap();
        let pool =
            Sid::of_pool(&SiteSettings::named(crate::manifest::SiteName::parse("shop").unwrap()).pool_name());
        assert_eq!(config.rights, format!("D:P(A;;FA;;;SY)(A;;FA;;;BA)(A;;FR;;;{})", pool.as_str()));
        let text = String::from_utf8(config.bytes).unwrap();
        let (_, body) = text.split_once("<configuration>").unwrap();
        assert_eq!(body.trim(), "</configuration>", "what is locked above may not be named here");
    }
}
