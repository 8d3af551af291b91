//! The guestbook in a folder of its own, with everything that serves it, where a web server's own user may read it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};

use crate::tools;

/// Debian's own, whatever Python is first on PATH.
const PYTHON: &str = "/usr/bin/python3";

/// The guestbook, with each call of it and of what it is given held against PEP 3333.
const VALIDATED: &str = "from wsgiref.validate import validator

from guestbook.wsgi import application as guestbook

application = validator(guestbook)
";

/// A site that is ready to be served.
pub struct Site {
    pub folder: tempfile::TempDir,
    /// `python -m holdall_bridge --config` and the file: a program for those who want a single name.
    pub program: PathBuf,
    /// The configuration, by whose name the processes of the bridge are known.
    pub configuration: PathBuf,
}

impl Site {
    /// Copies the guestbook, the packages that it needs and the bridge; makes its database and static files.
    pub fn prepare() -> anyhow::Result<Site> {
        let folder = tempfile::Builder::new().prefix("holdall-servers-").tempdir()?;
        let at = |name: &str| folder.path().join(name);
        let django = packages_of(&prepared("HOLDALL_TEST_PYTHON")?)?;
        let bridge = packages_of(&prepared("HOLDALL_BRIDGE_PYTHON")?)?.join("holdall_bridge");
        copy(&tools::root().join("examples/guestbook"), &at("app"))?;
        copy(&django, &at("packages"))?;
        copy(&bridge, &at("packages/holdall_bridge"))?;
        // What a visitor of somebody's own copy has left is none of this site's.
        for left in ["app/db.sqlite3", "app/media"] {
            tools::run(Command::new("rm").arg("-rf").arg(at(left)))?;
        }
        for chore in [&["migrate", "--verbosity=0"][..], &["collectstatic", "--noinput", "--verbosity=0"]] {
            let mut manage = Command::new(PYTHON);
            manage.arg("manage.py").args(chore).current_dir(at("app"));
            tools::quietly(manage.env("SECRET_KEY", "of a test").env("PYTHONPATH", at("packages")))?;
        }
        let configuration = at("bridge.toml");
        let text = format!(
            "app = 'guestbook.wsgi:application'\npythonpath = ['{}']\n[environment]\n\
             SECRET_KEY = 'of a test'\n[log]\npath = 'bridge.log'\n",
            at("app").display()
        );
        fs_err::write(&configuration, text)?;
        let program = at("guestbook.fcgi");
        let text = format!(
            "#!/bin/sh\nPYTHONPATH='{}' exec {PYTHON} -B -m holdall_bridge --config '{}' \"$@\"\n",
            at("packages").display(),
            configuration.display()
        );
        fs_err::write(&program, text)?;
        fs_err::write(at("app/validated.py"), VALIDATED)?;
        fs_err::write(at("bridge.log"), "")?;
        tools::run(Command::new("chmod").arg("a+x").arg(&program))?;
        Ok(Site { folder, program, configuration })
    }

    /// Lets everybody write who serves it: Apache has a user of its own for that when root has started it, and others
    /// may have served before.
    pub fn open_to_all(&self) -> anyhow::Result<()> {
        tools::run(Command::new("chmod").args(["-R", "a+rwX"]).arg(self.folder.path()))
    }

    pub fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The processes of the bridge that serve it now.
    pub fn processes(&self) -> anyhow::Result<Vec<u32>> {
        let mut processes = Vec::new();
        for entry in fs_err::read_dir("/proc")? {
            let entry = entry?;
            let Some(number) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            // It may be gone by now.
            let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let words: Vec<&[u8]> = line.split(|byte| *byte == 0).collect();
            let configuration = self.configuration.as_os_str().as_encoded_bytes();
            if words.contains(&&b"holdall_bridge"[..]) && words.contains(&configuration) {
                processes.push(number);
            }
        }
        Ok(processes)
    }
}

/// The Python that `cargo xtask test` has prepared under this name, or one that is prepared now.
fn prepared(name: &'static str) -> anyhow::Result<PathBuf> {
    if let Some(path) = std::env::var_os(name) {
        return Ok(path.into());
    }
    let prepared = tools::prepare_tests()?;
    let found = prepared.into_iter().find(|(known, _)| *known == name);
    Ok(found.with_context(|| format!("{name} was not prepared"))?.1)
}

/// The packages of the environment that a Python belongs to.
fn packages_of(python: &Path) -> anyhow::Result<PathBuf> {
    let mut ask = Command::new(python);
    ask.args(["-c", "import sysconfig; print(sysconfig.get_path('platlib'))"]);
    let output = ask.output().with_context(|| format!("cannot start {ask:?}"))?;
    ensure!(output.status.success(), "{ask:?} ended with {}", output.status);
    Ok(String::from_utf8(output.stdout)?.trim().into())
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    tools::run(Command::new("cp").arg("-RL").args([from, to]))
}
