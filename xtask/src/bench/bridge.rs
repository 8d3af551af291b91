//! `cargo xtask bench bridge`: the bridge and its peers, on the same pages, round by round in one run.
//!
//! All of them run at the same time and all but one are idle. Each round asks each in turn, so that what else the machine
//! does befalls them alike, and a ratio is the median of those of the rounds.

mod fastcgi;
mod http;
mod process;
mod report;
mod servers;
mod stand;

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use super::bundle::machine::Machine;
use super::bundle::measure::Series;
use super::bundle::report::replace_table;
use crate::tools;
use process::{Group, Interrupts};
use report::Report;
use servers::{PAGES, Page, Server};
use stand::Stand;

/// Where the table stands.
const DOCUMENT: &str = "benches/bridge.md";

/// Processes of the second table.
const SEVERAL: u16 = 4;

/// The hello page's and Django's.
const HELLO: &[u8] = b"Hello, world!";

/// Bytes of an upload whose memory is taken.
const HUGE: usize = 100 << 20;

/// Options of `cargo xtask bench bridge`.
#[derive(clap::Args)]
pub struct Args {
    /// How often everything is measured
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// How long each server is asked for each page in a round
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// Measure only this; may be given several times
    #[arg(long, value_enum)]
    only: Vec<Part>,
    /// Ask another build of the bridge, too: a wheel
    #[arg(long, value_name = "WHEEL")]
    before: Option<PathBuf>,
    /// Print the table, and leave benches/bridge.md as it is
    #[arg(long)]
    print: bool,
}

/// What can be measured alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// Behind nginx, one process
    One,
    /// Behind nginx, four processes
    Four,
    /// By FastCGI without a web server
    Direct,
    /// The memory of a large upload
    Memory,
    /// From the start of the process to the first answer
    Startup,
}

pub fn run(args: &Args) -> anyhow::Result<()> {
    ensure!(cfg!(target_os = "linux"), "what is told of a process' memory is Linux's: run it there");
    ensure!(args.seconds > 0.0 && args.seconds < 3600.0, "`--seconds` is {}", args.seconds);
    ensure!(args.print || args.only.is_empty(), "a part of the table is only printed: add `--print`");
    let interrupts = Interrupts::watch()?;
    let stand = Stand::prepare(args.before.as_deref())?;
    let bench = Bench { stand, interrupts, rounds: args.rounds, time: Duration::from_secs_f64(args.seconds) };
    let is_wanted = |part| args.only.is_empty() || args.only.contains(&part);
    let mut report = Report {
        machine: Machine::of_this(),
        rounds: args.rounds,
        seconds: args.seconds,
        without_libfcgi: bench.stand.without_libfcgi.clone(),
        ..Report::default()
    };
    for (part, processes) in [(Part::One, 1), (Part::Four, SEVERAL)] {
        if is_wanted(part) {
            let (found, lost) = bench.behind_nginx(processes)?;
            report.behind_nginx.insert(processes, found);
            report.lost.extend(lost);
        }
    }
    if is_wanted(Part::Direct) {
        (report.direct, report.in_process) = bench.direct()?;
    }
    if is_wanted(Part::Memory) {
        report.memory = Some(bench.memory()?);
    }
    if is_wanted(Part::Startup) {
        report.startup = Some(bench.startup()?);
    }
    println!("\n{report}");
    if !args.print {
        let document = tools::root().join(DOCUMENT);
        let text = replace_table(&fs_err::read_to_string(&document)?, &report.to_string())?;
        fs_err::write(&document, text)?;
    }
    Ok(())
}

/// The question for a page behind nginx.
fn question(page: Page) -> http::Question {
    match page {
        Page::Hello | Page::Django => http::Question::get(page.path(), HELLO.len(), Some(HELLO)),
        Page::Large => http::Question::get(page.path(), 1 << 20, None),
        Page::Upload => http::Question::upload(page.path(), 10 << 20),
    }
}

/// How many ask at the same time: more than one process answers at once, or there would be gaps.
fn connections(page: Page, processes: u16) -> usize {
    let each = if page == Page::Upload { 2 } else { 4 };
    usize::from(processes.max(2)) * each
}

struct Bench {
    stand: Stand,
    interrupts: Interrupts,
    rounds: u16,
    time: Duration,
}

/// Values of each round, by what was asked and who.
type Rounds = BTreeMap<(Page, Server), Vec<f64>>;

/// The largest part of a round's questions that had no right answer, by processes and what was asked.
type Lost = BTreeMap<(u16, Page, Server), f64>;

impl Bench {
    /// Requests a second, and how many had no answer where not all had one.
    fn behind_nginx(&self, processes: u16) -> anyhow::Result<(Rounds, Lost)> {
        let serving = self.stand.serve(processes, &self.interrupts)?;
        let servers: Vec<Server> = serving.servers.iter().map(|(server, _)| *server).collect();
        let (mut found, mut lost) = (Rounds::new(), Lost::new());
        self.each_round(
            &format!("behind nginx, processes: {processes}"),
            &PAGES,
            &servers,
            |page, server| {
                if server.serves(page, processes) {
                    let front = self.stand.place.front(server, processes);
                    let load = http::load(&front, &question(page), connections(page, processes), self.time)
                        .with_context(|| format!("{server}, {page}, processes: {processes}"))?;
                    found.entry((page, server)).or_default().push(load.rate);
                    if load.lost > 0.0 {
                        let most = lost.entry((processes, page, server)).or_default();
                        *most = load.lost.max(*most);
                    }
                }
                Ok(())
            },
        )?;
        Ok((found, lost))
    }

    /// Microseconds to an answer, and those of Django in a process without server.
    fn direct(&self) -> anyhow::Result<(Rounds, Vec<f64>)> {
        let everywhere = process::stay_on_one_core()?;
        let serving = self.stand.serve(1, &self.interrupts)?;
        let servers: Vec<Server> = serving.servers.iter().map(|(server, _)| *server).collect();
        let servers: Vec<Server> =
            servers.into_iter().filter(|server| server.protocol() != servers::Protocol::Http).collect();
        let (mut found, mut in_process) = (Rounds::new(), Vec::new());
        let pages = [Page::Hello, Page::Django];
        // nginx leaves kept connections behind, and libfcgi and flup6 would wait for them.
        self.each_round("without nginx", &pages, &servers, |page, server| {
            if page == Page::Django && server == Server::Bridge {
                in_process.push(self.in_process()?);
            }
            if server.serves(page, 1) {
                let question = fastcgi::Question::get(page.path(), server.keeps(), HELLO);
                let took = fastcgi::load(&self.stand.place.socket(server, 1), &question, self.time)
                    .with_context(|| format!("{server}, {page}, by FastCGI"))?;
                found.entry((page, server)).or_default().push(took);
            }
            Ok(())
        })?;
        process::run_on(&everywhere)?;
        Ok((found, in_process))
    }

    /// Goes through pages and servers, another server first in each round.
    fn each_round(
        &self,
        what: &str,
        pages: &[Page],
        servers: &[Server],
        mut measure: impl FnMut(Page, Server) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        for round in 0..self.rounds {
            tools::step(&format!("{what}: round {} of {}", round + 1, self.rounds));
            for page in pages {
                for number in 0..servers.len() {
                    self.interrupts.check()?;
                    measure(*page, servers[(number + usize::from(round)) % servers.len()])?;
                }
            }
        }
        Ok(())
    }

    fn in_process(&self) -> anyhow::Result<f64> {
        Ok(self.python_alone(&self.time.as_secs_f64().to_string())?.trim().parse()?)
    }

    /// Runs Django without a server, and returns the line that is said when it has answered, before the process ends.
    fn python_alone(&self, time: &str) -> anyhow::Result<String> {
        let place = &self.stand.place;
        let mut python = Command::new(&place.python);
        python
            .args(["-B", "-X", "utf8"])
            .arg(place.folder.join("in_process.py"))
            .arg(&place.folder)
            .arg(time);
        python.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(place.log()?);
        let (_group, output) = Group::start_talking(&mut python)?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        ensure!(!line.is_empty(), "{python:?} says nothing:\n{}", place.said());
        Ok(line)
    }

    /// By how much a large upload raises the bridge's memory above what it holds when idle, in bytes.
    fn memory(&self) -> anyhow::Result<u64> {
        tools::step("memory of an upload");
        let group = Server::Bridge.start(&self.stand.place, 1)?;
        let socket = self.stand.place.socket(Server::Bridge, 1);
        self.await_answer(|| fastcgi::ask(&socket, &fastcgi::Question::get("/hello", true, HELLO)))?;
        process::forget_peak(group.id())?;
        let (idle, _) = process::memory(group.id())?;
        fastcgi::ask(&socket, &fastcgi::Question::upload("/upload", HUGE))?;
        let (_, peak) = process::memory(group.id())?;
        Ok(peak.saturating_sub(idle))
    }

    /// Seconds from the start of the bridge's process to Django's first answer, and of a Python that asks Django itself.
    fn startup(&self) -> anyhow::Result<(Series, Series)> {
        let (mut ours, mut alone) = (Series::default(), Series::default());
        let socket = self.stand.place.socket(Server::Bridge, 1);
        let question = fastcgi::Question::get("/django", true, HELLO);
        // The first of each reads its files from the disk and does not count.
        for round in 0..=self.rounds.max(7) {
            self.interrupts.check()?;
            let started = Instant::now();
            let group = Server::Bridge.start(&self.stand.place, 1)?;
            self.await_answer(|| fastcgi::ask(&socket, &question))?;
            let seconds = started.elapsed().as_secs_f64();
            drop(group);
            fs_err::remove_file(&socket)?;
            let started = Instant::now();
            self.python_alone("once")?;
            if round > 0 {
                ours.push(seconds);
                alone.push(started.elapsed().as_secs_f64());
            }
        }
        Ok((ours, alone))
    }

    /// Asks until it is answered. A server listens before it has imported the application, so that one question waits.
    fn await_answer(&self, mut ask: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<()> {
        let end = Instant::now() + Duration::from_secs(30);
        loop {
            match ask() {
                Ok(()) => return Ok(()),
                Err(error) if Instant::now() > end => return Err(error),
                Err(_) => self.interrupts.check()?,
            }
            std::thread::sleep(Duration::from_micros(200));
        }
    }
}
