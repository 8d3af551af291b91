//! Processes that end with the benchmark, however it ends, and what Linux tells of their memory.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdout, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, ensure};
use rustix::process::{Pid, Signal, kill_process_group};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// A program and all that it starts, in a process group of their own, which is killed with this value.
pub struct Group(Child);

impl Group {
    pub fn start(command: &mut Command) -> anyhow::Result<Group> {
        let child = command.process_group(0).spawn().with_context(|| format!("cannot start {command:?}"))?;
        Ok(Group(child))
    }

    /// The same, with what it says.
    pub fn start_talking(command: &mut Command) -> anyhow::Result<(Group, ChildStdout)> {
        let mut group = Group::start(command)?;
        let output = group.0.stdout.take().with_context(|| format!("{command:?} has no output"))?;
        Ok((group, output))
    }

    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// Whether the program has ended by itself, which none of them should.
    pub fn has_ended(&mut self) -> io::Result<bool> {
        Ok(self.0.try_wait()?.is_some())
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Nobody has waited for the first process before this, so that its number is nobody else's.
        if let Ok(None) = self.0.try_wait() {
            let _ = kill_process_group(Pid::from_child(&self.0), Signal::KILL);
            let _ = self.0.wait();
        }
    }
}

/// Ctrl-C and its like, noticed between two measurements so that what was started is ended.
pub struct Interrupts(Arc<AtomicBool>);

impl Interrupts {
    pub fn watch() -> io::Result<Interrupts> {
        use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
        let seen = Arc::default();
        for signal in [SIGHUP, SIGINT, SIGTERM] {
            signal_hook::flag::register(signal, Arc::clone(&seen))?;
        }
        Ok(Interrupts(seen))
    }

    pub fn check(&self) -> anyhow::Result<()> {
        ensure!(!self.0.load(Ordering::Relaxed), "interrupted");
        Ok(())
    }
}

/// The memory that a process holds now and the most it has held since the last [`forget_peak`], in bytes.
pub fn memory(id: u32) -> anyhow::Result<(u64, u64)> {
    let status = fs_err::read_to_string(format!("/proc/{id}/status"))?;
    let value = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        Some(line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()? << 10)
    };
    value("VmRSS:").zip(value("VmHWM:")).context("the system tells the memory of a process")
}

/// Lets a process' peak begin anew at what it holds now.
pub fn forget_peak(id: u32) -> anyhow::Result<()> {
    Ok(fs_err::write(format!("/proc/{id}/clear_refs"), "5")?)
}

/// Keeps this thread, and whatever it starts from here on, on one core, and returns where they might run before. Of two that
/// wait for each other only one has something to do, and how long it takes to wake a core would be most of what is measured.
pub fn stay_on_one_core() -> io::Result<CpuSet> {
    let everywhere = sched_getaffinity(None)?;
    let mut one = CpuSet::new();
    (0..CpuSet::MAX_CPU).filter(|core| everywhere.is_set(*core)).take(1).for_each(|core| one.set(core));
    run_on(&one)?;
    Ok(everywhere)
}

/// Lets this thread, and whatever it starts from here on, run on these cores.
pub fn run_on(cores: &CpuSet) -> io::Result<()> {
    Ok(sched_setaffinity(None, cores)?)
}
