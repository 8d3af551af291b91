//! A bundle goes into service on this machine: what that takes, written down as it is done.

pub mod journal;
