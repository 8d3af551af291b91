//! Holdall packs a Django project with everything it needs into one archive, and runs it from there.
//!
//! The modules in reading order: first the verbs, then the stages as data flows through them, then the leaves.

/// The developer's half, read aloud: a project becomes a bundle.
pub mod bundle;
/// What `holdall lock` does: the wheels of a target, written down.
pub mod lock;
/// Find a Django project and read its configuration.
pub mod project;
/// A CPython of this machine, or one that was given, becomes a layer.
pub mod runtime;
/// A lock becomes wheel layers.
pub mod packages;
/// The project's own files, its settings inside a bundle, its static files.
pub mod app;
/// The parts of Holdall itself that go into a bundle.
pub mod tools;
/// Files become content-addressed zips, compressed once.
pub mod layer;
/// Layers become a bundle, block by block; open and verify one.
pub mod archive;
/// Keys, and signatures over a bundle's manifest.
pub mod signature;
/// A bundle becomes a folder.
pub mod release;
/// How a release is started; `site::local` is the embedded web server.
pub mod site;
/// Background commands of a project, as services of the system.
pub mod service;
/// Is this machine ready?
pub mod doctor;
/// The server's half: a bundle goes into service.
pub mod deploy;
/// What may be typed, and what is printed.
pub mod cli;
/// Every way a command can fail, and its exit code.
pub mod error;
/// `holdall.json`.
pub mod manifest;
/// Names of files inside a bundle.
pub mod entry;
/// Versions of CPython, and its place in a bundle.
pub mod python;
/// The platforms.
pub mod target;
/// SHA-256.
pub mod digest;
/// Data of `recipes/`.
pub mod recipe;
/// Bytecode of Python modules.
pub mod bytecode;
/// What an ELF file needs.
pub mod elf;
/// The cache folder.
pub mod cache;
/// Pinned programs from the package index.
pub mod python_tool;
/// The event log of Windows.
pub mod events;
/// What a site and all around it has said, merged by time.
pub mod logs;
/// What other programs say, made fit to be shown.
pub mod said;
/// How stages tell of their progress.
pub mod progress;
/// When the parts of a run are worked on.
pub mod clock;
/// Writing so that a power cut leaves the old or the new.
pub mod durable;
/// Files that somebody else holds for a moment.
pub mod held;
/// New files that not everybody may open.
pub mod private;
/// What must not outlive a run that is stopped halfway.
pub mod interrupt;

pub use error::Error;
