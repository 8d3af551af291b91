//! Whether an attribute takes a value, and how it is then written.

use super::{Attribute, Kind, Rule};

/// Why an attribute doesn't take a value: the words that follow `Reason: `.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refused(pub String);

impl Attribute {
    /// The value as it is written to the file.
    pub fn check(&self, value: &str) -> Result<String, Refused> {
        let refused = |reason: &str| Err(Refused(reason.to_owned()));
        if self.nonempty && value.is_empty() {
            return refused("String must not be empty");
        }
        match &self.kind {
            Kind::Text => self.rule.check(value).map(|()| value.to_owned()),
            Kind::Bool => match value.to_ascii_lowercase().as_str() {
                // The documentation of IIS writes `True`, its files have `true`.
                lower @ ("true" | "false") => Ok(lower.to_owned()),
                _ => refused("Boolean value must be 'true' or 'false'"),
            },
            Kind::Uint { min, max } => match value.parse::<u64>() {
                Ok(number)
                    if (*min..=*max).contains(&number) && value.bytes().all(|byte| byte.is_ascii_digit()) =>
                {
                    Ok(value.to_owned())
                }
                Ok(_) => Err(Refused(format!("Integer value must be between {min} and {max} inclusive"))),
                Err(_) => refused("Integer value is not a number"),
            },
            Kind::Int64 => match value.parse::<i64>() {
                Ok(_) => Ok(value.to_owned()),
                Err(_) => refused("Integer value is not a number"),
            },
            Kind::TimeSpan { min, max, step } => match seconds(value) {
                None => refused("Time span is not of the form [d.]hh:mm:ss"),
                Some(time) if time < *min || time > *max => {
                    Err(Refused(format!("Time span must be between {min} and {max} seconds inclusive")))
                }
                Some(time) if time % step != 0 => {
                    Err(Refused(format!("Time span must be a multiple of {step} seconds")))
                }
                Some(time) => Ok(time_span(time)),
            },
            Kind::Enum(names) => match names.contains(&value) {
                true => Ok(value.to_owned()),
                false => Err(Refused(format!("Enum must be one of {}", names.join(", ")))),
            },
            Kind::Flags(names) => {
                let given: Vec<&str> =
                    value.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
                match given.iter().all(|name| names.contains(name)) {
                    true => Ok(given.join(", ")),
                    false => Err(Refused(format!("Flags must be some combination of {}", names.join(", ")))),
                }
            }
        }
    }
}

impl Rule {
    fn check(self, value: &str) -> Result<(), Refused> {
        let refused = |reason: &str| Err(Refused(reason.to_owned()));
        match self {
            // None of these stands in a site's name, as it begins a configuration path.
            Rule::SiteName if value.contains(['/', '?', '\\']) => refused("Invalid site name"),
            Rule::PoolName if value.contains(|character| "|<>&\"/\\[]+=;:,?*@".contains(character)) => {
                refused("Invalid application pool name")
            }
            // No public source tells that 64 are the most; a tool must not rely on more.
            Rule::PoolName if value.chars().count() > 64 => refused("Invalid application pool name"),
            Rule::AppPath if !value.starts_with('/') => refused("The path must start with '/'"),
            Rule::AppPath if value != "/" && value.ends_with('/') => {
                refused("The path must not end with '/'")
            }
            Rule::AppPath if value.split('/').any(|part| part == "." || part == "..") => {
                refused("The path must not contain '.' or '..'")
            }
            _ => Ok(()),
        }
    }
}

/// `[d.]hh:mm:ss` in seconds; `29:00:00` of the documentation is taken as 29 hours.
pub fn seconds(text: &str) -> Option<u64> {
    let number = |text: &str| -> Option<u64> {
        (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()))
            .then(|| text.parse().ok())
            .flatten()
    };
    let (days, time) = match text.split_once('.') {
        Some((days, time)) => (number(days)?, time),
        None => (0, text),
    };
    let [hours, minutes, seconds] = time.split(':').collect::<Vec<_>>().try_into().ok()?;
    let (hours, minutes, seconds) = (number(hours)?, number(minutes)?, number(seconds)?);
    if minutes > 59 || seconds > 59 {
        return None;
    }
    days.checked_mul(86_400)?.checked_add(hours.checked_mul(3600)?)?.checked_add(minutes * 60 + seconds)
}

/// Seconds as `[d.]hh:mm:ss`.
fn time_span(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let time = format!("{:02}:{:02}:{:02}", rest / 3600, rest % 3600 / 60, rest % 60);
    if days == 0 { time } else { format!("{days}.{time}") }
}

#[cfg(test)]
mod tests {
    use super::super::section;

    #[track_caller]
    fn check(place: &str, value: &str, expected: Result<&str, &str>) {
        let mut names = place.split(' ').rev();
        let attribute = names.next().unwrap();
        let mut element = &section(names.next_back().unwrap()).unwrap().element;
        for name in names.rev() {
            let inside = element.items.as_ref().map(|items| &items.item).filter(|item| item.name == name);
            element = inside.or_else(|| element.element(name)).unwrap();
        }
        let checked = element.attribute(attribute).unwrap().check(value);
        assert_eq!(checked.as_deref().map_err(|refused| refused.0.as_str()), expected, "{place} {value}");
    }

    #[test]
    fn values_out_of_range_and_of_another_type_are_refused() {
        let application = |name: &str| format!("system.webServer/fastCgi application {name}");
        check(&application("maxInstances"), "10000", Ok("10000"));
        check(
            &application("maxInstances"),
            "10001",
            Err("Integer value must be between 0 and 10000 inclusive"),
        );
        check(&application("maxInstances"), "-1", Err("Integer value is not a number"));
        check(&application("maxInstances"), "+1", Err("Integer value must be between 0 and 10000 inclusive"));
        check(
            &application("idleTimeout"),
            "9",
            Err("Integer value must be between 10 and 2592000 inclusive"),
        );
        check(&application("flushNamedPipe"), "True", Ok("true"));
        check(&application("flushNamedPipe"), "1", Err("Boolean value must be 'true' or 'false'"));
        check(&application("protocol"), "tcp", Err("Enum must be one of NamedPipe, Tcp"));
        check(&application("fullPath"), "", Err("String must not be empty"));
        check(&application("arguments"), "", Ok(""));
    }

    #[test]
    fn names_of_sites_pools_and_paths_keep_to_their_rules() {
        let site = "system.applicationHost/sites site name";
        check(site, "a b", Ok("a b"));
        check(site, "a/b", Err("Invalid site name"));
        let pool = "system.applicationHost/applicationPools add name";
        check(pool, &"p".repeat(64), Ok(&"p".repeat(64)));
        check(pool, &"p".repeat(65), Err("Invalid application pool name"));
        check(pool, "a,b", Err("Invalid application pool name"));
        let path = "system.applicationHost/sites site application path";
        check(path, "/", Ok("/"));
        check(path, "/a/b", Ok("/a/b"));
        check(path, "a", Err("The path must start with '/'"));
        check(path, "/a/", Err("The path must not end with '/'"));
        check(path, "/a/../b", Err("The path must not contain '.' or '..'"));
    }

    #[test]
    fn time_spans_are_written_in_one_form() {
        let idle = "system.applicationHost/applicationPools add processModel idleTimeout";
        check(idle, "29:00:00", Ok("1.05:00:00"));
        check(idle, "00:00:00", Ok("00:00:00"));
        check(idle, "00:00:30", Err("Time span must be a multiple of 60 seconds"));
        check(idle, "31.00:00:00", Err("Time span must be between 0 and 2592000 seconds inclusive"));
        check(idle, "20", Err("Time span is not of the form [d.]hh:mm:ss"));
        check(
            "system.webServer/staticContent clientCache cacheControlMaxAge",
            "365.00:00:00",
            Ok("365.00:00:00"),
        );
    }

    #[test]
    fn flags_are_any_number_of_their_names() {
        let policy = "system.webServer/handlers accessPolicy";
        check(policy, "Read,Script", Ok("Read, Script"));
        check(
            policy,
            "Read, Fly",
            Err(
                "Flags must be some combination of None, Read, Write, Execute, Source, Script, NoRemoteWrite, NoRemoteRead, NoRemoteExecute, NoRemoteScript",
            ),
        );
    }
}
