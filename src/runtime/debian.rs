//! Takes back what Debian and its derivatives change in `site` and `sysconfig`: they look for packages in
//! `dist-packages`, and would not look into the bundle's `site-packages`.
//!
//! `sysconfig` is the host's own text with one function replaced. `site` cannot be had so: since CPython 3.11 the
//! interpreter carries it inside, and `site.py` is not read. So the folder is added by `sitecustomize`, which
//! `site` imports last, and which a bundle can have for itself as nothing of the host's is on its path.

use crate::python::MinorVersion;

/// Files that only Debian's own packaging uses. `sitecustomize` is a link to `/etc` and reports crashes there,
/// `_distutils_system_mod` sends what is installed to `dist-packages`.
pub const LEFT_OUT: [&str; 2] = ["sitecustomize.py", "_distutils_system_mod.py"];

/// Whether this `site.py` is Debian's.
pub fn is_patched(site: &str) -> bool {
    site.contains("dist-packages")
}

/// The `sitecustomize.py` that makes Debian's `site` look where every other one does.
pub fn sitecustomize(version: MinorVersion) -> String {
    format!(
        "\"\"\"Debian's site module looks for packages in dist-packages; in a bundle they lie here.\"\"\"\n\n\
         import os\nimport site\nimport sys\n\n\
         PACKAGES = os.path.join(sys.prefix, \"lib\", \"python{version}\", \"site-packages\")\n\
         site.getsitepackages = lambda prefixes=None: [PACKAGES]\n\
         site.addsitedir(PACKAGES)\n"
    )
}

/// `sysconfig` naming the same folder for packages; `None` if it does so already.
pub fn sysconfig(text: &str) -> Result<Option<String>, &'static str> {
    if !text.contains("'posix_local'") {
        return Ok(None);
    }
    let function = "def _get_preferred_schemes():\n    \
        return {'prefix': 'posix_prefix', 'home': 'posix_home', 'user': 'posix_user'}\n";
    replace(text, "_get_preferred_schemes", function).map(Some)
}

/// Puts `function` in the place of the module-level function `name`.
fn replace(text: &str, name: &'static str, function: &str) -> Result<String, &'static str> {
    let head = format!("\ndef {name}(");
    let begin = text.find(&head).ok_or(name)? + 1;
    // The function ends before the next line that is neither empty nor indented.
    let mut end = begin;
    for (number, line) in text[begin..].split_inclusive('\n').enumerate() {
        let outside = !line.trim().is_empty() && !line.starts_with([' ', '\t', '#', ')']);
        if number > 0 && outside {
            break;
        }
        end += line.len();
    }
    Ok(format!("{}{function}\n\n{}", &text[..begin], &text[end..]))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const MODULE: &str = "import os\n\nFOLDERS = {'posix_local': 1}\n\n\ndef before():\n    pass\n\n\n\
        def _get_preferred_schemes():\n    if os.name == 'nt':\n        pass\n# a comment at the margin\n\n    \
        return {'prefix': 'posix_local'}\n\n\ndef after():\n    pass\n";

    #[test]
    fn one_function_is_replaced_and_its_neighbours_stay() {
        let (before, rest) = MODULE.split_once("def _get").unwrap();
        let after = &rest[rest.find("def after").unwrap()..];
        let module = sysconfig(MODULE).unwrap().unwrap();
        let inner = module.strip_prefix(before).unwrap().strip_suffix(after).unwrap();
        assert!(inner.contains("'prefix': 'posix_prefix'"), "{inner}");
        assert!(!inner.contains("posix_local") && !inner.contains("margin"), "{inner}");
    }

    #[test]
    fn an_unchanged_module_is_left_alone_and_an_unknown_one_is_named() {
        assert_eq!(sysconfig("def _get_preferred_schemes():\n    pass\n"), Ok(None));
        assert_eq!(sysconfig("schemes = {'posix_local': 1}\n"), Err("_get_preferred_schemes"));
    }
}
