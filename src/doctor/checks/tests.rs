//! Each check, as it comes out well, with a warning and with a problem.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::super::{
    Antivirus, AppLocker, Clock, CodeIntegrity, Database, Finding, Fix, Iis, Level, Listening, Machine,
    Parcel, Site, Subject,
};
use super::examine;
use crate::entry::EntryPath;
use crate::release::ReleaseId;
use crate::site::SiteSettings;
use crate::site::certificates::CertificateLack;
use crate::site::iis::actual::{Actual, Location, TakenBinding};
use crate::site::iis::plan::Lack;
use crate::site::iis::wanted::Spot;
use crate::site::place::tests::guestbook;
use crate::target::Target;

const ROOT: &str = "C:\\holdall";
const HOME: &str = "C:\\holdall\\guestbook";

const NOW: u64 = 1_800_000_000;

/// A Windows server on which nothing is wrong.
fn sound() -> Machine {
    Machine {
        is_windows: true,
        release: Some("Windows Server 2022, build 20348".to_owned()),
        elevated: Some(true),
        diverted: false,
        clock: Some(Clock { now: NOW, of_files: Some(NOW + 1), synchronized: Some(true) }),
        free: Some(50_000_000_000),
        free_for_temporary: Some(50_000_000_000),
        long_paths: Some(false),
        vc_runtime: Some(true),
        antivirus: Some(Antivirus { watches: true, exclusions: Some(vec!["c:\\HOLDALL\\".to_owned()]) }),
        app_locker: Some(AppLocker { may_run: true, enforced: Vec::new() }),
        code_integrity: Some(CodeIntegrity::Off),
        shared_configuration: None,
        listening: Vec::new(),
        listen_list: Vec::new(),
        rights: Some((HOME.into(), "D:P(A;OICI;FA;;;BA)".to_owned())),
        blocked: Vec::new(),
    }
}

/// What is examined on it.
struct Case {
    machine: Machine,
    actual: Actual,
    settings: String,
    /// When a release was completed.
    completed: Option<u64>,
    serves: bool,
    lacks: Vec<Finding>,
    certificates: Vec<Finding>,
    databases: Option<Vec<Database>>,
    longest: String,
    has_vc_runtime: bool,
}

impl Case {
    fn sound() -> Case {
        Case {
            machine: sound(),
            actual: Actual {
                global_modules: vec!["FastCgiModule".to_owned()],
                sni: Some(true),
                ..Actual::default()
            },
            settings: "[fastcgi]\nmaxInstances = 4\n".to_owned(),
            completed: Some(NOW - 60),
            serves: false,
            lacks: Vec::new(),
            certificates: Vec::new(),
            databases: Some(Vec::new()),
            longest: "python/lib/a.py".to_owned(),
            has_vc_runtime: true,
        }
    }

    fn findings(&self) -> Vec<Finding> {
        let text = format!("name = 'guestbook'\n{}", self.settings);
        let settings = SiteSettings::parse(&text, Path::new("site.toml")).unwrap();
        let spot = Spot::of(&settings, Path::new(HOME)).unwrap();
        let mut manifest = guestbook(Path::new(ROOT)).manifest;
        manifest.target = Target::WindowsX86_64;
        let layer = serde_json::json!({
            "name": "app", "kind": "app", "digest": "0".repeat(64), "offset": 0, "length": 1, "entries": 1,
            "size": 2_000_000_000_u64, "index": { "digest": "0".repeat(64), "size": 1, "length": 1 },
        });
        manifest.layers = vec![serde_json::from_value(layer).unwrap()];
        let newest = ReleaseId::parse("2.0-0123abcd").unwrap();
        let longest = EntryPath::parse(&self.longest, Target::WindowsX86_64).unwrap();
        let subject = Subject {
            root: Path::new(ROOT),
            iis: Iis::Asked(&self.actual),
            site: Some(Site {
                settings: &settings,
                folder: Path::new(HOME),
                spot: &spot,
                cores: 4,
                newest: self.completed.map(|completed| (&newest, completed)),
                serves: self.serves,
                lacks: self.lacks.clone(),
                certificates: self.certificates.clone(),
                databases: self.databases.as_deref(),
                services: None,
            }),
            bundle: Some(Parcel {
                manifest: &manifest,
                folder: PathBuf::from(HOME).join("releases"),
                longest: Some(&longest),
                expands: true,
                has_vc_runtime: self.has_vc_runtime,
            }),
        };
        examine(&self.machine, &subject)
    }

    /// The finding of this name, of which there is one.
    #[track_caller]
    fn finding(&self, id: &str) -> Finding {
        let mut findings = self.findings().into_iter().filter(|finding| finding.id == id);
        let finding = findings.next().unwrap_or_else(|| panic!("nothing is said of {id}"));
        assert_eq!(findings.next(), None);
        finding
    }
}

/// What comes of a check after a change: its level, and a word of what it says or advises.
#[track_caller]
fn check(id: &str, change: impl FnOnce(&mut Case), level: Level, word: &str) {
    let mut case = Case::sound();
    change(&mut case);
    let finding = case.finding(id);
    let text = format!("{}\n{}", finding.says, finding.remedy.clone().unwrap_or_default());
    assert!(finding.level == level && text.contains(word), "{finding:#?}");
    assert_eq!(level >= Level::Warning, finding.remedy.is_some(), "{finding:#?}");
}

#[test]
fn on_a_sound_server_all_is_well() {
    let findings = Case::sound().findings();
    assert!(findings.iter().all(|finding| finding.level == Level::Ok), "{findings:#?}");
    let ids: Vec<&str> = findings.iter().map(|finding| finding.id).collect();
    assert_eq!(
        ids,
        [
            "machine.elevated",
            "machine.64-bit",
            "machine.clock",
            "machine.disk",
            "machine.long-paths",
            "machine.vc-runtime",
            "machine.antivirus",
            "machine.applocker",
            "machine.code-integrity",
            "iis.present",
            "iis.cgi",
            "iis.sni",
            "iis.webdav",
            "iis.shared-configuration",
            "http.listen",
            "site.bindings",
            "site.ports",
            "site.root-rights",
            "database.connections",
            "bundle.path-length",
            "bundle.blocked",
        ]
    );
}

#[test]
fn elsewhere_than_on_windows_only_what_there_is_is_examined() {
    let machine = Machine { free: Some(5_000_000_000), ..Machine::default() };
    let subject = Subject { root: Path::new("/srv/holdall"), iis: Iis::NotHere, site: None, bundle: None };
    let said: Vec<_> =
        examine(&machine, &subject).iter().map(|finding| (finding.id, finding.level)).collect();
    assert_eq!(said, [("machine.disk", Level::Ok), ("iis.present", Level::Unknown)]);
}

#[test]
fn an_administrator_with_a_64_bit_program_is_wanted() {
    check(
        "machine.elevated",
        |case| case.machine.elevated = Some(false),
        Level::Problem,
        "Run as administrator",
    );
    check("machine.64-bit", |case| case.machine.diverted = true, Level::Problem, "64-bit holdall.exe");
    let mut case = Case::sound();
    case.machine.diverted = true;
    assert!(
        case.findings().iter().all(|finding| !finding.id.starts_with("iis.")),
        "what it would be told is wrong"
    );
}

#[test]
fn a_clock_that_cannot_be_right_is_named() {
    let clock = |now, of_files| {
        let clock = Clock { now, of_files, synchronized: None };
        move |case: &mut Case| case.machine.clock = Some(clock)
    };
    check("machine.clock", clock(86_400, Some(86_400)), Level::Problem, "years behind");
    check("machine.clock", clock(NOW, Some(NOW + 400)), Level::Warning, "differs by 400 s");
    check("machine.clock", clock(NOW, None), Level::Ok, "plausible");
    let completed = |completed| move |case: &mut Case| case.completed = completed;
    check("machine.clock", completed(Some(NOW + 299)), Level::Ok, "plausible");
    check("machine.clock", completed(None), Level::Ok, "plausible");
    let words = "900 s behind the time at which 2.0-0123abcd was completed";
    check("machine.clock", completed(Some(NOW + 900)), Level::Warning, words);
    let mut alone = Case::sound();
    alone.machine.clock = Some(Clock { now: NOW, of_files: None, synchronized: Some(false) });
    let finding = alone.finding("machine.clock");
    assert!(finding.level == Level::Unknown && finding.says.contains("by no other"), "{finding:#?}");
}

#[test]
fn a_disk_has_room_for_the_bundle_or_has_not() {
    let free = |free: u64| move |case: &mut Case| case.machine.free = Some(free);
    check("machine.disk", free(1_999_999_999), Level::Problem, "and the bundle takes 2.0 GB");
    check("machine.disk", free(2_100_000_000), Level::Warning, "of which the bundle leaves 100.0 MB");
    check("machine.disk", |case| case.machine.free = None, Level::Unknown, "cannot be seen");
    check(
        "machine.disk",
        |case| case.machine.free_for_temporary = Some(50_000_000),
        Level::Warning,
        "temporary files has 50.0 MB free",
    );
}

#[test]
fn what_protects_a_machine_may_keep_python_from_being_run() {
    let watched = |watches, exclusions: Option<&str>| {
        let exclusions = exclusions.map(|folder| vec![folder.to_owned()]);
        move |case: &mut Case| case.machine.antivirus = Some(Antivirus { watches, exclusions })
    };
    check(
        "machine.antivirus",
        watched(true, Some("C:\\hold")),
        Level::Warning,
        "Add-MpPreference -ExclusionPath 'C:\\holdall'",
    );
    check("machine.antivirus", watched(true, Some("C:\\")), Level::Ok, "leaves");
    check("machine.antivirus", watched(false, None), Level::Ok, "does not watch");
    let mut case = Case::sound();
    case.machine.antivirus = None;
    assert_eq!(case.finding("machine.antivirus").level, Level::Unknown);

    let ruled = |may_run| {
        let enforced = vec!["Exe".to_owned(), "Dll".to_owned()];
        move |case: &mut Case| case.machine.app_locker = Some(AppLocker { may_run, enforced })
    };
    check("machine.applocker", ruled(true), Level::Warning, "Exe, Dll");
    check("machine.applocker", ruled(false), Level::Ok, "");
    let policy = |policy| move |case: &mut Case| case.machine.code_integrity = Some(policy);
    check("machine.code-integrity", policy(CodeIntegrity::Audited), Level::Warning, "is being tried");
    check("machine.code-integrity", policy(CodeIntegrity::Enforced), Level::Warning, "C:\\holdall\\*");
    let blocked = |count: usize| {
        move |case: &mut Case| {
            case.machine.blocked = (0..count).map(|nth| format!("{nth}.exe").into()).collect()
        }
    };
    check("bundle.blocked", blocked(1), Level::Warning, "`0.exe` is marked as downloaded");
    check("bundle.blocked", blocked(3), Level::Warning, "3 programs");
    let mut case = Case::sound();
    blocked(1)(&mut case);
    assert_eq!(case.finding("bundle.blocked").fix, Some(Fix::Unblock(vec!["0.exe".into()])));
}

#[test]
fn the_runtime_library_comes_from_the_bundle_or_from_windows() {
    let found = |in_bundle, in_windows| {
        move |case: &mut Case| {
            case.has_vc_runtime = in_bundle;
            case.machine.vc_runtime = Some(in_windows);
        }
    };
    check("machine.vc-runtime", found(true, false), Level::Ok, "the bundle brings");
    check("machine.vc-runtime", found(false, true), Level::Ok, "Windows has");
    check("machine.vc-runtime", found(false, false), Level::Warning, "Redistributable");
}

#[test]
fn a_path_is_as_long_as_windows_lets_it_be() {
    let named = |length: usize| move |case: &mut Case| case.longest = "p".repeat(length);
    check("bundle.path-length", named(220), Level::Ok, "250 characters, of 259");
    check("bundle.path-length", named(235), Level::Problem, "at least 6 characters shorter");
}

#[test]
fn without_its_feature_for_cgi_iis_can_be_given_it() {
    let mut case = Case::sound();
    case.actual.global_modules.clear();
    let finding = case.finding("iis.cgi");
    assert_eq!((finding.level, &finding.fix), (Level::Problem, &Some(Fix::EnableCgi)));
    // A site that lacks it says it in the same words, once.
    case.lacks = vec![Finding::of_lack(&Lack::FastCgi)];
    assert_eq!(case.finding("iis.cgi"), finding);
}

#[test]
fn an_iis_without_sni_is_a_problem_of_sites_that_need_it() {
    check("iis.sni", |case| case.actual.sni = Some(false), Level::Ok, "one certificate for each address");
    let mut case = Case::sound();
    case.actual.sni = Some(false);
    case.lacks = vec![Finding::of_lack(&Lack::NoSni { bindings: vec!["https/*:443:a".to_owned()] })];
    let finding = case.finding("iis.sni");
    assert!(finding.is_problem() && finding.says.contains("https/*:443:a cannot"), "{finding:#?}");
}

#[test]
fn what_other_features_do_to_a_site_is_said_where_it_serves() {
    let there = |web_dav, handlers_locked| {
        move |case: &mut Case| {
            case.serves = true;
            case.actual.global_modules.push("WebDAVModule".to_owned());
            let location = Location { web_dav, handlers_locked, ..Location::default() };
            case.actual.locations.insert("guestbook".to_owned(), location);
        }
    };
    check("iis.webdav", there(true, Some(false)), Level::Warning, "PUT and DELETE");
    check("iis.webdav", there(false, Some(false)), Level::Ok, "a deploy takes it out");
    check("iis.handlers", there(false, Some(true)), Level::Problem, "500.19");
    check("iis.handlers", there(false, Some(false)), Level::Ok, "may name handlers");
    let shared = |case: &mut Case| case.machine.shared_configuration = Some("\\\\files\\iis".to_owned());
    check("iis.shared-configuration", shared, Level::Warning, "\\\\files\\iis");
}

#[test]
fn iis_listens_where_a_release_is_shown() {
    let list = |ips: &[&str]| {
        let list = ips.iter().map(|ip| ip.parse().unwrap()).collect();
        move |case: &mut Case| case.machine.listen_list = list
    };
    check("http.listen", list(&["192.0.2.6"]), Level::Problem, "netsh http add iplisten ipaddress=127.0.0.1");
    check("http.listen", list(&["192.0.2.6", "127.0.0.1"]), Level::Ok, "192.0.2.6, 127.0.0.1");
    check("http.listen", list(&["0.0.0.0"]), Level::Ok, "");
}

fn listening(at: &str, process: u32) -> Listening {
    let at: SocketAddr = at.parse().unwrap();
    Listening {
        at,
        process: Some(process),
        program: Some(if process == 4 { "System" } else { "httpd.exe" }.to_owned()),
    }
}

#[test]
fn a_port_that_another_program_has_is_named_with_it() {
    let listens = |all: &[(&str, u32)]| {
        let all: Vec<_> = all.iter().map(|(at, process)| listening(at, *process)).collect();
        move |case: &mut Case| case.machine.listening = all
    };
    let is_taken =
        |all: &[(&str, u32)], level: Level, word: &str| check("site.ports", listens(all), level, word);
    is_taken(
        &[("0.0.0.0:80", 1234)],
        Level::Problem,
        "`httpd.exe` (process 1234) listens at 0.0.0.0:80, where http/*:80:",
    );
    is_taken(&[("127.0.0.1:80", 1234), ("0.0.0.0:80", 4)], Level::Problem, "127.0.0.1:80");
    is_taken(&[("0.0.0.0:80", 4), ("[::]:80", 4)], Level::Ok, "");
    is_taken(&[("0.0.0.0:8080", 1234)], Level::Ok, "");

    // An address of its own.
    let own = |all: &[(&str, u32)]| {
        let listens = listens(all);
        move |case: &mut Case| {
            case.settings = "[[bindings]]\nip = '192.0.2.6'\nport = 81\n".to_owned();
            listens(case);
        }
    };
    check("site.ports", own(&[("192.0.2.7:81", 1)]), Level::Ok, "");
    check("site.ports", own(&[("192.0.2.6:81", 1)]), Level::Problem, "192.0.2.6:81");
    // What stands in for http.sys where there is none listens where IIS says so.
    let mut case = Case::sound();
    case.machine.listening = vec![listening("0.0.0.0:80", 1234)];
    let information = "*:80:shop.example.org".to_owned();
    case.actual.taken = vec![TakenBinding { site: "shop".to_owned(), information }];
    assert_eq!(case.finding("site.ports").level, Level::Ok);
    // Below another's site it has none.
    case.settings = "below = 'Intranet/shop'".to_owned();
    assert!(case.findings().iter().all(|finding| finding.id != "site.ports"));
}

#[test]
fn who_may_change_what_a_site_runs_is_said() {
    let rights = |folder: &str, who: &str| {
        let rights = (PathBuf::from(folder), format!("D:(A;OICI;FA;;;BA)(A;OICI;0x1301bf;;;{who})"));
        move |case: &mut Case| case.machine.rights = Some(rights)
    };
    check("site.root-rights", rights(HOME, "AU"), Level::Problem, "Authenticated Users may change");
    check("site.root-rights", rights(ROOT, "BU"), Level::Warning, "Users may make folders");
    check("site.root-rights", rights(HOME, "S-1-5-82-1-2-3-4-5"), Level::Ok, "");
    let mut case = Case::sound();
    case.machine.rights = Some((HOME.into(), "nonsense".to_owned()));
    assert_eq!(case.finding("site.root-rights").level, Level::Unknown);
}

#[test]
fn connections_are_held_against_the_limit_of_the_database() {
    let asked = |most: Option<u64>| {
        let database = Database { name: "default".to_owned(), vendor: "postgresql".to_owned(), most };
        move |case: &mut Case| case.databases = Some(vec![database])
    };
    // Four processes of either release.
    check("database.connections", asked(Some(100)), Level::Ok, "up to 8 processes");
    check("database.connections", asked(None), Level::Ok, "up to 8 processes");
    check("database.connections", asked(Some(10)), Level::Warning, "`default` (postgresql) takes 10");
    check("database.connections", asked(Some(6)), Level::Problem, "maxInstances");
    check("database.connections", |case| case.databases = None, Level::Warning, "PostgreSQL takes 100");
}

#[test]
fn what_a_site_lacks_is_told_in_the_words_of_who_has_found_it() {
    let lack = Lack::Binding { binding: "http/*:80:".to_owned(), site: "Default Web Site".to_owned() };
    let mut case = Case::sound();
    case.lacks = vec![Finding::of_lack(&lack)];
    let finding = case.finding("site.bindings");
    assert_eq!((finding.level, finding.says), (Level::Problem, lack.to_string()));
    // Of certificates only what is wrong is said, if anything is.
    case.certificates = vec![Finding::ok("site.certificate", "https/*:443: shows one")];
    assert_eq!(case.finding("site.certificate").level, Level::Ok);
    let binding = "https/*:443:".to_owned();
    let lack = CertificateLack::NoKey { binding, certificate: "shop.example.org".to_owned() };
    case.lacks = vec![Finding::of_lack(&Lack::Certificate(lack))];
    assert_eq!(case.finding("site.certificate").level, Level::Problem);
    let id = |lack: Lack| Finding::of_lack(&lack).id;
    assert_eq!(id(Lack::Stopped("shop".to_owned())), "site.started");
    assert_eq!(id(Lack::Password("shop".to_owned())), "site.account");
    assert_eq!(id(Lack::Site("shop".to_owned())), "site.place");
}
