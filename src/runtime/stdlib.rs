//! What of CPython's standard library stays out of a bundle: what no Django site imports and what costs much, in
//! bytes or in files. Each file costs twice, as its bytecode lies beside it, and files are what costs on Windows.
//!
//! One list for every form of runtime, so that a site finds the same library whichever it was given. The library stays
//! in files; `benches/startup.md` says why it does not become one zip, as that of python.org's embeddable form is.

use std::path::Path;

/// Folders and files at the top of the standard library that are left out.
const LEFT_OUT: [&str; 12] = [
    // A word to pip, which a bundle does not have.
    "EXTERNALLY-MANAGED",
    // Packages of the host or of the runtime's maker (pip, setuptools): a bundle has its own.
    "site-packages",
    "dist-packages",
    // CPython's own tests: the larger part of the whole library.
    "test",
    // Windows and drawings on a screen. Their extension module would bring Tcl, Tk and X11 with it.
    "idlelib",
    "tkinter",
    "turtledemo",
    "turtle.py",
    // Brings pip as wheels: nothing is ever installed into a bundle.
    "ensurepip",
    // Rewrites sources of Python 2. The largest package after `encodings`, and gone from CPython 3.13: whatever is
    // imported there too does without.
    "lib2to3",
    // Writes installers for Windows; gone from CPython 3.13.
    "msilib",
    // A sample for the tests of frozen modules.
    "__phello__",
];

/// Folders further down.
const LEFT_OUT_BELOW: [&str; 1] = [
    // Finds libraries on macOS, and is imported there alone.
    "ctypes/macholib",
];

/// Whether the file or folder at `path` (relative to the standard library's folder, `/`-separated) is left out.
pub fn left_out(path: &str) -> bool {
    let top = path.split('/').next().unwrap_or(path);
    LEFT_OUT.contains(&top)
        || LEFT_OUT_BELOW.iter().any(|folder| Path::new(path).starts_with(folder))
        // What is needed to embed or extend CPython: a static library of tens of megabytes, and makefiles.
        || top.starts_with("config-")
        // Bytecode holds the time and the paths of where it was compiled.
        || path.split('/').any(|part| matches!(part, "__pycache__" | "tests" | "test"))
        || path.ends_with(".pyc")
        || path.ends_with(".a")
}

/// Whether the extension module in the file `name` (`_ssl.cpython-312-x86_64-linux-gnu.so`) is left out.
pub fn extension_left_out(name: &str) -> bool {
    let module = name.split('.').next().unwrap_or(name);
    // Modules for CPython's own tests and examples of how to write one.
    module.starts_with("_test")
        || matches!(module, "_ctypes_test" | "_xxtestfuzz" | "xxlimited" | "xxlimited_35" | "xxsubtype")
        // See `tkinter` above.
        || module == "_tkinter"
        // NIS, gone from CPython 3.13, would bring Kerberos and half a dozen libraries more.
        || module == "nis"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_tools_and_foreign_packages_stay_out_and_the_library_stays_in() {
        for path in [
            "site-packages",
            "site-packages/pip/__init__.py",
            "unittest/test/test_case.py",
            "json/__pycache__/decoder.cpython-312.pyc",
            "config-3.12-x86_64-linux-gnu/Makefile",
            "EXTERNALLY-MANAGED",
            "lib2to3/pgen2/driver.py",
            "ctypes/macholib",
            "ctypes/macholib/dyld.py",
        ] {
            assert!(left_out(path), "{path}");
        }
        for path in ["os.py", "unittest/case.py", "configparser.py", "venv/__init__.py", "ctypes/util.py"] {
            assert!(!left_out(path), "{path}");
        }
        assert!(extension_left_out("_tkinter.pyd"));
        assert!(extension_left_out("_testcapi.cpython-312-x86_64-linux-gnu.so"));
        assert!(!extension_left_out("_ssl.cpython-312-x86_64-linux-gnu.so"));
    }
}
