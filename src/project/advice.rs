//! What the settings' text tells that its owner should know before the site goes out.

use std::path::Path;

use super::disk;
use super::settings::{Assigned, Literal, SettingsText};
use crate::progress::Notice;

pub fn advise(root: &Path, settings: &SettingsText) -> Vec<Notice> {
    let place =
        |assigned: &Assigned| format!("{}, line {}", disk::shown(root, &assigned.file), assigned.line);
    let mut notices = Vec::new();
    if let Some((_, assigned)) = settings.text("SECRET_KEY").filter(|(key, _)| !key.is_empty()) {
        notices.push(Notice {
            what: format!("SECRET_KEY stands in the source: {}", place(assigned)),
            help: "whoever reads the bundle can forge sessions: read it from the environment, `SECRET_KEY = os.environ[\"SECRET_KEY\"]`, and make a new one for the server".to_owned(),
        });
    }
    if let Some(assigned) = settings.assigned("DEBUG").filter(|debug| debug.value == Literal::True) {
        notices.push(Notice {
            what: format!("DEBUG is True: {}", place(assigned)),
            help: "visitors would see the source and settings of every error: read it from the environment, `DEBUG = os.environ.get(\"DEBUG\") == \"1\"`".to_owned(),
        });
    }
    let asgi = settings.assigned("ASGI_APPLICATION").map(|assigned| ("ASGI_APPLICATION is set", assigned));
    let channels = || Some(("`channels` is installed", settings.application("channels")?));
    let daphne = || Some(("`daphne` is installed", settings.application("daphne")?));
    if let Some((what, assigned)) = channels().or_else(daphne).or(asgi) {
        notices.push(Notice {
            what: format!("{what} ({}), and FastCGI serves the WSGI application only", place(assigned)),
            help: "pages work, asynchronous views too; websockets and connections that stay open for long do not: serve those by an ASGI server of their own".to_owned(),
        });
    }
    notices
}
