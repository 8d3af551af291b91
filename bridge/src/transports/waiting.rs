//! Connections that wait: for a request, for the next one, or for their end; and which of them goes first when
//! there are too many.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::connection::{Connection, Progress};
use crate::log;
use crate::protocol::Request;

/// How long a connection may be silent in the middle of a request, or before its first, when others want its place.
const FIRST_WORD: Duration = Duration::from_secs(5);

/// How long a connection that was just made may take to its first request from a bridge that is told to stop.
const NEWCOMER: Duration = Duration::from_secs(1);

/// How long a peer that was answered before it had sent everything may go on sending.
const LINGER: Duration = Duration::from_secs(2);

/// A connection without a complete request.
pub struct Waiting {
    pub connection: Connection,
    pub since: Instant,
    pub standing: Standing,
}

/// What a connection waits for.
#[derive(Clone, Copy)]
pub enum Standing {
    /// A request is expected, or has begun.
    Expected,
    /// A request was answered, and nothing of another is there. Peers know that such a connection may be closed.
    Kept,
    /// Answered and to be closed: input is dropped until then.
    Lingering { until: Instant },
}

impl Waiting {
    pub fn new(connection: Connection, standing: Standing) -> Waiting {
        Waiting { connection, since: Instant::now(), standing }
    }

    pub fn lingering(mut connection: Connection) -> Waiting {
        connection.stream.end_output();
        Waiting::new(connection, Standing::Lingering { until: Instant::now() + LINGER })
    }

    /// Until when a bridge that is told to stop waits for a request; peers of kept connections know that those may be
    /// closed, and ask elsewhere.
    pub fn is_awaited_until(&self) -> Option<Instant> {
        match self.standing {
            Standing::Expected => Some(self.since + NEWCOMER),
            Standing::Kept | Standing::Lingering { .. } => None,
        }
    }

    /// When this connection may be closed to make room for another.
    pub fn yields_at(&self) -> Instant {
        match self.standing {
            Standing::Expected => self.since + FIRST_WORD,
            Standing::Kept | Standing::Lingering { .. } => self.since,
        }
    }
}

/// Closes the connection that could be closed first, if there is one.
pub fn make_room(waiting: &mut Vec<Waiting>) -> bool {
    let now = Instant::now();
    let first = waiting.iter().enumerate().min_by_key(|(_, entry)| entry.yields_at());
    let first = first.filter(|(_, entry)| entry.yields_at() <= now).map(|(at, _)| at);
    first.map(|at| waiting.remove(at)).is_some()
}

/// Puts a connection where its progress belongs; `standing` is how it waits, if it does.
pub fn sort(
    connection: Connection,
    progress: Progress,
    standing: Standing,
    waiting: &mut Vec<Waiting>,
    ready: &mut VecDeque<(Connection, Request)>,
) {
    match progress {
        Progress::Request(request) => ready.push_back((connection, request)),
        Progress::Waiting => waiting.push(Waiting::new(connection, standing)),
        // The last word was a reply that the peer has yet to read.
        Progress::Closing => waiting.push(Waiting::lingering(connection)),
        Progress::Gone => {}
        Progress::Fault(fault) => log::line(&format!("a connection is closed: {fault}")),
    }
}
