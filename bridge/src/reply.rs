//! The answer of an application: status and headers checked and turned into bytes, sent with the first piece of
//! body, and what is known of the body's length held against what comes.

use crate::exchange::{Exchange, Unwanted};

/// Status and headers, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    bytes: Vec<u8>,
    status: u16,
    length: Option<u64>,
}

/// Why a head cannot be sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    #[error("status {0:?} is not three digits and a reason")]
    Status(String),
    #[error("header name {0:?} is not a token")]
    Name(String),
    #[error("value of header {0:?} has a control character: a line break there would start another header")]
    Control(String),
    #[error("{0} has a character outside latin-1")]
    NotLatin1(String),
}

impl Head {
    /// Begins with a status such as `404 Not Found`.
    pub fn new(status: &str) -> Result<Head, HeadError> {
        let wrong = || HeadError::Status(status.to_owned());
        let digits = status.get(..3).ok_or_else(wrong)?;
        let number: u16 = digits.parse().map_err(|_| wrong())?;
        let separated = matches!(status.as_bytes().get(3), None | Some(b' '));
        if !(100..1000).contains(&number) || !separated || has_control(status) {
            return Err(wrong());
        }
        let mut bytes = b"Status: ".to_vec();
        push_latin1(&mut bytes, status, "the status")?;
        bytes.extend_from_slice(b"\r\n");
        Ok(Head { bytes, status: number, length: None })
    }

    /// Adds a header. Those that belong to the web server's own connection are left out, and so is `Status`,
    /// which the first line has said already.
    pub fn push(&mut self, name: &str, value: &str) -> Result<(), HeadError> {
        if name.is_empty() || !name.bytes().all(is_token) {
            return Err(HeadError::Name(name.to_owned()));
        }
        if has_control(value) {
            return Err(HeadError::Control(name.to_owned()));
        }
        if NOT_OURS.iter().any(|taken| taken.eq_ignore_ascii_case(name)) {
            return Ok(());
        }
        if name.eq_ignore_ascii_case("Content-Length") {
            self.length = value.trim().parse().ok();
        }
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.extend_from_slice(b": ");
        push_latin1(&mut self.bytes, value, "a header")?;
        self.bytes.extend_from_slice(b"\r\n");
        Ok(())
    }

    /// Answers of these statuses have no body, and no length of one.
    fn is_bodiless(&self) -> bool {
        matches!(self.status, 100..200 | 204 | 304)
    }

    /// As far as the application said: `200 OK`.
    pub fn status_line(&self) -> String {
        let line = self.bytes.split(|byte| *byte == b'\r').next().unwrap_or_default();
        line[b"Status: ".len()..].iter().map(|byte| *byte as char).collect()
    }
}

const NOT_OURS: [&str; 9] = [
    "Status",
    "Connection",
    "Keep-Alive",
    "Proxy-Authenticate",
    "Proxy-Authorization",
    "TE",
    "Trailer",
    "Transfer-Encoding",
    "Upgrade",
];

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn has_control(text: &str) -> bool {
    text.bytes().any(|byte| byte == 0x7f || (byte < 0x20 && byte != b'\t'))
}

fn push_latin1(out: &mut Vec<u8>, text: &str, what: &str) -> Result<(), HeadError> {
    if text.is_ascii() {
        out.extend_from_slice(text.as_bytes());
        return Ok(());
    }
    for character in text.chars() {
        out.push(u8::try_from(character).map_err(|_| HeadError::NotLatin1(what.to_owned()))?);
    }
    Ok(())
}

/// Why a piece of an answer did not go out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplyError {
    #[error("the application gave a body before it called start_response")]
    NoHead,
    #[error("the application gave more than the {0} bytes of its Content-Length")]
    TooLong(u64),
    #[error(transparent)]
    Unwanted(#[from] Unwanted),
}

/// How far an answer has got.
#[derive(Debug, Default)]
pub struct Reply {
    head: Option<Head>,
    sent: bool,
    written: u64,
    /// The question was HEAD.
    head_only: bool,
}

impl Reply {
    pub fn new(head_only: bool) -> Reply {
        Reply { head_only, ..Reply::default() }
    }

    /// Whether the headers have left, so that no others can.
    pub fn is_sent(&self) -> bool {
        self.sent
    }

    /// Whether there is a head, sent or not.
    pub fn has_head(&self) -> bool {
        self.head.is_some()
    }

    pub fn status_line(&self) -> Option<String> {
        self.head.as_ref().map(Head::status_line)
    }

    /// Sets or replaces the head. Only possible until it is sent.
    pub fn set_head(&mut self, head: Head) {
        self.head = Some(head);
    }

    /// Sends a piece of body, the head in front of the first one. Empty pieces wait for one that is not.
    pub fn send(&mut self, exchange: &mut Exchange, body: &[u8]) -> Result<(), ReplyError> {
        if body.is_empty() {
            return if self.head.is_some() { Ok(()) } else { Err(ReplyError::NoHead) };
        }
        self.pass(exchange, body, false)
    }

    /// Sends the only or the last piece, which may be empty, and ends the request. An answer that was given
    /// whole gets its length, if it has none.
    pub fn send_last(&mut self, exchange: &mut Exchange, body: &[u8]) -> Result<(), ReplyError> {
        let length = body.len().to_string();
        if let Some(head) = &mut self.head
            && !self.sent
            && !self.head_only
            && head.length.is_none()
            && !head.is_bodiless()
        {
            head.push("Content-Length", &length).expect("digits are a fit value");
        }
        self.pass(exchange, body, true)
    }

    /// Ends a request whose pieces have all been sent.
    pub fn end(&mut self, exchange: &mut Exchange) -> Result<(), ReplyError> {
        self.pass(exchange, b"", true)
    }

    /// Bytes that were promised by a Content-Length and never came.
    pub fn missing(&self) -> Option<u64> {
        let head = self.head.as_ref()?;
        let missing = head.length?.checked_sub(self.written)?;
        (missing > 0 && !self.head_only && !head.is_bodiless()).then_some(missing)
    }

    fn pass(&mut self, exchange: &mut Exchange, body: &[u8], last: bool) -> Result<(), ReplyError> {
        let head = self.head.as_mut().ok_or(ReplyError::NoHead)?;
        let mut front = Vec::new();
        if !self.sent {
            front.extend_from_slice(&head.bytes);
            front.extend_from_slice(b"\r\n");
            self.sent = true;
        }
        if self.head_only || head.is_bodiless() {
            return Ok(exchange.send(&front, b"", last)?);
        }
        let allowed = head.length.map_or(u64::MAX, |length| length - self.written.min(length));
        let fitting = usize::try_from(allowed).unwrap_or(usize::MAX).min(body.len());
        self.written += fitting as u64;
        let too_long = fitting < body.len();
        exchange.send(&front, &body[..fitting], last && !too_long)?;
        match head.length {
            // The visitor has the whole answer as announced; the application hears of its mistake.
            Some(length) if too_long => Err(ReplyError::TooLong(length)),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[track_caller]
    fn check(status: &str, headers: &[(&str, &str)], expected: Result<&[u8], HeadError>) {
        let head = Head::new(status).and_then(|mut head| {
            headers.iter().try_for_each(|(name, value)| head.push(name, value))?;
            Ok(head)
        });
        assert_eq!(head.as_ref().map(|head| &head.bytes[..]).map_err(Clone::clone), expected);
    }

    #[test]
    fn a_head_is_written_in_cgi_form() {
        check(
            "200 OK",
            &[("A-b", "c"), ("Set-Cookie", "é")],
            Ok(b"Status: 200 OK\r\nA-b: c\r\nSet-Cookie: \xe9\r\n"),
        );
        check("204", &[], Ok(b"Status: 204\r\n"));
    }

    #[test]
    fn headers_of_the_web_servers_own_connection_are_left_out() {
        check(
            "200 OK",
            &[("connection", "close"), ("STATUS", "500"), ("X", "1")],
            Ok(b"Status: 200 OK\r\nX: 1\r\n"),
        );
    }

    #[test]
    fn a_head_that_could_smuggle_another_is_refused() {
        for status in ["", "20", "abc d", "200OK", "200 OK\r\nX: y", "099 x", "+20 x", "2é0"] {
            check(status, &[], Err(HeadError::Status(status.to_owned())));
        }
        check("200 OK", &[("a b", "")], Err(HeadError::Name("a b".to_owned())));
        check("200 OK", &[("", "")], Err(HeadError::Name(String::new())));
        check("200 OK", &[("X", "a\r\nY: b")], Err(HeadError::Control("X".to_owned())));
        check("200 OK", &[("X", "a\0")], Err(HeadError::Control("X".to_owned())));
        check("200 OK", &[("X", "€")], Err(HeadError::NotLatin1("a header".to_owned())));
    }
}
