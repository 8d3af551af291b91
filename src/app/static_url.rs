//! From STATIC_URL to the folder of a bundle that holds the static files.

use super::error::AppError;
use crate::entry::EntryPath;
use crate::target::Target;

/// Where static files stand in the bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StaticPlace {
    /// Below the web root, where STATIC_URL's path leads: `www/static`.
    Web(EntryPath),
    /// Beside it: another server answers for STATIC_URL.
    Elsewhere(EntryPath),
}

impl StaticPlace {
    /// Reads a STATIC_URL as Django gives it.
    pub fn of(url: &str, target: Target) -> Result<StaticPlace, AppError> {
        let entry = |path: &str| {
            EntryPath::parse(path, target)
                .map_err(|source| AppError::StaticUrl { url: url.to_owned(), source })
        };
        if url.contains("://") || url.starts_with("//") {
            return Ok(StaticPlace::Elsewhere(entry("static-cdn")?));
        }
        let path = url.split(['?', '#']).next().unwrap_or_default().trim_matches('/');
        if path.is_empty() {
            return Err(AppError::StaticUrlIsRoot { url: url.to_owned() });
        }
        Ok(StaticPlace::Web(entry(&format!("www/{}", decoded(path)))?))
    }

    pub fn folder(&self) -> &EntryPath {
        match self {
            StaticPlace::Web(folder) | StaticPlace::Elsewhere(folder) => folder,
        }
    }
}

/// Resolves `%20` and its like, as the web server does before it looks for a file.
fn decoded(path: &str) -> String {
    let hex = |pair: &str| u8::from_str_radix(pair, 16).ok();
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some(at) = rest.find('%') {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        match rest.get(at + 1..at + 3).and_then(hex) {
            Some(byte) => {
                bytes.push(byte);
                rest = &rest[at + 3..];
            }
            None => {
                bytes.push(b'%');
                rest = &rest[at + 1..];
            }
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(url: &str, expected: &str) {
        let place = StaticPlace::of(url, Target::WindowsX86_64).unwrap();
        let found = match &place {
            StaticPlace::Web(folder) => folder.to_string(),
            StaticPlace::Elsewhere(folder) => format!("elsewhere: {folder}"),
        };
        assert_eq!(found, expected, "{url}");
    }

    #[test]
    fn a_path_becomes_a_folder_below_the_web_root() {
        check("/static/", "www/static");
        check("static/", "www/static");
        check("/assets/v1/", "www/assets/v1");
        check("/gr%C3%B6%C3%9Fe/", "www/größe");
        check("/100%/", "www/100%");
    }

    #[test]
    fn static_files_of_another_server_stand_beside_the_web_root() {
        check("https://cdn.example.com/static/", "elsewhere: static-cdn");
        check("//cdn.example.com/", "elsewhere: static-cdn");
    }

    #[test]
    fn a_static_url_that_is_the_root_or_no_folder_is_refused() {
        let of = |url| StaticPlace::of(url, Target::WindowsX86_64);
        assert!(matches!(of("/"), Err(AppError::StaticUrlIsRoot { .. })));
        assert!(matches!(of(""), Err(AppError::StaticUrlIsRoot { .. })));
        for url in ["/../", "/a//b/", "/con/", "/%2e%2e/"] {
            assert!(matches!(of(url), Err(AppError::StaticUrl { .. })), "{url}");
        }
    }
}
