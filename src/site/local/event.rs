//! What the embedded server tells while it runs. Whoever started it decides what to show.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

/// Hears of events; called from many tasks at once.
pub type Listener = Arc<dyn Fn(Event) + Send + Sync>;

#[derive(Debug, Clone, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A request is over.
    Request(Request),
    /// A process wrote a line, to standard output or error, or as FastCGI has it.
    Output { process: u32, line: String },
    /// A process that had served, or could have, ended without being asked to.
    Ended { process: u32, how: String },
    /// A process ended before it could serve; `output` is the end of what it wrote.
    NotStarting { process: u32, how: String, output: Vec<String> },
    /// A process did something that its web server cannot pass on.
    Fault { process: u32, what: String },
}

/// One request, after its last byte.
#[derive(Debug, Clone, Serialize)]
pub struct Request {
    pub method: String,
    /// Path and query as the client sent them.
    pub path: String,
    /// Absent when the client left before there was an answer.
    pub status: Option<u16>,
    /// Bytes of the body that were handed to the client.
    pub bytes: u64,
    #[serde(rename = "ms", serialize_with = "milliseconds")]
    pub elapsed: Duration,
}

fn milliseconds<S: serde::Serializer>(elapsed: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX))
}

/// One line, safe for a terminal: nothing a client or a process wrote can move the cursor.
impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::Request(Request { method, path, status, bytes, elapsed }) => {
                let status = status.map_or_else(|| "gone".to_owned(), |status| status.to_string());
                write!(f, "{method} {} {status} {bytes} {} ms", Printable(path), elapsed.as_millis())
            }
            Event::Output { process, line } => write!(f, "[{process}] {}", Printable(line)),
            Event::Ended { process, how } => {
                write!(f, "process {process} ended ({how}); another takes its place")
            }
            Event::NotStarting { process, how, .. } => {
                write!(f, "process {process} did not start ({how}); it is tried again")
            }
            Event::Fault { process, what } => write!(f, "process {process}: {}", Printable(what)),
        }
    }
}

/// A text with its control characters escaped.
pub struct Printable<'a>(pub &'a str);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Marks that turn the writing direction can make one line pass for another.
        let turns = |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        self.0.chars().try_for_each(|c| match c {
            '\t' => f.write_str("\t"),
            c if c.is_control() || turns(c) => write!(f, "{}", c.escape_default()),
            c => write!(f, "{c}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_cannot_act_on_the_terminal() {
        let event = Event::Output { process: 7, line: "a\u{1b}[2Jb\r\nü\u{202e}".to_owned() };
        assert_eq!(event.to_string(), "[7] a\\u{1b}[2Jb\\r\\nü\\u{202e}");
    }

    #[test]
    fn a_request_is_one_line_for_people_and_one_object_for_machines() {
        let request = Request {
            method: "GET".to_owned(),
            path: "/a?b".to_owned(),
            status: Some(200),
            bytes: 12,
            elapsed: Duration::from_micros(3500),
        };
        let event = Event::Request(request);
        assert_eq!(event.to_string(), "GET /a?b 200 12 3 ms");
        assert_eq!(
            serde_json::to_string(&event).unwrap(),
            r#"{"event":"request","method":"GET","path":"/a?b","status":200,"bytes":12,"ms":3}"#
        );
    }
}
