//! Somebody who looks at a site with a browser: keeps its cookies, follows no redirect unasked, and waits a minute for
//! a page but not for ever.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use ureq::http::Response;
use ureq::{Agent, RequestBuilder};

/// One page as it came.
pub struct Page {
    status: u16,
    headers: ureq::http::HeaderMap,
    pub body: Vec<u8>,
}

impl Page {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("")
    }

    pub fn with_status(self, status: u16) -> anyhow::Result<Page> {
        ensure!(
            self.status == status,
            "status {} instead of {status}: {}",
            self.status,
            start_of(&self.text())
        );
        Ok(self)
    }

    /// The text between `before` and `after`, the first time they occur.
    pub fn between(&self, before: &str, after: &str) -> anyhow::Result<String> {
        let text = self.text();
        let rest =
            text.split_once(before).with_context(|| format!("no `{before}` in {}", start_of(&text)))?.1;
        Ok(rest.split_once(after).with_context(|| format!("no `{after}` after `{before}`"))?.0.to_owned())
    }
}

fn start_of(text: &str) -> String {
    text.chars().take(300).collect::<String>().escape_debug().to_string()
}

pub struct Visitor {
    agent: Agent,
    address: String,
    cookies: RefCell<BTreeMap<String, String>>,
}

impl Visitor {
    pub fn new(address: &str) -> Visitor {
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_global(Some(Duration::from_secs(60)));
        let address = address.trim_end_matches('/').to_owned();
        Visitor { agent: agent.build().into(), address, cookies: RefCell::default() }
    }

    pub fn get(&self, path: &str) -> anyhow::Result<Page> {
        self.read(self.with_cookies(self.agent.get(self.url(path))).call()?)
    }

    pub fn post(&self, path: &str, content_type: &str, body: &[u8]) -> anyhow::Result<Page> {
        let request = self.agent.post(self.url(path)).header("content-type", content_type);
        self.read(self.with_cookies(request).send(body)?)
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.address)
    }

    fn with_cookies<B>(&self, request: RequestBuilder<B>) -> RequestBuilder<B> {
        let cookies = self.cookies.borrow();
        match cookies.is_empty() {
            true => request,
            false => {
                let cookies = cookies.iter().map(|(name, value)| format!("{name}={value}"));
                request.header("cookie", cookies.collect::<Vec<_>>().join("; "))
            }
        }
    }

    fn read(&self, mut answer: Response<ureq::Body>) -> anyhow::Result<Page> {
        for cookie in answer.headers().get_all("set-cookie") {
            let cookie = cookie.to_str()?.split(';').next().unwrap_or("");
            if let Some((name, value)) = cookie.split_once('=') {
                self.cookies.borrow_mut().insert(name.to_owned(), value.to_owned());
            }
        }
        let body = answer.body_mut().with_config().limit(100_000_000).read_to_vec()?;
        Ok(Page { status: answer.status().as_u16(), headers: answer.headers().clone(), body })
    }
}
