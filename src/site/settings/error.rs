//! Why `site.toml` cannot be used: each time the file, the key and what to do.

use std::io;
use std::path::PathBuf;

/// Why `site.toml` cannot be used.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum SettingsError {
    #[error("cannot read `{}`", path.display())]
    #[diagnostic(help("check that it is there and that you may read it; `holdall site init` makes one"))]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("`{}` is not TOML", path.display())]
    #[diagnostic(help("correct the line that is named"))]
    NotToml { path: PathBuf, source: toml::de::Error },
    #[error("`{}` is not in UTF-8: it seems to be in {seems}", path.display())]
    #[diagnostic(help("save it as UTF-8: Notepad asks for the encoding in `Save as`"))]
    Encoding { path: PathBuf, seems: String },
    #[error("unknown key: {}, key `{key}`", path.display())]
    #[diagnostic(help("{}", near.as_ref().map_or_else(
        || format!("known here: {}", known.join(", ")),
        |near| format!("did you mean `{near}`?"),
    )))]
    UnknownKey { path: PathBuf, key: String, near: Option<String>, known: Vec<String> },
    #[error("wrong value: {}, key `{key}` is {found}, and {wanted} is wanted", path.display())]
    #[diagnostic(help("correct the value, or remove the key"))]
    WrongType { path: PathBuf, key: String, found: &'static str, wanted: String },
    #[error("wrong value: {}, key `{key}` is `{value}`: {why}", path.display())]
    #[diagnostic(help("correct the value, or remove the key"))]
    WrongValue { path: PathBuf, key: String, value: String, why: String },
    #[error("{}, key `{key}` is missing", path.display())]
    #[diagnostic(help("add `{example}`"))]
    Missing { path: PathBuf, key: String, example: &'static str },
    #[error("{}: `{key}` contradicts `{other}`: {why}", path.display())]
    #[diagnostic(help("remove one of them, or change it"))]
    Contradiction { path: PathBuf, key: String, other: &'static str, why: &'static str },
    #[error("{}, keys `{first}` and `{second}` exclude each other", path.display())]
    #[diagnostic(help("remove one of them"))]
    Excluding { path: PathBuf, first: &'static str, second: &'static str },
}
