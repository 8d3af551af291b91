//! `cargo xtask demo`: the whole path on one machine. A project becomes a bundle, the bundle becomes a folder,
//! and the folder alone serves the site.

use std::io::{BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, bail};

use crate::{guestbook, tools};

/// Pages worth a look, and what is to be seen there.
const PAGES: [(&str, &str); 6] = [
    ("/", "the front page, with hashed static files"),
    ("/write/", "a form: leave an entry with a picture"),
    ("/grüße/", "a page at a non-ASCII address (German with your browser set to it)"),
    ("/admin/", "Django's admin"),
    ("/stream/", "a response that comes line by line"),
    ("/download/", "a file of several MB"),
];

/// Options of `cargo xtask demo`.
#[derive(clap::Args)]
pub struct Args {
    /// Ask for a handful of pages, print what was seen and stop; fails unless all were right
    #[arg(long)]
    check: bool,
    /// The port to serve on; 0 takes any free one
    #[arg(long, default_value_t = 8000)]
    port: u16,
}

pub fn run(args: &Args) -> anyhow::Result<()> {
    let product = tools::build_product()?;
    let folder = tools::target().join("demo");
    if folder.exists() {
        fs_err::remove_dir_all(&folder).context("an earlier demo may still be running")?;
    }
    fs_err::create_dir_all(&folder)?;
    let bundle = bundle(&product, &folder)?;
    let port = if args.check { 0 } else { args.port };
    let preview = preview(&product, &bundle, &folder.join("server"), port);
    if args.check { check(preview) } else { serve(preview, &folder) }
}

fn bundle(product: &tools::Product, folder: &Path) -> anyhow::Result<std::path::PathBuf> {
    tools::step("holdall bundle examples/guestbook --runtime host");
    let dist = folder.join("dist");
    tools::run(
        Command::new(&product.holdall)
            .arg("bundle")
            .arg(tools::root().join("examples/guestbook"))
            .args(["--runtime", "host", "--output"])
            .arg(&dist)
            .env("HOLDALL_TOOLS", &product.tools),
    )?;
    let mut bundles =
        fs_err::read_dir(&dist)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
    match (bundles.pop(), bundles.is_empty()) {
        (Some(bundle), true) => Ok(bundle),
        _ => bail!("`{}` should hold one bundle and nothing else", dist.display()),
    }
}

/// `holdall preview`: expands the bundle into the empty folder `root`, makes its database and serves it.
fn preview(product: &tools::Product, bundle: &Path, root: &Path, port: u16) -> Command {
    tools::step("holdall preview");
    let mut preview = Command::new(&product.holdall);
    preview
        .arg("preview")
        .arg(bundle)
        .arg("--root")
        .arg(root)
        .arg("--migrate")
        .args(["--port", &port.to_string()]);
    preview
}

/// Serves until Ctrl-C.
fn serve(preview: Command, folder: &Path) -> anyhow::Result<()> {
    println!();
    println!("The guestbook is served by the Python, the packages and the bridge of its bundle alone.");
    println!("What to look at, below the address that follows:");
    println!();
    for (page, what) in PAGES {
        println!("    {page:<12} {what}");
    }
    println!();
    println!("The bundle and the folder it was expanded into are in {}", folder.display());
    println!();
    tools::become_command(preview)
}

fn check(mut preview: Command) -> anyhow::Result<()> {
    let child = preview.args(["--format", "json"]).stdout(Stdio::piped()).spawn()?;
    let mut preview = Stopped(child);
    let mut lines = BufReader::new(preview.0.stdout.take().context("standard output was asked for")?);
    let address = address(&mut lines)?;
    // The lines that follow, one a request, must be read or the preview would wait for room.
    let rest = std::thread::spawn(move || lines.read_to_end(&mut Vec::new()));
    let seen = guestbook::visit(&address);
    let status = preview.stop()?;
    let _ = rest.join();
    let failed = seen.iter().filter(|page| page.problem.is_some()).count();
    for page in &seen {
        println!("{page}");
    }
    if failed > 0 {
        bail!("{failed} of {} pages were not as they should be", seen.len());
    }
    // Only Unix has a way to ask; elsewhere it was ended.
    if cfg!(unix) && !status.success() {
        bail!("preview did not stop cleanly: {status}");
    }
    println!("all {} pages were right", seen.len());
    Ok(())
}

/// Waits for the line that says where the site answers; lines before it tell what its processes print.
fn address(lines: &mut impl std::io::BufRead) -> anyhow::Result<String> {
    let mut line = String::new();
    while lines.read_line(&mut line)? > 0 {
        let value: serde_json::Value = serde_json::from_str(&line).with_context(|| line.clone())?;
        match (value["address"].as_str(), value["error"].as_str()) {
            (Some(address), _) => return Ok(address.to_owned()),
            (_, Some(error)) => bail!("preview failed: {error}"),
            _ => line.clear(),
        }
    }
    bail!("preview ended before it served")
}

/// A child that does not outlive this process's interest in it.
struct Stopped(Child);

impl Stopped {
    /// Asks the preview to stop as Ctrl-C would, and waits for it.
    fn stop(&mut self) -> anyhow::Result<std::process::ExitStatus> {
        if cfg!(unix) {
            // The shell's own `kill`: a small system has no program for it.
            tools::run(Command::new("sh").args(["-c", &format!("kill -INT {}", self.0.id())]))?;
        } else {
            self.0.kill()?;
        }
        Ok(self.0.wait()?)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        // Both fail only when the child has ended, which is what is wanted.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
