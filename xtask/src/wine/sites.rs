//! Whole sites. The tests run here, as the person who bundles, and start in Wine what a bundle has in it.

use std::process::ExitStatus;

use super::{Bench, attempt};
use crate::{dist, lab, tools};

pub fn run(bench: &Bench, words: &[String]) -> anyhow::Result<ExitStatus> {
    let prepared = tools::prepare_tests()?;
    tools::step("test whole sites");
    let command = |words: &[String]| {
        let mut cargo = tools::cargo();
        cargo.args(["test", "--package", "holdall", "--test", "sites", "--"]).args(words);
        cargo.envs(prepared.iter().cloned());
        cargo.env("HOLDALL_LAB_RUNTIME", &bench.lab.runtime).env("HOLDALL_LAB_TOOLS", dist::tools_folder());
        // Under other names: cargo and the tests themselves have another HOME.
        for (name, value) in lab::wine_environment() {
            cargo.env(format!("HOLDALL_WINE_{name}"), value);
        }
        cargo
    };
    attempt::run(command, words)
}
