//! Who made a bundle: keys, signing, and refusing what no trusted key has signed.

use holdall::archive::Bundle;
use holdall::progress::Silent;
use holdall::release::{self, Slot};
use holdall::signature::{Signer, comment};
use insta::assert_snapshot;

use crate::archive_forge::{Entry, Forged};
use crate::bad_project::listing;
use crate::harness::{Test, command, copy_tree, host, repository};

const FILES: &[(&str, &str, bool)] = &[("app/a.py", "a\n", false), ("app/manage.py", "manage\n", false)];

const ANN: &str = "RWSCxMfXeAKV3+yL/PGjeLV57ijA++6ll3gr28/2PGXEDarfL7g5JWv7";
/// At an address of nobody's: a preview that should have been refused ends there.
const PREVIEW: [&str; 6] = ["preview", "shop.zip", "--host", "192.0.2.1", "--root", "server"];

const ANN_ID: &str = "DF950278D7C7C482";

fn forged() -> Forged {
    Forged::new(host(), &[("app", "shop", FILES)]).manifest(|manifest| {
        manifest["site"]["environment"] = serde_json::json!([]);
    })
}

/// A story with a bundle that nobody has signed, and the keys of Ann and Bob, which have no password.
fn shop() -> Test {
    let test = Test::empty();
    copy_tree(&repository().join("tests/golden/minisign"), &test.path("keys"));
    test.write("shop.zip", forged().bytes());
    test
}

/// The same, signed by Ann.
fn signed() -> Test {
    let test = shop();
    test.holdall(["sign", "shop.zip", "--key", "keys/ann.key"]).success();
    test
}

fn said(test: &Test, args: &[&str]) -> String {
    String::from_utf8(test.holdall(args).success().get_output().stdout.clone()).unwrap()
}

fn json(test: &Test, args: &[&str]) -> serde_json::Value {
    serde_json::from_str(&said(test, &[&["--format", "json"], args].concat())).unwrap()
}

/// What `verify` and `preview` say of a bundle that they refuse to trust. Neither writes anything.
#[track_caller]
fn distrusted(test: &Test, keys: &[&str]) -> String {
    let trust: Vec<&str> = keys.iter().flat_map(|key| ["--trust", key]).collect();
    let verify = test.refused(1, &[&["verify", "shop.zip"], &trust[..]].concat());
    assert_eq!(test.refused(1, &[&PREVIEW[..], &trust[..]].concat()), verify);
    verify
}

/// What is said of a bundle that Ann signed, after `change` was made to it.
#[track_caller]
fn changed(change: impl FnOnce(Forged) -> Forged) -> String {
    let test = shop();
    let manifest = forged().entries[0].data.clone();
    let signature = ann().sign(&manifest, &format!("holdall shop 1.0 {}", host()));
    let signed = forged().with(|bundle| {
        bundle.entries.insert(1, Entry::new("holdall.json.minisig", signature, false));
    });
    test.write("shop.zip", change(signed).bytes());
    distrusted(&test, &["keys/ann.pub"])
}

/// What is said of Ann's bundle with another text as its signature.
#[track_caller]
fn signature(change: impl FnOnce(&str) -> Vec<u8>) -> String {
    changed(|bundle| {
        bundle.entry("holdall.json.minisig", |entry| {
            let text = String::from_utf8(entry.data.clone()).unwrap();
            entry.set(change(&text));
        })
    })
}

fn ann() -> Signer {
    let key = repository().join("tests/golden/minisign/ann.key");
    Signer::open(&key, || panic!("it has no password")).unwrap()
}

#[test]
fn a_bundle_is_signed_with_a_new_key_and_verified_with_its_public_half() {
    let test = Test::empty();
    let bytes = forged().bytes();
    test.write("shop.zip", &bytes);
    let identity = Bundle::open(&test.path("shop.zip")).unwrap().identity();
    let made = json(&test, &["key", "new", "shop", "--no-password", "--output", "keys"]);
    let (line, key) = (made["line"].as_str().unwrap(), made["key"].as_str().unwrap());
    assert!(test.read("keys/shop.pub").ends_with(&format!("{line}\n")));

    let unsigned = json(&test, &["inspect", "shop.zip"]);
    assert_eq!(unsigned["signature"], serde_json::Value::Null);
    assert!(said(&test, &["inspect", "shop.zip"]).contains("\n  signature    none\n"));

    let report = json(&test, &["sign", "shop.zip", "--key", "keys/shop.key"]);
    assert_eq!((report["changed"].as_bool(), report["signed_by"].as_str()), (Some(true), Some(key)));
    let size = fs_err::metadata(test.path("shop.zip")).unwrap().len();
    assert_eq!(report["size"], serde_json::json!(size));
    let bundle = Bundle::open(&test.path("shop.zip")).unwrap();
    assert_eq!((bundle.identity(), bundle.verify(&Silent).unwrap()), (identity, vec![]));
    assert_eq!(bundle.length(), size);
    drop(bundle);

    let fine = format!("2 files are as they were bundled\nidentity {identity}\n");
    let not_checked = format!("{fine}signed by {key}, not checked: `--trust KEY` does\n");
    assert_eq!(said(&test, &["verify", "shop.zip"]), not_checked);
    let trusted = format!("{fine}signed by {key}, which is trusted\n");
    for given in ["keys/shop.pub", line] {
        assert_eq!(said(&test, &["verify", "shop.zip", "--trust", given]), trusted);
        let asked = command(&test.path(""), ["verify", "shop.zip"]).env("HOLDALL_TRUST", given).output();
        assert_eq!(String::from_utf8(asked.unwrap().stdout).unwrap(), trusted);
    }
    let value = json(&test, &["verify", "shop.zip", "--trust", line]);
    let comment = format!("holdall shop 1.0 {}", host());
    let signature = serde_json::json!({"key": key, "comment": comment, "trusted": true, "flaw": null});
    assert_eq!(value["signature"], signature);
    let inspected = said(&test, &["inspect", "shop.zip"]);
    let fact = format!("\n  signature    by the key {key}, not checked: `holdall verify --trust KEY` does\n");
    assert!(inspected.contains(&fact), "{inspected}");
    assert_eq!(json(&test, &["inspect", "shop.zip"])["signature"]["trusted"], serde_json::json!(false));
}

#[test]
fn other_programs_read_a_signed_bundle() {
    let test = signed();
    let mut zip = zip::ZipArchive::new(fs_err::File::open(test.path("shop.zip")).unwrap()).unwrap();
    let names: Vec<_> = zip.file_names().map(|name| name.unwrap().to_string()).collect();
    assert_eq!(names[..2], ["holdall.json", "holdall.json.minisig"]);
    for at in 0..zip.len() {
        std::io::copy(&mut zip.by_index(at).unwrap(), &mut std::io::sink()).unwrap(); // checks the CRC
    }
}

#[test]
fn the_same_key_signs_the_same_bundle_the_same_way_and_only_once() {
    let test = signed();
    let bytes = fs_err::read(test.path("shop.zip")).unwrap();
    let again = said(&test, &["sign", "shop.zip", "--key", "keys/ann.key"]);
    assert!(again.starts_with(&format!("signed by {ANN_ID} already\n")), "{again}");
    assert_eq!(
        json(&test, &["sign", "shop.zip", "--key", "keys/ann.key"])["changed"],
        serde_json::json!(false)
    );
    assert!(fs_err::read(test.path("shop.zip")).unwrap() == bytes);

    // A copy that nobody has signed, signed into another folder.
    test.write("copy.zip", forged().bytes());
    let more = ["--output", "out/shop.zip"];
    said(&test, &[&["sign", "copy.zip", "--key", "keys/ann.key"][..], &more].concat());
    assert!(fs_err::read(test.path("out/shop.zip")).unwrap() == bytes);
    assert!(fs_err::read(test.path("copy.zip")).unwrap() == forged().bytes());
    // One that is signed comes out as it is.
    said(&test, &["sign", "shop.zip", "--key", "keys/ann.key", "--output", "out/again.zip"]);
    assert!(fs_err::read(test.path("out/again.zip")).unwrap() == bytes);
    assert_eq!(listing(&test.path("out")).len(), 3, "the folder and two files");
}

#[test]
fn another_key_replaces_a_signature_only_when_it_is_told_to() {
    let test = signed();
    assert_snapshot!(test.refused(3, &["sign", "shop.zip", "--key", "keys/bob.key"]), @r"
    × `shop.zip` is signed already, by the key DF950278D7C7C482, and this one is DE8D64873A4B50E6
    help: `--replace` puts the new signature in the place of that one
    ");
    said(&test, &["sign", "shop.zip", "--key", "keys/bob.key", "--replace"]);
    said(&test, &["verify", "shop.zip", "--trust", "keys/bob.pub"]);
    // Any of several keys will do.
    said(&test, &["verify", "shop.zip", "--trust", ANN, "--trust", "keys/bob.pub"]);
    assert_snapshot!(distrusted(&test, &[ANN]), @r"
    × the signature of `shop.zip` is not accepted
    ╰─▶ it was made with the key DE8D64873A4B50E6, and trusted is DF950278D7C7C482
    help: if the bundle is to be trusted, name its maker's public key by `--trust`; get it from the maker, not from where the bundle came from
    ");
    assert_snapshot!(distrusted(&test, &["keys/ann.pub", "keys/protected.pub"]), @r"
    × the signature of `shop.zip` is not accepted
    ╰─▶ it was made with the key DE8D64873A4B50E6, and trusted is one of DF950278D7C7C482, 4BC50075A803A466
    help: if the bundle is to be trusted, name its maker's public key by `--trust`; get it from the maker, not from where the bundle came from
    ");
}

#[test]
fn what_nobody_signed_is_refused_before_anything_is_written() {
    let test = shop();
    assert_snapshot!(distrusted(&test, &["keys/ann.pub"]), @r"
    × `shop.zip` is not signed
    help: ask whoever made it for a signed one (`holdall bundle --sign KEY`, or `holdall sign` for a bundle that is there already); without `--trust` and HOLDALL_TRUST no signature is asked for
    ");
    let before = listing(&test.path(""));
    let mut asked = command(&test.path(""), PREVIEW);
    let asked = asked.env("HOLDALL_TRUST", ANN).output().unwrap();
    assert_eq!(asked.status.code(), Some(1));
    assert_eq!(listing(&test.path("")), before);

    test.write("site/manage.py", "");
    assert_snapshot!(test.refused(3, &["preview", "site", "--trust", ANN]), @r"
    × `site` is a project, and nobody has signed it
    help: preview it without `--trust` and HOLDALL_TRUST, or make a signed bundle first (`holdall bundle --sign KEY`)
    ");
}

#[test]
fn a_preview_serves_no_other_release_that_lies_where_the_trusted_one_would() {
    let test = signed();
    let identity = Bundle::open(&test.path("shop.zip")).unwrap().identity();
    let other = forged().manifest(|manifest| manifest["version"] = "6.6".into());
    test.write("other.zip", other.bytes());
    let release = format!("server/shop/releases/1.0-{}", identity.short());
    let bundle = Bundle::open(&test.path("other.zip")).unwrap();
    release::expand(&bundle, Slot::empty(&test.path(&release)).unwrap(), &Silent).unwrap();
    let preview = ["preview", "shop.zip", "--trust", ANN, "--root", "server", "--port", "0"];
    let told = test.holdall(preview).code(1).stdout("");
    let told = test.words(&told.get_output().stderr).replace(&identity.short(), "[identity]");
    assert_snapshot!(told, @r"
    × `[here]/server/shop/releases/1.0-[identity]` holds another bundle than the one that is to be shown
    help: remove the folder, or name another root by `--root`
    ");
}

#[test]
fn a_folder_that_a_bundle_was_expanded_into_carries_its_signature() {
    let test = signed();
    let bundle = Bundle::open(&test.path("shop.zip")).unwrap();
    release::expand(&bundle, Slot::empty(&test.path("release")).unwrap(), &Silent).unwrap();
    let identity = bundle.identity();
    assert_eq!(
        said(&test, &["verify", "release", "--trust", ANN]),
        format!(
            "2 files are as they were bundled\nidentity {identity}\nsigned by {ANN_ID}, which is trusted\n"
        )
    );
    assert_snapshot!(test.refused(1, &["verify", "release", "--trust", "keys/bob.pub"]), @r"
    × the signature of `release` is not accepted
    ╰─▶ it was made with the key DF950278D7C7C482, and trusted is DE8D64873A4B50E6
    help: if the bundle is to be trusted, name its maker's public key by `--trust`; get it from the maker, not from where the bundle came from
    ");

    // A manifest that still fits its indexes, and a signature that was made over another.
    let manifest = test.read("release/holdall.json");
    test.write("release/holdall.json", manifest.replace("\"health\":\"/\"", "\"health\":\"/x\""));
    assert_snapshot!(test.refused(1, &["verify", "release", "--trust", ANN]), @r"
    × the signature of `release` is not accepted
    ╰─▶ it was not made with the key DF950278D7C7C482 over this manifest, or was changed since
    help: the bundle was tampered with, or somebody made a key of the same id: do not use it, and get it again from its maker
    ");
    test.holdall(["verify", "release"]).success();
    test.write("release/holdall.json", manifest);
    test.write("release/holdall.json.minisig", "a".repeat(20_000));
    assert_snapshot!(test.refused(1, &["verify", "release"]), @r"
    × the signature `release/holdall.json.minisig` is larger than one can be
    help: the folder was changed after the bundle was expanded: expand it again
    ");
    fs_err::remove_file(test.path("release/holdall.json.minisig")).unwrap();
    assert_snapshot!(test.refused(1, &["verify", "release", "--trust", ANN]), @r"
    × `release` is not signed
    help: ask whoever made it for a signed one (`holdall bundle --sign KEY`, or `holdall sign` for a bundle that is there already); without `--trust` and HOLDALL_TRUST no signature is asked for
    ");
    test.holdall(["verify", "release"]).success();
}

#[test]
fn a_signature_that_is_damaged_is_told_from_one_that_is_wrong() {
    assert_snapshot!(signature(|_| Vec::new()), @r"
    × the signature of `shop.zip` is not accepted
    ╰─▶ it cannot be read as a signature: it is cut off
    help: the bundle is damaged or was tampered with: fetch it again, or have it signed again
    ");
    let cause = |told: String| told.lines().nth(1).unwrap().trim().to_owned();
    let malformed = |what: &str, change: fn(&str) -> String| {
        let told = cause(signature(|text| change(text).into()));
        assert_eq!(told, format!("╰─▶ it cannot be read as a signature: {what}"));
    };
    malformed("it is cut off", |text| text.lines().next().unwrap().to_owned());
    malformed("it is cut off", |text| text.lines().take(3).map(|line| format!("{line}\n")).collect());
    malformed("its lines are not those of a signature", |text| text[..text.len() - 9].to_owned());
    malformed("its lines are not those of a signature", |text| text.replace("\ntrusted comment: ", "\n"));
    malformed("something follows it", |text| format!("{text}more\n"));
    malformed("it does not begin as minisign's signatures do", |text| format!("comment: {text}"));
    let told = cause(signature(|text| [text.as_bytes(), b"\xff"].concat()));
    assert_eq!(told, "╰─▶ it cannot be read as a signature: it is not UTF-8");

    let legacy = fs_err::read(repository().join("tests/golden/minisign/legacy.minisig")).unwrap();
    let other_kind = signature(|_| legacy);
    assert_snapshot!(other_kind, @r"
    × the signature of `shop.zip` is not accepted
    ╰─▶ it is of a kind that holdall does not take: only minisign's prehashed Ed25519 (`ED`) counts
    help: have the bundle signed by `holdall sign`, or by minisign 0.11 or newer
    ");
    // The algorithm is the beginning of the second line: `ED`, and here `EX`.
    assert_eq!(signature(|text| text.replace("\nRU", "\nRV").into()), other_kind);
    assert_snapshot!(signature(|_| vec![b'a'; (16 << 10) + 1]), @r"
    × `shop.zip`: the signature would take 16385 bytes, more than the 16384 that a bundle may use
    help: this is no bundle of holdall's: do not use it
    ");
}

#[test]
fn a_signature_that_was_made_for_something_else_is_refused() {
    // Its comment was changed after it was signed.
    let told = signature(|text| text.replace("shop 1.0", "shop 1.1").into());
    assert_snapshot!(told, @r"
    × the signature of `shop.zip` is not accepted
    ╰─▶ it was not made with the key DF950278D7C7C482 over this manifest, or was changed since
    help: the bundle was tampered with, or somebody made a key of the same id: do not use it, and get it again from its maker
    ");
    // One character of the second signature is another.
    let other = signature(|text| {
        let at = text.len() - 20;
        let other = if text.as_bytes()[at] == b'A' { "B" } else { "A" };
        [&text[..at], other, &text[at + 1..]].concat().into()
    });
    assert_eq!(other, told);
    // The manifest was changed by one byte, with all that follows from it inside the zip.
    assert_eq!(changed(|bundle| bundle.manifest(|manifest| manifest["site"]["health"] = "x".into())), told);
    // Ann signed it, but for another bundle.
    let manifest = forged().entries[0].data.clone();
    assert_snapshot!(signature(|_| ann().sign(&manifest, "holdall shop 0.9 linux-arm64")), @r"
    × the signature of `shop.zip` is not accepted
    ╰─▶ it is for `holdall shop 0.9 linux-arm64`, and this is `holdall shop 1.0 [host]`
    help: the signature belongs to another bundle: do not use this one, and get it again from its maker
    ");
    assert_snapshot!(signature(|_| ann().sign(&manifest, "timestamp:1763870000")), @r"
    × the signature of `shop.zip` is not accepted
    ╰─▶ it is for `timestamp:1763870000`, and this is `holdall shop 1.0 [host]`
    help: the signature belongs to another bundle: do not use this one, and get it again from its maker
    ");
    // Somebody made a key of Ann's id.
    let test = shop();
    let (pair, mut bytes) = (minisign_key("bob"), minisign_key("ann"));
    bytes[62..126].copy_from_slice(&pair[62..126]);
    test.write("keys/evil.key", key_text(&bytes));
    said(&test, &["sign", "shop.zip", "--key", "keys/evil.key"]);
    assert_snapshot!(distrusted(&test, &[ANN]), @r"
    × the signature of `shop.zip` is not accepted
    ╰─▶ it was not made with the key DF950278D7C7C482 over this manifest, or was changed since
    help: the bundle was tampered with, or somebody made a key of the same id: do not use it, and get it again from its maker
    ");
    assert_snapshot!(test.refused(3, &["sign", "shop.zip", "--key", "keys/ann.key"]), @r"
    × `shop.zip` is signed already, by the key DF950278D7C7C482, but not rightly
    help: `--replace` puts the new signature in the place of that one
    ");
}

#[test]
fn a_signature_is_looked_at_before_the_rest_of_the_file() {
    let test = signed();
    let whole = fs_err::read(test.path("shop.zip")).unwrap();
    let last = whole.windows(4).position(|bytes| bytes == b"PK\x01\x02").unwrap();
    test.write("shop.zip", &whole[..last]);
    let told = distrusted(&test, &["keys/bob.pub"]);
    assert!(told.contains("it was made with the key DF950278D7C7C482, and trusted is"), "{told}");
    assert_snapshot!(distrusted(&test, &[ANN]), @r"
    × `shop.zip` is cut off: its end is missing
    help: the copy or download did not finish: fetch it again
    ");
    for (bytes, told) in [
        (&b"text"[..], "`shop.zip` is not a zip"),
        (&whole[..20], "`shop.zip` is not a bundle: its first entry is not `holdall.json`"),
        (&whole[..100], "`shop.zip` is cut off: its end is missing"),
        (&b"PK\x03\x04"[..], "`shop.zip` is not a bundle: its first entry is not `holdall.json`"),
        (&b""[..], "`shop.zip` is not a zip"),
    ] {
        test.write("shop.zip", bytes);
        assert!(distrusted(&test, &[ANN]).starts_with(&format!("  × {told}\n")), "{told}");
    }
}

#[test]
fn a_signature_reaches_every_file_through_the_digests() {
    // An index that was changed, with all that the zip itself says of it.
    assert_snapshot!(changed(|bundle| bundle.entry(".holdall/", |entry| {
        let mut index = entry.data.clone();
        let at = index.windows(9).position(|bytes| bytes == b"sha256\":\"").unwrap() + 9;
        index[at] = if index[at] == b'0' { b'1' } else { b'0' };
        entry.set(index);
    })), @r"
    × the index of the layer `shop` in `shop.zip` is not the one that the manifest names: it has another digest
    help: the bundle is damaged or was tampered with: fetch or make it again
    ");
    // A file that was changed, with its checksum.
    let test = signed();
    let whole = fs_err::read(test.path("shop.zip")).unwrap();
    let signature = Bundle::open(&test.path("shop.zip")).unwrap().signature().unwrap().to_vec();
    let other = forged().with(|bundle| {
        bundle.entries.insert(1, Entry::new("holdall.json.minisig", signature, false));
    });
    test.write("shop.zip", other.entry("app/manage.py", |entry| entry.set("MANAGE\n")).bytes());
    assert_eq!(fs_err::metadata(test.path("shop.zip")).unwrap().len(), whole.len() as u64);
    let told =
        test.holdall(["verify", "shop.zip", "--trust", ANN]).code(1).stdout("differs  app/manage.py\n");
    assert_snapshot!(test.words(&told.get_output().stderr), @r"
    × `shop.zip` is not what was bundled: 1 file differs, is missing or extra
    help: fetch the bundle again, or expand it again into an empty folder
    ");
    let preview = ["preview", "shop.zip", "--trust", ANN, "--port", "0", "--root", "server"];
    test.holdall(preview).code(1);
    let left: Vec<_> =
        listing(&test.path("server")).into_keys().filter(|path| path.ends_with(".py")).collect();
    assert_eq!(left, [""; 0]);
    // Nobody gets a signature for it, either.
    test.write("damaged.zip", forged().entry("app/manage.py", |entry| entry.set("MANAGE\n")).bytes());
    assert_snapshot!(test.refused(1, &["sign", "damaged.zip", "--key", "keys/ann.key"]), @r"
    × `damaged.zip` is not what was bundled: 1 file differs, is missing or extra
    help: `holdall verify` names each; a damaged bundle is not signed: make or fetch it again
    ");
}

#[test]
fn a_signature_that_cannot_be_read_is_told_where_none_is_asked_for() {
    let test = shop();
    let bundle = forged().with(|bundle| {
        bundle.entries.insert(1, Entry::new("holdall.json.minisig", "\u{1b}[31m nonsense", false));
    });
    test.write("shop.zip", bundle.bytes());
    let inspected = said(&test, &["inspect", "shop.zip"]);
    assert!(
        inspected.contains("\n  signature    it cannot be read as a signature: it is cut off\n"),
        "{inspected}"
    );
    let verified = said(&test, &["verify", "shop.zip"]);
    let last = verified.lines().last().unwrap();
    assert_eq!(last, "signed, but not checked: it cannot be read as a signature: it is cut off");
    assert_snapshot!(test.refused(3, &["sign", "shop.zip", "--key", "keys/ann.key"]), @r"
    × `shop.zip` is signed already, in a way that cannot be read
    help: `--replace` puts the new signature in the place of that one
    ");
    said(&test, &["sign", "shop.zip", "--key", "keys/ann.key", "--replace"]);
    said(&test, &["verify", "shop.zip", "--trust", ANN]);
}

#[test]
fn a_bundle_that_cannot_be_written_is_left_as_it_was() {
    let test = shop();
    let output = ["--output", "shop.zip/signed.zip"];
    let told = test.refused(1, &[&["sign", "shop.zip", "--key", "keys/ann.key"][..], &output].concat());
    assert!(told.contains("cannot write the bundle `shop.zip/signed.zip`"), "{told}");
    let told = test.refused(1, &["sign", "gone.zip", "--key", "keys/ann.key"]);
    assert!(told.contains("cannot read `gone.zip`"), "{told}");
}

#[cfg(unix)]
#[test]
fn signing_keeps_who_may_read_a_bundle_and_replaces_what_a_link_leads_to() {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
    let test = shop();
    fs_err::set_permissions(test.path("shop.zip"), std::fs::Permissions::from_mode(0o640)).unwrap();
    symlink("shop.zip", test.path("latest.zip")).unwrap();
    said(&test, &["sign", "latest.zip", "--key", "keys/ann.key"]);
    assert!(test.path("latest.zip").is_symlink());
    assert_eq!(fs_err::metadata(test.path("shop.zip")).unwrap().mode() & 0o777, 0o640);
    said(&test, &["verify", "shop.zip", "--trust", ANN]);
}

/// The bytes of one of the secret keys.
fn minisign_key(name: &str) -> Vec<u8> {
    use base64::Engine as _;
    let path = repository().join(format!("tests/golden/minisign/{name}.key"));
    let text = fs_err::read_to_string(path).unwrap();
    base64::engine::general_purpose::STANDARD.decode(text.lines().nth(1).unwrap()).unwrap()
}

fn key_text(bytes: &[u8]) -> String {
    use base64::Engine as _;
    format!("untrusted comment: a key\n{}\n", base64::engine::general_purpose::STANDARD.encode(bytes))
}

#[test]
fn a_key_that_cannot_sign_is_told_why() {
    let test = shop();
    let sign = |key: &str| test.refused(3, &["sign", "shop.zip", "--key", key]);
    test.write("keys/text.key", "just some text\n");
    test.write("keys/binary.key", [0xff, 0xfe, 0, 1]);
    test.write("keys/many.key", "one\ntwo\nthree\n");
    test.write("keys/short.key", key_text(&minisign_key("ann")[..150]));
    let mut other = minisign_key("ann");
    other[70] ^= 1;
    test.write("keys/damaged.key", key_text(&other));
    other = minisign_key("ann");
    other[2..4].copy_from_slice(b"Ar");
    test.write("keys/newer.key", key_text(&other));
    assert_snapshot!(sign("keys/gone.key").lines().next().unwrap(), @"  × cannot read the key `keys/gone.key`");
    assert_snapshot!(sign("keys/text.key"), @r"
    × `keys/text.key` is not a secret key: its line is not that of a key
    help: name a file that `holdall key new` or minisign made, such as `NAME.key`
    ");
    assert_snapshot!(sign("keys/binary.key"), @r"
    × `keys/binary.key` is not a secret key: it is not text in UTF-8
    help: name a file that `holdall key new` or minisign made, such as `NAME.key`
    ");
    assert_snapshot!(sign("keys/many.key"), @r"
    × `keys/many.key` is not a secret key: it has not one line of a key
    help: name a file that `holdall key new` or minisign made, such as `NAME.key`
    ");
    assert_snapshot!(sign("keys/short.key"), @r"
    × `keys/short.key` is not a secret key: its line is not that of a key
    help: name a file that `holdall key new` or minisign made, such as `NAME.key`
    ");
    assert_snapshot!(sign("keys/newer.key"), @r"
    × `keys/newer.key` is not a secret key: it is of a kind that minisign 0.11 does not make
    help: name a file that `holdall key new` or minisign made, such as `NAME.key`
    ");
    assert_snapshot!(sign("keys/damaged.key"), @r"
    × the secret key `keys/damaged.key` is damaged
    help: take it from a backup; without one, make a new key and tell its public part to whoever verifies
    ");
    assert_snapshot!(sign("keys/ann.pub"), @r"
    × `keys/ann.pub` is a public key, and only a secret one can sign
    help: name the secret key that was made together with it, such as `NAME.key`
    ");
    // As an editor on Windows may leave it.
    let text = test.read("keys/ann.key").replace('\n', "\r\n");
    test.write("keys/windows.key", format!("\u{feff}{text}\r\n"));
    said(&test, &["sign", "shop.zip", "--key", "keys/windows.key"]);
    said(&test, &["verify", "shop.zip", "--trust", "keys/ann.pub"]);
}

#[test]
fn what_is_no_public_key_is_not_trusted() {
    let test = signed();
    let trust = |key: &str| test.refused(3, &["verify", "shop.zip", "--trust", key]);
    test.write("keys/text.pub", "just some text\n").write("keys/binary.pub", [0xff, 0xfe, 0, 1]);
    test.write("keys/empty.pub", "");
    assert_snapshot!(trust("keys/text.pub"), @r"
    × `keys/text.pub` is not a public key: its line is not that of a key
    help: name the file that `holdall key new` wrote (`NAME.pub`), or give the line of 56 characters in it
    ");
    assert_snapshot!(trust("keys/binary.pub"), @r"
    × `keys/binary.pub` is not a public key: it is not text in UTF-8
    help: name the file that `holdall key new` wrote (`NAME.pub`), or give the line of 56 characters in it
    ");
    assert_snapshot!(trust("keys/empty.pub"), @r"
    × `keys/empty.pub` is not a public key: it has not one line of a key
    help: name the file that `holdall key new` wrote (`NAME.pub`), or give the line of 56 characters in it
    ");
    assert_snapshot!(trust("keys/ann.key"), @r"
    × `keys/ann.key` is a secret key, and trust is given to public ones
    help: name the public key that was made together with it, such as `NAME.pub`; a secret key has no business on a machine that only verifies
    ");
    assert_snapshot!(trust(&ANN[..50]).lines().next().unwrap(), @"  × `RWSCxMfXeAKV3+yL/PGjeLV57ijA++6ll3gr28/2PGXEDarfL7` is neither a public key nor a file that can be read");
    assert_snapshot!(trust("").lines().next().unwrap(), @"  × `` is neither a public key nor a file that can be read");
    // A secret is not repeated.
    let secret = test.read("keys/ann.key").lines().nth(1).unwrap().to_owned();
    assert_snapshot!(trust(&secret), @r"
    × what was given is a secret key, and trust is given to public ones
    help: name the public key that was made together with it, such as `NAME.pub`; a secret key has no business on a machine that only verifies
    ");

    let asked = command(&test.path(""), ["verify", "shop.zip"]).env("HOLDALL_TRUST", "").output().unwrap();
    assert_eq!((asked.status.code(), asked.stdout), (Some(3), Vec::new()));
    assert_snapshot!(test.words(&asked.stderr), @r"
    × HOLDALL_TRUST is set, and empty
    help: give it a public key or the name of its file, or unset it if no signature is to be asked for
    ");
    // A line alone, as people send it to each other.
    test.write("keys/line.pub", format!("{ANN}\r\n"));
    said(&test, &["verify", "shop.zip", "--trust", "keys/line.pub"]);
}

#[test]
fn a_password_comes_from_a_file_or_the_environment() {
    let test = shop();
    test.write("password", "a secret\r\nnot the password\n");
    said(&test, &["key", "new", "shop", "--password-file", "password"]);
    let sign = ["sign", "shop.zip", "--key", "shop.key"];
    assert_snapshot!(test.refused(3, &sign), @r"
    × there is no terminal to ask for the password of `shop.key`
    help: give it by `--password-file FILE`, or by HOLDALL_KEY_PASSWORD in the environment
    ");
    let with = |password: &str| {
        let mut command = command(&test.path(""), sign);
        command.env("HOLDALL_KEY_PASSWORD", password).stdin(std::process::Stdio::null()).output().unwrap()
    };
    let wrong = with("another");
    assert_eq!(wrong.status.code(), Some(3));
    assert_snapshot!(test.words(&wrong.stderr), @r"
    × the password does not open the key `shop.key`
    help: type it again, or put the right one where it is taken from (`--password-file`, HOLDALL_KEY_PASSWORD)
    ");
    assert_snapshot!(test.words(&with("").stderr), @r"
    × the password in HOLDALL_KEY_PASSWORD is empty
    help: give one; a key without a password is made by `--no-password`
    ");
    assert!(with("a secret").status.success());
    said(&test, &["verify", "shop.zip", "--trust", "shop.pub"]);

    let file = |name: &str| test.refused(3, &["key", "new", "other", "--password-file", name]);
    test.write("empty", "\r\n").write("utf16", [0xff, 0xfe, b'a', 0]).write("long", "a".repeat(1025));
    assert_snapshot!(file("gone").lines().next().unwrap(), @"  × cannot read the password file `gone`");
    assert_snapshot!(file("empty"), @r"
    × the password in `empty` is empty
    help: give one; a key without a password is made by `--no-password`
    ");
    assert_snapshot!(file("utf16"), @r"
    × the password in `utf16` is not text in UTF-8
    help: write it in UTF-8 (older PowerShells write UTF-16 by `>`)
    ");
    assert_snapshot!(file("long"), @r"
    × the password is longer than 1024 bytes
    help: minisign could not use it: take a shorter one
    ");
    assert_snapshot!(test.refused(3, &["key", "new", "other"]), @r"
    × there is no terminal to ask for the password of `other.key`
    help: give it by `--password-file FILE`, or by HOLDALL_KEY_PASSWORD in the environment
    ");
    // What stands on a command line, others can read.
    test.holdall(["key", "new", "other", "--password", "a secret"]).code(2);
}

#[test]
fn a_new_key_replaces_nothing_and_says_what_to_do_with_it() {
    let test = Test::empty();
    let made = test.holdall(["key", "new", "shop", "--no-password"]).success();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let line = test.read("shop.pub").lines().nth(1).unwrap().to_owned();
    let id = test.read("shop.pub").lines().next().unwrap().rsplit_once(' ').unwrap().1.to_owned();
    let shown = |bytes: &[u8]| text(bytes).replace(&line, "[line]").replace(&id, "[id]");
    assert_snapshot!(shown(&made.get_output().stdout), @r"
    secret key  shop.key          without a password: whoever reads it can sign
    public key  shop.pub          for everybody who verifies
    key id      [id]

    [line]
    ");
    assert_snapshot!(shown(&made.get_output().stderr), @r"

    Keep a copy of the secret key where only you can reach it: it cannot be made again.
    Next:
      holdall bundle --sign shop.key
      holdall verify --trust [line] BUNDLE
    ");
    assert!(!text(&made.get_output().stdout).contains(test.read("shop.key").lines().nth(1).unwrap()));

    assert_snapshot!(test.refused(3, &["key", "new", "shop", "--no-password"]), @r"
    × the key `shop.key` is there already
    help: what was signed with it can be verified with no other: name another with NAME or `--output`, or move it away
    ");
    fs_err::remove_file(test.path("shop.key")).unwrap();
    let told = test.refused(3, &["key", "new", "shop", "--no-password"]);
    assert!(told.starts_with("  × the key `shop.pub` is there already\n"), "{told}");
    assert_snapshot!(test.refused(3, &["key", "new", "../shop", "--no-password"]), @r"
    × `../shop` cannot be the name of a key: letters, digits, `.`, `_` and `-`, 32 at most, a letter or digit first
    help: name it after who signs, such as `shop` or `ann`; the folder is named by `--output`
    ");
    test.write("file", "");
    let told = test.refused(1, &["key", "new", "shop", "--no-password", "--output", "file"]);
    assert!(told.starts_with("  × cannot write the key `file/shop.key`\n"), "{told}");

    fs_err::create_dir(test.path(".git")).unwrap();
    let noticed = test.holdall(["key", "new", "ann", "--no-password", "--output", "team"]).success();
    let noticed = test.words(&noticed.get_output().stderr);
    assert!(noticed.contains("lies in the repository `[here]`"), "{noticed}");
    assert!(noticed.contains("`/team/ann.key`"), "{noticed}");
}

#[cfg(unix)]
#[test]
fn nobody_but_its_owner_reads_a_new_secret_key() {
    use std::os::unix::fs::MetadataExt as _;
    let test = Test::empty();
    said(&test, &["key", "new", "shop", "--no-password"]);
    let mode = |name: &str| fs_err::metadata(test.path(name)).unwrap().mode() & 0o777;
    assert_eq!(mode("shop.key"), 0o600);
    assert_ne!(mode("shop.pub") & 0o044, 0);
}

#[test]
fn a_bundle_is_signed_as_it_is_made() {
    let test = shop();
    test.guestbook("guestbook");
    test.write("password", "a secret\n").write("wrong", "another\n");
    said(&test, &["key", "new", "shop", "--password-file", "password"]);
    let sign = |password: &'static str| ["--sign", "shop.key", "--password-file", password];
    // The key comes before the project, and the long work.
    let bundle = ["bundle", "nowhere", "--runtime", "host"];
    let told = test.refused(3, &[&bundle[..], &sign("wrong")].concat());
    assert!(told.starts_with("  × the password does not open the key `shop.key`\n"), "{told}");
    test.holdall(["bundle", "guestbook", "--password-file", "password"]).code(2);

    let plain = test.bundle("guestbook", &[]);
    let bytes = fs_err::read(&plain).unwrap();
    let signed = test.bundle("guestbook", &sign("password"));
    assert_eq!(plain, signed);
    let made = fs_err::read(&signed).unwrap();
    let bundle = Bundle::open(&signed).unwrap();
    assert_eq!(bundle.identity(), holdall_identity(&bytes, &test));
    let about = comment(bundle.manifest());
    drop(bundle);
    let path = signed.to_str().unwrap();
    assert_eq!(json(&test, &["verify", path, "--trust", "shop.pub"])["signature"]["comment"], about);
    // As if it had been signed later.
    test.write("later.zip", &bytes);
    said(&test, &["sign", "later.zip", "--key", "shop.key", "--password-file", "password"]);
    assert!(fs_err::read(test.path("later.zip")).unwrap() == made);

    let plan = [&["bundle", "guestbook", "--runtime", "host", "--plan"][..], &sign("password")].concat();
    let id = test.read("shop.pub").lines().next().unwrap().rsplit_once(' ').unwrap().1.to_owned();
    assert!(said(&test, &plan).contains(&format!("by the key {id}\n")));
    assert_eq!(json(&test, &plan)["signed_by"], id);
    // A plan needs no password, so it asks for none; one that is given has to be right.
    let unasked = ["bundle", "guestbook", "--runtime", "host", "--plan", "--sign", "shop.key"];
    assert!(said(&test, &unasked).contains(" by the key in shop.key\n"));
    let value = json(&test, &unasked);
    assert_eq!((&value["key"], &value["signed_by"]), (&"shop.key".into(), &serde_json::Value::Null));
    test.holdall([&plan[..5], &sign("wrong")].concat()).code(3).stdout("");
}

fn holdall_identity(bundle: &[u8], test: &Test) -> holdall::digest::Sha256 {
    test.write("before.zip", bundle);
    Bundle::open(&test.path("before.zip")).unwrap().identity()
}

#[test]
fn the_key_that_signs_is_not_bundled() {
    let test = shop();
    test.guestbook("site");
    fs_err::create_dir(test.path("site/secret")).unwrap();
    fs_err::copy(test.path("keys/ann.key"), test.path("site/secret/ann")).unwrap();
    let sign = ["bundle", "site", "--runtime", "host", "--sign", "site/secret/ann"];
    assert_snapshot!(test.refused(3, &sign), @r"
    × `site/secret/ann` is secret, and would be bundled with the project
    help: keep it outside of the project; or leave it out with `[files] exclude` in holdall.toml, and see to it that it is in no repository either
    ");
    test.write("site/holdall.toml", "[files]\nexclude = [\"secret/\"]\n");
    test.holdall(sign).success();
}

/// The file of a machine that trusts Ann alone, as a command has made it.
fn trusting_ann(test: &Test) {
    test.holdall(["trust", "add", "ann", "keys/ann.pub", "--file", "machine/trust.toml"]).success();
}

#[test]
fn what_a_machine_trusts_is_asked_for_whatever_the_command_line_says() {
    let test = signed();
    test.write("unsigned.zip", forged().bytes());
    trusting_ann(&test);
    let run = |file: &str, args: &[&str]| {
        let output =
            command(&test.path(""), args).env("HOLDALL_TRUST_FILE", test.path(file)).output().unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        (output.status.code().unwrap(), said)
    };
    let machine = |args: &[&str]| run("machine/trust.toml", args);
    let (code, said) = machine(&["verify", "shop.zip"]);
    assert!(code == 0 && said.contains(&format!("signed by {ANN_ID}, which is trusted")), "{said}");
    for refused in [
        &["verify", "unsigned.zip"][..],
        &["verify", "unsigned.zip", "--trust", "keys/ann.pub"],
        &["preview", "unsigned.zip", "--host", "192.0.2.1", "--root", "server"],
        &["deploy", "unsigned.zip", "--server", "iis", "--root", "server"],
        &["site", "init", "unsigned.zip", "--root", "server"],
    ] {
        let (code, said) = machine(refused);
        assert!([1, 3].contains(&code) && said.contains("`unsigned.zip` is not signed"), "{code}: {said}");
        assert!(said.contains("trust.toml` of this machine asks for one"), "{said}");
    }
    // Both have to be right: the command line can but ask for more.
    test.holdall(["sign", "unsigned.zip", "--key", "keys/bob.key"]).success();
    let (code, said) = machine(&["verify", "unsigned.zip", "--trust", "keys/bob.pub"]);
    assert!(code == 1 && said.contains("it was made with the key") && said.contains("trust.toml`"), "{said}");
    let (code, said) = machine(&["verify", "shop.zip", "--trust", "keys/bob.pub"]);
    assert!(code == 1 && said.contains("by `--trust`"), "{said}");
    // A folder that somebody has copied is asked for the same.
    fs_err::create_dir_all(test.path("copied")).unwrap();
    fs_err::write(test.path("copied/holdall.json"), &forged().entries[0].data).unwrap();
    let (code, said) = machine(&["deploy", "copied", "--server", "iis", "--root", "server"]);
    assert!(code == 3 && said.contains("copied` is not signed"), "{code}: {said}");
    assert!(!test.path("server").exists(), "no byte was written");
    // What somebody meant to ask for is not forgotten because it is gone or cannot be read.
    let (code, said) = run("nowhere/trust.toml", &["verify", "shop.zip"]);
    assert!(code == 3 && said.contains("cannot read") && said.contains("whom this machine trusts"), "{said}");
    test.write("wrong.toml", format!("[[key]]\nname = 'ann'\npublick = '{ANN}'\n"));
    let (code, said) = run("wrong.toml", &["deploy", "shop.zip", "--server", "iis", "--root", "server"]);
    assert!(code == 3 && said.contains("wrong.toml`, line 3: unknown field `publick`"), "{said}");
}

#[test]
fn the_keys_that_a_machine_trusts_are_listed_added_and_removed() {
    let test = shop();
    trusting_ann(&test);
    let file = ["--file", "machine/trust.toml"];
    let listed = json(&test, &[&["trust", "list"], &file[..]].concat());
    let key = serde_json::json!({"name": "ann", "key": ANN_ID, "public": ANN});
    assert_eq!(listed["files"][0]["keys"], serde_json::json!([key]));
    let last = test.refused(3, &[&["trust", "remove", "ann"], &file[..]].concat());
    assert!(last.contains("`ann` is the last key"), "{last}");
    let known = test.refused(3, &[&["trust", "add", "other", ANN], &file[..]].concat());
    assert!(known.contains("is trusted already, as `ann`"), "{known}");
    let secret = test.refused(3, &[&["trust", "add", "other", "keys/bob.key"], &file[..]].concat());
    assert!(secret.contains("is a secret key"), "{secret}");
    test.holdall([&["trust", "add", "bob", "keys/bob.pub"], &file[..]].concat()).success();
    let gone = said(&test, &[&["trust", "remove", "ann"], &file[..]].concat());
    assert_eq!(gone, "ann is not trusted any more\n");
    let listed = said(&test, &[&["trust", "list"], &file[..]].concat());
    assert!(listed.contains("  bob  ") && !listed.contains(ANN), "{listed}");
}
