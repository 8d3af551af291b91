//! Visitors of a site that knows some of them: whoever has a name sees all of it, others what is for everybody.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::https::{A, Secure, shown};
use super::settings::{ANN, asked};

/// Those who ask for one page after the other, with a name and without, by HTTP and HTTPS, until told to stop.
pub struct Everybody {
    stop: Arc<AtomicBool>,
    asking: JoinHandle<Vec<String>>,
}

impl Everybody {
    /// Begins to ask for a site that guards all but `/public/`, and shows this certificate.
    pub fn of(secure: &Secure, certificate: &str) -> Everybody {
        let stop = Arc::<AtomicBool>::default();
        let (stopped, root, port) = (Arc::clone(&stop), secure.server.url(""), secure.port);
        let certificate = certificate.to_owned();
        let asking = std::thread::spawn(move || {
            let mut versions: Vec<String> = Vec::new();
            while !stopped.load(Ordering::SeqCst) {
                for (path, headers, status) in [
                    ("/public/page", &[][..], 200),
                    ("/", &[], 401),
                    ("/", &[ANN], 200),
                    ("/media/photo.txt", &[], 401),
                    ("/media/photo.txt", &[ANN], 200),
                ] {
                    let page = asked("GET", &format!("{root}{path}"), headers);
                    assert_eq!(page.status, status, "{path} {headers:?}: {}", page.text());
                    let text = page.text();
                    let told = text.split_once("<!-- release ").and_then(|(_, rest)| rest.split_once(" -->"));
                    if let Some((version, _)) =
                        told.filter(|(version, _)| versions.last().map(String::as_str) != Some(*version))
                    {
                        versions.push(version.to_owned());
                    }
                }
                assert_eq!(shown(port, A), Ok((certificate.clone(), 401)));
                std::thread::sleep(Duration::from_millis(10));
            }
            versions
        });
        Everybody { stop, asking }
    }

    /// The versions that they saw, in order. Nobody saw anything fail.
    #[track_caller]
    pub fn stop(self) -> Vec<String> {
        std::thread::sleep(Duration::from_millis(200));
        self.stop.store(true, Ordering::SeqCst);
        self.asking.join().unwrap()
    }
}
