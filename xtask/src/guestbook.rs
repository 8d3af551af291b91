//! A visit to the guestbook: what a person would click through to see that a bundle serves its site.

use std::fmt;

use anyhow::ensure;

use crate::visitor::Visitor;

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
    let guest = Guest(Visitor::new(address));
    type Step = fn(&Guest) -> anyhow::Result<String>;
    let steps: [(&'static str, Step); 8] = [
        ("front page", Guest::front_page),
        ("static file", Guest::static_file),
        ("admin login", Guest::admin_login),
        ("upload", Guest::upload),
        ("non-ASCII URL", Guest::greetings),
        ("stream", Guest::stream),
        ("download", Guest::download),
        ("missing page", Guest::missing_page),
    ];
    steps
        .into_iter()
        .map(|(what, step)| match step(&guest) {
            Ok(detail) => Seen { what, detail, problem: None },
            Err(error) => Seen { what, detail: String::new(), problem: Some(format!("{error:#}")) },
        })
        .collect()
}

struct Guest(Visitor);

impl Guest {
    fn front_page(&self) -> anyhow::Result<String> {
        let page = self.0.get("/")?.with_status(200)?;
        let heading = page.between("<h1>", "</h1>")?;
        ensure!(heading == "What our guests say", "the heading is `{heading}`");
        Ok(format!("\"{heading}\""))
    }

    fn static_file(&self) -> anyhow::Result<String> {
        let link = self.0.get("/")?.between("<link rel=\"stylesheet\" href=\"", "\"")?;
        ensure!(link.matches('.').count() == 2, "`{link}` carries no hash in its name");
        let page = self.0.get(&link)?.with_status(200)?;
        let cache = page.header("cache-control").to_owned();
        ensure!(cache.contains("immutable"), "`{link}` may not be kept for ever: `Cache-Control: {cache}`");
        ensure!(page.header("content-type").starts_with("text/css"), "`{link}` is not sent as text/css");
        Ok(format!("{link} with Cache-Control: {cache}"))
    }

    fn admin_login(&self) -> anyhow::Result<String> {
        let form = self.0.get("/admin/login/?next=/admin/")?.with_status(200)?;
        let token = form.between("name=\"csrfmiddlewaretoken\" value=\"", "\"")?;
        let body = format!("csrfmiddlewaretoken={token}&username=nobody&password=wrong");
        let kind = "application/x-www-form-urlencoded";
        let refused = self.0.post("/admin/login/", kind, body.as_bytes())?.with_status(200)?;
        ensure!(refused.text().contains("errornote"), "a wrong password was not refused");
        let forged = body.replace(&token, "forged");
        self.0.post("/admin/login/", kind, forged.as_bytes())?.with_status(403)?;
        Ok("asks for name and password; a wrong one is refused, a forged CSRF token too".to_owned())
    }

    fn upload(&self) -> anyhow::Result<String> {
        let form = self.0.get("/write/")?.with_status(200)?;
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
            self.0.post("/write/", "multipart/form-data; boundary=limit", &body)?.with_status(302)?;
        let entry = self.0.get(answer.header("location"))?.with_status(200)?;
        ensure!(entry.text().contains("Zoë"), "the entry does not show its author");
        let media = format!("/media/{}", entry.between("\"/media/", "\"")?);
        let back = self.0.get(&media)?.with_status(200)?;
        ensure!(back.body == picture, "{} bytes came back from {media}, not the ones sent", back.body.len());
        Ok(format!("{} bytes sent and fetched again from {media}", picture.len()))
    }

    fn greetings(&self) -> anyhow::Result<String> {
        let page = self.0.get("/gr%C3%BC%C3%9Fe/")?.with_status(200)?;
        let heading = page.between("<h1 lang=\"de\">", "</h1>")?;
        ensure!(page.text().contains("Grüße"), "no `Grüße` on the page");
        Ok(format!("\"{heading}\""))
    }

    fn stream(&self) -> anyhow::Result<String> {
        let page = self.0.get("/stream/")?.with_status(200)?;
        let lines = page.text().lines().count();
        ensure!(lines > 3, "only {lines} lines came");
        Ok(format!("{lines} lines"))
    }

    fn download(&self) -> anyhow::Result<String> {
        let page = self.0.get("/download/")?.with_status(200)?;
        let said = page.header("content-length").parse::<usize>().unwrap_or(0);
        ensure!(said == 5_242_880 && said == page.body.len(), "{} of {said} bytes came", page.body.len());
        Ok(format!("{said} bytes"))
    }

    fn missing_page(&self) -> anyhow::Result<String> {
        let page = self.0.get("/no-such-page/")?.with_status(404)?;
        Ok(format!("404, \"{}\"", page.between("<h1>", "</h1>")?))
    }
}
