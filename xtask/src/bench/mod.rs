//! `cargo xtask bench`: what Holdall costs, measured in one run and told as ratios.

#[cfg(unix)]
mod bridge;
mod bundle;
mod deploy;
mod startup;

/// What can be measured.
#[derive(clap::Subcommand)]
pub enum Bench {
    /// Serve by the bridge and its peers, behind nginx and without, and write the tables of benches/bridge.md (Linux)
    ///
    /// Peers of the package index are installed into a virtual environment; nginx, and libfcgi and a C compiler, must be
    /// there. The machine should do nothing else.
    #[cfg(unix)]
    Bridge(bridge::Args),
    /// Bundle and expand a project of some 10,000 files and 300 MB, and write the table of benches/bundle.md
    ///
    /// Everything lies below target/bench and is made once. Peers of the package index are installed into a virtual
    /// environment; zip, unzip, 7zz and zstd are taken if they are there. The machine should do nothing else.
    Bundle(bundle::Args),
    /// Deploy that project behind the lab's IIS, change it and roll it back, and write the table of benches/deploy.md (Unix)
    ///
    /// Everything lies below target/bench, some of it shared with `bundle`. The machine should do nothing else.
    Deploy(deploy::Args),
    /// Start the guestbook with and without bytecode, and with its standard library as a zip (Linux)
    ///
    /// Writes the table of benches/startup.md. Everything lies below target/bench. The machine should do nothing else.
    Startup(startup::Args),
}

pub fn run(bench: &Bench) -> anyhow::Result<()> {
    match bench {
        #[cfg(unix)]
        Bench::Bridge(args) => bridge::run(args),
        Bench::Bundle(args) => bundle::run(args),
        Bench::Deploy(args) => deploy::run(args),
        Bench::Startup(args) => startup::run(args),
    }
}
