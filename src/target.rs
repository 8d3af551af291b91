//! The platforms a bundle can run on, and what differs between them. Knows nothing of files.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The platform a bundle runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Target {
    WindowsX86_64,
    WindowsArm64,
    LinuxX86_64,
    LinuxArm64,
}

impl Target {
    pub const ALL: [Target; 4] =
        [Target::WindowsX86_64, Target::WindowsArm64, Target::LinuxX86_64, Target::LinuxArm64];

    /// The machine this program was built for, when Holdall knows it.
    pub fn host() -> Option<Target> {
        match (std::env::consts::OS, std::env::consts::ARCH) {
            ("windows", "x86_64") => Some(Target::WindowsX86_64),
            ("windows", "aarch64") => Some(Target::WindowsArm64),
            ("linux", "x86_64") => Some(Target::LinuxX86_64),
            ("linux", "aarch64") => Some(Target::LinuxArm64),
            _ => None,
        }
    }

    pub fn is_windows(self) -> bool {
        matches!(self, Target::WindowsX86_64 | Target::WindowsArm64)
    }

    /// The word that people type and file names carry.
    pub fn as_str(self) -> &'static str {
        match self {
            Target::WindowsX86_64 => "windows-x86_64",
            Target::WindowsArm64 => "windows-arm64",
            Target::LinuxX86_64 => "linux-x86_64",
            Target::LinuxArm64 => "linux-arm64",
        }
    }

    /// The platform triple by which uv knows this target (`--python-platform`).
    pub fn uv_platform(self) -> &'static str {
        match self {
            Target::WindowsX86_64 => "x86_64-pc-windows-msvc",
            Target::WindowsArm64 => "aarch64-pc-windows-msvc",
            Target::LinuxX86_64 => "x86_64-unknown-linux-gnu",
            Target::LinuxArm64 => "aarch64-unknown-linux-gnu",
        }
    }

    /// The file name of the `holdall` program inside a bundle.
    pub fn program(self) -> &'static str {
        if self.is_windows() { "holdall.exe" } else { "holdall" }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that names no target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown target `{0}`: the targets are `windows-x86_64`, `windows-arm64`, `linux-x86_64`, `linux-arm64`"
)]
pub struct UnknownTarget(String);

impl FromStr for Target {
    type Err = UnknownTarget;

    fn from_str(word: &str) -> Result<Target, UnknownTarget> {
        Target::ALL
            .into_iter()
            .find(|target| target.as_str() == word)
            .ok_or_else(|| UnknownTarget(word.to_owned()))
    }
}

impl TryFrom<String> for Target {
    type Error = UnknownTarget;

    fn try_from(word: String) -> Result<Target, UnknownTarget> {
        word.parse()
    }
}

impl From<Target> for String {
    fn from(target: Target) -> String {
        target.as_str().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_is_read_back_from_its_word() {
        for target in Target::ALL {
            assert_eq!(target.to_string().parse(), Ok(target));
        }
    }

    #[test]
    fn an_unknown_word_names_the_known_ones() {
        let error = "win32".parse::<Target>().map_err(|error| error.to_string());
        assert!(error.is_err_and(|text| text.contains("`windows-x86_64`")));
    }
}
