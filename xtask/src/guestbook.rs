//! A visit to the guestbook: what a person would click through to see that a bundle serves its site.

use std::fmt;

use anyhow::{Context as _, ensure};
use ureq::Agent;
use ureq::http::Response;

/// Pages worth a look, and what is to be seen there.
pub const PAGES: [(&str, &str); 6] = [
    ("/", "the front page, with hashed static files"),
    ("/write/", "a form: leave an entry with a picture"),
    ("/grüße/", "a page at a non-ASCII address (German with your browser set to it)"),
    ("/admin/", "Django's admin"),
    ("/stream/", "a response that comes line by line"),
    ("/download/", "a file of several MB"),
];

/// What one page of the visit showed.
pub struct Seen {
    what: &'static str,
    detail: String,
    pub problem: Option<String>,
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.problem {
            None => write!(f, "  right  {:<16} {}", self.what, self.detail),
            Some(problem) => write!(f, "  WRONG  {:<16} {problem}", self.what),
        }
    }
}

/// Asks the site at `address` for its pages, one after the other.
pub fn visit(address: &str) -> Vec<Seen> {
    let visitor = Visitor::new(address);
    type Step = fn(&Visitor) -> anyhow::Result<String>;
    let steps: [(&'static str, Step); 8] = [
        ("front page", Visitor::front_page),
        ("static file", Visitor::static_file),
        ("admin login", Visitor::admin_login),
        ("upload", Visitor::upload),
        ("non-ASCII URL", Visitor::greetings),
        ("stream", Visitor::stream),
        ("download", Visitor::download),
        ("missing page", Visitor::missing_page),
    ];
    steps
        .into_iter()
        .map(|(what, step)| match step(&visitor) {
            Ok(detail) => Seen { what, detail, problem: None },
            Err(error) => Seen { what, detail: String::new(), problem: Some(format!("{error:#}")) },
        })
        .collect()
}

/// One page as it came.
struct Page {
    status: u16,
    headers: ureq::http::HeaderMap,
    body: Vec<u8>,
}

impl Page {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("")
    }

    fn with_status(self, status: u16) -> anyhow::Result<Page> {
        ensure!(
            self.status == status,
            "status {} instead of {status}: {}",
            self.status,
            start_of(&self.text())
        );
        Ok(self)
    }

    /// The text between `before` and `after`, the first time they occur.
    fn between(&self, before: &str, after: &str) -> anyhow::Result<String> {
        let text = self.text();
        let rest =
            text.split_once(before).with_context(|| format!("no `{before}` in {}", start_of(&text)))?.1;
        Ok(rest.split_once(after).with_context(|| format!("no `{after}` after `{before}`"))?.0.to_owned())
    }
}

fn start_of(text: &str) -> String {
    text.chars().take(300).collect::<String>().escape_debug().to_string()
}

struct Visitor {
    agent: Agent,
    address: String,
}

impl Visitor {
    fn new(address: &str) -> Visitor {
        let agent = Agent::config_builder().http_status_as_error(false).max_redirects(0).build().into();
        Visitor { agent, address: address.trim_end_matches('/').to_owned() }
    }

    fn get(&self, path: &str) -> anyhow::Result<Page> {
        read(self.agent.get(format!("{}{path}", self.address)).call()?)
    }

    /// Posts a form as a browser does: with the cookie and the token of the page that shows it.
    fn post(&self, path: &str, form: &Page, content_type: &str, body: &[u8]) -> anyhow::Result<Page> {
        let cookie = form.header("set-cookie").split(';').next().unwrap_or("").to_owned();
        let request = self.agent.post(format!("{}{path}", self.address));
        read(request.header("cookie", cookie).header("content-type", content_type).send(body)?)
    }

    fn front_page(&self) -> anyhow::Result<String> {
        let page = self.get("/")?.with_status(200)?;
        let heading = page.between("<h1>", "</h1>")?;
        ensure!(heading == "What our guests say", "the heading is `{heading}`");
        Ok(format!("\"{heading}\""))
    }

    fn static_file(&self) -> anyhow::Result<String> {
        let link = self.get("/")?.between("<link rel=\"stylesheet\" href=\"", "\"")?;
        ensure!(link.matches('.').count() == 2, "`{link}` carries no hash in its name");
        let page = self.get(&link)?.with_status(200)?;
        let cache = page.header("cache-control").to_owned();
        ensure!(cache.contains("immutable"), "`{link}` may not be kept for ever: `Cache-Control: {cache}`");
        ensure!(page.header("content-type").starts_with("text/css"), "`{link}` is not sent as text/css");
        Ok(format!("{link} with Cache-Control: {cache}"))
    }

    fn admin_login(&self) -> anyhow::Result<String> {
        let form = self.get("/admin/login/?next=/admin/")?.with_status(200)?;
        let token = form.between("name=\"csrfmiddlewaretoken\" value=\"", "\"")?;
        let body = format!("csrfmiddlewaretoken={token}&username=nobody&password=wrong");
        let kind = "application/x-www-form-urlencoded";
        let refused = self.post("/admin/login/", &form, kind, body.as_bytes())?.with_status(200)?;
        ensure!(refused.text().contains("errornote"), "a wrong password was not refused");
        let forged = body.replace(&token, "forged");
        self.post("/admin/login/", &form, kind, forged.as_bytes())?.with_status(403)?;
        Ok("asks for name and password; a wrong one is refused, a forged CSRF token too".to_owned())
    }

    fn upload(&self) -> anyhow::Result<String> {
        let form = self.get("/write/")?.with_status(200)?;
        let token = form.between("name=\"csrfmiddlewaretoken\" value=\"", "\"")?;
        let picture: Vec<u8> = (0..200_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let mut body = Vec::new();
        for (name, value) in
            [("csrfmiddlewaretoken", token.as_str()), ("author", "Zoë"), ("message", "Grüße")]
        {
            let part =
                format!("--limit\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
            body.extend_from_slice(part.as_bytes());
        }
        let part = "--limit\r\nContent-Disposition: form-data; name=\"attachment\"; filename=\"noise.bin\"\r\n\
                    Content-Type: application/octet-stream\r\n\r\n";
        body.extend_from_slice(part.as_bytes());
        body.extend_from_slice(&picture);
        body.extend_from_slice(b"\r\n--limit--\r\n");
        let answer =
            self.post("/write/", &form, "multipart/form-data; boundary=limit", &body)?.with_status(302)?;
        let entry = self.get(answer.header("location"))?.with_status(200)?;
        ensure!(entry.text().contains("Zoë"), "the entry does not show its author");
        let media = format!("/media/{}", entry.between("\"/media/", "\"")?);
        let back = self.get(&media)?.with_status(200)?;
        ensure!(back.body == picture, "{} bytes came back from {media}, not the ones sent", back.body.len());
        Ok(format!("{} bytes sent and fetched again from {media}", picture.len()))
    }

    fn greetings(&self) -> anyhow::Result<String> {
        let page = self.get("/gr%C3%BC%C3%9Fe/")?.with_status(200)?;
        let heading = page.between("<h1 lang=\"de\">", "</h1>")?;
        ensure!(page.text().contains("Grüße"), "no `Grüße` on the page");
        Ok(format!("\"{heading}\""))
    }

    fn stream(&self) -> anyhow::Result<String> {
        let page = self.get("/stream/")?.with_status(200)?;
        let lines = page.text().lines().count();
        ensure!(lines > 3, "only {lines} lines came");
        Ok(format!("{lines} lines"))
    }

    fn download(&self) -> anyhow::Result<String> {
        let page = self.get("/download/")?.with_status(200)?;
        let said = page.header("content-length").parse::<usize>().unwrap_or(0);
        ensure!(said == 5_242_880 && said == page.body.len(), "{} of {said} bytes came", page.body.len());
        Ok(format!("{said} bytes"))
    }

    fn missing_page(&self) -> anyhow::Result<String> {
        let page = self.get("/no-such-page/")?.with_status(404)?;
        Ok(format!("404, \"{}\"", page.between("<h1>", "</h1>")?))
    }
}

fn read(mut answer: Response<ureq::Body>) -> anyhow::Result<Page> {
    let body = answer.body_mut().with_config().limit(100_000_000).read_to_vec()?;
    Ok(Page { status: answer.status().as_u16(), headers: answer.headers().clone(), body })
}
