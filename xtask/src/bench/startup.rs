//! `cargo xtask bench startup`: how long a site's process takes to its first answer, and a bundle to become a release,
//! with and without bytecode and with the standard library in files and in a zip.
//!
//! Each round goes through all forms in turn for each thing that is timed, so what else the machine does befalls them
//! alike.

mod table;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, bail, ensure};

use crate::tools::{self, Product};

/// Where the table stands.
const DOCUMENT: &str = "benches/startup.md";

/// The forms by the names that the program `variants` gives them; the first is what the others are compared with.
const FORMS: [(&str, &str); 5] = [
    ("files", "bytecode beside every module, as bundled"),
    ("none", "no bytecode"),
    ("stored", "library as a zip of bytecode, stored"),
    ("deflated", "library as a zip of bytecode, deflated"),
    ("sources", "library as a zip of stored bytecode and deflated sources"),
];

const REQUEST: &str = include_str!("request.py");

/// Options of `cargo xtask bench startup`.
#[derive(clap::Args)]
pub struct Args {
    /// How often everything is measured
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// How often a start is measured after the machine has forgotten all files (needs root); 0 leaves it out
    #[arg(long, default_value_t = 0)]
    cold: u16,
    /// Print the table, and leave benches/startup.md as it is
    #[arg(long)]
    print: bool,
}

/// One form of the bundle, and what was seen of it.
struct Variant {
    text: &'static str,
    bundle: PathBuf,
    release: PathBuf,
    files: u64,
    size: u64,
    /// Files of code opened for the first answer: times, and how many different ones.
    opened: (u64, u64),
    times: BTreeMap<Measure, Vec<f64>>,
}

/// What is timed, in the order of the table's columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Measure {
    Interpreter,
    FirstAnswer,
    FirstAnswerCold,
    ExpandDisk,
    ExpandMemory,
}

const MEASURES: [Measure; 5] = [
    Measure::Interpreter,
    Measure::FirstAnswer,
    Measure::FirstAnswerCold,
    Measure::ExpandDisk,
    Measure::ExpandMemory,
];

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Measure::Interpreter => "`-c pass`",
            Measure::FirstAnswer => "first answer",
            Measure::FirstAnswerCold => "first answer, nothing in memory",
            Measure::ExpandDisk => "expand, disk",
            Measure::ExpandMemory => "expand, tmpfs",
        })
    }
}

pub fn run(args: &Args) -> anyhow::Result<()> {
    ensure!(cfg!(target_os = "linux"), "the forms of the library are made of a Linux runtime: run it there");
    let folder = tools::target().join("bench/startup");
    if folder.exists() {
        fs_err::remove_dir_all(&folder)?;
    }
    fs_err::create_dir_all(&folder)?;
    let product = tools::build_released_product()?;
    tools::step("build the program that makes the forms and expands them");
    let program = tools::build_program("bench", "variants", &["--release"])?;
    let bundle = bundle(&product, &folder)?;
    let stand = Stand::prepare(program, &bundle, &folder)?;
    let mut variants = stand.variants()?;
    stand.measure(&mut variants, args)?;
    let table = table::table(&variants, &stand.python);
    println!("\n{table}");
    if !args.print {
        let document = tools::root().join(DOCUMENT);
        fs_err::write(&document, table::replaced(&fs_err::read_to_string(&document)?, &table)?)?;
    }
    Ok(())
}

fn bundle(product: &Product, folder: &Path) -> anyhow::Result<PathBuf> {
    tools::step("holdall bundle examples/guestbook --runtime host");
    let dist = folder.join("dist");
    let mut bundle = Command::new(&product.holdall);
    bundle.arg("bundle").arg(tools::root().join("examples/guestbook")).args([
        "--runtime",
        "host",
        "--output",
    ]);
    tools::run(bundle.arg(&dist).env("HOLDALL_TOOLS", &product.tools))?;
    let made = fs_err::read_dir(&dist)?.next().context("there is a bundle")??;
    Ok(made.path())
}

/// What all forms share.
struct Stand {
    program: PathBuf,
    bundle: PathBuf,
    folder: PathBuf,
    shared: PathBuf,
    python: String,
    interpreter: String,
}

impl Stand {
    fn prepare(program: PathBuf, bundle: &Path, folder: &Path) -> anyhow::Result<Stand> {
        let mut zip = zip::ZipArchive::new(fs_err::File::open(bundle)?)?;
        let manifest: serde_json::Value = serde_json::from_reader(zip.by_name("holdall.json")?)?;
        let text =
            |value: &serde_json::Value| value.as_str().map(str::to_owned).context("the manifest says it");
        let shared = folder.join("shared");
        for below in ["databases", "media", "tmp"] {
            fs_err::create_dir_all(shared.join(below))?;
        }
        Ok(Stand {
            program,
            bundle: bundle.to_owned(),
            folder: folder.to_owned(),
            shared,
            python: text(&manifest["python"]["version"])?,
            interpreter: text(&manifest["python"]["program"])?,
        })
    }

    fn variants(&self) -> anyhow::Result<Vec<Variant>> {
        tools::step("make the forms");
        let mut make = Command::new(&self.program);
        make.arg("make").arg(&self.bundle).arg(&self.folder);
        let said = output(&mut make)?;
        let facts: Vec<serde_json::Value> =
            said.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
        let mut variants = Vec::new();
        for (name, text) in FORMS {
            let facts = facts.iter().find(|facts| facts["name"] == name).context("every form is made")?;
            let number = |key: &str| facts[key].as_u64().context("a number");
            let mut variant = Variant {
                text,
                bundle: self.folder.join(format!("{name}.zip")),
                release: self.folder.join(name),
                files: number("files")?,
                size: number("size")?,
                opened: (0, 0),
                times: BTreeMap::new(),
            };
            self.expand(&variant, &variant.release)?;
            if variants.is_empty() {
                let mut migrate = self.python(&variant);
                output(migrate.args(["manage.py", "migrate", "--verbosity", "0"]))?;
            }
            let said = output(&mut self.first_answer(&variant))?;
            let mut counts = said.split_whitespace().map(str::parse);
            let mut count = || counts.next().context("two numbers");
            variant.opened = (count()??, count()??);
            variants.push(variant);
        }
        Ok(variants)
    }

    fn measure(&self, variants: &mut [Variant], args: &Args) -> anyhow::Result<()> {
        let memory = Path::new("/dev/shm");
        let memory = memory.is_dir().then(|| memory.join(format!("holdall-bench-{}", std::process::id())));
        let disk = self.folder.join("expanded");
        for round in 0..args.rounds {
            tools::step(&format!("round {} of {}", round + 1, args.rounds));
            for measure in MEASURES {
                for number in 0..variants.len() {
                    // Another one first in each round.
                    let number = (number + usize::from(round)) % variants.len();
                    let variant = &mut variants[number];
                    let seconds = match (measure, &memory) {
                        (Measure::Interpreter, _) => timed(self.python(variant).args(["-c", "pass"]))?,
                        (Measure::FirstAnswer, _) => timed(&mut self.first_answer(variant))?,
                        (Measure::FirstAnswerCold, _) if round < args.cold => {
                            forget()?;
                            timed(&mut self.first_answer(variant))?
                        }
                        (Measure::ExpandDisk, _) => self.expand_again(variant, &disk)?,
                        (Measure::ExpandMemory, Some(folder)) => self.expand_again(variant, folder)?,
                        (Measure::FirstAnswerCold | Measure::ExpandMemory, _) => continue,
                    };
                    variant.times.entry(measure).or_default().push(seconds);
                }
            }
        }
        Ok(())
    }

    /// The Python of a release, started as a site's is.
    fn python(&self, variant: &Variant) -> Command {
        let mut python = Command::new(variant.release.join(&self.interpreter));
        python.args(["-I", "-B", "-X", "utf8"]).current_dir(variant.release.join("app")).env_clear();
        python.envs([
            ("DJANGO_SETTINGS_MODULE", "holdall_site.settings"),
            ("HOLDALL_SITE", "guestbook"),
            ("HOLDALL_VERSION", "1.0.0"),
            ("SECRET_KEY", "what a benchmark has to hide, which is nothing at all"),
        ]);
        python.env("HOLDALL_SHARED", &self.shared).env("TMPDIR", self.shared.join("tmp"));
        python
    }

    fn first_answer(&self, variant: &Variant) -> Command {
        let mut python = self.python(variant);
        python.args(["-c", REQUEST, "guestbook.wsgi:application"]);
        python
    }

    fn expand(&self, variant: &Variant, folder: &Path) -> anyhow::Result<f64> {
        let mut expand = Command::new(&self.program);
        expand.arg("expand").arg(&variant.bundle).arg(folder);
        Ok(output(&mut expand)?.trim().parse()?)
    }

    fn expand_again(&self, variant: &Variant, folder: &Path) -> anyhow::Result<f64> {
        // What earlier runs left to the disk is not this one's to pay for.
        tools::run(&mut Command::new("sync"))?;
        let seconds = self.expand(variant, folder)?;
        fs_err::remove_dir_all(folder)?;
        Ok(seconds)
    }
}

/// Makes the system forget the files that it holds in memory.
fn forget() -> anyhow::Result<()> {
    tools::run(&mut Command::new("sync"))?;
    std::fs::write("/proc/sys/vm/drop_caches", "3").context("only root may: leave out `--cold`")
}

fn output(command: &mut Command) -> anyhow::Result<String> {
    let done = command.stdin(Stdio::null()).output().with_context(|| format!("cannot start {command:?}"))?;
    if !done.status.success() {
        bail!("{command:?} ended with {}:\n{}", done.status, String::from_utf8_lossy(&done.stderr).trim());
    }
    Ok(String::from_utf8(done.stdout)?)
}

fn timed(command: &mut Command) -> anyhow::Result<f64> {
    let started = Instant::now();
    output(command)?;
    Ok(started.elapsed().as_secs_f64())
}
