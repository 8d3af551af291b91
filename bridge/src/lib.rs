//! The bridge: FastCGI to WSGI.
pub mod connection;
pub mod exchange;
pub mod gateway;
pub mod log;
pub mod protocol;
pub mod reply;
pub mod transports;
