//! Reading `pylock.toml` (PEP 751): the narrow one that uv writes for us, and the one that a project commits.

pub(super) mod write;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use reqwest::Url;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::committed::Committed;
use super::error::PackagesError;
use super::inputs::plain;
use super::lock::{LockedWheel, Origin, normalized};
use super::tags::WheelName;
use crate::digest::Sha256;
use crate::python::MinorVersion;
use crate::target::Target;

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Pylock {
    lock_version: String,
    #[serde(default)]
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: Option<String>,
    marker: Option<String>,
    #[serde(default)]
    wheels: Vec<File>,
    sdist: Option<File>,
    vcs: Option<IgnoredAny>,
    directory: Option<Directory>,
    archive: Option<File>,
}

#[derive(Deserialize)]
struct File {
    name: Option<String>,
    url: Option<String>,
    path: Option<String>,
    size: Option<u64>,
    #[serde(default)]
    hashes: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Directory {
    path: String,
}

/// Reads the lock that uv has narrowed to one target: exactly one wheel for each package.
///
/// Markers are not looked at: uv has left out what the target does not need.
pub(super) fn read(
    text: &str,
    file: &Path,
    target: Target,
    minor: MinorVersion,
) -> Result<Vec<LockedWheel>, PackagesError> {
    read_within(None, text, file, target, minor)
}

/// As [`read`], for dependencies that lie in the folder `within`: what is asked for by `-e .` is the project itself,
/// which is bundled as the application.
pub(super) fn read_within(
    within: Option<&Path>,
    text: &str,
    file: &Path,
    target: Target,
    minor: MinorVersion,
) -> Result<Vec<LockedWheel>, PackagesError> {
    Ok(read_with_sources(&BTreeSet::new(), within, text, file, target, minor)?.0)
}

/// As [`read_within`], where some packages may be there as source archives alone: those come second.
pub(super) fn read_with_sources(
    sources: &BTreeSet<String>,
    within: Option<&Path>,
    text: &str,
    file: &Path,
    target: Target,
    minor: MinorVersion,
) -> Result<(Vec<LockedWheel>, Vec<LockedWheel>), PackagesError> {
    let pylock = parse(text, file)?;
    let mut seen = BTreeSet::new();
    let mut wheels = Vec::new();
    let mut archives = Vec::new();
    let folder = file.parent().unwrap_or(Path::new("."));
    let is_project = |package: &&Package| match (within, &package.directory) {
        (Some(within), Some(directory)) => within.starts_with(plain(&folder.join(&directory.path))),
        _ => false,
    };
    for package in pylock.packages.iter().filter(|package| !is_project(package)) {
        let name = normalized(&package.name);
        if !seen.insert(name.clone()) {
            return Err(malformed(file, format!("it holds `{name}` twice")));
        }
        if let (Some(sdist), Some(version)) = (&package.sdist, &package.version)
            && sources.contains(&name)
            && package.wheels.is_empty()
        {
            let odd = || malformed(file, format!("`{name}` has a source archive without a name"));
            let file_name = sdist.file_name().filter(|name| !name.contains(['/', '\\'])).ok_or_else(odd)?;
            archives.push(sdist.locked(&name, version.clone(), file_name, file)?);
            continue;
        }
        let candidates = match &package.archive {
            Some(archive) => std::slice::from_ref(archive),
            None => &package.wheels,
        };
        let fitting = candidates.iter().filter_map(|candidate| {
            let file_name = candidate.file_name()?;
            let parts = WheelName::parse(&file_name)?;
            let rank = (parts.rank(target, minor)?, Reverse(parts.build_number()));
            let own = normalized(parts.name) == name;
            let version = package.version.clone().unwrap_or_else(|| parts.version.to_owned());
            Some((rank, own, version, file_name, candidate))
        });
        let Some((_, own, version, file_name, best)) = fitting.min_by_key(|(rank, ..)| *rank) else {
            return Err(PackagesError::NotAWheel { package: name, origin: package.origin(), target });
        };
        if !own {
            return Err(malformed(file, format!("`{name}` names the wheel `{file_name}`")));
        }
        wheels.push(best.locked(&name, version, file_name, file)?);
    }
    wheels.sort_by(|a, b| a.name.cmp(&b.name));
    Ok((wheels, archives))
}

/// What a committed lock asks for, as requirements that uv can narrow to a target, and the hashes it holds.
///
/// uv reads its own markers in them, so those of the target decide.
pub(super) fn committed(
    text: &str,
    file: &Path,
    target: Target,
) -> Result<(String, Committed), PackagesError> {
    let pylock = parse(text, file)?;
    let mut requirements = String::new();
    let mut committed = Committed::new(file);
    for package in &pylock.packages {
        let name = normalized(&package.name);
        // The project itself, as `uv export` writes it: it is bundled as the application.
        if package.directory.as_ref().is_some_and(|directory| matches!(directory.path.as_str(), "." | "./")) {
            continue;
        }
        let marker = package.marker.as_deref().unwrap_or_default();
        if marker.contains(" in extras") || marker.contains(" in dependency_groups") {
            return Err(malformed(
                file,
                format!("`{name}` is chosen by an extra or a group, export the lock with those you want"),
            ));
        }
        let place = match (&package.archive, &package.version) {
            (Some(archive), _) if archive.file_name().is_some_and(|name| name.ends_with(".whl")) => {
                committed.add(&name, archive.sha256());
                format!("{name} @ {}", archive.place(file)?)
            }
            (None, Some(version)) if package.vcs.is_none() && package.directory.is_none() => {
                for wheel in &package.wheels {
                    committed.add(&name, wheel.sha256());
                }
                format!("{name}=={version}")
            }
            _ => return Err(PackagesError::NotAWheel { package: name, origin: package.origin(), target }),
        };
        if [&place, marker].iter().any(|text| text.contains(['\n', '\r', '\\', '#'])) {
            return Err(malformed(file, format!("`{name}` has a version or a marker that is none")));
        }
        requirements.push_str(&place);
        if !marker.is_empty() {
            requirements.push_str(&format!(" ; {marker}"));
        }
        requirements.push('\n');
    }
    Ok((requirements, committed))
}

fn parse(text: &str, file: &Path) -> Result<Pylock, PackagesError> {
    let pylock: Pylock = toml::from_str(text).map_err(|error| malformed(file, error.message().to_owned()))?;
    if pylock.lock_version != "1.0" && !pylock.lock_version.starts_with("1.") {
        return Err(malformed(
            file,
            format!("it has lock-version {}, and 1.0 is known", pylock.lock_version),
        ));
    }
    let odd = |name: &str| {
        name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    match pylock.packages.iter().find(|package| odd(&package.name)) {
        Some(package) => Err(malformed(file, format!("{:?} is no package's name", package.name))),
        None => Ok(pylock),
    }
}

fn malformed(file: &Path, problem: String) -> PackagesError {
    PackagesError::Malformed { file: file.to_owned(), problem: crate::said::redact(&problem) }
}

impl Package {
    fn origin(&self) -> &'static str {
        match self {
            Package { vcs: Some(_), .. } => "a version control system",
            Package { directory: Some(_), .. } => "a source folder",
            Package { archive: Some(_), .. } => "an archive that is no wheel for this target",
            Package { sdist: Some(_), wheels, .. } if wheels.is_empty() => "a source archive alone",
            _ => "files among which no wheel is for this target",
        }
    }
}

impl File {
    fn file_name(&self) -> Option<String> {
        if let Some(name) = &self.name {
            return Some(name.clone());
        }
        if let Some(path) = &self.path {
            return path.rsplit(['/', '\\']).next().map(str::to_owned);
        }
        let url = Url::parse(self.url.as_deref()?).ok()?;
        let last = url.path_segments()?.next_back()?;
        Some(unescaped(last))
    }

    fn sha256(&self) -> Option<Sha256> {
        self.hashes.get("sha256")?.to_ascii_lowercase().parse().ok()
    }

    fn locked(
        &self,
        name: &str,
        version: String,
        file_name: String,
        lock: &Path,
    ) -> Result<LockedWheel, PackagesError> {
        let sha256 = self
            .sha256()
            .ok_or_else(|| malformed(lock, format!("`{file_name}` stands there without SHA-256")))?;
        let url = self.place(lock)?;
        let origin = match url.to_file_path() {
            Ok(path) if url.scheme() == "file" => Origin::Path(path),
            _ => Origin::Url(url),
        };
        Ok(LockedWheel { name: name.to_owned(), version, file_name, sha256, size: self.size, origin })
    }

    /// Where the file is: a path counts from the folder of the lock.
    fn place(&self, lock: &Path) -> Result<Url, PackagesError> {
        let nowhere = || malformed(lock, "a file stands there with neither `url` nor `path`".to_owned());
        if let Some(path) = &self.path {
            let path = std::path::absolute(lock.parent().unwrap_or(Path::new(".")).join(path))?;
            return Url::from_file_path(plain(&path)).map_err(|()| nowhere());
        }
        let url = Url::parse(self.url.as_deref().ok_or_else(nowhere)?).map_err(|_| nowhere())?;
        match url.scheme() {
            "http" | "https" | "file" => Ok(url),
            scheme => Err(malformed(lock, format!("a file is to come by `{scheme}`"))),
        }
    }
}

/// Undoes the `%XX` of a URL's path; `+` of a local version is often written so.
fn unescaped(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|pair| std::str::from_utf8(pair).ok());
        match hex.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            Some(byte) if first == b'%' => {
                bytes.push(byte);
                rest = &after[2..];
            }
            _ => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const PY312: MinorVersion = MinorVersion { major: 3, minor: 12 };

    fn wheel(name: &str) -> String {
        format!("{{ url = \"https://x.example/a/{name}\", size = 3, hashes = {{ sha256 = \"{:064}\" }} }}", 7)
    }

    fn read_for(target: Target, packages: &str) -> Result<Vec<LockedWheel>, PackagesError> {
        read(&format!("lock-version = \"1.0\"\n{packages}"), Path::new("/p/pylock.toml"), target, PY312)
    }

    #[track_caller]
    fn refused(packages: &str, expected: &str) {
        let error = read_for(Target::WindowsX86_64, packages).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn one_wheel_is_taken_for_each_package_the_best_for_the_target() {
        let packages = format!(
            "[[packages]]\nname = \"B.c\"\nversion = \"2\"\nwheels = [{}, {}]\n[[packages]]\nname = \"a\"\nversion = \"1+x\"\nwheels = [{}]",
            wheel("b_c-2-cp39-abi3-win_amd64.whl"),
            wheel("b_c-2-cp311-abi3-win_amd64.whl"),
            wheel("a-1%2Bx-py3-none-any.whl"),
        );
        let wheels = read_for(Target::WindowsX86_64, &packages).unwrap();
        let names: Vec<_> =
            wheels.iter().map(|wheel| (wheel.name.as_str(), wheel.file_name.as_str())).collect();
        assert_eq!(names, [("a", "a-1+x-py3-none-any.whl"), ("b-c", "b_c-2-cp311-abi3-win_amd64.whl")]);
    }

    #[test]
    fn what_is_not_a_wheel_is_refused_by_name() {
        let from = |origin: &str| format!("`a` comes from {origin}, and a bundle takes wheels only");
        let package = |rest: &str| format!("[[packages]]\nname = \"a\"\nversion = \"1\"\n{rest}");
        refused(&package("vcs = { type = \"git\", url = \"x\" }"), &from("a version control system"));
        refused(&package("directory = { path = \"../a\" }"), &from("a source folder"));
        refused(&package("sdist = { path = \"a-1.tar.gz\" }"), &from("a source archive alone"));
        refused(
            &package("archive = { path = \"a-1.zip\" }"),
            &from("an archive that is no wheel for this target"),
        );
        refused(
            &package(&format!("wheels = [{}]", wheel("a-1-cp312-cp312-win32.whl"))),
            &from("files among which no wheel is for this target"),
        );
    }

    #[test]
    fn a_hostile_lock_is_refused() {
        let lock = |problem: &str| format!("`/p/pylock.toml` is no lock that holdall can read: {problem}");
        let package = |rest: &str| format!("[[packages]]\nname = \"a\"\nversion = \"1\"\n{rest}");
        refused("[[packages]]\nname = \"../a\"", &lock("\"../a\" is no package's name"));
        refused(
            &package(&format!("wheels = [{}]", wheel("b-1-py3-none-any.whl"))),
            &lock("`a` names the wheel `b-1-py3-none-any.whl`"),
        );
        refused(
            &package("wheels = [{ url = \"https://me:pw@x.example/a-1-py3-none-any.whl\" }]"),
            &lock("`a-1-py3-none-any.whl` stands there without SHA-256"),
        );
        refused(
            &package(&format!(
                "wheels = [{{ url = \"ftp://x/a-1-py3-none-any.whl\", hashes = {{ sha256 = \"{:064}\" }} }}]",
                1
            )),
            &lock("a file is to come by `ftp`"),
        );
        let twice = package(&format!("wheels = [{}]", wheel("a-1-py3-none-any.whl")));
        refused(&format!("{twice}\n{twice}"), &lock("it holds `a` twice"));
        let newer = read("lock-version = \"2.0\"", Path::new("p"), Target::LinuxX86_64, PY312).unwrap_err();
        assert!(newer.to_string().ends_with("it has lock-version 2.0, and 1.0 is known"), "{newer}");
    }

    #[test]
    fn a_committed_lock_becomes_requirements_with_its_markers() {
        let text = format!(
            "lock-version = \"1.0\"\n[[packages]]\nname = \"tzdata\"\nversion = \"1\"\nmarker = \"sys_platform == 'win32'\"\nwheels = [{}]\n[[packages]]\nname = \"me\"\ndirectory = {{ path = \".\", editable = true }}\n",
            wheel("tzdata-1-py3-none-any.whl")
        );
        let (requirements, committed) =
            committed(&text, Path::new("/p/pylock.toml"), Target::LinuxX86_64).unwrap();
        assert_eq!(requirements, "tzdata==1 ; sys_platform == 'win32'\n");
        assert!(committed.has("tzdata", format!("{:064}", 7).parse().unwrap()));
        let hostile = text.replace("'win32'", "'win32'\\n-r /etc/passwd");
        assert!(super::committed(&hostile, Path::new("p"), Target::LinuxX86_64).is_err());
    }
}
