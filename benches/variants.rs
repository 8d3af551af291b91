//! `variants make BUNDLE FOLDER`: the same bundle for Linux once more in each form that its bytecode and its standard
//! library could have. `variants expand BUNDLE FOLDER`: expands one as a deploy does, and tells how long that took.
//! `cargo xtask bench startup` uses both.
#![allow(clippy::print_stdout, reason = "it talks to the benchmark")]

use std::collections::BTreeMap;
use std::io::{Cursor, Write as _};
use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, bail};
use holdall::archive::{self, Bundle};
use holdall::entry::EntryPath;
use holdall::layer::{self, Content, Key, Source};
use holdall::manifest::{LayerKind, Manifest};
use holdall::progress::{Silent, Stage};
use holdall::release::{self, Slot};
use zip::CompressionMethod::{self, Deflated, Stored};

/// The forms, by the names of their files.
const VARIANTS: [(&str, Form); 5] = [
    ("files", Form::Files),
    ("none", Form::NoBytecode),
    ("stored", Form::Zip { bytecode: Stored, sources: None }),
    ("deflated", Form::Zip { bytecode: Deflated, sources: None }),
    ("sources", Form::Zip { bytecode: Stored, sources: Some(Deflated) }),
];

#[derive(Clone, Copy)]
enum Form {
    /// As holdall makes it.
    Files,
    NoBytecode,
    /// The standard library as `lib/pythonXY.zip`.
    Zip {
        bytecode: CompressionMethod,
        sources: Option<CompressionMethod>,
    },
}

/// The files of a layer by name: content, and whether it is a program.
type Files = BTreeMap<String, (Vec<u8>, bool)>;

fn main() -> anyhow::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["make", bundle, folder] => make(&Bundle::open(bundle.as_ref())?, folder.as_ref()),
        ["expand", bundle, folder] => expand(bundle.as_ref(), folder.as_ref()),
        _ => bail!("usage: variants make BUNDLE FOLDER | variants expand BUNDLE FOLDER"),
    }
}

fn make(bundle: &Bundle, folder: &Path) -> anyhow::Result<()> {
    let scratch = tempfile::tempdir()?;
    for (name, form) in VARIANTS {
        let mut layers = Vec::new();
        for layer in bundle.layers() {
            let mut files = Files::new();
            for file in &layer.index.files {
                let path = file.path.as_str();
                let bytes = bundle.read(path)?.context("it is in the index")?;
                files.insert(path.to_owned(), (bytes, file.executable));
            }
            reshape(&mut files, layer.entry.kind, bundle.manifest(), form)?;
            let target = bundle.manifest().target;
            let sources = files.into_iter().map(|(path, (bytes, executable))| {
                Ok(Source {
                    path: EntryPath::parse(&path, target)?,
                    content: Content::Bytes(bytes),
                    executable,
                })
            });
            let sources = sources.collect::<anyhow::Result<_>>()?;
            let key = Key::new(layer.entry.kind, target, &[]);
            layers.push(layer::build_in(
                scratch.path(),
                &key,
                &layer.entry.name,
                sources,
                None,
                Stage::App,
                &Silent,
            )?);
        }
        let output = folder.join(format!("{name}.zip"));
        let written = archive::assemble(bundle.manifest().clone(), layers, &output, None, &Silent)?;
        let files: u64 = written.manifest.layers.iter().map(|layer| layer.entries).sum();
        println!("{}", serde_json::json!({ "name": name, "files": files, "size": written.size }));
    }
    Ok(())
}

fn reshape(files: &mut Files, kind: LayerKind, manifest: &Manifest, form: Form) -> anyhow::Result<()> {
    match form {
        Form::Files => {}
        Form::NoBytecode => files.retain(|path, _| !path.ends_with(".pyc")),
        Form::Zip { bytecode, sources } if kind == LayerKind::Runtime => {
            let minor = manifest.python.version.minor;
            let library = format!("python/lib/python{minor}/");
            let modules: Vec<_> =
                files.keys().filter_map(|path| Module::of(path.strip_prefix(&library)?)).collect();
            let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
            for module in &modules {
                let source = files[&format!("{library}{}", module.source)].0.clone();
                // By this file CPython finds the folder, and with it the extension modules.
                if module.source != "os.py" {
                    files.remove(&format!("{library}{}", module.source));
                }
                let compiled = files.remove(&format!("{library}{}", module.bytecode));
                let (compiled, _) = compiled.context("the bundle was made without bytecode")?;
                add(&mut zip, &format!("{}c", module.source), &compiled, bytecode)?;
                if let Some(method) = sources {
                    add(&mut zip, &module.source, &source, method)?;
                }
            }
            let zip = zip.finish()?.into_inner();
            files.insert(format!("python/lib/python{}.zip", minor.digits()), (zip, false));
        }
        Form::Zip { .. } => {}
    }
    Ok(())
}

/// A module of the standard library: names below its folder.
struct Module {
    source: String,
    bytecode: String,
}

impl Module {
    /// The module whose bytecode lies at `path`.
    fn of(path: &str) -> Option<Module> {
        let foreign = path.starts_with("site-packages/");
        let (folder, name) = path.rsplit_once("__pycache__/").filter(|_| !foreign)?;
        let (module, _) = name.strip_suffix(".pyc")?.rsplit_once('.')?;
        Some(Module { source: format!("{folder}{module}.py"), bytecode: path.to_owned() })
    }
}

fn add(
    zip: &mut zip::ZipWriter<Cursor<Vec<u8>>>,
    name: &str,
    bytes: &[u8],
    method: CompressionMethod,
) -> anyhow::Result<()> {
    zip.start_file(name, zip::write::SimpleFileOptions::default().compression_method(method))?;
    Ok(zip.write_all(bytes)?)
}

fn expand(bundle: &Path, folder: &Path) -> anyhow::Result<()> {
    let started = Instant::now();
    release::expand(&Bundle::open(bundle)?, Slot::empty(folder)?, &Silent)?;
    println!("{}", started.elapsed().as_secs_f64());
    Ok(())
}
