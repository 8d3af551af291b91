//! Whether an answer is right, and what is wrong with one that is not: what it means and what to do about it.

use std::net::SocketAddr;
use std::time::Duration;

use super::{Address, Answer, Expected, Question};

/// Why a release does not serve as it should.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
pub enum Trouble {
    #[error("nothing listens at {at}")]
    #[diagnostic(help("check that the site is started, and that its binding is for this address and port"))]
    Refused { at: SocketAddr },

    #[error("{address} gives no answer to `{path}` within {} s", after.as_secs_f32())]
    #[diagnostic(help(
        "the page waits for something, often a database or another server that cannot be reached from here; \
         the log of the bridge says where it was"
    ))]
    Hung { address: String, path: String, after: Duration },

    #[error("{address} ends the connection before TLS is agreed on: {cause}")]
    #[diagnostic(help("check that the binding has a certificate with its private key"))]
    Tls { address: String, cause: String },

    #[error("{address} shows the certificate {found}, where {expected} should be shown")]
    #[diagnostic(help(
        "another entry goes before that of the binding, or something in front of this server ends TLS: \
         `netsh http show sslcert` lists them all"
    ))]
    OtherCertificate { address: String, expected: String, found: String, release: Option<String> },

    #[error("{address} gives no whole answer to `{path}`: {cause}")]
    #[diagnostic(help(
        "look into the log of the bridge and the Windows event log: a process may have ended at work"
    ))]
    Broken { address: String, path: String, cause: String },

    #[error("`{host}` with the path `{path}` cannot be asked for")]
    #[diagnostic(help("write the host as visitors do, and the path with a `/` in front"))]
    Unaskable { host: String, path: String },

    #[error("{address} answers `{path}` with release {found}, where {expected} should")]
    #[diagnostic(help(
        "the web server goes on with the release before: look what its configuration points at"
    ))]
    OtherRelease { address: String, path: String, expected: String, found: String },

    #[error(
        "{address} answers `{path}` with status {status} and names no release, where {expected} should answer"
    )]
    #[diagnostic(help(
        "another site has this binding, or something stands in front that takes headers away"
    ))]
    NoRelease { address: String, path: String, expected: String, status: u16 },

    #[error(
        "something else answers at {address}: `{server}`, with status {status} and without a release's header"
    )]
    #[diagnostic(help(
        "another program listens at this address, or another site has it: end that, or give this site another port \
         (`[[bindings]]` in `site.toml`)"
    ))]
    Foreign { address: String, server: String, status: u16 },

    #[error(
        "Windows itself answers {address} with status {status}: no site there takes the host, or its pool is stopped"
    )]
    #[diagnostic(help(
        "check that the site and its application pool are started, and that a binding is for this host"
    ))]
    NoSite { address: String, status: u16 },

    #[error("{address} lets nobody have `{path}` without authentication")]
    #[diagnostic(help("allow anonymous visitors, or turn Windows authentication on in the site's settings"))]
    Unauthorized { address: String, path: String, release: Option<String> },

    #[error("the project refuses requests for host `{host}` with status 400")]
    #[diagnostic(help("add `{host}` to ALLOWED_HOSTS in the project's settings"))]
    HostRefused { host: String, release: Option<String> },

    #[error("the project sends `{path}` to HTTPS ({location}), and the site has no binding for that")]
    #[diagnostic(help(
        "add an https binding with a certificate, or turn SECURE_SSL_REDIRECT off in the project's settings"
    ))]
    SslRedirect { path: String, location: String, release: Option<String> },

    #[error("{address} sends `{path}` to where it is: by HTTPS, to the same page")]
    #[diagnostic(help(
        "the project doesn't see that visitors come by HTTPS: SECURE_PROXY_SSL_HEADER in its settings names a header \
         that nothing in front of this server sets"
    ))]
    SslLoop { address: String, path: String, release: Option<String> },

    #[error("{address} answers `{path}` with status {status}{}", quoted(said))]
    Status {
        address: String,
        path: String,
        status: u16,
        said: Vec<String>,
        release: Option<String>,
        #[help]
        help: &'static str,
    },
}

fn quoted(said: &[String]) -> String {
    said.iter().map(|line| format!("\n  | {line}")).collect()
}

impl Trouble {
    /// Whether this very release gave the answer, so that waiting for it is at an end.
    pub fn is_of(&self, expected: &str) -> bool {
        let release = match self {
            Trouble::OtherCertificate { release, .. }
            | Trouble::Unauthorized { release, .. }
            | Trouble::HostRefused { release, .. }
            | Trouble::SslRedirect { release, .. }
            | Trouble::SslLoop { release, .. }
            | Trouble::Status { release, .. } => release.as_deref(),
            _ => None,
        };
        release == Some(expected)
    }
}

impl Expected {
    /// Whether an answer is right; then the process that gave it, if it is known.
    pub fn judge(
        &self,
        address: &Address,
        question: &Question,
        answer: &Answer,
    ) -> Result<Option<u32>, Trouble> {
        let (path, status, release) = (question.path().to_owned(), answer.status, answer.release.clone());
        let is_expected = release.as_deref() == Some(&*self.release);
        let is_page = matches!(question, Question::Page(_));
        if let Some(found) = release.clone().filter(|_| !is_expected) {
            let expected = self.release.clone();
            return Err(Trouble::OtherRelease { address: address.to_string(), path, expected, found });
        }
        let address_said = address.to_string();
        let shown = answer.certificate.as_ref().map(|certificate| &certificate.thumbprint);
        if let Some((expected, found)) =
            self.certificate.as_ref().zip(shown).filter(|(one, other)| one != other)
        {
            let (expected, found) = (expected.clone(), found.clone());
            return Err(Trouble::OtherCertificate { address: address_said, expected, found, release });
        }
        match status {
            _ if answer.is_of_windows() && !is_expected => {
                Err(Trouble::NoSite { address: address_said, status })
            }
            _ if answer.is_foreign() => {
                let server = answer.server.clone().unwrap_or_default();
                Err(Trouble::Foreign { address: address_said, server, status })
            }
            _ if is_page && is_expected && self.also.contains(&status) => Ok(answer.process),
            401 if self.windows_authentication && is_expected => Ok(answer.process),
            401 => Err(Trouble::Unauthorized { address: address_said, path, release }),
            400 if is_page && is_expected => {
                Err(Trouble::HostRefused { host: address.name().to_owned(), release })
            }
            300..400 if !self.has_https && is_to_https(address, answer) => {
                let location = answer.location.clone().unwrap_or_default();
                Err(Trouble::SslRedirect { path, location, release })
            }
            301 | 308 if is_loop(address, &path, answer) => {
                Err(Trouble::SslLoop { address: address_said, path, release })
            }
            200..300 if is_expected => Ok(answer.process),
            300..400 if is_expected && (is_page || is_to_https(address, answer)) => Ok(answer.process),
            200..400 if !is_expected => {
                let expected = self.release.clone();
                Err(Trouble::NoRelease { address: address_said, path, expected, status })
            }
            _ => {
                let (said, help) = (answer.said.clone(), help(status, is_page));
                Err(Trouble::Status { address: address_said, path, status, said, release, help })
            }
        }
    }
}

/// Whether an answer sends to the same host by HTTPS whoever comes without.
fn is_to_https(address: &Address, answer: &Answer) -> bool {
    let host = answer.location.as_deref().and_then(|location| {
        let rest = location.get(..8).filter(|scheme| scheme.eq_ignore_ascii_case("https://"));
        rest.and_then(|_| location[8..].split(['/', '?', '#', ':']).next())
    });
    host.is_some_and(|host| host.eq_ignore_ascii_case(address.name()))
}

/// Whether an answer over HTTPS sends to the page that was asked for, in the same way.
fn is_loop(address: &Address, path: &str, answer: &Answer) -> bool {
    let asked = format!("https://{}{path}", address.host);
    address.https && answer.location.as_ref().is_some_and(|location| location.eq_ignore_ascii_case(&asked))
}

fn help(status: u16, is_page: bool) -> &'static str {
    match status {
        404 if is_page => "name a path that the project answers with `health` in holdall.toml",
        503 => {
            "the application pool is stopped or has more requests waiting than it takes: the Windows event log says why"
        }
        500.. if is_page => {
            "the log of the bridge has the traceback, if the project failed; else look at the quoted lines"
        }
        500.. => "the web server cannot use its configuration: the quoted lines say what it refuses",
        _ => "ask for the same address by a browser on this server: it shows more than visitors get",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::Certificate;
    use super::*;

    const NEW: &str = "0123abcd";

    fn address() -> Address {
        Address {
            at: "127.0.0.1:8080".parse().unwrap(),
            host: "www.example.org:8080".to_owned(),
            https: false,
        }
    }

    fn expected() -> Expected {
        Expected {
            release: NEW.to_owned(),
            windows_authentication: false,
            has_https: false,
            certificate: None,
            also: Vec::new(),
        }
    }

    fn answer(status: u16, release: &str) -> Answer {
        let release = Some(release.to_owned()).filter(|release| !release.is_empty());
        let (process, location) = (Some(7), None);
        Answer { status, release, process, location, server: None, said: Vec::new(), certificate: None }
    }

    fn to(status: u16, location: &str) -> Answer {
        Answer { location: Some(location.to_owned()), ..answer(status, NEW) }
    }

    #[track_caller]
    fn check(expected: &Expected, answer: &Answer, said: &str) {
        let judged = expected.judge(&address(), &Question::Page("/".to_owned()), answer);
        let found =
            judged.as_ref().map_or_else(ToString::to_string, |process| format!("right, by {process:?}"));
        assert!(found.contains(said), "{found}");
    }

    #[test]
    fn an_answer_of_the_expected_release_is_right() {
        for answer in [answer(200, NEW), to(302, "/login/"), to(301, "https://elsewhere.example.org/")] {
            check(&expected(), &answer, "right, by Some(7)");
        }
        check(&expected(), &answer(200, "fedcba98"), "with release fedcba98, where 0123abcd should");
        check(&expected(), &answer(500, "fedcba98"), "with release fedcba98");
        check(&expected(), &answer(200, ""), "names no release");
        check(&expected(), &answer(404, NEW), "status 404");
        check(&expected(), &answer(500, ""), "status 500");
        let teapot = Expected { also: vec![418], ..expected() };
        check(&teapot, &answer(418, NEW), "right");
        check(&teapot, &answer(418, ""), "status 418");
    }

    #[test]
    fn a_file_is_there_or_it_is_not() {
        let file = Question::File("/static/a.css".to_owned());
        let judge = |answer: &Answer| expected().judge(&address(), &file, answer);
        assert_eq!(judge(&answer(200, NEW)), Ok(Some(7)));
        assert!(matches!(judge(&to(302, "/login/")), Err(Trouble::Status { status: 302, .. })));
        assert!(matches!(judge(&answer(400, NEW)), Err(Trouble::Status { status: 400, .. })));
    }

    #[test]
    fn nobody_is_let_in_without_a_name_where_windows_asks_for_one() {
        let windows = Expected { windows_authentication: true, ..expected() };
        check(&windows, &answer(401, NEW), "right");
        check(&windows, &answer(401, ""), "without authentication");
        check(&expected(), &answer(401, NEW), "without authentication");
    }

    #[test]
    fn a_redirect_to_https_is_right_where_there_is_https() {
        let secure = "https://WWW.example.org/";
        check(&expected(), &to(301, secure), "the site has no binding for that");
        check(&Expected { has_https: true, ..expected() }, &to(301, secure), "right");
        check(&expected(), &to(301, "http://www.example.org/"), "right");
    }

    #[test]
    fn the_certificate_that_is_wanted_has_to_be_shown() {
        let shows = |thumbprint: &str| {
            let (thumbprint, names) = (thumbprint.to_owned(), Vec::new());
            let certificate = Some(Certificate { thumbprint, names, fits: false });
            Answer { certificate, ..answer(200, NEW) }
        };
        let wanting = Expected { certificate: Some("AB".to_owned()), ..expected() };
        check(&wanting, &shows("AB"), "right");
        check(&wanting, &shows("CD"), "shows the certificate CD, where AB should be shown");
        check(&expected(), &shows("CD"), "right");
    }

    #[test]
    fn a_page_that_sends_to_itself_is_not_right() {
        let secure = Address { https: true, host: "www.example.org".to_owned(), ..address() };
        let judge = |location: &str| {
            let expected = Expected { has_https: true, ..expected() };
            expected.judge(&secure, &Question::Page("/a/?q=1".to_owned()), &to(301, location))
        };
        assert!(matches!(judge("https://www.example.org/a/?q=1"), Err(Trouble::SslLoop { .. })));
        assert_eq!(judge("https://www.example.org/a/b/"), Ok(Some(7)));
        assert_eq!(judge("/a/"), Ok(Some(7)));
    }

    #[test]
    fn what_django_and_windows_refuse_is_told_apart() {
        let judged = expected().judge(&address(), &Question::Page("/".to_owned()), &answer(400, NEW));
        let trouble = judged.unwrap_err();
        let help = miette::Diagnostic::help(&trouble).unwrap().to_string();
        assert_eq!(help, "add `www.example.org` to ALLOWED_HOSTS in the project's settings");
        let of = |server: &str, answer: Answer| Answer { server: Some(server.to_owned()), ..answer };
        let windows = "Microsoft-HTTPAPI/2.0";
        check(&expected(), &of(windows, answer(400, "")), "Windows itself answers");
        check(&expected(), &of(windows, answer(503, "")), "its pool is stopped");
    }

    #[test]
    fn another_program_at_the_address_is_told_from_another_site_and_from_the_release() {
        let of = |server: &str, answer: Answer| Answer { server: Some(server.to_owned()), ..answer };
        for status in [200, 302, 401, 404, 500] {
            let other = of("nginx/1.24.0", answer(status, ""));
            check(&expected(), &other, "something else answers at http://www.example.org:8080");
        }
        check(&expected(), &of("Microsoft-IIS/10.0", answer(200, "")), "names no release");
        check(&expected(), &of("Microsoft-IIS/10.0", answer(500, "")), "status 500");
        // What the project, or something in front of it, calls itself.
        check(&expected(), &of("shop", answer(200, NEW)), "right");
        check(&expected(), &of("shop", answer(200, "fedcba98")), "with release fedcba98");
    }

    #[test]
    fn only_the_release_itself_ends_the_waiting_for_it() {
        let judge = |answer: &Answer| {
            expected().judge(&address(), &Question::Page("/".to_owned()), answer).unwrap_err().is_of(NEW)
        };
        assert!(judge(&answer(500, NEW)) && judge(&answer(400, NEW)));
        assert!(!judge(&answer(500, "")) && !judge(&answer(200, "fedcba98")) && !judge(&answer(404, "")));
    }
}
