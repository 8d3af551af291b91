//! Name-value pairs, as PARAMS and GET_VALUES carry them.
//!
//! Every length is checked against the bytes that are there: a pair is never longer than what was received.

/// The pairs of one request, checked once when they were complete.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Params {
    bytes: Vec<u8>,
}

/// Why bytes are no list of pairs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParamsError {
    #[error("a length of the parameters ends in the middle")]
    CutLength,
    #[error("a parameter claims {claimed} bytes where {left} are left")]
    BeyondData { claimed: u64, left: usize },
}

impl Params {
    /// Takes the whole stream of parameters, if it is one.
    pub fn parse(bytes: Vec<u8>) -> Result<Params, ParamsError> {
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            rest = split_pair(rest)?.2;
        }
        Ok(Params { bytes })
    }

    /// The pairs in the order they were sent, duplicates included.
    pub fn pairs(&self) -> Pairs<'_> {
        Pairs { rest: &self.bytes }
    }

    /// The value that counts for `name`: the last one, as web servers and other responders read it.
    pub fn value(&self, name: &[u8]) -> Option<&[u8]> {
        self.pairs().filter(|(found, _)| *found == name).last().map(|(_, value)| value)
    }

    /// The pairs as they were sent.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Gives the memory back for the next request.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

/// Walks over pairs that were checked before.
#[derive(Debug, Clone)]
pub struct Pairs<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let (name, value, rest) = split_pair(self.rest).ok()?;
        self.rest = rest;
        Some((name, value))
    }
}

type Split<'a> = (&'a [u8], &'a [u8], &'a [u8]);

fn split_pair(bytes: &[u8]) -> Result<Split<'_>, ParamsError> {
    let (name_len, rest) = split_length(bytes)?;
    let (value_len, rest) = split_length(rest)?;
    // Two lengths of 31 bits cannot overflow 64.
    let claimed = u64::from(name_len) + u64::from(value_len);
    if claimed > rest.len() as u64 {
        return Err(ParamsError::BeyondData { claimed, left: rest.len() });
    }
    let (name, rest) = rest.split_at(name_len as usize);
    let (value, rest) = rest.split_at(value_len as usize);
    Ok((name, value, rest))
}

/// One byte, or four with the top bit set; the long form is legal for short lengths too.
fn split_length(bytes: &[u8]) -> Result<(u32, &[u8]), ParamsError> {
    match bytes {
        [short, rest @ ..] if *short < 0x80 => Ok((u32::from(*short), rest)),
        [a, b, c, d, rest @ ..] => Ok((u32::from_be_bytes([a & 0x7f, *b, *c, *d]), rest)),
        _ => Err(ParamsError::CutLength),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::protocol::encode;

    type Pair<'a> = (&'a [u8], &'a [u8]);

    #[track_caller]
    fn check(bytes: &[u8], expected: Result<&[Pair<'_>], ParamsError>) {
        let found = Params::parse(bytes.to_vec());
        let pairs = found.as_ref().map(|params| params.pairs().collect::<Vec<_>>());
        assert_eq!(pairs.map_err(|error| *error), expected.map(<[_]>::to_vec));
    }

    #[test]
    fn pairs_are_read_with_short_and_long_lengths() {
        check(b"", Ok(&[]));
        check(b"\x01\x02abc", Ok(&[(b"a", b"bc")]));
        check(b"\x80\x00\x00\x01\x80\x00\x00\x02abc", Ok(&[(b"a", b"bc")]));
        check(b"\x00\x00\x01\x00a", Ok(&[(b"", b""), (b"a", b"")]));
    }

    #[test]
    fn a_length_beyond_the_data_is_refused() {
        check(b"\x01", Err(ParamsError::CutLength));
        check(b"\x01\x80\x00\x00", Err(ParamsError::CutLength));
        check(b"\x01\x02ab", Err(ParamsError::BeyondData { claimed: 3, left: 2 }));
        check(
            b"\xff\xff\xff\xff\xff\xff\xff\xffa",
            Err(ParamsError::BeyondData { claimed: 0xffff_fffe, left: 1 }),
        );
    }

    #[test]
    fn what_is_encoded_comes_back() {
        let long = vec![b'v'; 70_000];
        let mut bytes = Vec::new();
        encode::pair(&mut bytes, b"SHORT", b"x");
        encode::pair(&mut bytes, b"LONG", &long);
        encode::pair(&mut bytes, b"SHORT", b"y");
        let params = Params::parse(bytes).unwrap();
        assert_eq!(params.value(b"LONG"), Some(&long[..]));
        assert_eq!(params.value(b"SHORT"), Some(&b"y"[..]), "the last one counts");
        assert_eq!(params.value(b"ABSENT"), None);
    }
}
