//! Records as bytes: those of a responder, and those of a web server for `--check` and tests.

use super::record::{Header, KEEP_CONN, Kind, MAX_CONTENT, ProtocolStatus, RESPONDER};

/// Appends END_REQUEST.
pub fn end_request(out: &mut Vec<u8>, id: u16, app_status: u32, status: ProtocolStatus) {
    out.extend_from_slice(&Header::new(Kind::EndRequest, id, 8).encode());
    out.extend_from_slice(&app_status.to_be_bytes());
    out.extend_from_slice(&[status as u8, 0, 0, 0]);
}

/// Appends UNKNOWN_TYPE, the answer to a management record of type `kind`.
pub fn unknown_type(out: &mut Vec<u8>, kind: u8) {
    out.extend_from_slice(&Header::new(Kind::UnknownType, 0, 8).encode());
    out.extend_from_slice(&[kind, 0, 0, 0, 0, 0, 0, 0]);
}

/// Appends `content` as records of a stream, without its end.
pub fn stream(out: &mut Vec<u8>, kind: Kind, id: u16, content: &[u8]) {
    for piece in content.chunks(MAX_CONTENT) {
        let length = u16::try_from(piece.len()).expect("a piece is at most MAX_CONTENT long");
        out.extend_from_slice(&Header::new(kind, id, length).encode());
        out.extend_from_slice(piece);
    }
}

/// Appends the empty record that ends a stream.
pub fn end_stream(out: &mut Vec<u8>, kind: Kind, id: u16) {
    out.extend_from_slice(&Header::new(kind, id, 0).encode());
}

/// Appends BEGIN_REQUEST for a responder, as a web server sends it.
pub fn begin_request(out: &mut Vec<u8>, id: u16, keep: bool) {
    out.extend_from_slice(&Header::new(Kind::BeginRequest, id, 8).encode());
    let [role_high, role_low] = RESPONDER.to_be_bytes();
    out.extend_from_slice(&[role_high, role_low, if keep { KEEP_CONN } else { 0 }, 0, 0, 0, 0, 0]);
}

/// Appends one name-value pair.
pub fn pair(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    for length in [name.len(), value.len()] {
        match u8::try_from(length) {
            Ok(short) if short < 0x80 => out.push(short),
            _ => {
                let long = u32::try_from(length).expect("a value shorter than 2 GiB") | 0x8000_0000;
                out.extend_from_slice(&long.to_be_bytes());
            }
        }
    }
    out.extend_from_slice(name);
    out.extend_from_slice(value);
}

/// A whole request: beginning, parameters and body, each stream with its end.
pub fn request(id: u16, keep: bool, params: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut pairs = Vec::new();
    for (name, value) in params {
        pair(&mut pairs, name.as_bytes(), value.as_bytes());
    }
    let mut out = Vec::new();
    begin_request(&mut out, id, keep);
    stream(&mut out, Kind::Params, id, &pairs);
    end_stream(&mut out, Kind::Params, id);
    stream(&mut out, Kind::Stdin, id, body);
    end_stream(&mut out, Kind::Stdin, id);
    out
}
