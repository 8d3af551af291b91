//! The lab's IIS: `iis --config DIR [--ready-file FILE]` serves what the `applicationHost.config` in a folder says, until
//! it is told to end. The file is written when every site is listened for.

use std::path::PathBuf;
use std::process::ExitCode;

use holdall_lab_iis::serve::{Current, OpenError, serve};
use miette::Diagnostic as _;

const USAGE: &str = "usage: iis --config DIR [--ready-file FILE]";

#[allow(clippy::print_stderr)]
fn main() -> ExitCode {
    let Some((folder, ready_file)) = arguments(std::env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    match run(folder, ready_file) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let help = error.help().map(|help| help.to_string()).unwrap_or_default();
            let causes = std::iter::successors(std::error::Error::source(&error), |cause| cause.source());
            let causes: String = causes.map(|cause| format!(": {cause}")).collect();
            eprintln!("{error}{causes}; {help}");
            ExitCode::FAILURE
        }
    }
}

fn arguments(mut words: impl Iterator<Item = String>) -> Option<(PathBuf, Option<PathBuf>)> {
    let (mut folder, mut ready_file) = (None, None);
    while let Some(word) = words.next() {
        match &*word {
            "--config" => folder = Some(words.next()?.into()),
            "--ready-file" => ready_file = Some(words.next()?.into()),
            _ => return None,
        }
    }
    Some((folder?, ready_file))
}

fn run(folder: PathBuf, ready_file: Option<PathBuf>) -> Result<(), OpenError> {
    let runtime = tokio::runtime::Runtime::new().map_err(OpenError::Threads)?;
    let current = Current::open(&folder)?;
    let tell = || {
        if let Some(file) = ready_file {
            // Who waits for a file that cannot be written waits in vain, and says so.
            let _ = fs_err::write(file, std::process::id().to_string());
        }
    };
    runtime.block_on(serve(current, tell, told_to_end()));
    runtime.shutdown_background();
    Ok(())
}

/// Resolves at Ctrl-C, and elsewhere than on Windows at SIGTERM.
async fn told_to_end() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = terminate.recv() => return,
                _ = tokio::signal::ctrl_c() => return,
            }
        }
    }
    // Without a way to be told it serves until it is killed.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
