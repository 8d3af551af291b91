//! Which wheels a target can load, and which of several is best (PEP 425, PEP 600).
//!
//! uv has selected already; what is left is to choose among the wheels of one package that all fit.

use crate::python::MinorVersion;
use crate::target::Target;

/// The glibc for which uv selects by default; wheels of the index need no newer one.
const GLIBC: u32 = 28;

/// The parts of a wheel's file name: `name-version(-build)-python-abi-platform.whl`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WheelName<'a> {
    pub name: &'a str,
    pub version: &'a str,
    pub build: Option<&'a str>,
    pub python: &'a str,
    pub abi: &'a str,
    pub platform: &'a str,
}

impl<'a> WheelName<'a> {
    /// Takes a file name apart; `None` if it is not a wheel's.
    pub fn parse(file_name: &'a str) -> Option<WheelName<'a>> {
        let stem = file_name.strip_suffix(".whl")?;
        let parts: Vec<&str> = stem.split('-').collect();
        if parts.iter().any(|part| part.is_empty()) || stem.contains(['/', '\\']) {
            return None;
        }
        match *parts.as_slice() {
            [name, version, python, abi, platform] => {
                Some(WheelName { name, version, build: None, python, abi, platform })
            }
            [name, version, build, python, abi, platform] => {
                Some(WheelName { name, version, build: Some(build), python, abi, platform })
            }
            _ => None,
        }
    }

    /// How well this wheel fits, smaller is better; `None` if it does not.
    ///
    /// A compressed set of tags (`py2.py3`) counts as the best of its members.
    pub fn rank(&self, target: Target, minor: MinorVersion) -> Option<(u32, u32)> {
        let platforms = || self.platform.split('.').filter_map(|tag| platform_rank(tag, target));
        let platform = platforms().min()?;
        let interpreters = self.python.split('.').flat_map(|python| {
            self.abi.split('.').filter_map(move |abi| interpreter_rank(python, abi, platform == ANY, minor))
        });
        Some((interpreters.min()?, platform))
    }

    /// The number that a build tag begins with, by which equal wheels are told apart.
    pub fn build_number(&self) -> u64 {
        let build = self.build.unwrap_or_default();
        let digits = build.find(|c: char| !c.is_ascii_digit()).unwrap_or(build.len());
        build[..digits].parse().unwrap_or(0)
    }
}

/// The rank of a wheel for every platform: after all that are made for one.
const ANY: u32 = 1000;

fn platform_rank(tag: &str, target: Target) -> Option<u32> {
    if tag == "any" {
        return Some(ANY);
    }
    let arch = match target {
        Target::WindowsX86_64 => return (tag == "win_amd64").then_some(0),
        Target::WindowsArm64 => return (tag == "win_arm64").then_some(0),
        Target::LinuxX86_64 => "x86_64",
        Target::LinuxArm64 => "aarch64",
    };
    let kind = tag.strip_suffix(arch)?.strip_suffix('_')?;
    let glibc = match kind {
        "manylinux1" if target == Target::LinuxX86_64 => 5,
        "manylinux2010" if target == Target::LinuxX86_64 => 12,
        "manylinux2014" => 17,
        // Built on some machine for itself, as a local wheel may be.
        "linux" => return Some(ANY - 1),
        _ => kind.strip_prefix("manylinux_2_")?.parse::<u32>().ok().filter(|minor| *minor < 100)?,
    };
    // The newest glibc that every target has comes first. Above it are local wheels only; the manifest
    // records what they need.
    Some(if glibc <= GLIBC { GLIBC - glibc } else { glibc })
}

/// The order of PEP 425's reference implementation for CPython.
fn interpreter_rank(python: &str, abi: &str, any_platform: bool, minor: MinorVersion) -> Option<u32> {
    let of = |prefix: &str| {
        let digits = python.strip_prefix(prefix)?;
        let (major, rest) = digits.split_at_checked(1)?;
        if major != "3" || (!rest.is_empty() && rest.parse::<u16>().is_err()) {
            return None;
        }
        Some(rest.parse::<u16>().ok())
    };
    let own_abi = format!("cp{}", minor.digits());
    if let Some(found) = of("cp") {
        let found = found?;
        let age = u32::from(minor.minor.checked_sub(found)?);
        return match abi {
            "none" if age == 0 => Some(if any_platform { 300 } else { 2 }),
            "abi3" => Some(if age == 0 { 1 } else { 2 + age }),
            abi if abi == own_abi && age == 0 => Some(0),
            _ => None,
        };
    }
    let found = of("py")?;
    if abi != "none" {
        return None;
    }
    let base = if any_platform { 301 } else { 100 };
    match found {
        Some(found) if found == minor.minor => Some(base),
        None => Some(base + 1),
        Some(found) => Some(base + 1 + u32::from(minor.minor.checked_sub(found)?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PY312: MinorVersion = MinorVersion { major: 3, minor: 12 };

    #[track_caller]
    fn best<'a>(target: Target, names: &[&'a str]) -> Option<&'a str> {
        let rank = |name: &str| WheelName::parse(name).expect("a wheel's name").rank(target, PY312);
        names.iter().copied().filter(|name| rank(name).is_some()).min_by_key(|name| rank(name))
    }

    #[test]
    fn the_wheel_made_for_just_this_python_is_best() {
        let windows = [
            "c-1-py3-none-any.whl",
            "c-1-cp39-abi3-win_amd64.whl",
            "c-1-cp311-abi3-win_amd64.whl",
            "c-1-cp312-cp312-win_amd64.whl",
            "c-1-cp313-cp313-win_amd64.whl",
            "c-1-cp312-cp312-win_arm64.whl",
        ];
        assert_eq!(best(Target::WindowsX86_64, &windows), Some(windows[3]));
        assert_eq!(best(Target::WindowsX86_64, &windows[..3]), Some(windows[2]));
        assert_eq!(best(Target::WindowsArm64, &windows), Some(windows[5]));
        assert_eq!(best(Target::LinuxX86_64, &windows), Some(windows[0]));
    }

    #[test]
    fn on_linux_the_newest_glibc_that_all_targets_have_is_best() {
        let linux = [
            "c-1-cp312-cp312-manylinux1_x86_64.whl",
            "c-1-cp312-cp312-manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
            "c-1-cp312-cp312-manylinux_2_26_x86_64.manylinux_2_28_x86_64.whl",
            "c-1-cp312-cp312-manylinux_2_34_x86_64.whl",
            "c-1-cp312-cp312-linux_x86_64.whl",
            "c-1-cp312-cp312-musllinux_1_2_x86_64.whl",
        ];
        assert_eq!(best(Target::LinuxX86_64, &linux), Some(linux[2]));
        assert_eq!(best(Target::LinuxX86_64, &linux[..2]), Some(linux[1]));
        assert_eq!(best(Target::LinuxX86_64, &linux[3..]), Some(linux[3]));
        assert_eq!(best(Target::LinuxX86_64, &linux[4..]), Some(linux[4]));
        assert_eq!(best(Target::LinuxX86_64, &linux[5..]), None);
        assert_eq!(best(Target::LinuxArm64, &linux), None);
    }

    #[test]
    fn what_another_python_wants_does_not_fit() {
        for name in [
            "c-1-cp313-abi3-win_amd64.whl",
            "c-1-cp311-cp311-win_amd64.whl",
            "c-1-cp312-cp312t-win_amd64.whl",
            "c-1-pp310-pypy310_pp73-win_amd64.whl",
            "c-1-py2-none-any.whl",
            "c-1-py313-none-any.whl",
            "c-1-cp312-cp312-win32.whl",
        ] {
            assert_eq!(best(Target::WindowsX86_64, &[name]), None, "{name}");
        }
        for name in ["c-1-py2.py3-none-any.whl", "c-1-py310-none-win_amd64.whl", "c-1-cp312-none-any.whl"] {
            assert_eq!(best(Target::WindowsX86_64, &[name]), Some(name));
        }
    }

    #[test]
    fn a_name_that_is_not_a_wheels_is_told() {
        for name in ["c-1.tar.gz", "c-1-py3-none.whl", "c--py3-none-any.whl", "a/c-1-py3-none-any.whl"] {
            assert_eq!(WheelName::parse(name), None, "{name}");
        }
        let built = WheelName::parse("c-1-12b-py3-none-any.whl").expect("a wheel's name");
        assert_eq!((built.name, built.build_number()), ("c", 12));
    }
}
