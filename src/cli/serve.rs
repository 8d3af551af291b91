//! `holdall serve`: a release outside of the web server, for trouble-shooting.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use serde::Serialize;

use super::Output;
use super::preview::PreviewError;
use super::served::{Placed, ReleaseArgs};
use super::stop::Stop;
use crate::Error;
use crate::deploy::DeployError;
use crate::manifest::SiteName;
use crate::release::ReleaseId;
use crate::site::home::{self, Visited};
use crate::site::local::{self, Event, Listening, Served};

const AFTER: &str = "\
Examples:
  holdall serve shop
  holdall serve shop --release 2.3 --port 8080

Exit codes:
  0  it was stopped by Ctrl-C
  1  failed
  2  wrong usage
  3  there is no such site or release, a variable that it needs is not set, or the port is taken";

/// Serve a release of a site on this machine alone, beside the web server
///
/// It is served by the embedded web server, with the Python, the settings and the secrets that it has behind the real one,
/// and with the same databases and uploads. A line is printed for each request; Ctrl-C stops.
#[derive(clap::Args)]
#[command(after_help = AFTER)]
pub struct Args {
    #[command(flatten)]
    release: ReleaseArgs,
    /// The port to listen on; 0 takes any that is free
    #[arg(long, default_value_t = 8000)]
    port: u16,
    /// How many requests to work on at once, each in a process of its own
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=64))]
    processes: u16,
}

/// The first line that machines read: from here on the site answers.
#[derive(Serialize)]
struct Ready<'a> {
    event: &'static str,
    address: &'a str,
    site: &'a SiteName,
    release: &'a ReleaseId,
}

pub fn run(args: Args, output: &Output) -> Result<(), Error> {
    let Placed { home, settings, place, given } = args.release.find()?;
    if !place.bridge_toml().exists() {
        // It was told already what it needs when it was deployed, but somebody may have cleared its folder.
        let told = home::bridge_toml(&settings, &place, &given, Visited { host: "localhost", https: false });
        home.tell(&place, &told).map_err(DeployError::from)?;
    }
    let listening = Listening::at(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), args.port))?;
    let runtime = tokio::runtime::Runtime::new().map_err(PreviewError::System)?;
    let stop = Stop::listen(&runtime).map_err(PreviewError::System)?;
    let (printer, site) = (*output, home.name);
    let ready = |address: SocketAddr| {
        let address = format!("http://{address}/");
        match printer.is_json() {
            true => {
                printer.json(&Ready { event: "ready", address: &address, site: &site, release: &place.id })
            }
            false => printer.line(format!("Serving {} of {site} on {address} (Ctrl-C stops)", place.id)),
        }
    };
    let events = move |event: Event| match &event {
        event if printer.is_json() => printer.json(event),
        Event::Request(_) => printer.line(event),
        _ => printer.aside(event),
    };
    let served = Served::release(&place, args.processes.into());
    runtime.block_on(local::serve(listening, served, events, ready, stop.asked()))?;
    Ok(())
}
