//! Status and headers of an answer, checked and turned into the bytes of a CGI head (section 6.2 of the FastCGI text).

/// Status and headers, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    pub(crate) bytes: Vec<u8>,
    status: u16,
    pub(crate) length: Option<u64>,
    /// The web server takes the body from elsewhere, so the length is not that of the application's.
    pub(crate) elsewhere: bool,
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
    #[error("Content-Length {0:?} is no number of bytes")]
    Length(String),
    #[error("two headers give different Content-Lengths, {0} and {1}")]
    Lengths(u64, u64),
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
        Ok(Head { bytes, status: number, length: None, elsewhere: false })
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
        if name.eq_ignore_ascii_case("Content-Length") && !self.has_fit_length(value)? {
            return Ok(());
        }
        self.elsewhere |= ELSEWHERE.iter().any(|header| header.eq_ignore_ascii_case(name));
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.extend_from_slice(b": ");
        push_latin1(&mut self.bytes, value, "a header")?;
        self.bytes.extend_from_slice(b"\r\n");
        Ok(())
    }

    /// Takes a length, and says whether it is to be sent.
    fn has_fit_length(&mut self, value: &str) -> Result<bool, HeadError> {
        let digits = value.trim_matches([' ', '\t']);
        let length =
            if digits.bytes().all(|byte| byte.is_ascii_digit()) { digits.parse().ok() } else { None };
        let length: u64 = length.ok_or_else(|| HeadError::Length(value.to_owned()))?;
        match self.length.replace(length) {
            Some(other) if other != length => Err(HeadError::Lengths(other, length)),
            // Once is enough; and RFC 9110, section 8.6, has no length beside these statuses.
            before => Ok(before.is_none() && !matches!(self.status, 100..200 | 204)),
        }
    }

    /// Answers of these statuses have no body, and no length of one.
    pub(crate) fn is_bodiless(&self) -> bool {
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

/// Headers by which the web server sends a file instead.
const ELSEWHERE: [&str; 3] = ["X-Accel-Redirect", "X-Sendfile", "X-LIGHTTPD-send-file"];

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
    fn one_length_is_sent_and_none_where_there_can_be_no_body() {
        let twice = [("Content-Length", "5"), ("Content-Length", "5")];
        check("200 OK", &twice, Ok(b"Status: 200 OK\r\nContent-Length: 5\r\n"));
        check("204 No Content", &twice, Ok(b"Status: 204 No Content\r\n"));
        check("304 Same", &twice, Ok(b"Status: 304 Same\r\nContent-Length: 5\r\n"));
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
        for length in ["", "-1", "+5", "5, 5", "1e3", "99999999999999999999999"] {
            check("200 OK", &[("Content-Length", length)], Err(HeadError::Length(length.to_owned())));
        }
        check("200 OK", &[("Content-Length", "5"), ("content-length", "6")], Err(HeadError::Lengths(5, 6)));
        check("200 OK", &[("X", "€")], Err(HeadError::NotLatin1("a header".to_owned())));
    }
}
