//! `cargo xtask iis-deploy`: the life of a site on the real IIS, from its first deploy to its end. The story is the one
//! that `cargo xtask test` tells of the lab's IIS: a variable of the environment chooses.

use super::machine;
use crate::tools;

/// In `tests/deploy/whole.rs`.
const STORY: &str = "deploy::whole::a_site_lives_on_the_iis_that_there_is_from_its_first_deploy_to_its_end";

/// What the story takes for a wish for this machine's own IIS.
const CHOSEN: (&str, &str) = ("HOLDALL_TEST_IIS", "this-machine");

pub fn run() -> anyhow::Result<()> {
    machine::check_system()?;
    let system = machine::check_iis()?;
    let prepared = tools::prepare_tests()?;
    tools::step(&format!(
        "{system}: a site is deployed, brought to its next release, rolled back and removed"
    ));
    let mut cargo = tools::cargo();
    cargo.args(["test", "--package", "holdall", "--test", "stories", "--", "--exact", STORY]);
    let (name, value) = CHOSEN;
    tools::run(cargo.envs(prepared).env(name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_story_is_there_and_knows_what_chooses() {
        let read = |path: &str| fs_err::read_to_string(tools::root().join("tests").join(path)).unwrap();
        let name = STORY.strip_prefix("deploy::whole::").unwrap();
        assert!(read("deploy/whole.rs").contains(&format!("#[test]\nfn {name}()")));
        assert!(read("deploy.rs").contains("\nmod whole;\n"));
        let server = read("deploy/web_server.rs");
        assert!(
            server.contains(&format!("\"{}\"", CHOSEN.0)) && server.contains(&format!("\"{}\"", CHOSEN.1))
        );
    }
}
