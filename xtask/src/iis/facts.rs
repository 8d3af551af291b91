//! What is asked of a real IIS: facts that no public source settles and that Holdall depends on.
//!
//! Each has a few possible answers. As long as nobody has asked, all of them count as possible, and what is built on
//! IIS has to hold whichever is true.

/// The answer as long as nobody has asked.
pub const UNKNOWN: &str = "unknown";

/// One question to IIS.
#[derive(Debug)]
pub struct Fact {
    /// Its name, in code and in `tests/lab/facts.toml`.
    pub id: &'static str,
    pub question: &'static str,
    /// What of Holdall it touches.
    pub matters: &'static str,
    /// How it is asked.
    pub asked: &'static str,
    pub answers: &'static [&'static str],
}

/// All facts, in the order in which they are written.
pub const FACTS: [Fact; 35] = [
    Fact {
        id: "pipe.end",
        question: "which end of the pipe is the process's standard input?",
        matters: "the bridge connects and disconnects a server end itself; a client end it only reads and writes",
        asked: "GetNamedPipeInfo in a process that IIS started",
        answers: &["server", "client"],
    },
    Fact {
        id: "pipe.handle",
        question: "is that handle overlapped or synchronous?",
        matters: "a synchronous handle does one thing at a time: a pending read holds up every write",
        asked: "NtQueryInformationFile, FileModeInformation",
        answers: &["overlapped", "synchronous"],
    },
    Fact {
        id: "pipe.connected",
        question: "is somebody connected when the process starts?",
        matters: "reading before that fails at once",
        asked: "what the first ConnectNamedPipe of a server end says; a client end always is connected",
        answers: &["connected", "not-yet"],
    },
    Fact {
        id: "child.stdout",
        question: "what is the process's standard output?",
        matters: "one print() into the pipe would break the protocol; NULL and invalid handles are told apart by some",
        asked: "GetStdHandle in the process",
        answers: &["invalid", "none", "the-pipe", "something-else"],
    },
    Fact {
        id: "child.stderr",
        question: "what is the process's standard error?",
        matters: "whether a traceback of Python's own goes anywhere",
        asked: "GetStdHandle in the process",
        answers: &["invalid", "none", "the-pipe", "something-else"],
    },
    Fact {
        id: "child.job",
        question: "does the process start inside a job object?",
        matters: "what it starts in turn ends with the pool's worker",
        asked: "IsProcessInJob in the process",
        answers: &["in-a-job", "free"],
    },
    Fact {
        id: "params.path",
        question: "with a handler for `*`, which parameters hold the whole path?",
        matters: "SCRIPT_NAME and PATH_INFO are put right by rules of the bridge",
        asked: "the parameters of GET /one/two",
        answers: &["both", "path-info", "script-name", "neither"],
    },
    Fact {
        id: "params.non-ascii",
        question: "how do characters beyond ASCII arrive in PATH_INFO?",
        matters: "what is lost there is restored from another parameter",
        asked: "the bytes of PATH_INFO of GET /gr%C3%BCn/%E6%97%A5",
        answers: &["utf-8", "code-page", "percent-encoded", "something-else"],
    },
    Fact {
        id: "params.request-uri",
        question: "is REQUEST_URI still percent-encoded?",
        matters: "it is what lost characters are restored from",
        asked: "REQUEST_URI of GET /gr%C3%BCn/%E6%97%A5",
        answers: &["encoded", "decoded", "absent"],
    },
    Fact {
        id: "params.chunked-length",
        question: "what is CONTENT_LENGTH of a request whose body comes in chunks?",
        matters: "Django takes a missing length as an empty body",
        asked: "POST with Transfer-Encoding: chunked",
        answers: &["minus-one", "empty", "absent", "the-length", "something-else"],
    },
    Fact {
        id: "params.remote-user",
        question: "what is REMOTE_USER for an anonymous visitor?",
        matters: "an application must not take it for a name",
        asked: "the parameters of an anonymous request",
        answers: &["empty", "absent", "a-name"],
    },
    Fact {
        id: "request.hang-up",
        question: "what does the process see when the visitor leaves in the middle of an answer?",
        matters: "whether work for nobody can be stopped, and whether the process survives it",
        asked: "a request whose connection is closed while it is answered; the next one tells",
        answers: &["abort-record", "pipe-closed", "process-ended", "nothing"],
    },
    Fact {
        id: "answer.streamed",
        question: "does an answer stream when responseBufferLimit is 0?",
        matters: "pages that are sent piece by piece",
        asked: "an answer with a pause of two seconds in it",
        answers: &["at-once", "held-back"],
    },
    Fact {
        id: "filter.plus",
        question: "does a `+` in the path reach the handler by default?",
        matters: "request filtering has to be opened for Django's URLs",
        asked: "GET /a+b",
        answers: &["passed", "refused"],
    },
    Fact {
        id: "filter.percent-2b",
        question: "does a `%2B` in the path reach the handler by default?",
        matters: "request filtering has to be opened for Django's URLs",
        asked: "GET /a%2Bb",
        answers: &["passed", "refused"],
    },
    Fact {
        id: "full-path.case",
        question: "is the case of letters compared between a handler's scriptProcessor and a FastCGI fullPath?",
        matters: "both are written from one string, but a person may edit one",
        asked: "a handler that names the program in capitals",
        answers: &["ignored", "compared"],
    },
    Fact {
        id: "full-path.variables",
        question: "are %VARIABLES% of fullPath expanded before it is compared with scriptProcessor?",
        matters: "whether an entry made by hand and one made by Holdall are the same",
        asked: "an application below %SystemDrive%, a handler that names the drive",
        answers: &["expanded", "literal"],
    },
    Fact {
        id: "full-path.blanks",
        question: "how must a fullPath with blanks be written?",
        matters: "a release may lie below a folder with a blank",
        asked: "a program in such a folder, bare and in double quotes",
        answers: &["bare", "quoted", "both", "neither"],
    },
    Fact {
        id: "edit.itself",
        question: "do a FastCGI application's processes restart when its own attributes are edited?",
        matters: "what `apply` does to a site that serves",
        asked: "process ids before and after its idleTimeout is changed",
        answers: &["restarted", "kept"],
    },
    Fact {
        id: "edit.others",
        question: "do its processes restart when another FastCGI application is added?",
        matters: "each release is an application of its own: registering one must not disturb the site that serves",
        asked: "process ids before and after another one is added",
        answers: &["restarted", "kept"],
    },
    Fact {
        id: "sites.processes",
        question: "do two sites of one pool share the processes of a FastCGI application?",
        matters: "a release is warmed behind a staging site: does the real one then get warm processes?",
        asked: "process ids by way of two sites, with one process allowed",
        answers: &["shared", "own"],
    },
    Fact {
        id: "switch.processes",
        question: "does a change of a site's physicalPath restart its processes?",
        matters: "the switch to a new release is such a change",
        asked: "process ids before and after it",
        answers: &["kept", "restarted"],
    },
    Fact {
        id: "switch.delay",
        question: "is the new folder served as soon as appcmd has returned?",
        matters: "a probe after the switch must not take the old release's answer for the new one's",
        asked: "a header that each folder's web.config sets, asked for until it is the new one",
        answers: &["at-once", "later"],
    },
    Fact {
        id: "switch.in-flight",
        question: "what becomes of a request that is being answered at a change of physicalPath?",
        matters: "whether visitors notice a deploy",
        asked: "a request of three seconds, with the change in the middle",
        answers: &["finished", "broken"],
    },
    Fact {
        id: "pool.account",
        question: "can a new pool's account be given rights at once?",
        matters: "rights are set right after the pool is made",
        asked: "icacls directly after `add apppool`",
        answers: &["at-once", "later"],
    },
    Fact {
        id: "site.created",
        question: "does a new site start by itself?",
        matters: "whether a deploy has to start it, and whether half of a site can be seen",
        asked: "its state directly after `add site`",
        answers: &["started", "stopped"],
    },
    Fact {
        id: "site.port-taken",
        question: "what becomes of a new site whose binding another one has?",
        matters: "a deploy must not take it for a site that serves",
        asked: "`add site` with the binding of a running one, then its state",
        answers: &["refused", "stopped", "started"],
    },
    Fact {
        id: "site.start-twice",
        question: "is it an error to start a site that runs?",
        matters: "steps of a deploy are repeated after a failure",
        asked: "the exit code of `start site`",
        answers: &["fine", "error"],
    },
    Fact {
        id: "site.stop-twice",
        question: "is it an error to stop a site that is stopped?",
        matters: "steps of a deploy are repeated after a failure",
        asked: "the exit code of the second `stop site`",
        answers: &["fine", "error"],
    },
    Fact {
        id: "appcmd.encoding",
        question: "in which encoding does appcmd write into a pipe?",
        matters: "paths beyond ASCII are read back from it",
        asked: "the bytes of `list vdir /xml` for a folder `grün`",
        answers: &["utf-8", "code-page", "lost"],
    },
    Fact {
        id: "appcmd.nothing-found",
        question: "how does `list` end when no object has the property asked for?",
        matters: "an empty list and a failed command must be told apart",
        asked: "the exit code of `list sites` by an id that no site has",
        answers: &["fine", "error"],
    },
    Fact {
        id: "config.remove-absent",
        question: "may web.config remove a MIME type that is not there?",
        matters: "MIME types are removed before they are added, as servers differ in what they inherit",
        asked: "a request for a file below a web.config that does so",
        answers: &["fine", "error"],
    },
    Fact {
        id: "loaded.delete",
        question: "can a `.pyd` be deleted while a process has it loaded?",
        matters: "old releases are pruned while their processes may still run",
        asked: "deleting `_ctypes.pyd` of the Python that answers",
        answers: &["refused", "done"],
    },
    Fact {
        id: "loaded.overwrite",
        question: "can a loaded `.pyd` be written to?",
        matters: "the reason why a release gets a folder of its own",
        asked: "opening `_ctypes.pyd` of the Python that answers for writing",
        answers: &["refused", "done"],
    },
    Fact {
        id: "loaded.rename-folder",
        question: "can the folder of a loaded `.pyd` be renamed?",
        matters: "the reason why releases are expanded in place and never moved",
        asked: "renaming the Python that answers",
        answers: &["refused", "done"],
    },
];

/// The fact of this name.
pub fn fact(id: &str) -> Option<&'static Fact> {
    FACTS.iter().find(|fact| fact.id == id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fact_has_a_name_of_its_own_and_more_than_one_answer() {
        for (at, fact) in FACTS.iter().enumerate() {
            assert!(fact.answers.len() > 1, "{}", fact.id);
            assert!(!fact.answers.contains(&UNKNOWN), "{}", fact.id);
            assert!(FACTS[..at].iter().all(|other| other.id != fact.id), "{}", fact.id);
        }
    }
}
