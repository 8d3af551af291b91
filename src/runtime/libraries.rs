//! Which libraries an ELF file brings into a process, found as the dynamic loader would find them.
//!
//! Only where they lie on this machine: copying and changing them is `host`'s business. `LD_LIBRARY_PATH`
//! is not looked at: a bundle must not depend on the shell that bundled it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::elf::Elf;
use crate::target::Target;

/// Where the loader looks when neither the file nor the cache knows a library.
const DEFAULT_FOLDERS: [&str; 4] = ["/lib64", "/usr/lib64", "/lib", "/usr/lib"];

/// The libraries that the loader knows beside those a file names a folder for.
pub struct System {
    target: Target,
    /// What `ldconfig -p` says: name to files, in the cache's order.
    cache: BTreeMap<String, Vec<PathBuf>>,
}

impl System {
    /// Asks `ldconfig`; without it the default folders alone are searched.
    pub fn survey(target: Target) -> System {
        // ldconfig lies in sbin, which is seldom on a user's PATH.
        let listing = ["ldconfig", "/sbin/ldconfig", "/usr/sbin/ldconfig"].iter().find_map(|program| {
            let output = Command::new(program).arg("-p").env("LC_ALL", "C").output().ok()?;
            output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
        });
        System { target, cache: listing.as_deref().map(parse_listing).unwrap_or_default() }
    }

    /// The file that the loader takes for `name`, asked for by the file `by` whose facts are `elf`.
    pub fn find(&self, name: &str, by: &Path, elf: &Elf) -> Option<PathBuf> {
        if name.contains('/') {
            return self.fits(origin(name, by));
        }
        let named = if elf.runpath.is_empty() { &elf.rpath } else { &elf.runpath };
        let named = named.iter().map(|folder| origin(folder, by).join(name));
        let cached = self.cache.get(name).into_iter().flatten().cloned();
        let default = DEFAULT_FOLDERS.iter().map(|folder| Path::new(folder).join(name));
        named.chain(cached).chain(default).find_map(|candidate| self.fits(candidate))
    }

    /// The file itself, without links, if it is a library for this machine.
    ///
    /// The loader too steps over a library for another machine and goes on looking.
    fn fits(&self, candidate: PathBuf) -> Option<PathBuf> {
        let file = fs_err::canonicalize(candidate).ok()?;
        let elf = Elf::parse(fs_err::read(&file).ok()?.as_slice()).ok()?;
        (elf.target == Some(self.target)).then_some(file)
    }
}

/// Whether the library belongs to glibc, which a bundle takes from the server: glibc and its loader are one
/// with the kernel interface and the machine's name service, and a second one in a process breaks it.
pub fn is_glibc(name: &str) -> bool {
    const NAMES: [&str; 12] = [
        "libc.so.6",
        "libm.so.6",
        "libmvec.so.1",
        "libdl.so.2",
        "libpthread.so.0",
        "librt.so.1",
        "libutil.so.1",
        "libresolv.so.2",
        "libanl.so.1",
        "libnsl.so.1",
        "libBrokenLocale.so.1",
        "libthread_db.so.1",
    ];
    NAMES.contains(&name) || name.starts_with("ld-linux") || name.starts_with("libnss_")
}

/// Puts the file's own folder in the place of `$ORIGIN`.
fn origin(text: &str, by: &Path) -> PathBuf {
    let folder = by.parent().unwrap_or(Path::new("/")).to_string_lossy();
    PathBuf::from(text.replace("${ORIGIN}", &folder).replace("$ORIGIN", &folder))
}

/// Reads lines like `libz.so.1 (libc6,x86-64) => /lib/x86_64-linux-gnu/libz.so.1`.
fn parse_listing(listing: &str) -> BTreeMap<String, Vec<PathBuf>> {
    let mut found: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for line in listing.lines() {
        if let Some((left, file)) = line.split_once(" => ")
            && let Some((name, _)) = left.trim().split_once(" (")
        {
            found.entry(name.to_owned()).or_default().push(PathBuf::from(file.trim()));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loaders_cache_is_read_by_name_in_its_order() {
        let listing = "3 libs found in cache `/etc/ld.so.cache'\n\
            \tlibz.so.1 (libc6,x86-64) => /lib/x86_64-linux-gnu/libz.so.1\n\
            \tlibz.so.1 (libc6) => /lib/i386-linux-gnu/libz.so.1\n\
            \tlibc.so.6 (libc6,x86-64, OS ABI: Linux 3.2.0) => /lib/x86_64-linux-gnu/libc.so.6\n";
        let found = parse_listing(listing);
        let files = ["/lib/x86_64-linux-gnu/libz.so.1", "/lib/i386-linux-gnu/libz.so.1"];
        assert_eq!(found["libz.so.1"], files.map(PathBuf::from));
        assert_eq!(found["libc.so.6"], [PathBuf::from("/lib/x86_64-linux-gnu/libc.so.6")]);
        assert_eq!(found.len(), 2);
    }

    #[test]
    fn origin_is_the_folder_of_the_file_that_asks() {
        let by = Path::new("/opt/py/lib/python3.12/lib-dynload/_ssl.so");
        assert_eq!(
            origin("$ORIGIN/../..", by),
            Path::new("/opt/py/lib/python3.12/lib-dynload/../..").to_owned()
        );
        assert_eq!(origin("${ORIGIN}", by), Path::new("/opt/py/lib/python3.12/lib-dynload").to_owned());
    }

    #[test]
    fn glibc_and_its_loader_stay_with_the_server() {
        for name in ["libc.so.6", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1", "libnss_files.so.2"] {
            assert!(is_glibc(name), "{name}");
        }
        for name in ["libcrypt.so.1", "libssl.so.3", "libgcc_s.so.1", "libstdc++.so.6", "libnsl.so.2"] {
            assert!(!is_glibc(name), "{name}");
        }
    }
}
