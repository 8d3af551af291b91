//! `netsh` of the lab: see the library.

use std::io::Write;

use holdall_lab_iis::lab::Lab;
use holdall_lab_iis::netsh;

fn main() {
    let args: Vec<String> =
        std::env::args_os().skip(1).map(|arg| arg.to_string_lossy().into_owned()).collect();
    let (exit, stdout) = match Lab::open(&Lab::folder_of_program()) {
        Ok(lab) => {
            let done = netsh::run(&lab, &args);
            (done.exit, done.stdout)
        }
        Err(error) => (1, format!("{error}\r\n").into_bytes()),
    };
    // Somebody who doesn't listen to it is told by the exit code.
    let _ = std::io::stdout().write_all(&stdout);
    std::process::exit(exit)
}
