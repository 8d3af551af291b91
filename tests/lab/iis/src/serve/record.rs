//! FastCGI as a web server speaks it, by the text of FastCGI 1.0: bytes in, records out. Written apart from the
//! product's own, so that a mistake there does not cancel out.

use std::io;

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// A process has one request at a time, so one number does for all.
const REQUEST: u16 = 1;

const HEADER: usize = 8;

/// Bytes of a request's body in one record: IIS sends about so many.
pub const PIECE: usize = 8192;

/// Names and values, in the order in which they are sent.
pub type Params = Vec<(String, Vec<u8>)>;

/// What a process says.
#[derive(Debug, PartialEq, Eq)]
pub enum Record {
    Output(Bytes),
    Errors(Bytes),
    End { app_status: u32, protocol_status: u8 },
}

/// BEGIN_REQUEST for a responder on a kept connection, which is what IIS asks for, and the parameters.
pub fn begin(params: &Params) -> Vec<u8> {
    let mut pairs = Vec::with_capacity(4096);
    for (name, value) in params {
        put_length(&mut pairs, name.len());
        put_length(&mut pairs, value.len());
        pairs.extend_from_slice(name.as_bytes());
        pairs.extend_from_slice(value);
    }
    let mut bytes = record(1, &[0, 1, 1, 0, 0, 0, 0, 0]);
    pairs.chunks(PIECE).for_each(|piece| bytes.extend(record(4, piece)));
    bytes.extend(record(4, b""));
    bytes
}

/// A piece of the body, at most [`PIECE`] bytes; an empty one ends it.
pub fn input(piece: &[u8]) -> Vec<u8> {
    record(5, piece)
}

pub fn abort() -> Vec<u8> {
    record(2, b"")
}

fn put_length(bytes: &mut Vec<u8>, length: usize) {
    match u8::try_from(length) {
        Ok(short @ ..0x80) => bytes.push(short),
        // What HTTP allows for a head is far below 2 GiB.
        _ => bytes.extend((length as u32 | 0x8000_0000).to_be_bytes()),
    }
}

/// Padded to eight bytes, as the text advises: a process has to look at the padding.
fn record(kind: u8, content: &[u8]) -> Vec<u8> {
    let padding = content.len().wrapping_neg() % 8;
    let ([id_high, id_low], [high, low]) = (REQUEST.to_be_bytes(), (content.len() as u16).to_be_bytes());
    let mut bytes = vec![1, kind, id_high, id_low, high, low, padding as u8, 0];
    bytes.extend_from_slice(content);
    bytes.resize(bytes.len() + padding, 0);
    bytes
}

/// Reads records. What has been read stays when a read is called off.
pub struct Records<R> {
    reader: R,
    read: BytesMut,
}

impl<R: AsyncRead + Unpin> Records<R> {
    pub fn new(reader: R) -> Records<R> {
        Records { reader, read: BytesMut::new() }
    }

    /// The next record of the request; `None` at the end of the connection between two records.
    pub async fn next(&mut self) -> io::Result<Option<Record>> {
        loop {
            while let Some((kind, id, content)) = self.take()? {
                match (kind, &content[..]) {
                    _ if id != REQUEST => {}
                    (6, _) => return Ok(Some(Record::Output(content))),
                    (7, _) => return Ok(Some(Record::Errors(content))),
                    (3, &[a, b, c, d, protocol_status, ..]) => {
                        let app_status = u32::from_be_bytes([a, b, c, d]);
                        return Ok(Some(Record::End { app_status, protocol_status }));
                    }
                    _ => {}
                }
            }
            self.read.reserve(64 * 1024);
            if self.reader.read_buf(&mut self.read).await? == 0 {
                let is_between = self.read.is_empty();
                return if is_between { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
            }
        }
    }

    fn take(&mut self) -> io::Result<Option<(u8, u16, Bytes)>> {
        let Some(&[version, kind, id_high, id_low, high, low, padding, _]) =
            self.read.first_chunk::<HEADER>()
        else {
            return Ok(None);
        };
        if version != 1 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "what the process says is not FastCGI"));
        }
        let length = usize::from(u16::from_be_bytes([high, low]));
        if self.read.len() < HEADER + length + usize::from(padding) {
            return Ok(None);
        }
        self.read.advance(HEADER);
        let content = self.read.split_to(length).freeze();
        self.read.advance(usize::from(padding));
        Ok(Some((kind, u16::from_be_bytes([id_high, id_low]), content)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn records_are_read_however_they_are_cut() {
        let mut others = record(6, b"not ours");
        others[3] = 9;
        let end = record(3, &[0, 0, 1, 2, 3, 0, 0, 0]);
        let wire = [record(6, b"one"), others, record(7, b"two"), end].concat();
        for cut in 0..=wire.len() {
            let (first, second) = wire.split_at(cut);
            let mut records = Records::new(tokio::io::AsyncReadExt::chain(first, second));
            let mut found = Vec::new();
            while let Some(record) = records.next().await.unwrap() {
                found.push(record);
            }
            let end = Record::End { app_status: 0x102, protocol_status: 3 };
            assert_eq!(found, [Record::Output("one".into()), Record::Errors("two".into()), end]);
        }
    }

    #[tokio::test]
    async fn what_is_cut_or_something_else_is_an_error() {
        for wrong in [&b"HTTP/1.1 200 OK"[..], &record(6, b"cut")[..9], &[0; 8]] {
            assert!(Records::new(wrong).next().await.is_err());
        }
    }

    #[test]
    fn parameters_of_any_length_are_sent() {
        let bytes = begin(&vec![("NAME".to_owned(), vec![b'v'; 200])]);
        assert_eq!(bytes[..16], [1, 1, 0, 1, 0, 8, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0]);
        assert_eq!(bytes[16..32], [1, 4, 0, 1, 0, 209, 7, 0, 4, 0x80, 0, 0, 200, b'N', b'A', b'M']);
        assert!(bytes.ends_with(&[0, 0, 0, 0, 0, 0, 0, 1, 4, 0, 1, 0, 0, 0, 0]));
    }
}
