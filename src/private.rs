//! New files and folders that not everybody may open, from their first moment on; and who may change those that are there.

mod changers;
pub mod sddl;
#[cfg(windows)]
mod win32;

use std::fs::File;
use std::io;
use std::path::Path;

pub use changers::{Of, changers};

/// Makes a file that was not there, for this user alone.
///
/// Where the disk knows no rights, as FAT does, it has none.
#[cfg(unix)]
pub fn create(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    File::options().write(true).create_new(true).mode(0o600).open(path)
}

/// Makes a file that was not there, for this user alone.
///
/// Where the disk knows no rights, as FAT does, it has none.
#[cfg(windows)]
pub fn create(path: &Path) -> io::Result<File> {
    // All rights (`FA`); what the folder would hand down does not count (`P`). Named by the user, as an elevated
    // program's files belong to all administrators.
    create_with(path, &format!("D:P(A;;FA;;;{})", win32::user()?))
}

/// Makes a file that was not there, with the rights that `sddl` says in the words of Windows. Only an elevated program may
/// give it to the administrators.
#[cfg(windows)]
pub fn create_with(path: &Path, sddl: &str) -> io::Result<File> {
    win32::create(path, sddl)
}

/// Makes a folder that was not there, with the rights that `sddl` says in the words of Windows.
#[cfg(windows)]
pub fn create_folder_with(path: &Path, sddl: &str) -> io::Result<()> {
    win32::create_folder(path, sddl)
}

/// Gives a folder that is there the owner and the rights that `sddl` says in the words of Windows, which all that is in it
/// inherits.
#[cfg(windows)]
pub fn guard_folder(path: &Path, sddl: &str) -> io::Result<()> {
    win32::guard_folder(path, sddl)
}

/// The folder in which Windows keeps what belongs to the whole machine. Asked of Windows itself: a variable of that name
/// says whatever somebody has set it to.
#[cfg(windows)]
pub fn program_data() -> io::Result<std::path::PathBuf> {
    win32::program_data()
}

/// Who owns what lies at `path`, and who may do what with it, in the [words of Windows](sddl).
#[cfg(windows)]
pub fn rights(path: &Path) -> io::Result<String> {
    win32::sddl(path)
}
