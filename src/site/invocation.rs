//! Programs to start, as values: planned, printed and compared anywhere, and run where they belong.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::process::Command;

use crate::target::Target;

use super::{Place, environment};

/// One program with its arguments, environment and working folder. There is never a shell between.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    pub program: PathBuf,
    pub args: Vec<OsString>,
    /// What is set beside the variables of the machine ([`environment::OF_THE_MACHINE`]).
    pub environment: BTreeMap<String, String>,
    pub cwd: PathBuf,
}

/// What a web server starts for the site: `python … -m holdall_bridge --config <run>/bridge.toml`.
///
/// All that the project is told stands in that file, so the environment stays empty.
pub fn bridge(place: &Place) -> Invocation {
    let args =
        ["-m".into(), "holdall_bridge".into(), "--config".into(), place.bridge_toml().into_os_string()];
    python(place, args, BTreeMap::new())
}

/// `manage.py` of the release, with the variables the administrator gave.
pub fn manage(
    place: &Place,
    args: impl IntoIterator<Item = impl Into<OsString>>,
    given: &BTreeMap<String, String>,
) -> Invocation {
    let manage = inside(place, &place.manifest.django.manage).into_os_string();
    let args = [manage].into_iter().chain(args.into_iter().map(Into::into));
    python(place, args, environment::variables(place, given))
}

/// The Python of the release, with its switches.
pub fn python(
    place: &Place,
    args: impl IntoIterator<Item = OsString>,
    environment: BTreeMap<String, String>,
) -> Invocation {
    Invocation {
        program: inside(place, &place.manifest.python.program),
        args: switches(place.manifest.target).iter().map(OsString::from).chain(args).collect(),
        environment,
        cwd: place.release.join("app"),
    }
}

/// The switches that make Python deaf to its surroundings: Windows has its `._pth` file for that, elsewhere
/// only `-I` does it.
fn switches(target: Target) -> &'static [&'static str] {
    if target.is_windows() { &["-s", "-B", "-X", "utf8"] } else { &["-I", "-B", "-X", "utf8"] }
}

/// A path of the bundle, where it lies on this machine.
pub fn inside(place: &Place, path: &str) -> PathBuf {
    path.split('/').fold(place.release.clone(), |folder, part| folder.join(part))
}

impl Invocation {
    /// The command to run: its environment is the machine's variables and those of this invocation.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.args).current_dir(&self.cwd).env_clear();
        for name in environment::OF_THE_MACHINE {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command.envs(&self.environment);
        command
    }
}

/// The command line as one would type it; values of the environment are not shown, they may be secret.
impl fmt::Display for Invocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_argument(f, &self.program.to_string_lossy())?;
        self.args.iter().try_for_each(|arg| {
            f.write_str(" ")?;
            write_argument(f, &arg.to_string_lossy())
        })
    }
}

fn write_argument(f: &mut fmt::Formatter<'_>, arg: &str) -> fmt::Result {
    if arg.is_empty() || arg.contains(|c: char| c.is_whitespace() || "\"'$&|;<>()`*".contains(c)) {
        write!(f, "\"{}\"", arg.replace('"', "\\\""))
    } else {
        f.write_str(arg)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::place::tests::guestbook;

    #[test]
    fn the_bridge_is_started_by_the_python_of_the_release() {
        let mut place = guestbook("/srv/hold all".as_ref());
        let invocation = bridge(&place);
        assert_eq!(
            invocation.to_string().replace('\\', "/"),
            "\"/srv/hold all/guestbook/releases/1.0.0-0123abcd/python/bin/python3.12\" -I -B -X utf8 \
             -m holdall_bridge --config \"/srv/hold all/guestbook/run/1.0.0-0123abcd/bridge.toml\""
        );
        assert!(invocation.environment.is_empty());
        place.manifest.target = Target::WindowsX86_64;
        assert_eq!(bridge(&place).args[..4], ["-s", "-B", "-X", "utf8"]);
    }

    #[test]
    fn manage_is_told_what_the_site_is_told() {
        let place = guestbook("/srv".as_ref());
        let given = BTreeMap::from([("SECRET_KEY".to_owned(), "hidden".to_owned())]);
        let invocation = manage(&place, ["migrate", "--noinput"], &given);
        assert_eq!(invocation.environment, environment::variables(&place, &given));
        assert_eq!(invocation.cwd, place.release.join("app"));
        let line = invocation.to_string().replace('\\', "/");
        assert!(line.ends_with("/app/manage.py migrate --noinput") && !line.contains("hidden"), "{line}");
    }

    #[test]
    fn only_variables_of_the_machine_are_handed_on() {
        let invocation = bridge(&guestbook("/srv".as_ref()));
        let command = invocation.command();
        assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
        assert!(command.get_envs().all(|(name, _)| name != "CARGO_MANIFEST_DIR"));
        assert!(command.get_envs().any(|(name, _)| name == "PATH"));
    }
}
