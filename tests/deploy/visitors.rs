//! Visitors who ask for pages all the time, and compare what they get with what the header says.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::bundles::Release;
use super::server::{PATIENCE, Server};
use crate::harness::Page;

/// The front page of the site, which says that it is of this release.
#[track_caller]
pub fn front_page(server: &Server, release: Release) -> Page {
    let page = ask(&server.url("/")).unwrap();
    let says = format!("release {}", release.version());
    assert!(page.status == 200 && page.text().contains(&says), "{}: {}", page.status, page.text());
    page
}

/// How long a visitor looks at a page. In Wine one program does what is the system's part of every request, and of all
/// else.
const PAUSE: Duration = Duration::from_millis(if cfg!(windows) { 20 } else { 10 });

/// One who asks until told to stop.
pub struct Visitor {
    stop: Arc<AtomicBool>,
    asking: JoinHandle<Visits>,
}

/// What a visitor got.
#[derive(Default)]
pub struct Visits {
    /// Versions, in the order in which they came, each as long as it lasted.
    pub seen: Vec<String>,
    pub failed: Vec<String>,
    pub count: usize,
}

impl Visitor {
    /// Begins to ask for the front page and for the style sheet that it names.
    pub fn of(server: &Server) -> Visitor {
        let stop = Arc::<AtomicBool>::default();
        let (stopped, root) = (Arc::clone(&stop), server.url(""));
        let asking = std::thread::spawn(move || {
            let mut visits = Visits::default();
            while !stopped.load(Ordering::SeqCst) {
                if let Err(failed) = visit(&root, &mut visits) {
                    visits.failed.push(failed);
                }
                visits.count += 1;
                // All the time, and yet not all of a processor: what is watched needs some, too.
                std::thread::sleep(PAUSE);
            }
            visits
        });
        Visitor { stop, asking }
    }

    /// Stops; nothing may have failed. Returns the versions that were seen, in order.
    #[track_caller]
    pub fn stop(self) -> Vec<String> {
        let visits = self.visits();
        assert_eq!((visits.failed.len(), visits.failed.first()), (0, None), "of {}", visits.count);
        assert!(visits.count > 0);
        visits.seen
    }

    /// Stops; says what came of it.
    pub fn visits(self) -> Visits {
        // After the last change a few more visits count.
        std::thread::sleep(Duration::from_millis(200));
        self.stop.store(true, Ordering::SeqCst);
        self.asking.join().unwrap()
    }
}

fn visit(root: &str, visits: &mut Visits) -> Result<(), String> {
    let front = ask(&format!("{root}/"))?;
    let text = front.text();
    let told = text.split_once("<!-- release ").and_then(|(_, rest)| rest.split_once(" -->"));
    let Some((version, _)) = told else { return Err(format!("{}: {text}", front.status)) };
    let header = front.header("x-holdall-release").to_owned();
    if front.status != 200 || header.len() != 8 {
        return Err(format!("{} with release `{header}`", front.status));
    }
    let pair = format!("{version} {header}");
    if visits.seen.last() != Some(&pair) {
        visits.seen.push(pair);
    }
    // Of one version there is one release: another header for it would be a mix.
    let of_version = visits.seen.iter().filter(|seen| seen.starts_with(&format!("{version} ")));
    let headers: BTreeSet<_> = of_version.collect();
    if headers.len() > 1 {
        return Err(format!("a mix: {headers:?}"));
    }
    let sheet = text.split("href=\"").skip(1).find_map(|rest| {
        let link = rest.split('"').next()?;
        (link.contains("/style.") && link.ends_with(".css")).then(|| link.to_owned())
    });
    let sheet = sheet.ok_or("the page names no style sheet")?;
    let style = ask(&format!("{root}{sheet}"))?;
    if style.status == 200 && style.text().contains(&format!("release {version}")) {
        return Ok(());
    }
    // A page of the release before still finds its own. Only a way back leaves open pages without theirs: a release that
    // was made before theirs cannot have them, and does not change.
    let now = ask(&format!("{root}/"))?.text();
    let now =
        now.split_once("<!-- release ").and_then(|(_, rest)| Some(rest.split_once(" -->")?.0.to_owned()));
    match now.is_some_and(|now| &*now < version) {
        true => Ok(()),
        false => Err(format!("{sheet} of {version}: {}", style.status)),
    }
}

pub fn ask(url: &str) -> Result<Page, String> {
    let config = ureq::Agent::config_builder().http_status_as_error(false).max_redirects(0);
    let agent: ureq::Agent = config.timeout_global(Some(PATIENCE)).build().into();
    let mut answer = agent.get(url).call().map_err(|error| format!("{url}: {error}"))?;
    let body = answer.body_mut().read_to_vec().map_err(|error| format!("{url}: {error}"))?;
    Ok(Page { status: answer.status().as_u16(), headers: answer.headers().clone(), body })
}
