//! The program that a service is.

use std::collections::BTreeMap;
use std::ffi::OsString;

use super::Service;
use crate::site::{Invocation, Place, environment, invocation};

/// Ctrl-Break reaches a Python program as SIGBREAK, which ends it at once; programs know Ctrl-C, by which they finish what
/// they are at. This makes the one of the other, and runs a module or a script as Python itself would.
const MODULE: &str = "import runpy, signal, sys; \
    signal.signal(signal.SIGBREAK, lambda *_: signal.raise_signal(signal.SIGINT)); sys.argv.pop(0); \
    runpy.run_module(sys.argv[0], run_name='__main__', alter_sys=True)";
const SCRIPT: &str = "import runpy, signal, sys; \
    signal.signal(signal.SIGBREAK, lambda *_: signal.raise_signal(signal.SIGINT)); sys.argv.pop(0); \
    runpy.run_path(sys.argv[0], run_name='__main__')";

/// What is run for one instance, by the release at `place`. What administrators have `given` counts more than what the
/// project says.
pub fn of(service: &Service, instance: u32, place: &Place, given: &BTreeMap<String, String>) -> Invocation {
    let mut variables = service.environment.clone();
    variables.extend(given.clone());
    let mut environment = environment::variables(place, &variables);
    environment.insert("HOLDALL_SERVICE".to_owned(), service.name.to_string());
    environment.insert("HOLDALL_INSTANCE".to_owned(), instance.to_string());
    let instance = instance.to_string();
    let words: Vec<String> =
        service.command.iter().map(|word| word.replace("{instance}", &instance)).collect();
    let (program, rest) = words.split_first().map_or(("", &[][..]), |(first, rest)| (first.as_str(), rest));
    let rest = rest.iter().map(OsString::from);
    let python = |args: Vec<OsString>| {
        // What is printed goes into a log that somebody may be watching.
        let args = [OsString::from("-u")].into_iter().chain(args);
        invocation::python(place, args, environment.clone())
    };
    let is_windows = place.manifest.target.is_windows();
    match program {
        "manage.py" => {
            let manage = invocation::inside(place, &place.manifest.django.manage).into_os_string();
            let stopped_well = is_windows.then(|| ["-c".into(), SCRIPT.into()]);
            python(stopped_well.into_iter().flatten().chain([manage]).chain(rest).collect())
        }
        "python" => {
            let mut args: Vec<OsString> = rest.collect();
            if is_windows && args.first().is_some_and(|first| first == "-m") {
                args.splice(0..1, ["-c".into(), MODULE.into()]);
            }
            python(args)
        }
        program => Invocation {
            program: invocation::inside(place, program),
            args: rest.collect(),
            environment,
            cwd: place.release.join("app"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::{Restart, ServiceName};
    use crate::site::place::tests::guestbook;
    use crate::target::Target;

    fn service(command: &[&str]) -> Service {
        Service {
            name: ServiceName::parse("worker").unwrap(),
            command: command.iter().map(|word| (*word).to_owned()).collect(),
            instances: 2,
            schedule: None,
            restart: Restart::Always,
            stop_timeout: 30,
            environment: [("QUEUE", "mail"), ("LEVEL", "info")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
        }
    }

    #[test]
    fn a_service_is_told_what_the_site_is_told_and_which_it_is() {
        let place = guestbook("/srv".as_ref());
        let given = BTreeMap::from([("LEVEL".to_owned(), "debug".to_owned())]);
        let worker = of(&service(&["python", "-m", "celery", "-n", "w{instance}@%h"]), 2, &place, &given);
        let line = worker.to_string().replace('\\', "/");
        assert!(line.ends_with("python3.12 -I -B -X utf8 -u -m celery -n w2@%h"), "{line}");
        let told = |name: &str| worker.environment[name].as_str();
        assert_eq!((told("QUEUE"), told("LEVEL")), ("mail", "debug"));
        assert_eq!((told("HOLDALL_SERVICE"), told("HOLDALL_INSTANCE")), ("worker", "2"));
        assert_eq!(told("HOLDALL_SITE"), "guestbook");
        let program = of(&service(&["app/bin/tool", "x"]), 1, &place, &given);
        assert_eq!(program.program, place.release.join("app").join("bin").join("tool"));
    }

    #[test]
    fn on_windows_ctrl_break_is_ctrl_c_to_a_python_program() {
        let mut place = guestbook("/srv".as_ref());
        place.manifest.target = Target::WindowsX86_64;
        let args = |command: &[&str]| of(&service(command), 1, &place, &BTreeMap::new()).args;
        let manage = args(&["manage.py", "work"]);
        assert_eq!(manage[..6], ["-s", "-B", "-X", "utf8", "-u", "-c"]);
        assert_eq!((manage[6].to_str(), manage[8].to_str()), (Some(SCRIPT), Some("work")));
        let module = args(&["python", "-m", "celery", "beat"]);
        assert_eq!((module[6].to_str(), &module[7..]), (Some(MODULE), &["celery".into(), "beat".into()][..]));
        assert_eq!(args(&["python", "-c", "pass"])[5..], ["-c", "pass"]);
    }
}
