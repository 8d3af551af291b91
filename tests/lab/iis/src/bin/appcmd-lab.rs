//! Makes a server for the lab: `appcmd-lab init --kind cgi|aspnet [--webdav] FOLDER`.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use holdall_lab_iis::init::{Kind, init, install_webdav};

fn main() -> ExitCode {
    let args: Vec<String> =
        std::env::args_os().skip(1).map(|arg| arg.to_string_lossy().into_owned()).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let (kind, webdav, folder) = match *words {
        ["init", "--kind", kind, folder] => (kind, false, folder),
        ["init", "--kind", kind, "--webdav", folder] => (kind, true, folder),
        _ => return failed(USAGE, 2),
    };
    let kind = match kind {
        "cgi" => Kind::Cgi,
        "aspnet" => Kind::AspNet,
        _ => return failed(USAGE, 2),
    };
    let folder = Path::new(folder);
    let made = init(folder, kind).and_then(|()| if webdav { install_webdav(folder) } else { Ok(()) });
    match made {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error.to_string(), 1),
    }
}

const USAGE: &str = "usage: appcmd-lab init --kind cgi|aspnet [--webdav] FOLDER";

fn failed(text: &str, code: u8) -> ExitCode {
    // Where nobody listens, the exit code tells.
    let _ = writeln!(std::io::stderr(), "{text}");
    code.into()
}
