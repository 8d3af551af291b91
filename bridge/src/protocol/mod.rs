//! FastCGI 1.0 as bytes in, values out.
//!
//! Nothing here reads, writes, waits or knows Python: a [`Conversation`] is fed whatever has arrived, in any
//! pieces, and says what it means. That is what lets the tests cut a request at every byte.

mod conversation;
pub mod encode;
mod params;
mod record;

pub use conversation::{Conversation, Event, Fault, Request, Step};
pub use params::{Pairs, Params, ParamsError};
pub use record::{HEADER_LEN, Header, Kind, MAX_CONTENT, ProtocolStatus};
