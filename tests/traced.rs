//! A program watched by its system calls: every step by which it changes what lies below some folders is counted, and
//! at a chosen one the program is killed, or told that the disk is full.
//!
//! Only the program itself is watched, with all its threads; what it starts runs freely. Needs nothing but the
//! system's own `ptrace`, so that the program is the one that people get.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use libc::{c_long, c_void, pid_t};

/// One call that changes something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub call: &'static str,
    pub path: PathBuf,
}

/// What happens at a step.
#[derive(Debug, Clone, Copy)]
pub enum Fault {
    /// The program ends there, before the call is made.
    Kill,
    /// From there on, what takes room fails with this error.
    Full(i32),
}

/// How it went.
pub struct Watched {
    pub steps: Vec<Step>,
    /// The exit code; none if it was killed.
    pub code: Option<i32>,
    /// What it printed on standard output and standard error.
    pub said: String,
    /// What it had started and left running when it was killed.
    pub orphans: Vec<String>,
}

/// Runs `command`, watches what it changes below `folders`, and lets `fault` happen at the step of that number.
pub fn watch(mut command: Command, folders: &[PathBuf], fault: Option<(usize, Fault)>) -> Watched {
    let said = tempfile::tempfile().unwrap();
    command.stdin(Stdio::null()).stdout(said.try_clone().unwrap()).stderr(said.try_clone().unwrap());
    // SAFETY: between fork and exec only a system call is made.
    unsafe {
        command.pre_exec(|| match libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0) {
            -1 => Err(io::Error::last_os_error()),
            _ => Ok(()),
        });
    }
    #[allow(clippy::zombie_processes)] // It is waited for below, with its threads.
    let main = command.spawn().unwrap().id() as pid_t;
    let mut watcher = Watcher { main, folders, fault, steps: Vec::new(), orphans: Vec::new() };
    let code = watcher.run();
    let (steps, orphans) = (watcher.steps, watcher.orphans);
    let said = {
        let mut said = said;
        io::Seek::rewind(&mut said).unwrap();
        io::read_to_string(said).unwrap()
    };
    Watched { steps, code, said, orphans }
}

struct Watcher<'a> {
    main: pid_t,
    folders: &'a [PathBuf],
    fault: Option<(usize, Fault)>,
    steps: Vec<Step>,
    orphans: Vec<String>,
}

/// A call as it is about to be made.
struct Call {
    number: c_long,
    args: [u64; 6],
}

impl Watcher<'_> {
    fn run(&mut self) -> Option<i32> {
        let options = libc::PTRACE_O_TRACESYSGOOD | libc::PTRACE_O_TRACECLONE | libc::PTRACE_O_EXITKILL;
        let mut begun = false;
        let mut code = None;
        // Calls that are not made, with what they shall return, by thread.
        let mut refused = Vec::<(pid_t, i32)>::new();
        loop {
            let mut status = 0;
            // Other tests run in other threads, and have children of their own.
            // SAFETY: the call writes one number.
            let thread = unsafe { libc::waitpid(-1, &mut status, libc::__WALL | libc::__WNOTHREAD) };
            if thread == -1 {
                let error = io::Error::last_os_error();
                match error.raw_os_error() {
                    Some(libc::EINTR) => continue,
                    Some(libc::ECHILD) => return code,
                    _ => panic!("{error}"),
                }
            }
            if !libc::WIFSTOPPED(status) {
                if thread == self.main && libc::WIFEXITED(status) {
                    code = Some(libc::WEXITSTATUS(status));
                }
                continue;
            }
            let signal = libc::WSTOPSIG(status);
            let mut deliver = 0;
            if !begun && thread == self.main {
                begun = true;
                trace(libc::PTRACE_SETOPTIONS, thread, 0, options as usize);
            } else if signal == libc::SIGTRAP | 0x80 {
                if let Some(at) = refused.iter().position(|(refused, _)| *refused == thread) {
                    let (_, error) = refused.swap_remove(at);
                    returns(thread, error);
                } else if let Some(error) = self.look(thread) {
                    skip(thread);
                    refused.push((thread, error));
                }
            } else if status >> 16 == 0 && signal != libc::SIGSTOP {
                deliver = signal;
            }
            trace(libc::PTRACE_SYSCALL, thread, 0, deliver as usize);
        }
    }

    /// Looks at a call that begins; returns the error with which it has to fail.
    fn look(&mut self, thread: pid_t) -> Option<i32> {
        let call = begins(thread)?;
        let step = self.step(thread, &call)?;
        self.steps.push(step);
        let takes_room = takes_room(call.number);
        match self.fault {
            Some((at, Fault::Kill)) if self.steps.len() == at => {
                self.orphans = children(self.main);
                // SAFETY: a system call without memory.
                unsafe { libc::kill(self.main, libc::SIGKILL) };
                None
            }
            Some((at, Fault::Full(error))) if self.steps.len() >= at && takes_room => Some(error),
            _ => None,
        }
    }

    /// What the call changes, if it changes something below the folders.
    fn step(&self, thread: pid_t, call: &Call) -> Option<Step> {
        let [first, second, third, fourth, ..] = call.args;
        let named = |folder: u64, name: u64| named(thread, folder as i32, name);
        const HERE: u64 = libc::AT_FDCWD as u64;
        let makes = |flags: u64| {
            flags as i32 & (libc::O_CREAT | libc::O_TRUNC) != 0
                || flags as i32 & libc::O_TMPFILE == libc::O_TMPFILE
        };
        let (name, path) = match call.number {
            libc::SYS_open if makes(second) => ("open", named(HERE, first)),
            libc::SYS_openat if makes(third) => ("open", named(first, second)),
            libc::SYS_creat => ("open", named(HERE, first)),
            libc::SYS_write | libc::SYS_pwrite64 | libc::SYS_writev => ("write", opened(thread, first)),
            libc::SYS_sendfile => ("write", opened(thread, first)),
            libc::SYS_copy_file_range => ("write", opened(thread, third)),
            libc::SYS_ftruncate | libc::SYS_fallocate => ("resize", opened(thread, first)),
            libc::SYS_fsync | libc::SYS_fdatasync => ("sync", opened(thread, first)),
            libc::SYS_mkdir => ("mkdir", named(HERE, first)),
            libc::SYS_mkdirat => ("mkdir", named(first, second)),
            libc::SYS_rename => ("rename", named(HERE, second)),
            libc::SYS_renameat | libc::SYS_renameat2 => ("rename", named(third, fourth)),
            libc::SYS_link => ("link", named(HERE, second)),
            libc::SYS_linkat => ("link", named(third, fourth)),
            libc::SYS_symlink => ("link", named(HERE, second)),
            libc::SYS_symlinkat => ("link", named(second, third)),
            libc::SYS_unlink | libc::SYS_rmdir => ("remove", named(HERE, first)),
            libc::SYS_unlinkat => ("remove", named(first, second)),
            _ => return None,
        };
        let path = path?;
        self.folders.iter().any(|folder| path.starts_with(folder)).then_some(Step { call: name, path })
    }
}

/// The processes that it has started and that are there.
fn children(process: pid_t) -> Vec<String> {
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let lists = threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect()
}

fn takes_room(number: c_long) -> bool {
    use libc::*;
    [
        SYS_open,
        SYS_openat,
        SYS_creat,
        SYS_write,
        SYS_pwrite64,
        SYS_writev,
        SYS_sendfile,
        SYS_copy_file_range,
        SYS_ftruncate,
        SYS_fallocate,
        SYS_mkdir,
        SYS_mkdirat,
        SYS_link,
        SYS_linkat,
        SYS_symlink,
        SYS_symlinkat,
    ]
    .contains(&number)
}

fn trace(request: libc::c_uint, thread: pid_t, address: usize, data: usize) {
    // SAFETY: the requests used here take numbers alone; a thread that was killed meanwhile is an error to ignore.
    unsafe { libc::ptrace(request, thread, address, data) };
}

fn begins(thread: pid_t) -> Option<Call> {
    // SAFETY: a structure of numbers, which the call fills.
    unsafe {
        let mut info: libc::ptrace_syscall_info = std::mem::zeroed();
        let size = size_of::<libc::ptrace_syscall_info>();
        let filled =
            libc::ptrace(libc::PTRACE_GET_SYSCALL_INFO, thread, size, (&raw mut info).cast::<c_void>());
        (filled > 0 && info.op == libc::PTRACE_SYSCALL_INFO_ENTRY)
            .then_some(Call { number: info.u.entry.nr as c_long, args: info.u.entry.args })
    }
}

/// Lets the call that begins not be made.
fn skip(thread: pid_t) {
    trace(libc::PTRACE_POKEUSER, thread, libc::ORIG_RAX as usize * 8, usize::MAX);
}

/// Lets the call that ends return this error.
fn returns(thread: pid_t, error: i32) {
    trace(libc::PTRACE_POKEUSER, thread, libc::RAX as usize * 8, -(error as isize) as usize);
}

/// The file behind an open descriptor.
fn opened(thread: pid_t, descriptor: u64) -> Option<PathBuf> {
    std::fs::read_link(format!("/proc/{thread}/fd/{}", descriptor as i32)).ok()
}

/// The whole path that a call names.
fn named(thread: pid_t, folder: i32, name: u64) -> Option<PathBuf> {
    let name = text(thread, name)?;
    if Path::new(&name).is_absolute() {
        return Some(name.into());
    }
    let base = match folder {
        libc::AT_FDCWD => std::fs::read_link(format!("/proc/{thread}/cwd")).ok()?,
        folder => opened(thread, folder as u64)?,
    };
    Some(base.join(name))
}

/// The text at an address of the program, up to the NUL behind it.
fn text(thread: pid_t, address: u64) -> Option<String> {
    use std::os::unix::fs::FileExt as _;
    let memory = std::fs::File::open(format!("/proc/{thread}/mem")).ok()?;
    let mut bytes = Vec::new();
    let mut buffer = [0; 256];
    while !bytes.contains(&0) && bytes.len() < 8192 {
        // A page may end where nothing more is mapped: a read that is cut short there is enough.
        let read = memory.read_at(&mut buffer, address + bytes.len() as u64).ok()?;
        bytes.extend(&buffer[..read]);
        if read == 0 {
            break;
        }
    }
    let end = bytes.iter().position(|byte| *byte == 0)?;
    String::from_utf8(bytes[..end].to_vec()).ok()
}
