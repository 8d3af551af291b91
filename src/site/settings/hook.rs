//! Commands that are run around a switch.

use std::fmt;
use std::time::Duration;

/// What is run around a switch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hooks {
    pub before: Vec<Hook>,
    pub after: Vec<Hook>,
    /// Saves the database before migrations; SQLite below `shared` is saved without.
    pub backup: Vec<Hook>,
    /// In seconds, for one command.
    pub timeout: u32,
}

/// One command: `manage.py …`, or a program of the machine with its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    pub words: Vec<String>,
}

impl Hooks {
    /// How long one command may run.
    pub fn limit(&self) -> Duration {
        Duration::from_secs(self.timeout.into())
    }
}

impl Hook {
    /// The program of the project itself.
    pub const MANAGE: &'static str = "manage.py";

    pub(super) fn migrate() -> Hook {
        Hook { words: ["manage.py", "migrate", "--noinput"].map(str::to_owned).into() }
    }

    /// Words with blanks between them; double quotes hold one together.
    pub fn parse(text: &str) -> Result<Hook, &'static str> {
        let mut words = Vec::new();
        let mut word: Option<String> = None;
        let mut quoted = false;
        for c in text.chars() {
            match c {
                '"' => {
                    quoted = !quoted;
                    word.get_or_insert_default();
                }
                c if c.is_control() => return Err("a command is one line of text"),
                ' ' if !quoted => words.extend(word.take()),
                c => word.get_or_insert_default().push(c),
            }
        }
        if quoted {
            return Err("its last `\"` has no second one");
        }
        words.extend(word);
        match words.first() {
            Some(first) if !first.is_empty() => Ok(Hook { words }),
            _ => Err("a command is wanted, such as `manage.py migrate --noinput`"),
        }
    }

    /// The arguments for the project's own `manage.py`, if that is what is run.
    pub fn manage(&self) -> Option<&[String]> {
        let (first, rest) = self.words.split_first()?;
        (first == Hook::MANAGE).then_some(rest)
    }
}

impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = self.words.iter().map(|word| match word.is_empty() || word.contains(' ') {
            true => format!("\"{word}\""),
            false => word.clone(),
        });
        f.write_str(&words.collect::<Vec<_>>().join(" "))
    }
}
