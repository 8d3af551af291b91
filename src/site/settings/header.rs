//! What a person may have IIS add to its answers: headers, and kinds of files.

/// Headers that somebody else answers for, and who.
const REFUSED: &[(&str, &str)] = &[
    ("Connection", "HTTP.sys writes it"),
    ("Content-Encoding", "IIS writes it where it compresses"),
    ("Content-Length", "IIS writes it, and a wrong one cuts answers off"),
    ("Content-Type", "it differs from answer to answer: the project and `[static.mimeTypes]` say it"),
    ("Date", "HTTP.sys writes it"),
    ("Keep-Alive", "HTTP.sys writes it"),
    ("Set-Cookie", "every visitor would get the same: the project sets cookies"),
    ("Status", "it is the project's word to IIS"),
    ("Trailer", "HTTP.sys writes it"),
    ("Transfer-Encoding", "HTTP.sys writes it, and a wrong one cuts answers off"),
    ("Upgrade", "HTTP.sys writes it"),
    ("WWW-Authenticate", "IIS writes it: `[authentication]` says who is asked"),
    ("X-Holdall-Process", "Holdall's bridge writes it"),
    ("X-Holdall-Release", "Holdall writes it: `requests.header` says whether"),
];

/// Refuses what is no header, or one that is not a person's to set for all answers.
pub fn check_header(name: &str, value: &str) -> Result<(), &'static str> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err("the name of a header has letters, digits and `-`, and no blanks");
    }
    if let Some((_, why)) = REFUSED.iter().find(|(refused, _)| refused.eq_ignore_ascii_case(name)) {
        return Err(why);
    }
    check_value(value)
}

/// Refuses what would end a header, or be read otherwise by each browser.
pub fn check_value(value: &str) -> Result<(), &'static str> {
    let fits = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
    match !value.is_empty() && value.bytes().all(fits) && value.trim() == value {
        true => Ok(()),
        false => Err("the value of a header is one line of plain ASCII, without blanks around it"),
    }
}

/// Refuses what is no ending of a file, or no kind.
pub fn check_mime(ending: &str, kind: &str) -> Result<(), &'static str> {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_+~".contains(&byte);
    let rest = ending.strip_prefix('.').unwrap_or_default();
    if rest.is_empty() || !rest.bytes().all(letter) {
        return Err("the ending of a file is wanted, with its one dot: \".md\"");
    }
    let is_token = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&byte))
    };
    let essence = kind.split(';').next().unwrap_or_default().trim();
    let is_kind = essence.split_once('/').is_some_and(|(kind, of)| is_token(kind) && is_token(of));
    match is_kind && check_value(kind).is_ok() && !kind.contains('\'') {
        true => Ok(()),
        false => Err("a kind of file is wanted, such as `text/markdown`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_breaks_http_or_is_not_a_persons_to_say_is_refused() {
        for (name, value) in [
            ("X-Frame-Options", "DENY"),
            ("Content-Security-Policy", "default-src 'self'; img-src *, \"x\""),
            ("Cache-Control", "no-store"),
        ] {
            assert_eq!(check_header(name, value), Ok(()), "{name}");
        }
        for (name, value, why) in [
            ("", "x", "the name of a header"),
            ("X Y", "x", "the name of a header"),
            ("X:", "x", "the name of a header"),
            ("X'Y", "x", "the name of a header"),
            ("X-Ü", "x", "the name of a header"),
            ("X", "a\r\nSet-Cookie: b", "one line"),
            ("X", "", "one line"),
            ("X", " a", "one line"),
            ("X", "ü", "one line"),
            ("content-LENGTH", "1", "cuts answers off"),
            ("x-holdall-release", "1", "requests.header"),
        ] {
            assert!(check_header(name, value).unwrap_err().contains(why), "{name}: {value}");
        }
    }

    #[test]
    fn endings_have_a_dot_and_kinds_a_slash() {
        for (ending, kind) in
            [(".md", "text/markdown; charset=utf-8"), (".7z", "application/x-7z-compressed")]
        {
            assert_eq!(check_mime(ending, kind), Ok(()), "{ending}");
        }
        for (ending, kind) in [
            ("md", "text/markdown"),
            (".", "text/markdown"),
            (".tar.gz", "application/gzip"),
            (".a/b", "text/plain"),
            (".a'b", "text/plain"),
            (".md", "markdown"),
            (".md", "text/"),
            (".md", "text/mark down"),
            (".md", "text/a; b='c'"),
        ] {
            assert!(check_mime(ending, kind).is_err(), "{ending}: {kind}");
        }
    }
}
