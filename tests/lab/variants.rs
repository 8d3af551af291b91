//! Every way in which a process manager may hand a pipe over. A story that is told for all of them becomes one test
//! each, whose name says which.

/// Tells stories (functions of a [`Setup`](crate::manager::Setup)) for every end, kind of handle and connection, connected early and late.
macro_rules! for_every_pipe {
    ($($story:ident),+ $(,)?) => {
        $crate::variants::tell!(server_end_overlapped_kept_early, Server Overlapped Kept Early, $($story)+);
        $crate::variants::tell!(server_end_overlapped_kept_late, Server Overlapped Kept Late, $($story)+);
        $crate::variants::tell!(server_end_overlapped_closed_early, Server Overlapped Closed Early, $($story)+);
        $crate::variants::tell!(server_end_overlapped_closed_late, Server Overlapped Closed Late, $($story)+);
        $crate::variants::tell!(server_end_synchronous_kept_early, Server Synchronous Kept Early, $($story)+);
        $crate::variants::tell!(server_end_synchronous_kept_late, Server Synchronous Kept Late, $($story)+);
        $crate::variants::tell!(server_end_synchronous_closed_early, Server Synchronous Closed Early, $($story)+);
        $crate::variants::tell!(server_end_synchronous_closed_late, Server Synchronous Closed Late, $($story)+);
        $crate::variants::tell!(client_end_overlapped_kept_early, Client Overlapped Kept Early, $($story)+);
        $crate::variants::tell!(client_end_overlapped_kept_late, Client Overlapped Kept Late, $($story)+);
        $crate::variants::tell!(client_end_overlapped_closed_early, Client Overlapped Closed Early, $($story)+);
        $crate::variants::tell!(client_end_overlapped_closed_late, Client Overlapped Closed Late, $($story)+);
        $crate::variants::tell!(client_end_synchronous_kept_early, Client Synchronous Kept Early, $($story)+);
        $crate::variants::tell!(client_end_synchronous_kept_late, Client Synchronous Kept Late, $($story)+);
        $crate::variants::tell!(client_end_synchronous_closed_early, Client Synchronous Closed Early, $($story)+);
        $crate::variants::tell!(client_end_synchronous_closed_late, Client Synchronous Closed Late, $($story)+);
    };
}

/// Tells stories for every end and kind of handle, on a kept connection that comes late: what becomes of a pipe
/// in the middle of a request does not depend on how it began.
macro_rules! for_every_handle {
    ($($story:ident),+ $(,)?) => {
        $crate::variants::tell!(server_end_overlapped, Server Overlapped Kept Late, $($story)+);
        $crate::variants::tell!(server_end_synchronous, Server Synchronous Kept Late, $($story)+);
        $crate::variants::tell!(client_end_overlapped, Client Overlapped Kept Late, $($story)+);
        $crate::variants::tell!(client_end_synchronous, Client Synchronous Kept Late, $($story)+);
    };
}

macro_rules! tell {
    ($name:ident, $end:ident $kind:ident $connection:ident $connects:ident, $($story:ident)+) => {
        mod $name {
            use $crate::manager::{Connection, Connects, End, Setup};
            use $crate::win32::Kind;

            const SETUP: Setup = Setup {
                end: End::$end,
                kind: Kind::$kind,
                connection: Connection::$connection,
                connects: Connects::$connects,
                ..Setup::IIS
            };

            $(
                #[test]
                fn $story() {
                    super::$story(SETUP);
                }
            )+
        }
    };
}

pub(crate) use {for_every_handle, for_every_pipe, tell};
