//! FastCGI records as a web server writes and reads them: bytes in, values out.
//!
//! One request at a time on a connection, so there is one request id.

use std::io;

use bytes::{BufMut as _, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// The id of every request. 0 is kept for management records.
const REQUEST: u16 = 1;

const HEADER: usize = 8;

/// The most that one record holds.
pub const LONGEST: usize = 0xffff;

/// What a FastCGI process sends, as far as a web server wants to know.
#[derive(Debug, PartialEq, Eq)]
pub enum Record {
    Output(Bytes),
    Error(Bytes),
    End {
        status: u32,
        protocol_status: u8,
    },
    /// The answer to [`ping`], or to a management record the process does not know.
    Pong,
}

/// The records that begin a request: its role, with the connection kept, and its parameters.
pub fn begin(params: &[(Vec<u8>, Vec<u8>)]) -> Bytes {
    let mut encoded = Vec::with_capacity(2048);
    for (name, value) in params {
        put_length(&mut encoded, name.len());
        put_length(&mut encoded, value.len());
        encoded.extend_from_slice(name);
        encoded.extend_from_slice(value);
    }
    let mut bytes = BytesMut::with_capacity(encoded.len() + 64);
    const RESPONDER: u8 = 1;
    const KEEP_CONNECTION: u8 = 1;
    put_record(&mut bytes, 1, REQUEST, &[0, RESPONDER, KEEP_CONNECTION, 0, 0, 0, 0, 0]);
    encoded.chunks(LONGEST).for_each(|chunk| put_record(&mut bytes, 4, REQUEST, chunk));
    put_record(&mut bytes, 4, REQUEST, &[]);
    bytes.freeze()
}

/// The header of a record with `length` bytes of the request's body; a length of 0 ends the body.
pub fn input(length: u16) -> [u8; HEADER] {
    header(5, REQUEST, length)
}

/// Asks the process to give up the request.
pub fn abort() -> [u8; HEADER] {
    header(2, REQUEST, 0)
}

/// Asks for nothing in particular, so that the answer says: this process is up, and free.
pub fn ping() -> Bytes {
    let mut bytes = BytesMut::new();
    put_record(&mut bytes, 9, 0, b"\x0f\0FCGI_MPXS_CONNS");
    bytes.freeze()
}

fn header(kind: u8, id: u16, length: u16) -> [u8; HEADER] {
    let ([id_high, id_low], [high, low]) = (id.to_be_bytes(), length.to_be_bytes());
    [1, kind, id_high, id_low, high, low, 0, 0]
}

fn put_record(bytes: &mut BytesMut, kind: u8, id: u16, content: &[u8]) {
    let length = u16::try_from(content.len()).expect("callers cut what is longer than a record holds");
    bytes.put_slice(&header(kind, id, length));
    bytes.put_slice(content);
}

fn put_length(bytes: &mut Vec<u8>, length: usize) {
    match u8::try_from(length) {
        Ok(short) if short < 0x80 => bytes.push(short),
        _ => {
            let long = u32::try_from(length).expect("heads of requests are limited far below 2 GiB");
            bytes.extend_from_slice(&(long | 0x8000_0000).to_be_bytes());
        }
    }
}

/// Reads records from a connection. Holds at most one record and what one read brought.
pub struct Records<R> {
    reader: R,
    buffer: BytesMut,
}

impl<R: AsyncRead + Unpin> Records<R> {
    pub fn new(reader: R) -> Records<R> {
        Records { reader, buffer: BytesMut::new() }
    }

    /// The connection itself, to ask whether it is still open.
    pub fn reader(&self) -> &R {
        &self.reader
    }

    /// Whether everything that arrived has been taken.
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// The next record that matters; `None` when the process closed the connection. May be cancelled: what
    /// has been read stays.
    pub async fn next(&mut self) -> io::Result<Option<Record>> {
        loop {
            if let Some(known) = self.take()? {
                match known {
                    Some(record) => return Ok(Some(record)),
                    None => continue,
                }
            }
            self.buffer.reserve(64 * 1024);
            if self.reader.read_buf(&mut self.buffer).await? == 0 {
                return Ok(None);
            }
        }
    }

    /// Takes a whole record out of the buffer. `Some(None)` is one to pass over.
    fn take(&mut self) -> io::Result<Option<Option<Record>>> {
        if self.buffer.len() < HEADER {
            return Ok(None);
        }
        let head: [u8; HEADER] = self.buffer[..HEADER].try_into().expect("just measured");
        // The bridge's sign that an answer is cut.
        if head == [0; HEADER] {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if head[0] != 1 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "what the process sends is not FastCGI"));
        }
        let id = u16::from_be_bytes([head[2], head[3]]);
        let (length, padding) = (usize::from(u16::from_be_bytes([head[4], head[5]])), usize::from(head[6]));
        if self.buffer.len() < HEADER + length + padding {
            return Ok(None);
        }
        let mut record = self.buffer.split_to(HEADER + length + padding);
        let content = record.split_off(HEADER).split_to(length).freeze();
        Ok(Some(match (head[1], id) {
            (6, REQUEST) => Some(Record::Output(content)),
            (7, REQUEST) => Some(Record::Error(content)),
            (3, REQUEST) if length >= 5 => Some(Record::End {
                status: u32::from_be_bytes([content[0], content[1], content[2], content[3]]),
                protocol_status: content[4],
            }),
            (10 | 11, 0) => Some(Record::Pong),
            _ => None,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: u8, id: u16, content: &[u8], padding: u8) -> Vec<u8> {
        let mut bytes = header(kind, id, u16::try_from(content.len()).unwrap()).to_vec();
        bytes[6] = padding;
        bytes.extend_from_slice(content);
        bytes.extend(vec![b'p'; padding.into()]);
        bytes
    }

    #[tokio::test]
    async fn records_are_read_however_they_are_cut() {
        let wire = [
            record(6, 1, b"one", 5),
            record(7, 1, b"two", 255),
            record(6, 9, b"not ours", 0),
            record(3, 1, &[0, 0, 1, 2, 3, 0, 0, 0], 0),
            record(10, 0, b"", 0),
        ]
        .concat();
        for cut in 0..wire.len() {
            let (first, second) = wire.split_at(cut);
            let mut records = Records::new(tokio::io::AsyncReadExt::chain(first, second));
            let mut read = Vec::new();
            while let Some(record) = records.next().await.unwrap() {
                read.push(record);
            }
            let end = Record::End { status: 0x102, protocol_status: 3 };
            let (one, two) = (Bytes::from_static(b"one"), Bytes::from_static(b"two"));
            assert_eq!(read, [Record::Output(one), Record::Error(two), end, Record::Pong]);
        }
    }

    #[tokio::test]
    async fn what_is_not_fastcgi_is_an_error() {
        assert!(Records::new(&b"HTTP/1.1 200 OK"[..]).next().await.is_err());
    }

    #[tokio::test]
    async fn a_cut_answer_is_an_end_that_came_too_early() {
        let error = Records::new(&[0; HEADER][..]).next().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn long_parameters_have_long_lengths_and_span_records() {
        let value = vec![b'v'; 70_000];
        let bytes = begin(&[(b"NAME".to_vec(), value)]);
        assert_eq!(bytes[..16], [1, 1, 0, 1, 0, 8, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0]);
        assert_eq!(bytes[16..24], [1, 4, 0, 1, 0xff, 0xff, 0, 0]);
        assert_eq!(bytes[24..29], [4, 0x80, 1, 0x11, 0x70]);
        assert_eq!(bytes[bytes.len() - 8..], [1, 4, 0, 1, 0, 0, 0, 0]);
        assert_eq!(bytes.len(), 16 + 3 * 8 + 1 + 4 + 4 + 70_000);
    }
}
