//! `start`, `stop` and `recycle`: what WAS does, told to the web server by `runtime.json`.

use super::args::Typed;
use super::command::Context;
use super::errors::{self, Failure, Refusal};
use super::input::Input;
use super::objects::{self, Kind};
use crate::runtime::State;
use crate::switches::{Outcome, PortTaken};

pub fn change(
    context: &mut Context<'_>,
    kind: Kind,
    mut typed: Typed,
    inputs: &[Input],
) -> Result<(), Failure> {
    let identifiers = objects::identifiers(kind, &mut typed, inputs)?;
    if kind == Kind::Pool {
        typed.take("wait");
        typed.take("timeout");
    }
    if let Some(parameter) = typed.parameters.first() {
        return Err(errors::unknown_attribute(&parameter.name));
    }
    for identifier in identifiers {
        let name = match kind {
            Kind::Pool => pool(context, &typed.verb, &identifier)?,
            _ => site(context, &typed.verb, &identifier)?,
        };
        // The full stop stands behind `started` alone.
        context.say(&match typed.verb.as_str() {
            "start" => format!("\"{name}\" successfully started."),
            "stop" => format!("\"{name}\" successfully stopped"),
            _ => format!("\"{name}\" successfully recycled"),
        });
    }
    Ok(())
}

fn site(context: &mut Context<'_>, verb: &str, identifier: &str) -> Result<String, Failure> {
    let config = context.load()?;
    let found = objects::find(&config, Kind::Site, identifier, verb)?;
    let site = config.site(&found.name).expect("it was just found");
    let switches = context.lab.settings.switches;
    let taken = verb == "start"
        && switches.site_port_taken != PortTaken::Started
        && objects::binding_taken(context, &config, site.id)?;
    let known = context.lab.settings.timing.known;
    let refusal = objects::runtime(context, |runtime| {
        let state = runtime.site(&site);
        let standing = runtime.site_mut(site.id);
        let wanted = if verb == "start" { State::Started } else { State::Stopped };
        let twice = match wanted {
            State::Started => (switches.site_start_twice, Refusal::Running),
            State::Stopped => (switches.site_stop_twice, Refusal::NotRunning),
        };
        if standing.is_younger_than(known) {
            return Some(Refusal::NotKnownYet);
        }
        match twice {
            (Outcome::Error, refusal) if state == wanted => Some(refusal),
            _ if taken && state != wanted => Some(Refusal::BindingTaken),
            _ => {
                standing.state = Some(wanted);
                None
            }
        }
    })?;
    match refusal {
        Some(refusal) => Err(errors::refused(refusal)),
        None => Ok(found.name),
    }
}

/// Stopping a stopped pool is an error, as is recycling one; so, by the names of the codes, is starting a started one.
fn pool(context: &mut Context<'_>, verb: &str, identifier: &str) -> Result<String, Failure> {
    let config = context.load()?;
    let found = objects::find(&config, Kind::Pool, identifier, verb)?;
    let pool = config.pool(&found.name).expect("it was just found");
    let known = context.lab.settings.timing.known;
    let refusal = objects::runtime(context, |runtime| {
        let state = runtime.pool(&pool);
        let standing = runtime.pool_mut(&pool.name);
        match (verb, state) {
            _ if standing.is_younger_than(known) => return Some(Refusal::NotKnownYet),
            ("start", State::Started) => return Some(Refusal::Running),
            ("stop" | "recycle", State::Stopped) => return Some(Refusal::NotRunning),
            ("stop", _) => standing.state = Some(State::Stopped),
            _ => {
                standing.state = Some(State::Started);
                standing.recycled += 1;
            }
        }
        None
    })?;
    match refusal {
        Some(refusal) => Err(errors::refused(refusal)),
        None => Ok(found.name),
    }
}
