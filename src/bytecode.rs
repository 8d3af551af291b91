//! Bytecode: what CPython would write beside a source when it first imports it, made while bundling instead.
//!
//! A release is never written to, so without bytecode every start of a process would compile every module anew.
//! The files are of the kind that is taken unchecked (PEP 552): a zip keeps no times to compare. They depend on the
//! source, on its place in the bundle and on the version of CPython, and on nothing of this machine.

use std::collections::BTreeSet;
use std::io::{self, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rayon::prelude::*;

use crate::entry::EntryPath;
use crate::interrupt::Started;
use crate::layer::{Content, Source};
use crate::python::PythonVersion;
use crate::target::Target;

const SCRIPT: &str = include_str!("bytecode/compile.py");

/// Changes whenever the same source would become other bytecode under the same CPython.
const FORM: &str = "bytecode 3";

/// A CPython of this machine that compiles for the runtime of a bundle. It runs in several processes, which end
/// when the last copy of this value goes.
#[derive(Debug, Clone)]
pub struct Compiler {
    python: PathBuf,
    version: PythonVersion,
    /// Processes that wait for work.
    idle: Arc<Mutex<Vec<Worker>>>,
}

/// The content of a `.pyc` file and its place.
#[derive(Debug)]
pub struct Bytecode {
    pub path: EntryPath,
    pub bytes: Vec<u8>,
}

impl From<Bytecode> for Source {
    fn from(Bytecode { path, bytes }: Bytecode) -> Source {
        Source { path, content: Content::Bytes(bytes), executable: false }
    }
}

/// Why nothing can be compiled.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("`{}` does not compile Python sources", python.display())]
#[diagnostic(help(
    "name another CPython of the bundle's minor version in HOLDALL_PYTHON, or set `bytecode = false` under `[build]` in holdall.toml"
))]
pub struct BytecodeError {
    python: PathBuf,
    source: io::Error,
}

impl Compiler {
    /// `python` is of the runtime's minor version: bytecode is the same for all its patch releases.
    pub fn new(python: PathBuf, version: PythonVersion) -> Compiler {
        Compiler { python, version, idle: Arc::default() }
    }

    /// The full version of the CPython that compiles.
    pub fn version(&self) -> PythonVersion {
        self.version
    }

    /// What decides, besides a source and its place, about its bytecode; a part of the keys of cached layers.
    pub fn shape(compiler: Option<&Compiler>) -> String {
        compiler
            .map_or_else(|| "no bytecode".to_owned(), |compiler| format!("{FORM} by {}", compiler.version))
    }

    /// Where the bytecode of the module at `path` belongs (PEP 3147); `None` for what is no module.
    pub fn place(&self, path: &EntryPath, target: Target) -> Option<EntryPath> {
        let (folder, name) = path.as_str().rsplit_once('/').unwrap_or(("", path.as_str()));
        let module = name.strip_suffix(".py").filter(|module| !module.is_empty())?;
        let folder = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let place = format!("{folder}__pycache__/{module}.cpython-{}.pyc", self.version.minor.digits());
        EntryPath::parse(&place, target).ok()
    }

    /// The bytecode of the modules among `sources`. What does not compile (a template of a
    /// module, a module for another Python) has none, nor what has some already.
    pub fn compile(&self, sources: &[Source], target: Target) -> Result<Vec<Bytecode>, BytecodeError> {
        let there: BTreeSet<&EntryPath> = sources.iter().map(|source| &source.path).collect();
        let modules: Vec<_> = sources
            .iter()
            .filter_map(|source| Some((source, self.place(&source.path, target)?)))
            .filter(|(_, place)| !there.contains(place))
            .collect();
        // A few dozen at a time: large enough to be worth handing to a process, small enough to share out evenly.
        let compiled: Vec<Vec<Bytecode>> = modules
            .par_chunks(32)
            .map(|modules| self.with_worker(|worker| self.compile_all(worker, modules)))
            .collect::<io::Result<_>>()
            .map_err(|source| BytecodeError { python: self.python.clone(), source })?;
        Ok(compiled.into_iter().flatten().collect())
    }

    /// Lends an idle process, or a new one. Rayon's threads ask, each for one at a time: so there are never more.
    fn with_worker<T>(&self, work: impl FnOnce(&mut Worker) -> io::Result<T>) -> io::Result<T> {
        let idle = self.idle().pop();
        let mut worker = idle.map_or_else(|| Worker::start(&self.python), Ok)?;
        let done = work(&mut worker)?;
        self.idle().push(worker);
        Ok(done)
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Worker>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn compile_all(
        &self,
        worker: &mut Worker,
        modules: &[(&Source, EntryPath)],
    ) -> io::Result<Vec<Bytecode>> {
        let mut compiled = Vec::with_capacity(modules.len());
        for (source, place) in modules {
            let bytecode = match worker.compile(&source.path, &source.content.read()?) {
                Ok(bytecode) => bytecode,
                Err(_) => {
                    // Some sources are nested so deeply that they end the compiler. Whether it was that, or this
                    // Python does not work at all, the next process tells.
                    *worker = Worker::start(&self.python)?;
                    worker.compile(&source.path, b"")?;
                    Vec::new()
                }
            };
            if !bytecode.is_empty() {
                compiled.push(Bytecode { path: place.clone(), bytes: bytecode });
            }
        }
        Ok(compiled)
    }
}

/// A process that runs [`SCRIPT`].
#[derive(Debug)]
struct Worker {
    process: Started,
    requests: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Worker {
    fn start(python: &Path) -> io::Result<Worker> {
        let mut command = Command::new(python);
        command
            .args(["-s", "-S", "-B", "-X", "utf8", "-W", "ignore", "-c", SCRIPT])
            // Of a user's variables some change what is compiled, and none is needed but what a program needs to start.
            .env_clear()
            .env("PYTHONHASHSEED", "0")
            .envs(
                ["SYSTEMROOT", "LD_LIBRARY_PATH"]
                    .into_iter()
                    .filter_map(|name| std::env::var_os(name).map(|value| (name, value))),
            )
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut process = Started::spawn(&mut command)?;
        let requests = process.stdin.take();
        let answers = BufReader::new(process.stdout.take().expect("it was piped above"));
        Ok(Worker { process, requests, answers })
    }

    /// The content of the `.pyc` file; empty for a source that does not compile.
    fn compile(&mut self, path: &EntryPath, source: &[u8]) -> io::Result<Vec<u8>> {
        let Ok(length) = u32::try_from(source.len()) else { return Ok(Vec::new()) };
        let path = path.as_str().as_bytes();
        let requests = self.requests.as_mut().expect("it is there until the worker goes");
        requests.write_all(&(path.len() as u32).to_le_bytes())?;
        requests.write_all(&length.to_le_bytes())?;
        requests.write_all(path)?;
        requests.write_all(source)?;
        requests.flush()?;
        let mut length = [0; 4];
        self.answers.read_exact(&mut length)?;
        let mut bytecode = vec![0; u32::from_le_bytes(length) as usize];
        self.answers.read_exact(&mut bytecode)?;
        Ok(bytecode)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // The end of its input is the end of its work.
        drop(self.requests.take());
        let _ = self.process.wait();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeMap;

    use super::*;
    use crate::runtime::{find_python, pythons};

    const TARGET: Target = Target::LinuxX86_64;

    fn compiler() -> Compiler {
        let python = find_python(|_| true).unwrap();
        Compiler::new(python.path, python.version)
    }

    fn source(path: &str, text: &str) -> Source {
        let path = EntryPath::parse(path, TARGET).unwrap();
        Source { path, content: Content::Bytes(text.into()), executable: false }
    }

    #[test]
    fn modules_are_compiled_and_nothing_else_is() {
        let compiler = compiler();
        let tag = format!("cpython-{}", compiler.version.minor.digits());
        let there = format!("b/__pycache__/there.{tag}.pyc");
        let sources = [
            source("a.py", "x = 1"),
            source("b/c.py", ""),
            source("b/template.py", "{{ x }} y"),
            source("b/there.py", "x"),
            source(&there, "somebody's own"),
            source("b/.py", ""),
            source("b/data.txt", ""),
        ];
        let compiled = compiler.compile(&sources, TARGET).unwrap();
        let paths: Vec<_> = compiled.iter().map(|bytecode| bytecode.path.as_str()).collect();
        assert_eq!(paths, [format!("__pycache__/a.{tag}.pyc"), format!("b/__pycache__/c.{tag}.pyc")]);
        // Flags of PEP 552: a hash, and nobody checks it.
        assert_eq!(compiled[0].bytes[4..8], [1, 0, 0, 0]);
    }

    #[test]
    fn the_same_source_gives_the_same_bytes_whatever_was_compiled_before() {
        // Each minor version has ways of its own in which what was compiled before could show.
        for python in pythons().flatten() {
            let compiler = || Compiler::new(python.path.clone(), python.version);
            let library = fs_err::read_dir(&python.stdlib).unwrap().map(|entry| entry.unwrap().path());
            let mut sources: Vec<Source> = library
                .filter(|path| path.extension().is_some_and(|extension| extension == "py"))
                .map(|path| Source {
                    path: EntryPath::parse(path.file_name().unwrap().to_str().unwrap(), TARGET).unwrap(),
                    content: Content::File(path),
                    executable: false,
                })
                .collect();
            let compiled = |compiler: &Compiler, sources: &[Source]| -> BTreeMap<EntryPath, Vec<u8>> {
                let compiled = compiler.compile(sources, TARGET).unwrap();
                compiled.into_iter().map(|bytecode| (bytecode.path, bytecode.bytes)).collect()
            };
            let one = compiler();
            let first = compiled(&one, &sources);
            assert!(first.len() > 100, "{python:?}: {}", first.len());
            sources.reverse();
            assert!(compiled(&one, &sources) == first, "{python:?}: by the same processes");
            sources.rotate_left(50);
            assert!(compiled(&compiler(), &sources) == first, "{python:?}: by others");
            for source in sources.iter().step_by(40) {
                let alone = compiled(&compiler(), std::slice::from_ref(source));
                assert!(
                    alone.iter().all(|(path, bytes)| first[path] == *bytes),
                    "{python:?}: {}",
                    source.path
                );
            }
        }
    }

    #[test]
    fn texts_of_one_letter_are_marked_alike_whatever_was_compiled_before() {
        for python in pythons().flatten() {
            let compiled = |sources: &[Source]| -> Vec<u8> {
                let compiler = Compiler::new(python.path.clone(), python.version);
                compiler.compile(sources, TARGET).unwrap().pop().unwrap().bytes
            };
            // To keep annotations as text, CPython 3.10 interns a brace of its own: there is but one.
            let annotated = source("a.py", "from __future__ import annotations\ndef f(x: int): pass\n");
            let brace = source("b.py", "x = '{'");
            assert!(compiled(&[annotated, brace.clone()]) == compiled(&[brace]), "{python:?}");
        }
    }

    #[test]
    fn a_source_that_ends_the_compiler_has_no_bytecode_and_stops_nothing() {
        let deep = format!("x = {}1{}", "(".repeat(100_000), ")".repeat(100_000));
        let sources = [source("a.py", "x = 1"), source("deep.py", &deep), source("z.py", "x = 1")];
        let compiled = compiler().compile(&sources, TARGET).unwrap();
        assert_eq!(compiled.len(), 2);
    }

    #[test]
    fn a_python_that_does_not_work_is_named() {
        let compiler = Compiler { python: "no-such-python".into(), ..compiler() };
        let error = compiler.compile(&[source("a.py", "")], TARGET).unwrap_err();
        assert_eq!(error.to_string(), "`no-such-python` does not compile Python sources");
    }
}
