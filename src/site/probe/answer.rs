//! What came back, as values: status, the headers that matter, and the first lines of a page as text.

use reqwest::blocking::Response;
use reqwest::header::{LOCATION, SERVER};
use reqwest::tls::TlsInfo;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use rustls::pki_types::{CertificateDer, ServerName};
use std::io::Read as _;
use webpki::EndEntityCert;

use super::{PROCESS, RELEASE};

/// How much of a page is looked at. The page of an error of IIS, and Django's, say what is wrong near their beginning.
const LOOKED_AT: u64 = 64 * 1024;

/// What is quoted of it.
const LINES: usize = 5;
const COLUMNS: usize = 200;

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// Of [`RELEASE`].
    pub release: Option<String>,
    /// Of [`PROCESS`].
    pub process: Option<u32>,
    pub location: Option<String>,
    /// What the program that gave it calls itself.
    pub server: Option<String>,
    /// The first lines that a reader would see.
    pub said: Vec<String>,
    /// Over HTTPS: what the server calls itself.
    pub certificate: Option<Certificate>,
}

/// A server's certificate, whoever issued it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// SHA-1 in upper case, as Windows names certificates.
    pub thumbprint: String,
    /// The hosts that it is for.
    pub names: Vec<String>,
    /// Whether the host that was asked for is one of them.
    pub fits: bool,
}

impl Answer {
    /// Takes the answer in. A page that breaks off is quoted as far as it came.
    pub(super) fn of(response: Response, name: &str) -> Answer {
        let headers = response.headers();
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let certificate = response.extensions().get::<TlsInfo>().and_then(TlsInfo::peer_certificate);
        Answer {
            status: response.status().as_u16(),
            release: text(RELEASE),
            process: text(PROCESS).and_then(|number| number.parse().ok()),
            location: text(LOCATION.as_str()),
            server: text(SERVER.as_str()),
            certificate: certificate.map(|der| Certificate::of(der, name)),
            said: said(response),
        }
    }

    /// Whether not IIS gave it but the part of Windows that takes requests for it, which found no site or pool for them:
    /// HTTP.sys answers by itself then, and says its own name.
    pub fn is_of_windows(&self) -> bool {
        self.server.as_ref().is_some_and(|server| server.starts_with("Microsoft-HTTPAPI/"))
    }

    /// Whether neither a release nor IIS gave it, but a program that says another name. IIS says its own unless somebody
    /// had it say none.
    pub fn is_foreign(&self) -> bool {
        self.release.is_none() && self.server.as_ref().is_some_and(|server| !server.starts_with("Microsoft-"))
    }
}

impl Certificate {
    fn of(der: &[u8], name: &str) -> Certificate {
        let thumbprint = digest(&SHA1_FOR_LEGACY_USE_ONLY, der);
        let thumbprint = thumbprint.as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
        let der = CertificateDer::from(der);
        let Ok(parsed) = EndEntityCert::try_from(&der) else {
            return Certificate { thumbprint, names: Vec::new(), fits: false };
        };
        let name = ServerName::try_from(name.trim_matches(['[', ']']));
        Certificate {
            thumbprint,
            names: parsed.valid_dns_names().map(str::to_owned).collect(),
            fits: name.is_ok_and(|name| parsed.verify_is_valid_for_subject_name(&name).is_ok()),
        }
    }
}

fn said(response: Response) -> Vec<String> {
    let mut bytes = Vec::new();
    let is_page = response
        .headers()
        .get(reqwest::header::CONTENT_TYPE)
        .is_some_and(|kind| kind.to_str().is_ok_and(|kind| kind.contains("html")));
    // What has come is shown, whatever ended it.
    let _ = response.take(LOOKED_AT).read_to_end(&mut bytes);
    let text = String::from_utf8_lossy(&bytes);
    first_lines(&if is_page { text_of(&text) } else { text.into_owned() })
}

/// Lines that say something, cut where nobody reads on.
fn first_lines(text: &str) -> Vec<String> {
    let lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    let shortened = |line: String| match line.char_indices().nth(COLUMNS) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    };
    // Nothing that came over the network may steer the terminal of whoever reads the report.
    let plain = |line: String| line.chars().filter(|c| !c.is_control()).collect::<String>();
    lines.map(plain).filter(|line| !line.is_empty()).map(shortened).take(LINES).collect()
}

/// A page without its markup; the end of an element that stands alone ends a line.
fn text_of(page: &str) -> String {
    let mut text = String::new();
    let mut rest = page;
    while let Some((before, tag)) = rest.split_once('<') {
        text.push_str(before);
        let name: String =
            tag.chars().take_while(|c| c.is_ascii_alphanumeric() || "/!-".contains(*c)).collect();
        let name = name.to_ascii_lowercase();
        // What stands in these is not for readers.
        let hidden = ["script", "style", "!--"].into_iter().find(|hidden| name.starts_with(hidden));
        let end = match hidden {
            Some("!--") => "-->".to_owned(),
            Some(element) => format!("</{element}"),
            None => String::new(),
        };
        // Lower case has the same length here only for ASCII, so the end is looked for byte by byte.
        let at = find_ignoring_case(tag, &end).unwrap_or(tag.len());
        rest = tag[at..].split_once('>').map_or("", |(_, after)| after);
        let inline = ["a", "b", "i", "em", "span", "code", "strong"];
        if !inline.contains(&name.trim_start_matches('/')) {
            text.push('\n');
        }
    }
    text.push_str(rest);
    let entities =
        [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#x27;", "'"), ("&#39;", "'"), ("&nbsp;", " ")];
    entities
        .into_iter()
        .chain([("&amp;", "&")])
        .fold(text, |text, (entity, plain)| text.replace(entity, plain))
}

fn find_ignoring_case(text: &str, wanted: &str) -> Option<usize> {
    (0..=text.len().checked_sub(wanted.len())?).find(|at| {
        text.as_bytes()[*at..]
            .get(..wanted.len())
            .is_some_and(|found| found.eq_ignore_ascii_case(wanted.as_bytes()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(page: &str, expected: &[&str]) {
        assert_eq!(first_lines(&text_of(page)), expected);
    }

    #[test]
    fn a_page_is_quoted_as_a_reader_sees_it() {
        check("<!doctype html>\n<h1>Server Error (500)</h1><p></p>", &["Server Error (500)"]);
        check(
            "<HTML><head><Style>h1 { color: red }</STYLE><script>if (1 < 2) {}</script><!-- <p>no</p> --></head>\
             <body><h1>OperationalError\n at /</h1><pre>no such table: <b>x</b> &lt;&amp;lt;</pre>",
            &["OperationalError", "at /", "no such table: x <&lt;"],
        );
        check("a < b", &["a"]);
        check("<script>endless", &[]);
        check("é<style>ü", &["é"]);
    }

    #[test]
    fn what_is_quoted_is_short_and_steers_no_terminal() {
        assert_eq!(first_lines("a\n\n \t b\x1b[31m  c\n1\n2\n3\n4"), ["a", "b[31m c", "1", "2", "3"]);
        let long = first_lines(&"ü".repeat(300));
        assert_eq!(long[0].chars().count(), COLUMNS + 1);
    }
}
