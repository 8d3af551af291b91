//! What is refused, or said, before there is a server to ask.

use super::bundles::Release;
use super::server::Server;
use crate::harness::{Test, command};

/// A server's folder of sites, with these in it.
fn sites(names: &[&str]) -> Test {
    let test = Test::empty();
    for name in names {
        test.write(&format!("sites/{name}/site.toml"), format!("name = '{name}'\n"));
    }
    test
}

fn holdall(test: &Test, args: &[&str]) -> assert_cmd::Command {
    let mut holdall = command(&test.path(""), args);
    holdall.env("HOLDALL_ROOT", test.path("sites")).env_remove("HOLDALL_APPCMD");
    assert_cmd::Command::from_std(holdall)
}

/// What a command says that ends with 3.
#[track_caller]
fn refused(test: &Test, args: &[&str]) -> String {
    let refused = holdall(test, args).assert().code(3).stdout("");
    String::from_utf8_lossy(&refused.get_output().stderr).into_owned()
}

#[test]
fn a_variable_of_a_site_that_is_not_there_yet_is_kept_and_a_slip_of_the_pen_is_named() {
    let test = sites(&["shop", "intranet"]);
    let said = refused(&test, &["env", "set", "shpo", "A B=1"]);
    assert!(said.contains("`A B` cannot be the name") && !test.path("sites/shpo").exists(), "{said}");
    let set = holdall(&test, &["env", "set", "shpo", "A=1"]).assert().success().stdout("A is set\n");
    let said = String::from_utf8_lossy(&set.get_output().stderr).into_owned();
    assert!(said.contains("there is no site `shpo` yet: this is kept for its first deploy"), "{said}");
    assert!(said.contains("did you mean `shop`?"), "{said}");
    let set = holdall(&test, &["env", "set", "blog", "A=1", "--format", "json"]).assert().success();
    let value: serde_json::Value = serde_json::from_slice(&set.get_output().stdout).unwrap();
    assert_eq!(
        value["notices"][0]["help"],
        "if another site was meant, `holdall remove blog --with-data` takes this back"
    );
    let known = holdall(&test, &["env", "set", "shpo", "B=1"]).assert().success();
    assert!(!String::from_utf8_lossy(&known.get_output().stderr).contains("yet"));
    let said = refused(&test, &["env", "list", "intarnet"]);
    assert!(
        said.contains("there is no site `intarnet` below") && said.contains("did you mean `intranet`?"),
        "{said}"
    );
}

#[test]
fn where_there_is_no_site_at_all_it_is_said_how_to_make_one() {
    let test = sites(&[]);
    for args in [&["status"][..], &["rollback"], &["releases"], &["prune"], &["restart"], &["remove"]] {
        let said = refused(&test, args);
        assert!(
            said.contains("there is no site below `") && said.contains("`holdall deploy BUNDLE` makes one"),
            "{said}"
        );
        assert!(said.contains("`--root` or HOLDALL_ROOT"), "{said}");
    }
    let test = sites(&["shop", "blog"]);
    let said = refused(&test, &["status"]);
    assert!(said.contains("there are blog, shop"), "{said}");
}

#[test]
fn what_is_no_bundle_or_only_a_part_of_one_is_named_before_anything_is_made() {
    let test = sites(&[]);
    let bytes = fs_err::read(Release::First.bundle()).unwrap();
    let mut damaged = bytes.clone();
    damaged[60..76].iter_mut().for_each(|byte| *byte ^= 0x55);
    test.write("damaged.zip", damaged);
    test.write("half.zip", &bytes[..bytes.len() / 2]);
    test.write("text.zip", "no zip");
    test.write("folder/readme.txt", "no bundle");
    Release::First.expand(&test.path("copied"));
    fs_err::remove_file(test.path("copied/app/manage.py")).unwrap();
    test.write("copied/app/templates/base.html", "cut");
    for (path, words) in [
        ("damaged.zip", "the content of `holdall.json` in `damaged.zip` is damaged"),
        ("half.zip", "`half.zip` is cut off"),
        ("text.zip", "`text.zip` is not a zip"),
        ("none.zip", "cannot read `none.zip`"),
        ("folder", "folder` is not an expanded bundle"),
        (
            "copied",
            "copied` is not what was bundled: 2 files differ, are missing or extra, `app/manage.py` is missing",
        ),
    ] {
        for args in [&["deploy", path, "--server", "iis"][..], &["site", "init", path]] {
            let said = refused(&test, args);
            assert!(said.contains(words), "{said}");
        }
    }
    assert!(!test.path("sites/guestbook").exists());
}

#[test]
fn a_site_does_not_come_to_lie_in_the_folder_that_it_serves() {
    let test = sites(&[]);
    Release::First.expand(&test.path("copied"));
    for root in ["copied", "copied/app/x/y", "copied/../copied/sites"] {
        let said = refused(&test, &["deploy", "copied", "--root", root, "--server", "iis"]);
        assert!(said.contains("copied`, which is to serve") && said.contains("`--root`"), "{said}");
    }
    assert!(!test.path("copied/app/x").exists() && !test.path("copied/guestbook").exists());
}

#[test]
fn settings_in_another_encoding_are_refused_with_its_name() {
    let test = sites(&[]);
    let bundle = Release::First.bundle();
    let deploy = ["deploy", bundle.to_str().unwrap(), "--site", "site.toml", "--server", "iis"];
    let text = "name = 'shop'\n# B\u{fc}ro\n";
    let wide: Vec<u8> =
        [0xff, 0xfe].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    test.write("site.toml", wide);
    let said = refused(&test, &deploy);
    assert!(said.contains("`site.toml` is not in UTF-8: it seems to be in UTF-16"), "{said}");
    test.write("site.toml", b"name = 'shop'\n# B\xfcro\n");
    let said = refused(&test, &deploy);
    assert!(
        said.contains("Windows-1252") && said.contains("(line 2)") && said.contains("save it as UTF-8"),
        "{said}"
    );
    // That of a site that is there is read by other commands.
    test.write("sites/shop/site.toml", b"name = 'shop'\n# B\xfcro\n");
    assert!(refused(&test, &["status"]).contains("site.toml` is not in UTF-8"));
    // With the mark of editors on Windows it is taken.
    test.write("sites/shop/site.toml", format!("\u{feff}{text}\n[environment]\nA = '1'\n"));
    holdall(&test, &["env", "list", "shop"]).assert().success().stdout("A  (site.toml)\n");
}

#[test]
fn a_program_in_appcmds_place_that_is_not_there_is_named_with_its_variable() {
    let test = sites(&["shop"]);
    let mut status = holdall(&test, &["status", "--server", "iis"]);
    let refused = status.env("HOLDALL_APPCMD", test.path("none/appcmd")).assert().code(3).stdout("");
    let said = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
    assert!(said.contains("HOLDALL_APPCMD names `") && said.contains("correct that variable"), "{said}");
    let wrong = holdall(&test, &["prune", "--keep", "0"]).assert().code(2).stdout("");
    assert!(String::from_utf8_lossy(&wrong.get_output().stderr).contains("0 is not in 1.."));
}

#[test]
fn a_script_overwrites_no_file_of_somebody_else() {
    let server = Server::new();
    let plan = |script: &str| server.deploy(Release::First, &["--plan", "--script", script]);
    plan("changes.cmd").success();
    let script = server.test.read("changes.cmd");
    assert!(script.contains("\r\n@echo off\r\n") && script.contains("add site"), "{script}");
    plan("changes.cmd").success();
    assert_eq!(server.test.read("changes.cmd"), script);
    let settings = server.test.read("site.toml");
    let refused = plan("site.toml").code(3).stdout("");
    let said = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
    assert!(
        said.contains("`site.toml` is there already") && said.contains("another file with `--script`"),
        "{said}"
    );
    assert_eq!(server.test.read("site.toml"), settings);
}
