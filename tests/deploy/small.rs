//! A file system of its own, as small as a story wants it, below the story's folder.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Mounted as long as this lives.
pub struct Small {
    folder: PathBuf,
}

impl Small {
    /// One of so many kilobytes, in a folder that is made if it is not there. None, with a word about it, where only an
    /// administrator may have one.
    pub fn mount(folder: &Path, kilobytes: u64) -> Option<Small> {
        fs_err::create_dir_all(folder).unwrap();
        let size = format!("size={kilobytes}k");
        let mounted = run("mount", &["-t", "tmpfs", "-o", &size, "tmpfs"], folder);
        if !mounted {
            eprintln!("skipped: only root may make a small disk");
        }
        mounted.then(|| Small { folder: folder.to_owned() })
    }

    /// Makes it larger, or smaller, down to what lies on it.
    pub fn resize(&self, kilobytes: u64) {
        assert!(run("mount", &["-o", &format!("remount,size={kilobytes}k")], &self.folder));
    }

    /// How many kilobytes lie on it.
    pub fn used(&self) -> u64 {
        let told = Command::new("df").args(["--output=used", "-k"]).arg(&self.folder).output().unwrap();
        let told = String::from_utf8(told.stdout).unwrap();
        told.lines().last().unwrap().trim().parse().unwrap()
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        // Whoever still works in it is not disturbed; it goes with the last of them.
        run("umount", &["--lazy"], &self.folder);
    }
}

fn run(program: &str, args: &[&str], folder: &Path) -> bool {
    let done = Command::new(program).args(args).arg(folder).output();
    done.is_ok_and(|done| done.status.success())
}
