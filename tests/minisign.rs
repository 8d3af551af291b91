//! That keys and signatures are minisign's own. `tests/golden/minisign` holds what minisign 0.11 made: pairs of keys
//! and what they say of `message`. Where minisign is installed, it is asked, too.

use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use holdall::archive::Bundle;
use holdall::signature::{KeyError, PublicKey, Signature, SignatureFlaw, Signer, Trust};

use crate::harness::{Test, repository};

const COMMENT: &str = "holdall shop 1.0 windows-x86_64";

/// The password of `protected.key`.
const PASSWORD: &str = "correct horse";

fn golden(name: &str) -> PathBuf {
    repository().join("tests/golden/minisign").join(name)
}

fn read(name: &str) -> Vec<u8> {
    fs_err::read(golden(name)).unwrap()
}

fn trusting(public: &str) -> Trust {
    Trust::new(vec![PublicKey::find(golden(public).to_str().unwrap()).unwrap()])
}

fn never() -> Result<String, KeyError> {
    panic!("a password is asked for, and the key has none")
}

#[test]
fn what_minisign_signed_is_verified() {
    for name in ["ann", "protected"] {
        let (message, signature) = (read("message"), read(&format!("{name}.minisig")));
        let trust = trusting(&format!("{name}.pub"));
        assert!(trust.check(Path::new("message"), &message, Some(&signature)).unwrap().is_some());
        assert_eq!(Signature::parse(&signature).unwrap().comment(), COMMENT);
        let other = [&message[..], b"\n"].concat();
        let error = trust.check(Path::new("message"), &other, Some(&signature)).err().unwrap();
        assert_eq!(error.to_string(), "the signature of `message` is not accepted");
    }
    assert_eq!(Signature::parse(&read("legacy.minisig")).err(), Some(SignatureFlaw::Algorithm));
}

#[test]
fn keys_of_minisign_sign_to_the_same_byte_as_minisign_does() {
    let ann = Signer::open(&golden("ann.key"), never).unwrap();
    assert_eq!(ann.sign(&read("message"), COMMENT), read("ann.minisig"));
    assert_eq!(ann.public().id.to_string(), "DF950278D7C7C482");
    let protected = Signer::open(&golden("protected.key"), || Ok(PASSWORD.to_owned())).unwrap();
    assert_eq!(protected.sign(&read("message"), COMMENT), read("protected.minisig"));
}

#[test]
fn a_key_that_asks_for_more_memory_than_minisign_takes_is_refused() {
    let text = String::from_utf8(read("protected.key")).unwrap();
    let mut key = STANDARD.decode(text.lines().nth(1).unwrap()).unwrap();
    key[46..54].copy_from_slice(&u64::MAX.to_le_bytes());
    let test = Test::empty();
    test.write("greedy.key", format!("untrusted comment: a key\n{}\n", STANDARD.encode(key)));
    let error = Signer::open(&test.path("greedy.key"), || Ok(PASSWORD.to_owned())).unwrap_err();
    assert!(matches!(error, KeyError::DamagedSecretKey { .. }), "{error}");
}

/// Runs minisign in the story's folder, if it is installed; `false` if not.
fn minisign(test: &Test, args: &[&str]) -> bool {
    match Command::new("minisign").args(args).current_dir(test.path("")).output() {
        Ok(done) => {
            assert!(done.status.success(), "{args:?}: {}", String::from_utf8_lossy(&done.stderr));
            true
        }
        Err(_) => false,
    }
}

#[test]
fn minisign_takes_keys_and_signatures_of_holdall() {
    let test = Test::empty();
    test.holdall(["key", "new", "own", "--no-password"]).success();
    let signer = Signer::open(&test.path("own.key"), never).unwrap();
    test.write("message", "text\n").write("message.minisig", signer.sign(b"text\n", COMMENT));
    let asked = minisign(&test, &["-V", "-p", "own.pub", "-m", "message", "-H"])
        && minisign(&test, &["-S", "-W", "-s", "own.key", "-m", "message", "-x", "theirs", "-t", COMMENT]);
    if asked {
        let theirs = fs_err::read(test.path("theirs")).unwrap();
        let trust = Trust::new(vec![signer.public().clone()]);
        assert!(trust.check(Path::new("message"), b"text\n", Some(&theirs)).unwrap().is_some());
    }
}

#[test]
fn minisign_verifies_what_holdall_signed_in_a_bundle() {
    let test = Test::empty();
    fs_err::copy(crate::archive::GOLDEN, test.path("shop.zip")).unwrap();
    let key = golden("ann.key");
    test.holdall(["sign", "shop.zip", "--key", key.to_str().unwrap()]).success();
    let bundle = Bundle::open(&test.path("shop.zip")).unwrap();
    let signature = bundle.signature().unwrap();
    test.write("holdall.json", bundle.manifest_bytes()).write("holdall.json.minisig", signature);
    let comment = Signature::parse(signature).unwrap().comment().to_owned();
    assert_eq!(comment, COMMENT);
    minisign(&test, &["-V", "-H", "-p", golden("ann.pub").to_str().unwrap(), "-m", "holdall.json"]);
}
