//! Why there is no runtime.

use std::io;
use std::path::PathBuf;

use crate::bytecode::BytecodeError;
use crate::digest::Sha256;
use crate::entry::EntryPathError;
use crate::layer::LayerError;
use crate::python::PythonVersion;
use crate::python_tool::PythonToolError;
use crate::said::Said;
use crate::target::Target;

/// A runtime that a recipe knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownRuntime {
    pub python: PythonVersion,
    pub file: String,
    pub sha256: Sha256,
}

/// Why there is no runtime.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum RuntimeError {
    #[error("no runtime is named for {target} and Python {wanted}")]
    #[diagnostic(help(
        "get the archive `{}` of python-build-standalone (CPython {}, SHA-256 {}) and name it with \
         `--runtime PATH`; to try the project on this machine alone, say `--runtime host`",
        known.file, known.python, known.sha256
    ))]
    NotChosen { target: Target, wanted: String, known: KnownRuntime },
    #[error("no runtime is named for {target}, and no recipe has one that fits Python {wanted}")]
    #[diagnostic(help(
        "name an archive or folder with `--runtime PATH`, or ask for another Python version in the project"
    ))]
    NoneKnown { target: Target, wanted: String },

    #[error("`--runtime host` makes a bundle for this machine alone ({host}), and {target} was asked for")]
    #[diagnostic(help("leave out `--target`, or name a runtime for {target} with `--runtime PATH`"))]
    NotForHost { host: Target, target: Target },
    #[error("this machine is none of the targets that Holdall knows")]
    #[diagnostic(help("name a runtime for one of them with `--runtime PATH`"))]
    UnknownHost,
    #[error("HOLDALL_PYTHON names `{}`, which cannot be used: {why}", path.display())]
    #[diagnostic(help("name a CPython that fits, or unset the variable and let Holdall look for one"))]
    NamedPython { path: PathBuf, why: String },
    #[error("no CPython on this machine fits the project ({wanted}):\n  {seen}")]
    #[diagnostic(help("install one that fits, or name it in HOLDALL_PYTHON"))]
    NoHostPython { wanted: String, seen: String },
    #[error("`{}` is not made for {target} with glibc", program.display())]
    #[diagnostic(help("name another CPython in HOLDALL_PYTHON, or a runtime with `--runtime PATH`"))]
    OtherMachine { program: PathBuf, target: Target },
    #[error("`{}` keeps its library in `{folder}`, where Holdall expects `lib`", program.display())]
    #[diagnostic(help(
        "name another CPython in HOLDALL_PYTHON (pyenv's for one), or a runtime with `--runtime PATH`"
    ))]
    LibraryFolder { program: PathBuf, folder: String },
    #[error("`{}` is not a program of this machine", file.display())]
    #[diagnostic(help("name the interpreter itself in HOLDALL_PYTHON, not a script that starts it"))]
    NotElf { file: PathBuf },
    #[error("`{}` is damaged or of a form that Holdall cannot read", file.display())]
    #[diagnostic(help("install that Python anew, or name another runtime"))]
    BadProgram { file: PathBuf, source: object::read::Error },
    #[error("`{}` needs the library `{library}`, and this machine does not have it", by.display())]
    #[diagnostic(help("install the library, or name another CPython in HOLDALL_PYTHON"))]
    LibraryMissing { library: String, by: PathBuf },

    #[error(transparent)]
    #[diagnostic(transparent)]
    PatchelfNotInstalled(#[from] PythonToolError),
    #[error("patchelf does not start")]
    #[diagnostic(help("remove the one on PATH, or install a working one"))]
    NoPatchelf { source: io::Error },
    #[error("patchelf could not change a copy of `{}`", file.display())]
    #[diagnostic(help("name another CPython in HOLDALL_PYTHON, or a runtime with `--runtime PATH`"))]
    Patchelf { file: PathBuf, source: Said },

    #[error("there is no file or folder `{}` to take the runtime from", path.display())]
    #[diagnostic(help(
        "name an archive or folder of CPython with `--runtime PATH` (a relative path counts from the folder \
         you are in), or say `--runtime host` to try the project on this machine alone"
    ))]
    NotThere { path: PathBuf },
    #[error("`{}` is {kind}", path.display())]
    #[diagnostic(help("name a `.tar.gz`, a `.zip` or a folder: unpack other archives first"))]
    UnknownArchive { path: PathBuf, kind: &'static str },
    #[error("the archive `{}` cannot be read to its end", path.display())]
    #[diagnostic(help("it is damaged or was not fetched whole: get it again and compare its SHA-256"))]
    BrokenArchive { path: PathBuf, source: io::Error },
    #[error("`{}` unpacks to more than {limit} GB", path.display())]
    #[diagnostic(help("no CPython is as large: name the archive as its makers publish it"))]
    TooLarge { path: PathBuf, limit: u64 },
    #[error("`{}` holds a file that cannot stand in a bundle", path.display())]
    #[diagnostic(help("do not use it: get the runtime anew from its makers"))]
    BadName { path: PathBuf, source: EntryPathError },
    #[error("in `{}` the link `{link}` leads outside, to `{to}`", path.display())]
    #[diagnostic(help("do not use it: get the runtime anew from its makers"))]
    LinkOutside { path: PathBuf, link: String, to: String },
    #[error("in `{}` the link `{link}` leads to `{to}`, and nothing is there", path.display())]
    #[diagnostic(help("the runtime is not whole: get it anew from its makers"))]
    DeadLink { path: PathBuf, link: String, to: String },
    #[error("in `{}` the entry `{name}` is neither a file nor a folder nor a link", path.display())]
    #[diagnostic(help("do not use it: get the runtime anew from its makers"))]
    Irregular { path: PathBuf, name: String },
    #[error("`{}` holds no runtime of a form that Holdall knows", path.display())]
    #[diagnostic(help(
        "looked for, at the top, in `python/` and in `tools/`: `python.exe` with `python3XY.dll` and either \
         `Lib/os.py` or `python3XY.zip`; or one `bin/python3.X` with `lib/python3.X/os.py`. These are the \
         `install_only` archives of python-build-standalone and the zips of python.org"
    ))]
    NoForm { path: PathBuf },
    #[error("`{file}` in `{}` is not made for 64-bit x86 or arm64 of Windows or Linux", path.display())]
    #[diagnostic(help("name a runtime for one of Holdall's targets"))]
    UnknownMachine { path: PathBuf, file: String },
    #[error("`{}` does not say which CPython it holds: looked in {looked_in}", path.display())]
    #[diagnostic(help("name the runtime as its makers publish it, with nothing taken out"))]
    NoVersion { path: PathBuf, looked_in: String },
    #[error("`{}` holds a pre-release of CPython", path.display())]
    #[diagnostic(help("name a runtime of a final release"))]
    PreRelease { path: PathBuf },
    #[error("`{}` holds a free-threaded CPython, which has another binary interface", path.display())]
    #[diagnostic(help("name a runtime without `freethreaded` or a `t` after the version in its name"))]
    FreeThreaded { path: PathBuf },
    #[error("`{}` does not run on other machines: `{file}` {why}", path.display())]
    #[diagnostic(help(
        "for a Python of this machine say `--runtime host`; for other machines take a portable build"
    ))]
    NotRelocatable { path: PathBuf, file: String, why: String },
    #[error("`{}` is a runtime for {found}, and {target} was asked for", path.display())]
    #[diagnostic(help("say `--target {found}`, or name a runtime for {target}"))]
    OtherTarget { path: PathBuf, found: Target, target: Target },
    #[error("`{}` holds CPython {version}, and the project wants another ({wanted})", path.display())]
    #[diagnostic(help("name a runtime that fits, or change what the project asks for"))]
    OtherPython { path: PathBuf, version: PythonVersion, wanted: String },
    #[error("`{}` holds CPython {version}, and 3.10 is the oldest that a bundle can carry", path.display())]
    #[diagnostic(help("name a newer runtime"))]
    TooOld { path: PathBuf, version: PythonVersion },
    #[error("`{}` changed while it was being bundled", path.display())]
    #[diagnostic(help("run the same command again when nothing writes to it"))]
    Changed { path: PathBuf },

    #[error(transparent)]
    #[diagnostic(transparent)]
    Layer(#[from] LayerError),

    #[error(transparent)]
    #[diagnostic(transparent)]
    Bytecode(#[from] BytecodeError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Name(#[from] EntryPathError),
    #[error("cannot read or write a file of the runtime")]
    #[diagnostic(help("check that it is there and that you may read it, then run the same command again"))]
    File { source: io::Error },
}

impl RuntimeError {
    /// Whether something has to be named, changed or installed first, and nothing was changed: whatever is wrong with
    /// a runtime is found while planning. What else can fail is the work itself.
    pub fn is_precondition(&self) -> bool {
        !matches!(
            self,
            RuntimeError::Changed { .. }
                | RuntimeError::Patchelf { .. }
                | RuntimeError::File { .. }
                | RuntimeError::Layer(_)
        )
    }

    /// The error of `fs_err` names the file.
    pub(super) fn file(source: io::Error) -> RuntimeError {
        RuntimeError::File { source }
    }
}
