//! Why a signature does not count, and why a key cannot be used.

use std::io;
use std::path::{Path, PathBuf};

use super::KeyId;
use crate::error::differing;

/// Why a bundle, or the folder it was expanded into, is not trusted.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum SignatureError {
    #[error("`{}` is not signed", path.display())]
    #[diagnostic(help(
        "ask whoever made it for a signed one (`holdall bundle --sign KEY`, or `holdall sign` for a bundle that is \
         there already); {}",
        asked(by.as_deref())
    ))]
    Unsigned { path: PathBuf, by: Option<PathBuf> },
    #[error("the signature of `{}` is not accepted", path.display())]
    Refused {
        path: PathBuf,
        #[source]
        #[diagnostic_source]
        source: SignatureFlaw,
    },
    #[error("`{}` is signed already, {by}", path.display())]
    #[diagnostic(help("`--replace` puts the new signature in the place of that one"))]
    SignedAlready { path: PathBuf, by: String },
    #[error("`{}` is not what was bundled: {}", path.display(), differing(*count))]
    #[diagnostic(help(
        "`holdall verify` names each; a damaged bundle is not signed: make or fetch it again"
    ))]
    Damaged { path: PathBuf, count: usize },
}

/// What is wrong with a signature.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
pub enum SignatureFlaw {
    #[error("it cannot be read as a signature: {0}")]
    #[diagnostic(help(
        "the bundle is damaged or was tampered with: fetch it again, or have it signed again"
    ))]
    Malformed(&'static str),
    #[error("it is of a kind that holdall does not take: only minisign's prehashed Ed25519 (`ED`) counts")]
    #[diagnostic(help("have the bundle signed by `holdall sign`, or by minisign 0.11 or newer"))]
    Algorithm,
    #[error("it was made with the key {found}, and trusted is {}{}", list(trusted), within(by.as_deref()))]
    #[diagnostic(help(
        "if the bundle is to be trusted, {}; get it from the maker, not from where the bundle came from",
        remedy(by.as_deref())
    ))]
    OtherKey { found: KeyId, trusted: Vec<KeyId>, by: Option<PathBuf> },
    #[error("it was not made with the key {key} over this manifest, or was changed since")]
    #[diagnostic(help(
        "the bundle was tampered with, or somebody made a key of the same id: do not use it, and get it again from \
         its maker"
    ))]
    Forged { key: KeyId },
    #[error("it is for `{}`, and this is `{expected}`", found.escape_debug())]
    #[diagnostic(help(
        "the signature belongs to another bundle: do not use this one, and get it again from its maker"
    ))]
    OtherBundle { found: String, expected: String },
}

fn asked(by: Option<&Path>) -> String {
    match by {
        Some(file) => {
            format!(
                "`{}` of this machine asks for one, and nothing but an edit of it changes that",
                file.display()
            )
        }
        None => "without `--trust` and HOLDALL_TRUST no signature is asked for".to_owned(),
    }
}

fn within(by: Option<&Path>) -> String {
    by.map_or_else(String::new, |file| format!(" in `{}`", file.display()))
}

fn remedy(by: Option<&Path>) -> String {
    match by {
        Some(file) => format!(
            "have an administrator add its maker's public key to `{}` (`holdall trust add NAME KEY`)",
            file.display()
        ),
        None => "name its maker's public key by `--trust`".to_owned(),
    }
}

fn list(keys: &[KeyId]) -> String {
    let keys: Vec<String> = keys.iter().map(KeyId::to_string).collect();
    match &keys[..] {
        [] => "none".to_owned(),
        [one] => one.clone(),
        many => format!("one of {}", many.join(", ")),
    }
}

/// Why a key cannot be made, read or used.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum KeyError {
    #[error("cannot read the key `{}`", path.display())]
    #[diagnostic(help("check the name and that you may read it"))]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("`{}` is not a secret key: {what}", path.display())]
    #[diagnostic(help("name a file that `holdall key new` or minisign made, such as `NAME.key`"))]
    NotASecretKey { path: PathBuf, what: &'static str },
    #[error("`{}` is a public key, and only a secret one can sign", path.display())]
    #[diagnostic(help("name the secret key that was made together with it, such as `NAME.key`"))]
    PublicForSecret { path: PathBuf },
    #[error("the secret key `{}` is damaged", path.display())]
    #[diagnostic(help(
        "take it from a backup; without one, make a new key and tell its public part to whoever verifies"
    ))]
    DamagedSecretKey { path: PathBuf },
    #[error("the password does not open the key `{}`", path.display())]
    #[diagnostic(help(
        "type it again, or put the right one where it is taken from (`--password-file`, HOLDALL_KEY_PASSWORD)"
    ))]
    WrongPassword { path: PathBuf },
    #[error("`{given}` is neither a public key nor a file that can be read")]
    #[diagnostic(help(
        "name the file that `holdall key new` wrote (`NAME.pub`), or give the line of 56 characters in it"
    ))]
    NoSuchPublicKey { given: String, source: io::Error },
    #[error("`{}` is not a public key: {what}", path.display())]
    #[diagnostic(help(
        "name the file that `holdall key new` wrote (`NAME.pub`), or give the line of 56 characters in it"
    ))]
    NotAPublicKey { path: PathBuf, what: &'static str },
    #[error("{given} is a secret key, and trust is given to public ones")]
    #[diagnostic(help(
        "name the public key that was made together with it, such as `NAME.pub`; a secret key has no business on a \
         machine that only verifies"
    ))]
    SecretForPublic { given: String },
    #[error("HOLDALL_TRUST is set, and empty")]
    #[diagnostic(help(
        "give it a public key or the name of its file, or unset it if no signature is to be asked for"
    ))]
    EmptyTrust,
    #[error("the key `{}` is there already", path.display())]
    #[diagnostic(help(
        "what was signed with it can be verified with no other: name another with NAME or `--output`, or move it away"
    ))]
    Exists { path: PathBuf },
    #[error(
        "`{0}` cannot be the name of a key: letters, digits, `.`, `_` and `-`, 32 at most, a letter or digit first"
    )]
    #[diagnostic(help(
        "name it after who signs, such as `shop` or `ann`; the folder is named by `--output`"
    ))]
    Name(String),
    #[error("cannot write the key `{}`", path.display())]
    #[diagnostic(help("check that the disk has room and that you may write there; nothing was left behind"))]
    Unwritable { path: PathBuf, source: io::Error },
    #[error("no random bytes can be had for a key")]
    #[diagnostic(help("the system is starting up or restricted: try again later"))]
    Random,
    #[error("there is no terminal to ask for the password of `{}`", path.display())]
    #[diagnostic(help("give it by `--password-file FILE`, or by HOLDALL_KEY_PASSWORD in the environment"))]
    NoTerminal { path: PathBuf },
    #[error("the password cannot be asked for")]
    #[diagnostic(help("give it by `--password-file FILE`, or by HOLDALL_KEY_PASSWORD in the environment"))]
    Terminal(#[source] io::Error),
    #[error("cannot read the password file `{}`", path.display())]
    #[diagnostic(help("check the name and that you may read it"))]
    PasswordFile { path: PathBuf, source: io::Error },
    #[error("the password in {from} is not text in UTF-8")]
    #[diagnostic(help("write it in UTF-8 (older PowerShells write UTF-16 by `>`)"))]
    PasswordText { from: String },
    #[error("the password in {from} is empty")]
    #[diagnostic(help("give one; a key without a password is made by `--no-password`"))]
    EmptyPassword { from: String },
    #[error("the password is longer than 1024 bytes")]
    #[diagnostic(help("minisign could not use it: take a shorter one"))]
    LongPassword,
    #[error("the two passwords differ")]
    #[diagnostic(help("type the same one twice; no key was made"))]
    PasswordsDiffer,
}

impl KeyError {
    /// Whether nothing was done yet.
    pub fn is_precondition(&self) -> bool {
        !matches!(self, KeyError::Unwritable { .. })
    }
}
