//! The stories of the command, told to `holdall.exe` by a test program for Windows.
//!
//! What they need of a developer's machine is made once below `target/lab/stories/`: a Python with what the tests
//! use, and uv, which fetches from the package index as it does anywhere.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use anyhow::Context as _;

use super::{Bench, attempt, on_windows, program};
use crate::{dist, lab, tools};

/// Raised when this file makes the same things in another way.
const EDITION: u32 = 1;

/// What the tests' Python has on Windows beside what it has everywhere: pip, which selects for Windows but runs on
/// this system, takes the markers of requirements to be about this one.
const WINDOWS_PACKAGES: [&str; 1] = ["tzdata"];

/// Stories for Windows that tell nothing true in Wine, and why.
///
/// Of deploys those are told that meet processes, locks, files and `cmd.exe` of Windows; a program takes ten times as long to
/// start there, and what is planned and read is the same everywhere.
const NOT_IN_WINE: [(&str, &str); 19] = [
    ("bad_project::ctrl_c_ends_a_preview_that_still_bundles_its_project", NO_CTRL_BREAK),
    ("bad_project::ctrl_c_ends_bundling_at_once_with_all_that_it_started", NO_CTRL_BREAK),
    ("bad_project::ctrl_c_while_the_bundle_is_written_leaves_all_of_it_or_nothing", NO_CTRL_BREAK),
    ("bundle::a_configuration_written_by_init_changes_nothing", NO_GIT),
    ("shapes::a_src_layout_with_ready_static_files_takes_its_version_from_git", NO_GIT),
    ("cache::runs_that_share_a_cold_cache_do_not_disturb_each_other_even_while_it_is_pruned", NO_REPLACING),
    ("deploy::a_release_is_served_beside_the_web_server_for_trouble_shooting", AS_PREVIEW),
    ("deploy::crowd::sites_are_deployed_at_once_while_somebody_else_changes_the_server", ALL_AT_ONCE),
    ("deploy::crowd::two_deploys_at_once_come_one_after_the_other", IN_PARTS),
    ("deploy::going_back_behind_migrations_has_to_be_asked_for", AS_ANYWHERE),
    (
        "deploy::hangs::a_hook_that_hangs_is_ended_with_all_that_it_started_while_the_release_before_serves",
        NO_HASTE,
    ),
    (
        "deploy::hangs::a_project_that_hangs_when_it_is_imported_is_ended_while_the_release_before_serves",
        NO_HASTE,
    ),
    ("deploy::hangs::whoever_stops_a_deploy_is_told_in_the_form_that_was_asked_for", NO_CTRL_BREAK),
    ("deploy::nobody_has_to_wait_with_going_back_until_the_release_before_is_drained", AS_ANYWHERE),
    ("deploy::old_releases_go_and_the_one_before_stays", AS_ANYWHERE),
    ("deploy::stages::appcmd_fails_once_before_the_switch_and_once_at_it", AS_ANYWHERE),
    ("deploy::sweep::what_a_story_leaves_on_a_server_is_swept_however_far_it_came", AS_ANYWHERE),
    ("deploy::what_was_damaged_on_the_way_or_changed_by_hand_does_not_serve", AS_ANYWHERE),
    ("deploy::whole::a_site_lives_on_the_iis_that_there_is_from_its_first_deploy_to_its_end", IN_PARTS),
];
const NO_CTRL_BREAK: &str = "Wine lets nobody send Ctrl-Break";
const NO_REPLACING: &str = "Wine does not replace a file that somebody reads";
const NO_GIT: &str = "the lab has no git for Windows";
const AS_PREVIEW: &str = "the previews tell it of the same web server";
const AS_ANYWHERE: &str = "none of it is Windows' own, and it takes minutes there";
const NO_HASTE: &str = "what these stories give seconds needs longer to start there";
const ALL_AT_ONCE: &str =
    "these stories are told at once themselves, and one lock is between all deploys there";
const IN_PARTS: &str = "other stories tell it in parts";

pub fn run(bench: &Bench, words: &[String]) -> anyhow::Result<ExitStatus> {
    let stories = program::build("holdall", "stories")?;
    let iis = program::build_lab()?;
    let machine = Machine::set_up(&bench.lab)?;
    tools::step("stories in Wine");
    clear_leftovers()?;
    let command = |words: &[String]| {
        let mut wine = bench.server.wine(&stories);
        wine.args(words);
        for (story, _) in NOT_IN_WINE {
            wine.args(["--skip", story]);
        }
        machine.environment(&mut wine);
        wine.env("HOLDALL_TOOLS", on_windows(&dist::tools_folder()))
            .env("HOLDALL_TEST_LAB", on_windows(&iis))
            // It has a service manager, and nobody's services but those of stories.
            .env("HOLDALL_TEST_SERVICES", "this-machine");
        // The drive on which the paths are that the compiler knew.
        wine.current_dir(tools::root());
        // What a story says is compared here, and accepted on the system where it was written.
        wine.env("INSTA_UPDATE", "no").env("INSTA_WORKSPACE_ROOT", tools::root());
        wine
    };
    let status = attempt::run(command, words)?;
    clear_leftovers()?;
    say_left_out();
    Ok(status)
}

/// Removes what a preview leaves that was ended without being asked, as Wine has it: its whole release.
fn clear_leftovers() -> anyhow::Result<()> {
    for user in fs_err::read_dir(lab::folder().join("wine/drive_c/users"))? {
        let Ok(entries) = fs_err::read_dir(user?.path().join("Temp")) else { continue };
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            if [".tmp", "holdall-"].iter().any(|begin| name.to_string_lossy().starts_with(begin)) {
                fs_err::remove_dir_all(entry.path())?;
            }
        }
    }
    Ok(())
}

/// In the form in which cargo's test programs count, so that nobody takes these for passed.
fn say_left_out() {
    for (story, why) in NOT_IN_WINE {
        println!("test {story} ... ignored, {why}");
    }
    println!("test result: ok. 0 passed; 0 failed; {} ignored; in Wine alone", NOT_IN_WINE.len());
}

/// What a developer has on Windows.
struct Machine {
    /// The folder of `python.exe`.
    python: PathBuf,
    /// The folder of `uv.exe`.
    uv: PathBuf,
    /// Holdall's cache.
    cache: PathBuf,
}

impl Machine {
    fn set_up(lab: &lab::Lab) -> anyhow::Result<Machine> {
        let folder = lab::folder().join("stories");
        let machine =
            Machine { python: folder.join("python"), uv: folder.join("uv/bin"), cache: folder.join("cache") };
        let packages = [&tools::TEST_PACKAGES[..], &WINDOWS_PACKAGES].concat();
        let (uv, hashes) = uv()?;
        let recipe = format!(
            "edition {EDITION}\n{}\n{}\n{uv} {hashes:?}\n{}",
            lab.runtime.display(),
            packages.join("\n"),
            fs_err::read_to_string(launcher())?
        );
        let mark = folder.join("made-from.txt");
        if lab::made_from(&mark, &recipe) {
            return Ok(machine);
        }
        tools::step("make a developer's machine in Wine");
        if folder.exists() {
            fs_err::remove_dir_all(&folder)?;
        }
        copy_folder(&lab.python, &machine.python)?;
        add_launchers(&machine.python)?;
        let pip = tools::environment("lab", &[])?;
        install(&pip, &machine.python.join("Lib/site-packages"), lab, &packages)?;
        let requirements = folder.join("uv.txt");
        let hashes: String = hashes.iter().map(|digest| format!(" --hash=sha256:{digest}")).collect();
        fs_err::write(&requirements, format!("{uv}{hashes}\n"))?;
        let requirements = requirements.to_str().context("the path of `target` is not UTF-8")?;
        install(&pip, &folder.join("uv"), lab, &["--require-hashes", "--requirement", requirements])?;
        fs_err::write(mark, recipe)?;
        Ok(machine)
    }

    /// The environment of a program on this machine.
    fn environment(&self, wine: &mut Command) {
        // Wine takes this for what stands before the system's own folders in PATH.
        wine.env("WINEPATH", format!("{};{}", on_windows(&self.python), on_windows(&self.uv)));
        wine.env("HOLDALL_TEST_PYTHON", on_windows(&self.python.join("python.exe")));
        wine.env("HOLDALL_TEST_CACHE", on_windows(&self.cache));
        // How this machine reaches the package index. What is no file here, such as an address, goes along as it is.
        let of_the_index =
            |name: &str| ["PIP_", "UV_", "SSL_CERT_"].iter().any(|begin| name.starts_with(begin));
        for (name, value) in std::env::vars().filter(|(name, _)| of_the_index(name)) {
            let path = Path::new(&value);
            if path.is_absolute() && path.exists() {
                wine.env(name, on_windows(path));
            }
        }
    }
}

/// The uv that Holdall installs where there is none, and the digests of its wheels.
fn uv() -> anyhow::Result<(String, Vec<String>)> {
    let recipe = fs_err::read_to_string(tools::root().join("recipes/tools/uv.toml"))?;
    let version = recipe.lines().find_map(|line| line.strip_prefix("version = "));
    let version = version.context("`recipes/tools/uv.toml` has no line `version = …`")?.trim_matches('"');
    let quoted = recipe.lines().filter_map(|line| line.trim().strip_prefix('"')?.strip_suffix("\","));
    Ok((format!("uv=={version}"), quoted.map(str::to_owned).collect()))
}

fn launcher() -> PathBuf {
    lab::source("venv_launcher.c")
}

/// The programs of virtual environments, which the library of a Python for another system does not have.
fn add_launchers(python: &Path) -> anyhow::Result<()> {
    let folder = python.join("Lib/venv/scripts/nt");
    fs_err::create_dir_all(&folder)?;
    lab::compile(&launcher(), &folder.join("python.exe"), &["-municode"])?;
    fs_err::copy(folder.join("python.exe"), folder.join("pythonw.exe"))?;
    Ok(())
}

/// Installs packages for the lab's Python into a folder.
fn install(pip: &Path, into: &Path, lab: &lab::Lab, packages: &[&str]) -> anyhow::Result<()> {
    let version = minor_version(&lab.python)?;
    tools::run(
        Command::new(pip)
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"])
            .args(["--only-binary", ":all:", "--platform", "win_amd64", "--python-version", &version])
            .arg("--target")
            .arg(into)
            .args(packages),
    )
}

/// `3.11`, by the interpreter's DLL, `python311.dll`.
fn minor_version(python: &Path) -> anyhow::Result<String> {
    fs_err::read_dir(python)?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .find_map(|name| {
            let minor = name.strip_prefix("python3")?.strip_suffix(".dll")?;
            (!minor.is_empty()).then(|| format!("3.{minor}"))
        })
        .with_context(|| format!("no interpreter in `{}`", python.display()))
}

fn copy_folder(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs_err::create_dir_all(to)?;
    for entry in fs_err::read_dir(from)? {
        let entry = entry?;
        let copy = to.join(entry.file_name());
        match entry.file_type()?.is_dir() {
            true => copy_folder(&entry.path(), &copy)?,
            false => drop(fs_err::copy(entry.path(), copy)?),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_uv_of_the_lab_is_the_one_that_holdall_installs() {
        let (uv, digests) = uv().unwrap();
        assert!(uv.starts_with("uv==0."), "{uv}");
        assert!(digests.len() > 1 && digests.iter().all(|digest| digest.len() == 64), "{digests:?}");
    }

    #[test]
    fn each_story_that_is_left_out_is_there() {
        for story in NOT_IN_WINE.map(|(story, _)| story) {
            let (module, name) = story.rsplit_once("::").unwrap();
            let file = tools::root().join("tests").join(module.replace("::", "/")).with_extension("rs");
            assert!(fs_err::read_to_string(file).unwrap().contains(&format!("\nfn {name}()")), "{story}");
        }
    }

    #[test]
    fn a_path_of_this_system_has_a_drive_in_wine() {
        assert_eq!(on_windows(Path::new("/opt/python/python.exe")), r"Z:\opt\python\python.exe");
    }
}
