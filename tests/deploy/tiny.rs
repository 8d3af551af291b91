//! A project that is as small as can be, and its bundles: what is told of every step that a deploy takes on the disk would
//! take hours with a whole Python. This one is the Python of the tests under another name.

use std::path::{Path, PathBuf};

use holdall::archive::assemble;
use holdall::entry::EntryPath;
use holdall::layer::{self, Content, Key, Source};
use holdall::manifest::{LayerKind, Manifest};
use holdall::progress::{Silent, Stage};
use holdall::target::Target;

use crate::harness::{prepared, program};

/// Where its Python lies in a release.
pub const PYTHON: &str = "python/bin/python3";

/// Where visitors find the style sheet of this version, whose name carries a hash as those of Django's storage do.
pub fn style(version: &str) -> String {
    format!("/static/{}", hashed_style(version))
}

fn hashed_style(version: &str) -> String {
    let digits: String = version.bytes().map(|byte| format!("{byte:02x}")).collect();
    format!("style.{digits:0>12}.css")
}

/// The bundle of this version, in `folder`. Its only page says which it is, as the guestbook's do.
pub fn bundle(folder: &Path, version: &str) -> PathBuf {
    bundle_with(folder, version, &serde_json::json!([]), "")
}

/// The same with services, for which there is `app/work.py`.
pub fn bundle_with(folder: &Path, version: &str, services: &serde_json::Value, work: &str) -> PathBuf {
    made(folder, version, services, work, Vec::new(), &of_tests())
}

/// One whose Python is this program, which finds the bridge in this folder.
pub fn bundle_of(folder: &Path, version: &str, python: &Path, bridge: &str) -> PathBuf {
    made(folder, version, &serde_json::json!([]), "", Vec::new(), &running(python, bridge))
}

fn of_tests() -> String {
    running(&prepared("HOLDALL_BRIDGE_PYTHON"), "")
}

/// A program in Python's place. Deaf to its surroundings it would not find the project, which lies in no folder of its own.
fn running(python: &Path, bridge: &str) -> String {
    let bridge = if bridge.is_empty() { String::new() } else { format!(":{bridge}") };
    format!(
        "#!/bin/sh\n[ \"$1\" = -I ] && shift\nexport PYTHONPATH=\"${{0%/{PYTHON}}}/app{bridge}\"\nexec '{}' \"$@\"\n",
        python.display()
    )
}

/// The same with a `web.config` of the project's own.
pub fn bundle_with_config(folder: &Path, version: &str, config: &str) -> PathBuf {
    let iis = layer(folder, LayerKind::Iis, &[("iis/site.web.config", config)]);
    made(folder, version, &serde_json::json!([]), "", vec![iis], &of_tests())
}

fn made(
    folder: &Path,
    version: &str,
    services: &serde_json::Value,
    work: &str,
    more: Vec<layer::Layer>,
    python: &str,
) -> PathBuf {
    // Beside the page it says what it was told of the request. Of one page it knows nothing.
    let page = format!(
        "import json\nimport sys\n\n\ndef application(environ, start_response):\n    \
         told = {{name: value for name, value in environ.items() if isinstance(value, str) and len(value) < 400}}\n    \
         told['query'] = len(environ['QUERY_STRING'])\n    \
         told['python'] = '%d.%d.%d' % sys.version_info[:3]\n    \
         headers = [('Content-Type', 'text/html; charset=utf-8'), ('X-Environ', json.dumps(told))]\n    \
         start_response('404 Not Found' if environ['PATH_INFO'] == '/not-there/' else '200 OK', headers)\n    \
         return [b'<!-- release {version} --><link href=\"{}\">']\n",
        style(version)
    );
    let path = format!("www/static/{}", hashed_style(version));
    let names = serde_json::json!({ "paths": { "style.css": hashed_style(version) } }).to_string();
    let style = format!("/* release {version} */\n");
    // Each release brings its own.
    let holdall = format!("#!/bin/sh\nexec '{}' \"$@\"\n", program().display());
    let mut layers = vec![
        layer(folder, LayerKind::Runtime, &[(PYTHON, python), ("python/LICENSE", "free\n")]),
        layer(folder, LayerKind::Static, &[(&path, &style), ("www/static/staticfiles.json", &names)]),
        layer(
            folder,
            LayerKind::App,
            &[("app/page.py", &page), ("app/manage.py", ""), ("app/work.py", work)],
        ),
        layer(folder, LayerKind::Tools, &[(target().program(), &holdall)]),
    ];
    layers.extend(more);
    let manifest = manifest(version, services);
    let path = folder.join(manifest.file_name());
    assemble(manifest, layers, &path, None, &Silent).unwrap().path
}

fn target() -> Target {
    Target::host().unwrap()
}

fn layer(folder: &Path, kind: LayerKind, files: &[(&str, &str)]) -> layer::Layer {
    let source = |(path, text): &(&str, &str)| Source {
        path: EntryPath::parse(path, target()).unwrap(),
        content: Content::Bytes((*text).into()),
        executable: *path == PYTHON || *path == target().program(),
    };
    let (key, sources) = (Key::new(kind, target(), &[]), files.iter().map(source).collect());
    layer::build_in(folder, &key, &kind.to_string(), sources, None, Stage::App, &Silent).unwrap()
}

fn manifest(version: &str, services: &serde_json::Value) -> Manifest {
    let nobodys = "0".repeat(64);
    let manifest = serde_json::json!({
        "format": 1, "name": "guestbook", "version": version, "target": target().as_str(),
        "python": { "version": "3.12.4", "program": PYTHON, "site_packages": "python/lib/site-packages" },
        "portable": false,
        "django": {
            "version": "5.2", "settings": "settings", "wsgi": "page:application", "manage": "app/manage.py",
        },
        "site": {
            "static_url": "/static/", "static_root": "www/static", "hashed_static": true, "environment": [],
            "health": "/", "paths": {}, "migrations": {}, "services": services,
        },
        "longest_path": 40, "lock": nobodys, "bridge": nobodys, "holdall": nobodys,
        // As if there were some: none is made on the server.
        "bytecode": "3.12.4", "layers": [],
    });
    Manifest::parse(manifest.to_string().as_bytes()).unwrap()
}
