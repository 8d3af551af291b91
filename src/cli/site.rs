//! `holdall site`: the settings of a site.

use std::path::PathBuf;

use serde::Serialize;

use super::Output;
use super::served::{RootArgs, site_name};
use super::trust::TrustArgs;
use crate::Error;
use crate::deploy::{DeployError, Source};
use crate::durable::{Disk, Mode};
use crate::manifest::SiteName;
use crate::site::{Home, HomeError, SiteSettings};

const AFTER: &str = "\
Examples:
  holdall site init shop-2.4-windows-x86_64.zip
  holdall site init shop.zip --name shop-test --output site.toml

Exit codes:
  0  done
  1  failed
  2  wrong usage
  3  a precondition does not hold, and nothing was changed";

/// Write the settings of a site
#[derive(clap::Subcommand)]
#[command(after_help = AFTER)]
pub enum Command {
    Init(Init),
}

/// Write a commented site.toml for a bundle
///
/// It names all that can be set, with what holds unless it is set, and the variables that the bundle asks for. It is
/// written into the site's folder, where `holdall deploy` finds it.
#[derive(clap::Args)]
#[command(after_help = AFTER)]
pub struct Init {
    /// The bundle, or a folder that one was copied into
    #[arg(value_name = "BUNDLE|FOLDER")]
    path: PathBuf,
    /// The site's name [default: the bundle's]
    #[arg(long, value_parser = site_name)]
    name: Option<SiteName>,
    /// Write this file instead
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    root: RootArgs,
    #[command(flatten)]
    trust: TrustArgs,
}

#[derive(Serialize)]
struct Value<'a> {
    path: &'a PathBuf,
    site: &'a SiteName,
    environment: &'a [String],
}

pub fn run(command: Command, output: &Output) -> Result<(), Error> {
    let Command::Init(args) = command;
    let source = Source::open(&args.path, &args.trust.read()?)?;
    let manifest = source.manifest();
    let settings = SiteSettings::named(args.name.unwrap_or_else(|| manifest.name.clone()));
    let home = Home::below(&args.root.folder()?, &settings.name, Disk::default());
    let path = args.output.unwrap_or_else(|| home.site_toml());
    if path.exists() {
        return Err(DeployError::Exists { path }.into());
    }
    let unwritable = |source| DeployError::from(HomeError::Unwritable { path: path.clone(), source });
    if path == home.site_toml() {
        home.make(&settings).map_err(DeployError::from)?;
    }
    let text = settings.render(manifest);
    home.disk.replace(&path, Mode::Plain, text.as_bytes()).map_err(unwritable)?;
    let environment = &manifest.site.environment;
    if output.is_json() {
        output.json(&Value { path: &path, site: &settings.name, environment });
        return Ok(());
    }
    output.line(path.display());
    for name in environment {
        output.aside(format!(
            "it needs {name}: `holdall env set {} {name}`, or `[environment]`",
            settings.name
        ));
    }
    Ok(())
}
