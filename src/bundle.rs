//! The developer's half, read aloud: a project becomes a bundle.
//!
//! [`plan`] surveys (reads files, and asks uv) and decides; what it returns can be shown. [`carry_out`] does just
//! that and leaves one new file.

mod describe;

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::app::{self, AppFiles, StaticChoice};
use crate::archive::{self, Written};
use crate::bytecode::Compiler;
use crate::cache::{Cache, RUNS};
use crate::clock::{Clock, Span};
use crate::digest::Sha256;
use crate::entry::EntryPath;
use crate::error::Error;
use crate::interrupt::Passing;
use crate::layer::{self, Content, Key, Source};
use crate::manifest::{LayerKind, Manifest};
use crate::packages::{
    self, Build, Lock, LockedWheel, PackageLayers, Pruned, Prunings, Request, Selected, Shaping, Supply, Uv,
    Whole,
};
use crate::progress::{Notice, Progress, Stage};
use crate::project::{Overrides, OwnConfig, Project, RuntimeFrom, StaticFiles};
use crate::python::MinorVersion;
use crate::recipe::{IisTemplates, Recipes};
use crate::runtime::{self, HostPython, RuntimeChoice, RuntimePlan};
use crate::signature::{KeyId, Signer};
use crate::site::iis::own;
use crate::site::iis::register::Scripts;
use crate::site::iis::web_config::WebConfig;
use crate::target::Target;
use crate::tools::{self, DeployScript, Tools};

use describe::Known;

/// The folder of a run for collected static files.
const STATIC: &str = "static";

/// What the person asked for.
#[derive(Debug, Default)]
pub struct Wanted {
    pub project: PathBuf,
    pub overrides: Overrides,
    /// Where Holdall's own parts for the target lie.
    pub tools: Option<PathBuf>,
    /// Nothing is left out of any package, whatever the configuration says.
    pub leave_whole: bool,
    /// The folder for the bundle: `dist` in the project unless given.
    pub output: Option<PathBuf>,
    /// Files that must not go in: the secret key, and its password.
    pub secrets: Vec<PathBuf>,
    /// The key to sign it with.
    pub signer: Option<Signer>,
}

/// What a run will do, with every input that is known before the project's code runs.
pub struct BundlePlan {
    pub project: Project,
    pub runtime: RuntimePlan,
    pub lock: Lock,
    /// The committed lock that it was read from.
    pub lock_file: Option<PathBuf>,
    pub supply: Supply,
    pub prunings: Prunings,
    /// The bridge's wheel, and the holdall program that goes in.
    pub bridge: LockedWheel,
    pub program: PathBuf,
    /// What is known of the project's files before the settings were loaded.
    pub files: AppFiles,
    pub static_files: StaticChoice,
    /// Who compiles the modules; without one the bundle has no bytecode.
    pub compiler: Option<Compiler>,
    /// What puts the bundle into service where it was unpacked.
    pub script: DeployScript,
    /// For Windows: what registers the bundle in IIS by hand.
    pub iis: IisTemplates,
    pub folder: PathBuf,
    pub signer: Option<Signer>,
    /// Whether the version will be marked, as far as names tell.
    pub dirty: bool,
    pub notices: Vec<Notice>,
    /// A Python of this machine, to run the project's code while bundling.
    python: HostPython,
    uv: Uv,
    clock: Clock<Stage>,
}

/// What a run has done.
pub struct Bundled {
    pub written: Written,
    /// What the packages do without.
    pub pruned: Vec<Pruned>,
    pub signed_by: Option<KeyId>,
    pub notices: Vec<Notice>,
    /// When each stage was worked on, in the order in which that ended; some are at the same time.
    pub spans: Vec<Span<Stage>>,
}

impl Bundled {
    /// How long each stage was worked on, in the order in which they first ended; parts of one stage add up.
    pub fn took(&self) -> Vec<(Stage, Duration)> {
        let mut took: Vec<(Stage, Duration)> = Vec::new();
        for Span { part: stage, from, to } in &self.spans {
            match took.iter_mut().find(|(known, _)| known == stage) {
                Some((_, sum)) => *sum += *to - *from,
                None => took.push((*stage, *to - *from)),
            }
        }
        took
    }
}

/// Finds out what a bundle of this project will hold. Changes nothing outside of the cache.
pub fn plan(wanted: Wanted, cache: &Cache, progress: &dyn Progress) -> Result<BundlePlan, Error> {
    let clock = Clock::start();
    // Everything needs it: a folder that cannot be used is told of as such, and first.
    cache.folder(RUNS).map_err(Error::Cache)?;
    let project = Project::discover(&wanted.project, &wanted.overrides)?;
    let recipes = Recipes::of_user()?;
    let of_own = check_own(&project, None, &recipes.iis)?;
    let target = wanted.overrides.target.or(project.config.target);
    let runtime = clock.time(Stage::Runtime, || survey_runtime(&project, target, &recipes))?;
    let minor = runtime.layout.version.minor;
    let tools = Tools::find(wanted.tools.as_deref())?;
    let bridge = packages::local_wheel(&tools.bridge(runtime.target, minor)?)?;
    let program = tools.program(runtime.target)?;
    let script = DeployScript::of(&recipes.deploy, runtime.target);
    let python = build_python(&runtime)?;
    let uv = Uv::find(cache, &python.path, &recipes.uv)?;
    let supply = supply(&project);
    let dependencies = &project.dependencies.value;
    let request =
        Request { dependencies, supply: &supply, build: build(&runtime), target: runtime.target, minor };
    let Selected { mut lock, file: lock_file, notices: of_lock } = clock
        .time(Stage::Resolve, || packages::lock(&uv, &request, project.lock.as_deref(), cache, progress))?;

    if let Some(distribution) = &project.distribution {
        lock.add_project(packages::project_wheel(distribution, cache)?);
    }

    let whole = whole(&project, wanted.leave_whole);
    let misnamed = misnamed(&project, &whole, &lock);
    let mut prunings = Prunings::new(recipes.packages, whole);
    let static_files = static_choice(&project.config.build.static_files);
    let compiler = compiler(&project, &python, minor);
    let files = app::files(&input(&project, &runtime, &static_files, compiler.as_ref()), None)?;
    keep_out(&wanted.secrets, &files)?;
    prunings.heed(&files.sources);
    let dirty = is_dirty(&project, &files);
    let mut notices =
        [&project.notices[..], &project.advice, &runtime.notices, uv.notice.as_slice(), &of_lock, &misnamed]
            .concat();
    notices.extend(of_own);
    notices.extend(uncompiled(&project, compiler.as_ref(), minor));
    let folder = wanted.output.unwrap_or_else(|| project.root.join("dist"));
    Ok(BundlePlan {
        project,
        runtime,
        lock,
        lock_file,
        supply,
        prunings,
        bridge,
        program,
        files,
        static_files,
        compiler,
        script,
        iis: recipes.iis,
        folder,
        signer: wanted.signer,
        dirty,
        notices,
        python,
        uv,
        clock,
    })
}

/// Makes the bundle that was planned.
pub fn carry_out(plan: BundlePlan, cache: &Cache, progress: &dyn Progress) -> Result<Bundled, Error> {
    let BundlePlan {
        project,
        runtime,
        lock,
        supply,
        prunings,
        bridge,
        program,
        script,
        files: planned,
        static_files,
        compiler,
        mut notices,
        clock,
        ..
    } = plan;
    let scratch = scratch(cache)?;
    let compiler = compiler.as_ref();
    let mut wanted = lock.wheels.clone();
    wanted.push(bridge.clone());
    let dependencies = &project.dependencies.value;
    let minor = runtime.layout.version.minor;
    let request =
        Request { dependencies, supply: &supply, build: build(&runtime), target: runtime.target, minor };
    let mut wheels = clock
        .time(Stage::Download, || packages::download(&wanted, &request, cache, progress, &mut notices))?;
    let bridge_wheel = wheels.pop().expect("one wheel comes back for each that was asked for");
    packages::check(&wheels, &runtime.layout, runtime.target)?;
    // Read once: what the manifest names is what goes in, even if another program takes its place meanwhile.
    let program = fs_err::read(&program).map_err(Error::Program)?;
    let holdall = Sha256::of(&program);

    // What the project's code says changes nothing about the layers that it has no part in.
    let input = input(&project, &runtime, &static_files, compiler);
    let own = || -> Result<_, Error> {
        let environment = clock.time(Stage::Environment, || {
            packages::environment(&plan.uv, &request, &lock, &wheels, &plan.python.path, cache, progress)
        })?;
        let facts = clock.time(Stage::Settings, || {
            app::survey(&input, &environment.python, &scratch.path().join(STATIC), progress)
        })?;
        let collected = clock.time(Stage::Static, || app::collect(&input, &facts, progress))?;
        let (own, dirty) = clock.time(Stage::App, || {
            planned.still_there()?;
            let files = app::files(&input, Some(&facts))?;
            let dirty = is_dirty(&project, &files);
            app::layers(&input, &facts, &collected, files, cache, scratch.path(), progress)
                .map(|own| (own, dirty))
        })?;
        Ok((environment, facts, collected, own, dirty))
    };
    let target = runtime.target;
    let mut of_runtime = Vec::new();
    let mut of_program = Vec::new();
    let runtime_layer = || {
        clock.time(Stage::Runtime, || runtime::layer(&runtime, compiler, cache, progress, &mut of_runtime))
    };
    let package_layers = || {
        let shaping = Shaping { layout: &runtime.layout, target, prunings: &prunings, compiler };
        clock.time(Stage::Packages, || packages::layers(&wheels, &bridge_wheel, &shaping, cache, progress))
    };
    let program_layer = || {
        clock.time(Stage::Tools, || {
            tools::layer(program, holdall, script, target, cache, progress, &mut of_program)
        })
    };
    let (owned, (packages, (python, program))) =
        at_once(own, || at_once(package_layers, || at_once(runtime_layer, program_layer)));
    let (environment, facts, collected, own, dirty) = owned?;
    let PackageLayers { mut layers, pruned, notices: of_packages } = packages?;
    layers.extend([python?, program?]);
    if facts.loaded && input.build_settings.is_none() {
        notices.retain(|notice| !project.advice.contains(notice));
    }
    notices.extend(not_installed(&environment.left_out));
    notices.extend([environment.notices, of_runtime, of_program, of_packages].concat());
    notices.extend([&facts.notices[..], &collected.notices, &own.notices].concat());
    notices.sort();
    notices.dedup();

    let manifest = describe::compose(&Known {
        project: &project,
        runtime: &runtime,
        lock: &lock,
        bridge: &bridge,
        facts: &facts,
        collected: &collected,
        changed: dirty.then_some(own.app.digest),
        holdall,
        bytecode: compiler.map(Compiler::version),
    });
    layers.extend([own.app.clone(), own.static_files.clone()]);
    if target.is_windows() {
        check_own(&project, Some(&manifest), &plan.iis)?;
        let mut sources = Scripts::of(&manifest, &plan.iis)?.sources(target);
        sources.extend(project.web_config.as_ref().map(|own| own_source(own, target)));
        let key = Key::new(LayerKind::Iis, target, &[]);
        layers.push(layer::build_in(scratch.path(), &key, "iis", sources, None, Stage::App, progress)?);
    }
    let output = plan.folder.join(manifest.file_name());
    let signer = plan.signer.as_ref();
    let written =
        clock.time(Stage::Assemble, || archive::assemble(manifest, layers, &output, signer, progress))?;
    own.keep(cache);
    let signed_by = signer.map(|signer| signer.public().id);
    Ok(Bundled { written, pruned, signed_by, notices, spans: clock.spans() })
}

/// Merges the project's own `web.config` with one such as its releases will have, to see whether that goes.
fn check_own(
    project: &Project,
    manifest: Option<&Manifest>,
    templates: &IisTemplates,
) -> Result<Vec<Notice>, Error> {
    let Some(own) = &project.web_config else { return Ok(Vec::new()) };
    let ours = WebConfig::example(manifest).render(&templates.web_config)?;
    let (_, notices) = own::merged(&ours, &own.text, &own.shown)?;
    Ok(notices)
}

fn own_source(own: &OwnConfig, target: Target) -> Source {
    Source {
        path: EntryPath::parse(own::OWN, target).expect("its name is good everywhere"),
        content: Content::Bytes(own.text.clone().into_bytes()),
        executable: false,
    }
}

/// Does both; the second in a thread of its own.
fn at_once<A, B: Send>(one: impl FnOnce() -> A, other: impl FnOnce() -> B + Send) -> (A, B) {
    std::thread::scope(|scope| {
        let other = scope.spawn(other);
        let one = one();
        (one, other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}

/// Packages of the bundle that were not there when the project's code ran.
fn not_installed(packages: &[String]) -> Option<Notice> {
    (!packages.is_empty()).then(|| Notice {
        what: format!(
            "not installed while bundling, since this machine has no use for them: {}",
            packages.join(", ")
        ),
        help: "settings that import them need `[build] settings` or a check of `sys.platform`".to_owned(),
    })
}

/// The packages of which nothing is left out.
fn whole(project: &Project, leave_whole: bool) -> Whole {
    let packages = &project.config.packages;
    match leave_whole || packages.prune == Some(false) {
        true => Whole::All,
        false => Whole::only(&packages.whole),
    }
}

/// Names of packages to be left whole that no package has.
fn misnamed(project: &Project, whole: &Whole, lock: &Lock) -> Vec<Notice> {
    let Whole::Only(names) = whole else { return Vec::new() };
    let unknown = names.iter().filter(|name| lock.version_of(name).is_none());
    let notice = |name: &String| Notice {
        what: format!("no package is named `{name}`: {}", project.config.place("packages.whole")),
        help: "correct or remove it; `holdall bundle --plan` lists the packages".to_owned(),
    };
    unknown.map(notice).collect()
}

/// The folder of one run: layers that nobody asks for again, collected static files. It goes with the run.
fn scratch(cache: &Cache) -> Result<Passing<tempfile::TempDir>, Error> {
    let folder = cache.folder(RUNS).map_err(Error::Cache)?;
    Passing::make(|| tempfile::tempdir_in(folder)).map_err(Error::Cache)
}

/// What may be built from source: what runs where the bundle does.
fn build(runtime: &RuntimePlan) -> Build {
    if runtime.portable { Build::Portable } else { Build::ForThisMachine }
}

/// Where the project's wheels may come from.
pub(crate) fn supply(project: &Project) -> Supply {
    let keys = &project.config.packages;
    Supply { folders: keys.find_links.clone(), offline: keys.offline }
}

pub(crate) fn survey_runtime(
    project: &Project,
    target: Option<Target>,
    recipes: &Recipes,
) -> Result<RuntimePlan, Error> {
    let choice = project.runtime.as_ref().map(|found| match &found.value {
        RuntimeFrom::Host => RuntimeChoice::Host,
        RuntimeFrom::Path(path) => RuntimeChoice::Path(path.clone()),
    });
    let text = project.python.as_ref().map_or_else(
        || format!(">={}", MinorVersion::OLDEST),
        |found| format!("{} ({})", found.value, found.from),
    );
    let fits = |minor: MinorVersion| {
        minor >= MinorVersion::OLDEST && project.python.as_ref().is_none_or(|found| found.value.allows(minor))
    };
    let wanted = runtime::Wanted { text: &text, fits: &fits };
    Ok(runtime::survey(choice.as_ref(), &wanted, target, recipes)?)
}

/// A Python of this machine for the project's code: of the runtime's minor version if there is one.
fn build_python(runtime: &RuntimePlan) -> Result<HostPython, Error> {
    let minor = runtime.layout.version.minor;
    runtime::find_python(|python| python.version.minor == minor)
        .or_else(|| runtime::find_python(|_| true))
        .ok_or(Error::NoPython)
}

/// Fails if one of `secrets` lies among the files that would be bundled.
fn keep_out(secrets: &[PathBuf], files: &AppFiles) -> Result<(), Error> {
    let real = |path: &Path| fs_err::canonicalize(path).ok();
    for secret in secrets {
        let secret_file = real(secret);
        let inside = files.sources.iter().any(|source| match &source.content {
            Content::File(file) => secret_file.is_some() && real(file) == secret_file,
            Content::Bytes(_) | Content::Kept(_) => false,
        });
        if inside {
            return Err(Error::SecretInside { file: secret.clone() });
        }
    }
    Ok(())
}

/// Compiles with `python` if its bytecode is the runtime's, unless the project wants none.
fn compiler(project: &Project, python: &HostPython, minor: MinorVersion) -> Option<Compiler> {
    let wanted = project.config.build.bytecode.unwrap_or(true);
    (wanted && python.version.minor == minor).then(|| Compiler::new(python.path.clone(), python.version))
}

/// What to know of a bundle that lacks bytecode though it was wanted.
fn uncompiled(project: &Project, compiler: Option<&Compiler>, minor: MinorVersion) -> Option<Notice> {
    let wanted = project.config.build.bytecode.unwrap_or(true);
    (wanted && compiler.is_none()).then(|| Notice {
        what: format!("the bundle has no bytecode: this machine has no Python {minor} that could compile"),
        help: format!(
            "without it each process of the site starts more slowly: install a Python {minor} here, or name one in \
             HOLDALL_PYTHON"
        ),
    })
}

fn static_choice(configured: &StaticFiles) -> StaticChoice {
    match configured {
        StaticFiles::Collect => StaticChoice::Collect,
        StaticFiles::None => StaticChoice::None,
        StaticFiles::Prebuilt(folder) => StaticChoice::Prebuilt(folder.clone()),
    }
}

fn input<'a>(
    project: &'a Project,
    runtime: &'a RuntimePlan,
    static_files: &'a StaticChoice,
    compiler: Option<&'a Compiler>,
) -> app::Input<'a> {
    let config = &project.config;
    app::Input {
        root: &project.root,
        manage: &project.manage,
        python_path: &project.python_path,
        settings: &project.settings.value,
        build_settings: config.build.settings.as_deref(),
        wsgi: &project.wsgi.value,
        build_env: &config.build.env,
        paths: &config.paths,
        include: &config.files.include,
        exclude: &config.files.exclude,
        executable: &config.files.executable,
        static_files,
        target: runtime.target,
        site_packages: &runtime.layout.site_packages,
        compiler,
    }
}

/// Whether the files that go in are other than the commit's. Changes to anything else do not matter.
fn is_dirty(project: &Project, files: &AppFiles) -> bool {
    let paths = files.sources.iter().map(|source| Path::new(source.path.as_str()));
    let of_app = paths.filter_map(|path| path.strip_prefix("app").ok());
    project.changes.reach(of_app.chain(project.web_config.as_ref().map(|own| own.path.as_path())))
}
