//! Carrying out what was planned: runs appcmd, waits where the configuration is held by others, and takes back what was
//! done when a later step fails.
//!
//! Decides by exit codes alone. What it reads and plans again, and how often, is for its caller to say.

mod lock;

use std::io;
use std::iter;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::Duration;

use super::actual::{Actual, Answer, Scope, SurveyError, survey};
use super::appcmd::Meaning;
use super::call::Call;
use super::plan::Change;
use super::xml;
use crate::interrupt::{self, Within};

pub use lock::IisLock;

/// The variable that names another program to run in appcmd's place.
pub const PROGRAM_VARIABLE: &str = "HOLDALL_APPCMD";

/// The variable that names another program to run in netsh's place.
pub const NETSH_VARIABLE: &str = "HOLDALL_NETSH";

/// How long a command is repeated while somebody else holds the configuration, and the first pause.
const PATIENCE: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(100);

/// How long one command may take. Most take a second; a server whose disk is busy, or that shares its configuration over a
/// slow network, takes longer, and one that hangs would hold the site for ever.
const LIMIT: Duration = Duration::from_secs(300);

/// The exit code of one that was ended for it: ERROR_TIMEOUT, which appcmd itself does not end with.
const OVERDUE: i32 = 1460;

/// How many questions are asked at a time.
const AT_ONCE: usize = 4;

/// What runs commands: appcmd itself, or something in its place.
pub trait Runner {
    fn run(&mut self, command: &Call) -> io::Result<Answer>;

    /// Runs commands that change nothing, of which none waits for another. Answers in their order.
    fn ask(&mut self, commands: &[Call]) -> io::Result<Vec<Answer>> {
        commands.iter().map(|command| self.run(command)).collect()
    }

    /// Waits before a command is run once more.
    fn wait(&mut self, pause: Duration) {
        sleep(pause);
    }
}

/// The program of IIS, and netsh beside it.
#[derive(Debug, Clone)]
pub struct Appcmd {
    program: PathBuf,
    netsh: PathBuf,
    /// How long one command may take.
    limit: Duration,
}

/// Why IIS could not be asked or changed.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum IisError {
    #[error("cannot run `{}`", program.display())]
    #[diagnostic(help(
        "IIS comes with that program: install IIS with its CGI feature, or let HOLDALL_APPCMD name another"
    ))]
    NoProgram { program: PathBuf, source: io::Error },
    #[error("cannot run `netsh`, which tells Windows of certificates")]
    #[diagnostic(help("it is a part of Windows; {NETSH_VARIABLE} names another program in its place"))]
    NoNetsh(#[source] io::Error),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Survey(#[from] SurveyError),
    #[error("cannot take the lock for changes of IIS")]
    #[diagnostic(help("another user may hold it: run this as an administrator"))]
    Lock(#[source] io::Error),
    #[error("another holdall is changing IIS, and has not ended in {} seconds", .0.as_secs())]
    #[diagnostic(help("wait until it ends, then run the same command again"))]
    Busy(Duration),
    /// The server is no longer as it was surveyed.
    #[error("IIS was changed by somebody else meanwhile: `{}` ended with {}: {}", .0.command, .0.code, .0.said)]
    #[diagnostic(help("run the same command again: it looks at the server anew"))]
    Changed(Box<Stopped>),
    #[error("`{}` ended with {}: {}", .0.command, .0.code, .0.said)]
    #[diagnostic(help("what had been changed in IIS was taken back"))]
    Failed(Box<Stopped>),
    #[error("`{}` ended with {}: {}; and taking back what had been changed failed, too", .0.command, .0.code, .0.said)]
    #[diagnostic(help("run these by hand:\n{}", list(&.0.left)))]
    NotTakenBack(Box<Stopped>),
    #[error("what had been changed in IIS could not be taken back")]
    #[diagnostic(help("run these by hand:\n{}", list(left)))]
    Stays { left: Vec<Call> },
}

impl IisError {
    /// Whether the server is not as it was before.
    pub fn leaves_changes(&self) -> bool {
        matches!(self, IisError::NotTakenBack(_) | IisError::Stays { .. })
    }
}

/// Where a list of changes has stopped.
#[derive(Debug)]
pub struct Stopped {
    pub command: Call,
    pub code: i32,
    /// In the server's language.
    pub said: String,
    /// What is done and still there.
    pub done: Vec<Change>,
    /// What should have been run to take it back, and was not.
    pub left: Vec<Call>,
}

fn list(commands: &[Call]) -> String {
    commands.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

impl Appcmd {
    /// The programs named by `HOLDALL_APPCMD` and `HOLDALL_NETSH`, or those of this Windows.
    pub fn of_machine() -> Appcmd {
        Appcmd::at(named(PROGRAM_VARIABLE).unwrap_or_else(of_windows))
    }

    /// This program in the place of IIS's own.
    pub fn at(program: impl Into<PathBuf>) -> Appcmd {
        Appcmd { program: program.into(), netsh: netsh(), limit: LIMIT }
    }

    /// One whose commands may take no longer than that.
    #[must_use]
    pub fn within(self, limit: Duration) -> Appcmd {
        Appcmd { limit, ..self }
    }

    pub fn program(&self) -> &std::path::Path {
        &self.program
    }
}

/// The program that a variable of the environment names.
fn named(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).filter(|program| !program.is_empty()).map(PathBuf::from)
}

fn of_windows() -> PathBuf {
    system().join("inetsrv").join("appcmd.exe")
}

/// The netsh that `HOLDALL_NETSH` names, or that of this Windows.
pub fn netsh() -> PathBuf {
    named(NETSH_VARIABLE).unwrap_or_else(|| system().join("netsh.exe"))
}

/// Of no use to a 32-bit program on a 64-bit Windows, which is shown another folder under this name: a server is refused to
/// it ([`crate::doctor::is_diverted`]).
fn system() -> PathBuf {
    let windows = std::env::var_os("windir").unwrap_or_else(|| r"C:\Windows".into());
    PathBuf::from(windows).join("System32")
}

impl Appcmd {
    fn answer(&self, command: &Call) -> io::Result<Answer> {
        let mut program = std::process::Command::new(match command {
            Call::Appcmd(_) => &self.program,
            Call::Netsh(_) => &self.netsh,
        });
        program.args(command.args());
        // Both write their errors to the standard output, too.
        Ok(match interrupt::fed_within(&mut program, command.standard_input(), self.limit)? {
            Within::Ended(output) => {
                Answer { code: whole(output.status.code().unwrap_or(-1)), printed: output.stdout }
            }
            Within::Overdue { mut stdout, .. } => {
                let seconds = self.limit.as_secs_f32();
                stdout.extend(format!("it had not ended after {seconds} s, and was ended").into_bytes());
                Answer { code: OVERDUE, printed: stdout }
            }
        })
    }
}

impl Runner for Appcmd {
    fn run(&mut self, command: &Call) -> io::Result<Answer> {
        self.answer(command)
    }

    /// Some at a time: most of what each of them takes is the start of a program that reads the whole configuration.
    fn ask(&mut self, commands: &[Call]) -> io::Result<Vec<Answer>> {
        let next = AtomicUsize::new(0);
        let one = || {
            let at = next.fetch_add(1, Ordering::Relaxed);
            Some((at, self.answer(commands.get(at)?)))
        };
        let ask = || iter::from_fn(one).collect::<Vec<_>>();
        let mut answers: Vec<_> = std::thread::scope(|scope| {
            let asking: Vec<_> = (0..AT_ONCE.min(commands.len())).map(|_| scope.spawn(ask)).collect();
            let answers = asking.into_iter().flat_map(|asking| asking.join().expect("nothing in it panics"));
            answers.collect()
        });
        answers.sort_by_key(|(at, _)| *at);
        answers.into_iter().map(|(_, answer)| answer).collect()
    }
}

/// An exit code with all of its bits. Elsewhere than on Windows there are eight: what stands in appcmd's place there sets
/// the highest of them and leaves off those above, by which the codes that matter can still be told.
fn whole(code: i32) -> i32 {
    let wide = [1006, 1056, 1062, 1168, 1726, 4312].into_iter().find(|wide| wide & 0xff | 0x80 == code);
    wide.filter(|_| !cfg!(windows)).unwrap_or(code)
}

/// Asks the server all that concerns these sites, parts of them, and the certificates that are shown.
pub fn read(runner: &mut dyn Runner, program: &std::path::Path, scope: &Scope) -> Result<Actual, IisError> {
    survey(scope, |commands| {
        // Apart, so that it is known which program there is none of.
        let (of_netsh, of_appcmd): (Vec<_>, Vec<_>) =
            commands.iter().enumerate().partition(|(_, command)| matches!(command, Call::Netsh(_)));
        let mut answers = Vec::with_capacity(commands.len());
        for group in [of_appcmd, of_netsh] {
            let asked: Vec<Call> = group.iter().map(|(_, command)| (*command).clone()).collect();
            let answered = runner.ask(&asked).and_then(|answers| {
                let answered = asked.iter().zip(answers);
                answered
                    .map(|(command, answer)| until_free(runner, command, answer))
                    .collect::<io::Result<Vec<_>>>()
            });
            let no_program = |source| unstarted(asked.first(), program, source);
            answers.extend(group.iter().map(|(at, _)| *at).zip(answered.map_err(no_program)?));
        }
        answers.sort_by_key(|(at, _)| *at);
        Ok(answers.into_iter().map(|(_, answer)| answer).collect())
    })
}

/// That the program of a command could not be run.
fn unstarted(command: Option<&Call>, program: &std::path::Path, source: io::Error) -> IisError {
    match command {
        Some(Call::Netsh(_)) => IisError::NoNetsh(source),
        _ => IisError::NoProgram { program: program.to_owned(), source },
    }
}

/// Runs the changes in order. When one fails, those before it are taken back, last first; but when the server turns out to
/// have been changed by others meanwhile, they stay: the caller reads and plans again, or calls [`take_back`].
pub fn perform(
    runner: &mut dyn Runner,
    program: &std::path::Path,
    changes: &[Change],
) -> Result<(), IisError> {
    let mut done: Vec<Change> = Vec::new();
    for change in changes {
        let answer = match patiently(runner, &change.does) {
            Ok(answer) => answer,
            Err(source) => {
                let no_program = unstarted(Some(&change.does), program, source);
                return Err(match take_back(runner, &done) {
                    Ok(()) => no_program,
                    Err(left) => IisError::NotTakenBack(stopped(
                        change,
                        &Answer { code: -1, printed: no_program.to_string().into() },
                        done,
                        left,
                    )),
                });
            }
        };
        match change.does.meaning(answer.code) {
            Meaning::Done => done.push(change.clone()),
            Meaning::Reread | Meaning::Retry => {
                return Err(IisError::Changed(stopped(change, &answer, done, Vec::new())));
            }
            Meaning::NotElevated | Meaning::NotFound | Meaning::Failed => {
                // Nobody knows whether one that was cut off has done its work.
                done.extend((answer.code == OVERDUE).then(|| change.clone()));
                return Err(match take_back(runner, &done) {
                    Ok(()) => IisError::Failed(stopped(change, &answer, Vec::new(), Vec::new())),
                    Err(left) => IisError::NotTakenBack(stopped(change, &answer, done, left)),
                });
            }
        }
    }
    Ok(())
}

/// Undoes changes, the last one first. Each is tried, whatever becomes of the others; fails with the commands that did not
/// succeed.
pub fn take_back(runner: &mut dyn Runner, done: &[Change]) -> Result<(), Vec<Call>> {
    let mut left = Vec::new();
    for command in done.iter().rev().flat_map(|change| &change.undoes) {
        let is_undone = |Answer { code, .. }: Answer| {
            command.meaning(code) == Meaning::Done || command.finds_nothing_to_remove(code)
        };
        let is_gone = |runner: &mut dyn Runner| {
            let proof = command.proof();
            proof.is_some_and(|proof| {
                runner.run(&proof).is_ok_and(|answer| proof.meaning(answer.code) == Meaning::NotFound)
            })
        };
        if !patiently(runner, command).is_ok_and(is_undone) && !is_gone(runner) {
            left.push(command.clone());
        }
    }
    if left.is_empty() { Ok(()) } else { Err(left) }
}

fn stopped(change: &Change, answer: &Answer, done: Vec<Change>, left: Vec<Call>) -> Box<Stopped> {
    let said = xml::decoded(&answer.printed);
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    Box::new(Stopped { command: change.does.clone(), code: answer.code, said, done, left })
}

/// Runs one command, again and again while somebody else holds what it needs.
fn patiently(runner: &mut dyn Runner, command: &Call) -> io::Result<Answer> {
    let answer = runner.run(command)?;
    until_free(runner, command, answer)
}

/// The same after a first answer.
fn until_free(runner: &mut dyn Runner, command: &Call, mut answer: Answer) -> io::Result<Answer> {
    let (mut pause, mut waited) = (PAUSE, Duration::ZERO);
    while command.meaning(answer.code) == Meaning::Retry && waited < PATIENCE {
        runner.wait(pause);
        waited += pause;
        pause = (pause * 2).min(Duration::from_secs(2));
        answer = runner.run(command)?;
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::iis::appcmd::{Command, Object, Verb};
    use std::path::Path;

    /// Answers by the words of a command, and keeps what was run.
    #[derive(Default)]
    struct Played {
        /// Exit codes for commands with these words, used up one by one.
        codes: Vec<(&'static str, i32)>,
        run: Vec<String>,
        waited: Duration,
    }

    impl Runner for Played {
        fn run(&mut self, command: &Call) -> io::Result<Answer> {
            let line = command.args().join(" ");
            let at = self.codes.iter().position(|(words, _)| line.starts_with(words));
            let code = at.map_or(0, |at| self.codes.remove(at).1);
            self.run.push(line);
            Ok(Answer { code, printed: b"ERROR ( message:x\r\ny )\r\n".into() })
        }

        fn wait(&mut self, pause: Duration) {
            self.waited += pause;
        }
    }

    fn changes() -> Vec<Change> {
        let command = |verb, name: &str| Command::new(verb, Object::Site, Some(name));
        ["a", "b", "c"]
            .map(|name| Change {
                says: name.to_owned(),
                does: command(Verb::Set, name).into(),
                undoes: vec![command(Verb::Delete, name).into(), command(Verb::Stop, name).into()],
            })
            .into()
    }

    fn performed(codes: &[(&'static str, i32)]) -> (Result<(), IisError>, Played) {
        let mut played = Played { codes: codes.to_vec(), ..Played::default() };
        let result = perform(&mut played, Path::new("appcmd"), &changes());
        (result, played)
    }

    #[test]
    fn changes_are_run_in_order() {
        let (result, played) = performed(&[]);
        result.unwrap();
        assert_eq!(played.run, ["set site a", "set site b", "set site c"]);
    }

    #[test]
    fn a_failure_takes_back_what_was_done_last_first() {
        let (result, played) = performed(&[("set site c", 87)]);
        let error = result.unwrap_err();
        assert!(matches!(error, IisError::Failed(_)), "{error}");
        assert!(error.to_string().ends_with("set site c` ended with 87: ERROR ( message:x y )"), "{error}");
        assert_eq!(played.run[3..], ["delete site b", "stop site b", "delete site a", "stop site a"]);
    }

    #[test]
    fn what_cannot_be_taken_back_is_named() {
        let (result, played) = performed(&[("set site b", 13), ("delete site a", 5)]);
        let Err(IisError::NotTakenBack(stopped)) = result else { panic!("{result:?}") };
        assert_eq!(stopped.left.iter().map(Call::args).collect::<Vec<_>>(), [["delete", "site", "a"]]);
        assert_eq!(played.run.last().unwrap(), "stop site a");
    }

    #[test]
    fn what_is_gone_already_is_taken_back() {
        let mut played = Played { codes: vec![("delete site b", 1168)], ..Played::default() };
        take_back(&mut played, &changes()).unwrap();
        played.codes = vec![("stop site b", 1168)];
        let left = take_back(&mut played, &changes()).unwrap_err();
        assert_eq!(left.iter().map(Call::args).collect::<Vec<_>>(), [["stop", "site", "b"]]);
    }

    /// netsh ends with 1 whatever goes wrong.
    #[test]
    fn a_certificate_that_is_shown_no_more_is_taken_back() {
        use crate::site::iis::netsh;
        let endpoint = netsh::Endpoint::parse("hostnameport=a.example:443").unwrap();
        let undoes = vec![netsh::Command::delete(&endpoint).into()];
        let done = [Change { undoes, ..changes().remove(0) }];
        let failing = [("http delete sslcert", 1), ("http show sslcert", 1)];
        let mut played = Played { codes: failing.to_vec(), ..Played::default() };
        take_back(&mut played, &done).unwrap();
        // What is shown still could not be taken back.
        played.codes = failing[..1].to_vec();
        let left = take_back(&mut played, &done).unwrap_err();
        assert!(left[0].to_string().ends_with("http delete sslcert hostnameport=a.example:443"), "{left:?}");
    }

    #[test]
    fn a_configuration_that_others_hold_is_waited_for() {
        let (result, played) = performed(&[("set site b", 32), ("set site b", 32)]);
        result.unwrap();
        assert_eq!(played.run.len(), 5);
        assert_eq!(played.waited, PAUSE * 3);
        // But not for ever.
        let (result, played) = performed(&[("set site a", 32); 100]);
        assert!(matches!(result, Err(IisError::Changed(_))), "{result:?}");
        assert!((PATIENCE..PATIENCE * 2).contains(&played.waited), "{:?}", played.waited);
    }

    #[test]
    fn a_server_that_others_have_changed_is_left_to_be_read_again() {
        let (result, played) = performed(&[("set site b", 183)]);
        let Err(IisError::Changed(stopped)) = result else { panic!("{result:?}") };
        assert_eq!((stopped.done.len(), stopped.code), (1, 183));
        assert_eq!(played.run.len(), 2);
        let mut played = Played::default();
        take_back(&mut played, &stopped.done).unwrap();
        assert_eq!(played.run, ["delete site a", "stop site a"]);
    }

    #[cfg(unix)]
    #[test]
    fn a_code_of_more_than_eight_bits_is_known_again() {
        for (short, code) in [(0, 0), (1, 1), (32, 32), (183, 183), (238, 1006), (144, 1168), (216, 4312)] {
            assert_eq!(whole(short), code);
        }
    }

    /// A program that does not end before others of it run.
    #[cfg(unix)]
    #[test]
    fn questions_are_asked_some_at_a_time_and_answered_in_their_order() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("appcmd");
        let script = "#!/bin/sh\ncd \"${0%/*}\"; : > \"began-$3\"\n\
            until [ $(ls | grep -c began-) -ge 4 ]; do sleep 0.01; done\necho \"$3\"\n[ $3 != 7 ] || exit 9\n";
        fs_err::write(&program, script).unwrap();
        fs_err::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).unwrap();
        let commands: Vec<Call> = (1..10)
            .map(|number| Command::new(Verb::List, Object::Site, Some(&number.to_string())).into())
            .collect();
        let answers = Appcmd::at(&program).ask(&commands).unwrap();
        let said: Vec<_> =
            answers.iter().map(|answer| str::from_utf8(&answer.printed).unwrap().trim()).collect();
        assert_eq!(said, ["1", "2", "3", "4", "5", "6", "7", "8", "9"]);
        assert!(answers.iter().map(|answer| answer.code).eq([0, 0, 0, 0, 0, 0, 9, 0, 0]));
        assert_eq!(Appcmd::at(&program).ask(&[]).unwrap(), []);
    }

    /// What it has begun may be done or not, and is taken back with what was done before.
    #[cfg(unix)]
    #[test]
    fn a_command_that_hangs_is_ended_and_taken_back() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("appcmd");
        let script = "#!/bin/sh\necho \"$*\" >>\"${0%/*}/run\"\necho begun\n[ \"$*\" != 'set site b' ] || exec sleep 600\n";
        fs_err::write(&program, script).unwrap();
        fs_err::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).unwrap();
        let mut appcmd = Appcmd::at(&program).within(Duration::from_secs(1));
        let error = perform(&mut appcmd, &program, &changes()).unwrap_err();
        let words = error.to_string();
        assert!(words.contains("set site b` ended with 1460: begun it had not ended after 1 s"), "{words}");
        assert!(matches!(error, IisError::Failed(_)), "{error:?}");
        let run = fs_err::read_to_string(folder.path().join("run")).unwrap();
        let run: Vec<_> = run.lines().collect();
        let undone = ["delete site b", "stop site b", "delete site a", "stop site a"];
        assert_eq!(run, [&["set site a", "set site b"][..], &undone].concat());
    }

    #[cfg(unix)]
    #[test]
    fn the_program_gets_each_word_as_it_is_and_secrets_by_its_standard_input() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("appcmd");
        fs_err::write(&program, "#!/bin/sh\nprintf '%s|' \"$@\"\ncat\nexit 13\n").unwrap();
        fs_err::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).unwrap();
        let command =
            Command::new(Verb::Set, Object::AppPool, Some("a \"b\"")).input("hidden".to_owned(), "it");
        let answer = Appcmd::at(&program).run(&command.into()).unwrap();
        assert_eq!(
            (answer.code, str::from_utf8(&answer.printed).unwrap()),
            (13, "set|apppool|a \"b\"|/in|hidden")
        );
        let missing = folder.path().join("missing");
        let error = read(&mut Appcmd::at(&missing), &missing, &Scope::default()).unwrap_err();
        assert!(matches!(error, IisError::NoProgram { .. }), "{error:?}");
    }
}
