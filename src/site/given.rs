//! The administrator's variables, as they are typed or stand in a file. Names and values only: what they
//! mean is the project's business, and no message ever shows a value.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Why a variable cannot be had.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum GivenError {
    #[error("`{}` cannot be the name of an environment variable", .0.escape_debug())]
    #[diagnostic(help("write `NAME=VALUE`, or `NAME` alone for a variable of this environment"))]
    Name(String),
    #[error("`{0}` is not set in this environment, so its value cannot be handed on")]
    #[diagnostic(help("write `{0}=VALUE`, or set it first"))]
    NotSet(String),
    #[error("cannot read `{}`", path.display())]
    #[diagnostic(help("name a text file in UTF-8, with `NAME=VALUE` on each line"))]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("line {line} of `{}` is not `NAME=VALUE`", path.display())]
    #[diagnostic(help("a line holds one variable; lines that are empty or begin with `#` are passed over"))]
    Line { path: PathBuf, line: usize },
}

/// Reads `NAME=VALUE`, or `NAME` for a value that `ours`, the environment of this program, has.
pub fn variable(text: &str, ours: impl Fn(&str) -> Option<String>) -> Result<(String, String), GivenError> {
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name, value.to_owned()),
        None => (text, ours(text).ok_or_else(|| GivenError::NotSet(text.to_owned()))?),
    };
    if !is_name(name) {
        return Err(GivenError::Name(name.to_owned()));
    }
    Ok((name.to_owned(), value))
}

/// Reads a file of variables.
pub fn file(path: &Path) -> Result<BTreeMap<String, String>, GivenError> {
    let text = fs_err::read_to_string(path)
        .map_err(|source| GivenError::Unreadable { path: path.to_owned(), source })?;
    lines(&text).map_err(|line| GivenError::Line { path: path.to_owned(), line })
}

/// One variable a line, as `.env` files have them: `export` before and quotes around are dropped, and nothing
/// is expanded. Fails with the number of the line that is none.
fn lines(text: &str) -> Result<BTreeMap<String, String>, usize> {
    let mut variables = BTreeMap::new();
    // Editors on Windows begin a file so.
    for (number, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, value) = line.split_once('=').ok_or(number + 1)?;
        let name = name.strip_prefix("export ").unwrap_or(name).trim();
        if !is_name(name) {
            return Err(number + 1);
        }
        let value = value.trim();
        let unquoted =
            ['"', '\''].into_iter().find_map(|quote| value.strip_prefix(quote)?.strip_suffix(quote));
        variables.insert(name.to_owned(), unquoted.unwrap_or(value).to_owned());
    }
    Ok(variables)
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(|c: char| c == '=' || c.is_whitespace() || c.is_control())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_is_typed_with_its_value_or_taken_from_here() {
        let ours = |name: &str| (name == "HERE").then(|| "value".to_owned());
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(variable("A=b=c", ours).unwrap(), pair("A", "b=c"));
        assert_eq!(variable("A=", ours).unwrap(), pair("A", ""));
        assert_eq!(variable("HERE", ours).unwrap(), pair("HERE", "value"));
        assert!(matches!(variable("AWAY", ours), Err(GivenError::NotSet(name)) if name == "AWAY"));
        assert!(matches!(variable("=x", ours), Err(GivenError::Name(_))));
    }

    #[test]
    fn a_file_holds_a_variable_a_line() {
        let text = "\u{feff}# comment\r\n\r\nA=1\r\n export B = 'two words' \nC=\"x=#y\"\nD=a'b\nE=\nF='\n";
        let read = lines(text).unwrap();
        let expected = [("A", "1"), ("B", "two words"), ("C", "x=#y"), ("D", "a'b"), ("E", ""), ("F", "'")];
        assert_eq!(read, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
        assert_eq!(lines("A=1\n\nno value\n"), Err(3));
        assert_eq!(lines("=1\n"), Err(1));
    }
}
