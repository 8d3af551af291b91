//! Who may do what in a site's folder. On Windows that is said once, by the folder, and handed down to all that is made in
//! it: rights set file by file would take minutes, and be forgotten for one.

use std::io;
use std::path::Path;

use super::secrets::Sid;
use crate::durable::Disk;

/// Makes a folder with rights of its own, unless it is there. Elsewhere than on Windows those are the usual ones.
pub fn make_folder(disk: &Disk, path: &Path, rights: &str) -> io::Result<()> {
    if !cfg!(windows) || path.is_dir() {
        return disk.create_folders(path);
    }
    if let Some(above) = path.parent() {
        disk.create_folders(above)?;
    }
    #[cfg(windows)]
    crate::private::create_folder_with(path, rights)?;
    let _ = rights;
    Ok(())
}

/// Of a site's folder, in the words of Windows: system and administrators may do all (`FA`), the pool may read and run
/// (`FRFX`); what the folder above would hand down does not count (`P`), and all of it is handed down further (`OICI`).
pub fn of_site(pool: &Sid) -> String {
    format!("D:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;FRFX;;;{})", pool.as_str())
}

/// Of the folder of what the project writes: the pool may change (0x1301bf) what is in it, too. What has other rights of
/// its own it cannot remove, as it may not remove children for being in its folder (0x40).
pub fn of_shared(pool: &Sid) -> String {
    format!("D:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;0x1301bf;;;{})", pool.as_str())
}

/// Of a file that says to IIS what to do: the pool may read it (`FR`), and what the folder would hand down does not count.
pub fn of_config(pool: &Sid) -> String {
    format!("D:P(A;;FA;;;SY)(A;;FA;;;BA)(A;;FR;;;{})", pool.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pool_reads_the_site_and_changes_what_it_wrote() {
        let pool = Sid::parse("S-1-5-82-1-2-3-4-5").unwrap();
        assert_eq!(of_site(&pool), "D:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;FRFX;;;S-1-5-82-1-2-3-4-5)");
        assert!(of_shared(&pool).ends_with("(A;OICI;0x1301bf;;;S-1-5-82-1-2-3-4-5)"));
    }

    #[test]
    fn a_folder_is_made_once() {
        let above = tempfile::tempdir().unwrap();
        let folder = above.path().join("sites").join("shop");
        let rights = "D:(A;OICI;FA;;;WD)";
        for _ in 0..2 {
            make_folder(&Disk::default(), &folder, rights).unwrap();
            assert!(folder.is_dir());
        }
    }
}
