//! Passwords. Those of keys come from a file or the environment, else from the terminal; that of a pool's account from the
//! terminal or standard input. Never from the command line, which other people on the machine can see.

use std::fs;
use std::io::{self, IsTerminal as _, Read as _};
use std::path::Path;

use crate::interrupt;
use crate::signature::{KeyError, Signer};
use crate::site::iis::wanted::Password;

const VARIABLE: &str = "HOLDALL_KEY_PASSWORD";

/// As minisign has it, in bytes.
const LONGEST: usize = 1024;

/// Opens a secret key, with its password if it has one.
pub fn open(key: &Path, password_file: Option<&Path>) -> Result<Signer, KeyError> {
    Signer::open(key, || match given(password_file)? {
        Some(password) => Ok(password),
        None => ask(key, &format!("password of {}: ", key.display())),
    })
}

/// The same, and nobody is asked: `None` if the key has a password that is not given.
pub fn open_unasked(key: &Path, password_file: Option<&Path>) -> Result<Option<Signer>, KeyError> {
    let unknown = || KeyError::NoTerminal { path: key.to_owned() };
    match Signer::open(key, || given(password_file)?.ok_or_else(unknown)) {
        Err(KeyError::NoTerminal { .. }) => Ok(None),
        opened => opened.map(Some),
    }
}

/// The password for a new key; one that is typed is typed twice.
pub fn new(key: &Path, password_file: Option<&Path>) -> Result<String, KeyError> {
    let password = match given(password_file)? {
        Some(password) => password,
        None => {
            let password = ask(key, &format!("new password of {}: ", key.display()))?;
            if password.is_empty() {
                return Err(KeyError::EmptyPassword { from: "what was typed".to_owned() });
            }
            if ask(key, "the same once more: ")? != password {
                return Err(KeyError::PasswordsDiffer);
            }
            password
        }
    };
    if password.len() > LONGEST {
        return Err(KeyError::LongPassword);
    }
    Ok(password)
}

fn given(file: Option<&Path>) -> Result<Option<String>, KeyError> {
    let (text, from) = match (file, std::env::var_os(VARIABLE)) {
        (Some(file), _) => {
            let mut bytes = Vec::new();
            let read = fs::File::open(file).and_then(|file| file.take(64 << 10).read_to_end(&mut bytes));
            read.map_err(|source| KeyError::PasswordFile { path: file.to_owned(), source })?;
            (String::from_utf8(bytes).ok(), format!("`{}`", file.display()))
        }
        (None, Some(value)) => (value.into_string().ok(), VARIABLE.to_owned()),
        (None, None) => return Ok(None),
    };
    let text = text.ok_or_else(|| KeyError::PasswordText { from: from.clone() })?;
    let line = text.trim_start_matches('\u{feff}').lines().next().unwrap_or_default();
    match line {
        "" => Err(KeyError::EmptyPassword { from }),
        password => Ok(Some(password.to_owned())),
    }
}

fn ask(key: &Path, prompt: &str) -> Result<String, KeyError> {
    if !io::stdin().is_terminal() {
        return Err(KeyError::NoTerminal { path: key.to_owned() });
    }
    typed(prompt).map_err(KeyError::Terminal)
}

/// What somebody types without seeing it.
fn typed(prompt: &str) -> io::Result<String> {
    rpassword::prompt_password(prompt).inspect_err(|error| {
        // Ctrl-C: the terminal shows again what is typed, and that is all there was to put right.
        if error.kind() == io::ErrorKind::Interrupted {
            interrupt::end();
            std::process::exit(130);
        }
    })
}

/// The password of the account that a pool is to run under: the first line of standard input if it is to come from there,
/// else typed by whoever sits at the terminal. `None` where nobody gives any.
pub fn of_account(account: &str, from_input: bool) -> Option<Password> {
    let password = if from_input {
        let mut text = String::new();
        io::stdin().take(64 << 10).read_to_string(&mut text).ok()?;
        text.trim_start_matches('\u{feff}').lines().next().unwrap_or_default().to_owned()
    } else if io::stdin().is_terminal() {
        typed(&format!("password of {account}: ")).ok()?
    } else {
        return None;
    };
    (!password.is_empty()).then(|| Password::new(password))
}
