use std::collections::BTreeSet;
use std::path::Path;

use super::*;
use crate::manifest::{SiteName, Version};
use crate::site::iis::Runner as _;
use crate::site::iis::wanted::{Password, Spot};
use crate::site::place::tests::guestbook;
use crate::site::{Place, SiteSettings};

mod certificates;
mod server;
use server::Server;

/// The guestbook with these settings, as a release of this id.
fn wanted(text: &str, id: &str) -> Wanted {
    let (version, digits) = id.split_once('-').unwrap();
    let mut manifest = guestbook("/srv".as_ref()).manifest;
    manifest.version = Version::parse(version).unwrap();
    let place = Place::below("/srv/holdall".as_ref(), manifest, digits.repeat(8).parse().unwrap());
    let settings = format!("name = 'guestbook'\n{text}");
    let settings = SiteSettings::parse(&settings, Path::new("site.toml")).unwrap();
    Wanted::of(&settings, &place, 4).unwrap()
}

const ONE: &str = "1.0-aaaaaaaa";
const TWO: &str = "2.0-bbbbbbbb";

const MANY: &str = "
    [[bindings]]\nhost = 'a.example'
    [[bindings]]\nprotocol = 'https'\nhost = 'a.example'\ncertificate = 'keep'
    [media]\nurl = '/media/'
    [fastcgi]\nmaxInstances = 6
    [fastcgi.environment]\nNLS_LANG = 'x'
";
const BELOW: &str = "below = 'Intranet/shop'\n[pool]\nname = 'Shop pool'\n[media]\nurl = '/up/'";

/// Plans and carries out everything; gives the plan, and what is then applied.
fn deployed(server: &mut Server, wanted: &Wanted, last: &Applied) -> (IisPlan, Applied) {
    let actual = server.survey(&wanted.spot);
    assert_eq!(lacks(wanted, &actual, last, false), []);
    let plan = whole(wanted, &actual, last, false);
    server.perform(&plan.changes);
    let applied = plan.applied.clone();
    (plan, applied)
}

fn planned(server: &mut Server, wanted: &Wanted, last: &Applied, take_over: bool) -> IisPlan {
    let actual = server.survey(&wanted.spot);
    whole(wanted, &actual, last, take_over)
}

fn steps(plan: &IisPlan) -> Vec<&str> {
    plan.changes.iter().map(|change| change.says.as_str()).collect()
}

/// Where a site stands, whatever is looked at there.
fn bare(spot: &Spot) -> Spot {
    Spot { sections: BTreeSet::new(), ..spot.clone() }
}

/// The server without what says the same as IIS itself: a site that is there already is not told it.
fn effective(server: &Server) -> Server {
    let mut server = server.clone();
    for values in server.locations.values_mut() {
        values.retain(|name, value| name != "requestLimits.maxAllowedContentLength" || value != "30000000");
    }
    server
}

/// Paths as they are on Windows, whichever system this is.
fn shown(text: &str) -> String {
    text.replace('\\', "/")
}

#[test]
fn a_setting_is_judged_by_what_is_wanted_what_was_applied_and_what_is_there() {
    use Verdict::{Change, Foreign, Leave, Same};
    for (wanted, firm, ours, last, actual, expected) in [
        ("a", true, true, Some("a"), Some("a"), Same),
        ("a", true, false, None, Some("a"), Same),
        ("a", false, true, Some("b"), Some("a"), Same),
        // What the file doesn't name is nobody's business once the thing is made.
        ("a", false, true, Some("a"), Some("b"), Leave),
        ("a", false, true, None, Some("b"), Leave),
        // Wanted otherwise than before.
        ("b", true, true, Some("a"), Some("a"), Change),
        // Named for the first time, on a thing of ours and on another's.
        ("b", true, true, None, Some("a"), Change),
        ("b", true, false, None, Some("a"), Foreign),
        // Somebody has changed it, whether or not it is now wanted otherwise.
        ("a", true, true, Some("a"), Some("b"), Foreign),
        ("c", true, true, Some("a"), Some("b"), Foreign),
        // Somebody has done already what is now wanted.
        ("b", true, true, Some("a"), Some("b"), Same),
        // The answer doesn't say.
        ("a", true, true, Some("a"), None, Same),
        ("b", true, true, Some("a"), None, Change),
        ("a", true, true, None, None, Change),
        ("a", false, true, None, None, Leave),
        // One value in two spellings.
        ("true", true, true, None, Some("True"), Same),
        ("1.05:00:00", true, true, None, Some("29:00:00"), Same),
        ("C:\\a", true, true, None, Some("c:/A/"), Same),
    ] {
        let found = Found { thing: "t", name: "n", wanted, firm, ours, actual };
        assert_eq!(verdict(&found, last), expected, "{found:?}, last {last:?}");
    }
}

#[test]
fn a_first_deploy_makes_everything_and_a_second_plan_is_empty() {
    for (text, server) in [
        ("", Server::new()),
        (MANY, Server::new()),
        (BELOW, Server::new()),
        (MANY, Server::new().with_web_dav()),
        (
            "[pool]\nidleTimeout = 5\naccount = 'EXAMPLE\\shop$'",
            Server { handlers_open: true, ..Server::new() },
        ),
    ] {
        let (mut server, wanted) = (server, wanted(text, ONE));
        let (first, applied) = deployed(&mut server, &wanted, &Applied::default());
        assert!(!first.is_empty() && first.drift.is_empty(), "{first}");
        let second = planned(&mut server, &wanted, &applied, false);
        assert_eq!(second, IisPlan { applied: applied.clone(), ..IisPlan::default() }, "{text}\n{second}");
        // Even when nobody lived to write down what was applied.
        let again = planned(&mut server, &wanted, &Applied::default(), false);
        assert!(again.is_empty() && again.drift.is_empty(), "{text}\n{again}");
    }
}

#[test]
fn plans_and_scripts_look_like_this() {
    for (name, text) in [("own", MANY), ("below", BELOW)] {
        let mut server = Server::new().with_web_dav();
        let wanted = wanted(text, ONE);
        let actual = server.survey(&wanted.spot);
        let plan = whole(&wanted, &actual, &Applied::default(), false);
        insta::assert_snapshot!(format!("plan_{name}"), shown(&plan.to_string()));
        if name == "own" {
            let script = plan.script();
            assert_eq!(script.matches('\n').count(), script.matches("\r\n").count());
            insta::assert_snapshot!("script", shown(&script.replace("\r\n", "\n")));
        }
        let stage = stage(&wanted, &actual, &Applied::default(), 50123);
        insta::assert_snapshot!(format!("stage_{name}"), shown(&stage.to_string()));
    }
}

#[test]
fn every_step_can_be_taken_back() {
    for text in [MANY, BELOW] {
        let mut server = Server::new().with_web_dav();
        let (wanted, before) = (wanted(text, ONE), server.clone());
        let actual = server.survey(&wanted.spot);
        let plan = whole(&wanted, &actual, &Applied::default(), false);
        let plan = plan.clone().then(stage(&wanted, &actual, &plan.applied, 50123));
        for all in 0..=plan.changes.len() {
            server.perform(&plan.changes[..all]);
            crate::site::iis::run::take_back(&mut server, &plan.changes[..all]).unwrap();
            assert_eq!(server, before, "after {all}");
        }
    }
}

#[test]
fn the_inverse_of_an_inverse_is_the_change_itself() {
    let mut server = Server::new();
    let wanted = wanted(MANY, ONE);
    let actual = server.survey(&wanted.spot);
    let plan = whole(&wanted, &actual, &Applied::default(), false);
    let inverses: Vec<_> = plan.changes.iter().filter_map(Change::inverse).collect();
    assert!(inverses.len() > 5);
    for (change, inverse) in plan.changes.iter().filter(|change| change.undoes.len() == 1).zip(inverses) {
        assert_eq!(inverse.inverse().as_ref(), Some(change));
    }
}

#[test]
fn a_new_release_is_registered_and_switched_to_by_one_command() {
    let mut server = Server::new();
    let (_, applied) = deployed(&mut server, &wanted(MANY, ONE), &Applied::default());
    let next = wanted(MANY, TWO);
    let (plan, applied) = deployed(&mut server, &next, &applied);
    assert_eq!(plan.changes.len(), 3, "{plan}");
    assert_eq!(
        steps(&plan)[..2],
        ["register fastcgi 2.0-bbbbbbbb", "give fastcgi 2.0-bbbbbbbb the variable NLS_LANG"]
    );
    let switch = shown(&plan.changes[2].does.args().join(" "));
    assert_eq!(switch, "set vdir guestbook/ /physicalPath:/srv/holdall/guestbook/releases/2.0-bbbbbbbb/www");
    // The way back is the same switch alone: the one before is still registered.
    let back = planned(&mut server, &wanted(MANY, ONE), &applied, false);
    assert_eq!(back.changes.len(), 1, "{back}");
    assert_eq!(shown(&back.changes[0].does.to_string()), shown(&plan.changes[2].undoes[0].to_string()));
    // Until it is pruned.
    let actual = server.survey(&next.spot);
    let folder = wanted(MANY, ONE).release.www.replace("www", "");
    let gone = unregister(ONE, &folder, &actual, &applied);
    server.perform(&gone.changes);
    assert_eq!(server.fastcgi.len(), 1);
    assert!(!gone.applied.knows("fastcgi 1.0-aaaaaaaa") && gone.applied.knows("fastcgi 2.0-bbbbbbbb"));
    let before = server.survey(&next.spot);
    server.run(&gone.changes[0].undoes[0]).unwrap();
    assert_eq!(server.fastcgi.len(), 2);
    assert_eq!(unregister(ONE, &folder, &before, &applied).changes, []);
}

#[test]
fn what_was_switched_by_hand_is_reported_and_taken_over_only_when_asked() {
    let mut server = Server::new();
    let (_, applied) = deployed(&mut server, &wanted("", ONE), &Applied::default());
    let root = |server: &mut Server, folder: &str| {
        let app = server.app("guestbook/").unwrap();
        app.vdirs.get_mut("/").unwrap().insert("physicalPath".to_owned(), folder.to_owned());
    };
    root(&mut server, "D:\\closed");
    let next = wanted("", TWO);
    let plan = planned(&mut server, &next, &applied, false);
    assert_eq!((plan.changes.len(), plan.drift.len()), (1, 1), "{plan}");
    assert_eq!(plan.drift[0].found, "D:\\closed");
    assert_eq!(planned(&mut server, &next, &applied, true).changes.len(), 2);
    // No release would be seen to serve: it is not begun.
    let actual = server.survey(&next.spot);
    let lacks = |applied: &Applied, take_over| lacks(&next, &actual, applied, take_over);
    assert_eq!(lacks(&applied, false), [Lack::Changed(plan.drift[0].clone().into())]);
    assert_eq!(lacks(&applied, true), []);
    // Unless it is known for a release of the site's, wherever that lies.
    let mut known = applied.clone();
    shows_release(&next.spot, "D:\\closed", &mut known);
    assert_eq!(lacks(&known, false), []);
    let mut nothing = Applied::default();
    shows_release(&next.spot, "D:\\closed", &mut nothing);
    assert_eq!(nothing, Applied::default());
    // A release of the site's own was switched to by us, whatever the books say.
    root(&mut server, "/srv/holdall/guestbook/releases/0.9-cccccccc/www");
    let plan = planned(&mut server, &next, &applied, false);
    assert_eq!((plan.changes.len(), plan.drift.len()), (2, 0), "{plan}");
}

#[test]
fn what_somebody_has_stopped_is_named_and_what_is_half_made_is_not() {
    let mut server = Server::new();
    let own = wanted("", ONE);
    let (_, applied) = deployed(&mut server, &own, &Applied::default());
    let standing = |server: &mut Server, wanted: &Wanted, last: &Applied| {
        stopped(wanted, &server.survey(&wanted.spot), last)
    };
    assert_eq!(standing(&mut server, &own, &applied), None);
    server.sites.get_mut("guestbook").unwrap().started = false;
    assert_eq!(standing(&mut server, &own, &applied), Some(Lack::Stopped("guestbook".to_owned())));
    assert_eq!(standing(&mut server, &own, &Applied::default()), None);
    server.stopped_pools.insert("guestbook".to_owned());
    let pool = Some(Lack::PoolStopped("guestbook".to_owned()));
    assert_eq!(standing(&mut server, &own, &Applied::default()), pool);
    // A site of somebody else's is not ours to start.
    server.sites.get_mut("Intranet").unwrap().started = false;
    let below = wanted(BELOW, ONE);
    assert_eq!(standing(&mut server, &below, &applied), Some(Lack::Stopped("Intranet".to_owned())));
}

#[test]
fn settings_are_changed_when_they_are_named_and_only_then() {
    let mut server = Server::new();
    let (_, applied) = deployed(&mut server, &wanted("", ONE), &Applied::default());
    let set = |server: &mut Server, value: &str| {
        let pool = server.pools.get_mut("guestbook").unwrap();
        pool.insert("processModel.idleTimeout".to_owned(), value.to_owned());
    };
    // Somebody changes what the file doesn't name.
    set(&mut server, "00:20:00");
    let plan = planned(&mut server, &wanted("", ONE), &applied, false);
    assert!(plan.is_empty() && plan.drift.is_empty(), "{plan}");
    // Named now: what somebody has set meanwhile stands until it is taken over.
    let named = wanted("[pool]\nidleTimeout = 30", ONE);
    let plan = planned(&mut server, &named, &applied, false);
    assert!(plan.is_empty());
    insta::assert_snapshot!(plan.to_string(), @"left alone: pool guestbook, processModel.idleTimeout is `00:20:00`, was `00:00:00` when holdall set it last, and is wanted as `00:30:00` (--take-over sets it)");
    let plan = planned(&mut server, &named, &applied, true);
    assert_eq!(
        steps(&plan),
        ["set processModel.idleTimeout of pool guestbook from `00:20:00` to `00:30:00`"]
    );
    // Nobody has touched it: it is set without asking.
    set(&mut server, "00:00:00");
    let (plan, applied) = deployed(&mut server, &named, &applied);
    assert_eq!(plan.changes.len(), 1);
    assert_eq!(plan.changes[0].undoes[0].args()[3], "/processModel.idleTimeout:00:00:00");
    assert!(planned(&mut server, &named, &applied, false).is_empty());
}

#[test]
fn bindings_are_added_and_removed_and_those_of_others_stay() {
    let mut server = Server::new();
    let (_, applied) = deployed(&mut server, &wanted("", ONE), &Applied::default());
    let foreign = [("protocol", "net.pipe"), ("bindingInformation", "*")];
    let foreign = foreign.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    server.sites.get_mut("guestbook").unwrap().bindings.push(foreign);
    let (plan, applied) = deployed(&mut server, &wanted(MANY, ONE), &applied);
    let of_site: Vec<_> = steps(&plan).into_iter().filter(|step| step.contains("binding")).collect();
    assert_eq!(
        of_site,
        [
            "add the binding http/*:80:a.example to the site guestbook",
            "add the binding https/*:443:a.example to the site guestbook",
            "remove the binding http/*:80: from the site guestbook",
        ]
    );
    assert_eq!(server.sites["guestbook"].bindings.len(), 3);
    assert!(planned(&mut server, &wanted(MANY, ONE), &applied, false).is_empty());
    // One that somebody has removed is missed, but not put back unasked.
    server.sites.get_mut("guestbook").unwrap().bindings.retain(|binding| binding["protocol"] != "https");
    let plan = planned(&mut server, &wanted(MANY, ONE), &applied, false);
    assert_eq!((plan.changes.len(), plan.drift.len()), (0, 1), "{plan}");
    assert_eq!(planned(&mut server, &wanted(MANY, ONE), &applied, true).changes.len(), 1);
}

#[test]
fn variables_that_are_wanted_no_more_go_unless_they_are_somebody_elses() {
    let mut server = Server::new();
    let all = "[fastcgi.environment]\nA = '1'\nB = '2'\nC = '3'";
    let (_, applied) = deployed(&mut server, &wanted(all, ONE), &Applied::default());
    let variables = &mut server.fastcgi[0].1;
    for (name, value) in [("B", "changed"), ("D", "of another")] {
        variables.insert(name.to_owned(), value.to_owned());
    }
    let next = wanted("[fastcgi.environment]\nC = '3'", ONE);
    let whole = server.clone();
    let (plan, applied) = deployed(&mut server, &next, &applied);
    assert_eq!(steps(&plan), ["take the variable A from fastcgi 1.0-aaaaaaaa"]);
    assert_eq!((plan.drift.len(), plan.drift[0].name.as_str()), (1, "environment B"));
    let left = |server: &Server| server.fastcgi[0].1.keys().cloned().collect::<Vec<_>>().concat();
    assert_eq!(left(&server), "BCD");
    let again = planned(&mut server, &next, &applied, false);
    assert!(again.is_empty() && again.drift.len() == 1, "{again}");
    let mut back = server.clone();
    crate::site::iis::run::take_back(&mut back, &plan.changes).unwrap();
    assert_eq!(back, whole);
    let taken = planned(&mut server, &next, &applied, true);
    server.perform(&taken.changes);
    assert_eq!(left(&server), "CD");
    assert!(taken.applied.of("fastcgi 1.0-aaaaaaaa").all(|(name, _)| name != "environment B"));
}

#[test]
fn a_pool_of_another_name_takes_the_place_of_the_old_one() {
    let mut server = Server::new();
    let (_, applied) = deployed(&mut server, &wanted("", ONE), &Applied::default());
    let (plan, applied) = deployed(&mut server, &wanted("pool.name = 'other'", ONE), &applied);
    assert_eq!(
        steps(&plan),
        [
            "make the pool other",
            "set applicationPool of app guestbook from `guestbook` to `other`",
            "delete the pool guestbook"
        ]
    );
    assert!(!applied.knows("pool guestbook") && applied.knows("pool other"));
    // Taken back into its own pool, the site needs that one.
    server.app("guestbook/").unwrap().pool = "DefaultAppPool".to_owned();
    let taken = planned(&mut server, &wanted("pool.name = 'other'", ONE), &applied, true);
    assert_eq!(steps(&taken), ["set applicationPool of app guestbook from `DefaultAppPool` to `other`"]);
    server.app("guestbook/").unwrap().pool = "other".to_owned();
    crate::site::iis::run::take_back(&mut server, &plan.changes).unwrap();
    assert!(server.pools.contains_key("guestbook") && !server.pools.contains_key("other"));
}

#[test]
fn what_the_server_lacks_is_said_before_anything_is_changed() {
    let lacking = |server: &mut Server, wanted: &Wanted| {
        let actual = server.survey(&wanted.spot);
        lacks(wanted, &actual, &Applied::default(), false)
    };
    let mut bare = Server { global_modules: Vec::new(), ..Server::new() };
    assert_eq!(lacking(&mut bare, &wanted("", ONE)), [Lack::FastCgi]);
    let nowhere = wanted("below = 'Nowhere/x'", ONE);
    assert_eq!(lacking(&mut Server::new(), &nowhere), [Lack::Site("Nowhere".to_owned())]);
    // A site of that name, of somebody else's.
    let mut taken = Server::new();
    let site = taken.sites["Intranet"].clone();
    taken.sites.insert("guestbook".to_owned(), site);
    let foreign = lacking(&mut taken, &wanted("", ONE));
    assert!(matches!(&foreign[..], [Lack::Foreign { site, .. }] if site == "guestbook"), "{foreign:?}");
    let actual = taken.survey(&wanted("", ONE).spot);
    assert_eq!(lacks(&wanted("", ONE), &actual, &Applied::default(), true), []);
    // Its address belongs to another site, unless that one is stopped or it is our own.
    let crowded = wanted("[[bindings]]\nport = 8000\n[[bindings]]\nport = 8000\nhost = 'h'", ONE);
    let mut server = Server::new();
    let taken = Lack::Binding { binding: "http/*:8000:".to_owned(), site: "Intranet".to_owned() };
    assert_eq!(lacking(&mut server, &crowded), [taken]);
    server.sites.get_mut("Intranet").unwrap().started = false;
    deployed(&mut server, &crowded, &Applied::default());
    assert_eq!(lacking(&mut server, &crowded), []);
    let absent = |mut wanted: Wanted| {
        wanted.pool.known = crate::site::accounts::Known::Absent;
        wanted
    };
    let nobody = absent(wanted("pool.account = 'EXAMPLE\\shp$'", ONE));
    assert_eq!(lacking(&mut Server::new(), &nobody), [Lack::NoAccount("EXAMPLE\\shp$".to_owned())]);
    let guarded = wanted("pool.account = 'EXAMPLE\\shop'", ONE);
    assert_eq!(lacking(&mut Server::new(), &guarded), [Lack::Password("EXAMPLE\\shop".to_owned())]);
}

#[test]
fn a_password_is_fed_and_never_shown() {
    let mut server = Server::new();
    let (own, mut wanted) = (wanted("", ONE), wanted("pool.account = 'EXAMPLE\\shop'", ONE));
    wanted.pool.password = Some(Password::new("hid<den>".to_owned()));
    let actual = server.survey(&wanted.spot);
    assert_eq!(lacks(&wanted, &actual, &Applied::default(), false), []);
    let plan = whole(&wanted, &actual, &Applied::default(), false);
    let shown = format!("{plan} {plan:?} {} {wanted:?} {:?}", plan.script(), plan.applied);
    assert!(!shown.contains("hid"), "{shown}");
    let input = plan.changes[0].does.standard_input().unwrap();
    assert!(
        input.contains("password=\"hid&lt;den&gt;\"") && input.contains("userName=\"EXAMPLE\\shop\""),
        "{input}"
    );
    assert!(input.contains("<periodicRestart time=\"00:00:00\" />"), "{input}");
    assert!(plan.changes.iter().all(|change| !change.does.args().join(" ").contains("hid")));
    // On a pool that is there already it goes with its account again.
    let (_, applied) = deployed(&mut server, &own, &Applied::default());
    let plan = planned(&mut server, &wanted, &applied, false);
    assert_eq!(plan.changes[0].does.args(), ["set", "apppool", "/in"]);
    let undoes = plan.changes[0].undoes[0].args();
    assert_eq!(
        undoes[3..],
        [
            "/processModel.identityType:ApplicationPoolIdentity",
            "/processModel.userName:",
            "/processModel.password:"
        ]
    );
}

#[test]
fn a_pool_runs_as_its_own_account_one_of_windows_or_one_of_the_domain() {
    let mut server = Server::new();
    let mut applied = Applied::default();
    for (account, expected) in [
        ("NetworkService", ["NetworkService", ""]),
        ("EXAMPLE\\shop$", ["SpecificUser", "EXAMPLE\\shop$"]),
        ("localservice", ["LocalService", ""]),
        ("ApplicationPoolIdentity", ["ApplicationPoolIdentity", ""]),
    ] {
        let wanted = wanted(&format!("pool.account = '{account}'"), ONE);
        let (plan, after) = deployed(&mut server, &wanted, &applied);
        assert!(!plan.is_empty() && plan.drift.is_empty(), "{account}: {plan}");
        let pool = &server.pools["guestbook"];
        let value = |name: &str| pool.get(&format!("processModel.{name}")).map_or("", String::as_str);
        assert_eq!([value("identityType"), value("userName")], expected, "{account}");
        applied = after;
        let again = planned(&mut server, &wanted, &applied, false);
        assert!(again.is_empty() && again.drift.is_empty(), "{account}: {again}");
    }
    // One that is set without its password would run nothing.
    let guarded = wanted("pool.account = 'EXAMPLE\\shop'", ONE);
    assert!(planned(&mut server, &guarded, &applied, false).is_empty());
    // What somebody else has set is not even asked for, unless it is taken over.
    let pool = server.pools.get_mut("guestbook").unwrap();
    pool.insert("processModel.identityType".to_owned(), "LocalSystem".to_owned());
    let actual = server.survey(&guarded.spot);
    assert_eq!(lacks(&guarded, &actual, &applied, false), []);
    assert_eq!(lacks(&guarded, &actual, &applied, true), [Lack::Password("EXAMPLE\\shop".to_owned())]);
}

#[test]
fn a_staging_site_comes_and_goes_and_a_crashed_one_is_swept() {
    for (text, location) in [("", "guestbook~staging"), (BELOW, "Intranet~shop~staging")] {
        let mut server = Server { windows_authentication: true, ..Server::new() };
        let wanted = wanted(text, ONE);
        let (_, applied) = deployed(&mut server, &wanted, &Applied::default());
        let before = server.clone();
        for port in [50001, 50002] {
            let actual = server.survey(&wanted.spot);
            server.perform(&stage(&wanted, &actual, &applied, port).changes);
            let site = &server.sites[location];
            assert!(site.started && !site.auto_start);
            assert_eq!(site.bindings[0]["bindingInformation"], format!("127.0.0.1:{port}:"));
            assert!(site.apps.values().all(|app| app.pool == wanted.spot.pool));
            assert!(site.apps.contains_key(&wanted.spot.app));
        }
        let actual = server.survey(&wanted.spot);
        server.perform(&unstage(&wanted.spot, &actual, &applied).changes);
        assert_eq!(server, before);
        let actual = server.survey(&wanted.spot);
        assert!(unstage(&wanted.spot, &actual, &applied).is_empty());
    }
}

#[test]
fn removing_a_site_leaves_nothing_of_ours_and_all_of_others() {
    for text in [MANY, BELOW] {
        let mut server = Server::new().with_web_dav();
        let before = server.clone();
        let (next, wanted) = (wanted(text, TWO), wanted(text, ONE));
        let (_, applied) = deployed(&mut server, &wanted, &Applied::default());
        let (_, applied) = deployed(&mut server, &next, &applied);
        let actual = server.survey(&wanted.spot);
        server.perform(&stage(&wanted, &actual, &applied, 50001).changes);
        let (whole, actual) = (server.clone(), server.survey(&wanted.spot));
        let plan = remove(&wanted.spot, &actual, &applied, &[]);
        assert_eq!(plan.applied, Applied::default());
        server.perform(&plan.changes);
        assert_eq!(server, before, "{plan}");
        // A removal that fails at its end puts the site back, without what was only for a moment.
        crate::site::iis::run::take_back(&mut server, &plan.changes).unwrap();
        let name = wanted.spot.site.as_str();
        assert_eq!(server.sites[name], whole.sites[name]);
        let sorted = |server: &Server| {
            let mut all: Vec<_> = server.fastcgi.iter().map(|entry| format!("{entry:?}")).collect();
            all.sort();
            all
        };
        assert_eq!((sorted(&server), &server.pools), (sorted(&whole), &whole.pools));
        // Twice is once.
        let mut empty = before.clone();
        let actual = empty.survey(&wanted.spot);
        assert!(remove(&wanted.spot, &actual, &Applied::default(), &[]).is_empty());
    }
}

#[test]
fn a_site_whose_books_are_lost_is_removed_by_its_folder_and_its_name() {
    for text in [MANY, "below = 'Intranet/shop'", "[pool]\nidleTimeout = 5"] {
        let mut server = Server::new().with_web_dav();
        let before = server.clone();
        let wanted = wanted(text, ONE);
        deployed(&mut server, &wanted, &Applied::default());
        let (whole, actual) = (server.clone(), server.survey(&wanted.spot));
        let books = refound(&wanted.spot, &actual, &Applied::default());
        let plan = remove(&wanted.spot, &actual, &books, &[]);
        server.perform(&plan.changes);
        assert_eq!(server, before, "{plan}");
        crate::site::iis::run::take_back(&mut server, &plan.changes).unwrap();
        assert_eq!(server.pools["guestbook"].len(), whole.pools["guestbook"].len());
        // When the settings are lost, too, it is found where its pool is.
        let own = Spot::of(
            &SiteSettings::named(SiteName::parse("guestbook").unwrap()),
            Path::new(&wanted.spot.home),
        );
        let own = own.unwrap();
        let found = may_stand(&own, &server.survey(&own), &Applied::default());
        assert_eq!(found.first().cloned(), Some(bare(&wanted.spot)).filter(Spot::is_below));
    }
    // A pool of another name may be anybody's.
    let (mut server, shared) = (Server::new(), wanted("pool.name = 'shared'", ONE));
    deployed(&mut server, &shared, &Applied::default());
    let actual = server.survey(&shared.spot);
    let books = refound(&shared.spot, &actual, &Applied::default());
    server.perform(&remove(&shared.spot, &actual, &books, &[]).changes);
    assert!(server.pools.contains_key("shared") && !server.sites.contains_key("guestbook"));
    // And a site that is another's stays so.
    let other = wanted("below = 'Intranet/shop'", ONE);
    server.sites.get_mut("Intranet").unwrap().apps.insert("/shop".to_owned(), server::App::default());
    let actual = server.survey(&other.spot);
    assert_eq!(refound(&other.spot, &actual, &Applied::default()), Applied::default());
}

#[test]
fn a_site_does_not_stand_where_its_first_release_was_shown_to_nobody() {
    for text in ["", "below = 'Intranet/shop'"] {
        let (mut server, wanted) = (Server::new(), wanted(text, ONE));
        let actual = server.survey(&wanted.spot);
        server.perform(&prepare(&wanted, &actual, &Applied::default(), false).changes);
        let actual = server.survey(&wanted.spot);
        server.perform(&stage(&wanted, &actual, &Applied::default(), 50123).changes);
        assert_eq!(may_stand(&wanted.spot, &server.survey(&wanted.spot), &Applied::default()), []);
    }
}

#[test]
fn a_pool_that_others_use_too_stays() {
    let mut server = Server::new();
    let wanted = wanted("", ONE);
    let (_, applied) = deployed(&mut server, &wanted, &Applied::default());
    server.app("Intranet/").unwrap().pool = "guestbook".to_owned();
    let actual = server.survey(&wanted.spot);
    server.perform(&remove(&wanted.spot, &actual, &applied, &[]).changes);
    assert!(server.pools.contains_key("guestbook") && !server.sites.contains_key("guestbook"));
}

#[test]
fn a_pool_that_somebody_else_has_made_stays() {
    let mut server = Server::new();
    let pool = [("startMode".to_owned(), "AlwaysRunning".to_owned())];
    server.pools.insert("guestbook".to_owned(), pool.into());
    let wanted = wanted("", ONE);
    let (_, applied) = deployed(&mut server, &wanted, &Applied::default());
    let actual = server.survey(&wanted.spot);
    server.perform(&remove(&wanted.spot, &actual, &applied, &[]).changes);
    assert!(server.pools.contains_key("guestbook") && !server.sites.contains_key("guestbook"));
}

#[test]
fn a_making_that_was_interrupted_is_finished_at_any_step() {
    for text in [MANY, BELOW] {
        let wanted = wanted(text, ONE);
        let mut whole_server = Server::new().with_web_dav();
        let actual = whole_server.survey(&wanted.spot);
        let plan = whole(&wanted, &actual, &Applied::default(), false);
        whole_server.perform(&plan.changes);
        for done in 0..plan.changes.len() {
            let mut server = Server::new().with_web_dav();
            server.perform(&plan.changes[..done]);
            // Nobody lived to write down what was applied.
            let rest = planned(&mut server, &wanted, &Applied::default(), false);
            assert_eq!(rest.drift, [], "after {done}");
            server.perform(&rest.changes);
            let sites = |server: &Server| server.sites.clone();
            assert_eq!(sites(&server), sites(&whole_server), "after {done}: {rest}");
            assert_eq!(effective(&server), effective(&whole_server), "after {done}");
            let actual = server.survey(&wanted.spot);
            server.perform(&remove(&wanted.spot, &actual, &rest.applied, &[]).changes);
            assert_eq!(server, Server::new().with_web_dav(), "after {done}");
        }
    }
}

#[test]
fn a_site_that_was_deleted_by_hand_is_made_anew() {
    let mut server = Server::new().with_web_dav();
    let wanted = wanted(MANY, ONE);
    let (_, applied) = deployed(&mut server, &wanted, &Applied::default());
    let whole = server.clone();
    server.sites.remove("guestbook");
    server.locations.clear();
    let (plan, _) = deployed(&mut server, &wanted, &applied);
    assert_eq!(server, whole, "{plan}");
}

#[test]
fn a_site_of_another_folder_of_sites_is_told_by_that_folder() {
    for (folder, root) in [
        ("D:\\sites\\shop\\releases\\1.0-aaaaaaaa\\www", Some("D:\\sites")),
        ("/srv/my sites/shop/releases/1.0-aaaaaaaa/www/", Some("/srv/my sites")),
        ("C:\\inetpub\\wwwroot", None),
        ("/srv/shop/releases/current/www", None),
        ("www", None),
        ("", None),
    ] {
        assert_eq!(site::root_of(folder), root, "{folder}");
    }
    let mut server = Server::new();
    let (mut other, own) = (wanted("", ONE), wanted("", TWO));
    other.release.www = "D:\\sites\\guestbook\\releases\\1.0-aaaaaaaa\\www".to_owned();
    deployed(&mut server, &other, &Applied::default());
    let actual = server.survey(&own.spot);
    let lacking = |last: &Applied| lacks(&own, &actual, last, false);
    let of_other = |lack: &Lack| matches!(lack, Lack::OtherRoot { root, .. } if root == "D:\\sites");
    assert!(matches!(&lacking(&Applied::default())[..], [lack] if of_other(lack)));
    // Ours until the other one has taken it.
    let (_, ours) = deployed(&mut Server::new(), &own, &Applied::default());
    assert!(lacking(&ours).iter().any(of_other));
    assert_eq!(lacks(&own, &actual, &ours, true), []);
}

#[test]
fn a_site_stands_where_it_was_applied_as_long_as_it_is_there() {
    let mut server = Server::new();
    let below = wanted(BELOW, ONE);
    let (_, applied) = deployed(&mut server, &below, &Applied::default());
    let standing = |server: &mut Server, wanted: &Wanted, applied: &Applied| {
        stands(&wanted.spot, &server.survey(&wanted.spot), applied)
    };
    assert_eq!(standing(&mut server, &below, &applied), None);
    for elsewhere in ["", "below = 'Intranet/other'", "below = 'Other/shop'"] {
        assert_eq!(standing(&mut server, &wanted(elsewhere, ONE), &applied), Some(bare(&below.spot)));
    }
    // Somebody has deleted it: there is nothing to be left behind, nor to be thought of any more.
    server.sites.get_mut("Intranet").unwrap().apps.remove("/shop");
    let own = wanted("", ONE);
    assert_eq!(standing(&mut server, &own, &applied), None);
    let (_, applied) = deployed(&mut server, &own, &applied);
    assert_eq!(standing(&mut server, &own, &applied), None);
    assert!(applied.knows("app guestbook") && !applied.knows("app Intranet/shop"), "{applied:?}");
    assert_eq!(standing(&mut server, &below, &applied).unwrap().location(), "guestbook");
}

#[test]
fn spot_and_release_name_the_same_site() {
    let wanted = wanted(BELOW, ONE);
    let settings =
        SiteSettings::parse(&format!("name = 'guestbook'\n{BELOW}"), Path::new("site.toml")).unwrap();
    let home = guestbook("/srv/holdall".as_ref()).site;
    assert_eq!(bare(&Spot::of(&settings, &home).unwrap()), bare(&wanted.spot));
}

const SECTIONS: &str = "
    [headers]\nContent-Security-Policy = \"default-src 'self'\"\nX-Frame-Options = 'DENY'
    [static.mimeTypes]\n'.md' = 'text/x-own'\n'.gpx' = 'application/gpx+xml'
    [authentication]\nwindows = true\nproviders = ['NTLM']\nanonymous = ['/public/']
    [requests]\nmaxUrl = 100
    [compression]\nstatic = false
    [limits]\nmaxConnections = 7
    [pool]\nperiodicRestartSchedule = ['03:00', '15:00']\nrapidFailProtection = false
";

/// A server with what the settings above need.
fn with_windows() -> Server {
    let mut server = Server::new();
    server.global_modules.extend(["WindowsAuthenticationModule", "StaticCompressionModule"]);
    server
}

#[test]
fn what_belongs_to_a_site_is_set_once_and_goes_with_it() {
    for text in [
        SECTIONS.to_owned(),
        format!("below = 'Intranet/shop'\n{SECTIONS}").replace("[limits]\nmaxConnections = 7", ""),
    ] {
        let mut server = with_windows();
        let (before, one) = (server.clone(), wanted(&text, ONE));
        let (first, applied) = deployed(&mut server, &one, &Applied::default());
        let lines = shown(&first.to_string());
        // A quote stands outside of the brackets; what a release's `web.config` says of an ending is changed, not added.
        let spot = one.spot.location();
        for part in [
            "/+customHeaders.[name='Content-Security-Policy'] ",
            "/customHeaders.[name='Content-Security-Policy'].value:default-src 'self'",
            "/+customHeaders.[name='X-Frame-Options',value='DENY']",
            "/[fileExtension='.md'].mimeType:text/x-own",
            "/+[fileExtension='.gpx',mimeType='application/gpx+xml']",
            "/-providers.[value='Negotiate'] /-providers.[value='NTLM'] /+providers.[@end,value='NTLM']",
            "/+recycling.periodicRestart.schedule.[value='03:00:00']",
            &format!(
                "set config {spot}/public /section:system.webServer/security/authentication/anonymousAuthentication /enabled:true"
            ),
        ] {
            let unquoted = lines.replace('"', "");
            assert!(unquoted.contains(part), "no {part} in {unquoted}");
        }
        let again = planned(&mut server, &one, &applied, false);
        assert!(again.is_empty() && again.drift.is_empty(), "{again}");
        let actual = server.survey(&one.spot);
        let gone = remove(&one.spot.clone().with_applied(&applied), &actual, &applied, &[]);
        let whole_server = server.clone();
        server.perform(&gone.changes);
        assert_eq!(server, before, "{gone}");
        crate::site::iis::run::take_back(&mut server, &gone.changes).unwrap();
        assert_eq!(
            server.locations.keys().collect::<Vec<_>>(),
            whole_server.locations.keys().collect::<Vec<_>>()
        );
        assert_eq!(server.pools.keys().collect::<Vec<_>>(), whole_server.pools.keys().collect::<Vec<_>>());
    }
}

#[test]
fn items_that_are_named_no_more_go_and_values_that_are_not_stay() {
    let mut server = with_windows();
    let one = wanted(SECTIONS, ONE);
    let (_, applied) = deployed(&mut server, &one, &Applied::default());
    let text = "[headers]\nX-Frame-Options = 'deny'\n[requests]\nmaxQueryString = 5\n[static.mimeTypes]\n'.gpx' = 'application/gpx+xml'";
    let mut two = wanted(text, ONE);
    two.spot = two.spot.with_applied(&applied);
    let (plan, applied) = deployed(&mut server, &two, &applied);
    let said = steps(&plan).join("\n");
    for part in [
        "take Content-Security-Policy out",
        "X-Frame-Options from `DENY` to `deny`",
        "take back what guestbook/public has of anonymousAuthentication",
        "requestLimits.maxUrl from `100` to `8192`",
        "requestLimits.maxQueryString from `16384` to `5`",
        "take .md out",
    ] {
        assert!(said.contains(part), "no {part} in {said}");
    }
    // Who opens a site says so: it does not follow from saying nothing.
    assert!(!said.contains("windowsAuthentication") && !said.contains("maxConnections"), "{said}");
    let types =
        &server.locations[&("guestbook/static".to_owned(), "system.webServer/staticContent".to_owned())];
    assert_eq!(types["|.md"], "text/markdown", "as the release itself says it");
    let again = planned(&mut server, &two, &applied, false);
    assert!(again.is_empty() && again.drift.is_empty(), "{again}");
}

#[test]
fn what_somebody_else_says_of_a_section_is_told_and_left_alone() {
    let mut server = with_windows();
    let mut one = wanted(SECTIONS, ONE);
    let (_, applied) = deployed(&mut server, &one, &Applied::default());
    one.spot = one.spot.with_applied(&applied);
    let key = ("guestbook".to_owned(), "system.webServer/httpProtocol".to_owned());
    server
        .locations
        .get_mut(&key)
        .unwrap()
        .insert("customHeaders|X-Frame-Options".to_owned(), "deny".to_owned());
    server.sites.get_mut("guestbook").unwrap().limits.insert("maxConnections".to_owned(), "8".to_owned());
    let plan = planned(&mut server, &one, &applied, false);
    let drift: Vec<_> = plan.drift.iter().map(|drift| (drift.name.as_str(), drift.found.as_str())).collect();
    let expected = [("limits.maxConnections", "8"), ("httpProtocol.customHeaders X-Frame-Options", "deny")];
    assert!(plan.is_empty() && drift == expected, "{plan}");
    // What is theirs does not go, though nobody wants ours any more.
    let mut none = wanted(&SECTIONS.replace("X-Frame-Options = 'DENY'", ""), ONE);
    none.spot = none.spot.with_applied(&applied);
    let plan = planned(&mut server, &none, &applied, false);
    assert!(plan.is_empty(), "{plan}");
    let taken = planned(&mut server, &one, &applied, true);
    assert_eq!((taken.changes.len(), taken.drift.len()), (2, 0), "{taken}");
    server.perform(&taken.changes);
    crate::site::iis::run::take_back(&mut server, &taken.changes).unwrap();
    assert_eq!(server.locations[&key]["customHeaders|X-Frame-Options"], "deny");
}

#[test]
fn a_section_that_nobody_spoke_of_before_is_silent_again_when_it_is_taken_back() {
    let mut server = with_windows();
    let (_, applied) = deployed(&mut server, &wanted("", ONE), &Applied::default());
    let before = server.clone();
    let text = SECTIONS.replace("[requests]\n    maxUrl = 100", "").replace("maxUrl = 100", "");
    let plan = planned(&mut server, &wanted(&text, ONE), &applied, false);
    server.perform(&plan.changes);
    crate::site::iis::run::take_back(&mut server, &plan.changes).unwrap();
    let silent =
        |server: &Server, section: &str| !server.locations.keys().any(|(_, name)| name.ends_with(section));
    for section in ["httpProtocol", "urlCompression", "windowsAuthentication"] {
        assert!(silent(&server, section) && silent(&before, section), "{section}: {:?}", server.locations);
    }
}

#[test]
fn a_feature_that_settings_want_is_asked_for_before_anything_is_changed() {
    let mut server = Server::new();
    for (text, feature) in [
        ("[authentication]\nwindows = true", "Web-Windows-Auth"),
        ("[compression]\ndynamic = true", "Web-Dyn-Compression"),
        ("[compression]\nstatic = true", "Web-Stat-Compression"),
    ] {
        let wanted = wanted(text, ONE);
        let actual = server.survey(&wanted.spot);
        let lacks = lacks(&wanted, &actual, &Applied::default(), false);
        let [lack] = &lacks[..] else { panic!("{lacks:?}") };
        let help = miette::Diagnostic::help(lack).unwrap().to_string();
        assert!(help.contains(feature), "{help}");
    }
    let off = wanted("[compression]\ndynamic = false\nstatic = false", ONE);
    let actual = server.survey(&off.spot);
    assert_eq!(lacks(&off, &actual, &Applied::default(), false), []);
}

#[test]
fn what_a_web_config_in_force_says_of_an_item_is_not_taken_for_what_lies_beneath() {
    let header = |value: &str| wanted(&format!("[headers]\nX-Shop = '{value}'"), ONE);
    let made = |wanted: &Wanted| {
        let mut server = Server::new();
        let (_, applied) = deployed(&mut server, wanted, &Applied::default());
        (server, applied)
    };
    let spot = header("own").spot;
    // What IIS tells is the word of the file, whatever was applied.
    let told = made(&header("own")).0.survey(&spot);
    let ((_, never), (_, applied)) = (made(&wanted("", ONE)), made(&header("a")));
    let in_force = "<configuration><system.webServer><httpProtocol><customHeaders><remove name=\"X-Shop\" />\
                    <add name=\"X-Shop\" value=\"own\" /></customHeaders></httpProtocol></system.webServer></configuration>";
    let hidden = |wanted: Wanted, last: &Applied, take_over: bool| {
        let wanted = Wanted { in_force: in_force.to_owned(), ..wanted };
        let plan = whole(&wanted, &told, last, take_over);
        assert!(plan.drift.is_empty(), "{plan}");
        plan.changes.iter().map(|change| change.does.to_string().replace('"', "")).collect::<Vec<_>>()
    };
    let check = |planned: &[String], expected: &str| {
        assert!(planned.len() == 1 && planned[0].contains(expected), "no {expected} in {planned:?}");
    };
    check(&hidden(header("a"), &never, false), " /+customHeaders.[name='X-Shop',value='a'] ");
    check(&hidden(header("c"), &applied, false), " /customHeaders.[name='X-Shop'].value:c ");
    check(&hidden(wanted("", ONE), &applied, false), " /-customHeaders.[name='X-Shop'] ");
    for take_over in [false, true] {
        assert_eq!(hidden(header("a"), &applied, take_over), [""; 0]);
    }
    // Without a file it is what somebody else has set.
    assert_eq!(whole(&header("a"), &told, &applied, false).drift.len(), 1);
}

#[test]
fn only_what_iis_refuses_is_in_the_way() {
    let wanted = wanted("[headers]\nX-Shop = 'a'", ONE);
    for (inner, is_harmless) in [
        ("<add name='X-Shop' value='b' />", false),
        ("<remove name='X-Shop' /><add name='X-Shop' value='b' />", true),
        ("<clear />", true),
    ] {
        let own = format!(
            "<configuration><system.webServer><httpProtocol><customHeaders>{inner}</customHeaders></httpProtocol>\
             </system.webServer></configuration>"
        );
        let found = crate::site::iis::own::twice(&own, &wanted.sections);
        let [twice] = &found[..] else { panic!("{found:?}") };
        let lack = Lack::Twice(Box::new(twice.clone()));
        assert_eq!(lack.is_harmless(), is_harmless, "{inner}");
        assert_eq!(lack.notice().help, "take one of them out");
        let finding = crate::doctor::Finding::of_lack(&lack);
        assert_eq!(finding.is_problem(), !is_harmless, "{inner}");
    }
}
