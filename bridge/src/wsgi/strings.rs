//! Native strings that come again with every request: names of parameters, and values that are as they were the last time.

use std::sync::Mutex;

use pyo3::prelude::*;
use pyo3::types::PyString;

/// Names remembered at most. Web servers send some 30, and what a visitor adds is not to push them out.
const NAMES: usize = 64;

/// Longer values are made anew: those that come again are short.
const VALUE: usize = 128;

/// What was sent the last time, in its order: web servers keep to one, so that most names are found where they are looked
/// for first.
#[derive(Default)]
pub struct Strings(Mutex<Vec<Known>>);

struct Known {
    name: Box<[u8]>,
    /// Interned, so that its hash is known already, and the application's own strings are found by identity.
    key: Py<PyString>,
    value: Vec<u8>,
    string: Option<Py<PyString>>,
}

impl Strings {
    /// Gives names and values, as native strings, to `put`.
    pub fn each<'py, 'a>(
        &self,
        py: Python<'py>,
        pairs: impl Iterator<Item = (&'a [u8], &'a [u8])>,
        mut put: impl FnMut(Bound<'py, PyString>, Bound<'py, PyString>) -> PyResult<()>,
    ) -> PyResult<()> {
        // Another thread that is here was interrupted by Python, and is not waited for.
        let mut known = self.0.try_lock().ok();
        let mut expected = 0;
        for (name, value) in pairs {
            let Some(known) = known.as_deref_mut() else {
                put(native(py, name), native(py, value))?;
                continue;
            };
            let at = match known.get(expected) {
                Some(next) if *next.name == *name => Some(expected),
                _ => known.iter().position(|known| *known.name == *name),
            };
            let at = match at {
                Some(at) => at,
                None if known.len() < NAMES => {
                    known.push(Known::new(py, name));
                    known.len() - 1
                }
                None => {
                    put(native(py, name), native(py, value))?;
                    continue;
                }
            };
            expected = at + 1;
            let (key, value) = known[at].pair(py, value);
            put(key, value)?;
        }
        Ok(())
    }
}

impl Known {
    fn new(py: Python<'_>, name: &[u8]) -> Known {
        let key = match std::str::from_utf8(name) {
            Ok(ascii) if ascii.is_ascii() => PyString::intern(py, ascii),
            _ => native(py, name),
        };
        Known { name: name.into(), key: key.unbind(), value: Vec::new(), string: None }
    }

    fn pair<'py>(&mut self, py: Python<'py>, value: &[u8]) -> (Bound<'py, PyString>, Bound<'py, PyString>) {
        let key = self.key.bind(py).clone();
        if let Some(string) = self.string.as_ref().filter(|_| self.value == value) {
            return (key, string.bind(py).clone());
        }
        let string = native(py, value);
        if value.len() <= VALUE {
            self.value.clear();
            self.value.extend_from_slice(value);
            self.string = Some(string.clone().unbind());
        }
        (key, string)
    }
}

/// PEP 3333's native string: one character for each byte, whatever the bytes mean.
pub fn native<'py>(py: Python<'py>, bytes: &[u8]) -> Bound<'py, PyString> {
    match std::str::from_utf8(bytes) {
        Ok(ascii) if ascii.is_ascii() => PyString::new(py, ascii),
        _ => PyString::new(py, &bytes.iter().map(|byte| char::from(*byte)).collect::<String>()),
    }
}
