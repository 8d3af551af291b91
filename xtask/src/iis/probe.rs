//! What `tests/lab/iis/probe.py` told, and what of it answers which fact. Nothing here asks anything.

use anyhow::{Context as _, ensure};
use serde_json::Value;

use super::http::Answer;

/// The target whose path has characters beyond ASCII: one that a western code page has, two that it has not.
pub const NON_ASCII: &str = "/gr%C3%BCn/%E6%97%A5";
const NON_ASCII_DECODED: &str = "/grün/日";

/// The probe's words in one answer.
#[derive(Debug, Clone)]
pub struct Told(Value);

impl Told {
    /// The JSON of an answer; whatever precedes its first brace is padding of a streamed answer.
    pub fn new(answer: &Answer) -> anyhow::Result<Told> {
        let start = answer.body.iter().position(|byte| *byte == b'{');
        ensure!(answer.status == 200, "status {}: {}", answer.status, beginning(&answer.body));
        let text = &answer.body[start.with_context(|| format!("no JSON: {}", beginning(&answer.body)))?..];
        Ok(Told(serde_json::from_slice(text).context("the probe's answer is no JSON")?))
    }

    pub fn process(&self) -> u64 {
        self.0["pid"].as_u64().unwrap_or(0)
    }

    /// The word by which applications with the same probe are told apart.
    pub fn name(&self) -> Option<&str> {
        self.0["arguments"][0].as_str()
    }

    /// A part of the answer as text, for people.
    pub fn show(&self, key: &str) -> String {
        self.0[key].to_string()
    }

    /// A parameter, its bytes as latin-1.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.0["params"][name].as_str()
    }

    /// A parameter as people read it.
    pub fn show_param(&self, name: &str) -> String {
        match self.param(name) {
            Some(value) => format!("{name} = {value:?}"),
            None => format!("no {name}"),
        }
    }

    pub fn pipe_end(&self) -> Option<&'static str> {
        match self.0["stdin"]["pipe"]["end"].as_str()? {
            "server" => Some("server"),
            "client" => Some("client"),
            _ => None,
        }
    }

    pub fn pipe_handle(&self) -> Option<&'static str> {
        Some(if self.0["stdin"]["synchronous"].as_bool()? { "synchronous" } else { "overlapped" })
    }

    /// 535 is ERROR_PIPE_CONNECTED.
    pub fn connected(&self) -> Option<&'static str> {
        let first = self.0["connect"].as_u64();
        match self.pipe_end()? {
            "client" => Some("connected"),
            _ => Some(if first? == 535 { "connected" } else { "not-yet" }),
        }
    }

    /// `stream` is `stdout` or `stderr`.
    pub fn standard(&self, stream: &str) -> Option<&'static str> {
        let handle = self.0[stream]["handle"].as_i64()?;
        Some(match handle {
            -1 => "invalid",
            0 => "none",
            _ if Some(handle) == self.0["stdin"]["handle"].as_i64() => "the-pipe",
            _ if self.0[stream]["pipe"].is_object() => "the-pipe",
            _ => "something-else",
        })
    }

    pub fn job(&self) -> Option<&'static str> {
        Some(if self.0["in_job"].as_bool()? { "in-a-job" } else { "free" })
    }

    /// For the path that was asked for.
    pub fn path(&self, asked: &str) -> &'static str {
        match (self.param("PATH_INFO") == Some(asked), self.param("SCRIPT_NAME") == Some(asked)) {
            (true, true) => "both",
            (true, false) => "path-info",
            (false, true) => "script-name",
            (false, false) => "neither",
        }
    }

    /// For [`NON_ASCII`].
    pub fn non_ascii(&self) -> &'static str {
        let bytes = latin_1(self.param("PATH_INFO").unwrap_or(""));
        match bytes {
            bytes if bytes == NON_ASCII_DECODED.as_bytes() => "utf-8",
            bytes if bytes.eq_ignore_ascii_case(NON_ASCII.as_bytes()) => "percent-encoded",
            // Windows-1252, the OEM code pages of the West, or one that has neither character.
            bytes if [&b"/gr\xFCn/?"[..], b"/gr\x81n/?", b"/gr?n/?"].contains(&bytes.as_slice()) => {
                "code-page"
            }
            _ => "something-else",
        }
    }

    /// For [`NON_ASCII`].
    pub fn request_uri(&self) -> &'static str {
        match self.param("REQUEST_URI") {
            None | Some("") => "absent",
            Some(uri) if uri.to_ascii_uppercase().contains("%C3%BC") => "encoded",
            Some(_) => "decoded",
        }
    }

    /// For a body of four bytes in one chunk.
    pub fn chunked_length(&self) -> &'static str {
        match self.param("CONTENT_LENGTH") {
            None => "absent",
            Some("") => "empty",
            // Where a number without a sign is meant, it is written so.
            Some("-1" | "4294967295") => "minus-one",
            Some("4") => "the-length",
            Some(_) => "something-else",
        }
    }

    pub fn remote_user(&self) -> &'static str {
        match self.param("REMOTE_USER") {
            None => "absent",
            Some("") => "empty",
            Some(_) => "a-name",
        }
    }

    /// What became of the visitor who left: told by the answer after it, which comes from `self`.
    pub fn hang_up(&self, process_before: u64) -> Option<&'static str> {
        if self.process() != process_before {
            return Some("process-ended");
        }
        match &self.0["watched"] {
            Value::Array(_) => Some("pipe-closed"),
            Value::String(seen) if seen == "abort-record" => Some("abort-record"),
            Value::String(_) => Some("nothing"),
            _ => None,
        }
    }
}

/// What appcmd wrote of a folder `grün`.
pub fn encoding(bytes: &[u8]) -> &'static str {
    let has = |wanted: &[u8]| bytes.windows(wanted.len()).any(|window| window == wanted);
    match () {
        () if has("grün".as_bytes()) => "utf-8",
        () if has(b"gr\x81n") || has(b"gr\xFCn") => "code-page",
        () => "lost",
    }
}

fn latin_1(text: &str) -> Vec<u8> {
    text.chars().map(|character| u8::try_from(u32::from(character)).unwrap_or(b'?')).collect()
}

/// The words of an answer. IIS's own pages begin with much that is for browsers alone.
fn beginning(body: &[u8]) -> String {
    let page = String::from_utf8_lossy(body);
    let mut words = String::new();
    // The pieces between `<` and `<`, each with a tag in front of its words.
    let mut in_style = false;
    for (number, piece) in page.split('<').enumerate() {
        let (tag, text) =
            if number == 0 { ("", piece) } else { piece.split_once('>').unwrap_or((piece, "")) };
        in_style = tag.starts_with("style") || (in_style && !tag.starts_with("/style"));
        if !in_style {
            words.extend(text.split_whitespace().flat_map(|word| [word, " "]));
        }
    }
    words.trim().chars().take(1000).collect::<String>().escape_debug().to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(value: Value) -> Told {
        Told(value)
    }

    fn params(params: Value) -> Told {
        told(json!({ "params": params }))
    }

    #[test]
    fn a_padded_answer_is_read_and_an_error_page_is_shown() {
        let answer = |status, body: &str| Answer { status, headers: Vec::new(), body: body.into() };
        assert_eq!(Told::new(&answer(200, "\n\n{\"pid\": 7}")).unwrap().process(), 7);
        let page = "<!DOCTYPE html><style type=\"text/css\">body { margin: 0 }</style>\r\n<h2>Error Code</h2> 0x80070585\r\n";
        let error = Told::new(&answer(500, page)).unwrap_err().to_string();
        assert_eq!(error, "status 500: Error Code 0x80070585");
    }

    // As Wine's process told it, by either end and either kind of handle.
    #[test]
    fn both_ends_and_both_kinds_of_handle_are_told_apart() {
        let stdin = |end: &str, synchronous: bool| json!({ "handle": 96, "type": 3, "synchronous": synchronous, "pipe": { "end": end } });
        let early = told(json!({ "stdin": stdin("server", true), "connect": 535 }));
        assert_eq!(early.pipe_end(), Some("server"));
        assert_eq!((early.pipe_handle(), early.connected()), (Some("synchronous"), Some("connected")));
        let late = told(json!({ "stdin": stdin("server", false), "connect": 997 }));
        assert_eq!((late.pipe_handle(), late.connected()), (Some("overlapped"), Some("not-yet")));
        let client = told(json!({ "stdin": stdin("client", false) }));
        assert_eq!((client.pipe_end(), client.connected()), (Some("client"), Some("connected")));
        let socket = told(json!({ "stdin": { "handle": 96, "type": 3 } }));
        assert_eq!((socket.pipe_end(), socket.pipe_handle(), socket.connected()), (None, None, None));
    }

    #[test]
    fn handles_that_are_none_are_told_from_the_pipe() {
        let standard =
            |stdout: Value| told(json!({ "stdin": { "handle": 96 }, "stdout": stdout })).standard("stdout");
        assert_eq!(standard(json!({ "handle": -1 })), Some("invalid"));
        assert_eq!(standard(json!({ "handle": 0 })), Some("none"));
        assert_eq!(standard(json!({ "handle": 96 })), Some("the-pipe"));
        assert_eq!(standard(json!({ "handle": 100, "pipe": { "end": "client" } })), Some("the-pipe"));
        assert_eq!(standard(json!({ "handle": 100, "type": 2 })), Some("something-else"));
    }

    #[test]
    fn the_path_is_found_wherever_it_is() {
        let path =
            |path, script| params(json!({ "PATH_INFO": path, "SCRIPT_NAME": script })).path("/one/two");
        assert_eq!(path("/one/two", "/one/two"), "both");
        assert_eq!(path("/one/two", ""), "path-info");
        assert_eq!(path("", "/one/two"), "script-name");
        assert_eq!(path("/two", "/one"), "neither");
    }

    #[test]
    fn characters_beyond_ascii_are_known_by_their_bytes() {
        let non_ascii = |path: &str| params(json!({ "PATH_INFO": path })).non_ascii();
        assert_eq!(non_ascii("/gr\u{c3}\u{bc}n/\u{e6}\u{97}\u{a5}"), "utf-8");
        assert_eq!(non_ascii("/gr\u{fc}n/?"), "code-page");
        assert_eq!(non_ascii("/gr%c3%bcn/%e6%97%a5"), "percent-encoded");
        assert_eq!(non_ascii("/else"), "something-else");
        let uri = |uri: &str| params(json!({ "REQUEST_URI": uri })).request_uri();
        assert_eq!(
            (uri("/gr%C3%BCn/%E6%97%A5"), uri("/gr\u{fc}n/?"), uri("")),
            ("encoded", "decoded", "absent")
        );
    }

    #[test]
    fn lengths_and_users_that_are_not_there_are_told_apart() {
        let length = |value: &str| params(json!({ "CONTENT_LENGTH": value })).chunked_length();
        assert_eq!((length("-1"), length(""), length("4")), ("minus-one", "empty", "the-length"));
        assert_eq!((length("0"), params(json!({})).chunked_length()), ("something-else", "absent"));
        let user = |value: &str| params(json!({ "REMOTE_USER": value })).remote_user();
        assert_eq!((user(""), user("IUSR"), params(json!({})).remote_user()), ("empty", "a-name", "absent"));
    }

    #[test]
    fn the_answer_after_a_visitor_has_left_tells_what_was_seen_of_it() {
        let watched = |watched: Value| told(json!({ "pid": 7, "watched": watched })).hang_up(7);
        assert_eq!(watched(json!("abort-record")), Some("abort-record"));
        assert_eq!(watched(json!(["pipe-closed", 109])), Some("pipe-closed"));
        assert_eq!(watched(json!("nothing")), Some("nothing"));
        assert_eq!(watched(Value::Null), None);
        assert_eq!(told(json!({ "pid": 8, "watched": null })).hang_up(7), Some("process-ended"));
    }

    #[test]
    fn the_encoding_of_appcmd_is_known_by_its_bytes() {
        assert_eq!(encoding("C:\\grün".as_bytes()), "utf-8");
        assert_eq!((encoding(b"C:\\gr\x81n"), encoding(b"C:\\gr?n")), ("code-page", "lost"));
    }
}
