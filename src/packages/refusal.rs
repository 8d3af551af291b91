//! From uv's words to the situation they tell of. uv has no machine-readable errors, so its sentences are read;
//! a sentence that nobody knows here is shown as it is.

use std::collections::BTreeSet;

use super::error::PackagesError;
use super::lock::normalized;
use super::question::Request;
use super::uv::UvFailure;

/// Why `uv pip compile` found no set of wheels.
pub(super) fn refusal(failure: &UvFailure, request: &Request<'_>) -> PackagesError {
    let Request { target, minor, supply, .. } = *request;
    let source = failure.said();
    let words = unwrapped(failure);
    // uv goes on without an index that turns it away, and then misses what is there.
    let denied = ["lack of valid authentication credentials", "401 Unauthorized", "403 Forbidden"];
    if denied.iter().any(|sign| words.contains(sign)) {
        return PackagesError::IndexDenied { source };
    }
    let mut packages = without_wheels(&words);
    if supply.offline {
        packages.extend(failure.not_supplied());
        if !packages.is_empty() {
            let searched = supply.folders.clone();
            return PackagesError::NotSupplied { packages, target, minor, searched, source };
        }
    }
    if !packages.is_empty() {
        return PackagesError::NoWheel { packages, target, minor, source };
    }
    let nonsense =
        ["Received some unexpected JSON", "Received some unexpected HTML", "Unsupported `Content-Type`"];
    if nonsense.iter().any(|sign| words.contains(sign)) {
        return PackagesError::NoIndex { source };
    }
    let network = ["Failed to fetch", "client error", "error sending request", "network was disabled"];
    if network.iter().any(|sign| words.contains(sign)) {
        return PackagesError::Unreachable { source };
    }
    if let Some((package, _)) = built(&words) {
        return PackagesError::NotAWheel { package, origin: "sources", target };
    }
    if words.contains("No solution found") {
        return PackagesError::Unresolved { target, minor, source };
    }
    failure.while_doing("select the packages")
}

impl UvFailure {
    /// The packages that have no wheel for the platform, if that is why uv failed.
    pub(super) fn without_wheels(&self) -> Vec<String> {
        without_wheels(&unwrapped(self))
    }

    /// The packages of which no folder has any file, where no index is asked.
    pub(super) fn not_supplied(&self) -> Vec<String> {
        let words = unwrapped(self);
        let before: Vec<&str> = words.split(" was not found in the provided package locations").collect();
        let names = before[..before.len() - 1].iter().filter_map(|before| before.rsplit(' ').next());
        // Of a package that is fixed uv says which version it has not found.
        let versions = words.split("there is no version of ").skip(1);
        let fixed = versions.filter_map(|rest| Some(rest.split(' ').next()?.split_once("==")?.0));
        names.chain(fixed).map(|name| normalized(name.split(['{', '[']).next().unwrap_or(name))).collect()
    }

    /// The package, and its version, that uv tried to build.
    pub(super) fn built(&self) -> Option<(String, String)> {
        built(&unwrapped(self))
    }

    /// Whether uv found no set of versions for another reason than a missing wheel.
    pub(super) fn is_contradiction(&self) -> bool {
        self.0.contains("No solution found") && self.without_wheels().is_empty()
    }
}

/// uv wraps its sentences at the width of a terminal, and older versions draw a frame beside them.
fn unwrapped(failure: &UvFailure) -> String {
    let words = failure.0.split_whitespace().filter(|word| !matches!(*word, "×" | "│" | "╰─▶" | "├─▶"));
    words.collect::<Vec<_>>().join(" ")
}

/// The packages that have no wheel for the target, as uv names them in its hints and in its reasons.
fn without_wheels(words: &str) -> Vec<String> {
    let hints = ["Wheels are required for `", "Wheels are available for `", "we only found wheels for `"];
    let hinted = hints.iter().flat_map(|hint| words.split(hint).skip(1)).map(until_mark);
    let reasons = ["no usable wheels", "no wheels with a matching"];
    let reasoned = reasons.iter().flat_map(|reason| {
        let before: Vec<&str> = words.split(reason).collect();
        before[..before.len() - 1].iter().filter_map(|before| subject(before)).collect::<Vec<_>>()
    });
    let names: BTreeSet<String> = hinted.chain(reasoned).map(normalized).collect();
    names.into_iter().filter(|name| !name.is_empty()).collect()
}

/// The package in `Because mysqlclient{sys_platform == 'x'}==2.2.0 has`
fn subject(before: &str) -> Option<&str> {
    let clause = before.trim_end().strip_suffix(" has").or(before.trim_end().strip_suffix(" have"))?;
    let clause = clause.rfind('{').map_or(clause, |marker| {
        // Only a marker of the subject itself: an earlier clause's has an end, and more words, after it.
        if clause[marker..].rsplit('}').next().is_some_and(|rest| rest.contains(' ')) {
            clause
        } else {
            &clause[..marker]
        }
    });
    let word = clause.rsplit(' ').next()?;
    let end = word.find(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c))).unwrap_or(word.len());
    Some(&word[..end])
}

/// The package that uv tried to build, which it does for a folder or a repository even when told not to.
fn built(words: &str) -> Option<(String, String)> {
    let signs =
        ["Failed to download and build `", "Failed to build `", "Building source distributions for `"];
    let name = signs.iter().find_map(|sign| words.split(sign).nth(1)).map(until_mark)?;
    let version = name.split_once("==").map_or("", |(_, version)| version);
    let name = name.split([' ', '=', '@']).next().unwrap_or(name);
    Some((normalized(name), version.to_owned()))
}

fn until_mark(text: &str) -> &str {
    text.split('`').next().unwrap_or(text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    use crate::packages::Supply;
    use crate::project::Dependencies;
    use crate::python::MinorVersion;
    use crate::target::Target;

    #[track_caller]
    fn check(words: &str, expected: &str) {
        check_with(words, &Supply::default(), expected);
    }

    #[track_caller]
    fn check_with(words: &str, supply: &Supply, expected: &str) {
        let dependencies = Dependencies::Requirements(Vec::new());
        let (target, minor) = (Target::WindowsArm64, MinorVersion { major: 3, minor: 12 });
        let build = crate::packages::Build::Nothing;
        let request = Request { dependencies: &dependencies, supply, build, target, minor };
        let error = refusal(&UvFailure(words.to_owned()), &request);
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn packages_without_a_wheel_are_named() {
        check(
            "error: No solution found when resolving dependencies\n  cause: Because all versions of uwsgi have no usable wheels and you require uwsgi, we can conclude that your requirements are unsatisfiable.\n\nhint: Wheels are required for `uwsgi` because building from source is disabled for all packages (i.e., with `--no-build`)\n",
            "`uwsgi` has no wheel for windows-arm64 and Python 3.12",
        );
        check(
            "  × No solution found when resolving dependencies:\n  ├─▶ Because all versions of uwsgi have no\n  │   usable wheels and you require uwsgi",
            "`uwsgi` has no wheel for windows-arm64 and Python 3.12",
        );
        check(
            "error: No solution found when resolving dependencies\n  cause: Because psycopg-binary{implementation_name != 'pypy'}==3.2.1 has no wheels with a matching\n         platform tag (e.g., `win_arm64`) and psycopg[binary]==3.2.1 depends on psycopg-binary{implementation_name != 'pypy'}==3.2.1 and mysqlclient==2.2.0 has no usable wheels",
            "`mysqlclient` and `psycopg-binary` have no wheel for windows-arm64 and Python 3.12",
        );
    }

    #[test]
    fn an_index_out_of_reach_is_told_from_a_wrong_requirement() {
        check(
            "error: Failed to fetch: http://127.0.0.1:9/simple/x/\n  cause: client error (Connect)",
            "uv cannot reach the package index",
        );
        check(
            "error: No solution found when resolving dependencies\n  cause: Because there is no version of django==99.9 and you require django==99.9, we can conclude",
            "the packages for windows-arm64 and Python 3.12 cannot be selected",
        );
        check(
            "error: No solution found when resolving dependencies\n  cause: Because x was not found in the package registry\n\nhint: An index URL (https://x.example/simple) could not be queried due to a lack of valid authentication credentials (401 Unauthorized).",
            "the package index does not let uv in",
        );
        check(
            "error: Received some unexpected JSON from `https://x.example/simple/x/`",
            "what answers uv is no package index, or a broken one",
        );
        check("error: Couldn't parse requirement in `a.txt`", "uv failed to select the packages");
    }

    #[test]
    fn what_no_folder_has_is_named_when_the_index_is_not_asked() {
        let supply = Supply { folders: vec!["/p/wheels".into()], offline: true };
        check_with(
            "error: No solution found when resolving dependencies\n  cause: Because django was not found in the provided package locations and you require django, we can conclude",
            &supply,
            "`django` has no wheel for windows-arm64 and Python 3.12 in `/p/wheels`, and the index is not asked",
        );
    }

    #[test]
    fn an_index_that_turns_one_away_is_told_from_one_that_has_not_what_is_wanted() {
        check(
            "error: No solution found when resolving dependencies\n  cause: Because asgiref was not found in the package registry and you require asgiref\n\nhint: An index URL (http://127.0.0.1:8765/simple) could not be queried due to a lack of valid authentication credentials (401 Unauthorized)",
            "the package index does not let uv in",
        );
    }

    #[test]
    fn a_repository_is_no_wheel() {
        check(
            "error: Failed to download and build `app @ git+https://x.example/y`\n  cause: Git operation failed",
            "`app` comes from sources, and a bundle takes wheels only",
        );
    }
}
