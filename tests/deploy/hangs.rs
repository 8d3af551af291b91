//! What never ends by itself is ended, and holds no site for ever.

use super::bundles::Release;
use super::server::Server;

#[test]
fn a_hook_that_hangs_is_ended_with_all_that_it_started_while_the_release_before_serves() {
    let server = Server::new();
    server.deploy(Release::First, &[]).success();
    let hook = "import subprocess, sys; print('fast ' + 'asleep', flush=True); \
                subprocess.run([sys.executable, '-c', 'import time; time.sleep(900)'])";
    for (when, code) in [("before", 4), ("after", 1)] {
        server.site_toml(&format!(
            "hooks.timeout = 4\nhooks.{when} = ['''manage.py shell -v 0 -c \"{hook}\"''']"
        ));
        let refused = server.deploy(Release::Second, &[]).code(code).stdout("");
        let said = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
        assert!(said.contains(&format!("a hook {when} the switch failed")), "{said}");
        assert!(said.contains("had not ended after 4 s") && said.contains("manage.py shell"), "{said}");
        assert!(said.contains("fast asleep") && said.contains("set `timeout` in `[hooks]`"), "{said}");
        server.assert_tidy(if when == "before" { Release::First } else { Release::Second });
    }
}

#[test]
fn a_project_that_hangs_when_it_is_imported_is_ended_while_the_release_before_serves() {
    let server = Server::new();
    server.deploy(Release::First, &[]).success();
    let text = server.test.read("site.toml").replace("[fastcgi]\n", "[fastcgi]\nactivityTimeout = 10\n");
    server.test.write("site.toml", text);
    let refused = server.deploy(Release::Hanging, &[]).code(4).stdout("");
    let said = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
    assert!(said.contains("the project does not start in its new release"), "{said}");
    assert!(said.contains("had not ended after 10 s") && said.contains("`activityTimeout`"), "{said}");
    server.assert_tidy(Release::First);
}
