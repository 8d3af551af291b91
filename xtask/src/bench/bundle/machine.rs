//! What a table needs to say about where it was made. No names and no places.

use std::fmt;

/// The machine, in words that anybody may read.
#[derive(Debug, Clone, Default)]
pub struct Machine {
    pub cores: usize,
    pub model: String,
    pub system: &'static str,
    /// The file system below `target/bench`.
    pub disk: String,
}

impl Machine {
    pub fn of_this() -> Machine {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let told = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = told.lines().find_map(|line| line.strip_prefix("model name"));
        let model = model.map_or("unknown processor", |model| model.trim_start_matches([' ', '\t', ':']));
        let asked = std::process::Command::new("stat")
            .args(["--file-system", "--format", "%T"])
            .arg(crate::tools::target())
            .output();
        let disk = asked.ok().and_then(|asked| String::from_utf8(asked.stdout).ok()).unwrap_or_default();
        let disk = match disk.trim() {
            "ext2/ext3" => "ext4",
            "" => "unknown",
            other => other,
        };
        Machine { cores, model: model.to_owned(), system: std::env::consts::OS, disk: disk.to_owned() }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Machine { cores, model, system, disk } = self;
        write!(f, "{cores} cores ({model}), {system}, {disk}")
    }
}
