//! The attributes of IIS that `site.toml` may name: data, one line each.
//!
//! Ranges are the smaller ones of the schemas of IIS 7.5 to 10, so that none of these servers refuses a value.
//! The standards are Holdall's own: those of IIS suit small CGI programs that are started and ended all the time.

use std::collections::BTreeMap;

/// One attribute.
#[derive(Debug, PartialEq, Eq)]
pub struct Attribute {
    /// In `site.toml`.
    pub key: &'static str,
    /// As appcmd knows it.
    pub path: &'static str,
    pub kind: Kind,
    pub standard: Standard,
    /// For the commented file.
    pub says: &'static str,
}

/// What may be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Between these, both included.
    Number(u32, u32),
    /// A time span in whole minutes between these, which IIS keeps as one.
    Minutes(u32, u32),
    /// The same in seconds.
    Seconds(u32, u32),
    Flag,
    Word(&'static [&'static str]),
}

/// What it is unless named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standard {
    Is(&'static str),
    /// As IIS has it from its own schema: it is set only once it is named.
    OfServer(&'static str),
    /// Twice as many as there are processors: 4 at least, 16 at most.
    ByProcessors,
}

/// An attribute with the value it shall have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    pub attribute: &'static Attribute,
    /// As IIS writes it.
    pub value: String,
    /// Whether `site.toml` says so; else it counts only when the thing is made.
    pub named: bool,
}

macro_rules! attribute {
    ($key:literal, $path:literal, $kind:expr, $standard:expr, $says:literal) => {
        Attribute { key: $key, path: $path, kind: $kind, standard: $standard, says: $says }
    };
}

use Kind::{Flag, Minutes, Number, Seconds, Word};
use Standard::{ByProcessors, Is, OfServer};

/// Of `system.webServer/fastCgi/application`.
pub const FASTCGI: &[Attribute] = &[
    attribute!(
        "maxInstances",
        "maxInstances",
        Number(1, 10_000),
        ByProcessors,
        "processes; each serves one request at a time"
    ),
    attribute!(
        "idleTimeout",
        "idleTimeout",
        Number(10, 604_800),
        Is("86400"),
        "seconds until an idle process ends"
    ),
    attribute!(
        "activityTimeout",
        "activityTimeout",
        Number(10, 3600),
        Is("300"),
        "seconds without a sign from a process"
    ),
    attribute!("requestTimeout", "requestTimeout", Number(10, 604_800), Is("300"), "seconds for one request"),
    attribute!(
        "instanceMaxRequests",
        "instanceMaxRequests",
        Number(1, 10_000_000),
        Is("100000"),
        "requests until a process is replaced"
    ),
    attribute!(
        "signalBeforeTerminateSeconds",
        "signalBeforeTerminateSeconds",
        Number(0, 60),
        Is("30"),
        "seconds to finish and leave"
    ),
    attribute!("queueLength", "queueLength", Number(1, 10_000_000), Is("1000"), "requests that may wait"),
    attribute!(
        "stderrMode",
        "stderrMode",
        Word(&["ReturnStdErrIn500", "ReturnGeneric500", "IgnoreAndReturn200", "TerminateProcess"]),
        Is("IgnoreAndReturn200"),
        "what words on standard error do to an answer"
    ),
    attribute!(
        "protocol",
        "protocol",
        Word(&["NamedPipe", "Tcp"]),
        Is("NamedPipe"),
        "how IIS talks to the processes"
    ),
    attribute!("flushNamedPipe", "flushNamedPipe", Flag, Is("false"), "drain the pipe after each request"),
];

/// Of an application pool.
pub const POOL: &[Attribute] = &[
    // Empty: no managed code. The server's own defaults may say otherwise, so it is always written out.
    attribute!(
        "managedRuntimeVersion",
        "managedRuntimeVersion",
        Word(&["", "v4.0"]),
        Is(""),
        "empty: no managed code"
    ),
    attribute!(
        "managedPipelineMode",
        "managedPipelineMode",
        Word(&["Integrated", "Classic"]),
        Is("Integrated"),
        "for managed code alone"
    ),
    attribute!(
        "enable32BitAppOnWin64",
        "enable32BitAppOnWin64",
        Flag,
        Is("false"),
        "the bridge itself is 64-bit"
    ),
    attribute!(
        "startMode",
        "startMode",
        Word(&["OnDemand", "AlwaysRunning"]),
        Is("AlwaysRunning"),
        "when the worker starts"
    ),
    attribute!(
        "queueLength",
        "queueLength",
        Number(10, 65_535),
        Is("1000"),
        "requests that may wait in HTTP.sys"
    ),
    attribute!(
        "idleTimeout",
        "processModel.idleTimeout",
        Minutes(0, 43_200),
        Is("00:00:00"),
        "minutes until an idle worker ends, 0 for never"
    ),
    attribute!(
        "loadUserProfile",
        "processModel.loadUserProfile",
        Flag,
        Is("true"),
        "whether the account's profile is loaded"
    ),
    attribute!(
        "maxProcesses",
        "processModel.maxProcesses",
        Number(1, 100),
        Is("1"),
        "workers; each has FastCGI processes of its own"
    ),
    attribute!(
        "periodicRestart",
        "recycling.periodicRestart.time",
        Minutes(0, 43_200),
        Is("00:00:00"),
        "minutes until the worker is replaced, 0 for never"
    ),
    attribute!(
        "periodicRestartRequests",
        "recycling.periodicRestart.requests",
        Number(0, u32::MAX),
        OfServer("0"),
        "requests until the worker is replaced, 0 for never"
    ),
    attribute!(
        "periodicRestartMemory",
        "recycling.periodicRestart.memory",
        Number(0, u32::MAX),
        OfServer("0"),
        "KB of virtual memory at which the worker is replaced, 0 for never"
    ),
    attribute!(
        "periodicRestartPrivateMemory",
        "recycling.periodicRestart.privateMemory",
        Number(0, u32::MAX),
        OfServer("0"),
        "KB of memory of its own at which the worker is replaced, 0 for never"
    ),
    attribute!(
        "disallowOverlappingRotation",
        "recycling.disallowOverlappingRotation",
        Flag,
        OfServer("false"),
        "the worker before ends first: nobody is served meanwhile"
    ),
    attribute!(
        "disallowRotationOnConfigChange",
        "recycling.disallowRotationOnConfigChange",
        Flag,
        OfServer("false"),
        "changes of the pool wait for its next recycling"
    ),
    attribute!(
        "idleTimeoutAction",
        "processModel.idleTimeoutAction",
        Word(&["Terminate", "Suspend"]),
        OfServer("Terminate"),
        "what becomes of an idle worker (IIS 8.5 on)"
    ),
    attribute!(
        "startupTimeLimit",
        "processModel.startupTimeLimit",
        Seconds(1, 2_592_000),
        OfServer("00:01:30"),
        "seconds that the worker gets to start"
    ),
    attribute!(
        "shutdownTimeLimit",
        "processModel.shutdownTimeLimit",
        Seconds(1, 2_592_000),
        OfServer("00:01:30"),
        "seconds that it gets to finish"
    ),
    attribute!(
        "pingingEnabled",
        "processModel.pingingEnabled",
        Flag,
        OfServer("true"),
        "whether the worker is asked for signs of life"
    ),
    attribute!(
        "pingInterval",
        "processModel.pingInterval",
        Seconds(1, 2_592_000),
        OfServer("00:00:30"),
        "seconds between two questions"
    ),
    attribute!(
        "pingResponseTime",
        "processModel.pingResponseTime",
        Seconds(1, 2_592_000),
        OfServer("00:01:30"),
        "seconds until a silent worker is ended"
    ),
    attribute!(
        "rapidFailProtection",
        "failure.rapidFailProtection",
        Flag,
        OfServer("true"),
        "stop a pool whose workers fail again and again"
    ),
    attribute!(
        "rapidFailProtectionInterval",
        "failure.rapidFailProtectionInterval",
        Minutes(1, 43_200),
        OfServer("00:05:00"),
        "minutes in which failures are counted"
    ),
    attribute!(
        "rapidFailProtectionMaxCrashes",
        "failure.rapidFailProtectionMaxCrashes",
        Number(1, 2_147_483_647),
        OfServer("5"),
        "failures that stop the pool"
    ),
];

/// Of `limits` of a site.
pub const LIMITS: &[Attribute] = &[
    attribute!(
        "maxConnections",
        "limits.maxConnections",
        Number(0, u32::MAX),
        OfServer("4294967295"),
        "connections at once"
    ),
    attribute!(
        "maxBandwidth",
        "limits.maxBandwidth",
        Number(1024, u32::MAX),
        OfServer("4294967295"),
        "bytes a second"
    ),
    attribute!(
        "connectionTimeout",
        "limits.connectionTimeout",
        Seconds(1, 65_535),
        OfServer("00:02:00"),
        "seconds until a silent connection is closed"
    ),
    attribute!(
        "maxUrlSegments",
        "limits.maxUrlSegments",
        Number(0, 16_383),
        OfServer("32"),
        "parts between slashes of an address"
    ),
];

/// Of `requestFiltering`. What IIS refuses by them no project ever sees.
pub const REQUESTS: &[Attribute] = &[
    attribute!(
        "maxAllowedContentLength",
        "requestLimits.maxAllowedContentLength",
        Number(1, u32::MAX),
        Is("30000000"),
        "bytes of an upload"
    ),
    attribute!("maxUrl", "requestLimits.maxUrl", Number(1, 65_535), Is("8192"), "bytes of a path"),
    attribute!(
        "maxQueryString",
        "requestLimits.maxQueryString",
        Number(0, 65_535),
        Is("16384"),
        "bytes after its `?`"
    ),
];

/// Of `urlCompression`.
pub const COMPRESSION: &[Attribute] = &[
    attribute!("static", "doStaticCompression", Flag, OfServer("true"), "of files"),
    attribute!(
        "dynamic",
        "doDynamicCompression",
        Flag,
        OfServer("true"),
        "of the project's answers; a feature of IIS of its own"
    ),
];

/// Of `windowsAuthentication`, beside whether it is on.
pub const WINDOWS: &[Attribute] = &[
    attribute!(
        "useKernelMode",
        "useKernelMode",
        Flag,
        OfServer("true"),
        "whether HTTP.sys checks tickets, with the machine's account"
    ),
    attribute!(
        "useAppPoolCredentials",
        "useAppPoolCredentials",
        Flag,
        OfServer("false"),
        "whether tickets are for the pool's account"
    ),
];

impl Attribute {
    /// What IIS has, if that is the standard.
    pub fn of_server(&self) -> Option<&'static str> {
        match self.standard {
            OfServer(value) => Some(value),
            Is(_) | ByProcessors => None,
        }
    }

    /// What it is on a machine with so many processors.
    pub fn standard(&self, cores: u32) -> String {
        match self.standard {
            Is(value) | OfServer(value) => value.to_owned(),
            ByProcessors => cores.saturating_mul(2).clamp(4, 16).to_string(),
        }
    }
}

/// The attributes of a table with their values, in the order of the table: all that is named, and all that Holdall has a
/// standard of its own for.
pub fn settings_of(
    table: &'static [Attribute],
    named: &BTreeMap<&'static str, String>,
    cores: u32,
) -> Vec<Setting> {
    let setting = |attribute: &'static Attribute| match named.get(attribute.key) {
        Some(value) => Some(Setting { attribute, value: value.clone(), named: true }),
        None if matches!(attribute.standard, OfServer(_)) => None,
        None => Some(Setting { attribute, value: attribute.standard(cores), named: false }),
    };
    table.iter().filter_map(setting).collect()
}

/// A time span of IIS, in seconds: `[days.]hours:minutes:seconds`.
pub fn seconds(span: &str) -> Option<u64> {
    let (days, clock) = match span.split_once('.') {
        Some((days, clock)) => (days.parse::<u64>().ok()?, clock),
        None => (0, span),
    };
    let mut parts = clock.split(':').map(|part| part.parse::<u64>().ok());
    let (hours, minutes, seconds) = (parts.next()??, parts.next()??, parts.next()??);
    parts.next().is_none().then_some(((days * 24 + hours) * 60 + minutes) * 60 + seconds)
}

/// So many seconds as a time span of IIS.
pub(super) fn span(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match days {
        0 => format!("{hours:02}:{minutes:02}:{:02}", seconds % 60),
        _ => format!("{days}.{hours:02}:{minutes:02}:{:02}", seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_standard_is_one_that_may_be_written() {
        let tables = [FASTCGI, POOL, LIMITS, REQUESTS, COMPRESSION, WINDOWS];
        for attribute in tables.into_iter().flatten() {
            let value = attribute.standard(8);
            let right = match attribute.kind {
                Number(least, most) => (least..=most).contains(&value.parse().unwrap()),
                Minutes(least, most) => {
                    (u64::from(least) * 60..=u64::from(most) * 60).contains(&seconds(&value).unwrap())
                }
                Seconds(least, most) => {
                    (u64::from(least)..=u64::from(most)).contains(&seconds(&value).unwrap())
                }
                Flag => value == "true" || value == "false",
                Word(words) => words.contains(&value.as_str()),
            };
            assert!(right, "{}: {value}", attribute.key);
        }
    }

    #[test]
    fn a_machine_gets_processes_by_its_processors() {
        let instances = |cores| FASTCGI[0].standard(cores);
        assert_eq!([1, 2, 4, 8, 64].map(instances), ["4", "4", "8", "16", "16"]);
    }

    #[test]
    fn minutes_become_time_spans_and_come_back() {
        for (minutes, text) in
            [(0, "00:00:00"), (20, "00:20:00"), (1740, "1.05:00:00"), (43_200, "30.00:00:00")]
        {
            assert_eq!(span(minutes * 60), text);
            assert_eq!(seconds(text), Some(minutes * 60));
        }
        assert_eq!((span(90), span(86_401)), ("00:01:30".to_owned(), "1.00:00:01".to_owned()));
        // As some servers write it.
        assert_eq!(seconds("29:00:00"), Some(104_400));
        assert_eq!(seconds("20 minutes"), None);
    }
}
