//! Configurations that IIS refuses.

use crate::lab::{Lab, get};

#[track_caller]
fn fails(lab: &Lab, substatus: u16, words: &str) {
    assert_eq!(lab.get("/").status, 500);
    let journal = lab.journal();
    let line = journal.iter().rfind(|line| line["event"] == "request").unwrap();
    assert_eq!(line["substatus"], substatus, "{line}");
    assert!(line["why"].as_str().unwrap().contains(words), "{line}");
}

#[test]
fn handlers_in_a_web_config_are_refused_where_they_are_locked() {
    let mut lab = Lab::new();
    lab.locations.clear();
    lab.serve();
    fails(&lab, 19, "0x80070021");
    // The whole path fails, and what lies above it too.
    assert_eq!(lab.get("/static/site.css").status, 500);
    lab.unlock("shop");
    lab.commit();
    assert_eq!(lab.get("/").status, 200);
}

#[test]
fn a_handler_needs_its_fastcgi_application() {
    let mut lab = Lab::new();
    let application = lab.applications.remove(0);
    lab.serve();
    fails(&lab, 0, "0x80070585");
    // Files need none.
    assert_eq!(lab.get("/static/site.css").status, 200);
    lab.applications.push(application);
    lab.commit();
    assert_eq!(lab.get("/").status, 200);
}

#[test]
fn a_module_that_is_not_installed_cannot_handle_anything() {
    let mut lab = Lab::new();
    lab.serve();
    let config = fs_err::read_to_string(lab.config().join("applicationHost.config")).unwrap();
    let without = config.replace(r#"<add name="FastCgiModule" lockItem="true" />"#, "");
    lab.write("applicationHost.config", &without);
    fails(&lab, 21, "FastCgiModule");
}

#[test]
fn nothing_is_served_of_a_configuration_that_cannot_be_read() {
    let mut lab = Lab::new();
    lab.serve();
    let before = lab.ask("/")["pid"].clone();
    lab.write("applicationHost.config", "<configuration>");
    fails(&lab, 19, "well-formed");
    lab.commit();
    assert_eq!(lab.ask("/")["pid"], before);
    // What is asked for meanwhile is not forgotten.
    lab.write("applicationHost.config", "<configuration>");
    fails(&lab, 19, "well-formed");
    lab.write("runtime.json", r#"{"pools": {"pool": {"recycled": 1}}}"#);
    fails(&lab, 19, "well-formed");
    lab.commit();
    assert_ne!(lab.ask("/")["pid"], before);
    assert_eq!(lab.end_of(&before), "drained");
}

#[test]
fn a_web_config_in_a_folder_of_uploads_counts_only_where_it_may() {
    let mut lab = Lab::new();
    let uploads = lab.path("uploads");
    fs_err::create_dir_all(uploads.join("evil")).unwrap();
    fs_err::write(uploads.join("evil/web.config"), "<no configuration").unwrap();
    fs_err::write(uploads.join("evil/a.txt"), "text").unwrap();
    let directory = |may| {
        format!(
            r#"<application path="/media" applicationPool="pool"><virtualDirectory path="/" physicalPath="{}" allowSubDirConfig="{may}" /></application>"#,
            uploads.display()
        )
    };
    lab.locations.push_str(
        r#"<location path="shop/media"><system.webServer><handlers><clear /><add name="StaticFile" path="*" verb="*" modules="StaticFileModule" resourceType="File" requireAccess="Read" /></handlers></system.webServer></location>"#,
    );
    lab.sites[0].more = directory(true);
    lab.serve();
    assert_eq!(lab.get("/media/evil/a.txt").status, 500);
    lab.sites[0].more = directory(false);
    lab.commit();
    let page = lab.get("/media/evil/a.txt");
    assert_eq!((page.status, &*page.text), (200, "text"));
}

#[test]
fn of_two_sites_with_one_binding_the_first_has_it() {
    let mut lab = Lab::new();
    lab.release("two", 1);
    lab.site("copy", "pool", "two");
    lab.unlock("copy");
    lab.sites[1].port = lab.sites[0].port;
    lab.serve();
    assert_eq!(lab.ask("/")["release"], "one");
    let refused = |line: &serde_json::Value| line["event"] == "not-served" && line["site"] == "copy";
    assert!(lab.journal().iter().any(refused));
    // When the first one stops, the other has it.
    lab.write("runtime.json", r#"{"sites": {"1": {"state": "Stopped"}}}"#);
    assert_eq!(lab.ask("/")["release"], "two");
    lab.write("runtime.json", r#"{"sites": {"1": {"state": "Stopped"}, "2": {"state": "Stopped"}}}"#);
    lab.wait_for("the end of listening", |_| {
        std::net::TcpStream::connect(("127.0.0.1", lab.sites[0].port)).is_err()
    });
    lab.write("runtime.json", "{}");
    lab.wait_for("another beginning", |lines| {
        lines.iter().filter(|line| line["event"] == "listening").count() == 2
    });
    assert_eq!(get(&lab.url("/")).status, 200);
}
