//! `cargo xtask bench bundle`: Holdall against its peers, on the same bytes, interleaved in one run, told as ratios.

pub(super) mod expanding;
mod growth;
pub(super) mod machine;
pub(super) mod measure;
pub(super) mod ours;
mod packing;
mod peers;
mod project;
pub(super) mod report;

use std::path::{Path, PathBuf};

use crate::tools;
use ours::Holdall;
use project::Project;
use report::Report;

/// Where the table stands.
const DOCUMENT: &str = "benches/bundle.md";

#[derive(clap::Args)]
pub struct Args {
    /// Two rounds, none of the peers that take a minute, no growing trees; benches/bundle.md stays as it is
    #[arg(long)]
    quick: bool,
    /// How often everything is measured; peers that take a minute are measured twice
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
}

pub fn run(args: &Args) -> anyhow::Result<()> {
    let rounds = if args.quick { 2 } else { usize::from(args.rounds) };
    let stand = Stand::prepare()?;
    let packing = packing::measure(&stand, rounds, args.quick)?;
    let expanding = expanding::measure(&stand, rounds)?;
    let growing = if args.quick { Vec::new() } else { growth::measure(&stand)? };
    let report =
        Report { machine: machine::Machine::of_this(), tree: stand.tree, packing, expanding, growing };

    let lines = stand.folder.join("bundle.jsonl");
    fs_err::write(&lines, report.json_lines())?;
    println!("\n{report}");
    println!("for machines: {}", lines.display());
    if !args.quick {
        let document = tools::root().join(DOCUMENT);
        let text = report::replace_table(&fs_err::read_to_string(&document)?, &report.to_string())?;
        fs_err::write(&document, text)?;
    }
    Ok(())
}

/// Everything that is made once: the programs, the project, its bundle and the tree that comes out of it.
pub(super) struct Stand {
    pub folder: PathBuf,
    pub holdall: Holdall,
    pub project: Project,
    locks: Locks,
    /// The bundle of the project as it is at first, and the release it expands into.
    pub bundle: PathBuf,
    pub release: PathBuf,
    pub tree: report::Tree,
}

/// The project's committed lock: as it was, and with one wheel of another version.
struct Locks {
    file: PathBuf,
    usual: Vec<u8>,
    bumped: Vec<u8>,
}

impl Stand {
    /// Pins the packages: as they were, or with one wheel of another version.
    fn pin(&self, bumped: bool) -> anyhow::Result<()> {
        self.project.pin(bumped)?;
        let lock = if bumped { &self.locks.bumped } else { &self.locks.usual };
        Ok(fs_err::write(&self.locks.file, lock)?)
    }

    pub fn prepare() -> anyhow::Result<Stand> {
        let product = tools::build_released_product()?;
        tools::step("build the program that expands");
        let expand = tools::build_program("bench", "expand", &["--release"])?;
        let folder = tools::target().join("bench");
        let holdall = Holdall {
            program: product.holdall,
            expand,
            tools: product.tools,
            python: tools::host_python()?.path,
            folder: folder.clone(),
        };

        tools::step("make the project, download its packages, bundle it and expand the bundle");
        let project = Project::write(&empty(&folder.join("project"))?)?;
        // The bumped one first, so that its new wheel lies in the cache as all others do. Both are locked, as projects
        // are that people deploy: with a committed lock no run waits for a package index.
        let locked = |bumped| {
            project.pin(bumped)?;
            let lock = holdall.lock(&project.folder)?;
            let bundled = holdall.bundle(&project.folder, &folder.join("first"))?;
            Ok::<_, anyhow::Error>((fs_err::read(&lock)?, lock, bundled))
        };
        let (bumped, ..) = locked(true)?;
        let (usual, file, bundled) = locked(false)?;
        let locks = Locks { file, usual, bumped };
        let release = folder.join("release");
        holdall.expand(&bundled.path, &release)?;
        let tree = report::Tree::of(&release)?;
        Ok(Stand { folder, holdall, project, locks, bundle: bundled.path, release, tree })
    }

    /// A folder with the project's wheels, for peers that install.
    fn wheelhouse(&self, python: &Path) -> anyhow::Result<PathBuf> {
        let folder = self.folder.join("wheelhouse");
        tools::step("download the wheels for peers that install");
        tools::quietly(
            std::process::Command::new(python)
                .args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"])
                .args(["--only-binary", ":all:", "--dest"])
                .arg(&folder)
                .arg("-r")
                .arg(self.project.folder.join("requirements.txt")),
        )?;
        Ok(folder)
    }
}

/// Removes what lies at `folder` and makes it again.
pub(super) fn empty(folder: &Path) -> anyhow::Result<PathBuf> {
    remove(folder)?;
    fs_err::create_dir_all(folder)?;
    Ok(folder.to_owned())
}

/// Removes a file or a folder, if it is there.
pub(super) fn remove(path: &Path) -> anyhow::Result<()> {
    match fs_err::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => Ok(fs_err::remove_dir_all(path)?),
        Ok(_) => Ok(fs_err::remove_file(path)?),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error.into()),
    }
}
