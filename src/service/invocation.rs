//! The program that a service is.

use std::collections::BTreeMap;
use std::ffi::OsString;

use super::Service;
use crate::site::{Invocation, Place, environment, invocation};

/// On Windows a program can be sent Ctrl-Break alone, which wakes no Python program that sleeps. Programs know Ctrl-C, by which
/// they finish what they are at, and which does wake them: so here the end of standard input is made Ctrl-C, by a thread that
/// waits for it. The program itself finds nothing to read. Then a module or a script is run as Python itself would.
macro_rules! until_told {
    ($run:literal) => {
        concat!(
            "import os, runpy, signal, sys, threading; told = os.dup(0); \
             os.dup2(os.open(os.devnull, os.O_RDONLY), 0); \
             wait = lambda: (os.read(told, 1), signal.raise_signal(signal.SIGINT)); \
             threading.Thread(target=wait, daemon=True).start(); sys.argv.pop(0); ",
            $run
        )
    };
}
const MODULE: &str = until_told!("runpy.run_module(sys.argv[0], run_name='__main__', alter_sys=True)");
const SCRIPT: &str = until_told!("runpy.run_path(sys.argv[0], run_name='__main__')");

/// Whether the command of a service takes the end of its standard input for the wish that it ends.
pub fn reads_wish(service: &Service, place: &Place) -> bool {
    let words: Vec<&str> = service.command.iter().map(String::as_str).collect();
    place.manifest.target.is_windows() && matches!(words[..], ["manage.py", ..] | ["python", "-m", ..])
}

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
    let reads_wish = reads_wish(service, place);
    match program {
        "manage.py" => {
            let manage = invocation::inside(place, &place.manifest.django.manage).into_os_string();
            let first = reads_wish.then(|| ["-c".into(), SCRIPT.into()]);
            python(first.into_iter().flatten().chain([manage]).chain(rest).collect())
        }
        "python" => {
            let mut args: Vec<OsString> = rest.collect();
            if reads_wish {
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
    fn on_windows_the_end_of_its_input_is_ctrl_c_to_a_python_program() {
        let mut place = guestbook("/srv".as_ref());
        place.manifest.target = Target::WindowsX86_64;
        let args = |command: &[&str]| {
            // Whoever is asked in another way is started as it stands there.
            let one = service(command);
            let args = of(&one, 1, &place, &BTreeMap::new()).args;
            assert_eq!(reads_wish(&one, &place), args.contains(&"-c".into()) && command[1] != "-c");
            args
        };
        let manage = args(&["manage.py", "work"]);
        assert_eq!(manage[..6], ["-s", "-B", "-X", "utf8", "-u", "-c"]);
        assert_eq!((manage[6].to_str(), manage[8].to_str()), (Some(SCRIPT), Some("work")));
        let module = args(&["python", "-m", "celery", "beat"]);
        assert_eq!((module[6].to_str(), &module[7..]), (Some(MODULE), &["celery".into(), "beat".into()][..]));
        assert_eq!(args(&["python", "-c", "pass"])[5..], ["-c", "pass"]);
    }
}
