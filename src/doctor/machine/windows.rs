//! What Windows tells: of its registry, its folders and its programs.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use windows_registry::LOCAL_MACHINE;

use super::win32;
use super::{Antivirus, AppLocker, Listening, Machine, addresses, is_synchronized};
use crate::interrupt::{self, Within};
use crate::private;
use crate::site::iis::run::netsh;

/// How long a program of Windows may take to answer.
const LIMIT: Duration = Duration::from_secs(20);

const LONG_PATHS: &str = r"SYSTEM\CurrentControlSet\Control\FileSystem";
const VERSION: &str = r"SOFTWARE\Microsoft\Windows NT\CurrentVersion";
const DEFENDER: &str = r"SOFTWARE\Microsoft\Windows Defender";
const DEFENDER_POLICY: &str = r"SOFTWARE\Policies\Microsoft\Windows Defender";
const APP_LOCKER: &str = r"SOFTWARE\Policies\Microsoft\Windows\SrpV2";
const APP_LOCKER_SERVICE: &str = r"SYSTEM\CurrentControlSet\Services\AppIDSvc";

/// What the start of a service says that may not run.
const DISABLED: u32 = 4;

/// All that is not yet known, with the rights on this folder.
pub fn read(folder: Option<&Path>, machine: Machine) -> Machine {
    Machine {
        release: release(),
        elevated: win32::elevated().ok(),
        long_paths: Some(number(LONG_PATHS, "LongPathsEnabled") == Some(1)),
        vc_runtime: Some(system_folder().join("vcruntime140.dll").is_file()),
        antivirus: antivirus(),
        app_locker: Some(app_locker()),
        code_integrity: win32::code_integrity(),
        rights: folder.and_then(|folder| Some((folder.to_owned(), private::rights(folder).ok()?))),
        ..machine
    }
}

pub fn listening(ports: &[u16]) -> Vec<Listening> {
    if ports.is_empty() {
        return Vec::new();
    }
    let all = win32::listeners().into_iter().filter(|(at, _)| ports.contains(&at.port()));
    let listening =
        |(at, process)| Listening { at, process: Some(process), program: win32::program(process) };
    all.map(listening).collect()
}

/// The addresses at which http.sys listens; none if at all.
pub fn listen_list() -> Vec<IpAddr> {
    let mut netsh = Command::new(netsh());
    match interrupt::output_within(netsh.args(["http", "show", "iplisten"]), LIMIT) {
        Ok(Within::Ended(output)) if output.status.success() => {
            addresses(&String::from_utf8_lossy(&output.stdout))
        }
        _ => Vec::new(),
    }
}

/// Whether the Windows Time service sets the clock. Where that does not run, something else may.
pub fn synchronized() -> Option<bool> {
    let mut w32tm = Command::new(system_folder().join("w32tm.exe"));
    match interrupt::output_within(w32tm.args(["/query", "/status"]), LIMIT) {
        Ok(Within::Ended(output)) if output.status.success() => {
            is_synchronized(&String::from_utf8_lossy(&output.stdout))
        }
        _ => None,
    }
}

fn system_folder() -> PathBuf {
    let windows = std::env::var_os("SystemRoot").unwrap_or_else(|| r"C:\Windows".into());
    PathBuf::from(windows).join("System32")
}

fn number(key: &str, name: &str) -> Option<u32> {
    LOCAL_MACHINE.open(key).and_then(|key| key.get_u32(name)).ok()
}

fn release() -> Option<String> {
    let key = LOCAL_MACHINE.open(VERSION).ok()?;
    let build = key.get_string("CurrentBuildNumber").ok()?;
    Some(format!("{}, build {build}", key.get_string("ProductName").ok()?))
}

/// None where there is no Defender, or nobody may know.
fn antivirus() -> Option<Antivirus> {
    let is_there = LOCAL_MACHINE.open(DEFENDER).is_ok();
    let is_off = |key: &str, name: &str| number(key, name) == Some(1);
    let real_time = |key: &str| format!(r"{key}\Real-Time Protection");
    let watches = ![DEFENDER, DEFENDER_POLICY]
        .into_iter()
        .any(|key| is_off(key, "DisableAntiSpyware") || is_off(&real_time(key), "DisableRealtimeMonitoring"));
    // Each is the name of a value. The list of a policy is not there where no policy is.
    let names = |key: &str| -> Option<Vec<String>> {
        let key = LOCAL_MACHINE.open(format!(r"{key}\Exclusions\Paths")).ok()?;
        Some(key.values().ok()?.map(|(name, _)| name).collect())
    };
    let exclusions = match (names(DEFENDER), names(DEFENDER_POLICY)) {
        (None, policy) => policy,
        (Some(own), policy) => Some(own.into_iter().chain(policy.unwrap_or_default()).collect()),
    };
    is_there.then_some(Antivirus { watches, exclusions })
}

fn app_locker() -> AppLocker {
    let enforced = |kind: &&str| number(&format!(r"{APP_LOCKER}\{kind}"), "EnforcementMode") == Some(1);
    AppLocker {
        may_run: number(APP_LOCKER_SERVICE, "Start").is_some_and(|start| start != DISABLED),
        enforced: ["Exe", "Dll", "Script"].into_iter().filter(enforced).map(str::to_owned).collect(),
    }
}
