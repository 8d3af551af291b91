//! Whoever asks: one request a connection, to the address that was given, under the host that was given.

use std::error::Error as _;
use std::io;
use std::time::Duration;

use reqwest::blocking::Client;
use reqwest::header::{HOST, HeaderValue};
use reqwest::{Url, redirect, retry};

use super::{Address, Answer, Pass, Question, Trouble};

/// One that asks at an address. A clone asks the same.
#[derive(Debug, Clone)]
pub struct Visitor {
    client: Client,
    address: Address,
    patience: Duration,
    /// The header that makes a request a probe.
    shown: Option<Shown>,
}

#[derive(Debug, Clone)]
struct Shown {
    header: HeaderValue,
    https: bool,
}

impl Visitor {
    /// One that waits so long for each answer. To be held for warming up takes longer than the hold.
    pub fn at(address: Address, patience: Duration) -> Result<Visitor, Trouble> {
        // Another part of this process may have installed one already; any will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        // As the address of a request has it: in lower case, and in ASCII whatever the script.
        let named = Url::parse(&format!("{}://{}", address.scheme(), address.host));
        let name = named.ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default();
        let built = Client::builder()
            .user_agent(concat!("holdall/", env!("CARGO_PKG_VERSION"), " (probe)"))
            .timeout(patience)
            .no_proxy()
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            // A kept connection could stay with a worker process that is on its way out.
            .pool_max_idle_per_host(0)
            .http1_only()
            .tls_danger_accept_invalid_certs(true)
            .tls_info(true)
            .resolve(&name, address.at)
            .build();
        match built {
            Ok(client) => Ok(Visitor { client, address, patience, shown: None }),
            Err(error) => Err(Trouble::Tls { address: address.to_string(), cause: deepest(&error) }),
        }
    }

    /// The same with a pass: its requests are probes, and the project is told the scheme that visitors have.
    pub fn with_pass(self, pass: &Pass, https: bool) -> Visitor {
        Visitor { shown: Some(Shown { header: pass.header(https, false), https }), ..self }
    }

    /// The same, held for warming up. The scheme stays what it was made to be.
    pub(super) fn warming(self, pass: &Pass) -> Visitor {
        let https = self.shown.as_ref().map_or(self.address.https, |shown| shown.https);
        Visitor { shown: Some(Shown { header: pass.header(https, true), https }), ..self }
    }

    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Asks once. Any status is an answer.
    pub fn ask(&self, question: &Question) -> Result<Answer, Trouble> {
        let (address, path) = (&self.address, question.path());
        let unaskable = || Trouble::Unaskable { host: address.host.clone(), path: path.to_owned() };
        let named = Url::parse(&format!("{}://{}{path}", address.scheme(), address.host));
        let mut url = named.ok().filter(|_| path.starts_with('/')).ok_or_else(unaskable)?;
        let name = url.host_str().ok_or_else(unaskable)?.to_owned();
        // Without a port where it is the scheme's own, as browsers have it.
        let host = match url.port() {
            Some(port) => format!("{name}:{port}"),
            None => name.clone(),
        };
        url.set_port(Some(address.at.port())).map_err(|()| unaskable())?;
        if url.domain().is_none() {
            url.set_ip_host(address.at.ip()).map_err(|()| unaskable())?;
        }
        let mut request = self.client.get(url).header(HOST, host);
        if let Some(shown) = &self.shown {
            request = request.header("X-Holdall-Probe", &shown.header);
        }
        match request.send() {
            Ok(response) => Ok(Answer::of(response, &name)),
            Err(error) => Err(self.trouble(&error, path)),
        }
    }

    fn trouble(&self, error: &reqwest::Error, path: &str) -> Trouble {
        let (address, path) = (self.address.to_string(), path.to_owned());
        if error.is_timeout() {
            return Trouble::Hung { address, path, after: self.patience };
        }
        if is_refused(error) {
            return Trouble::Refused { at: self.address.at };
        }
        let cause = deepest(error);
        // Connected and no request sent yet: only TLS lies between.
        match error.is_connect() && self.address.https {
            true => Trouble::Tls { address, cause },
            false => Trouble::Broken { address, path, cause },
        }
    }
}

fn is_refused(error: &reqwest::Error) -> bool {
    let mut cause = error.source();
    while let Some(found) = cause {
        if let Some(system) = found.downcast_ref::<io::Error>()
            && system.kind() == io::ErrorKind::ConnectionRefused
        {
            return true;
        }
        cause = found.source();
    }
    false
}

/// The deepest cause of a failed request: the ones above repeat the address.
fn deepest(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(below) = cause.source() {
        cause = below;
    }
    cause.to_string()
}
