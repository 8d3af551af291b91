//! What people see at a terminal, and what ends in a log: bars come and go, colours stay where they can be shown.

use std::process::Command;

use crate::harness::{Test, command, prepared};

const COLUMNS: usize = 100;

/// Runs its arguments on a pseudo-terminal of 100 columns; prints what came, and ends with the same exit code. The lines
/// of TYPED answer questions: those that end with a colon and a blank once the terminal shows no more what is typed, and
/// those whose answer anybody may see at once.
const TERMINAL: &str = "\
import fcntl, os, pty, struct, sys, termios, time
child, screen = pty.fork()
if child == 0:
    fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack('HHHH', 40, 100, 0, 0))
    os.execv(sys.argv[1], sys.argv[1:])
seen = b''
typed = os.environ.get('TYPED', '').splitlines(keepends=True)
while True:
    try:
        part = os.read(screen, 65536)
    except OSError:
        break
    if not part:
        break
    seen += part
    if typed and seen.endswith((b': ', b'[y/N] ')):
        while seen.endswith(b': ') and termios.tcgetattr(screen)[3] & termios.ECHO:
            time.sleep(0.001)
        os.write(screen, typed.pop(0).encode())
code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
sys.stdout.buffer.write(seen)
sys.exit(code)
";

/// The bytes that `holdall args…` sends to a terminal, and its exit code.
fn at_a_terminal(test: &Test, environment: &[(&str, &str)], args: &[&str]) -> (String, Option<i32>) {
    shown_of(&command(&test.path(""), args), environment)
}

/// The same for a command that is ready to be run.
pub fn shown_of(holdall: &Command, environment: &[(&str, &str)]) -> (String, Option<i32>) {
    let mut terminal = Command::new(prepared("HOLDALL_TEST_PYTHON"));
    terminal.args(["-c", TERMINAL]).arg(holdall.get_program()).args(holdall.get_args());
    terminal.current_dir(holdall.get_current_dir().unwrap());
    terminal.envs(holdall.get_envs().filter_map(|(name, value)| Some((name, value?))));
    terminal.env("TERM", "xterm-256color").env_remove("NO_COLOR").env_remove("COLUMNS").env_remove("CI");
    terminal.envs(environment.iter().copied());
    let done = terminal.output().unwrap();
    assert_eq!(String::from_utf8_lossy(&done.stderr), "");
    (String::from_utf8(done.stdout).unwrap(), done.status.code())
}

/// The lines that are left on the screen: what a terminal shows after all cursor movements.
fn screen(bytes: &str) -> Vec<String> {
    let mut lines: Vec<Vec<char>> = vec![Vec::new()];
    let (mut row, mut column) = (0_usize, 0);
    let mut rest = bytes.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\r' => column = 0,
            '\n' => row += 1,
            '\u{1b}' => {
                assert_eq!(rest.next(), Some('['), "only control sequences are known here");
                let mut number = String::new();
                let last = loop {
                    match rest.next().unwrap() {
                        c if c.is_ascii_alphabetic() => break c,
                        c => number.push(c),
                    }
                };
                let count = number.parse().unwrap_or(1);
                match last {
                    'A' => row = row.saturating_sub(count),
                    'B' => row += count,
                    'K' if number == "2" => lines[row].clear(),
                    'K' => lines[row].truncate(column),
                    'J' => {
                        lines[row].truncate(column);
                        lines.truncate(row + 1);
                    }
                    'm' | 'h' | 'l' => {}
                    other => panic!("an unknown control sequence: ESC [ {number} {other}"),
                }
            }
            c => {
                // A bar above another fills its line, and leaves it to the terminal to begin the next.
                if column == COLUMNS {
                    (row, column) = (row + 1, 0);
                    lines.resize(lines.len().max(row + 1), Vec::new());
                }
                let line = &mut lines[row];
                line.resize(line.len().max(column + 1), ' ');
                line[column] = c;
                column += 1;
            }
        }
        if lines.len() <= row {
            lines.resize(row + 1, Vec::new());
        }
    }
    lines.iter().map(|line| line.iter().collect::<String>().trim_end().to_owned()).collect()
}

#[test]
fn bars_come_and_go_on_a_terminal() {
    let test = Test::empty();
    test.guestbook("guestbook");
    let (bytes, code) = at_a_terminal(&test, &[], &["bundle", "guestbook", "--runtime", "host"]);
    assert_eq!(code, Some(0), "{bytes}");
    let bar = |stage: &str| format!("{stage:>12} ");
    // It starts the project's Python; shorter stages may be over before a bar is drawn.
    assert!(bytes.contains(&bar("settings")), "no bar of settings in {bytes:?}");
    assert!(bytes.is_ascii(), "the font of a console may have no more");
    assert!(bytes.contains(" MB ") && !bytes.contains("MiB"), "bars count as the table does");
    let left = screen(&bytes);
    assert!(left[0].starts_with("name "), "{left:#?}");
    let stages = ["resolve", "download", "environment", "settings", "static", "packages", "app", "assemble"];
    let garbage = |line: &&String| stages.iter().any(|stage| line.starts_with(&bar(stage)));
    assert_eq!(left.iter().find(garbage), None, "{left:#?}");
    let shown = left.iter().position(|line| line.starts_with("kind ")).unwrap();
    assert_eq!(left[shown - 1], "", "{left:#?}");
    assert!(left[shown - 2].starts_with("target "), "{left:#?}");
    assert!(left.iter().any(|line| line.starts_with("guestbook/dist/guestbook-1.0.0-")), "{left:#?}");
    assert!(!bytes.contains("\u{1b}[?25l") || bytes.contains("\u{1b}[?25h"), "the cursor stays hidden");
}

#[test]
fn colours_are_for_terminals_that_want_them() {
    let test = Test::empty();
    fs_err::create_dir(test.path("site")).unwrap();
    test.django(&["-m", "django", "startproject", "mysite", "site"]);
    test.write("site/requirements.txt", "django>=5.2,<5.3\n");
    let notice = ["bundle", "site", "--plan", "--runtime", "host"];
    let error = ["inspect", "nothing.zip"];
    for (args, code) in [(&notice[..], 0), (&error[..], 1)] {
        let (coloured, ended) = at_a_terminal(&test, &[], args);
        assert_eq!(ended, Some(code), "{coloured}");
        assert!(coloured.contains("\u{1b}[33m") || coloured.contains("\u{1b}[31m"), "{coloured:?}");
        let (plain, _) = at_a_terminal(&test, &[("NO_COLOR", "1")], args);
        assert!(!plain.contains("\u{1b}[3"), "{plain:?}");
        let mut log = command(&test.path(""), args);
        let log = log.env_remove("NO_COLOR").env("TERM", "xterm-256color").output().unwrap();
        assert!(![log.stdout, log.stderr].concat().contains(&0x1b));
    }
}

#[test]
fn a_path_in_an_error_is_one_word_in_a_log() {
    let test = Test::empty();
    let path =
        "a/folder/whose/path/is/longer/than/the/eighty/columns/that/some/programs/think/every/screen/has.zip";
    let done = test.holdall(["inspect", path]).code(1);
    let said = String::from_utf8_lossy(&done.get_output().stderr).into_owned();
    assert!(said.contains(path), "{said}");
}

#[test]
fn a_password_is_asked_for_and_never_shown() {
    let test = Test::empty();
    let typed = |lines: &str, args: &[&str]| {
        let (shown, code) = at_a_terminal(&test, &[("TYPED", lines)], args);
        assert!(!shown.contains("horse"), "{shown}");
        (shown, code)
    };
    let new = ["key", "new", "shop"];
    let (shown, code) = typed("battery horse\nbattery house\n", &new);
    assert!(code == Some(3) && shown.contains("the two passwords differ"), "{shown}");
    let (shown, code) = typed("\n", &new);
    assert!(code == Some(3) && shown.contains("the password in what was typed is empty"), "{shown}");
    // Ctrl-C
    let (shown, code) = typed("battery horse\n\u{3}", &new);
    assert_eq!(code, Some(130), "{shown}");
    assert_eq!(fs_err::read_dir(test.path("")).unwrap().count(), 0, "no key was made");

    let (shown, code) = typed("battery horse\nbattery horse\n", &new);
    assert_eq!(code, Some(0), "{shown}");
    assert!(
        shown.contains("new password of shop.key: ") && shown.contains("the same once more: "),
        "{shown}"
    );
    fs_err::copy(crate::archive::GOLDEN, test.path("bundle.zip")).unwrap();
    let sign = ["sign", "bundle.zip", "--key", "shop.key"];
    let (shown, code) = typed("battery house\n", &sign);
    assert!(code == Some(3) && shown.contains("the password does not open the key `shop.key`"), "{shown}");
    let (shown, code) = typed("battery horse\n", &sign);
    assert_eq!(code, Some(0), "{shown}");
    test.holdall(["verify", "bundle.zip", "--trust", "shop.pub"]).success();
}
