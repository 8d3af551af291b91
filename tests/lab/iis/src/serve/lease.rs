//! A process that is running, and lending it to one request at a time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::instances::{Instances, Place};
use super::process::{Process, Reader, Writer};
use super::record::Records;

/// A running process and the connection to it.
pub struct Instance {
    pub process: Process,
    pub connection: Option<Connection>,
    pub requests: u32,
    pub idle_since: Instant,
    pub place: Place,
    pub notice: Option<Duration>,
}

/// A connection that is kept from request to request.
pub struct Connection {
    pub records: Records<Reader>,
    pub writer: Writer,
}

/// A process lent to one request. Dropped without a word it is taken to be at work still, and is ended.
pub struct Lease {
    pub instance: Option<Instance>,
    pub of: Arc<Instances>,
}

impl Lease {
    pub fn process(&self) -> u32 {
        self.instance().process.id()
    }

    /// The connection to the process, opened if need be.
    pub async fn connect(&mut self) -> std::io::Result<Connection> {
        let instance = self.instance.as_mut().expect("lent until it is given back");
        if let Some(connection) = instance.connection.take() {
            return Ok(connection);
        }
        let (reader, writer) = instance.process.connect().await?;
        Ok(Connection { records: Records::new(reader), writer })
    }

    /// How the process ended, once it has.
    pub async fn ended(&self) -> String {
        self.instance().process.ended().await
    }

    /// The request is over; without a connection another one is opened for the next.
    pub fn give_back(mut self, connection: Option<Connection>) {
        let Some(mut instance) = self.instance.take() else { return };
        instance.requests += 1;
        instance.connection = connection;
        self.of.take_back(instance);
    }

    /// The process is of no more use: it failed, or is still at work on something that nobody wants.
    pub fn give_up(mut self, why: &'static str) {
        if let Some(instance) = self.instance.take() {
            self.of.count_fail();
            self.of.retire(Instance { notice: None, ..instance }, why);
        }
    }

    fn instance(&self) -> &Instance {
        self.instance.as_ref().expect("lent until it is given back")
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(instance) = self.instance.take() {
            self.of.retire(Instance { notice: None, ..instance }, "abandoned");
        }
    }
}
