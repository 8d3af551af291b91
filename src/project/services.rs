//! The tables `[[service]]` of the configuration.

use super::config::ConfigSource;
use super::error::ProjectError;
use super::keys::Keys;
use crate::entry::EntryPath;
use crate::service::{
    LONGEST_STOP, MOST_INSTANCES, Restart, Schedule, Service, ServiceName, Span, Time, Weekday,
};
use crate::site::settings::Hook;
use crate::target::Target;

/// Every key of one of them.
const KEYS: &[&str] =
    &["name", "command", "instances", "every", "at", "weekdays", "restart", "stop-timeout", "environment"];

/// Reads all of them.
pub fn read(keys: &Keys<'_>) -> Result<Vec<Service>, ProjectError> {
    let mut services: Vec<Service> = Vec::new();
    for table in keys.tables("service")? {
        let source = ConfigSource {
            prefix: if keys.source.prefix.is_empty() { "service." } else { "tool.holdall.service." },
            table: table.clone(),
            ..keys.source.clone()
        };
        let keys = Keys::check_known(&source, KEYS)?;
        let service = service(&keys)?;
        if services.iter().any(|other| other.name.is_same(&service.name)) {
            let help = "give each service a name of its own; two that do the same are `instances = 2` of one";
            return Err(keys.wrong_value(
                "name",
                service.name.as_str(),
                "as another service is called",
                help,
            ));
        }
        services.push(service);
    }
    Ok(services)
}

fn service(keys: &Keys<'_>) -> Result<Service, ProjectError> {
    let missing = |key: &str, example: &str| keys.wrong_value(key, "", "and has to be given", example);
    let name = keys.parsed("name", ServiceName::parse)?;
    let command = keys.parsed("command", command)?;
    let schedule = schedule(keys)?;
    let instances = keys.number("instances", 1..=MOST_INSTANCES)?;
    if let Some(instances) = instances.filter(|instances| *instances > 1 && schedule.is_some()) {
        let help = "remove it: what is run by a schedule runs alone";
        return Err(keys.wrong_value("instances", &instances.to_string(), "beside a schedule", help));
    }
    Ok(Service {
        name: name.ok_or_else(|| missing("name", "name the service, such as `name = \"worker\"`"))?,
        command: command.ok_or_else(|| {
            missing("command", "say what it runs, such as `command = \"manage.py send_mail\"`")
        })?,
        instances: instances.unwrap_or(1),
        schedule,
        restart: keys.parsed("restart", Restart::parse)?.unwrap_or_default(),
        stop_timeout: keys.number("stop-timeout", 0..=LONGEST_STOP)?.unwrap_or(Service::STOP_TIMEOUT),
        environment: keys.variables("environment")?,
    })
}

/// The words of a command. Which machine it will run on nobody knows yet: a program is one of the bundle.
fn command(text: &str) -> Result<Vec<String>, String> {
    let mut words = Hook::parse(text).map_err(str::to_owned)?.words;
    let is_inside = |word: &str| EntryPath::parse(word, Target::WindowsX86_64).is_ok();
    if let Some(first) = words.first_mut().filter(|first| !["manage.py", "python"].contains(&first.as_str()))
    {
        *first = first.replace('\\', "/");
        if !first.contains('/') || !is_inside(first) {
            return Err(
                "it begins with `manage.py`, with `python`, or with the path of a program in the bundle, such as \
                 `app/bin/tool.exe`"
                    .to_owned(),
            );
        }
    }
    Ok(words)
}

fn schedule(keys: &Keys<'_>) -> Result<Option<Schedule>, ProjectError> {
    let (every, at) = (keys.parsed("every", Span::parse)?, keys.parsed("at", Time::parse)?);
    let weekdays = keys.texts("weekdays")?;
    let help = "say either `every = \"5m\"`, or `at = \"03:00\"` with or without `weekdays = [\"mon\"]`";
    match (every, at) {
        (Some(every), Some(_)) => Err(keys.wrong_value("every", &every.to_string(), "beside `at`", help)),
        (_, None) if !weekdays.is_empty() => {
            Err(keys.wrong_value("weekdays", &weekdays.join(","), "without a time: `at`", help))
        }
        (Some(every), None) => Ok(Some(Schedule::Every(every))),
        (None, Some(at)) if weekdays.is_empty() => Ok(Some(Schedule::Daily(at))),
        (None, Some(at)) => {
            let days = weekdays.iter().map(|day| {
                let wrong = |why: String| keys.wrong_value("weekdays", day, &format!("and {why}"), help);
                Weekday::parse(day).map_err(|error| wrong(error.to_string()))
            });
            Ok(Some(Schedule::weekly(days.collect::<Result<_, _>>()?, at)))
        }
        (None, None) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::path::Path;

    use super::*;
    use crate::project::Config;
    use crate::project::config::CONFIG;

    fn read(text: &str) -> Result<Vec<Service>, ProjectError> {
        let source = ConfigSource {
            path: "/shop/holdall.toml".into(),
            shown: CONFIG.to_owned(),
            prefix: "",
            table: text.parse().unwrap(),
        };
        Config::read(Some(source), Path::new("/shop")).map(|config| config.services)
    }

    #[track_caller]
    fn refused(text: &str, message: &str) {
        assert_eq!(read(text).unwrap_err().to_string(), message);
    }

    #[test]
    fn services_are_read_with_all_their_keys() {
        let services = read(
            r#"
            [[service]]
            name = "worker"
            command = "python -m celery -A shop worker -n worker{instance}@%h"
            instances = 2
            restart = "on-failure"
            stop-timeout = 60
            environment = { QUEUE = "mail" }
            [[service]]
            name = "report"
            command = 'app\bin\report.exe "all of it"'
            at = "03:00"
            weekdays = ["thu", "mon"]
            [[service]]
            name = "clean"
            command = "manage.py clearsessions"
            every = "1h"
            "#,
        )
        .unwrap();
        assert_eq!(services[0].command[..3], ["python", "-m", "celery"]);
        assert_eq!((services[0].instances, services[0].stop_timeout), (2, 60));
        assert_eq!(services[0].restart, Restart::OnFailure);
        assert_eq!(services[0].environment["QUEUE"], "mail");
        assert_eq!(services[1].command, ["app/bin/report.exe", "all of it"]);
        assert_eq!(services[1].line(), "app/bin/report.exe \"all of it\"");
        let schedules: Vec<_> =
            services.iter().map(|one| one.schedule.as_ref().map(ToString::to_string)).collect();
        assert_eq!(schedules, [None, Some("weekly mon,thu 03:00".into()), Some("every 1h".into())]);
        assert_eq!((services[2].instances, services[2].stop_timeout), (1, 30));
        assert_eq!(services[2].restart, Restart::Always);
    }

    #[test]
    fn what_is_wrong_with_a_service_names_its_key() {
        let head = "[[service]]\nname = 'worker'\ncommand = 'manage.py work'\n";
        let at = |key: &str| format!("holdall.toml, key `service.{key}`");
        refused(&format!("{head}comand = 'x'"), &format!("unknown key: {}", at("comand")));
        refused(
            &format!("{head}instances = 0"),
            &format!("wrong value: {} is `0`, which is out of its range", at("instances")),
        );
        refused(
            &format!("{head}restart = 'maybe'"),
            &format!(
                "wrong value: {} is `maybe`, and it is one of `always`, `on-failure`, `never`",
                at("restart")
            ),
        );
        refused(
            &format!("{head}every = '5m'\nat = '03:00'"),
            &format!("wrong value: {} is `5m`, beside `at`", at("every")),
        );
        refused(
            &format!("{head}weekdays = ['mon']"),
            &format!("wrong value: {} is `mon`, without a time: `at`", at("weekdays")),
        );
        refused(
            &format!("{head}{head}"),
            &format!("wrong value: {} is `worker`, as another service is called", at("name")),
        );
        refused(
            &format!("{head}every = '1h'\ninstances = 2"),
            &format!("wrong value: {} is `2`, beside a schedule", at("instances")),
        );
        refused(
            "[[service]]\nname = 'worker'",
            &format!("wrong value: {} is ``, and has to be given", at("command")),
        );
        refused(
            "service = 'worker'",
            "wrong value: holdall.toml, key `service` is a string, and a list of tables is wanted",
        );
        for program in ["celery -A shop worker", "../tool.exe", "C:/tool.exe", "/bin/sh"] {
            let text = head.replace("manage.py work", program);
            assert!(read(&text).unwrap_err().to_string().contains("a program in the bundle"), "{program}");
        }
    }
}
