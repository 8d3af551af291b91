//! `holdall bundle`: a project becomes a bundle.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::Output;
use super::output::{duration, printable, size};
use super::packages::Packages;
use super::password;
use super::stop::Ending;
use super::table::Table;
use crate::Error;
use crate::app::StaticChoice;
use crate::bundle::{self, BundlePlan, Bundled, Wanted};
use crate::bytecode::Compiler;
use crate::cache::Cache;
use crate::digest::Sha256;
use crate::layer;
use crate::manifest::{Manifest, SiteName, Version};
use crate::packages::{self, InForce, LockedWheel, Pruned};
use crate::progress::{Notice, Stage};
use crate::project::{Overrides, Project, PythonWanted, RuntimeFrom};
use crate::python::PythonVersion;
use crate::signature::KeyId;
use crate::target::Target;

const AFTER: &str = "\
Examples:
  holdall bundle --runtime host --plan     what was found, and what would be done
  holdall bundle --runtime host            this folder for this machine, into dist/
  holdall bundle shop --runtime python.tar.gz --target linux-x86_64 --version 2.4
  holdall bundle shop --sign ../shop.key --password-file ../password

Exit codes:
  0  the bundle is there
  1  failed; nothing half-made is left
  2  wrong usage
  3  something about the project or this machine has to be put right first; nothing was made";

/// Pack a Django project, a Python, all packages and the bridge into one archive
///
/// Finds out by itself what the project needs, and prints each finding with its place. Each can be set here, or for
/// good in `holdall.toml`, which `holdall init` writes; what is set here wins.
///
/// Never bundled unless `[files] include` names it: version control, virtual environments, caches, `node_modules`,
/// `.env`, keys, databases, uploads, and what `.gitignore` ignores. Equal input gives an equal bundle, byte for byte.
#[derive(clap::Args)]
#[command(after_help = AFTER)]
pub struct Args {
    /// The project's folder: `manage.py` is in it, or in a folder directly below
    #[arg(default_value = ".")]
    project: PathBuf,
    /// Print what was found and what would be done, and make nothing
    #[arg(long)]
    plan: bool,
    /// The folder for the bundle, made if missing [default: `dist` in the project]
    #[arg(long, short, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Bundle every file of every package, tests and type stubs too. `[packages] prune` and `whole` in holdall.toml say
    /// it for good
    #[arg(long)]
    no_prune: bool,
    /// Sign the bundle with this secret key, which `holdall key new` or minisign made
    #[arg(long, value_name = "KEY")]
    sign: Option<PathBuf>,
    /// The file whose first line is the password of that key [default: HOLDALL_KEY_PASSWORD, else it is asked for
    /// before anything is made]
    #[arg(long, value_name = "FILE", requires = "sign")]
    password_file: Option<PathBuf>,
    #[command(flatten)]
    found: Found,
}

/// What is found out unless it is said.
#[derive(clap::Args)]
struct Found {
    /// Where the bundle's Python comes from; needed unless holdall.toml says it. `host` takes this machine's own, for
    /// this machine only. PATH is an archive or folder in python-build-standalone's `install_only` form, or in the
    /// form of python.org's embeddable zip
    #[arg(long, value_name = "host|PATH")]
    runtime: Option<String>,
    /// The platform to bundle for: `windows-x86_64`, `windows-arm64`, `linux-x86_64` or `linux-arm64` [default: what
    /// the runtime is for]
    #[arg(long, value_parser = Target::from_str)]
    target: Option<Target>,
    /// The name of the site and of its bundles [default: from pyproject.toml, else the name of the folder]
    #[arg(long, value_parser = SiteName::parse)]
    name: Option<SiteName>,
    /// The version of the bundle [default: from pyproject.toml, else `git describe`]. Changes that are not committed
    /// add `-dirty.` and eight digits of what they are
    #[arg(long, value_parser = Version::parse)]
    version: Option<Version>,
    /// The settings module that is served [default: what wsgi.py names, else what manage.py names]
    #[arg(long, value_name = "MODULE")]
    settings: Option<String>,
    /// The WSGI application [default: WSGI_APPLICATION in the settings, else what wsgi.py has]
    #[arg(long, value_name = "MODULE:NAME")]
    wsgi: Option<String>,
    /// The Python that the project wants, `3.12` or `>=3.11,<3.14`; another runtime is refused [default: what
    /// .python-version, pyproject.toml, uv.lock or runtime.txt says]
    #[arg(long, value_parser = PythonWanted::from_str)]
    python: Option<PythonWanted>,
    #[command(flatten)]
    packages: Packages,
    /// The folder with Holdall's own parts for other targets, `bridges/*.whl` and `holdall-<target>` [default:
    /// HOLDALL_TOOLS, else beside this program]
    #[arg(long, value_name = "DIR")]
    tools: Option<PathBuf>,
}

impl Found {
    fn wanted(self, project: PathBuf, output: Option<PathBuf>) -> Wanted {
        let runtime = self.runtime.map(|runtime| match runtime.as_str() {
            "host" => RuntimeFrom::Host,
            path => RuntimeFrom::Path(path.into()),
        });
        Wanted {
            project,
            overrides: Overrides {
                name: self.name,
                version: self.version,
                target: self.target,
                settings: self.settings,
                wsgi: self.wsgi,
                python: self.python,
                runtime,
                ..self.packages.overrides()
            },
            tools: self.tools,
            output,
            ..Wanted::default()
        }
    }
}

pub fn run(args: Args, output: &Output) -> Result<(), Error> {
    let started = Instant::now();
    let _ending = Ending::listen(output).map_err(Error::System)?;
    let (cache, _in_use) = super::cache::enter(output)?;
    let progress = output.progress();
    // A password that is wrong is best told of before the long work.
    let (key, file) = (args.sign.clone(), args.password_file.as_deref());
    let signer = match (&key, args.plan) {
        (None, _) => None,
        // Nothing is signed: what a plan would ask for, it asks for in vain.
        (Some(key), true) => password::open_unasked(key, file)?,
        (Some(key), false) => Some(password::open(key, file)?),
    };
    let wanted = args.found.wanted(args.project, args.output);
    let secrets = args.sign.iter().chain(&args.password_file).cloned().collect();
    let wanted = Wanted { leave_whole: args.no_prune, secrets, signer, ..wanted };
    let mut plan = bundle::plan(wanted, &cache, &*progress)?;
    plan.notices.extend(not_for_servers(&plan));
    if args.plan {
        match output.is_json() {
            true => output.json(&PlanValue::of(&plan, key.as_deref(), &cache)),
            false => {
                output.line(printable(findings(&plan).trim_end()));
                output.line(printable(&format!("\n{}", inputs(&plan, key.as_deref(), &cache).trim_end())));
                plan.notices.iter().for_each(|notice| output.notice(notice));
            }
        }
        return Ok(());
    }
    output.aside(printable(&findings(&plan)));
    let bundled = bundle::carry_out(plan, &cache, &*progress)?;
    if output.is_json() {
        output.json(&Report::of(&bundled));
    } else {
        output.line(printable(contents(&bundled.written.manifest).trim_end()));
        if !bundled.pruned.is_empty() {
            output.line(printable(&format!("\n{}", left_out(&bundled.pruned).trim_end())));
        }
        output.line(format!("\n{}\n", times(&bundled.took(), started.elapsed())));
        bundled.notices.iter().for_each(|notice| output.notice(notice));
        output.line(format!("identity  {}", bundled.written.identity));
        if let Some(key) = bundled.signed_by {
            output.line(format!("signed by {key}"));
        }
        output.line(format!("{} ({})", shown(&bundled.written.path), size(bundled.written.size)));
    }
    Ok(())
}

/// Bundles a project with the Python of this machine into `folder`, to be looked at; returns the bundle.
pub fn for_this_machine(project: &Path, folder: &Path, output: &Output) -> Result<PathBuf, Error> {
    let (cache, _in_use) = super::cache::enter(output)?;
    let progress = output.progress();
    let overrides =
        Overrides { runtime: Some(RuntimeFrom::Host), target: Target::host(), ..Overrides::default() };
    let project = project.to_owned();
    let wanted = Wanted { project, overrides, output: Some(folder.to_owned()), ..Wanted::default() };
    let plan = bundle::plan(wanted, &cache, &*progress)?;
    output.aside(printable(&findings(&plan)));
    let bundled = bundle::carry_out(plan, &cache, &*progress)?;
    bundled.notices.iter().for_each(|notice| output.notice(notice));
    Ok(bundled.written.path)
}

/// What to know of a bundle that carries this machine's Python. A preview is content with it, and does not ask.
fn not_for_servers(plan: &BundlePlan) -> Option<Notice> {
    let target = plan.runtime.target;
    (!plan.runtime.portable).then(|| Notice {
        what: format!(
            "this bundle carries the Python of this machine and is for this machine alone ({target})"
        ),
        help:
            "to look at the site that is enough; for a server, name a portable CPython with `--runtime PATH` \
               (without `--runtime`, `holdall bundle` says which archive fits)"
                .to_owned(),
    })
}

/// What was found of the project, and where.
fn findings(plan: &BundlePlan) -> String {
    let Project { name, version, settings, wsgi, python, dependencies, manage, .. } = &plan.project;
    let dirty = if plan.dirty { "-dirty.…" } else { "" };
    let mut table = Table::default();
    table.row(["name", name.value.as_str(), &name.from]);
    table.row(["version", &format!("{}{dirty}", version.value), &version.from]);
    table.row(["manage.py", &manage.display().to_string(), ""]);
    table.row(["settings", &settings.value, &settings.from]);
    table.row(["application", &wsgi.value, &wsgi.from]);
    table.row(["dependencies", &dependencies.value.to_string(), &dependencies.from]);
    if let Some(file) = &plan.lock_file {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        table.row(["lock", &name, &shown(file)]);
    }
    if let Some(python) = python {
        table.row(["Python wanted", &python.value.to_string(), &python.from]);
    }
    let target = &plan.project.target;
    let target_from = match target.value == plan.runtime.target {
        true => &target.from,
        false => "what the runtime is for",
    };
    table.row(["runtime", &cpython(plan), &plan.runtime.from]);
    table.row(["target", plan.runtime.target.as_str(), target_from]);
    table.to_string()
}

fn cpython(plan: &BundlePlan) -> String {
    format!("CPython {}", plan.runtime.layout.version)
}

/// The inputs by digest and the steps, in their order.
fn inputs(plan: &BundlePlan, key: Option<&Path>, cache: &Cache) -> String {
    let mut table = Table::default();
    table.row(["runtime", &plan.runtime.digest.short(), &cpython(plan)]);
    for wheel in plan.lock.wheels.iter().chain([&plan.bridge]) {
        let state = if packages::is_cached(wheel, cache) { "" } else { "  to download" };
        table.row(["wheel", &wheel.sha256.short(), &format!("{}{state}", wheel.file_name)]);
    }
    for pruning in plan.prunings.in_force(&packages_of(plan)) {
        let package = pruning.package.unwrap_or_default();
        table.row(["pruning", &package, &format!("{}: {}", pruning.what, pruning.reason)]);
    }
    let compiled =
        plan.compiler.as_ref().map(|compiler| format!("compiled by CPython {}", compiler.version()));
    table.row(["bytecode", "", compiled.as_deref().unwrap_or("none")]);
    let files = &plan.files.sources;
    let amount = format!("{} files, {}", files.len(), size(layer::total_size(files)));
    table.row(["app", "", &amount]);
    for left_out in &plan.files.left_out {
        table.row(["left out", "", &format!("{}: {}", left_out.path, left_out.why)]);
    }
    table.row(["static", "", &static_step(&plan.static_files)]);
    table.row(["bundle", "", &shown(&planned_path(plan))]);
    match (&plan.signer, key) {
        (Some(signer), _) => table.row(["signature", "", &format!("by the key {}", signer.public().id)]),
        (None, Some(key)) => table.row(["signature", "", &format!("by the key in {}", shown(key))]),
        (None, None) => {}
    }
    table.to_string()
}

fn packages_of(plan: &BundlePlan) -> BTreeSet<&str> {
    plan.lock.wheels.iter().map(|wheel| wheel.name.as_str()).collect()
}

fn static_step(choice: &StaticChoice) -> String {
    match choice {
        StaticChoice::Collect => "manage.py collectstatic".to_owned(),
        StaticChoice::Prebuilt(folder) => format!("copied from {}", folder.display()),
        StaticChoice::None => "none".to_owned(),
    }
}

fn planned_path(plan: &BundlePlan) -> PathBuf {
    let Project { name, version, .. } = &plan.project;
    let dirty = if plan.dirty { "-dirty.…" } else { "" };
    plan.folder.join(format!("{}-{}{dirty}-{}.zip", name.value, version.value, plan.runtime.target))
}

/// What is inside by size: the largest first.
fn contents(manifest: &Manifest) -> String {
    let mut layers: Vec<_> = manifest.layers.iter().collect();
    layers.sort_by_key(|layer| (std::cmp::Reverse(layer.length), &layer.name));
    let mut table = Table::default().right(2).right(3).right(4);
    table.row(["kind", "name", "files", "size", "packed"]);
    for layer in &layers {
        table.row([
            layer.kind.to_string().as_str(),
            &layer.name,
            &layer.entries.to_string(),
            &size(layer.size),
            &size(layer.length),
        ]);
    }
    let sum =
        |part: fn(&crate::manifest::LayerEntry) -> u64| layers.iter().map(|layer| part(layer)).sum::<u64>();
    let files = sum(|layer| layer.entries).to_string();
    table.row(["total", "", &files, &size(sum(|layer| layer.size)), &size(sum(|layer| layer.length))]);
    table.to_string()
}

/// What the packages do without: most files first.
fn left_out(pruned: &[Pruned]) -> String {
    let mut packages: BTreeMap<&str, Vec<&Pruned>> = BTreeMap::new();
    for one in pruned {
        packages.entry(&one.package).or_default().push(one);
    }
    let files = |of: &[&Pruned]| of.iter().map(|one| one.files).sum::<u64>();
    let bytes = |of: &[&Pruned]| of.iter().map(|one| one.bytes).sum::<u64>();
    let mut packages: Vec<_> = packages.into_iter().collect();
    packages.sort_by_key(|(_, of)| std::cmp::Reverse(files(of)));
    let mut table = Table::default().right(1).right(2);
    table.row(["left out of", "files", "size", "what"]);
    for (package, mut of) in packages {
        of.sort_by_key(|one| std::cmp::Reverse(one.files));
        let what: Vec<_> = of.iter().map(|one| one.what.as_str()).collect();
        table.row([package, &files(&of).to_string(), &size(bytes(&of)), &what.join(", ")]);
    }
    let all: Vec<_> = pruned.iter().collect();
    table.row(["total", &files(&all).to_string(), &size(bytes(&all))]);
    table.to_string()
}

fn times(took: &[(Stage, Duration)], all: Duration) -> String {
    let stages = took.iter().map(|(stage, took)| format!("{} {}", stage.as_str(), duration(*took)));
    format!("{} in all: {}", duration(all), stages.collect::<Vec<_>>().join(", "))
}

/// A path as people would type it here.
pub fn shown(path: &Path) -> String {
    let here = std::env::current_dir().ok().and_then(|here| path.strip_prefix(here).ok());
    here.unwrap_or(path).display().to_string()
}

/// `--plan` for machines.
#[derive(Serialize)]
struct PlanValue<'a> {
    project: &'a Project,
    /// The committed lock that the wheels are read from.
    lock: Option<&'a Path>,
    target: Target,
    runtime: Sha256,
    wheels: Vec<WheelValue<'a>>,
    prunings: Vec<InForce>,
    /// The version of the CPython that compiles.
    bytecode: Option<PythonVersion>,
    files: Vec<&'a str>,
    left_out: &'a [crate::app::LeftOut],
    dirty: bool,
    #[serde(rename = "static")]
    static_step: String,
    output: PathBuf,
    /// The file of the key that signs.
    key: Option<&'a Path>,
    /// Unknown while that file is not opened.
    signed_by: Option<KeyId>,
    notices: &'a [Notice],
}

#[derive(Serialize)]
struct WheelValue<'a> {
    #[serde(flatten)]
    wheel: &'a LockedWheel,
    cached: bool,
}

impl PlanValue<'_> {
    fn of<'a>(plan: &'a BundlePlan, key: Option<&'a Path>, cache: &Cache) -> PlanValue<'a> {
        let wheels = plan.lock.wheels.iter().chain([&plan.bridge]);
        PlanValue {
            project: &plan.project,
            lock: plan.lock_file.as_deref(),
            target: plan.runtime.target,
            runtime: plan.runtime.digest,
            wheels: wheels
                .map(|wheel| WheelValue { wheel, cached: packages::is_cached(wheel, cache) })
                .collect(),
            prunings: plan.prunings.in_force(&packages_of(plan)),
            bytecode: plan.compiler.as_ref().map(Compiler::version),
            files: plan.files.sources.iter().map(|source| source.path.as_str()).collect(),
            left_out: &plan.files.left_out,
            dirty: plan.dirty,
            static_step: static_step(&plan.static_files),
            output: planned_path(plan),
            key,
            signed_by: plan.signer.as_ref().map(|signer| signer.public().id),
            notices: &plan.notices,
        }
    }
}

/// The result for machines.
#[derive(Serialize)]
struct Report<'a> {
    path: &'a Path,
    identity: Sha256,
    size: u64,
    signed_by: Option<KeyId>,
    manifest: &'a Manifest,
    pruned: &'a [Pruned],
    notices: &'a [Notice],
    /// How long each stage was worked on.
    seconds: serde_json::Map<String, serde_json::Value>,
    /// And when: some are at the same time.
    spans: Vec<SpanValue>,
}

/// In seconds since the beginning.
#[derive(Serialize)]
struct SpanValue {
    stage: &'static str,
    from: f64,
    to: f64,
}

impl Report<'_> {
    fn of(bundled: &Bundled) -> Report<'_> {
        let seconds = bundled.took().into_iter();
        let seconds = seconds.map(|(stage, took)| (stage.as_str().to_owned(), took.as_secs_f64().into()));
        let spans = bundled.spans.iter().map(|span| SpanValue {
            stage: span.part.as_str(),
            from: span.from.as_secs_f64(),
            to: span.to.as_secs_f64(),
        });
        Report {
            path: &bundled.written.path,
            identity: bundled.written.identity,
            size: bundled.written.size,
            signed_by: bundled.signed_by,
            manifest: &bundled.written.manifest,
            pruned: &bundled.pruned,
            notices: &bundled.notices,
            seconds: seconds.collect(),
            spans: spans.collect(),
        }
    }
}
