//! What the commands share that have a release serve, or the one that serves know better: what may be said of it, and how
//! it goes, from the plan to its last word.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::Output;
use super::password;
use super::served::{ChangeArgs, Teller};
use crate::Error;
use crate::clock::Span;
use crate::deploy::{self, DeployError, DeployPlan, Hands, Outcome, Server};
use crate::manifest::SiteName;
use crate::progress::Notice;
use crate::release::ReleaseId;
use crate::signature::Trust;
use crate::site::iis::IisPlan;
use crate::site::iis::plan::Lack;
use crate::site::iis::wanted::Password;
use crate::site::settings::Account;
use crate::site::{Home, SiteSettings};

/// What their help says of all exit codes but the first two.
macro_rules! exit_codes {
    () => {
        "  2  wrong usage
  3  a precondition does not hold, and nothing was changed
  4  it failed, and all is as it was before
  5  it failed, and not all could be taken back: the next command does
  130  ended by Ctrl-C: the next command finishes or takes back what was begun"
    };
}
pub(super) use exit_codes;

/// How another release comes to serve.
#[derive(clap::Args)]
pub struct SwitchArgs {
    /// Say what would be done, and do nothing
    #[arg(long)]
    plan: bool,
    /// With `--plan`: write the commands for IIS into this batch file, which is new or was written so before
    #[arg(long, value_name = "FILE", requires = "plan")]
    script: Option<PathBuf>,
    /// Leave it to the next command to end the processes of the release before
    #[arg(long)]
    no_wait: bool,
    /// Read the password of the account that the pool is to run under from standard input, up to its first line's end, if
    /// it is needed
    #[arg(long)]
    pool_password_stdin: bool,
    #[command(flatten)]
    change: ChangeArgs,
}

impl SwitchArgs {
    /// The web server that is to be changed, which knows the password of the pool's account if one is needed. None if the
    /// plan alone was wanted, which is shown then, after these notices.
    pub fn server(
        &self,
        settings: &SiteSettings,
        notices: &[Notice],
        planned: impl Fn(&mut Server) -> Result<DeployPlan, DeployError>,
        output: &Output,
    ) -> Result<Option<Server>, Error> {
        let mut server = self.change.server()?;
        self.give_password(&mut server, settings, &planned);
        if self.plan {
            self.show(&planned(&mut server)?, notices, output)?;
            return Ok(None);
        }
        Ok(Some(server))
    }

    /// Does it, tells what came of it, and sees to the processes of the release before.
    pub fn carry_out(
        &self,
        (home, settings): (&Home, &SiteSettings),
        server: Server,
        trust: &Trust,
        work: impl FnOnce(&mut Hands<'_>) -> Result<Outcome, DeployError>,
        output: &Output,
    ) -> Result<(), Error> {
        let teller = Teller::new(output);
        let mut hands = self.change.hands(server, trust, &teller);
        let outcome = work(&mut hands)?;
        told(&home.name, &outcome, &hands.server, &teller, output);
        match self.no_wait {
            true => Ok(()),
            false => Ok(deploy::drain(home, settings, &outcome, &mut hands)?),
        }
    }

    /// Has the server know the password of the pool's account, if `planned` comes to nothing without it. Nobody is asked for
    /// one that is not needed, and none is needed to say what would be done.
    fn give_password(
        &self,
        server: &mut Server,
        settings: &SiteSettings,
        planned: impl FnOnce(&mut Server) -> Result<DeployPlan, DeployError>,
    ) {
        if settings.pool.account.as_ref().is_none_or(Account::is_managed) {
            return;
        }
        // Whatever else stands in the way is said by what comes next.
        if let Err(DeployError::Lack(Lack::Password(account))) = planned(server) {
            let password = match self.plan {
                true => Some(Password::new(String::new())),
                false => password::of_account(&account, self.pool_password_stdin),
            };
            if let Some(password) = password {
                server.give_password(password);
            }
        }
    }

    /// Says what would be done.
    fn show(&self, plan: &DeployPlan, notices: &[Notice], output: &Output) -> Result<(), Error> {
        if let Some(script) = &self.script {
            write_script(script, &plan.iis)?;
        }
        if output.is_json() {
            output.json(&plan.value());
        } else {
            notices.iter().chain(&plan.notices).for_each(|notice| output.notice(notice));
            output.line(plan.to_string().trim_end());
        }
        Ok(())
    }
}

/// What came of a command, for machines.
#[derive(Serialize)]
pub struct OutcomeValue<'a> {
    pub site: &'a SiteName,
    pub release: &'a ReleaseId,
    pub from: Option<&'a ReleaseId>,
    pub changed: bool,
    pub notices: Vec<Notice>,
    /// When what was done; some lies within other.
    pub spans: Vec<SpanValue>,
}

/// In seconds since the beginning.
#[derive(Serialize)]
pub struct SpanValue {
    part: deploy::Part,
    from: f64,
    to: f64,
}

/// Tells which release serves now.
pub fn told(site: &SiteName, outcome: &Outcome, server: &Server, teller: &Teller<'_>, output: &Output) {
    let Outcome { release, from, changed, .. } = outcome;
    if output.is_json() {
        let (from, notices) = (from.as_ref(), teller.notices());
        let spans = server.spans().into_iter().map(|Span { part, from, to }| SpanValue {
            part,
            from: from.as_secs_f64(),
            to: to.as_secs_f64(),
        });
        let spans = spans.collect();
        output.json(&OutcomeValue { site, release, from, changed: *changed, notices, spans });
        return;
    }
    match from {
        _ if !changed => output.line(format!("nothing to do: {release} of {site} serves as it should")),
        Some(from) if from != release => {
            output.line(format!("{release} of {site} serves, and {from} before it"))
        }
        _ => output.line(format!("{release} of {site} serves")),
    }
}

/// How a batch file begins that was written here, and may be written anew.
const SCRIPT: &str =
    "@rem Written by holdall: what a plan would change in IIS. `--script` writes it anew.\r\n";

/// Writes the commands of a plan as a batch file. Only one that was written here before is overwritten.
fn write_script(path: &Path, plan: &IisPlan) -> Result<(), DeployError> {
    let is_ours = match fs_err::read(path) {
        Ok(there) => there.starts_with(SCRIPT.as_bytes()),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    };
    if !is_ours {
        return Err(DeployError::ScriptExists { path: path.to_owned() });
    }
    fs_err::write(path, SCRIPT.to_owned() + &plan.script())
        .map_err(|source| deploy::Fault::Unwritable { path: path.to_owned(), source }.into())
}
