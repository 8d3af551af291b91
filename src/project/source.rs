//! A reader of Python source that sees statements, names and string literals, and runs nothing.
//!
//! It knows just enough of the grammar not to be fooled by comments, strings, brackets and continued lines.
//! What it cannot read it passes over: nobody is refused because of a line this file does not understand.

use std::io;
use std::path::Path;

/// One logical line: a simple statement, or the head of a compound one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    pub tokens: Vec<Token>,
    /// Line of the first token, counted from 1.
    pub line: usize,
    pub reach: Reach,
}

/// Whether importing the file executes a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// At top level, or in the body of a `try` or `with` there.
    Always,
    /// Under an `if`, a loop or an exception handler.
    Perhaps,
    /// Inside a function or class.
    Later,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    pub kind: Kind,
    pub line: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A name or keyword.
    Name(String),
    /// A string literal whose value stands in the source.
    Text(String),
    /// A string with replacement fields: its value is known at run time only.
    Formatted,
    Number,
    /// One character of an operator or bracket.
    Mark(char),
}

impl Token {
    pub fn is_name(&self, name: &str) -> bool {
        matches!(&self.kind, Kind::Name(found) if found == name)
    }

    pub fn is_mark(&self, mark: char) -> bool {
        self.kind == Kind::Mark(mark)
    }

    pub fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// Reads a file's statements. Bytes that are not UTF-8 are replaced: what is looked for is ASCII.
pub fn read(path: &Path) -> io::Result<Vec<Statement>> {
    Ok(statements(&String::from_utf8_lossy(&fs_err::read(path)?)))
}

/// Splits source text into statements.
pub fn statements(source: &str) -> Vec<Statement> {
    let source = source.strip_prefix('\u{feff}').unwrap_or(source).replace("\r\n", "\n").replace('\r', "\n");
    let mut scanner = Scanner { rest: &source, line: 1 };
    let mut statements = Vec::new();
    // The compound statements that the current line stands in, with the indentation of their heads.
    let mut blocks: Vec<(usize, Reach)> = Vec::new();
    while let Some(logical) = scanner.logical_line() {
        while blocks.last().is_some_and(|(indent, _)| *indent >= logical.indent) {
            blocks.pop();
        }
        let reach = blocks.last().map_or(Reach::Always, |(_, reach)| *reach);
        if logical.tokens.last().is_some_and(|token| token.is_mark(':')) {
            blocks.push((logical.indent, within(&logical.tokens, reach)));
        }
        for tokens in split_at_semicolons(&logical.tokens) {
            statements.push(Statement { line: tokens[0].line, tokens, reach });
        }
    }
    statements
}

/// How the body of a compound statement is reached, by its head.
fn within(head: &[Token], outer: Reach) -> Reach {
    let first = match head {
        [first, second, ..] if first.is_name("async") => second,
        [first, ..] => first,
        [] => return outer,
    };
    if first.is_name("def") || first.is_name("class") {
        Reach::Later
    } else if first.is_name("try") || first.is_name("with") || first.is_name("finally") {
        outer
    } else {
        outer.max_doubt(Reach::Perhaps)
    }
}

impl Reach {
    fn max_doubt(self, other: Reach) -> Reach {
        if self == Reach::Always { other } else { self }
    }
}

fn split_at_semicolons(tokens: &[Token]) -> Vec<Vec<Token>> {
    let parts = tokens.split(|token| token.is_mark(';'));
    parts.filter(|part| !part.is_empty()).map(<[Token]>::to_vec).collect()
}

struct Logical {
    indent: usize,
    tokens: Vec<Token>,
}

struct Scanner<'a> {
    rest: &'a str,
    line: usize,
}

impl Scanner<'_> {
    /// The next line that has tokens, with the lines that its brackets and backslashes join to it.
    fn logical_line(&mut self) -> Option<Logical> {
        let mut indent = 0;
        let mut depth = 0_usize;
        let mut tokens = Vec::new();
        while let Some(c) = self.rest.chars().next() {
            match c {
                '\n' => {
                    self.bump(1);
                    if depth == 0 && !tokens.is_empty() {
                        return Some(Logical { indent, tokens });
                    }
                    if depth == 0 {
                        indent = 0;
                    }
                }
                ' ' | '\t' | '\x0c' => {
                    if tokens.is_empty() {
                        // Only the order of depths matters, so a tab may count as to the next multiple of eight.
                        indent = if c == '\t' { indent / 8 * 8 + 8 } else { indent + 1 };
                    }
                    self.bump(1);
                }
                '#' => self.bump(self.rest.find('\n').unwrap_or(self.rest.len())),
                '\\' if self.rest[1..].starts_with('\n') => self.bump(2),
                _ => {
                    let line = self.line;
                    let kind = self.token(c);
                    match kind {
                        Kind::Mark('(' | '[' | '{') => depth += 1,
                        Kind::Mark(')' | ']' | '}') => depth = depth.saturating_sub(1),
                        _ => {}
                    }
                    tokens.push(Token { kind, line });
                }
            }
        }
        (!tokens.is_empty()).then_some(Logical { indent, tokens })
    }

    fn token(&mut self, first: char) -> Kind {
        if let Some(prefix) = string_prefix(self.rest) {
            return self.string(prefix);
        }
        if first.is_alphabetic() || first == '_' {
            return Kind::Name(self.take_while(|c| c.is_alphanumeric() || c == '_'));
        }
        if first.is_ascii_digit() {
            self.take_while(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.');
            return Kind::Number;
        }
        self.bump(first.len_utf8());
        Kind::Mark(first)
    }

    /// A string literal whose prefix is `prefix` bytes long.
    fn string(&mut self, prefix: usize) -> Kind {
        let letters = self.rest[..prefix].to_ascii_lowercase();
        self.bump(prefix);
        let quote = &self.rest[..1];
        let triple = quote.repeat(3);
        let (delimiter, long) =
            if self.rest.starts_with(&triple) { (triple, true) } else { (quote.to_owned(), false) };
        self.bump(delimiter.len());
        let mut value = String::new();
        while let Some(c) = self.rest.chars().next() {
            if self.rest.starts_with(&delimiter) {
                self.bump(delimiter.len());
                break;
            }
            // An unfinished string ends with its line, so that one bad line does not swallow the file.
            if c == '\n' && !long {
                break;
            }
            self.bump(c.len_utf8());
            match self.rest.chars().next() {
                Some(next) if c == '\\' => {
                    self.bump(next.len_utf8());
                    if letters.contains('r') {
                        value.extend(['\\', next]);
                    } else if next != '\n' {
                        value.push_str(&unescaped(next));
                    }
                }
                _ => value.push(c),
            }
        }
        // `t` is the template string of Python 3.14.
        let fields = letters.contains(['f', 't']) && value.contains('{');
        if fields { Kind::Formatted } else { Kind::Text(value) }
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> String {
        let end = self.rest.find(|c| !wanted(c)).unwrap_or(self.rest.len());
        let taken = self.rest[..end].to_owned();
        self.bump(end);
        taken
    }

    fn bump(&mut self, bytes: usize) {
        self.line += self.rest[..bytes].matches('\n').count();
        self.rest = &self.rest[bytes..];
    }
}

/// The escapes that occur in names and keys; of others the letter stays, which is no value we look for.
fn unescaped(letter: char) -> String {
    match letter {
        'n' => "\n".to_owned(),
        't' => "\t".to_owned(),
        '\\' | '\'' | '"' => letter.to_string(),
        _ => format!("\\{letter}"),
    }
}

/// The length of a string's prefix (`rb`, `f`, none), if a string begins here.
fn string_prefix(rest: &str) -> Option<usize> {
    let quote = rest.bytes().take(3).position(|b| b == b'"' || b == b'\'')?;
    rest[..quote].chars().all(|c| "rbuftRBUFT".contains(c)).then_some(quote)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Writes statements in a short form: names, 'strings', f for formatted, 0 for numbers; `?` and `-` mark
    /// what is reached perhaps or later.
    fn shown(source: &str) -> Vec<String> {
        let show = |token: &Token| match &token.kind {
            Kind::Name(name) => name.clone(),
            Kind::Text(text) => format!("'{text}'"),
            Kind::Formatted => "f".to_owned(),
            Kind::Number => "0".to_owned(),
            Kind::Mark(mark) => mark.to_string(),
        };
        let line = |statement: &Statement| {
            let mark = match statement.reach {
                Reach::Always => "",
                Reach::Perhaps => "?",
                Reach::Later => "-",
            };
            let tokens: Vec<String> = statement.tokens.iter().map(show).collect();
            format!("{}{mark} {}", statement.line, tokens.join(" "))
        };
        statements(source).iter().map(line).collect()
    }

    #[track_caller]
    fn check(source: &str, expected: &[&str]) {
        assert_eq!(shown(source), expected);
    }

    #[test]
    fn comments_and_strings_do_not_fool_the_reader() {
        check(
            "# DEBUG = True\n'''\nDEBUG = True\n'''\nDEBUG = False  # DEBUG = True\n",
            &["2 '\nDEBUG = True\n'", "5 DEBUG = False"],
        );
        check("A = '#'; B = \"it's\"\n", &["1 A = '#'", "1 B = 'it's'"]);
    }

    #[test]
    fn brackets_and_backslashes_join_lines() {
        check(
            "A = [\n  'x',  # one\n\n  'y',\n]\nB = 1 + \\\n  2\n",
            &["1 A = [ 'x' , 'y' , ]", "6 B = 0 + 0"],
        );
        check("A = ('a'\n  'b')", &["1 A = ( 'a' 'b' )"]);
    }

    #[test]
    fn byte_order_marks_and_windows_line_ends_change_nothing() {
        check("\u{feff}A = 'x'\r\nif A:\r\n    B = 'y'\r\n", &["1 A = 'x'", "2 if A :", "3? B = 'y'"]);
    }

    #[test]
    fn prefixes_and_escapes_of_strings_are_known() {
        check(
            r#"A = r"a\b", u'c', b"d", 'e\'f', f"{x}", f"plain""#,
            &[r"1 A = 'a\b' , 'c' , 'd' , 'e'f' , f , 'plain'"],
        );
        check("bar = 'unfinished\nB = 1", &["1 bar = 'unfinished'", "2 B = 0"]);
    }

    #[test]
    fn the_reach_of_a_statement_follows_its_blocks() {
        let source = "\
try:
    from .local import *
except ImportError:
    A = 1
if X:
    try:
        B = 1
    finally:
        pass
def f():
    if X:
        C = 1
D = 1
";
        check(
            source,
            &[
                "1 try :",
                "2 from . local import *",
                "3 except ImportError :",
                "4? A = 0",
                "5 if X :",
                "6? try :",
                "7? B = 0",
                "8? finally :",
                "9? pass",
                "10 def f ( ) :",
                "11- if X :",
                "12- C = 0",
                "13 D = 0",
            ],
        );
    }

    #[test]
    fn hopeless_source_is_read_to_its_end() {
        check(")]}\n\\x\n\"\"\"never closed", &["1 ) ] }", "2 \\ x", "3 'never closed'"]);
        assert!(statements("").is_empty());
        assert!(statements("\u{1F600} = 'ü'").len() == 1);
    }
}
