//! `holdall deploy`: a bundle goes into service on this server.

use std::path::{Path, PathBuf};

use super::Output;
use super::served::{RootArgs, noted};
use super::stop::Ending;
use super::switch::{SwitchArgs, exit_codes};
use super::trust::TrustArgs;
use crate::Error;
use crate::deploy::{self, DeployError, Hands, Server, Source, Wishes};
use crate::durable::Disk;
use crate::events::Event;
use crate::progress::Notice;
use crate::site::settings::{SITE_TOML, read_text};
use crate::site::{Home, HomeError, SiteSettings};

const AFTER: &str = concat!(
    "\
Examples:
  holdall deploy shop-2.4-windows-x86_64.zip             make the site, or bring it to this release
  holdall deploy shop-2.4-windows-x86_64.zip --plan      only say what would be done
  holdall deploy shop.zip --plan --script changes.cmd    and write the commands for IIS into a file
  holdall deploy . --site D:\\conf\\site.toml              take this folder where it lies
  holdall deploy shop.zip --trust shop.pub --no-wait     for scripts

Exit codes:
  0  the release serves, or did already
  1  the release serves, but not all that follows was done
",
    exit_codes!()
);

/// Put a bundle into service on this server
///
/// The bundle is expanded into a folder of its own and checked file by file; the project is started, warmed up and asked
/// for pages on a port of this machine alone. Only then visitors are switched to it, in one step, and asked for once more:
/// what does not serve well is switched back. At every instant the site serves the old release or the new one, whole.
///
/// A second deploy of the same bundle does nothing. What was cut short is finished, or taken back, by the next command.
#[derive(clap::Args)]
#[command(after_help = AFTER)]
pub struct Args {
    /// The bundle, or a folder that one was copied into, which is taken where it lies
    #[arg(value_name = "BUNDLE|FOLDER")]
    path: PathBuf,
    /// The site's settings; they are kept in the site's folder from then on [default: the `site.toml` that lies in
    /// FOLDER, else those that are there, else what the bundle asks for]
    #[arg(long, value_name = "FILE")]
    site: Option<PathBuf>,
    #[command(flatten)]
    root: RootArgs,
    /// Take a site that somebody else has made, and set back what somebody else has changed
    #[arg(long)]
    take_over: bool,
    /// Close the site to visitors from the hooks before the switch on, until the release serves
    #[arg(long)]
    maintenance: bool,
    #[command(flatten)]
    switch: SwitchArgs,
    #[command(flatten)]
    trust: TrustArgs,
}

pub fn run(args: Args, output: &Output) -> Result<(), Error> {
    let _ending = Ending::listen_for_site(output).map_err(Error::System)?;
    let trust = args.trust.read()?;
    let source = Source::open(&args.path, &trust)?;
    source.fits()?;
    let root = args.root.folder()?;
    let named = args.site.or_else(|| beside(&source));
    let Settings { home, settings, text, notice } = settings(&root, named.as_deref(), &source)?;
    let wishes = Wishes { take_over: args.take_over, force: false, maintenance: args.maintenance };
    let planned =
        |server: &mut Server| deploy::plan_deploy(&home, &settings, text.clone(), &source, wishes, server);
    let Some(server) = args.switch.server(&settings, notice.as_slice(), planned, output)? else {
        return Ok(());
    };
    let work = |hands: &mut Hands<'_>| {
        notice.into_iter().for_each(|notice| hands.listener.notice(notice));
        let done = deploy::deploy(&home, &settings, text, source, wishes, hands);
        noted("deploy", &home.name, done, |outcome| {
            let (site, release, from) = (home.name.clone(), outcome.release.clone(), outcome.from.clone());
            outcome.changed.then_some(Event::Deployed { site, release, from })
        })
    };
    args.switch.carry_out((&home, &settings), server, &trust, work, output)
}

/// The site, and what it shall be.
struct Settings {
    home: Home,
    settings: SiteSettings,
    /// What `site.toml` is to become, if it is to be written.
    text: Option<String>,
    /// That nobody has said what the site shall be.
    notice: Option<Notice>,
}

/// Settings that an administrator has laid into the folder that is deployed.
fn beside(source: &Source) -> Option<PathBuf> {
    let Source::Folder(release) = source else { return None };
    Some(release.root.join(SITE_TOML)).filter(|file| file.exists())
}

fn settings(root: &Path, named: Option<&Path>, source: &Source) -> Result<Settings, DeployError> {
    let disk = Disk::default();
    let Some(file) = named else {
        let manifest = source.manifest();
        let home = Home::below(root, &manifest.name, disk);
        return Ok(match home.settings()? {
            Some(settings) => {
                settings.check_fits(manifest, &home.site_toml())?;
                Settings { home, settings, text: None, notice: None }
            }
            None => {
                let settings = SiteSettings::of(manifest);
                let text = settings.render(manifest);
                let notice = Some(unsaid(&home, source));
                Settings { home, settings, text: Some(text), notice }
            }
        });
    };
    let (home, settings, text) = named_by(root, file, disk)?;
    settings.check_fits(source.manifest(), file)?;
    Ok(Settings { home, settings, text, notice: None })
}

/// The site that a file names, what it shall be, and what its own `site.toml` is to become, if that says something else.
pub(super) fn named_by(
    root: &Path,
    file: &Path,
    disk: Disk,
) -> Result<(Home, SiteSettings, Option<String>), DeployError> {
    let text = read_text(file)?;
    let settings = SiteSettings::parse(&text, file)?;
    let home = Home::below(root, &settings.name, disk);
    let known = match fs_err::read(home.site_toml()) {
        Ok(known) => Some(known),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(source) => {
            return Err(HomeError::Unreadable { path: home.site_toml(), source }.into());
        }
    };
    let is_new = known.as_deref() != Some(text.as_bytes());
    Ok((home, settings, is_new.then_some(text)))
}

fn unsaid(home: &Home, source: &Source) -> Notice {
    let path = match source {
        Source::Bundle(_) => "BUNDLE".to_owned(),
        Source::Folder(release) => format!("\"{}\"", release.root.display()),
    };
    Notice {
        what: format!(
            "there is no `{}`: the site is made as the bundle asks for, with every address on port 80",
            home.site_toml().display()
        ),
        help: format!(
            "`holdall site init {path}` writes that file with all that can be set; edit it, and deploy then"
        ),
    }
}
