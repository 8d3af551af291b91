//! Holdall as it is measured: the released program, with a cache of its own whose state is set before each run.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use super::measure::{self, Run};
use super::{empty, remove};

/// The stages that are packing: the rest is uv's time and the project's own code, which no archiver runs.
const PACKING: [&str; 5] = ["runtime", "packages", "app", "tools", "assemble"];

pub struct Holdall {
    pub program: PathBuf,
    /// The bench `expand`.
    pub expand: PathBuf,
    pub tools: PathBuf,
    pub python: PathBuf,
    pub folder: PathBuf,
}

/// What is known before a run.
#[derive(Clone, Copy)]
pub enum Known {
    /// The wheels and the tools that were downloaded.
    Downloads,
    /// The environment, too, in which the project's code runs while bundling.
    Environment,
}

/// One `holdall bundle`.
pub struct Bundled {
    pub run: Run,
    /// Seconds of each stage, as the command tells them.
    pub stages: Vec<(String, f64)>,
    /// When each was worked on: stage, from, to.
    spans: Vec<(String, f64, f64)>,
    pub path: PathBuf,
    pub size: u64,
    /// Sizes of all files inside, together.
    pub content: u64,
}

impl Bundled {
    /// Seconds in which one or more of the stages were worked on that do what an archiver does.
    pub fn packing(&self) -> f64 {
        let packing = self.spans.iter().filter(|(stage, ..)| PACKING.contains(&stage.as_str()));
        together(packing.map(|(_, from, to)| (*from, *to)).collect())
    }
}

/// How long at least one of these lasts, each given by its beginning and its end.
pub fn together(mut spans: Vec<(f64, f64)>) -> f64 {
    spans.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut sum, mut until) = (0.0, f64::NEG_INFINITY);
    for (from, to) in spans {
        sum += (to - from.max(until)).max(0.0);
        until = until.max(to);
    }
    sum
}

impl Holdall {
    /// Bundles for this machine into the folder `output`, which holds nothing else afterwards.
    pub fn bundle(&self, project: &Path, output: &Path) -> anyhow::Result<Bundled> {
        empty(output)?;
        let mut bundle = self.command("bundle");
        bundle.args(["--format", "json", "--runtime", "host", "--name", "shop", "--version", "1"]);
        bundle.arg(project).arg("--output").arg(output);
        let run = measure::run(&mut bundle)?;
        let said: serde_json::Value = serde_json::from_slice(&run.said)?;
        let stages = said["seconds"].as_object().context("holdall tells no times")?;
        let stages =
            stages.iter().map(|(stage, took)| (stage.clone(), took.as_f64().unwrap_or(0.0))).collect();
        let spans = said["spans"].as_array().context("holdall tells no spans")?;
        let span = |span: &serde_json::Value| {
            Some((span["stage"].as_str()?.to_owned(), span["from"].as_f64()?, span["to"].as_f64()?))
        };
        let spans = spans.iter().map(span).collect::<Option<_>>().context("holdall tells odd spans")?;
        let layers = said["manifest"]["layers"].as_array().context("holdall tells no layers")?;
        let content = layers.iter().filter_map(|layer| layer["size"].as_u64()).sum();
        let path = PathBuf::from(said["path"].as_str().context("holdall tells no path")?);
        let size = said["size"].as_u64().context("holdall tells no size")?;
        Ok(Bundled { run, stages, spans, path, size, content })
    }

    /// Locks the project for this machine, and returns the lock's file.
    pub fn lock(&self, project: &Path) -> anyhow::Result<PathBuf> {
        let mut lock = self.command("lock");
        measure::run(lock.args(["--runtime", "host"]).arg(project))?;
        let locks =
            fs_err::read_dir(project)?.map(|entry| Ok(entry?.path())).collect::<anyhow::Result<Vec<_>>>()?;
        let is_lock = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "toml");
        locks.into_iter().find(is_lock).context("`holdall lock` wrote no lock")
    }

    /// Expands a bundle into the folder `into`, which must not be needed any more.
    pub fn expand(&self, bundle: &Path, into: &Path) -> anyhow::Result<Run> {
        remove(into)?;
        measure::run(Command::new(&self.expand).arg(bundle).arg(into))
    }

    /// Reads a bundle to its end and checks every digest.
    pub fn verify(&self, bundle: &Path) -> anyhow::Result<Run> {
        measure::run(Command::new(&self.program).arg("verify").arg(bundle))
    }

    /// Empties the cache but for what is known.
    pub fn forget_all_but(&self, known: Known) -> anyhow::Result<()> {
        for entry in fs_err::read_dir(self.cache())? {
            let entry = entry?;
            let keep = match entry.file_name().to_str() {
                Some("wheels" | "tools") => true,
                Some("environments") => matches!(known, Known::Environment),
                _ => false,
            };
            if !keep {
                remove(&entry.path())?;
            }
        }
        Ok(())
    }

    fn command(&self, verb: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.arg(verb).env("HOLDALL_TOOLS", &self.tools).env("HOLDALL_CACHE", self.cache());
        // uv's own cache, too: whatever the person who runs this has used uv for.
        command.env("UV_CACHE_DIR", self.folder.join("uv"));
        // Named, so that no shim is measured that stands for Python on this machine's PATH.
        command.env("HOLDALL_PYTHON", &self.python);
        command
    }

    fn cache(&self) -> PathBuf {
        self.folder.join("cache")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_done_at_the_same_time_counts_once() {
        assert_eq!(together(vec![]), 0.0);
        assert_eq!(together(vec![(5.0, 6.0), (0.0, 2.0), (1.0, 3.0), (1.5, 2.5)]), 4.0);
    }
}
