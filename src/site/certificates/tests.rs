use super::*;
use crate::site::settings::Certificate;

pub const NOW: u64 = 1_800_000_000;

/// One for these names that began and ends so many days from now.
pub fn certificate(digit: char, names: &[&str], from: i64, to: i64) -> StoredCertificate {
    let at = |days: i64| NOW.checked_add_signed(days * 86_400).unwrap();
    StoredCertificate {
        thumbprint: Thumbprint::parse(&digit.to_string().repeat(40)).unwrap(),
        names: names.iter().map(ToString::to_string).collect(),
        friendly_name: None,
        not_before: at(from),
        not_after: at(to),
        has_key: true,
        for_servers: true,
    }
}

fn subject(name: &str) -> Certificate {
    Certificate::Subject(name.to_owned())
}

#[track_caller]
fn check(
    all: &[StoredCertificate],
    wanted: &Certificate,
    host: Option<&str>,
    expected: Result<Option<char>, &str>,
) {
    let chosen = choose(all, wanted, "https/*:443:x", host, NOW);
    let chosen = chosen.map(|chosen| chosen.map(|chosen| chosen.thumbprint.as_str().chars().next().unwrap()));
    match (chosen, expected) {
        (Ok(chosen), Ok(expected)) => assert_eq!(chosen, expected),
        (Err(lack), Err(words)) => assert!(lack.to_string().contains(words), "{lack}"),
        (chosen, _) => panic!("{chosen:?}"),
    }
}

#[test]
fn of_a_subject_the_newest_valid_one_is_chosen() {
    let a = "a.example";
    let (old, new) = (certificate('1', &[a], -300, 60), certificate('2', &[a], -3, 360));
    let all = [old.clone(), new.clone(), certificate('3', &["b.example"], -1, 400)];
    check(&all, &subject(a), Some(a), Ok(Some('2')));
    check(&all, &subject("A.example".to_ascii_lowercase().as_str()), None, Ok(Some('2')));
    // What has begun later counts, not what ends later.
    check(&[certificate('4', &[a], -100, 900), new.clone()], &subject(a), None, Ok(Some('2')));
    // A newer one that will not do leaves it to the older.
    for unfit in [
        StoredCertificate { has_key: false, ..new.clone() },
        StoredCertificate { for_servers: false, ..new.clone() },
        certificate('2', &[a], -3, -1),
        certificate('2', &[a], 3, 360),
    ] {
        check(&[old.clone(), unfit], &subject(a), Some(a), Ok(Some('1')));
    }
    let wild = certificate('5', &["*.example"], -1, 90);
    check(&[old.clone(), wild.clone()], &subject(a), Some(a), Ok(Some('5')));
    check(std::slice::from_ref(&wild), &subject("*.example"), Some("*.example"), Ok(Some('5')));
    check(&[wild], &subject("b.a.example"), None, Err("no certificate for `b.a.example`"));
    check(&all, &Certificate::Keep, Some(a), Ok(None));
}

#[test]
fn what_is_missing_or_will_not_do_is_named_with_its_reason() {
    let a = "a.example";
    let good = certificate('A', &[a], -30, 30);
    let wanted = Certificate::Thumbprint(good.thumbprint.clone());
    let of =
        |certificate: StoredCertificate, words: &str| check(&[certificate], &wanted, Some(a), Err(words));
    check(std::slice::from_ref(&good), &wanted, Some(a), Ok(Some('A')));
    check(&[], &wanted, Some(a), Err("this machine has no certificate `AAAA"));
    of(certificate('A', &[a], -30, -1), "ended on 14 Jan 2027");
    of(certificate('A', &[a], 1, 30), "begins on 16 Jan 2027 only");
    of(StoredCertificate { has_key: false, ..good.clone() }, "private key of the certificate `AAAA");
    of(StoredCertificate { for_servers: false, ..good.clone() }, "was not issued for servers");
    of(
        certificate('A', &["b.example", "c.example"], -30, 30),
        "is for b.example, c.example and not for `a.example`",
    );
    let lack =
        choose(&[certificate('B', &["b.example"], -30, 30)], &subject(a), "x", Some(a), NOW).unwrap_err();
    let help = miette::Diagnostic::help(&lack).unwrap().to_string();
    assert!(help.contains("those that are there are for b.example"), "{help}");
}

#[test]
fn a_newer_one_that_is_as_good_supersedes() {
    let a = "a.example";
    let wanted = certificate('1', &[a], -300, 60);
    let newer = certificate('2', &[a, "b.example"], -3, 90);
    assert!(supersedes(&newer, &wanted, Some(a), NOW) && supersedes(&newer, &wanted, None, NOW));
    assert!(!supersedes(&wanted, &newer, Some(a), NOW));
    assert!(!supersedes(&wanted, &wanted, Some(a), NOW));
    assert!(!supersedes(&certificate('2', &["b.example"], -3, 90), &wanted, Some(a), NOW));
    assert!(!supersedes(&certificate('2', &[a], -3, -1), &wanted, Some(a), NOW));
    assert!(!supersedes(&certificate('2', &["b.example"], -3, 90), &wanted, None, NOW));
}

#[test]
fn a_certificate_that_ends_soon_is_worth_a_word() {
    assert_eq!(certificate('1', &[], -1, 29).ends_soon(NOW), Some(29));
    assert_eq!(certificate('1', &[], -1, 30).ends_soon(NOW), None);
    assert_eq!(certificate('1', &[], -2, -1).ends_soon(NOW), Some(0));
    assert_eq!(date(u64::MAX), "31 Dec 9999");
}

/// A certificate made for a test.
fn made(change: impl FnOnce(&mut rcgen::CertificateParams)) -> (Vec<u8>, String, String) {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut parameters = rcgen::CertificateParams::new(Vec::new()).unwrap();
    parameters.not_before = rcgen::date_time_ymd(2026, 1, 2);
    parameters.not_after = rcgen::date_time_ymd(2027, 3, 4);
    change(&mut parameters);
    let certificate = parameters.self_signed(&key).unwrap();
    (certificate.der().to_vec(), certificate.pem(), key.serialize_pem())
}

#[test]
fn what_counts_is_read_from_a_certificate() {
    let common = |name: &str| {
        let mut subject = rcgen::DistinguishedName::new();
        subject.push(rcgen::DnType::CommonName, name);
        subject
    };
    let (der, ..) = made(|made| {
        made.distinguished_name = common("Shop");
        made.subject_alt_names = ["WWW.Example.org", "*.example.org"]
            .map(|name| rcgen::SanType::DnsName(name.try_into().unwrap()))
            .into();
        made.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    });
    let read = StoredCertificate::parse(&der, true).unwrap();
    assert_eq!(read.names, ["www.example.org", "*.example.org"]);
    assert_eq!((date(read.not_before), read.end()), ("02 Jan 2026".to_owned(), "04 Mar 2027".to_owned()));
    assert!(
        read.for_servers && read.has_key && read.covers("shop.EXAMPLE.org") && !read.covers("example.org")
    );
    let digest = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, &der);
    let digits: String = digest.as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
    assert_eq!(read.thumbprint.as_str(), digits);
    // An old one has nothing but its common name; one of a person is for no server.
    let (der, ..) = made(|made| {
        made.distinguished_name = common("Old.example.org");
        made.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    });
    let read = StoredCertificate::parse(&der, false).unwrap();
    assert_eq!((read.names, read.for_servers), (vec!["old.example.org".to_owned()], false));
    assert_eq!(StoredCertificate::parse(b"no certificate", true), None);
}

#[test]
fn a_folder_stands_in_for_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| fs_err::write(folder.path().join(name), bytes).unwrap();
    let [one, two, three, four] = [(); 4].map(|()| made(|_| ()));
    write("1.pem", one.1.as_bytes());
    write("1.key", one.2.as_bytes());
    write("2.der", &two.0);
    write("3.crt", format!("{}{}", three.1, three.2).as_bytes());
    write("notes.txt", four.1.as_bytes());
    write("4.cer", b"no certificate");
    let all = of_folder(folder.path()).unwrap();
    assert_eq!(all.iter().map(|found| found.has_key).collect::<Vec<_>>(), [true, false, true]);
    assert_eq!(all[1].thumbprint, Thumbprint::of(&two.0));
    let error = of_folder(&folder.path().join("none")).unwrap_err();
    assert!(miette::Diagnostic::help(&error).unwrap().to_string().contains(FOLDER_VARIABLE));
}
