//! From an address to a place on disk: the site by port and host, the application by the longest path, its virtual
//! directory, and the file in that.

use std::path::{Path, PathBuf};

use super::model::{Folder, Model, Site};

/// The site that has a host on a port. As in http.sys, a binding with the host goes before one for all hosts, and
/// one with an address before one for all addresses.
pub fn site<'a>(model: &'a Model, port: u16, host: &str) -> Option<&'a Site> {
    let rank = |binding: &super::model::Binding| {
        let is_host = match binding.host.strip_prefix('*') {
            _ if binding.host.is_empty() => false,
            // `*.example.com`, since IIS 10.
            Some(end) => host.to_ascii_lowercase().ends_with(&end.to_ascii_lowercase()),
            None => binding.host.eq_ignore_ascii_case(host),
        };
        let is_meant = binding.port == port && (is_host || binding.host.is_empty());
        is_meant.then(|| (is_host, !binding.host.starts_with('*'), binding.address != "*"))
    };
    let sites = model.sites.iter().filter(|site| site.is_started);
    let bindings = sites.flat_map(|site| site.bindings.iter().map(move |binding| (site, binding)));
    let ranked = bindings.filter_map(|(site, binding)| Some((rank(binding)?, site)));
    // Of equals the first has it.
    ranked.reduce(|best, next| if next.0 > best.0 { next } else { best }).map(|(_, site)| site)
}

/// The virtual directory of a path, and what is left of the path below it, without a slash in front.
pub fn folder<'a, 'b>(site: &'a Site, path: &'b str) -> Option<(&'a Folder, &'b str)> {
    let application = site.folders.iter().filter(|folder| below(path, &folder.application).is_some());
    let application = &application.max_by_key(|folder| folder.application.len())?.application;
    let folders = site.folders.iter().filter(|folder| folder.application == *application);
    let found = folders.filter_map(|folder| Some((folder, below(path, &folder.path)?)));
    found.max_by_key(|(folder, _)| folder.path.len())
}

/// What follows `mount` in `path`; upper and lower case are the same in an address of IIS.
fn below<'a>(path: &'a str, mount: &str) -> Option<&'a str> {
    let mount = mount.trim_end_matches('/');
    let (start, rest) = path.split_at_checked(mount.len())?;
    if !start.eq_ignore_ascii_case(mount) {
        return None;
    }
    if rest.is_empty() { Some("") } else { rest.strip_prefix('/') }
}

/// A path as http.sys hands it on: decoded once, with `/` between its segments, none of them empty, `.` or `..`.
pub fn canonical(raw: &str) -> Option<String> {
    let decoded = percent_encoding::percent_decode_str(raw).decode_utf8().ok()?.replace('\\', "/");
    let mut segments: Vec<&str> = Vec::new();
    for segment in decoded.split('/').skip(1) {
        match segment {
            "." => {}
            // Nothing is above the root.
            ".." => drop(segments.pop()?),
            segment => segments.push(segment),
        }
    }
    Some(format!("/{}", segments.join("/")))
}

/// What lies at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OnDisk {
    Nothing,
    File(PathBuf),
    Folder(PathBuf),
}

/// Finds `rest`, a path below a virtual directory, in its folder.
pub fn on_disk(folder: &Path, rest: &str) -> OnDisk {
    let mut found = folder.to_owned();
    for segment in rest.split('/').filter(|segment| !segment.is_empty()) {
        // Windows would take these for something else: a stream, a device, another name.
        let is_name =
            !segment.contains([':', '*', '?', '"', '<', '>', '|', '\0']) && !segment.ends_with(['.', ' ']);
        match is_name.then(|| child(&found, segment)).flatten() {
            Some(child) => found = child,
            None => return OnDisk::Nothing,
        }
    }
    match fs_err::metadata(&found) {
        Ok(data) if data.is_dir() => OnDisk::Folder(found),
        // A file has nothing below it, not even an empty name.
        Ok(_) if !rest.ends_with('/') => OnDisk::File(found),
        _ => OnDisk::Nothing,
    }
}

/// An entry of a folder, by its name in whatever case, as Windows finds it.
fn child(folder: &Path, name: &str) -> Option<PathBuf> {
    let exact = folder.join(name);
    if exact.exists() {
        return Some(exact);
    }
    let entries = fs_err::read_dir(folder).ok()?.filter_map(Result::ok);
    let is_same = |found: &str| found.to_lowercase() == name.to_lowercase();
    let mut same = entries.filter(|entry| entry.file_name().to_str().is_some_and(is_same));
    same.next().map(|entry| entry.path())
}

#[cfg(test)]
mod tests {
    use super::super::model::Binding;
    use super::super::model::tests::folder as folder_at;
    use super::*;

    fn site_with(name: &str, bindings: &[(&str, u16, &str)]) -> Site {
        let bindings = bindings.iter().map(|&(address, port, host)| Binding {
            https: false,
            address: address.to_owned(),
            port,
            host: host.to_owned(),
        });
        let folders =
            [("/", ""), ("/", "/static"), ("/App", "/App"), ("/App", "/App/media"), ("/", "/app/media/x")];
        Site {
            name: name.to_owned(),
            id: 1,
            is_started: true,
            bindings: bindings.collect(),
            folders: folders
                .iter()
                .map(|(application, path)| folder_at(application, path, "/srv", "pool"))
                .collect(),
        }
    }

    #[test]
    fn the_binding_that_says_most_has_the_request() {
        let mut stopped = site_with("stopped", &[("*", 80, "stopped.example")]);
        stopped.is_started = false;
        let sites = vec![
            stopped,
            site_with("all", &[("*", 80, "")]),
            site_with("address", &[("127.0.0.1", 80, ""), ("*", 81, "only.example")]),
            site_with("wild", &[("*", 80, "*.example")]),
            site_with("host", &[("*", 80, "www.example")]),
            site_with("late", &[("*", 80, "www.example")]),
        ];
        let model = Model { sites, ..Model::default() };
        let check = |port, host, expected: Option<&str>| {
            assert_eq!(site(&model, port, host).map(|site| &*site.name), expected, "{host}");
        };
        check(80, "WWW.example", Some("host"));
        check(80, "other.example", Some("wild"));
        check(80, "stopped.example", Some("wild"));
        check(80, "elsewhere", Some("address"));
        check(81, "only.example", Some("address"));
        check(81, "elsewhere", None);
        check(82, "elsewhere", None);
    }

    #[test]
    fn the_longest_application_then_the_longest_folder_has_the_path() {
        let site = site_with("s", &[]);
        for (path, expected) in [
            ("/", ("", "")),
            ("/static", ("/static", "")),
            ("/STATIC/a/b", ("/static", "a/b")),
            ("/statics/a", ("", "statics/a")),
            ("/app/x", ("/App", "x")),
            ("/app/media/x/y", ("/App/media", "x/y")),
            ("/application", ("", "application")),
        ] {
            let (folder, rest) = folder(&site, path).unwrap();
            assert_eq!((&*folder.path, rest), expected, "{path}");
        }
    }

    #[test]
    fn a_path_is_decoded_once_and_stays_below_the_root() {
        for (raw, expected) in [
            ("/a%20b/%2541", Some("/a b/%41")),
            ("/a/./b/../c/", Some("/a/c/")),
            (r"/a\b%5Cc", Some("/a/b/c")),
            ("/../x", None),
            ("/a//b", Some("/a//b")),
            ("/%ff", None),
        ] {
            assert_eq!(canonical(raw).as_deref(), expected, "{raw}");
        }
    }

    #[test]
    fn files_are_found_as_windows_finds_them() {
        let folder = tempfile::tempdir().unwrap();
        fs_err::create_dir(folder.path().join("Static")).unwrap();
        fs_err::write(folder.path().join("Static/Site.css"), "x").unwrap();
        // Windows itself finds it by the name that was asked for.
        let OnDisk::File(file) = on_disk(folder.path(), "static/SITE.css") else { panic!("no file") };
        assert_eq!(fs_err::read_to_string(file).unwrap(), "x");
        assert!(matches!(on_disk(folder.path(), "static"), OnDisk::Folder(_)));
        for nothing in ["Static/Site.css/", "Static/Site.css::$DATA", "Static/Site.css.", "none"] {
            assert_eq!(on_disk(folder.path(), nothing), OnDisk::Nothing, "{nothing}");
        }
    }
}
