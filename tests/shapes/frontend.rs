//! A site with a part that another tool builds: what it makes is ignored by git, and lies there when one bundles.

use super::{manage, stylesheet};
use crate::bundle::entries;
use crate::harness::Test;

#[test]
fn what_a_bundler_of_scripts_has_built_is_collected_and_what_the_site_reads_itself_is_named() {
    let test = Test::empty();
    // The folder is called as the package in it; `halls` has no `__init__.py`, and `data` is an application.
    test.fixture("window", "window");
    test.write("window/.gitignore", "node_modules/\n/frontend/dist/\n/frontend/stats.json\n/logs/\n")
        .write("window/frontend/src/main.js", "import './style.css'\n")
        .write("window/frontend/node_modules/x/x.js", "")
        .write("window/frontend/dist/index.html", "<title>One page</title>\n")
        .write("window/frontend/dist/assets/style-4f2a.css", "p { color: teal; }\n")
        .write("window/frontend/stats.json", "{\"style\": \"built/style-4f2a.css\"}\n");
    fs_err::create_dir(test.path("window/logs")).unwrap();
    let said = |test: &Test| {
        let done = test.holdall(["bundle", "window", "--runtime", "host", "--output", "dist"]).success();
        test.words(&done.get_output().stderr)
    };
    let told = said(&test);
    let cause = "which is left out as the output of a build, or because a `.gitignore` file names it";
    for (setting, path) in [("BUNDLER", "frontend/stats.json"), ("TEMPLATES", "frontend/dist")] {
        assert!(told.contains(&format!("{setting} leads to `{path}`, {cause}")), "{told}");
        assert!(told.contains(&format!("`include = [\"/{path}\"]` under `[files]`")), "{told}");
    }
    assert!(!told.contains("FRONTEND leads") && !told.contains("LOGS leads"), "{told}");

    let include =
        "[files]\ninclude = ['/frontend/stats.json', '/frontend/dist']\nexclude = ['/frontend/src']\n";
    test.write("window/holdall.toml", include);
    assert!(!said(&test).contains(" leads to "));
    let bundle = test.bundle("window", &["--version", "1"]);
    let site = test.preview([&bundle]);
    let (address, style) = stylesheet(&site);
    assert_eq!((&*address, &*style.text()), ("/static/built/style-4f2a.css", "p { color: teal; }\n"));
    assert!(site.get("/").text().contains("<p>east, west</p>"));
    assert!(site.get("/spa/").text().contains("<title>One page</title>"));
    manage(&site, &[("SECRET_KEY", "for a test")], &["check"]);
    site.stop();
    let files = entries(&bundle);
    let own = files.keys().filter(|name| name.starts_with("app/frontend/"));
    let expected = ["dist/assets/style-4f2a.css", "dist/index.html", "stats.json"];
    assert_eq!(
        own.collect::<Vec<_>>(),
        expected.map(|name| format!("app/frontend/{name}")).iter().collect::<Vec<_>>()
    );
}
