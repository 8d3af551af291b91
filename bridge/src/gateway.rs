//! What the web server's parameters mean to a WSGI application: where it is mounted, which path is asked for,
//! and whether the visitor came by HTTPS. Web servers differ most here; the rules need no setting.

use std::borrow::Cow;

use crate::protocol::Params;

/// The parts of the environment that are not simply what the web server sent.
#[derive(Debug, PartialEq, Eq)]
pub struct Gateway<'a> {
    pub script_name: Cow<'a, [u8]>,
    pub path_info: Cow<'a, [u8]>,
    pub https: bool,
}

/// Reads them from the parameters.
pub fn gateway(params: &Params) -> Gateway<'_> {
    let script_name = params.value(b"SCRIPT_NAME").unwrap_or_default();
    let decoded = params.value(b"REQUEST_URI").and_then(path_of_uri);
    let (script_name, path_info) = match params.value(b"PATH_INFO") {
        // IIS with `path="*"` gives the whole path in both. What belongs to the mount is known from the
        // application's own place in the metabase.
        Some(path) if is_path_given_twice(params, script_name, path, decoded.as_deref()) => {
            let mount = iis_mount(params.value(b"APPL_MD_PATH").unwrap_or_default());
            match below(path, mount) {
                Some(rest) => (mount, Cow::Borrowed(rest)),
                None => (&b""[..], Cow::Borrowed(path)),
            }
        }
        Some(path) => (script_name, Cow::Borrowed(path)),
        None => absent_path(params, script_name, decoded.as_deref()),
    };
    let path_info = match decoded {
        Some(decoded) if has_lost_characters(&path_info) => restored(decoded, script_name, path_info),
        _ => path_info,
    };
    // A mount at the root is no mount; with the slash kept every path would begin with two.
    let script_name = script_name.strip_suffix(b"/").unwrap_or(script_name);
    Gateway { script_name: Cow::Borrowed(script_name), path_info, https: is_https(params) }
}

/// What was asked, for the log. Query strings stay out of it: they may hold secrets.
pub fn question(params: &Params) -> String {
    let method = params.value(b"REQUEST_METHOD").unwrap_or(b"GET");
    let path = gateway(params);
    format!(
        "{} {}{}",
        method.escape_ascii(),
        String::from_utf8_lossy(&path.script_name).escape_debug(),
        String::from_utf8_lossy(&path.path_info).escape_debug()
    )
}

/// Whether a parameter may appear in the environment under its own name.
pub fn is_passed_on(name: &[u8], value: &[u8]) -> bool {
    match name {
        // PEP 3333: these are never empty; nginx's are where it has no server_name, or listens at a unix socket.
        b"REQUEST_METHOD" | b"SERVER_NAME" | b"SERVER_PORT" | b"SERVER_PROTOCOL" => !value.is_empty(),
        b"" | b"SCRIPT_NAME" | b"PATH_INFO" => false,
        // A visitor's `Proxy:` header would be taken for the proxy setting by what reads CGI variables.
        b"HTTP_PROXY" => false,
        // The unprefixed forms are the real ones.
        b"HTTP_CONTENT_TYPE" | b"HTTP_CONTENT_LENGTH" => false,
        // Who a visitor is the web server says, by the names without `HTTP_`. What a visitor sends under such a name is
        // read by some settings as if it were that.
        b"HTTP_REMOTE_USER" | b"HTTP_AUTH_USER" | b"HTTP_LOGON_USER" | b"HTTP_AUTH_TYPE" => false,
        // IIS sends it empty for who was not asked; to be there is to be somebody.
        b"REMOTE_USER" => !value.is_empty(),
        // These keys are the bridge's word to the application, never the web server's.
        _ => !name.starts_with(b"wsgi."),
    }
}

/// Elsewhere `/app/app` may well be a page `/app` of an application at `/app`: the request line tells.
fn is_path_given_twice(params: &Params, script_name: &[u8], path: &[u8], decoded: Option<&[u8]>) -> bool {
    let same = !path.is_empty() && path.eq_ignore_ascii_case(script_name);
    let is_iis = params.value(b"APPL_MD_PATH").is_some();
    same && (is_iis || decoded.is_none_or(|decoded| decoded != [script_name, path].concat()))
}

/// nginx as installed sends no PATH_INFO but the whole path as SCRIPT_NAME (and as DOCUMENT_URI, by which it is
/// known). Others leave an empty PATH_INFO out.
fn absent_path<'a>(
    params: &'a Params,
    script_name: &'a [u8],
    decoded: Option<&[u8]>,
) -> (&'a [u8], Cow<'a, [u8]>) {
    let whole = script_name == b"/" || params.value(b"DOCUMENT_URI").is_some_and(|uri| uri == script_name);
    match decoded {
        _ if whole => (b"", Cow::Borrowed(script_name)),
        Some(decoded) => match below(decoded, script_name) {
            Some(rest) => (script_name, Cow::Owned(rest.to_vec())),
            None => (b"", Cow::Owned(decoded.to_vec())),
        },
        None if script_name.is_empty() => (b"", Cow::Borrowed(b"/")),
        None => (script_name, Cow::Borrowed(b"")),
    }
}

/// `/LM/W3SVC/1/ROOT/app` is mounted at `/app`.
fn iis_mount(metabase: &[u8]) -> &[u8] {
    const ROOT: &[u8] = b"/ROOT";
    let at = metabase.windows(ROOT.len()).position(|part| part.eq_ignore_ascii_case(ROOT));
    at.map_or(&[][..], |at| &metabase[at + ROOT.len()..])
}

/// What is left of `path` below `mount`, whose case does not matter to IIS.
fn below<'a>(path: &'a [u8], mount: &[u8]) -> Option<&'a [u8]> {
    let (front, rest) = path.split_at_checked(mount.len())?;
    let fits = front.eq_ignore_ascii_case(mount) && (rest.is_empty() || rest[0] == b'/');
    fits.then_some(rest)
}

/// The path of a request line, decoded. `None` if it is not one.
fn path_of_uri(uri: &[u8]) -> Option<Vec<u8>> {
    let path = match uri.windows(3).position(|part| part == b"://") {
        // The absolute form names the host in front.
        Some(at) if !uri.starts_with(b"/") => {
            let rest = &uri[at + 3..];
            &rest[rest.iter().position(|byte| *byte == b'/')?..]
        }
        _ => uri,
    };
    let end = path.iter().position(|byte| matches!(byte, b'?' | b'#')).unwrap_or(path.len());
    path.starts_with(b"/").then(|| percent_decoded(&path[..end]))
}

fn percent_decoded(path: &[u8]) -> Vec<u8> {
    let digit = |byte: u8| (byte as char).to_digit(16);
    let mut decoded = Vec::with_capacity(path.len());
    let mut rest = path;
    while let [first, tail @ ..] = rest {
        match (first, tail) {
            (b'%', [high, low, after @ ..]) if let (Some(high), Some(low)) = (digit(*high), digit(*low)) => {
                decoded.push(u8::try_from(high * 16 + low).expect("two hexadecimal digits"));
                rest = after;
            }
            _ => {
                decoded.push(*first);
                rest = tail;
            }
        }
    }
    decoded
}

/// IIS converts paths to the system's code page, and what is not in it to question marks.
fn has_lost_characters(path: &[u8]) -> bool {
    path.iter().any(|byte| !byte.is_ascii() || *byte == b'?')
}

/// The path from REQUEST_URI, if it can be the one whose remains are in `path_info`: after a rewrite it is another.
fn restored<'a>(decoded: Vec<u8>, script_name: &[u8], path_info: Cow<'a, [u8]>) -> Cow<'a, [u8]> {
    match below(&decoded, script_name) {
        Some(rest) if can_be_remains(&path_info, rest) => Cow::Owned(rest.to_vec()),
        _ => path_info,
    }
}

/// Whether `remains` is `whole` with each run of non-ASCII bytes replaced by some other bytes.
fn can_be_remains(remains: &[u8], whole: &[u8]) -> bool {
    let mut pieces = Vec::new();
    for run in whole.chunk_by(|a, b| a.is_ascii() == b.is_ascii()) {
        pieces.push(if run[0].is_ascii() { Some(run) } else { None });
    }
    // A pattern of literals with at least one byte between them, matched from the left: the shortest fit of
    // each literal leaves the most room for the next, and the last one must end the path.
    let mut rest = remains;
    let mut open = false;
    for (nth, piece) in pieces.iter().enumerate() {
        match piece {
            None => open = true,
            Some(literal) if !open => match rest.strip_prefix(*literal) {
                Some(after) => rest = after,
                None => return false,
            },
            Some(literal) => {
                let found = if nth + 1 == pieces.len() {
                    rest.len().checked_sub(literal.len()).filter(|at| *at > 0 && rest.ends_with(literal))
                } else {
                    (1..rest.len()).find(|at| rest[*at..].starts_with(literal))
                };
                let Some(at) = found else { return false };
                rest = &rest[at + literal.len()..];
                open = false;
            }
        }
    }
    if open { !rest.is_empty() } else { rest.is_empty() }
}

/// IIS writes `on`, the manuals `ON`, others `1` or the scheme.
fn is_https(params: &Params) -> bool {
    match params.value(b"HTTPS") {
        Some(value) if !value.is_empty() => !value.eq_ignore_ascii_case(b"off") && value != b"0",
        _ => params.value(b"REQUEST_SCHEME").is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"https")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::protocol::encode;

    fn params(pairs: &[(&str, &[u8])]) -> Params {
        let mut bytes = Vec::new();
        pairs.iter().for_each(|(name, value)| encode::pair(&mut bytes, name.as_bytes(), value));
        Params::parse(bytes).unwrap()
    }

    #[track_caller]
    fn check(pairs: &[(&str, &str)], script_name: &str, path_info: &str) {
        let pairs: Vec<_> = pairs.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
        let params = params(&pairs);
        let found = gateway(&params);
        let found = (String::from_utf8_lossy(&found.script_name), String::from_utf8_lossy(&found.path_info));
        assert_eq!(found, (script_name.into(), path_info.into()));
    }

    #[test]
    fn a_plain_pair_is_left_as_it_is() {
        check(&[("SCRIPT_NAME", ""), ("PATH_INFO", "/a/b")], "", "/a/b");
        check(&[("SCRIPT_NAME", "/app"), ("PATH_INFO", "/a"), ("REQUEST_URI", "/app/a?x=1")], "/app", "/a");
        check(&[("SCRIPT_NAME", "/app"), ("PATH_INFO", "")], "/app", "");
        check(&[("SCRIPT_NAME", "/"), ("PATH_INFO", "/a")], "", "/a");
    }

    #[test]
    fn iis_gives_the_whole_path_twice_and_the_mount_in_the_metabase_path() {
        let root = ("APPL_MD_PATH", "/LM/W3SVC/1/ROOT");
        let app = ("APPL_MD_PATH", "/LM/W3SVC/1/ROOT/app");
        check(&[("SCRIPT_NAME", "/a/b"), ("PATH_INFO", "/a/b"), root], "", "/a/b");
        check(&[("SCRIPT_NAME", "/a/b"), ("PATH_INFO", "/A/b")], "", "/A/b");
        check(&[("SCRIPT_NAME", "/App/b"), ("PATH_INFO", "/App/b"), app], "/app", "/b");
        check(&[("SCRIPT_NAME", "/app"), ("PATH_INFO", "/app"), app], "/app", "");
        check(&[("SCRIPT_NAME", "/apple"), ("PATH_INFO", "/apple"), app], "", "/apple");
    }

    #[test]
    fn a_page_named_as_its_mount_is_no_path_given_twice() {
        let (name, path) = (("SCRIPT_NAME", "/app"), ("PATH_INFO", "/app"));
        check(&[name, path, ("REQUEST_URI", "/app/app?x")], "/app", "/app");
        check(&[name, path, ("REQUEST_URI", "/app?x")], "", "/app");
        check(&[name, path, ("REQUEST_URI", "/app/app"), ("APPL_MD_PATH", "/LM/W3SVC/1/ROOT")], "", "/app");
    }

    #[test]
    fn an_absent_path_comes_from_the_request_line() {
        check(&[], "", "/");
        check(&[("REQUEST_URI", "/caf%C3%A9/?q=%20")], "", "/café/");
        check(&[("SCRIPT_NAME", "/app"), ("REQUEST_URI", "/app/x%20y")], "/app", "/x y");
        check(&[("SCRIPT_NAME", "/app"), ("REQUEST_URI", "/app")], "/app", "");
        check(&[("SCRIPT_NAME", "/a"), ("DOCUMENT_URI", "/a"), ("REQUEST_URI", "/a")], "", "/a");
        check(&[("SCRIPT_NAME", "/"), ("REQUEST_URI", "/")], "", "/");
        check(&[("REQUEST_URI", "http://host/x?y")], "", "/x");
    }

    #[test]
    fn characters_lost_to_a_code_page_are_restored_from_the_request_line() {
        let uri = ("REQUEST_URI", "/%D0%BF%D1%83%D1%82%D1%8C/%25?q=1");
        check(&[("SCRIPT_NAME", "/????/%"), ("PATH_INFO", "/????/%"), uri], "", "/путь/%");
        check(&[("SCRIPT_NAME", ""), ("PATH_INFO", "/путь/%"), uri], "", "/путь/%");
        check(&[("SCRIPT_NAME", ""), ("PATH_INFO", "/other/????"), uri], "", "/other/????");
        let params = params(&[("PATH_INFO", b"/caf\xe9"), ("REQUEST_URI", b"/caf%C3%A9")]);
        assert_eq!(&*gateway(&params).path_info, "/café".as_bytes());
    }

    #[test]
    fn https_is_read_without_regard_to_case() {
        for (value, expected) in
            [("on", true), ("ON", true), ("1", true), ("off", false), ("OFF", false), ("", false)]
        {
            assert_eq!(gateway(&params(&[("HTTPS", value.as_bytes())])).https, expected, "{value}");
        }
        assert!(gateway(&params(&[("REQUEST_SCHEME", b"https")])).https);
    }

    #[test]
    fn what_can_never_be_empty_is_left_to_the_bridge_when_it_is() {
        for name in ["REQUEST_METHOD", "SERVER_NAME", "SERVER_PORT", "SERVER_PROTOCOL"] {
            assert!(is_passed_on(name.as_bytes(), b"x") && !is_passed_on(name.as_bytes(), b""), "{name}");
        }
    }

    #[test]
    fn nobody_says_who_they_are_by_a_header() {
        for name in ["HTTP_REMOTE_USER", "HTTP_AUTH_USER", "HTTP_LOGON_USER", "HTTP_AUTH_TYPE"] {
            assert!(!is_passed_on(name.as_bytes(), b"EXAMPLE\\admin"), "{name}");
        }
        assert!(is_passed_on(b"REMOTE_USER", b"EXAMPLE\\ann") && !is_passed_on(b"REMOTE_USER", b""));
    }

    #[test]
    fn parameters_cannot_take_the_place_of_the_bridges_own_keys() {
        for name in ["wsgi.url_scheme", "wsgi.input", "HTTP_PROXY", "", "HTTP_CONTENT_LENGTH"] {
            assert!(!is_passed_on(name.as_bytes(), b"x"), "{name}");
        }
        assert!(is_passed_on(b"HTTP_HOST", b"") && is_passed_on(b"CONTENT_LENGTH", b""));
    }
}
