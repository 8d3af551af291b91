//! `cargo xtask bench`: what Holdall costs, measured in one run and told as ratios.

mod startup;

/// What can be measured.
#[derive(clap::Subcommand)]
pub enum Bench {
    /// Start the guestbook with and without bytecode, and with its standard library as a zip (Linux)
    ///
    /// Writes the table of benches/startup.md. Everything lies below target/bench. The machine should do nothing else.
    Startup(startup::Args),
}

pub fn run(bench: &Bench) -> anyhow::Result<()> {
    let Bench::Startup(args) = bench;
    startup::run(args)
}
