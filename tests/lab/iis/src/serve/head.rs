//! The head of a CGI answer: `Status`, headers, an empty line.

use bytes::{Bytes, BytesMut};
use hyper::StatusCode;
use hyper::header::{CONNECTION, HeaderMap, HeaderName, HeaderValue, LOCATION, TRANSFER_ENCODING, UPGRADE};

/// A head longer than this is a fault.
const LONGEST: usize = 1 << 20;

/// Headers beyond this number are a fault.
const MOST: usize = 4096;

#[derive(Debug, PartialEq, Eq)]
pub struct Head {
    pub status: StatusCode,
    pub headers: HeaderMap,
}

/// What `said` begins with, if it is there to its end: the head and what follows it.
pub fn take(said: &mut BytesMut) -> Result<Option<(Head, Bytes)>, String> {
    let mut fields = vec![httparse::EMPTY_HEADER; MOST];
    let (length, fields) = match httparse::parse_headers(said, &mut fields) {
        Ok(httparse::Status::Complete(found)) => found,
        Ok(httparse::Status::Partial) if said.len() > LONGEST => {
            return Err("its head is too long".to_owned());
        }
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(error) => return Err(format!("its head is none: {error}")),
    };
    let mut headers = HeaderMap::new();
    let mut status = None;
    for field in fields {
        if field.name.eq_ignore_ascii_case("status") {
            let code = field.value.split(|byte| *byte == b' ').next().unwrap_or_default();
            let code = StatusCode::from_bytes(code).ok().filter(|code| !code.is_informational());
            status = Some(code.ok_or("its status is none")?);
            continue;
        }
        let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|error| error.to_string())?;
        let value = HeaderValue::from_bytes(field.value).map_err(|error| error.to_string())?;
        // How the bytes travel is between the client and the server.
        if ![CONNECTION, TRANSFER_ENCODING, UPGRADE].contains(&name) {
            headers.append(name, value);
        }
    }
    let redirect = headers.contains_key(LOCATION);
    let status = status.unwrap_or(if redirect { StatusCode::FOUND } else { StatusCode::OK });
    let body = said.split_off(length).freeze();
    Ok(Some((Head { status, headers }, body)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(said: &[u8]) -> Result<Option<(Head, Bytes)>, String> {
        take(&mut BytesMut::from(said))
    }

    #[test]
    fn a_head_is_found_as_soon_as_it_is_whole() {
        for said in
            [&b"Status: 404 Not Found\r\nA: 1\r\nA: 2\r\n\r\nbody"[..], b"Status: 404\nA: 1\nA: 2\n\nbody"]
        {
            let end = said.len() - 4;
            (0..end).for_each(|cut| assert_eq!(taken(&said[..cut]), Ok(None)));
            let (head, body) = taken(said).unwrap().unwrap();
            assert_eq!((head.status.as_u16(), head.headers.len(), &body[..]), (404, 2, &b"body"[..]));
        }
    }

    #[test]
    fn without_a_status_it_is_200_or_a_redirect() {
        assert_eq!(taken(b"A: 1\r\n\r\n").unwrap().unwrap().0.status, StatusCode::OK);
        assert_eq!(taken(b"Location: /x\r\n\r\n").unwrap().unwrap().0.status, StatusCode::FOUND);
    }

    #[test]
    fn what_is_no_head_is_refused() {
        assert!(taken(b"no colon\r\n\r\n").is_err());
        assert!(taken(b"Status: 99999\r\n\r\n").is_err());
        assert!(taken(b"Status: 101 x\r\n\r\n").is_err());
    }
}
