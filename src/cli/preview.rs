//! `holdall preview`: a bundle served on this machine, to be looked at before it goes out.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

use super::Output;
use super::bundle;
use super::opened::Opened;
use super::output::{Format, printable};
use super::stop::{Ending, Stop};
use super::trust::TrustArgs;
use crate::Error;
use crate::digest::Sha256;
use crate::durable::Disk;
use crate::error::differing;
use crate::held::{self, Scratch};
use crate::interrupt::Passing;
use crate::manifest::{MANIFEST, Manifest};
use crate::progress::{Notice, Progress};
use crate::release::{self, Release, ReleaseError, Slot};
use crate::signature::Trust;
use crate::site::local::{self, Event, Listening, Served};
use crate::site::{self, BridgeToml, Invocation, Place, environment, given};
use crate::target::Target;

const AFTER: &str = "\
Examples:
  holdall preview .
  holdall preview dist/shop-2.4-linux-x86_64.zip --migrate
  holdall preview shop.zip --root preview --env-file site.env
  holdall preview shop.zip --env DEBUG=1 --env DATABASE_URL
  holdall preview shop.zip --trust shop.pub

Exit codes:
  0  it was stopped by Ctrl-C
  1  failed
  2  wrong usage
  3  the site lacks a variable, the port is taken, the target is another, or a key is unreadable";

/// Serve a bundle on this machine, to look at it before it goes out
///
/// A project is bundled first, with the Python of this machine, into a folder that goes afterwards.
///
/// The bundle is expanded, every file's SHA-256 is checked, and the site is served by the Python, the packages
/// and the bridge inside. What the site writes goes into a temporary folder that is removed at the end, or
/// below the folder that `--root` names. A line is printed for each request; Ctrl-C stops.
#[derive(clap::Args)]
#[command(after_help = AFTER)]
pub struct Args {
    /// The bundle, the folder it was expanded into, or a project
    #[arg(value_name = "BUNDLE|FOLDER|PROJECT")]
    path: PathBuf,
    /// The port to listen on; 0 takes any that is free
    #[arg(long, default_value_t = 8000)]
    port: u16,
    /// The address to listen on; `0.0.0.0` lets others on the network look, too
    #[arg(long, default_value = "127.0.0.1", value_name = "ADDRESS")]
    host: IpAddr,
    /// Where to expand, and to keep what the site writes (database, uploads) from one preview to the next [default: a
    /// temporary folder]
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// How many requests to work on at once, each in a process of its own
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=64))]
    processes: u16,
    /// A variable for the site; NAME alone hands on the value it has here. May be given several times, and wins over
    /// `--env-file`
    #[arg(long, value_name = "NAME[=VALUE]")]
    env: Vec<String>,
    /// A file of variables for the site, NAME=VALUE on each line
    #[arg(long, value_name = "FILE")]
    env_file: Option<PathBuf>,
    /// Bring the database up to date first, by `manage.py migrate`
    #[arg(long)]
    migrate: bool,
    #[command(flatten)]
    trust: TrustArgs,
}

/// Why there is nothing to look at.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum PreviewError {
    #[error("the bundle is for {bundle}, and this machine is {}", .here.map_or("none of the targets", Target::as_str))]
    #[diagnostic(help("bundle the project for this machine to look at it here"))]
    OtherTarget { bundle: Target, here: Option<Target> },
    #[error("the project does not start without {}", list(names))]
    #[diagnostic(help("give each by `--env NAME=VALUE`, or all by `--env-file FILE`{}", here(names)))]
    Missing { names: Vec<String> },
    #[error("`{}` is a project, and nobody has signed it", path.display())]
    #[diagnostic(help(
        "preview it without `--trust` and HOLDALL_TRUST, or make a signed bundle first (`holdall bundle --sign KEY`)"
    ))]
    NotABundle { path: PathBuf },
    #[error("cannot prepare `{}`", path.display())]
    #[diagnostic(help(
        "check that the disk has room and that you may write there, or name another folder with `--root`"
    ))]
    Folder { path: PathBuf, source: std::io::Error },
    #[error("no random bytes can be had for a SECRET_KEY")]
    #[diagnostic(help("give one by `--env SECRET_KEY=VALUE`"))]
    Random(#[source] std::io::Error),
    #[error("cannot start `{invocation}`")]
    #[diagnostic(help("the Python in the bundle does not run on this machine: bundle the project for it"))]
    Unstarted { invocation: String, source: std::io::Error },
    #[error("`{invocation}` failed ({status}):\n{output}")]
    #[diagnostic(help(
        "the words above are the project's own; settings it lacks are given by `--env NAME=VALUE`"
    ))]
    Migrate { invocation: String, status: ExitStatus, output: String },
    #[error("`{}` is not what was bundled: {}", path.display(), differing(*count))]
    #[diagnostic(help(
        "`holdall verify` with this folder names each file; remove the folder, and expand the bundle again"
    ))]
    Changed { path: PathBuf, count: usize },
    #[error("`{}` holds another bundle than the one that is to be shown", path.display())]
    #[diagnostic(help("remove the folder, or name another root by `--root`"))]
    OtherRelease { path: PathBuf },
    #[error("this machine does not let holdall listen for connections or signals")]
    #[diagnostic(help("it is out of threads, memory or open files: end other programs and try again"))]
    System(#[source] std::io::Error),
}

impl PreviewError {
    /// Whether nothing was done yet.
    pub fn is_precondition(&self) -> bool {
        use PreviewError::*;
        matches!(self, OtherTarget { .. } | Missing { .. } | NotABundle { .. } | Folder { .. })
    }
}

fn list(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// What is more to say when a variable that the site lacks is set where holdall was started.
fn here(names: &[String]) -> String {
    let set: Vec<String> = names.iter().filter(|name| std::env::var_os(name).is_some()).cloned().collect();
    if set.is_empty() {
        return String::new();
    }
    format!("; {} has a value here, which `--env NAME` alone hands on", list(&set))
}

/// The first line that machines read: from here on the site answers.
#[derive(Serialize)]
struct Ready<'a> {
    event: &'static str,
    address: &'a str,
    name: &'a str,
    version: &'a str,
    release: &'a Path,
    root: &'a Path,
    notices: &'a [Notice],
}

pub fn run(args: Args, output: &Output) -> Result<(), Error> {
    let ending = Ending::listen(output).map_err(PreviewError::System)?;
    // Whom to trust comes first: nothing is written before the signature was checked.
    let (opened, _bundled) = open(&args.path, &args.trust.read()?, output)?;
    runs_here(opened.manifest())?;
    let (given, notices) = variables(&args, opened.manifest())?;
    notices.iter().for_each(|notice| output.notice(notice));

    let listening = Listening::at(SocketAddr::new(args.host, args.port))?;
    let runtime = tokio::runtime::Runtime::new().map_err(PreviewError::System)?;
    let stop = Stop::listen(&runtime).map_err(PreviewError::System)?;
    // From here on Ctrl-C asks, as there is a site to be stopped.
    drop(ending);
    let root = Root::of(args.root.as_deref())?;
    let place = expand(opened, root.path(), &*output.progress())?;
    place
        .make_folders(&Disk::default())
        .and_then(|()| BridgeToml::of(&place, &given).write(&place.bridge_toml()))
        .map_err(|source| PreviewError::Folder { path: place.site.clone(), source })?;
    if args.migrate && !stop.is_asked() {
        match migrate(&place, &given, output) {
            // Ctrl-C in a terminal reaches the project's own command, too.
            Err(_) if stop.is_asked() => {}
            done => done?,
        }
    }
    if stop.is_asked() {
        return Ok(());
    }
    let served = Served::release(&place, args.processes.into());
    let teller = Teller::new(output);
    let ready = |address: SocketAddr| {
        tell_ready(&place, address, root.path(), &notices, output);
        teller.begin();
    };
    let listener = teller.clone();
    let events = move |event| listener.hear(event);
    runtime.block_on(local::serve(listening, served, events, ready, stop.asked()))?;
    Ok(())
}

/// Opens what was named; a project becomes a bundle in a temporary folder first, which goes when it is dropped.
fn open(path: &Path, trust: &Trust, output: &Output) -> Result<(Opened, Option<Passing<Scratch>>), Error> {
    if !path.is_dir() || path.join(MANIFEST).exists() {
        return Ok((Opened::open(path, trust)?, None));
    }
    if trust.is_asked() {
        return Err(PreviewError::NotABundle { path: path.to_owned() }.into());
    }
    let folder = Passing::make(|| Scratch::new("holdall-preview-"));
    let folder = folder.map_err(|source| PreviewError::Folder { path: std::env::temp_dir(), source })?;
    let bundle = bundle::for_this_machine(path, folder.path(), output)?;
    Ok((Opened::open(&bundle, trust)?, Some(folder)))
}

fn runs_here(manifest: &Manifest) -> Result<(), PreviewError> {
    let here = Target::host();
    if here != Some(manifest.target) {
        return Err(PreviewError::OtherTarget { bundle: manifest.target, here });
    }
    Ok(())
}

/// The variables for the site: typed ones before those of the file. A key that only has to be secret is made
/// up; of everything else that the project needs, nobody but the person can know the value.
fn variables(args: &Args, manifest: &Manifest) -> Result<(BTreeMap<String, String>, Vec<Notice>), Error> {
    let mut given = args.env_file.as_deref().map(given::file).transpose()?.unwrap_or_default();
    for text in &args.env {
        let (name, value) = given::variable(text, |name| std::env::var(name).ok())?;
        given.insert(name, value);
    }
    let mut notices = Vec::new();
    let (keys, missing): (Vec<_>, Vec<_>) = environment::missing(manifest, &given)
        .into_iter()
        .partition(|name| matches!(&**name, "SECRET_KEY" | "DJANGO_SECRET_KEY"));
    if !missing.is_empty() {
        return Err(PreviewError::Missing { names: missing }.into());
    }
    for name in keys {
        notices.push(Notice {
            what: format!("`{name}` is made up at random for this preview"),
            help: format!("logins end with it; `--env {name}=VALUE` gives one that stays"),
        });
        given.insert(name, random_key()?);
    }
    Ok((given, notices))
}

fn random_key() -> Result<String, PreviewError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| PreviewError::Random(std::io::Error::other(error)))?;
    Ok(Sha256::of(bytes).to_string())
}

/// The folder that holds the site: a temporary one, removed when dropped, or the person's.
enum Root {
    Temporary(Passing<Scratch>),
    Kept(PathBuf),
}

impl Root {
    fn of(kept: Option<&Path>) -> Result<Root, PreviewError> {
        let Some(path) = kept else {
            let failed = |source| PreviewError::Folder { path: std::env::temp_dir(), source };
            let made = Passing::make(|| Scratch::new("holdall-preview-"));
            return made.map(Root::Temporary).map_err(failed);
        };
        let failed = |source| PreviewError::Folder { path: path.to_owned(), source };
        // The site's processes run in other folders, so that a relative path would be another one there.
        std::path::absolute(path).map(Root::Kept).map_err(failed)
    }

    fn path(&self) -> &Path {
        match self {
            Root::Temporary(folder) => folder.path(),
            Root::Kept(path) => path,
        }
    }
}

/// Makes the release, or takes the one that is there; either way every file has been compared with its digest.
fn expand(opened: Opened, root: &Path, progress: &dyn Progress) -> Result<Place, Error> {
    let place = Place::below(root, opened.manifest().clone(), opened.identity());
    let bundle = match opened {
        Opened::Bundle(bundle) => bundle,
        Opened::Release(release) => {
            unchanged(&release, progress)?;
            let folder = std::path::absolute(&release.root)
                .map_err(|source| PreviewError::Folder { path: release.root.clone(), source })?;
            return Ok(place.adopting(folder));
        }
    };
    release::check_fits(&bundle, &place.release)?;
    let failed = |source| PreviewError::Folder { path: place.site.clone(), source };
    fs_err::create_dir_all(&place.site).map_err(failed)?;
    // Two previews of one bundle may begin at once: one expands, the other finds it done.
    let lock = fs_err::File::create(place.site.join("expand.lock")).map_err(failed)?;
    lock.file().lock().map_err(failed)?;
    match Release::open(&place.release) {
        // The folder is named by the beginning of the identity alone.
        Ok(release) if release.identity != bundle.identity() => {
            return Err(PreviewError::OtherRelease { path: release.root }.into());
        }
        Ok(release) => unchanged(&release, progress)?,
        Err(ReleaseError::NotARelease { .. }) => {
            // The manifest is written last: without it this is what a killed preview left.
            held::remove_dir_all(&place.release).map_err(failed)?;
            release::expand(&bundle, Slot::empty(&place.release)?, progress)?;
        }
        Err(error) => return Err(error.into()),
    }
    Ok(place)
}

fn unchanged(release: &Release, progress: &dyn Progress) -> Result<(), Error> {
    let count = release::verify(release, progress)?.len();
    match count {
        0 => Ok(()),
        _ => Err(PreviewError::Changed { path: release.root.clone(), count }.into()),
    }
}

fn migrate(place: &Place, given: &BTreeMap<String, String>, output: &Output) -> Result<(), PreviewError> {
    let invocation = site::manage(place, ["migrate", "--noinput"], given);
    output.aside("migrate");
    let done = run_program(&invocation)?;
    output.aside(printable(done.trim_end()));
    Ok(())
}

/// Runs a program to its end; returns what it wrote.
fn run_program(invocation: &Invocation) -> Result<String, PreviewError> {
    let mut command = invocation.command();
    let done = command
        .stdin(std::process::Stdio::null())
        .output()
        .map_err(|source| PreviewError::Unstarted { invocation: invocation.to_string(), source })?;
    let text = String::from_utf8_lossy(&done.stdout) + String::from_utf8_lossy(&done.stderr);
    if done.status.success() {
        return Ok(text.into_owned());
    }
    let lines: Vec<&str> = text.lines().collect();
    let output = printable(&lines[lines.len().saturating_sub(20)..].join("\n"));
    Err(PreviewError::Migrate { invocation: invocation.to_string(), status: done.status, output })
}

fn tell_ready(place: &Place, address: SocketAddr, root: &Path, notices: &[Notice], output: &Output) {
    let Manifest { name, version, .. } = &place.manifest;
    let address = format!("http://{address}/");
    if output.is_json() {
        let (name, version) = (name.as_str(), version.as_str());
        let release = &place.release;
        output.json(&Ready { event: "ready", address: &address, name, version, release, root, notices });
    } else {
        output.line(format!("Serving {name} {version} on {address} (Ctrl-C stops)"));
    }
}

/// Tells of each event as it comes: requests on standard output, what processes say on standard error.
///
/// The first line of the result is the address, so whatever comes before it has to wait for it.
struct Teller {
    output: Output,
    waiting: Mutex<Option<Vec<Event>>>,
    last_reason: Mutex<Vec<String>>,
}

impl Teller {
    fn new(output: &Output) -> Arc<Teller> {
        let format = if output.is_json() { Format::Json } else { Format::Text };
        Arc::new(Teller {
            output: Output::new(format),
            waiting: Mutex::new(Some(Vec::new())),
            last_reason: Mutex::default(),
        })
    }

    fn hear(&self, event: Event) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *waiting {
            Some(events) => events.push(event),
            None => {
                drop(waiting);
                self.tell(&event);
            }
        }
    }

    /// The address has been told.
    fn begin(&self) {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).take();
        waiting.iter().flatten().for_each(|event| self.tell(event));
    }

    fn tell(&self, event: &Event) {
        if self.output.is_json() {
            return self.output.json(event);
        }
        if let Event::NotStarting { output: reason, .. } = event {
            // A site that does not start is tried again and again; its reason is worth reading once.
            let mut last = self.last_reason.lock().unwrap_or_else(PoisonError::into_inner);
            if *last != *reason {
                reason.iter().for_each(|line| self.output.aside(local::Printable(line)));
                last.clone_from(reason);
            }
        }
        match event {
            Event::Request(_) => self.output.line(event),
            _ => self.output.aside(event),
        }
    }
}
