//! A `web.config` of the project's own: it is in force with its release, and one that says what only Holdall may say is
//! refused.

use assert_cmd::assert::Assert;

use super::server::Server;
use super::tiny;
use super::visitors::ask;
use crate::bad_project::site;

const OWN: &str = r#"<?xml version="1.0" encoding="utf-8"?>
<configuration>
  <system.webServer>
    <httpProtocol>
      <customHeaders>
        <add name="X-Shop" value="of the shop" />
      </customHeaders>
    </httpProtocol>
  </system.webServer>
  <location path="narrow">
    <system.webServer>
      <security>
        <requestFiltering>
          <requestLimits maxQueryString="10" />
        </requestFiltering>
      </security>
    </system.webServer>
  </location>
</configuration>
"#;

const UPLOADS: &str = r#"<configuration>
  <location path="media"><system.webServer><directoryBrowse enabled="true" /></system.webServer></location>
</configuration>
"#;

fn deploy(server: &Server, version: &str, config: &str) -> Assert {
    let folder = server.test.path(&format!("bundle-{version}"));
    fs_err::create_dir_all(&folder).unwrap();
    let bundle = tiny::bundle_with_config(&folder, version, config);
    server.holdall(&["deploy", bundle.to_str().unwrap(), "--site", "site.toml", "--server", "iis"])
}

#[test]
fn a_web_config_of_the_projects_own_is_in_force_with_its_release() {
    let server = Server::new();
    server.site_toml("[media]\nurl = '/media/'");
    deploy(&server, "1.0", OWN).success();
    let page = ask(&server.url("/")).unwrap();
    assert_eq!((page.status, page.header("x-shop")), (200, "of the shop"));
    let style = ask(&server.url(&tiny::style("1.0"))).unwrap();
    assert_eq!((style.status, style.header("x-shop")), (200, "of the shop"));
    // A longer query than that is refused there, and nowhere else.
    let narrow = |path: &str| ask(&server.url(path)).unwrap().status;
    assert_eq!(
        (narrow("/narrow/?12345678901"), narrow("/narrow/?1"), narrow("/?12345678901")),
        (404, 200, 200)
    );
    // The same again is nothing.
    let serving = server.serving();
    deploy(&server, "1.0", OWN).success();
    assert_eq!(server.serving(), serving);

    // What both say would be one item twice: neither a deploy nor other settings get that far.
    let twice = "both add `x-shop`, and IIS takes an item once";
    server.site_toml("[media]\nurl = '/media/'\n[headers]\nx-shop = 'of the server'");
    let before = server.changing().len();
    for refused in [
        server.holdall(&["apply", "--site", "site.toml", "--server", "iis"]).code(3),
        deploy(&server, "1.1", OWN).code(3),
    ] {
        let told = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
        assert!(told.contains(twice) && told.contains("take one of them out"), "{told}");
    }
    assert_eq!((&server.serving(), server.changing().len()), (&serving, before));
    server.site_toml("[media]\nurl = '/media/'");

    // Where uploads lie is known on the server alone.
    let refused = deploy(&server, "1.1", UPLOADS).code(3);
    let told = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
    assert!(told.contains("`iis/site.web.config` cannot be") && told.contains("uploads lie there"), "{told}");
    assert_eq!(server.serving(), serving);
}

#[test]
fn a_web_config_that_says_what_only_holdall_may_say_is_refused_while_bundling() {
    let test = site();
    let config = "name = \"shop\"\nversion = \"1.0\"\n[iis]\nweb-config = \"deploy/web.config\"\n";
    let own = "<configuration>\n<system.webServer><handlers><clear /></handlers></system.webServer></configuration>";
    test.write("site/holdall.toml", config).write("site/deploy/web.config", own);
    insta::assert_snapshot!(test.refused(3, &["bundle", "site", "--runtime", "host"]), @r"
    × `deploy/web.config` cannot be the site's `web.config`: system.webServer/handlers: who answers a request is Holdall's to say
    help: take that out of the file; what Holdall says for itself is in docs/settings.md
    ");
}

#[test]
fn a_header_moves_between_the_projects_web_config_and_the_site_and_back() {
    let server = Server::new();
    let shown = |told: Assert| {
        let told = String::from_utf8_lossy(&told.success().get_output().stderr).into_owned();
        let page = ask(&server.url("/")).unwrap();
        (page.status, page.header("x-shop").to_owned(), told.contains("what the `web.config` says counts"))
    };
    let is = |value: &str, is_told: bool| (200, value.to_owned(), is_told);
    server.site_toml("");
    assert_eq!(shown(deploy(&server, "1.0", OWN)), is("of the shop", false));
    // IIS tells of an item that stands in the web.config alone, and appcmd finds none to edit.
    server.site_toml("[headers]\nx-shop = 'of the server'");
    let other = OWN.replace("X-Shop", "X-Other");
    assert_eq!(shown(deploy(&server, "2.0", &other)), is("of the server", false));
    // What replaces it works, and is said.
    let item = "<add name=\"X-Shop\"";
    let replaced = OWN.replace(item, &format!("<remove name=\"X-Shop\" />{item}"));
    assert_eq!(shown(deploy(&server, "3.0", &replaced)), is("of the shop", true));
    server.site_toml("[headers]\nx-shop = 'of another'");
    let apply = ["apply", "--site", "site.toml", "--server", "iis", "--take-over"];
    assert_eq!(shown(server.holdall(&apply)), is("of the shop", true));
    assert_eq!(shown(server.holdall(&["rollback", "guestbook", "--server", "iis"])), is("of another", false));
}
