//! Certificates: put there before the binding, gone after it, and never taken from others.

use super::*;
use crate::site::certificates::StoredCertificate;
use crate::site::certificates::tests::{NOW, certificate};
use crate::site::iis::netsh::{Endpoint, Entry, Rest};
use crate::site::settings::Thumbprint;

const HOST: &str = "a.example";
const AT: &str = "hostnameport=a.example:443";
const BY_SUBJECT: &str =
    "[[bindings]]\nprotocol = 'https'\nhost = 'a.example'\ncertificate = { subject = 'a.example' }";
const SHARED: &str = "[[bindings]]\nprotocol = 'https'\ncertificate = { subject = 'a.example' }";

fn old() -> StoredCertificate {
    certificate('1', &[HOST], -300, 20)
}

fn new() -> StoredCertificate {
    certificate('2', &[HOST], -1, 360)
}

fn by_thumbprint(digit: char) -> String {
    let thumbprint = digit.to_string().repeat(40);
    BY_SUBJECT.replace("subject = 'a.example'", &format!("thumbprint = '{thumbprint}'"))
}

fn wanting(text: &str, store: &[StoredCertificate]) -> Wanted {
    wanted(text, ONE).with_certificates(store, NOW)
}

fn shown(server: &Server, endpoint: &str) -> Option<String> {
    let endpoint = Endpoint::parse(endpoint).unwrap();
    server.certificates.get(&endpoint).map(|entry| entry.thumbprint.as_str()[..1].to_owned())
}

/// Somebody else's.
fn put(server: &mut Server, endpoint: &str, digit: char) {
    let thumbprint = Thumbprint::parse(&digit.to_string().repeat(40)).unwrap();
    let app_id = "{4dc3e181-e14b-4a21-b022-59fc669b0914}".to_owned();
    let entry = Entry { thumbprint, app_id, store: Some("WebHosting".to_owned()), rest: Rest::Usual };
    server.certificates.insert(Endpoint::parse(endpoint).unwrap(), entry);
}

#[test]
fn a_certificate_is_there_before_its_binding_and_gone_after_it() {
    let mut server = Server::new();
    let before = server.clone();
    let (plan, applied) = deployed(&mut server, &wanting(BY_SUBJECT, &[old()]), &Applied::default());
    let at = |plan: &IisPlan, words: &str| steps(plan).iter().position(|step| step.contains(words)).unwrap();
    assert!(at(&plan, "show the certificate for a.example") < at(&plan, "make the site guestbook"), "{plan}");
    assert!(plan.to_string().contains("netsh.exe http add sslcert hostnameport=a.example:443 certhash=1111"));
    assert!(plan.script().contains("\r\n%windir%\\System32\\netsh.exe http add sslcert"));
    assert_eq!(shown(&server, AT).as_deref(), Some("1"));
    assert!(planned(&mut server, &wanting(BY_SUBJECT, &[old()]), &applied, false).is_empty());
    // Wanted no more.
    let mut other = server.clone();
    let mut plain = wanting("[[bindings]]", &[]);
    plain.spot = plain.spot.with_endpoints(certificates_applied(&applied));
    let (plan, left) = deployed(&mut other, &plain, &applied);
    assert!(at(&plan, "remove the binding https") < at(&plan, "no more at hostnameport"), "{plan}");
    assert!(other.certificates.is_empty() && certificates_applied(&left).count() == 0);
    // The site goes, whether or not somebody lived to write down what was put there.
    for books in [applied.clone(), Applied::default()] {
        let spot = wanting(BY_SUBJECT, &[old()]).spot;
        let actual = server.survey(&spot);
        let books = refound(&spot, &actual, &books);
        let plan = remove(&spot, &actual, &books, &[]);
        assert!(at(&plan, "delete the site") < at(&plan, "no more at"), "{plan}");
        let mut gone = server.clone();
        gone.perform(&plan.changes);
        assert_eq!(gone, before);
        crate::site::iis::run::take_back(&mut gone, &plan.changes).unwrap();
        assert_eq!(gone.certificates, server.certificates);
    }
}

#[test]
fn a_newer_one_is_taken_up_by_its_subject_and_left_by_the_thumbprint_of_another() {
    let mut server = Server::new();
    let (_, applied) = deployed(&mut server, &wanting(BY_SUBJECT, &[old()]), &Applied::default());
    let whole = server.clone();
    let (plan, renewed) = deployed(&mut server, &wanting(BY_SUBJECT, &[old(), new()]), &applied);
    assert_eq!(plan.changes.len(), 2, "{plan}");
    assert_eq!(shown(&server, AT).as_deref(), Some("2"));
    let mut back = server.clone();
    crate::site::iis::run::take_back(&mut back, &plan.changes).unwrap();
    assert_eq!(back, whole);
    // Whoever names the old one keeps what is newer, whatever else is asked for.
    for take_over in [false, true] {
        let named = wanting(&by_thumbprint('1'), &[old(), new()]);
        assert_eq!(lacks(&named, &server.survey(&named.spot), &renewed, take_over), []);
        let plan = planned(&mut server, &named, &renewed, take_over);
        assert!(plan.is_empty(), "{plan}");
        assert!(
            plan.to_string()
                .contains("is wanted as `1111111111111111111111111111111111111111`, which is older")
        );
    }
    // Where it is wanted for another reason it is no newer: it has no key, or is for others.
    let other = certificate('2', &["b.example"], -1, 360);
    let plan = planned(&mut server, &wanting(&by_thumbprint('1'), &[old(), other]), &renewed, false);
    assert_eq!(plan.changes.len(), 2, "{plan}");
}

#[test]
fn what_others_have_put_there_is_refused_or_reported() {
    let store = [old(), new()];
    let lacking = |server: &mut Server, text: &str, take_over| {
        let wanted = wanting(text, &store);
        lacks(&wanted, &server.survey(&wanted.spot), &Applied::default(), take_over)
    };
    // At an address that sites share, the others are named.
    let mut server = Server::new();
    server.sites.get_mut("Intranet").unwrap().bindings.push(
        [("protocol", "https"), ("bindingInformation", "*:443:intranet")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
    );
    put(&mut server, "ipport=0.0.0.0:443", '7');
    let taken = lacking(&mut server, SHARED, false);
    let [Lack::CertificateTaken { sites, .. }] = &taken[..] else { panic!("{taken:?}") };
    assert_eq!(sites, &["Intranet"]);
    assert!(taken[0].to_string().ends_with("at `ipport=0.0.0.0:443`, for Intranet"), "{}", taken[0]);
    assert_eq!(lacking(&mut server, SHARED, true), []);
    let wanted = wanting(SHARED, &store);
    let plan = planned(&mut server, &wanted, &Applied::default(), true);
    let before = server.clone();
    server.perform(&plan.changes);
    assert_eq!(shown(&server, "ipport=0.0.0.0:443").as_deref(), Some("2"));
    // What another site shows now does not go with this one.
    let actual = server.survey(&wanted.spot);
    let removed = remove(&wanted.spot, &actual, &plan.applied, &[]);
    assert!(steps(&removed).iter().all(|step| !step.contains("certificate")), "{removed}");
    crate::site::iis::run::take_back(&mut server, &plan.changes).unwrap();
    assert_eq!(server, before);
    // By a host of its own it is in nobody's way.
    assert_eq!(lacking(&mut server, BY_SUBJECT, false), []);

    // What somebody changes after a deploy is told.
    let mut server = Server::new();
    let (_, applied) = deployed(&mut server, &wanting(BY_SUBJECT, &store), &Applied::default());
    put(&mut server, AT, '7');
    let wanted = wanting(BY_SUBJECT, &store);
    let plan = planned(&mut server, &wanted, &applied, false);
    assert_eq!((plan.changes.len(), plan.drift.len()), (0, 1), "{plan}");
    assert_eq!(planned(&mut server, &wanted, &applied, true).changes.len(), 2);
    let actual = server.survey(&wanted.spot);
    let removed = remove(&wanted.spot, &actual, &applied, &[]);
    assert!(steps(&removed).iter().all(|step| !step.contains("no more at")), "{removed}");
    // What a run that was cut off has left out is put there.
    server.certificates.clear();
    let plan = planned(&mut server, &wanted, &applied, false);
    assert_eq!((plan.changes.len(), plan.drift.len()), (1, 0), "{plan}");
}

#[test]
fn what_is_kept_has_to_be_there_and_is_left_alone() {
    let keep = &BY_SUBJECT.replace("{ subject = 'a.example' }", "'keep'");
    let mut server = Server::new();
    let wanted = wanting(keep, &[]);
    let lacking =
        |server: &mut Server| lacks(&wanted, &server.survey(&wanted.spot), &Applied::default(), false);
    assert!(matches!(&lacking(&mut server)[..], [Lack::NothingToKeep { .. }]));
    // Whoever names a host that has none gets that of the address.
    put(&mut server, "ipport=0.0.0.0:443", '7');
    assert_eq!(lacking(&mut server), []);
    server.certificates.clear();
    put(&mut server, AT, '7');
    let (plan, applied) = deployed(&mut server, &wanted, &Applied::default());
    assert!(!plan.to_string().contains("netsh"), "{plan}");
    put(&mut server, AT, '8');
    let plan = planned(&mut server, &wanted, &applied, false);
    assert!(plan.is_empty() && plan.drift.is_empty(), "{plan}");
}

#[test]
fn one_that_will_not_do_is_named_before_anything_is_changed() {
    let mut server = Server::new();
    for (text, store, words) in [
        (BY_SUBJECT, vec![], "no certificate for `a.example`"),
        (BY_SUBJECT, vec![certificate('1', &[HOST], -30, -1)], "ended on"),
    ] {
        let wanted = wanting(text, &store);
        let lacks = lacks(&wanted, &server.survey(&wanted.spot), &Applied::default(), false);
        assert!(
            matches!(&lacks[..], [lack @ Lack::Certificate(_)] if lack.to_string().contains(words)),
            "{lacks:?}"
        );
    }
    // One host, two addresses, two certificates: http.sys knows them for one.
    let second = by_thumbprint('1').replace("protocol", "ip = '192.0.2.1'\nprotocol");
    let wanted = wanting(&format!("{BY_SUBJECT}\n{second}"), &[old(), new()]);
    let lacks = lacks(&wanted, &server.survey(&wanted.spot), &Applied::default(), false);
    assert!(matches!(&lacks[..], [Lack::TwoCertificates { .. }]), "{lacks:?}");
}

#[test]
fn a_host_cannot_have_a_certificate_of_its_own_where_iis_knows_none_by_host() {
    let mut server = Server::new();
    let mut lacking = |text: &str, sni| {
        let wanted = wanting(text, &[old()]);
        let actual = Actual { sni, ..server.survey(&wanted.spot) };
        lacks(&wanted, &actual, &Applied::default(), true)
    };
    let [lack] = &lacking(BY_SUBJECT, Some(false))[..] else { panic!("it is refused") };
    assert_eq!(*lack, Lack::NoSni { bindings: vec!["https/*:443:a.example".to_owned()] });
    assert!(lack.to_string().contains("older than IIS 8"), "{lack}");
    // At an address of its own it can, and where nobody knows, IIS is asked.
    for (text, sni) in [(SHARED, Some(false)), (BY_SUBJECT, Some(true)), (BY_SUBJECT, None)] {
        assert_eq!(lacking(text, sni), []);
    }
}

#[test]
fn what_visitors_are_asked_for_stays_with_a_certificate_that_is_renewed() {
    let mut server = Server::new();
    let (_, applied) = deployed(&mut server, &wanting(BY_SUBJECT, &[old()]), &Applied::default());
    let at = Endpoint::parse(AT).unwrap();
    let words = ["verifyclientcertrevocation=disable", "clientcertnegotiation=enable"];
    let said = Rest::Said(words.map(str::to_owned).into());
    server.certificates.get_mut(&at).unwrap().rest = said.clone();
    let before = server.clone();
    let renewed = wanting(BY_SUBJECT, &[old(), new()]);
    let (plan, _) = deployed(&mut server, &renewed, &applied);
    assert!(plan.to_string().contains(&words.join(" ")), "{plan}");
    assert_eq!((shown(&server, AT).as_deref(), &server.certificates[&at].rest), (Some("2"), &said));
    crate::site::iis::run::take_back(&mut server, &plan.changes).unwrap();
    assert_eq!(server, before);
    assert_eq!(losing(&plan, &server.survey(&renewed.spot)).count(), 0);
    // What cannot be read cannot be kept.
    server.certificates.get_mut(&at).unwrap().rest = Rest::Strange(words.map(str::to_owned).into());
    let actual = server.survey(&renewed.spot);
    let plan = whole(&renewed, &actual, &applied, false);
    assert_eq!(losing(&plan, &actual).collect::<Vec<_>>(), [&at]);
    assert!(plan.to_string().contains(&words.join(" ")), "what was read is kept: {plan}");
    assert_eq!(losing(&IisPlan::default(), &actual).count(), 0);
}
