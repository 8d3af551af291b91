//! Secrets are planted and then looked for: in every word that a program was given, in all that was said, and in every file.

use std::path::{Path, PathBuf};

use super::https::Secure;
use super::tiny;

/// The password of the account that the pool runs under, and a variable of the project.
const PASSWORD: &str = "planted-4711 <&> \"p\"";
const SECRET: &str = "planted-0815";

/// What of them is the same however it is written.
const MARKS: [&str; 2] = ["planted-4711", "planted-0815"];

#[test]
fn planted_secrets_are_found_nowhere_but_where_they_are_kept() {
    let secure = Secure::new();
    let server = &secure.server;
    server.site_toml("pool.account = 'EXAMPLE\\shop'");
    let text = server.test.read("site.toml").replace("SECRET_KEY = 'not secret'\n", "");
    server.test.write("site.toml", text);
    let [first, second] = ["1.0", "1.1"].map(|version| tiny::bundle(&server.test.path(""), version));
    let [first, second] = [&first, &second].map(|bundle| bundle.to_str().unwrap());

    let mut said = Vec::new();
    let mut run = |args: &[&str], input: &str, code: i32| {
        for format in ["text", "json"] {
            let mut command =
                assert_cmd::Command::from_std(server.command(&[args, &["--format", format]].concat()));
            let done = command.write_stdin(format!("{input}\n")).assert().code(code);
            let output = done.get_output();
            said.push(String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned());
        }
        said.last().unwrap().clone()
    };
    let init = server.test.path("init.toml");
    server.holdall(&["site", "init", first, "--output", init.to_str().unwrap()]).success();
    run(&["env", "set", "guestbook", "SECRET_KEY"], SECRET, 0);
    let to_iis = ["--site", "site.toml", "--server", "iis"];
    let deploy =
        |bundle: &'static str, more: &[&'static str]| [&["deploy", bundle], &to_iis[..], more].concat();
    let (first, second): (&'static str, &'static str) = (first.to_owned().leak(), second.to_owned().leak());
    run(&deploy(first, &["--plan", "--script", "changes.cmd"]), "", 0);
    // Nobody sits at a terminal, and nothing comes by standard input unless that is said.
    let refused = run(&deploy(first, &[]), PASSWORD, 3);
    assert!(refused.contains("--pool-password-stdin"), "{refused}");
    assert!(!server.home().join("releases").exists());
    run(&deploy(first, &["--pool-password-stdin"]), PASSWORD, 0);
    // It is set, and wanted no more.
    run(&deploy(second, &[]), "", 0);
    run(&["status", "--server", "iis"], "", 0);
    run(&["env", "list", "guestbook"], "", 0);
    run(&["rollback", "--server", "iis"], "", 0);
    // Another account, whose pool cannot be told of: what is said of the failure does not say it, either.
    let text = server.test.read("site.toml").replace("EXAMPLE\\shop", "EXAMPLE\\other");
    server.test.write("site.toml", text);
    server.lab("[[fault]]\nmatches = 'set apppool /in'\nexit = 87\ntext = 'wrong'");
    run(&deploy(second, &["--pool-password-stdin"]), PASSWORD, 4);
    server.lab("");
    // IIS has it, and encrypts it.
    let config = server.test.read("iis/applicationHost.config");
    assert!(config.contains("userName=\"EXAMPLE\\shop\"") && config.contains("password=\"[enc:"), "{config}");
    assert_eq!(holding(&server.test.path(""), MARKS[0]), Vec::<PathBuf>::new());
    assert_eq!(holding(&server.test.path(""), MARKS[1]), [server.home().join("secrets.toml")]);
    assert!(MARKS.iter().all(|mark| !server.commands().concat().concat().contains(mark)));
    server.holdall(&["remove", "guestbook", "--with-data", "--server", "iis"]).success();
    assert!(MARKS.iter().all(|mark| holding(&server.test.path(""), mark).is_empty()));
    for said in said {
        assert!(MARKS.iter().all(|mark| !said.contains(mark)), "{said}");
    }
}

/// The files below a folder in which a text stands.
fn holding(folder: &Path, text: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs_err::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let kind = fs_err::symlink_metadata(&path).unwrap().file_type();
        if kind.is_dir() {
            found.extend(holding(&path, text));
        } else if kind.is_file()
            && fs_err::read(&path).unwrap().windows(text.len()).any(|part| part == text.as_bytes())
        {
            found.push(path);
        }
    }
    found.sort();
    found
}
