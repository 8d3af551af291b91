//! The lab's service manager: services and tasks as a file, and the processes of those that run.
//!
//! As strict as that of Windows about names and states, with its numbers: 1056 already running, 1060 no such service, 1062
//! not started, 1072 marked for deletion, 1073 exists. A service that is deleted while it runs is refused, where Windows
//! would only mark it: whoever does so has the order wrong.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::config::write_whole;
use crate::hold::Hold;

/// The variable that names the folder of the lab.
pub const VARIABLE: &str = "HOLDALL_LAB_SERVICES";

/// How long a service may take to begin.
const BEGIN: Duration = Duration::from_millis(100);

/// The whole file.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Services {
    services: BTreeMap<String, Service>,
    /// By the name of the service that they start.
    tasks: BTreeMap<String, Vec<String>>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Service {
    bin_path: String,
    start: String,
    obj: String,
    display_name: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    process: Option<Process>,
    #[serde(default)]
    stopping: bool,
}

/// A process, with when it began: numbers are used again.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Process {
    id: u32,
    began: String,
}

/// Why a command is refused: the number that Windows has for it, and words.
pub struct Refusal(pub i32, pub String);

impl From<std::io::Error> for Refusal {
    fn from(error: std::io::Error) -> Refusal {
        Refusal(1, error.to_string())
    }
}

/// Does what `args` say in the lab in `folder`. Returns what is to be printed.
pub fn run(folder: &Path, args: &[String]) -> Result<String, Refusal> {
    fs_err::create_dir_all(folder)?;
    let _alone = Hold::wait(&folder.join("lock"))?;
    let kills = kills(folder, args)?;
    if kills == Some(Kill::Before) {
        kill_caller();
        return Ok(String::new());
    }
    let done = Lab { folder }.command(args);
    let exit = done.as_ref().map_or_else(|refusal| refusal.0, |_| 0);
    let line = serde_json::json!({ "argv": args, "exit": exit }).to_string();
    let mut log = fs_err::OpenOptions::new().create(true).append(true).open(folder.join("services.jsonl"))?;
    writeln!(log, "{line}")?;
    if kills == Some(Kill::After) {
        kill_caller();
    }
    done
}

/// When whoever has given a command is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kill {
    Before,
    After,
}

/// A test has written `3 after` into the file `kill`: whoever gives the third command from then on that changes something
/// is killed, once that is done. Of one that is killed `before` it comes to nothing.
fn kills(folder: &Path, args: &[String]) -> Result<Option<Kill>, Refusal> {
    let path = folder.join("kill");
    let is_change = args.first().is_some_and(|verb| !["query", "list", "end-all"].contains(&verb.as_str()));
    let Ok(text) = fs_err::read_to_string(&path) else { return Ok(None) };
    let Some((count, when)) = text.trim().split_once(' ').filter(|_| is_change) else { return Ok(None) };
    match count.parse::<u32>().map_err(std::io::Error::other)? {
        0 | 1 => {
            fs_err::remove_file(&path)?;
            Ok(Some(if when == "after" { Kill::After } else { Kill::Before }))
        }
        more => {
            fs_err::write(&path, format!("{} {when}", more - 1))?;
            Ok(None)
        }
    }
}

fn kill_caller() {
    // SAFETY: system calls without memory.
    #[cfg(unix)]
    unsafe {
        libc::kill(libc::getppid(), libc::SIGKILL);
    }
}

struct Lab<'a> {
    folder: &'a Path,
}

impl Lab<'_> {
    fn file(&self) -> PathBuf {
        self.folder.join("services.json")
    }

    fn command(&self, args: &[String]) -> Result<String, Refusal> {
        let words: Vec<&str> = args.iter().map(String::as_str).collect();
        let mut all: Services = match fs_err::read(self.file()) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(std::io::Error::other)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Services::default(),
            Err(error) => return Err(error.into()),
        };
        let known = |all: &Services, name: &str| match all.services.contains_key(name) {
            true => Ok(()),
            false => Err(refused(1060, name, "does not exist as an installed service")),
        };
        let mut printed = String::new();
        match words[..] {
            ["query", name] => {
                known(&all, name)?;
                return Ok(query(&all, name));
            }
            ["create", name, ref rest @ ..] => {
                if all.services.contains_key(name) {
                    return Err(refused(1073, name, "already exists"));
                }
                all.services.insert(name.to_owned(), Service::parse(name, rest)?);
            }
            ["config", name, ref rest @ ..] => {
                known(&all, name)?;
                let new = Service::parse(name, rest)?;
                if let Some(service) = all.services.get_mut(name) {
                    let (description, process) = (service.description.clone(), service.process.clone());
                    *service = Service { description, process, stopping: service.stopping, ..new };
                }
            }
            ["description", name, text] => {
                known(&all, name)?;
                all.services.entry(name.to_owned()).and_modify(|one| one.description = text.to_owned());
            }
            ["start", name] => {
                known(&all, name)?;
                let service = &all.services[name];
                if service.is_alive() {
                    return Err(refused(1056, name, "is already running"));
                }
                let process = self.begin(name, &service.bin_path)?;
                all.services
                    .entry(name.to_owned())
                    .and_modify(|one| (one.process, one.stopping) = (Some(process), false));
            }
            ["stop", name] => {
                known(&all, name)?;
                let service = &all.services[name];
                let Some(process) = service.process.as_ref().filter(|process| process.is_alive()) else {
                    return Err(refused(1062, name, "has not been started"));
                };
                process.ask()?;
                all.services.entry(name.to_owned()).and_modify(|one| one.stopping = true);
            }
            ["delete", name] => {
                known(&all, name)?;
                if all.services[name].is_alive() {
                    return Err(refused(1072, name, "runs, and would be marked for deletion"));
                }
                all.services.remove(name);
            }
            ["schedule", name, ref rest @ ..] => {
                known(&all, name)?;
                if all.services[name].start != "demand" {
                    return Err(refused(87, name, "is started by itself, and by a task as well"));
                }
                all.tasks.insert(name.to_owned(), rest.iter().map(|word| (*word).to_owned()).collect());
            }
            ["unschedule", name] => {
                if all.tasks.remove(name).is_none() {
                    return Err(refused(2, name, "has no task"));
                }
            }
            // Not of Windows: the machine of the lab is turned off.
            ["end-all"] => {
                for process in all.services.values().filter_map(|one| one.process.as_ref()) {
                    if process.is_alive() {
                        process.ask()?;
                        process.wait();
                    }
                }
            }
            ["list"] => {
                for name in all.services.keys() {
                    printed += &query(&all, name);
                }
                return Ok(printed);
            }
            _ => return Err(Refusal(1639, format!("cannot be understood: {}\n", words.join(" ")))),
        }
        let text = serde_json::to_vec_pretty(&all).map_err(std::io::Error::other)?;
        write_whole(&self.file(), &text)?;
        Ok(printed)
    }

    /// Starts what a service runs, as the service manager does: nobody's child, with nobody's streams.
    fn begin(&self, name: &str, line: &str) -> Result<Process, Refusal> {
        let words = words(line);
        let Some((program, args)) = words.split_first() else {
            return Err(refused(87, name, "has no program"));
        };
        let output = fs_err::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.folder.join(format!("{name}.out")))?;
        let mut command = Command::new(program);
        command.args(args).stdin(Stdio::null()).stdout(output.into_file());
        let errors = fs_err::OpenOptions::new().append(true).open(self.folder.join(format!("{name}.out")))?;
        command.stderr(errors.into_file()).current_dir("/").env_remove("HOLDALL_ROOT");
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let child = command.spawn().map_err(|error| refused(2, name, &error.to_string()))?;
        let process = Process { began: began(child.id()), id: child.id() };
        let until = Instant::now() + BEGIN;
        while process.is_alive() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(process)
    }
}

impl Service {
    fn parse(name: &str, words: &[&str]) -> Result<Service, Refusal> {
        let ["binPath=", bin_path, "start=", start, "obj=", obj, "DisplayName=", display_name] = words else {
            return Err(refused(1639, name, "cannot be made of these words"));
        };
        let is_own = *obj == format!("NT SERVICE\\{name}");
        if !is_own && !obj.ends_with('$') {
            return Err(refused(1057, name, "cannot be run as this account without a password"));
        }
        if !["auto", "demand"].contains(start) {
            return Err(refused(87, name, "has no such way to start"));
        }
        Ok(Service {
            bin_path: (*bin_path).to_owned(),
            start: (*start).to_owned(),
            obj: (*obj).to_owned(),
            display_name: (*display_name).to_owned(),
            description: String::new(),
            process: None,
            stopping: false,
        })
    }

    fn is_alive(&self) -> bool {
        self.process.as_ref().is_some_and(Process::is_alive)
    }
}

impl Process {
    fn is_alive(&self) -> bool {
        !self.began.is_empty() && began(self.id) == self.began
    }

    fn ask(&self) -> Result<(), Refusal> {
        #[cfg(unix)]
        {
            let id = libc::pid_t::try_from(self.id).map_err(std::io::Error::other)?;
            // SAFETY: a system call without memory.
            unsafe { libc::kill(id, libc::SIGTERM) };
        }
        Ok(())
    }

    fn wait(&self) {
        let until = Instant::now() + Duration::from_secs(30);
        while self.is_alive() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

fn query(all: &Services, name: &str) -> String {
    let service = &all.services[name];
    let state = match (service.is_alive(), service.stopping) {
        (false, _) => "STOPPED",
        (true, false) => "RUNNING",
        (true, true) => "STOP_PENDING",
    };
    let pid = service.process.as_ref().filter(|process| process.is_alive()).map(|process| process.id);
    let task = all.tasks.get(name);
    let value = serde_json::json!({
        "name": name, "binPath": service.bin_path, "obj": service.obj, "displayName": service.display_name,
        "description": service.description, "start": service.start, "state": state, "pid": pid,
        "task": task.is_some(), "when": task.map(|words| words.join(" ")),
    });
    format!("{value}\n")
}

fn refused(number: i32, name: &str, why: &str) -> Refusal {
    Refusal(number, format!("FAILED {number}: {name} {why}\n"))
}

/// The words of a command line, as Windows parts them where no quote is within a word.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted) = (Vec::new(), None::<String>, false);
    for c in line.chars() {
        match c {
            '"' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            ' ' if !quoted => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// When a process began, by the clock of the system; empty if it is gone, or dead and waited for by nobody.
fn began(process: u32) -> String {
    let text = fs_err::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let Some((_, rest)) = text.rsplit_once(") ") else { return String::new() };
    let fields: Vec<&str> = rest.split(' ').collect();
    match fields.first() {
        Some(&"Z" | &"X") | None => String::new(),
        Some(_) => fields.get(19).map(ToString::to_string).unwrap_or_default(),
    }
}
