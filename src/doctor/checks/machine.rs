//! Of the machine itself.

use super::super::{Antivirus, AppLocker, Clock, CodeIntegrity, Finding, Level, Machine, Parcel, Subject};
use crate::site::iis::xml::{is_below, same_path};

/// 2025-01-01: no clock that is right shows less.
const SURELY_PAST: u64 = 1_735_689_600;

/// In seconds: what Windows itself takes for a clock that is right (Kerberos).
const TOLERANCE: u64 = 300;

/// Below so many bytes a disk has no room for what Windows and IIS write by themselves.
const LITTLE: u64 = 1_000_000_000;
const LITTLE_FOR_TEMPORARY: u64 = 100_000_000;

/// The longest path that Python and IIS take, and what a project needs of it below its folder.
const LONGEST: usize = 259;
const ROOM_FOR_PATHS: usize = 160;

pub(super) fn examine(machine: &Machine, subject: &Subject<'_>) -> Vec<Finding> {
    let of_windows: [fn(&Machine, &Subject<'_>) -> Option<Finding>; 5] =
        [long_paths, vc_runtime, antivirus, app_locker, code_integrity];
    let mut findings = Vec::new();
    if machine.is_windows {
        findings.extend(elevated(machine));
        findings.push(bits(machine));
    }
    findings.extend(machine.clock.map(|it| clock(it, subject)));
    findings.push(disk(machine, subject));
    if machine.is_windows {
        findings.extend(of_windows.iter().filter_map(|check| check(machine, subject)));
    }
    findings
}

fn elevated(machine: &Machine) -> Option<Finding> {
    const ID: &str = "machine.elevated";
    Some(match machine.elevated? {
        true => Finding::ok(ID, "holdall runs as an administrator"),
        false => Finding::problem(
            ID,
            "holdall does not run as an administrator: IIS lets nobody else read or change it",
            "open a prompt by `Run as administrator` and run the same command again",
        ),
    })
}

fn bits(machine: &Machine) -> Finding {
    const ID: &str = "machine.64-bit";
    let system = machine.release.as_deref().unwrap_or("Windows");
    match machine.diverted {
        false => Finding::ok(ID, format!("holdall is a program of this system's own kind, {system}")),
        true => Finding::problem(
            ID,
            format!(
                "holdall is a 32-bit program here, and is shown another configuration of IIS than that of {system}"
            ),
            "use the 64-bit holdall.exe",
        ),
    }
}

/// A server without a network has no other clock to compare with; but none that is right shows less than what has happened.
fn clock(clock: Clock, subject: &Subject<'_>) -> Finding {
    const ID: &str = "machine.clock";
    let remedy = "set it: `w32tm /resync`, or `Set-Date` in PowerShell";
    let Clock { now, of_files, synchronized } = clock;
    let drift = of_files.map(|of_files| of_files.abs_diff(now)).filter(|drift| *drift > TOLERANCE);
    let newest = subject.site.as_ref().and_then(|site| site.newest);
    let ahead = newest.filter(|(_, completed)| *completed > now + TOLERANCE);
    match (drift, ahead) {
        _ if now < SURELY_PAST => Finding::problem(
            ID,
            "the clock is years behind: certificates, signed cookies and logins do not hold",
            remedy,
        ),
        (Some(drift), _) => Finding::warning(
            ID,
            format!(
                "the folder of sites lies where the clock differs by {drift} s from that of this machine"
            ),
            format!("{remedy}, there or here"),
        ),
        (None, Some((release, completed))) => Finding::warning(
            ID,
            format!(
                "the clock is {} s behind the time at which {release} was completed: it is wrong now, or was then",
                completed - now
            ),
            remedy,
        ),
        _ if synchronized == Some(false) => Finding {
            remedy: Some(
                "compare it with one that is right; `w32tm /config /syncfromflags:manual /manualpeerlist:HOST /update` has \
                 Windows ask HOST for the time"
                    .to_owned(),
            ),
            ..Finding::new(
                ID,
                Level::Unknown,
                "the clock is plausible; whether it is right cannot be seen, as Windows sets it by no other",
            )
        },
        _ => Finding::ok(ID, "the clock is plausible"),
    }
}

fn disk(machine: &Machine, subject: &Subject<'_>) -> Finding {
    const ID: &str = "machine.disk";
    let Some(free) = machine.free else {
        return Finding::new(ID, Level::Unknown, "how much room the disk of the sites has cannot be seen");
    };
    let needed = subject.bundle.as_ref().filter(|bundle| bundle.expands).map_or(0, Parcel::size);
    let clean =
        "free some: `holdall prune` removes old releases; or name a folder on another disk by `--root`";
    let root = subject.root.display();
    let has = format!("the disk of `{root}` has {} free", size(free));
    if free < needed {
        return Finding::problem(ID, format!("{has}, and the bundle takes {}", size(needed)), clean);
    }
    match machine.free_for_temporary {
        _ if free - needed < LITTLE && needed > 0 => {
            let left = size(free - needed);
            Finding::warning(ID, format!("{has}, of which the bundle leaves {left}"), clean)
        }
        _ if free < LITTLE => Finding::warning(ID, has, clean),
        Some(free) if free < LITTLE_FOR_TEMPORARY => Finding::warning(
            ID,
            format!("the disk of the temporary files has {} free", size(free)),
            "free some: Windows and IIS stop there as well",
        ),
        _ => Finding::ok(ID, has),
    }
}

/// Nothing here needs longer paths, and so nothing is wrong without them, unless there is little left of the usual ones.
fn long_paths(machine: &Machine, subject: &Subject<'_>) -> Option<Finding> {
    const ID: &str = "machine.long-paths";
    let root = subject.root.to_string_lossy().encode_utf16().count();
    let left = LONGEST.saturating_sub(root);
    Some(match machine.long_paths? {
        true => Finding::ok(ID, "Windows lets programs use long paths that ask for them; IIS does not"),
        false if left < ROOM_FOR_PATHS => Finding::warning(
            ID,
            format!("below the folder of sites {left} characters are left for paths, of {LONGEST}"),
            "name a folder with a shorter path by `--root`",
        ),
        false => {
            Finding::ok(ID, format!("paths have up to {LONGEST} characters, as Python and IIS take them"))
        }
    })
}

fn vc_runtime(machine: &Machine, subject: &Subject<'_>) -> Option<Finding> {
    const ID: &str = "machine.vc-runtime";
    let brings = subject.bundle.as_ref().map(|bundle| bundle.has_vc_runtime);
    Some(match (brings, machine.vc_runtime?) {
        (Some(true), _) => Finding::ok(ID, "the bundle brings the runtime library of Visual C++"),
        (_, true) => Finding::ok(ID, "Windows has the runtime library of Visual C++"),
        (Some(false), false) => Finding::warning(
            ID,
            "neither Windows nor the bundle has the runtime library of Visual C++ (vcruntime140.dll), without which most \
             Pythons do not start",
            "install the `Microsoft Visual C++ Redistributable` (x64), or bundle a runtime that brings it",
        ),
        (None, false) => Finding::ok(
            ID,
            "Windows has no runtime library of Visual C++: each bundle has to bring it, as most do",
        ),
    })
}

fn antivirus(machine: &Machine, subject: &Subject<'_>) -> Option<Finding> {
    const ID: &str = "machine.antivirus";
    let root = subject.root.to_string_lossy();
    let exclude = format!(
        "have it leave that folder alone: `Add-MpPreference -ExclusionPath '{root}'` in PowerShell, if your rules allow that"
    );
    let leaves = |folder: &String| {
        let folder = folder.trim_end_matches(['\\', '*']);
        same_path(&root, folder) || is_below(&root, folder)
    };
    Some(match machine.antivirus.as_ref() {
        None => Finding::new(
            ID,
            Level::Unknown,
            format!("no Microsoft Defender was found; another antivirus should leave `{root}` alone"),
        ),
        Some(Antivirus { watches: false, .. }) => Finding::ok(ID, "Microsoft Defender does not watch files"),
        Some(Antivirus { exclusions: None, .. }) => Finding {
            remedy: Some(exclude),
            ..Finding::new(
                ID,
                Level::Unknown,
                "which folders Microsoft Defender leaves alone is hidden from administrators, too",
            )
        },
        Some(Antivirus { exclusions: Some(excluded), .. }) => match excluded.iter().any(leaves) {
            true => Finding::ok(ID, format!("Microsoft Defender leaves `{root}` alone")),
            false => Finding::warning(
                ID,
                format!(
                    "Microsoft Defender looks at each file that is written or read below `{root}`: deploys and first \
                             requests take longer"
                ),
                exclude,
            ),
        },
    })
}

fn app_locker(machine: &Machine, subject: &Subject<'_>) -> Option<Finding> {
    const ID: &str = "machine.applocker";
    let AppLocker { may_run, enforced } = machine.app_locker.as_ref()?;
    Some(match may_run {
        true if !enforced.is_empty() => Finding::warning(
            ID,
            format!(
                "rules of AppLocker are enforced ({}): they may keep Python from being run",
                enforced.join(", ")
            ),
            format!(
                "add rules that allow `{}\\*`: a path rule each for programs and, where they are ruled, for libraries",
                subject.root.display()
            ),
        ),
        _ => Finding::ok(ID, "AppLocker keeps no program from being run"),
    })
}

fn code_integrity(machine: &Machine, subject: &Subject<'_>) -> Option<Finding> {
    const ID: &str = "machine.code-integrity";
    Some(match machine.code_integrity? {
        CodeIntegrity::Off => Finding::ok(ID, "Windows runs programs without a policy that names them"),
        CodeIntegrity::Audited => Finding::warning(
            ID,
            "a policy about programs (WDAC) is being tried: what it will refuse stands in the event log, CodeIntegrity",
            "look there after a deploy, before the policy is enforced",
        ),
        CodeIntegrity::Enforced => Finding::warning(
            ID,
            "Windows runs only programs that a policy names (WDAC): Python and its libraries have to be among them",
            format!(
                "have the policy allow `{}\\*` (New-CIPolicyRule -FilePathRule), or the hashes of a release",
                subject.root.display()
            ),
        ),
    })
}

/// A size as people read it.
fn size(bytes: u64) -> String {
    match bytes {
        0..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

impl Parcel<'_> {
    /// The bytes that its files take.
    fn size(&self) -> u64 {
        self.manifest.layers.iter().map(|layer| layer.size).sum()
    }
}
