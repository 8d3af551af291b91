//! `holdall env`: the secret variables of a site.

use std::io::{IsTerminal as _, Read as _};

use serde::Serialize;

use super::Output;
use super::served::{RootArgs, Teller, site_name};
use crate::Error;
use crate::deploy::{self, DeployError, Listener, near_site};
use crate::durable::Disk;
use crate::manifest::SiteName;
use crate::progress::Notice;
use crate::site::lock::{IfHeld, Lock};
use crate::site::{Home, Secrets, SiteSettings};

const AFTER: &str = "\
Examples:
  holdall env set shop SECRET_KEY            asks for the value
  holdall env set shop DATABASE_URL < file   takes it from a file
  holdall env list shop
  holdall env unset shop OLD_KEY

Exit codes:
  0  done
  1  failed
  2  wrong usage
  3  there is no such site or variable, and nothing was changed";

/// Set, list and remove the secret variables of a site
///
/// They are kept in `secrets.toml` of the site's folder, which administrators and the site's own processes can read.
/// Variables that are no secret stand in `site.toml`. The site knows what is set from its next start on: `holdall restart`.
#[derive(clap::Subcommand)]
#[command(after_help = AFTER)]
pub enum Command {
    Set(Set),
    List(List),
    Unset(Unset),
}

const SET: &str = "\
Examples:
  holdall env set shop SECRET_KEY
  holdall env set shop DATABASE_URL < file
  holdall env set shop LANGUAGE=de

Exit codes:
  0  done
  1  failed
  2  wrong usage
  3  there is no value, or no such name, and nothing was changed";

/// Set a secret variable
///
/// Without a value on the command line, which others on this machine could see, it is asked for, or read from standard
/// input up to its first line's end. A site that is not there yet gets it with its first deploy.
#[derive(clap::Args)]
#[command(after_help = SET)]
pub struct Set {
    #[command(flatten)]
    of: Of,
    /// The variable, and perhaps its value
    #[arg(value_name = "NAME[=VALUE]")]
    variable: String,
}

const LIST: &str = "\
Examples:
  holdall env list shop
  holdall env list shop --format json

Exit codes:
  0  done
  1  failed
  2  wrong usage
  3  there is no such site";

/// Name the variables of a site, and where each is set; never a value
#[derive(clap::Args)]
#[command(after_help = LIST)]
pub struct List {
    #[command(flatten)]
    of: Of,
}

const UNSET: &str = "\
Examples:
  holdall env unset shop OLD_KEY

Exit codes:
  0  done
  1  failed
  2  wrong usage
  3  there is no such site or variable, and nothing was changed";

/// Remove a secret variable
#[derive(clap::Args)]
#[command(after_help = UNSET)]
pub struct Unset {
    #[command(flatten)]
    of: Of,
    /// The variable
    #[arg(value_name = "NAME")]
    name: String,
}

#[derive(clap::Args)]
struct Of {
    /// The site
    #[arg(value_name = "SITE", value_parser = site_name)]
    site: SiteName,
    #[command(flatten)]
    root: RootArgs,
}

impl Of {
    fn find(&self) -> Result<(Home, SiteSettings), DeployError> {
        deploy::site(&self.root.folder()?, Some(&self.site), &Disk::default())
    }

    /// The site, which need not have been deployed yet: what it needs has to be set before. Says so if it is new.
    fn find_or_begin(&self) -> Result<(Home, SiteSettings, Option<Notice>), DeployError> {
        match self.find() {
            Err(DeployError::NoSite { name, root, known }) => {
                let notice = not_yet(&name, &known);
                let home = Home::below(&root, &name, Disk::default());
                Ok((home, SiteSettings::named(name), Some(notice)))
            }
            found => found.map(|(home, settings)| (home, settings, None)),
        }
    }
}

fn not_yet(name: &SiteName, known: &[SiteName]) -> Notice {
    let take_back = format!("`holdall remove {name} --with-data` takes this back");
    Notice {
        what: format!("there is no site `{name}` yet: this is kept for its first deploy"),
        help: match near_site(name, known) {
            Some(near) => format!("did you mean `{near}`? {take_back}"),
            None => format!("if another site was meant, {take_back}"),
        },
    }
}

#[derive(Serialize)]
struct Variable<'a> {
    name: &'a str,
    secret: bool,
}

pub fn run(command: Command, output: &Output) -> Result<(), Error> {
    match command {
        Command::Set(args) => set(&args, output),
        Command::List(args) => list(&args, output),
        Command::Unset(args) => unset(&args, output),
    }
}

fn set(args: &Set, output: &Output) -> Result<(), Error> {
    let (name, value) = match args.variable.split_once('=') {
        Some((name, value)) => (name, value.to_owned()),
        None => (args.variable.as_str(), ask(&args.variable)?),
    };
    // What cannot be set makes no site.
    Secrets::default().set(name, value.clone()).map_err(DeployError::from)?;
    let (home, settings, notice) = args.of.find_or_begin()?;
    if let Some(notice) = &notice {
        home.make(&settings).map_err(DeployError::from)?;
        output.notice(notice);
    }
    let _lock = lock(&home, output)?;
    let mut secrets = home.secrets().map_err(DeployError::from)?;
    secrets.set(name, value).map_err(DeployError::from)?;
    home.write_secrets(&secrets, &settings).map_err(DeployError::from)?;
    told(&Told { name, set: true, notices: notice.into_iter().collect() }, &home, output);
    Ok(())
}

fn unset(args: &Unset, output: &Output) -> Result<(), Error> {
    let (home, settings) = args.of.find()?;
    let _lock = lock(&home, output)?;
    let mut secrets = home.secrets().map_err(DeployError::from)?;
    if !secrets.unset(&args.name) {
        return Err(DeployError::NotSet { site: home.name, name: args.name.clone() }.into());
    }
    home.write_secrets(&secrets, &settings).map_err(DeployError::from)?;
    told(&Told { name: &args.name, set: false, notices: Vec::new() }, &home, output);
    Ok(())
}

fn list(args: &List, output: &Output) -> Result<(), Error> {
    let (home, settings) = args.of.find()?;
    let secrets = home.secrets().map_err(DeployError::from)?;
    let plain = settings.environment.keys().map(|name| Variable { name, secret: false });
    let secret = secrets.names().map(|name| Variable { name, secret: true });
    let mut all: Vec<_> = plain.chain(secret).collect();
    all.sort_by_key(|variable| variable.name);
    if output.is_json() {
        output.json(&all);
        return Ok(());
    }
    for Variable { name, secret } in all {
        output.line(format!("{name}  ({})", if secret { "secret" } else { "site.toml" }));
    }
    Ok(())
}

#[derive(Serialize)]
struct Told<'a> {
    name: &'a str,
    set: bool,
    notices: Vec<Notice>,
}

fn told(told: &Told<'_>, home: &Home, output: &Output) {
    let name = told.name;
    match (output.is_json(), told.set) {
        (true, _) => output.json(told),
        (false, true) => output.line(format!("{name} is set")),
        (false, false) => output.line(format!("{name} is not set any more")),
    }
    output.aside(format!("the site knows it after its next deploy, or `holdall restart {}`", home.name));
}

fn lock(home: &Home, output: &Output) -> Result<Lock, DeployError> {
    let teller = Teller::new(output);
    let waiting = |holder: Option<&_>| Listener::waiting(&teller, holder);
    Ok(Lock::take(&home.folder, "env", IfHeld::Refuse, waiting)?)
}

/// The value of a variable: typed and not shown, or the first line of standard input.
fn ask(name: &str) -> Result<String, DeployError> {
    let no_value = || DeployError::NoValue { name: name.to_owned() };
    let value = if std::io::stdin().is_terminal() {
        console::Term::stderr()
            .write_str(&format!("value of {name}: "))
            .and_then(|()| console::Term::stderr().read_secure_line())
            .map_err(|_| no_value())?
    } else {
        let mut text = String::new();
        std::io::stdin().take(1 << 20).read_to_string(&mut text).map_err(|_| no_value())?;
        text.lines().next().unwrap_or_default().to_owned()
    };
    if value.is_empty() { Err(no_value()) } else { Ok(value) }
}
