//! An archive becomes files again: `release::expand`, which checks the SHA-256 of each, against `unzip` and `cp`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};

use super::report::Row;
use super::{Stand, empty, measure, peers, remove};
use crate::tools;

/// Memory that is mounted as a file system.
const TMPFS: &str = "/dev/shm";

/// Each leaves three trees on the disk.
const DISK_ROUNDS: usize = 5;

/// What one `cp` copies, as paths within a tree.
pub type Share = Vec<PathBuf>;

/// How many `cp` copy at once.
const COPIES: usize = 4;

pub fn measure(stand: &Stand, rounds: usize) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    if Path::new(TMPFS).is_dir() {
        let folder = Path::new(TMPFS).join(format!("holdall-bench-{}", std::process::id()));
        fs_err::create_dir(&folder)?;
        let measured = in_memory(stand, &folder, rounds);
        remove(&folder)?;
        rows.extend(measured?);
    }
    rows.extend(on_disk(stand, &empty(&stand.folder.join("expanded"))?, rounds)?);
    remove(&stand.folder.join("expanded"))?;
    Ok(rows)
}

fn in_memory(stand: &Stand, folder: &Path, rounds: usize) -> anyhow::Result<Vec<Row>> {
    let bundle = folder.join("bundle.zip");
    fs_err::copy(&stand.bundle, &bundle)?;
    let mut rows = ["Holdall, tmpfs", "`unzip`, tmpfs", "`holdall verify`, tmpfs", "`unzip -t`, tmpfs"]
        .map(|name| Row::new(name, true));
    for round in 1..=rounds {
        tools::step(&format!("round {round} of {rounds}: expand in memory"));
        let [ours, unzip, verify, test] = &mut rows;
        ours.take_run(&stand.holdall.expand(&bundle, &folder.join("ours"))?);
        remove(&folder.join("ours"))?;
        unzip_row(unzip, &["-q", "-d"], &[folder.join("theirs"), bundle.clone()])?;
        remove(&folder.join("theirs"))?;
        verify.take_run(&stand.holdall.verify(&bundle)?);
        unzip_row(test, &["-q", "-t"], std::slice::from_ref(&bundle))?;
    }
    Ok(rows.into())
}

fn on_disk(stand: &Stand, folder: &Path, rounds: usize) -> anyhow::Result<Vec<Row>> {
    let mut rows =
        ["Holdall, disk", "four `cp -r` at once, disk", "`unzip`, disk"].map(|name| Row::new(name, true));
    let shares = shares(&stand.release, stand.tree.bytes)?;
    let rounds = rounds.min(DISK_ROUNDS);
    for round in 1..=rounds {
        tools::step(&format!("round {round} of {rounds}: expand on disk"));
        let [ours, copies, unzip] = &mut rows;
        // Nothing is removed before the end: ext4 searches long for the place of a new file where many have just gone.
        let to = |what: &str| folder.join(format!("{what}{round}"));
        ours.take_run(&stand.holdall.expand(&stand.bundle, &to("ours"))?);
        fs_err::create_dir(to("copied"))?;
        copies.take_run(&measure::time(|| copy(&stand.release, &shares, &to("copied")))?);
        unzip_row(unzip, &["-q", "-d"], &[to("theirs"), stand.bundle.clone()])?;
    }
    Ok(rows.into())
}

fn unzip_row(row: &mut Row, args: &[&str], paths: &[PathBuf]) -> anyhow::Result<()> {
    match peers::found("unzip", "unzip") {
        Ok(version) => {
            row.take_run(&measure::run(Command::new("unzip").args(args).args(paths))?);
            row.version = Some(version);
        }
        Err(why) => row.missing = Some(why),
    }
    Ok(())
}

/// Copies each share by a `cp` of its own, all at once.
pub fn copy(tree: &Path, shares: &[Share], to: &Path) -> anyhow::Result<()> {
    // Of two that want to make one folder at the same time one would fail.
    for part in shares.iter().flatten() {
        fs_err::create_dir_all(to.join(part.parent().unwrap_or(Path::new(""))))?;
    }
    let started = shares.iter().map(|share| {
        let mut cp = Command::new("cp");
        cp.args(["-r", "--parents"]).args(share).arg(to).current_dir(tree).stdin(Stdio::null());
        cp.spawn().with_context(|| format!("cannot start {cp:?}"))
    });
    let started = started.collect::<Result<Vec<_>, _>>()?;
    for mut cp in started {
        ensure!(cp.wait()?.success(), "`cp` failed");
    }
    Ok(())
}

/// Shares of a tree of about equal size.
pub fn shares(tree: &Path, bytes: u64) -> anyhow::Result<Vec<Share>> {
    let mut parts = Vec::new();
    divide(tree, Path::new(""), bytes / 40, &mut parts)?;
    parts.sort_by(|a, b| b.cmp(a));
    let mut shares = vec![(0, Vec::new()); COPIES];
    for (size, path) in parts {
        let least = shares.iter_mut().min_by_key(|(sum, _)| *sum).expect("there are some");
        least.0 += size;
        least.1.push(path);
    }
    Ok(shares.into_iter().map(|(_, share)| share).filter(|share| !share.is_empty()).collect())
}

/// Lists files and folders that are no larger than `limit`, and what is larger by its parts.
fn divide(tree: &Path, below: &Path, limit: u64, parts: &mut Vec<(u64, PathBuf)>) -> anyhow::Result<u64> {
    let first = parts.len();
    let mut sum = 0;
    for entry in fs_err::read_dir(tree.join(below))? {
        let entry = entry?;
        let path = below.join(entry.file_name());
        let metadata = entry.metadata()?;
        match metadata.is_dir() {
            true => sum += divide(tree, &path, limit, parts)?,
            false => {
                sum += metadata.len();
                parts.push((metadata.len(), path));
            }
        }
    }
    if sum <= limit && !below.as_os_str().is_empty() {
        parts.truncate(first);
        parts.push((sum, below.to_owned()));
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_hold_every_file_once() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let mut expected = Vec::new();
        for n in 0..50 {
            let path = PathBuf::from(format!("part{}/deep{}/{n}.bin", n % 3, n % 5));
            fs_err::create_dir_all(folder.path().join(&path).parent().expect("it has one"))?;
            fs_err::write(folder.path().join(&path), vec![0; 100 + 97 * n])?;
            expected.push(path);
        }
        let shares = shares(folder.path(), 120_000)?;
        assert_eq!(shares.len(), COPIES);
        let to = tempfile::tempdir()?;
        if cfg!(target_os = "linux") {
            copy(folder.path(), &shares, to.path())?;
            assert!(expected.iter().all(|path| to.path().join(path).is_file()));
        }
        let mut listed: Vec<_> = shares.concat();
        listed.sort();
        let before = listed.len();
        listed.dedup();
        assert_eq!(listed.len(), before, "a part is in one share only");
        let covered = |file: &Path| listed.iter().filter(|part| file.starts_with(part)).count() == 1;
        assert!(expected.iter().all(|file| covered(file)), "{listed:?}");
        Ok(())
    }
}
