//! Releases of the guestbook that differ in what the stories look at. Each is bundled once for all stories.

use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, PoisonError};

use holdall::archive::Bundle;
use holdall::progress::Silent;
use holdall::release::{Slot, expand};

use crate::harness::Test;

/// On a server alone: whoever bundles the project imports it, too.
const HANGS: &str = "import os, time\n\nif 'HOLDALL_SITE' in os.environ:\n    time.sleep(900)\n\n";

/// The version of a release says what is wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Release {
    /// 1.0
    First,
    /// 1.1
    Second,
    /// 1.2 does not import.
    Unimportable,
    /// 1.3 answers one of its pages with 500.
    Failing,
    /// 1.4 has a migration that fails.
    Unmigratable,
    /// 1.5 has one that does not.
    Migrating,
    /// 1.6 never comes to the end of its import, once it is deployed.
    Hanging,
    /// 1.7 answers one of its pages as the variables `MOOD` and `MOOD_AT` of the site say: it hangs or fails, at one port
    /// or at all.
    #[cfg(target_os = "linux")]
    Moody,
    /// 1.0 and 1.1 of a project that is as small as can be, for what takes many deploys.
    #[cfg(target_os = "linux")]
    TinyFirst,
    #[cfg(target_os = "linux")]
    TinySecond,
}

impl Release {
    pub fn version(self) -> &'static str {
        match self {
            Release::First => "1.0",
            Release::Second => "1.1",
            Release::Unimportable => "1.2",
            Release::Failing => "1.3",
            Release::Unmigratable => "1.4",
            Release::Migrating => "1.5",
            Release::Hanging => "1.6",
            #[cfg(target_os = "linux")]
            Release::Moody => "1.7",
            #[cfg(target_os = "linux")]
            Release::TinyFirst => "1.0",
            #[cfg(target_os = "linux")]
            Release::TinySecond => "1.1",
        }
    }

    /// Its bundle.
    pub fn bundle(self) -> PathBuf {
        static TEST: LazyLock<Test> = LazyLock::new(Test::empty);
        static ONE: Mutex<()> = Mutex::new(());
        // One at a time: all lie in one folder.
        let _alone = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        #[cfg(target_os = "linux")]
        if matches!(self, Release::TinyFirst | Release::TinySecond) {
            let folder = TEST.path("tiny");
            fs_err::create_dir_all(&folder).unwrap();
            let made = folder.join(format!("guestbook-{}-{}.zip", self.version(), crate::harness::host()));
            return if made.exists() { made } else { super::tiny::bundle(&folder, self.version()) };
        }
        let made = TEST.path(&format!("dist/guestbook-{}-{}.zip", self.version(), crate::harness::host()));
        if made.exists() {
            return made;
        }
        let project = format!("project-{}", self.version());
        TEST.guestbook(&project);
        self.change(&TEST.path(&project));
        TEST.bundle(&project, &["--version", self.version()])
    }

    /// Its bundle as somebody unpacks or copies it.
    pub fn expand(self, folder: &Path) {
        let bundle = Bundle::open(&self.bundle()).unwrap();
        expand(&bundle, Slot::empty(folder).unwrap(), &Silent).unwrap();
    }

    fn change(self, project: &Path) {
        // What a page says of its release, so that it can be held against the header.
        edit(
            &project.join("templates/base.html"),
            "<head>",
            &format!("<head><!-- release {} -->", self.version()),
        );
        edit(&project.join("static/guestbook/style.css"), "", &format!("/* release {} */\n", self.version()));
        let fails = match self {
            Release::Failing => "1 / 0",
            #[cfg(target_os = "linux")]
            Release::Moody => "MOODS.get(mood(request), well)(request)",
            _ => "well(request)",
        };
        edit(
            &project.join("guestbook/urls.py"),
            "urlpatterns = [",
            &format!("{MOODS}    path('fails/', lambda request: {fails}),"),
        );
        if self == Release::Unimportable {
            edit(&project.join("guestbook/wsgi.py"), "", "raise RuntimeError('broken on purpose')\n");
        }
        if self == Release::Hanging {
            edit(&project.join("guestbook/wsgi.py"), "", HANGS);
        }
        let migration = match self {
            Release::Unmigratable => "raise RuntimeError('broken on purpose')",
            Release::Migrating => "return None",
            _ => return,
        };
        let text = format!(
            "from django.db import migrations\n\n\ndef run(apps, schema_editor):\n    {migration}\n\n\n\
             class Migration(migrations.Migration):\n    dependencies = [('entries', '0001_initial')]\n    \
             operations = [migrations.RunPython(run, migrations.RunPython.noop)]\n"
        );
        fs_err::write(project.join("entries/migrations/0002_run.py"), text).unwrap();
    }
}

/// What the project's addresses begin with: a page can be one that the site's variables ask for.
const MOODS: &str = "
import os
import time

from django.http import HttpResponse


def well(request):
    return HttpResponse('well')


def mood(request):
    if os.environ.get('MOOD_AT', 'all') in ('all', request.META['SERVER_PORT']):
        return os.environ.get('MOOD')
    return None


MOODS = {'hangs': lambda request: time.sleep(10), 'fails': lambda request: 1 / 0}

urlpatterns = [
";

/// Puts `text` in the place of what stands there; with nothing to find, in front of all.
fn edit(path: &Path, find: &str, text: &str) {
    let before = fs_err::read_to_string(path).unwrap();
    assert!(before.contains(find), "{}", path.display());
    fs_err::write(path, before.replacen(find, text, 1)).unwrap();
}
