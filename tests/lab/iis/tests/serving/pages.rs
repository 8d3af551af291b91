//! Static and dynamic pages, and what is refused before any of them.

use holdall_lab_iis::init::install_webdav;

use crate::lab::{Lab, agent, page};

#[test]
fn files_come_from_the_folder_and_everything_else_from_the_application() {
    let mut lab = Lab::new();
    lab.serve();
    let css = lab.get("/static/site.css");
    assert_eq!((css.status, &*css.text), (200, "/* one */"));
    assert_eq!(
        (css.header("content-type"), css.header("x-holdall-release")),
        (Some("text/css"), Some("one"))
    );
    let known = agent().get(lab.url("/static/site.css")).header("If-None-Match", css.header("etag").unwrap());
    assert_eq!(page(known.call()).status, 304);
    let dynamic = lab.get("/a/page?x=1");
    assert_eq!((dynamic.status, dynamic.header("x-holdall-release")), (200, Some("one")));
    assert_eq!(dynamic.header("server"), Some("Microsoft-IIS/10.0"));
    let told = dynamic.json();
    assert_eq!(
        (&told["path"], &told["script_name"], &told["pool"]),
        (&"/a/page".into(), &"".into(), &"pool".into())
    );
    assert_eq!(told["params"]["APPL_PHYSICAL_PATH"], format!("{}/", lab.www("one").display()));
    assert_eq!(told["params"]["APPL_MD_PATH"], "/LM/W3SVC/1/ROOT");
    let posted = page(agent().post(lab.url("/")).send(&vec![b'x'; 300_000][..])).json();
    assert_eq!(posted["body"], 300_000);
}

#[test]
fn the_bridge_makes_of_every_habit_of_iis_the_same_path() {
    for answer in ["both", "path-info", "script-name"] {
        let mut lab = Lab::new();
        lab.switches("serve", &format!("\"params.path\" = \"{answer}\""));
        lab.serve();
        let told = lab.ask("/gr%C3%BCn/x");
        let path = format!("{}{}", told["script_name"].as_str().unwrap(), told["path"].as_str().unwrap());
        assert_eq!(path, "/gr\u{c3}\u{bc}n/x", "{answer}");
    }
}

#[test]
fn an_error_page_of_the_application_survives_only_where_it_is_passed_through() {
    let mut lab = Lab::new();
    lab.serve();
    let passed = lab.get("/missing");
    assert_eq!((passed.status, passed.json()["path"].as_str()), (404, Some("/missing")));
    let config = lab.www("one").join("web.config");
    let text = fs_err::read_to_string(&config).unwrap();
    fs_err::write(&config, text.replace("PassThrough", "Auto")).unwrap();
    let replaced = lab.get("/missing");
    assert_eq!((replaced.status, replaced.header("x-holdall-release")), (404, Some("one")));
    assert!(replaced.text.contains("HTTP Error 404.0"), "{}", replaced.text);
}

#[test]
fn request_filtering_refuses_before_the_application_is_asked() {
    let mut lab = Lab::new();
    lab.serve();
    for (path, substatus) in
        [("/web.config", 8), ("/a/bin/x", 8), ("/a.config", 7), ("/a+b", 11), ("/a%252F", 11)]
    {
        assert_eq!(lab.get(path).status, 404, "{path}");
        let journal = lab.journal();
        let line = journal.last().unwrap();
        assert_eq!((&line["status"], &line["substatus"]), (&404.into(), &substatus.into()), "{path}");
    }
    assert_eq!(lab.get(&format!("/?{}", "q".repeat(2049))).status, 404);
    assert_eq!(lab.started(), 0);
    lab.web_config(
        "one",
        r#"<security><requestFiltering allowDoubleEscaping="true"><hiddenSegments><clear /><add segment="web.config" /></hiddenSegments><fileExtensions><clear /></fileExtensions><requestLimits maxQueryString="16384" /></requestFiltering></security>"#,
    );
    for path in ["/a/bin/x", "/a.config", "/a+b", &format!("/?{}", "q".repeat(2049))] {
        assert_eq!(lab.get(path).status, 200, "{path}");
    }
    assert_eq!(lab.get("/web.config").status, 404);
}

#[test]
fn a_host_that_no_site_has_is_no_request_and_a_stopped_pool_is_unavailable() {
    let mut lab = Lab::new();
    lab.serve();
    lab.write("runtime.json", r#"{"pools": {"pool": {"state": "Stopped"}}}"#);
    assert_eq!(lab.get("/").status, 503);
    lab.write("runtime.json", r#"{"pools": {"pool": {"state": "Started", "recycled": 1}}}"#);
    assert_eq!(lab.get("/").status, 200);
    let config = fs_err::read_to_string(lab.config().join("applicationHost.config")).unwrap();
    let port = lab.sites[0].port;
    lab.write(
        "applicationHost.config",
        &config.replace(&format!("*:{port}:"), &format!("*:{port}:shop.example")),
    );
    assert_eq!(lab.get("/").status, 400);
    let named = agent().get(lab.url("/")).header("Host", &format!("SHOP.example:{port}"));
    assert_eq!(page(named.call()).status, 200);
}

#[test]
fn who_has_to_say_who_they_are_is_told_so_by_the_release_that_is_asked() {
    let mut lab = Lab::new();
    lab.locations.push_str(
        r#"<location path="shop"><system.webServer><security><authentication><anonymousAuthentication enabled="false" /><windowsAuthentication enabled="true" /></authentication></security></system.webServer></location>"#,
    );
    lab.serve();
    for path in ["/", "/static/site.css"] {
        let page = lab.get(path);
        assert_eq!((page.status, page.header("x-holdall-release")), (401, Some("one")), "{path}");
        let ways: Vec<_> = page.headers.get_all("www-authenticate").iter().collect();
        assert_eq!(ways, ["Negotiate", "NTLM"]);
    }
    assert_eq!(lab.started(), 0);
}

#[test]
fn a_file_for_an_error_is_shown_where_the_mode_is_custom() {
    let mut lab = Lab::new();
    let folder = lab.path("errors");
    fs_err::create_dir_all(folder.join("en-US")).unwrap();
    fs_err::write(folder.join("en-US/404.htm"), "not here").unwrap();
    lab.locations.push_str(&format!(
        r#"<location path="shop/static"><system.webServer><httpErrors errorMode="Custom" existingResponse="Auto"><remove statusCode="404" /><error statusCode="404" prefixLanguageFilePath="{}" path="404.htm" /></httpErrors></system.webServer></location>"#,
        folder.display()
    ));
    lab.serve();
    let page = lab.get("/static/none.css");
    assert_eq!((page.status, &*page.text), (404, "not here"));
    assert_eq!(lab.get("/missing").json()["path"], "/missing");
}

#[test]
fn methods_of_webdav_reach_the_application_once_its_module_is_removed() {
    let mut lab = Lab::new();
    lab.serve();
    let asked = |lab: &Lab| {
        [
            page(agent().put(lab.url("/x")).send("body")).status,
            page(agent().delete(lab.url("/x")).call()).status,
        ]
    };
    assert_eq!(asked(&lab), [200, 200]);
    install_webdav(&lab.config()).unwrap();
    assert_eq!((asked(&lab), lab.get("/x").status), ([405, 405], 200));
    lab.locations.push_str(
        r#"<location path="shop"><system.webServer><modules><remove name="WebDAVModule" /></modules></system.webServer></location>"#,
    );
    lab.commit();
    install_webdav(&lab.config()).unwrap();
    assert_eq!(asked(&lab), [200, 200]);
}
