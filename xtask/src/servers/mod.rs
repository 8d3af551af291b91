//! `cargo xtask servers`: the guestbook behind the web servers of Debian, each configured as the bridge's README has it.
//!
//! Guests visit it several at a time, write and upload, while the processes of the bridge are replaced one after the
//! other. Not one page may fail.

mod site;
mod web;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::ensure;

use crate::guestbook::{self, Seen};
use crate::{debian, lab, tools};
use site::Site;
use web::{Running, Server};

/// Python as well: one that Apache's own user may start, which another need not be.
const PACKAGES: [&str; 5] = ["apache2", "libapache2-mod-fcgid", "lighttpd", "nginx", "python3"];

/// Guests at the same time: more than there are processes to serve them.
const GUESTS: usize = 4;

/// How often all processes of the bridge are replaced meanwhile.
const RESTARTS: usize = 2;

pub fn run() -> anyhow::Result<()> {
    set_up()?;
    let site = Site::prepare()?;
    let mut failed = 0;
    for server in Server::ALL {
        let begun = Instant::now();
        println!("test {server} ...");
        match try_out(&site, server) {
            Ok(visits) => println!("  ok: {visits} visits in {:.1} s", begun.elapsed().as_secs_f64()),
            Err(error) => {
                failed += 1;
                println!("  FAILED: {error:#}");
            }
        }
    }
    println!("test result: {} passed; {failed} failed; 0 ignored", Server::ALL.len() - failed);
    ensure!(failed == 0, "the guestbook was not served as it should be");
    Ok(())
}

/// Whether the web servers are there, installed if need be. In CI nothing may be left out.
pub fn is_available() -> anyhow::Result<bool> {
    match set_up() {
        Ok(()) => Ok(true),
        Err(reason) if lab::in_ci() => Err(reason.context("CI must not leave out the web servers")),
        Err(reason) => {
            tools::step("there are not all web servers on this machine: the tests behind them are left out");
            println!("    {reason:#}");
            Ok(false)
        }
    }
}

fn set_up() -> anyhow::Result<()> {
    debian::install("serving behind the web servers of Debian", &PACKAGES)
}

/// Serves and visits the site; says how many visits there were.
fn try_out(site: &Site, server: Server) -> anyhow::Result<usize> {
    let mut running = Running::start(site, server)?;
    let tried = visits(&mut running);
    let stopped = running.stop();
    tried.and_then(|visits| stopped.map(|()| visits)).map_err(|error| error.context(running.log()))
}

fn visits(running: &mut Running<'_>) -> anyhow::Result<usize> {
    all_right(&guestbook::visit(running.address()))?;
    let over = AtomicBool::new(false);
    let address = running.address().to_owned();
    let (visits, restarted) = thread::scope(|scope| {
        let guests: Vec<_> = (0..GUESTS)
            .map(|_| {
                scope.spawn(|| {
                    let mut visits = 0;
                    while !over.load(Ordering::Relaxed) {
                        all_right(&guestbook::visit(&address))?;
                        visits += 1;
                    }
                    Ok::<usize, anyhow::Error>(visits)
                })
            })
            .collect();
        let restarted = (0..RESTARTS).try_for_each(|_| {
            thread::sleep(Duration::from_millis(500));
            running.restart()
        });
        thread::sleep(Duration::from_millis(500));
        over.store(true, Ordering::Relaxed);
        let visits: Vec<_> =
            guests.into_iter().map(|guest| guest.join().expect("a guest does not panic")).collect();
        (visits, restarted)
    });
    restarted?;
    visits.into_iter().sum()
}

fn all_right(seen: &[Seen]) -> anyhow::Result<()> {
    let wrong: Vec<String> =
        seen.iter().filter(|page| page.problem.is_some()).map(ToString::to_string).collect();
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}
