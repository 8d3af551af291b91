//! Makes a server for the lab: `appcmd-lab init --kind cgi|aspnet FOLDER`.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use holdall_lab_iis::init::{Kind, init};

fn main() -> ExitCode {
    let args: Vec<String> =
        std::env::args_os().skip(1).map(|arg| arg.to_string_lossy().into_owned()).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let (kind, folder) = match *words {
        ["init", "--kind", "cgi", folder] => (Kind::Cgi, folder),
        ["init", "--kind", "aspnet", folder] => (Kind::AspNet, folder),
        _ => return failed("usage: appcmd-lab init --kind cgi|aspnet FOLDER", 2),
    };
    match init(Path::new(folder), kind) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error.to_string(), 1),
    }
}

fn failed(text: &str, code: u8) -> ExitCode {
    // Where nobody listens, the exit code tells.
    let _ = writeln!(std::io::stderr(), "{text}");
    code.into()
}
