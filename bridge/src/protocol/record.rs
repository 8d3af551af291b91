//! The header of a record and the numbers of the FastCGI text.

/// Bytes in front of every record.
pub const HEADER_LEN: usize = 8;

/// The most content one outgoing record carries: the largest length that is a multiple of eight, so that no
/// record of ours needs padding to keep the next one aligned.
pub const MAX_CONTENT: usize = 0xfff8;

/// The only version there is.
pub const VERSION: u8 = 1;

/// Role of an application that answers a request from its parameters and its body: the only one of WSGI.
pub const RESPONDER: u16 = 1;

/// Bit of BEGIN_REQUEST's flags: the connection outlives the request.
pub const KEEP_CONN: u8 = 1;

/// What a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    BeginRequest,
    AbortRequest,
    EndRequest,
    Params,
    Stdin,
    Stdout,
    Stderr,
    Data,
    GetValues,
    GetValuesResult,
    UnknownType,
    /// A type that the FastCGI text does not have.
    Other(u8),
}

impl Kind {
    pub fn from_byte(byte: u8) -> Kind {
        match byte {
            1 => Kind::BeginRequest,
            2 => Kind::AbortRequest,
            3 => Kind::EndRequest,
            4 => Kind::Params,
            5 => Kind::Stdin,
            6 => Kind::Stdout,
            7 => Kind::Stderr,
            8 => Kind::Data,
            9 => Kind::GetValues,
            10 => Kind::GetValuesResult,
            11 => Kind::UnknownType,
            other => Kind::Other(other),
        }
    }

    pub fn byte(self) -> u8 {
        match self {
            Kind::BeginRequest => 1,
            Kind::AbortRequest => 2,
            Kind::EndRequest => 3,
            Kind::Params => 4,
            Kind::Stdin => 5,
            Kind::Stdout => 6,
            Kind::Stderr => 7,
            Kind::Data => 8,
            Kind::GetValues => 9,
            Kind::GetValuesResult => 10,
            Kind::UnknownType => 11,
            Kind::Other(byte) => byte,
        }
    }
}

/// How a request ended, for the web server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProtocolStatus {
    RequestComplete = 0,
    CannotMultiplex = 1,
    UnknownRole = 3,
}

/// The eight bytes before a record's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    pub version: u8,
    pub kind: Kind,
    pub id: u16,
    pub length: u16,
    pub padding: u8,
}

impl Header {
    pub fn new(kind: Kind, id: u16, length: u16) -> Header {
        Header { version: VERSION, kind, id, length, padding: 0 }
    }

    pub fn decode(bytes: [u8; HEADER_LEN]) -> Header {
        Header {
            version: bytes[0],
            kind: Kind::from_byte(bytes[1]),
            id: u16::from_be_bytes([bytes[2], bytes[3]]),
            length: u16::from_be_bytes([bytes[4], bytes[5]]),
            padding: bytes[6],
        }
    }

    pub fn encode(self) -> [u8; HEADER_LEN] {
        let [id_high, id_low] = self.id.to_be_bytes();
        let [length_high, length_low] = self.length.to_be_bytes();
        [self.version, self.kind.byte(), id_high, id_low, length_high, length_low, self.padding, 0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_survives_the_way_to_bytes_and_back() {
        for byte in 0..=u8::MAX {
            let header =
                Header { version: 1, kind: Kind::from_byte(byte), id: 0x1234, length: 0xfffe, padding: 255 };
            assert_eq!(Header::decode(header.encode()), header);
            assert_eq!(header.encode()[1], byte);
        }
    }
}
