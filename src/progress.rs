//! How stages tell of their progress. Printing it is the command line's business.

/// What is being done, in the words people see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stage {
    Resolve,
    Download,
    Environment,
    Settings,
    Runtime,
    Packages,
    Static,
    App,
    Tools,
    Assemble,
    Verify,
    Expand,
    Compile,
    Prune,
}

impl Stage {
    pub fn as_str(self) -> &'static str {
        match self {
            Stage::Resolve => "resolve",
            Stage::Download => "download",
            Stage::Environment => "environment",
            Stage::Settings => "settings",
            Stage::Runtime => "runtime",
            Stage::Packages => "packages",
            Stage::Static => "static",
            Stage::App => "app",
            Stage::Tools => "tools",
            Stage::Assemble => "assemble",
            Stage::Verify => "verify",
            Stage::Expand => "expand",
            Stage::Compile => "compile",
            Stage::Prune => "prune",
        }
    }
}

/// What the amounts of a stage count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    Bytes,
    Files,
    Steps,
}

/// Hears of the progress of long work. All methods may be called from several threads.
pub trait Progress: Sync {
    /// `stage` begins; `total` is its amount in `unit`s, 0 when nobody knows it yet.
    fn begin(&self, stage: Stage, total: u64, unit: Unit);
    /// So much more of `stage` is done.
    fn advance(&self, stage: Stage, by: u64);
    /// `stage` is over.
    fn end(&self, stage: Stage);
}

/// A stage that has begun. It ends when this goes, also when the work failed, so that no bar stays behind.
pub struct Running<'a> {
    progress: &'a dyn Progress,
    stage: Stage,
}

impl<'a> Running<'a> {
    pub fn begin(progress: &'a dyn Progress, stage: Stage, total: u64, unit: Unit) -> Running<'a> {
        progress.begin(stage, total, unit);
        Running { progress, stage }
    }

    pub fn advance(&self, by: u64) {
        self.progress.advance(self.stage, by);
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.progress.end(self.stage);
    }
}

/// Hears nothing.
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _: Stage, _: u64, _: Unit) {}
    fn advance(&self, _: Stage, _: u64) {}
    fn end(&self, _: Stage) {}
}

/// Something the person should know or change, though the work goes on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Notice {
    /// What was seen, on which file or setting.
    pub what: String,
    /// What to do about it.
    pub help: String,
}
