//! Random sequences of commands: the file stays well-formed and right, and what was set is shown.

use std::collections::BTreeMap;

use crate::harness::Server;
use holdall_lab_iis::config::{Config, RemoveAbsent};
use holdall_lab_iis::schema;

/// A small generator of numbers: the same seed gives the same run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(sides).unwrap()).unwrap()
    }

    fn pick<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.roll(words.len())]
    }
}

const TEXTS: [&str; 6] = [r"C:\a b", "x&y<z>", "grün", "\"quoted\"", r"%SystemDrive%\x", "tab\tline"];

#[test]
fn random_commands_leave_a_file_that_shows_what_was_set() {
    for seed in 1..=6_u64 {
        let server = Server::new();
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        // What has to be shown: sites with their folders, pools with their timeouts, applications with their instances.
        let mut folders: BTreeMap<String, String> = BTreeMap::new();
        let mut pools: BTreeMap<String, String> = BTreeMap::new();
        let mut applications: BTreeMap<String, String> = BTreeMap::new();
        for _ in 0..60 {
            let name = format!("n{}", dice.roll(5));
            let text = dice.pick(&TEXTS).to_owned();
            match dice.roll(9) {
                0 => {
                    let port = 8000 + dice.roll(1000);
                    let words = [
                        &format!("/name:{name}"),
                        &format!("/bindings:http/*:{port}:{name}"),
                        &format!("/physicalPath:{text}"),
                    ];
                    let (exit, _) = server.run(&["add", "site", words[0], words[1], words[2]]);
                    assert_eq!(exit, if folders.contains_key(&name) { 183 } else { 0 });
                    folders.entry(name).or_insert(text);
                }
                1 => {
                    let (exit, _) =
                        server.run(&["set", "vdir", &format!("{name}/"), &format!("/physicalPath:{text}")]);
                    assert_eq!(exit, if folders.contains_key(&name) { 0 } else { 1168 });
                    folders.entry(name).and_modify(|own| *own = text);
                }
                2 => {
                    let (exit, _) = server.run(&["delete", "site", &name]);
                    assert_eq!(exit, if folders.remove(&name).is_some() { 0 } else { 1168 });
                }
                3 => {
                    let (exit, _) = server.run(&["add", "apppool", &format!("/name:{name}")]);
                    assert_eq!(exit, if pools.contains_key(&name) { 183 } else { 0 });
                    pools.entry(name).or_insert_with(|| "00:20:00".to_owned());
                }
                4 => {
                    let time = format!("00:{:02}:00", dice.roll(60));
                    let (exit, _) =
                        server.run(&["set", "apppool", &name, &format!("/processModel.idleTimeout:{time}")]);
                    assert_eq!(exit, if pools.contains_key(&name) { 0 } else { 1168 });
                    pools.entry(name).and_modify(|own| *own = time);
                }
                5 => {
                    let (exit, _) = server.run(&["delete", "apppool", &name]);
                    assert_eq!(exit, if pools.remove(&name).is_some() { 0 } else { 1168 });
                }
                6 => {
                    let edit = format!("/+[fullPath='{name}',arguments='{text}']");
                    let (exit, _) = server.run(&["set", "config", "/section:fastCgi", &edit]);
                    let key = format!("{name}|{text}");
                    assert_eq!(exit, if applications.contains_key(&key) { 183 } else { 0 });
                    applications.entry(key).or_insert_with(|| "0".to_owned());
                }
                7 => {
                    let instances = dice.roll(10_001).to_string();
                    let edit = format!("/[fullPath='{name}',arguments='{text}'].maxInstances:{instances}");
                    let (exit, _) =
                        server.run(&["set", "config", "/section:fastCgi", &edit, "/commit:apphost"]);
                    let key = format!("{name}|{text}");
                    assert_eq!(exit, if applications.contains_key(&key) { 0 } else { 4312 });
                    applications.entry(key).and_modify(|own| *own = instances);
                }
                _ => {
                    let edit = format!("/-[fullPath='{name}',arguments='{text}']");
                    let (exit, _) = server.run(&["set", "config", "/section:fastCgi", &edit]);
                    assert_eq!(
                        exit,
                        if applications.remove(&format!("{name}|{text}")).is_some() { 0 } else { 4312 }
                    );
                }
            }
            check_file(&server.config());
        }
        shows(&server, &folders, &pools, &applications);
    }
}

/// Each section keeps to the schema.
fn check_file(config: &Config) {
    for section in schema::sections() {
        config.effective(section.path, "", &[], RemoveAbsent::Error).unwrap();
    }
}

fn shows(
    server: &Server,
    folders: &BTreeMap<String, String>,
    pools: &BTreeMap<String, String>,
    applications: &BTreeMap<String, String>,
) {
    let config = server.config();
    let found: BTreeMap<String, String> = config
        .fastcgi_applications()
        .into_iter()
        .map(|own| (format!("{}|{}", own.full_path, own.arguments), own.max_instances.to_string()))
        .collect();
    assert_eq!(&found, applications);
    for (site, folder) in folders {
        let shown = server.run_with(&["list", "vdir", &format!("{site}/"), "/xml"], "").stdout;
        let document = holdall_lab_iis::xml::Document::parse(&shown).unwrap();
        let own = document.root().child("VDIR").unwrap();
        assert_eq!(own.attribute("physicalPath"), Some(folder.as_str()));
    }
    for (pool, time) in pools {
        server.check(&["list", "apppool", pool, "/text:processModel.idleTimeout"], 0, &format!("{time}\n"));
    }
    assert_eq!(config.sites().len(), folders.len() + 1);
    assert_eq!(config.pools().len(), pools.len() + 1);
}
