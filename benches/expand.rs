//! `expand BUNDLE FOLDER`: opens a bundle and expands it, as a deploy does, and nothing else. `cargo xtask bench bundle`
//! times it.
#![allow(clippy::print_stderr, reason = "it talks to the benchmark")]

use std::path::Path;
use std::process::ExitCode;

use holdall::Error;
use holdall::archive::Bundle;
use holdall::progress::Silent;
use holdall::release::{self, Slot};

fn main() -> ExitCode {
    let paths: Vec<_> = std::env::args_os().skip(1).collect();
    let [bundle, folder] = paths.as_slice() else {
        eprintln!("usage: expand BUNDLE FOLDER");
        return ExitCode::from(2);
    };
    match expand(Path::new(bundle), Path::new(folder)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn expand(bundle: &Path, folder: &Path) -> Result<(), Error> {
    let bundle = Bundle::open(bundle)?;
    release::expand(&bundle, Slot::empty(folder)?, &Silent)?;
    Ok(())
}
