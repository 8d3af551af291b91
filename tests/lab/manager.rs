//! IIS's process manager, played: starts the real bridge as IIS does, in every way that IIS might, and speaks to it.
//!
//! Nothing here waits without limit. What takes too long ends the process and fails the test, with what was heard
//! of the bridge so far and its log.

use std::io::Read as _;
use std::os::windows::io::OwnedHandle;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::fastcgi::{self, END_REQUEST, Request, whole_record};
use crate::win32::{Event, Kind, Process, Start, Wire, anonymous_pipe, create_pipe, open, open_pipe};

/// How long a single thing may take: an answer's next bytes, a start, an end.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Bytes that a pipe holds in each direction, as other process managers have it.
pub const BUFFER: u32 = 8192;

/// Which end of the pipe the bridge gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Server,
    Client,
}

/// Whether the manager wants the connection for further requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connection {
    Kept,
    Closed,
}

/// When the manager connects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connects {
    /// Before the process is started, and with the first bytes of a request in the pipe.
    Early,
    /// When the process has long been ready.
    Late,
}

/// What standard output and error are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// INVALID_HANDLE_VALUE, as IIS has it.
    Absent,
    Nul,
    /// A pipe that the manager reads.
    Read,
    /// Output is the pipe that is the standard input, as some responders for IIS take it to be; errors are absent.
    ThePipe,
    /// Output and errors both are.
    ThePipeTwice,
}

/// How the bridge is told to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// By the event whose number is in its environment.
    ByEvent,
    /// By nothing: IIS's default is to end its processes from outside.
    Never,
    /// By an event under a number that is none's.
    Wrongly,
}

/// How the manager goes about it.
#[derive(Debug, Clone, Copy)]
pub struct Setup {
    pub end: End,
    pub kind: Kind,
    pub connection: Connection,
    pub connects: Connects,
    pub buffer: u32,
    pub output: Output,
    /// Whether the bridge is given a file for its log.
    pub log: bool,
    pub told: Told,
    /// Seconds that the bridge gives a request in flight.
    pub grace: u32,
    /// The application, in `bridge/tests/apps`.
    pub app: &'static str,
}

impl Setup {
    /// The likeliest form of IIS's own: what responders that work there rely on.
    pub const IIS: Setup = Setup {
        end: End::Server,
        kind: Kind::Synchronous,
        connection: Connection::Kept,
        connects: Connects::Late,
        buffer: BUFFER,
        output: Output::Absent,
        log: true,
        told: Told::ByEvent,
        // An end that only comes with the grace is later than anybody waits here.
        grace: 600,
        app: "plain:by_path",
    };

    pub fn keeps(&self) -> bool {
        self.connection == Connection::Kept
    }

    /// A client end has nothing to connect to again: its process serves as long as the connection lasts.
    pub fn outlives_a_connection(&self) -> bool {
        self.end == End::Server
    }
}

/// A manager and its one process.
pub struct Manager {
    pub setup: Setup,
    folder: tempfile::TempDir,
    name: String,
    /// The connection, if there is one.
    wire: Option<Arc<Wire>>,
    /// Our end of a pipe whose client end the bridge has.
    unconnected: Option<Wire>,
    process: Process,
    shutdown: Event,
    /// What the bridge wrote to standard output and error, if they are read.
    said: Arc<Mutex<Vec<u8>>>,
    /// Bytes read that belong to no answer yet.
    ahead: Vec<u8>,
    /// How long a single thing may take from now on.
    pub patience: Duration,
}

impl Manager {
    /// A bridge that is ready, and a connection to it.
    #[track_caller]
    pub fn start(setup: Setup) -> Manager {
        let mut manager = Manager::start_with(setup, b"");
        if setup.connects == Connects::Late {
            manager.connect();
        }
        manager
    }

    /// Starts a bridge. If the manager connects early, `first` lies in the pipe before the process exists;
    /// otherwise `first` must be empty, and nothing is connected when this returns.
    #[track_caller]
    pub fn start_with(setup: Setup, first: &[u8]) -> Manager {
        let manager = Manager::spawn_with(setup, first);
        if setup.log || setup.output == Output::Read {
            manager.wait_for("ready: ");
        }
        manager
    }

    /// A bridge that has only been started: what is done next happens before it looks at anything.
    #[track_caller]
    pub fn spawn(setup: Setup) -> Manager {
        Manager::spawn_with(setup, b"")
    }

    #[track_caller]
    fn spawn_with(setup: Setup, first: &[u8]) -> Manager {
        let until = Instant::now() + PATIENCE;
        let name = pipe_name();
        let (mut wire, mut unconnected) = (None, None);
        let theirs = match setup.end {
            End::Server => {
                let theirs = create_pipe(&name, setup.kind, setup.buffer).unwrap();
                if setup.connects == Connects::Early {
                    wire = Some(Arc::new(Wire::new(open_pipe(&name, Kind::Overlapped, until).unwrap())));
                }
                theirs
            }
            End::Client => {
                let ours = Wire::new(create_pipe(&name, Kind::Overlapped, setup.buffer).unwrap());
                let theirs = open_pipe(&name, setup.kind, until).unwrap();
                match setup.connects {
                    Connects::Early => {
                        ours.connect(until).unwrap();
                        wire = Some(Arc::new(ours));
                    }
                    Connects::Late => unconnected = Some(ours),
                }
                theirs
            }
        };
        assert!(first.len() <= setup.buffer as usize && (first.is_empty() || wire.is_some()));
        if !first.is_empty() {
            assert_eq!(wire.as_ref().unwrap().write(first, until).unwrap(), first.len());
        }
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("bridge.toml");
        std::fs::write(&config, configuration(&setup)).unwrap();
        let shutdown = Event::new().unwrap();
        let mut environment = vec![("_FCGI_X_PIPE_", name.clone())];
        match setup.told {
            Told::ByEvent => environment.push(("_FCGI_SHUTDOWN_EVENT_", shutdown.number().to_string())),
            Told::Never => {}
            Told::Wrongly => environment.push(("_FCGI_SHUTDOWN_EVENT_", "999999".to_owned())),
        }
        let said = Arc::<Mutex<Vec<u8>>>::default();
        let output = output(setup.output, &said);
        let standard = match setup.output {
            Output::ThePipe => [Some(&theirs), Some(&theirs), None],
            Output::ThePipeTwice => [Some(&theirs); 3],
            _ => [Some(&theirs), output.as_ref(), output.as_ref()],
        };
        let process = Process::start(&Start {
            program: &variable("HOLDALL_LAB_PYTHON"),
            arguments: &words(&config),
            environment: &environment,
            standard,
            inherited: &[&shutdown.0],
        });
        // Our copies of the bridge's ends close here, so that each pipe ends with the process.
        let process = process.unwrap();
        Manager {
            setup,
            folder,
            name,
            wire,
            unconnected,
            process,
            shutdown,
            said,
            ahead: Vec::new(),
            patience: PATIENCE,
        }
    }

    /// Connects, if there is no connection yet or it has been closed.
    #[track_caller]
    pub fn connect(&mut self) {
        let until = Instant::now() + self.patience;
        let connected = match self.unconnected.take() {
            Some(ours) => ours.connect(until).map(|()| ours),
            None => open_pipe(&self.name, Kind::Overlapped, until).map(Wire::new),
        };
        match connected {
            Ok(wire) => self.wire = Some(Arc::new(wire)),
            Err(error) => self.fail(&format!("the manager cannot connect: {error}"), b""),
        }
    }

    #[track_caller]
    pub fn send(&self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            match self.wire().write(rest, Instant::now() + self.patience) {
                Ok(sent) => rest = &rest[sent..],
                Err(error) => {
                    let place = bytes.len() - rest.len();
                    self.fail(&format!("the bridge takes no more at byte {place}: {error}"), b"");
                }
            }
        }
    }

    /// The whole answer to a request: up to its END_REQUEST, or to the end of a connection that is not kept.
    #[track_caller]
    pub fn hear(&mut self) -> Vec<u8> {
        self.hear_slowly([64 * 1024].into_iter().cycle())
    }

    /// The same, reading at most as many bytes at a time as `sizes` says.
    #[track_caller]
    pub fn hear_slowly(&mut self, sizes: impl Iterator<Item = usize>) -> Vec<u8> {
        let mut heard = std::mem::take(&mut self.ahead);
        let mut sizes = sizes;
        let mut records = 0;
        loop {
            while let Some(length) = heard.get(records..).and_then(whole_record) {
                let is_end = heard[records + 1] == END_REQUEST;
                records += length;
                if is_end && self.setup.keeps() {
                    self.ahead = heard.split_off(records);
                    return heard;
                }
            }
            let size = sizes.next().unwrap();
            if self.read(&mut heard, size) == 0 {
                self.wire = None;
                return heard;
            }
        }
    }

    /// Sends and hears at the same time.
    #[track_caller]
    pub fn hear_while_sending(&mut self, bytes: &[u8]) -> Vec<u8> {
        // The connection is lent to the other thread, which is done when the answer is.
        let wire = Arc::clone(self.wire.as_ref().expect("a connection"));
        let bytes = bytes.to_vec();
        let sending = std::thread::spawn(move || {
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                rest = &rest[wire.write(rest, Instant::now() + PATIENCE)?..];
            }
            std::io::Result::Ok(())
        });
        let heard = self.hear();
        if let Err(error) = sending.join().unwrap() {
            self.fail(&format!("the bridge takes no more: {error}"), &heard);
        }
        heard
    }

    /// The next record.
    #[track_caller]
    pub fn hear_record(&mut self) -> Vec<u8> {
        let mut heard = std::mem::take(&mut self.ahead);
        loop {
            if let Some(length) = whole_record(&heard) {
                self.ahead = heard.split_off(length);
                return heard;
            }
            if self.read(&mut heard, 64 * 1024) == 0 {
                self.fail("the connection ends in a record", &heard);
            }
        }
    }

    /// Waits until `count` bytes of an answer are here. What hears the answer gets them as well.
    #[track_caller]
    pub fn await_bytes(&mut self, count: usize) {
        let mut heard = std::mem::take(&mut self.ahead);
        while heard.len() < count {
            let missing = count - heard.len();
            if self.read(&mut heard, missing) == 0 {
                self.fail("the answer ends too early", &heard);
            }
        }
        self.ahead = heard;
    }

    /// Everything up to the end of the connection, which the bridge is expected to close.
    #[track_caller]
    pub fn hear_to_the_end(&mut self) -> Vec<u8> {
        let mut heard = std::mem::take(&mut self.ahead);
        while self.read(&mut heard, 64 * 1024) > 0 {}
        self.wire = None;
        heard
    }

    #[track_caller]
    fn read(&self, heard: &mut Vec<u8>, size: usize) -> usize {
        let before = heard.len();
        heard.resize(before + size, 0);
        match self.wire().read(&mut heard[before..], Instant::now() + self.patience) {
            Ok(read) => {
                heard.truncate(before + read);
                read
            }
            Err(error) => {
                heard.truncate(before);
                self.fail(&format!("the bridge says no more: {error}"), heard)
            }
        }
    }

    /// Sends a request whole before it reads anything, and compares the answer.
    #[track_caller]
    pub fn ask(&mut self, request: Request, stdout: &[u8]) {
        let request = Request { keep: self.setup.keeps(), ..request };
        if self.wire.is_none() {
            self.connect();
        }
        self.send(&request.bytes());
        self.expect(&fastcgi::answer(request.id, stdout));
    }

    /// Hears an answer and compares it.
    #[track_caller]
    pub fn expect(&mut self, expected: &[u8]) {
        let heard = self.hear();
        self.compare(&heard, expected);
    }

    #[track_caller]
    pub fn compare(&self, heard: &[u8], expected: &[u8]) {
        if let Some(difference) = fastcgi::difference(heard, expected) {
            self.fail(&format!("this is not the answer: {difference}"), heard);
        }
    }

    /// Writes no bytes, which a pipe passes on as it does any others.
    #[track_caller]
    pub fn send_nothing(&self) {
        if let Err(error) = self.wire().write(b"", Instant::now() + self.patience) {
            self.fail(&format!("the bridge takes no empty write: {error}"), b"");
        }
    }

    /// Leaves without a word.
    pub fn hang_up(&mut self) {
        self.ahead.clear();
        self.wire = None;
    }

    /// Leaves and throws the bridge's client end out, which then sees another error than a closed pipe.
    pub fn throw_out(&mut self) {
        self.wire().disconnect();
        self.hang_up();
    }

    /// Sets the event that tells the bridge to end.
    pub fn tell_to_end(&self) {
        self.shutdown.set();
    }

    /// The bridge leaves by itself, with nothing more said than what was heard.
    #[track_caller]
    pub fn expect_exit(&mut self, code: u32) {
        let found = self.process.wait(Instant::now() + self.patience);
        if found != Some(code) {
            self.fail(&format!("the bridge does not leave with {code} but {found:?}"), b"");
        }
        if self.wire.is_some() {
            let rest = self.hear_to_the_end();
            if !rest.is_empty() {
                self.fail("the bridge said more than it was asked", &rest);
            }
        }
    }

    /// A bridge with a client end leaves when its one connection ends, one with a server end goes on.
    #[track_caller]
    pub fn expect_life_after_a_connection(&mut self) {
        if self.setup.outlives_a_connection() {
            self.connect();
            self.ask(fastcgi::get("/hello?again").numbered(77), &fastcgi::text("hello again"));
        } else {
            self.expect_exit(0);
            self.wait_for("note: atexit ran");
        }
    }

    /// The log, wherever it goes.
    pub fn log(&self) -> String {
        let bytes = match self.setup.log {
            true => std::fs::read(self.path("bridge.log")).unwrap_or_default(),
            false => self.said.lock().unwrap().clone(),
        };
        // Python ends its lines as Windows does, the bridge as Rust does.
        String::from_utf8_lossy(&bytes).replace('\r', "")
    }

    #[track_caller]
    pub fn wait_for(&self, text: &str) {
        let until = Instant::now() + self.patience;
        loop {
            // Asked before the log is read: what a process wrote before its end is there after it.
            let ended = self.process.wait(Instant::now());
            if self.log().contains(text) {
                return;
            }
            if ended.is_some() || Instant::now() > until {
                self.fail(&format!("no {text:?} in the log; exit code so far: {ended:?}"), b"");
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// A path in the folder of this bridge.
    pub fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    /// The name of the pipe.
    pub fn pipe(&self) -> &str {
        &self.name
    }

    #[track_caller]
    fn wire(&self) -> &Wire {
        self.wire.as_ref().expect("a connection")
    }

    /// Ends the process, and the test with all that is known.
    #[track_caller]
    fn fail(&self, what: &str, heard: &[u8]) -> ! {
        self.process.kill();
        let start = &heard[..heard.len().min(200)];
        panic!(
            "{what}\nheard {} bytes: {}\n{:?}\nlog:\n{}",
            heard.len(),
            start.escape_ascii(),
            self.setup,
            self.log()
        );
    }
}

/// Starts a bridge that is to refuse what it is given, standard input or settings (lines of TOML): its exit code,
/// what it says on standard error, and its log.
#[track_caller]
pub fn refusal(input: Option<&OwnedHandle>, settings: &str) -> (u32, String, String) {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("bridge.toml");
    std::fs::write(&config, format!("{settings}\n{}", configuration(&Setup::IIS))).unwrap();
    let said = Arc::<Mutex<Vec<u8>>>::default();
    let output = output(Output::Read, &said);
    let process = Process::start(&Start {
        program: &variable("HOLDALL_LAB_PYTHON"),
        arguments: &words(&config),
        environment: &[],
        standard: [input, output.as_ref(), output.as_ref()],
        inherited: &[],
    });
    drop(output);
    let until = Instant::now() + PATIENCE;
    let code = process.unwrap().wait(until).expect("it leaves");
    // The thread that reads lets go of the text when all is read.
    while Arc::strong_count(&said) > 1 && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(2));
    }
    let log = std::fs::read(folder.path().join("bridge.log")).unwrap_or_default();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace('\r', "");
    (code, text(&said.lock().unwrap()), text(&log))
}

fn pipe_name() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!(r"\\.\pipe\IISFCGI-lab-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

fn configuration(setup: &Setup) -> String {
    let log = if setup.log { "[log]\npath = 'bridge.log'\n" } else { "" };
    format!(
        "app = '{}'\npythonpath = ['{}']\ngrace = {}\n{log}",
        setup.app,
        variable("HOLDALL_LAB_APPS"),
        setup.grace
    )
}

/// As `web.config` has it.
fn words(config: &Path) -> [&str; 7] {
    ["-s", "-X", "utf8", "-m", "holdall_bridge", "--config", config.to_str().unwrap()]
}

fn output(kind: Output, said: &Arc<Mutex<Vec<u8>>>) -> Option<OwnedHandle> {
    match kind {
        Output::Absent | Output::ThePipe | Output::ThePipeTwice => None,
        Output::Nul => Some(open("NUL", 0).unwrap()),
        Output::Read => {
            let (read, write) = anonymous_pipe().unwrap();
            let (mut read, said) = (std::fs::File::from(read), Arc::clone(said));
            std::thread::spawn(move || {
                let mut buffer = [0; 4096];
                // A pipe without writers is an error to Windows and the end to `read`.
                while let Ok(count @ 1..) = read.read(&mut buffer) {
                    said.lock().unwrap().extend(&buffer[..count]);
                }
            });
            Some(write)
        }
    }
}

/// What `cargo xtask wine bridge` says of the lab.
pub fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run `cargo xtask wine bridge`"))
}

mod tests {
    use super::*;

    #[test]
    fn a_bridge_that_does_not_answer_fails_the_test_and_is_ended() {
        let mut manager = Manager::start(Setup::IIS);
        manager.send(&Request { keep: true, ..fastcgi::get(r"/gate?Z:\no\such\gate") }.bytes());
        manager.wait_for("note: begun");
        manager.patience = Duration::from_millis(100);
        let hear = std::panic::AssertUnwindSafe(|| manager.hear());
        let told = std::panic::catch_unwind(hear).unwrap_err();
        let told = told.downcast::<String>().unwrap();
        assert!(told.starts_with("the bridge says no more: timed out\nheard"), "{told}");
        assert!(told.contains("Status: 200 OK") && told.contains("note: begun"), "{told}");
        assert!(manager.process.wait(Instant::now() + PATIENCE).is_some());
    }
}
