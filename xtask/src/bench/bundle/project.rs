//! The project that is bundled: a real Django project with the packages of a usual business site, 300 modules of its
//! own and 20 MB of static files. It is made from a seed, so that every machine has the same bytes.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Everything that is installed, pinned, so that a run next month bundles the same tree.
const PINS: &str = include_str!("pins.txt");

/// The one wheel that is new after a dependency bump: in `PINS`, and then.
const BUMP: (&str, &str) = ("django==5.2.19", "django==5.2.18");

const APPS: usize = 30;
const MODULES: [&str; 10] =
    ["models", "views", "forms", "admin", "urls", "tasks", "services", "serializers", "signals", "reports"];
const SHEETS: usize = 600;
const PICTURES: usize = 100;

const SETTINGS: &str = r#"from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent
SECRET_KEY = "only measured, never served"
ALLOWED_HOSTS = ["*"]
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
]
ROOT_URLCONF = "shop.urls"
WSGI_APPLICATION = "shop.wsgi.application"
DATABASES = {"default": {"ENGINE": "django.db.backends.postgresql", "NAME": "shop"}}
STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "collected"
STATICFILES_DIRS = [BASE_DIR / "assets"]
USE_TZ = True
"#;

const MANAGE: &str = r#"import os
import sys

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)
"#;

/// One page, so that there is something to ask for.
const URLS: &str = r#"from django.http import HttpResponse
from django.urls import path

urlpatterns = [path("", lambda request: HttpResponse("open"))]
"#;

const WSGI: &str = r#"import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
application = get_wsgi_application()
"#;

const WORDS: [&str; 40] = [
    "color",
    "margin",
    "padding",
    "border",
    "display",
    "position",
    "background",
    "transform",
    "transition",
    "opacity",
    "function",
    "return",
    "const",
    "document",
    "element",
    "listener",
    "value",
    "index",
    "button",
    "header",
    "footer",
    "content",
    "container",
    "widget",
    "active",
    "hover",
    "focus",
    "disabled",
    "visible",
    "hidden",
    "left",
    "right",
    "center",
    "solid",
    "inherit",
    "relative",
    "absolute",
    "flex",
    "grid",
    "block",
];

/// The project on disk.
pub struct Project {
    pub folder: PathBuf,
}

impl Project {
    /// Writes the project into the empty or missing folder `folder`.
    pub fn write(folder: &Path) -> anyhow::Result<Project> {
        let project = Project { folder: folder.to_owned() };
        project.put("manage.py", MANAGE)?;
        project.put("shop/__init__.py", "")?;
        project.put("shop/settings.py", SETTINGS)?;
        project.put("shop/urls.py", URLS)?;
        project.put("shop/wsgi.py", WSGI)?;
        let mut random = Random(1);
        for app in 0..APPS {
            project.put(&format!("shop/area{app:02}/__init__.py"), "")?;
            for module in MODULES {
                project.put(&format!("shop/area{app:02}/{module}.py"), random.module(6_000))?;
            }
        }
        for sheet in 0..SHEETS {
            let kind = if sheet % 2 == 0 { "css" } else { "js" };
            let size = 2_000 + random.below(30_000);
            project.put(&format!("assets/{kind}/part{sheet:03}.{kind}"), random.sheet(size))?;
        }
        for picture in 0..PICTURES {
            let size = 20_000 + random.below(160_000);
            project.put(&format!("assets/pictures/{picture:03}.png"), random.picture(size))?;
        }
        project.pin(false)?;
        Ok(project)
    }

    /// Pins the packages: as they were, or with one wheel of another version.
    pub fn pin(&self, bumped: bool) -> anyhow::Result<()> {
        let pins = if bumped { PINS.replace(BUMP.0, BUMP.1) } else { PINS.to_owned() };
        self.put("requirements.txt", pins)
    }

    /// Changes one module; `times` makes each change another.
    pub fn change_module(&self, times: usize) -> anyhow::Result<()> {
        let text = format!("{}# change {times}\n", Random(2).module(6_000));
        self.put("shop/area07/views.py", text)
    }

    /// Changes one static file.
    pub fn change_static_file(&self, times: usize) -> anyhow::Result<()> {
        let text = format!("{}/* change {times} */\n", Random(3).sheet(20_000));
        self.put("assets/css/part300.css", text)
    }

    fn put(&self, name: &str, content: impl AsRef<[u8]>) -> anyhow::Result<()> {
        let path = self.folder.join(name);
        fs_err::create_dir_all(path.parent().expect("a file of the project lies in a folder"))?;
        Ok(fs_err::write(path, content)?)
    }
}

/// SplitMix64: the same numbers everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    fn word(&mut self) -> &'static str {
        WORDS[self.below(WORDS.len())]
    }

    /// Python of about `size` bytes.
    fn module(&mut self, size: usize) -> String {
        let mut text = String::from("\"\"\"Made for the benchmark.\"\"\"\n");
        while text.len() < size {
            let (name, argument, number) = (self.word(), self.word(), self.below(10_000));
            writeln!(text, "\n\ndef {name}_{number}({argument}_value, *others):")
                .expect("a string takes every line");
            for _ in 0..self.below(6) + 1 {
                let (left, right, number) = (self.word(), self.word(), self.below(1000));
                writeln!(
                    text,
                    "    {left}_{number} = ({argument}_value, \"{right} {left}\", {number}, others)"
                )
                .expect("a string takes every line");
            }
            writeln!(text, "    return {argument}_value").expect("a string takes every line");
        }
        text
    }

    /// A style sheet or script of about `size` bytes.
    fn sheet(&mut self, size: usize) -> String {
        let mut text = String::with_capacity(size + 100);
        while text.len() < size {
            let (a, b, c, d) = (self.word(), self.word(), self.word(), self.word());
            let (m, n) = (self.below(100), self.below(1 << 24));
            writeln!(text, ".{a}-{b} .{c} {{ {d}: {m}px; {b}: #{n:06x}; }}")
                .expect("a string takes every line");
        }
        text
    }

    /// What a compressor takes for a picture: a PNG's first bytes, then noise.
    fn picture(&mut self, size: usize) -> Vec<u8> {
        let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
        while bytes.len() < size {
            bytes.extend(self.next().to_le_bytes());
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::bundle::report::Tree;

    #[test]
    fn the_project_is_the_same_wherever_it_is_written() -> anyhow::Result<()> {
        let [one, other] = [tempfile::tempdir()?, tempfile::tempdir()?];
        Project::write(one.path())?;
        Project::write(other.path())?;
        let tree = Tree::of(one.path())?;
        assert_eq!(tree, Tree::of(other.path())?);
        assert_eq!(tree.files as usize, 6 + APPS * (MODULES.len() + 1) + SHEETS + PICTURES);
        assert!((18_000_000..24_000_000).contains(&tree.bytes), "{tree:?}");
        for name in ["shop/area00/models.py", "assets/js/part599.js", "assets/pictures/099.png"] {
            assert!(fs_err::read(one.path().join(name))? == fs_err::read(other.path().join(name))?, "{name}");
        }
        Ok(())
    }

    #[test]
    fn each_change_makes_another_file_and_the_bump_another_lock() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let project = Project::write(folder.path())?;
        let read = |name: &str| fs_err::read(folder.path().join(name));
        let (lock, module, sheet) =
            (read("requirements.txt")?, read("shop/area07/views.py")?, read("assets/css/part300.css")?);
        project.change_module(1)?;
        project.change_static_file(1)?;
        project.pin(true)?;
        let (bumped, once) = (read("requirements.txt")?, read("shop/area07/views.py")?);
        assert!(bumped != lock && once != module && read("assets/css/part300.css")? != sheet);
        project.change_module(2)?;
        project.pin(false)?;
        assert!(read("shop/area07/views.py")? != once && read("requirements.txt")? == lock);
        Ok(())
    }
}
