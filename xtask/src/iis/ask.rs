//! Asks the questions: changes IIS, asks over HTTP, changes it again, and takes everything back.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};

use super::file::{Findings, note};
use super::http::{Answer, Request};
use super::plan::{Application, Change, Invocation, Names, add_pool, add_site, appcmd, move_site, use_pool};
use super::probe::{NON_ASCII, Told, encoding};
use super::stand::{Iis, PATIENCE, STEP, Stand};

/// What was found, and which questions failed.
#[derive(Debug, Default)]
pub struct Outcome {
    pub findings: Findings,
    pub failures: Vec<String>,
}

/// Asks everything. What fails leaves its facts unknown and does not keep the others from being asked.
pub fn all(iis: &mut dyn Iis, names: &Names, progress: fn(&str)) -> anyhow::Result<Outcome> {
    let mut survey = Survey { stand: Stand::new(iis), names, outcome: Outcome::default() };
    survey.prepare()?;
    type Round<'a> = fn(&mut Survey<'a>) -> anyhow::Result<()>;
    let rounds: [(&str, Round<'_>); 15] = [
        ("what a process is given", Survey::child),
        ("parameters", Survey::parameters),
        ("a visitor who leaves", Survey::hang_up),
        ("an answer in pieces", Survey::streaming),
        ("request filtering", Survey::filtering),
        ("comparison of fullPath", Survey::full_path),
        ("a fullPath with blanks", Survey::blanks),
        ("edits of FastCGI applications", Survey::edits),
        ("two sites of one pool", Survey::sharing),
        ("the switch to another folder", Survey::switch),
        ("a new pool's account", Survey::account),
        ("new sites", Survey::sites),
        ("what appcmd writes", Survey::appcmd_words),
        ("web.config", Survey::web_config),
        ("files that are loaded", Survey::loaded),
    ];
    for (what, round) in rounds {
        progress(what);
        let mark = survey.stand.mark();
        if let Err(error) = round(&mut survey) {
            survey.outcome.failures.push(format!("{what}: {error:#}"));
        }
        survey.stand.undo_to(mark);
    }
    survey.stand.undo_to(0);
    survey.outcome.failures.append(&mut survey.stand.not_undone);
    Ok(survey.outcome)
}

struct Survey<'a> {
    stand: Stand<'a>,
    names: &'a Names,
    outcome: Outcome,
}

/// The rounds.
impl Survey<'_> {
    fn prepare(&mut self) -> anyhow::Result<()> {
        for change in self.names.base() {
            self.stand.change(&change)?;
        }
        for (site, port) in [self.names.site, self.names.second] {
            self.stand.run(&use_pool(site, self.names.pool))?;
            let answer = self.stand.settled(port, |answer| answer.status == 200)?;
            Told::new(&answer).with_context(|| format!("IIS does not serve the probe on port {port}"))?;
        }
        Ok(())
    }

    fn child(&mut self) -> anyhow::Result<()> {
        let told = self.told("/one/two")?;
        let stdin = told.show("stdin");
        self.note_seen("pipe.end", told.pipe_end(), &stdin);
        self.note_seen("pipe.handle", told.pipe_handle(), &stdin);
        self.note_seen(
            "pipe.connected",
            told.connected(),
            &format!("ConnectNamedPipe: {}", told.show("connect")),
        );
        self.note_seen("child.stdout", told.standard("stdout"), &told.show("stdout"));
        self.note_seen("child.stderr", told.standard("stderr"), &told.show("stderr"));
        self.note_seen("child.job", told.job(), &told.show("environment"));
        let path = format!("{}, {}", told.show_param("SCRIPT_NAME"), told.show_param("PATH_INFO"));
        self.note("params.path", told.path("/one/two"), path);
        self.note("params.remote-user", told.remote_user(), told.show_param("REMOTE_USER"));
        Ok(())
    }

    fn parameters(&mut self) -> anyhow::Result<()> {
        let told = self.told(NON_ASCII)?;
        self.note("params.non-ascii", told.non_ascii(), told.show_param("PATH_INFO"));
        self.note("params.request-uri", told.request_uri(), told.show_param("REQUEST_URI"));
        let request = Request { chunk: Some(b"four"), ..Request::get(self.names.site.1, "/") };
        let told = Told::new(&self.stand.answer(&request)?)?;
        let seen = format!("{}, {} bytes came", told.show_param("CONTENT_LENGTH"), told.show("body"));
        self.note("params.chunked-length", told.chunked_length(), seen);
        Ok(())
    }

    fn hang_up(&mut self) -> anyhow::Result<()> {
        let before = self.told("/")?.process();
        let mut left = self.stand.iis.send(&Request::get(self.names.site.1, "/?watch=5"))?;
        left.read_exact(&mut [0; 100])?;
        drop(left);
        self.stand.iis.pause(Duration::from_secs(8));
        let after = self.told("/")?;
        let seen = format!("process {before}, then {}: {}", after.process(), after.show("watched"));
        self.note_seen("request.hang-up", after.hang_up(before), &seen);
        Ok(())
    }

    fn streaming(&mut self) -> anyhow::Result<()> {
        let mut stream = self.stand.iis.send(&Request::get(self.names.site.1, "/?stream=2"))?;
        let mut bytes = vec![0];
        stream.read_exact(&mut bytes)?;
        let first = Instant::now();
        stream.read_to_end(&mut bytes)?;
        let pause = first.elapsed();
        Told::new(&Answer::read(bytes.as_slice())?)?;
        let answer = if pause > Duration::from_secs(1) { "at-once" } else { "held-back" };
        self.note("answer.streamed", answer, format!("{} ms from first to last byte", pause.as_millis()));
        Ok(())
    }

    fn filtering(&mut self) -> anyhow::Result<()> {
        for (id, target) in [("filter.plus", "/a+b"), ("filter.percent-2b", "/a%2Bb")] {
            let status = self.stand.answer(&Request::get(self.names.site.1, target))?.status;
            let answer = match status {
                200 => "passed",
                404 => "refused",
                status => bail!("status {status} for {target}"),
            };
            self.note(id, answer, format!("status {status}"));
        }
        Ok(())
    }

    fn full_path(&mut self) -> anyhow::Result<()> {
        let registered = self.names.probe("python", "capitals");
        let capitals = Application::new(registered.program.to_uppercase(), registered.arguments.clone());
        let status = self.served_by("capitals", &registered, &capitals)?;
        let answer = if status == 200 { "ignored" } else { "compared" };
        self.note("full-path.case", answer, format!("status {status}"));
        let literal = self.names.probe("python", "variables");
        let status = self.served_by("variables", &self.names.variables(), &literal)?;
        let answer = if status == 200 { "expanded" } else { "literal" };
        self.note("full-path.variables", answer, format!("status {status}"));
        Ok(())
    }

    fn blanks(&mut self) -> anyhow::Result<()> {
        let bare = self.names.probe("python with blanks", "bare");
        let quoted = self.names.quoted();
        let mut statuses = [0; 2];
        for (status, (name, application)) in statuses.iter_mut().zip([("bare", &bare), ("quoted", &quoted)]) {
            // Where appcmd takes no such path, IIS serves none.
            *status = self.served_by(name, application, application).unwrap_or(0);
        }
        let answer = match statuses.map(|status| status == 200) {
            [true, true] => "both",
            [true, false] => "bare",
            [false, true] => "quoted",
            [false, false] => "neither",
        };
        self.note("full-path.blanks", answer, format!("status {} bare, {} quoted", statuses[0], statuses[1]));
        Ok(())
    }

    fn edits(&mut self) -> anyhow::Result<()> {
        let before = self.told("/")?.process();
        self.stand.change(&self.names.probe("python", "other").add())?;
        let after = self.process_later(before)?;
        let processes = |after| format!("process {before}, then {after}");
        self.note("edit.others", if after == before { "kept" } else { "restarted" }, processes(after));
        let before = self.told("/")?.process();
        let probe = self.names.probe("python", "first");
        self.stand.run(&probe.edit("idleTimeout", "700"))?;
        let after = self.process_later(before)?;
        let seen = format!("process {before}, then {after}");
        self.note("edit.itself", if after == before { "kept" } else { "restarted" }, seen);
        Ok(())
    }

    fn sharing(&mut self) -> anyhow::Result<()> {
        let first = self.told("/")?.process();
        let second = Told::new(&self.stand.answer(&Request::get(self.names.second.1, "/"))?)?.process();
        let answer = if first == second { "shared" } else { "own" };
        self.note("sites.processes", answer, format!("process {first} and {second}"));
        Ok(())
    }

    fn switch(&mut self) -> anyhow::Result<()> {
        let (site, port) = self.names.site;
        let [one, two] = ["one", "two"].map(|folder| move_site(site, &self.names.below(folder)));
        let before = self.told("/")?.process();
        self.stand.change(&Change { does: two, undoes: one.clone() })?;
        let started = Instant::now();
        let mut asked = 0;
        let after = loop {
            asked += 1;
            let answer = self.stand.answer(&Request::get(port, "/"))?;
            if answer.header("x-holdall-folder") == Some("two") {
                break Told::new(&answer)?.process();
            }
            ensure!(started.elapsed() < PATIENCE && asked < 100, "the new folder is not served");
            self.stand.iis.pause(Duration::from_millis(50));
        };
        let delay = format!("{asked} requests, {} ms", started.elapsed().as_millis());
        self.note("switch.delay", if asked == 1 { "at-once" } else { "later" }, delay);
        let after = if after == before { self.process_later(before)? } else { after };
        let seen = format!("process {before}, then {after}");
        self.note("switch.processes", if after == before { "kept" } else { "restarted" }, seen);

        let slow = self.stand.iis.send(&Request::get(port, "/?hold=3"))?;
        self.stand.iis.pause(Duration::from_millis(500));
        self.stand.run(&one)?;
        let end = Answer::read(slow).and_then(|answer| Told::new(&answer));
        let (answer, seen) = match end {
            Ok(told) => ("finished", format!("answered by process {}", told.process())),
            Err(error) => ("broken", format!("{error:#}")),
        };
        self.note("switch.in-flight", answer, seen);
        Ok(())
    }

    fn account(&mut self) -> anyhow::Result<()> {
        let pool = self.names.new_pool;
        self.stand.change(&add_pool(pool))?;
        let grant = format!("IIS AppPool\\{pool}:(OI)(CI)RX");
        let icacls =
            Invocation { program: "icacls", args: vec![self.names.below("one"), "/grant".into(), grant] };
        let mut tried = 1;
        while self.stand.iis.run(&icacls)?.code != 0 {
            ensure!(tried < 30, "{icacls} fails for {tried} times");
            tried += 1;
            self.stand.iis.pause(STEP);
        }
        self.note(
            "pool.account",
            if tried == 1 { "at-once" } else { "later" },
            format!("icacls run {tried} times"),
        );
        Ok(())
    }

    fn sites(&mut self) -> anyhow::Result<()> {
        let (site, port) = self.names.third;
        let folder = self.names.below("one");
        let mark = self.stand.mark();
        self.stand.change(&add_site(site, port, &folder))?;
        let state = self.state(site)?;
        self.note("site.created", state, state);
        for (id, verb) in [("site.start-twice", "start"), ("site.stop-twice", "stop")] {
            let command = appcmd([verb, "site", site]);
            self.stand.iis.run(&command)?;
            let code = self.stand.iis.run(&command)?.code;
            self.note(id, fine(code), format!("exit code {code}"));
        }
        self.stand.undo_to(mark);
        let taken = add_site(site, self.names.site.1, &folder);
        let code = self.stand.iis.run(&taken.does)?.code;
        if code == 0 {
            self.stand.also_undo(taken.undoes);
            let state = self.state(site)?;
            self.note("site.port-taken", state, state);
        } else {
            self.note("site.port-taken", "refused", format!("exit code {code}"));
        }
        Ok(())
    }

    fn appcmd_words(&mut self) -> anyhow::Result<()> {
        let (site, port) = self.names.third;
        self.stand.change(&add_site(site, port, &self.names.below("grün")))?;
        let shown = self.stand.run(&appcmd(["list", "vdir", &format!("{site}/"), "/xml"]))?.stdout;
        self.note("appcmd.encoding", encoding(&shown), shown.escape_ascii().to_string());
        let code = self.stand.iis.run(&appcmd(["list", "sites", "/id:987654321"]))?.code;
        self.note("appcmd.nothing-found", fine(code), format!("exit code {code}"));
        Ok(())
    }

    fn web_config(&mut self) -> anyhow::Result<()> {
        let (site, port) = self.names.third;
        self.stand.change(&add_site(site, port, &self.names.below("remove")))?;
        self.stand.run(&use_pool(site, self.names.pool))?;
        // A file, and no handler of ours: only who serves files reads of their types.
        let right = |answer: &Answer| answer.header("x-holdall-folder") == Some("remove");
        let status = self.stand.settled(port, right)?.status;
        let answer = if status == 200 { "fine" } else { "error" };
        self.note("config.remove-absent", answer, format!("status {status}"));
        Ok(())
    }

    fn loaded(&mut self) -> anyhow::Result<()> {
        let python = self.stand.iis.folder().join("python");
        let places = ["DLLs/_ctypes.pyd", "_ctypes.pyd"].map(|place| python.join(place));
        let module = places.iter().find(|place| place.exists()).context("the Python has no `_ctypes.pyd`")?;
        // A process that answers has it loaded.
        self.told("/")?;
        let opened = fs_err::OpenOptions::new().write(true).open(module).map(drop);
        self.note_io("loaded.overwrite", opened);
        let moved = python.with_file_name("python-moved");
        let renamed = fs_err::rename(&python, &moved);
        if renamed.is_ok() {
            fs_err::rename(&moved, &python)?;
        }
        self.note_io("loaded.rename-folder", renamed);
        let bytes = fs_err::read(module)?;
        let deleted = fs_err::remove_file(module);
        if deleted.is_ok() {
            // Until the process ends, Windows may keep the name of a file that is gone.
            fs_err::write(module, bytes).or_else(|_| fs_err::remove_file(module)).ok();
        }
        self.note_io("loaded.delete", deleted);
        Ok(())
    }
}

/// What the rounds are made of.
impl Survey<'_> {
    /// The probe's words behind the first site.
    fn told(&mut self, target: &str) -> anyhow::Result<Told> {
        let port = self.names.site.1;
        Told::new(&self.stand.answer(&Request::get(port, target))?)
    }

    /// The first process that is another one than `before`, or `before` if none comes.
    fn process_later(&mut self, before: u64) -> anyhow::Result<u64> {
        let mut waited = Duration::ZERO;
        loop {
            // While processes start anew, IIS may answer with an error.
            match self.told("/").map(|told| told.process()) {
                Ok(process) if process != before || waited >= PATIENCE => return Ok(process),
                Err(error) if waited >= PATIENCE => return Err(error),
                _ => {}
            }
            self.stand.iis.pause(STEP);
            waited += STEP;
        }
    }

    /// Registers a probe called `name` and returns the status behind a site whose handler names it as `handler` does.
    fn served_by(
        &mut self,
        name: &str,
        registered: &Application,
        handler: &Application,
    ) -> anyhow::Result<u16> {
        let mark = self.stand.mark();
        let (site, port) = self.names.third;
        let status = (|| {
            self.stand.change(&registered.add())?;
            self.stand.change(&add_site(site, port, &self.names.below("one")))?;
            self.stand.run(&use_pool(site, self.names.pool))?;
            self.stand.change(&handler.handle(site))?;
            // Another one may still answer, of a site that had this name and is gone.
            let right = |answer: &Answer| Told::new(answer).is_ok_and(|told| told.name() == Some(name));
            let answer = self.stand.settled(port, right)?;
            ensure!(answer.status != 200 || right(&answer), "another probe than `{name}` answers");
            Ok(answer.status)
        })();
        self.stand.undo_to(mark);
        status
    }

    /// Whether a site is started, once IIS knows.
    fn state(&mut self, site: &str) -> anyhow::Result<&'static str> {
        let list = appcmd(["list", "site", site, "/text:state"]);
        for _ in 0..20 {
            let shown = self.stand.run(&list)?.stdout;
            match String::from_utf8_lossy(&shown).trim() {
                "Started" => return Ok("started"),
                "Stopped" => return Ok("stopped"),
                _ => self.stand.iis.pause(STEP),
            }
        }
        bail!("the site `{site}` is neither started nor stopped")
    }

    fn note(&mut self, id: &'static str, answer: &'static str, seen: impl Into<String>) {
        note(&mut self.outcome.findings, id, answer, seen);
    }

    /// Notes an answer, or that there was none in what was seen.
    fn note_seen(&mut self, id: &'static str, answer: Option<&'static str>, seen: &str) {
        match answer {
            Some(answer) => self.note(id, answer, seen),
            None => self.outcome.failures.push(format!("{id}: no answer in {seen}")),
        }
    }

    fn note_io(&mut self, id: &'static str, result: std::io::Result<()>) {
        match result {
            Ok(()) => self.note(id, "done", ""),
            Err(error) => {
                let code = std::error::Error::source(&error)
                    .and_then(|error| error.downcast_ref::<std::io::Error>())
                    .unwrap_or(&error)
                    .raw_os_error();
                self.note(
                    id,
                    "refused",
                    code.map_or_else(|| error.to_string(), |code| format!("error {code}")),
                );
            }
        }
    }
}

fn fine(code: i32) -> &'static str {
    if code == 0 { "fine" } else { "error" }
}

/// Makes the files that the questions need below `folder`: two copies of Python, the probe, and what the sites serve.
pub fn make_folder(folder: &Path, python: &Path, probe: &Path) -> anyhow::Result<()> {
    fs_err::create_dir_all(folder)?;
    fs_err::copy(probe, folder.join("probe.py"))?;
    for copy in ["python", "python with blanks"] {
        copy_python(python, &folder.join(copy))?;
    }
    for (name, inside) in [
        ("one", header("one")),
        ("two", header("two")),
        ("grün", String::new()),
        ("remove", header("remove") + "<staticContent><remove fileExtension=\".holdall\" /></staticContent>"),
    ] {
        fs_err::create_dir_all(folder.join(name))?;
        let config = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<configuration><system.webServer>{inside}</system.webServer></configuration>\n"
        );
        fs_err::write(folder.join(name).join("web.config"), config)?;
    }
    fs_err::write(folder.join("remove/index.html"), "a file\n")?;
    Ok(())
}

fn header(folder: &str) -> String {
    format!(
        "<httpProtocol><customHeaders><add name=\"X-Holdall-Folder\" value=\"{folder}\" /></customHeaders></httpProtocol>"
    )
}

/// Folders of a Python that nothing here imports.
const SPARED: [&str; 7] =
    ["site-packages", "test", "idlelib", "tkinter", "ensurepip", "lib2to3", "__pycache__"];

/// Copies a Windows Python: the program with its DLLs, the extension modules and the library.
pub fn copy_python(from: &Path, to: &Path) -> anyhow::Result<()> {
    copy_files(from, to, &|path| path.extension().is_some_and(|kind| kind == "exe" || kind == "dll"))?;
    for folder in ["DLLs", "Lib"] {
        copy_tree(&from.join(folder), &to.join(folder))?;
    }
    Ok(())
}

fn copy_tree(from: &Path, to: &Path) -> anyhow::Result<()> {
    copy_files(from, to, &|_| true)?;
    for folder in entries(from, |path| path.is_dir())? {
        let name = folder.file_name().context("a folder has a name")?;
        if SPARED.iter().all(|spared| name != *spared) {
            copy_tree(&folder, &to.join(name))?;
        }
    }
    Ok(())
}

fn copy_files(from: &Path, to: &Path, wanted: &dyn Fn(&Path) -> bool) -> anyhow::Result<()> {
    fs_err::create_dir_all(to)?;
    for file in entries(from, |path| path.is_file() && wanted(path))? {
        fs_err::copy(&file, to.join(file.file_name().context("a file has a name")?))?;
    }
    Ok(())
}

fn entries(folder: &Path, wanted: impl Fn(&Path) -> bool) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs_err::read_dir(folder)? {
        let path = entry?.path();
        if wanted(&path) {
            found.push(path);
        }
    }
    Ok(found)
}

#[cfg(test)]
#[path = "ask_tests.rs"]
mod tests;
