//! What the system is told of a service: values, compared to find out what has changed.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Restart, Schedule, Service};
use crate::release::ReleaseId;
use crate::site::settings::ServiceSettings;
use crate::site::{Place, SiteSettings};

/// One instance of a service, as the system knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registration {
    /// `holdall-shop-worker`, and `holdall-shop-worker-2` for the second instance.
    pub name: String,
    /// For people.
    pub display: String,
    pub description: String,
    /// The program and its arguments.
    pub command: Vec<String>,
    pub account: String,
    pub schedule: Option<Schedule>,
    /// Whether it runs as long as it is not stopped.
    pub lasting: bool,
    pub stop_timeout: u32,
    pub release: ReleaseId,
    /// What its log and the file of its standing are called, without an ending.
    pub file: String,
}

/// The beginning of the account that Windows has for every service (`NT SERVICE\NAME`), without a password.
pub const VIRTUAL: &str = "NT SERVICE\\";

impl Registration {
    /// All that a site has when the release at `place` serves.
    pub fn all(settings: &SiteSettings, place: &Place) -> Vec<Registration> {
        let services = place.manifest.site.services.iter();
        services.flat_map(|service| of_service(settings, place, service)).collect()
    }

    /// The command as Windows keeps it.
    pub fn line(&self) -> String {
        self.command.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
    }

    /// Whether a command that is registered under this name is one of this site's service, of whatever release.
    pub fn is_ours(&self, line: &str) -> bool {
        let words = |line: &str| line.split(' ').map(|word| word.replace('"', "")).collect::<Vec<_>>();
        let [of, site, name] = [1, 3, 4].map(|at| self.command.get(at).cloned().unwrap_or_default());
        words(line)
            .windows(4)
            .any(|four| four[0] == of && four[1] == "run" && four[2] == site && four[3] == name)
    }

    /// Whether it is on call all the time.
    pub fn is_permanent(&self) -> bool {
        self.schedule.is_none()
    }

    /// `auto` or `demand`.
    pub fn start(&self) -> &'static str {
        if self.is_permanent() { "auto" } else { "demand" }
    }
}

impl fmt::Display for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

fn of_service(settings: &SiteSettings, place: &Place, service: &Service) -> Vec<Registration> {
    let wanted = settings.services.get(service.name.as_str()).cloned().unwrap_or_default();
    let ServiceSettings { enabled, instances, account } = wanted;
    if !enabled {
        return Vec::new();
    }
    let count = if service.schedule.is_some() { 1 } else { instances.unwrap_or(service.instances) };
    let (site, release) = (&settings.name, &place.id);
    let root = place.site.parent().unwrap_or(Path::new("."));
    let program = place.release.join(place.manifest.target.program());
    (1..=count)
        .map(|instance| {
            let file = match instance {
                1 => service.name.to_string(),
                further => format!("{}-{further}", service.name),
            };
            let name = format!("holdall-{site}-{file}");
            let mut command = vec![program.to_string_lossy().into_owned()];
            command.extend(["service", "run", site.as_str(), service.name.as_str()].map(str::to_owned));
            command.extend(["--instance".to_owned(), instance.to_string()]);
            command.extend(["--release".to_owned(), release.to_string()]);
            command.extend(["--root".to_owned(), root.to_string_lossy().into_owned()]);
            Registration {
                display: format!("{site}: {file}"),
                description: format!("Runs `{}` for the site {site}. Made by Holdall.", service.line()),
                command,
                account: account.as_ref().map_or_else(|| format!("{VIRTUAL}{name}"), ToString::to_string),
                schedule: service.schedule.clone(),
                lasting: service.schedule.is_none() && service.restart == Restart::Always,
                stop_timeout: service.stop_timeout,
                release: release.clone(),
                name,
                file,
            }
        })
        .collect()
}

/// A word as Windows takes it for one, whatever is in it.
fn quoted(word: &str) -> String {
    if !word.is_empty() && !word.contains([' ', '\t', '"']) {
        return word.to_owned();
    }
    let mut quoted = "\"".to_owned();
    let mut backslashes = 0;
    for c in word.chars() {
        match c {
            '\\' => backslashes += 1,
            '"' => {
                // Those before a quote count as escapes, all others as themselves.
                quoted.push_str(&"\\".repeat(backslashes + 1));
                backslashes = 0;
            }
            _ => backslashes = 0,
        }
        quoted.push(c);
    }
    quoted.push_str(&"\\".repeat(backslashes));
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_quoted_as_windows_reads_it() {
        assert_eq!(quoted("plain"), "plain");
        assert_eq!(quoted("C:\\Program Files\\x.exe"), "\"C:\\Program Files\\x.exe\"");
        assert_eq!(quoted("D:\\my sites\\"), "\"D:\\my sites\\\\\"");
        assert_eq!(quoted(""), "\"\"");
    }
}
