//! The project's configuration: `holdall.toml`, or `[tool.holdall]` of `pyproject.toml`.
//!
//! Everything in it is optional, and what it says is checked here once: an unknown key, a wrong type or a
//! path that leaves the project is an error that names the file and the key.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::disk;
use super::error::ProjectError;
use super::keys::Keys;
use super::services;
use super::wanted::PythonWanted;
use crate::manifest::{SiteName, Version};
use crate::service::Service;
use crate::target::Target;

/// The configuration's own file.
pub const CONFIG: &str = "holdall.toml";

/// The file's content, key by key. Paths are relative to the project's root unless said otherwise.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Config {
    pub name: Option<SiteName>,
    pub version: Option<Version>,
    pub target: Option<Target>,
    pub project: ProjectKeys,
    pub packages: PackagesKeys,
    pub runtime: RuntimeKeys,
    pub build: BuildKeys,
    pub env: EnvKeys,
    pub files: Files,
    #[serde(skip_serializing_if = "IisKeys::is_unset")]
    pub iis: IisKeys,
    /// What the project writes -> path below `shared/`. The left side is a path relative to the project's
    /// root, or the name of a setting.
    pub paths: BTreeMap<String, String>,
    /// The tables `[[service]]`.
    #[serde(rename = "service", skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<Service>,
    /// The file read, if there is one.
    #[serde(skip)]
    pub source: Option<ConfigSource>,
}

/// The table `[project]`.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ProjectKeys {
    pub manage: Option<PathBuf>,
    pub settings: Option<String>,
    pub wsgi: Option<String>,
    pub python: Option<PythonWanted>,
    pub python_path: Vec<PathBuf>,
    /// The path that a probe asks for, `/` unless set.
    pub health: Option<String>,
}

/// The table `[packages]`.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct PackagesKeys {
    pub requirements: Vec<PathBuf>,
    pub lock: Option<PathBuf>,
    pub extras: Vec<String>,
    pub groups: Vec<String>,
    /// Folders of wheels, absolute.
    #[serde(rename = "find-links")]
    pub find_links: Vec<PathBuf>,
    /// Whether the package index is never asked.
    pub offline: bool,
    /// Whether the project itself is a package of its bundle; decided by its `pyproject.toml` unless set.
    pub project: Option<bool>,
    /// Whether packages are bundled without what no site reads; yes unless set.
    pub prune: Option<bool>,
    /// Packages of which nothing is left out.
    pub whole: Vec<String>,
}

/// The table `[runtime]`.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct RuntimeKeys {
    pub from: Option<RuntimeFrom>,
}

/// Where the runtime comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RuntimeFrom {
    /// The Python of this machine.
    Host,
    /// An archive or folder, absolute.
    Path(PathBuf),
}

/// The table `[build]`.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct BuildKeys {
    /// The settings module used while bundling, when it is not the one that is served.
    pub settings: Option<String>,
    #[serde(rename = "static")]
    pub static_files: StaticFiles,
    /// Whether modules are compiled while bundling; `true` unless set.
    pub bytecode: Option<bool>,
    /// `[build.env]`: environment variables set while bundling. They do not enter the bundle, nor what is printed.
    #[serde(skip)]
    pub env: BTreeMap<String, String>,
}

/// Where the static files come from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum StaticFiles {
    /// `collectstatic` gathers them (`static = true`).
    #[default]
    Collect,
    /// The bundle has none (`static = false`).
    None,
    /// They lie ready in this folder, relative to the project's root (`static = "prebuilt/"`).
    Prebuilt(PathBuf),
}

/// The table `[env]`.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct EnvKeys {
    /// Names of the environment variables without which the project does not start.
    pub required: Vec<String>,
}

/// The table `[files]`: globs over paths relative to the project's root.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Files {
    pub include: Vec<String>,
    pub exclude: Vec<String>,
    pub executable: Vec<String>,
}

/// The table `[iis]`.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct IisKeys {
    /// The project's own `web.config`.
    #[serde(rename = "web-config")]
    pub web_config: Option<PathBuf>,
}

impl IisKeys {
    fn is_unset(&self) -> bool {
        self.web_config.is_none()
    }
}

/// The file that a configuration was read from.
#[derive(Debug, Clone, PartialEq)]
pub struct ConfigSource {
    pub path: PathBuf,
    /// How people are told of it, relative to the project's root: `holdall.toml`.
    pub shown: String,
    /// What stands before each key in this file: empty, or `tool.holdall.`.
    pub prefix: &'static str,
    /// The table as written.
    pub table: toml::Table,
}

impl Config {
    /// Reads and checks what `source` says; without one everything is left to discovery.
    pub(super) fn read(source: Option<ConfigSource>, root: &Path) -> Result<Config, ProjectError> {
        let Some(source) = source else { return Ok(Config::default()) };
        let keys = Keys::check(&source)?;
        let build_env = keys.variables("build.env")?;
        if !build_env.is_empty() && !source.prefix.is_empty() {
            let place = format!("{}, table `{}build.env`", source.shown, source.prefix);
            return Err(ProjectError::BundledValues { place });
        }
        let config = Config {
            name: keys.parsed("name", SiteName::parse)?,
            version: keys.parsed("version", Version::parse)?,
            target: keys.parsed("target", str::parse)?,
            project: ProjectKeys {
                manage: keys.path("project.manage")?,
                settings: keys.module("project.settings")?,
                wsgi: keys.callable("project.wsgi")?,
                python: keys.parsed("project.python", str::parse)?,
                python_path: keys.paths("project.python_path")?,
                health: keys.url_path("project.health")?,
            },
            packages: PackagesKeys {
                requirements: keys.paths("packages.requirements")?,
                lock: keys.path("packages.lock")?,
                extras: keys.texts("packages.extras")?,
                groups: keys.texts("packages.groups")?,
                find_links: keys.folders("packages.find-links", root)?,
                offline: keys.flag("packages.offline")?.unwrap_or(false),
                project: keys.flag("packages.project")?,
                prune: keys.flag("packages.prune")?,
                whole: keys.texts("packages.whole")?,
            },
            runtime: RuntimeKeys {
                from: keys.text("runtime.from")?.map(|from| match from {
                    "host" => RuntimeFrom::Host,
                    path => RuntimeFrom::Path(root.join(path)),
                }),
            },
            build: BuildKeys {
                settings: keys.module("build.settings")?,
                static_files: keys.static_files("build.static")?,
                bytecode: keys.flag("build.bytecode")?,
                env: build_env,
            },
            env: EnvKeys { required: keys.variable_names("env.required")? },
            files: Files {
                include: keys.globs("files.include")?,
                exclude: keys.globs("files.exclude")?,
                executable: keys.globs("files.executable")?,
            },
            iis: IisKeys { web_config: keys.path("iis.web-config")? },
            paths: keys.mapping("paths")?,
            services: services::read(&keys)?,
            source: None,
        };
        Ok(Config { source: Some(source), ..config })
    }

    /// Names a key and its file, for messages: "holdall.toml, key `project.settings`".
    pub fn place(&self, key: &str) -> String {
        match &self.source {
            Some(source) => source.place(key),
            None => format!("{CONFIG}, key `{key}`"),
        }
    }

    /// Names a key and its file, for what to do: "`project.settings` in `holdall.toml`".
    pub fn key(&self, key: &str) -> String {
        match &self.source {
            Some(source) => format!("`{}{key}` in `{}`", source.prefix, source.shown),
            None => format!("`{key}` in `{CONFIG}`"),
        }
    }

    /// The path that a probe asks for.
    pub fn health(&self) -> &str {
        self.project.health.as_deref().unwrap_or("/")
    }
}

impl ConfigSource {
    /// The configuration in one folder of the project.
    pub(super) fn find(root: &Path, folder: &Path) -> Result<Option<ConfigSource>, ProjectError> {
        let own = folder.join(CONFIG);
        let own = disk::toml(root, &own)?.map(|table| ConfigSource {
            shown: disk::shown(root, &own),
            path: own,
            prefix: "",
            table,
        });
        let pyproject = folder.join("pyproject.toml");
        let table = disk::toml(root, &pyproject)?;
        let table = match table.as_ref().and_then(|table| disk::lookup(table, "tool.holdall")) {
            Some(toml::Value::Table(table)) => Some(table.clone()),
            Some(_) => {
                return Err(ProjectError::WrongType {
                    place: format!("{}, key `tool.holdall`", disk::shown(root, &pyproject)),
                    found: "no table",
                    expected: "a table",
                    example: "[tool.holdall]".to_owned(),
                });
            }
            None => None,
        };
        let shared = table.map(|table| ConfigSource {
            shown: disk::shown(root, &pyproject),
            path: pyproject,
            prefix: "tool.holdall.",
            table,
        });
        ConfigSource::only(own, shared)
    }

    /// The one of two that is there. Two would leave open which of them counts.
    pub(super) fn only(
        first: Option<ConfigSource>,
        second: Option<ConfigSource>,
    ) -> Result<Option<ConfigSource>, ProjectError> {
        match (first, second) {
            (Some(first), Some(second)) => {
                Err(ProjectError::TwoConfigs { first: first.title(), second: second.title() })
            }
            (first, second) => Ok(first.or(second)),
        }
    }

    pub(super) fn place(&self, key: &str) -> String {
        format!("{}, key `{}{key}`", self.shown, self.prefix)
    }

    fn title(&self) -> String {
        match self.prefix {
            "" => format!("`{}`", self.shown),
            prefix => format!("`[{}]` in `{}`", prefix.trim_end_matches('.'), self.shown),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(text: &str) -> Result<Config, ProjectError> {
        let source = ConfigSource {
            path: PathBuf::from("/shop/holdall.toml"),
            shown: CONFIG.to_owned(),
            prefix: "",
            table: text.parse().unwrap(),
        };
        Config::read(Some(source), Path::new("/shop"))
    }

    #[track_caller]
    fn refused(text: &str, message: &str, help: &str) {
        let error = read(text).unwrap_err();
        assert_eq!(error.to_string(), message);
        let given = miette::Diagnostic::help(&error).map(|help| help.to_string()).unwrap_or_default();
        assert!(given.contains(help), "{given}");
    }

    #[test]
    fn every_key_is_read() {
        let config = read(
            r#"
            name = "shop"
            version = "1.2+3"
            target = "linux-x86_64"
            [project]
            manage = "backend/manage.py"
            settings = "config.settings.production"
            wsgi = "config.wsgi:application"
            python = ">=3.11"
            python_path = ["src", "lib\\own"]
            health = "/up/"
            [packages]
            requirements = ["requirements/prod.txt"]
            lock = "pylock.toml"
            extras = ["postgres"]
            groups = ["prod"]
            find-links = ["wheels", "../shared/wheels"]
            offline = true
            project = false
            prune = false
            whole = ["numpy"]
            [runtime]
            from = "host"
            [build]
            settings = "config.settings.build"
            static = "prebuilt/"
            env = { NAME = "value" }
            [env]
            required = ["SECRET_KEY"]
            [files]
            include = ["data/*.bin"]
            exclude = ["docs"]
            executable = ["bin/*"]
            [iis]
            web-config = "deploy\\web.config"
            [paths]
            "media" = "media"
            "MEDIA_ROOT" = "uploads/all"
            "#,
        )
        .unwrap();
        assert_eq!(config.version.as_ref().unwrap().as_str(), "1.2-3");
        assert_eq!(config.target, Some(Target::LinuxX86_64));
        assert_eq!(config.project.python_path, [Path::new("src"), Path::new("lib/own")]);
        assert_eq!(
            (config.packages.prune, &config.packages.whole[..]),
            (Some(false), &["numpy".to_owned()][..])
        );
        assert_eq!(config.runtime.from, Some(RuntimeFrom::Host));
        let shop = Path::new("/shop");
        assert_eq!(config.packages.find_links, [shop.join("wheels"), shop.join("../shared/wheels")]);
        assert!(config.packages.offline && config.packages.project == Some(false));
        assert_eq!(config.build.static_files, StaticFiles::Prebuilt(PathBuf::from("prebuilt")));
        assert_eq!(config.build.env["NAME"], "value");
        assert_eq!(config.paths["MEDIA_ROOT"], "uploads/all");
        assert_eq!(config.iis.web_config.as_deref(), Some(Path::new("deploy/web.config")));
        assert_eq!(config.health(), "/up/");
        assert_eq!(config.place("paths"), "holdall.toml, key `paths`");
    }

    #[test]
    fn static_files_can_be_left_out() {
        assert_eq!(read("build.static = false").unwrap().build.static_files, StaticFiles::None);
        assert_eq!(read("build.static = true").unwrap().build.static_files, StaticFiles::Collect);
        assert_eq!(read("").unwrap().build.static_files, StaticFiles::Collect);
    }

    #[test]
    fn an_unknown_key_names_its_place_and_the_near_one() {
        let place = "unknown key: holdall.toml, key `project.setings`";
        refused("[project]\nsetings = 'x'", place, "did you mean `project.settings`?");
        refused("[projct]\nsettings = 'x'", "unknown key: holdall.toml, key `projct`", "`project`?");
        // In the right file, at the wrong depth.
        refused("settings = 'x'", "unknown key: holdall.toml, key `settings`", "`project.settings`?");
        refused(
            "[project]\nname = 'x'",
            "unknown key: holdall.toml, key `project.name`",
            "did you mean `name`? It stands at the top of the file, above every `[table]`",
        );
        refused(
            "setings = 'x'",
            "unknown key: holdall.toml, key `setings`",
            "did you mean `project.settings`?",
        );
        refused("qqq = 1", "unknown key: holdall.toml, key `qqq`", "known here: `name`, `version`");
    }

    #[test]
    fn a_wrong_type_names_what_was_found_and_what_is_wanted() {
        let message =
            "wrong value: holdall.toml, key `packages.extras` is a string, and a list of strings is wanted";
        refused("packages.extras = 'x'", message, "[\"a\", \"b\"]");
        let message = "wrong value: holdall.toml, key `packages.prune` is a list of other things, and true or false is wanted";
        refused("packages.prune = ['numpy']", message, "prune = true");
        let message = "wrong value: holdall.toml, key `project` is a string, and a table is wanted";
        refused("project = 'x'", message, "[project]");
        let message = "wrong value: holdall.toml, key `build.env.PORT` is an integer, and a string is wanted";
        refused("build.env.PORT = 1", message, "\"text\"");
        let message = "wrong value: holdall.toml, key `version` is a float, and a string is wanted";
        refused("version = 1.0", message, "\"text\"");
    }

    #[test]
    fn a_path_that_leaves_the_project_is_refused() {
        for path in ["../x", "a/../../x", "/etc", "C:/x", "..\\\\x", "\\\\\\\\server\\\\share", ""] {
            let error = read(&format!("packages.lock = \"{path}\"")).unwrap_err();
            assert!(matches!(error, ProjectError::WrongValue { .. }), "{path}: {error}");
            let error = read(&format!("[paths]\nmedia = \"{path}\"")).unwrap_err();
            assert!(matches!(error, ProjectError::WrongValue { .. }), "{path}: {error}");
        }
        refused(
            "[paths]\n'.' = 'media'",
            "wrong value: holdall.toml, key `paths` is `.`, which is a whole folder that holds other things",
            "name a file or folder",
        );
        let message =
            "wrong value: holdall.toml, key `project.manage` is `../manage.py`, which leaves the project";
        refused("project.manage = '../manage.py'", message, "inside the project");
    }

    #[test]
    fn values_that_cannot_be_are_refused_with_their_key() {
        let message = "wrong value: holdall.toml, key `project.wsgi` is `shop.wsgi`, which is no `package.module:callable`";
        refused("project.wsgi = 'shop.wsgi'", message, "`\"shop.wsgi:application\"`");
        refused(
            "project.settings = 'shop/settings.py'",
            "wrong value: holdall.toml, key `project.settings` is `shop/settings.py`, which is no dotted module name",
            "`\"shop.settings\"`",
        );
        refused(
            "env.required = ['A=B']",
            "wrong value: holdall.toml, key `env.required` is `A=B`, which is no name of an environment variable",
            "names only",
        );
        refused(
            "project.health = 'up'",
            "wrong value: holdall.toml, key `project.health` is `up`, which does not begin with `/`",
            "`\"/up\"`",
        );
        assert!(read("target = 'win32'").unwrap_err().to_string().contains("`win32`"));
    }
}
