//! Who may change a file, or take it away, beside the system, its administrators and the user who asks.

use std::io;
use std::path::Path;

/// What is looked at: of a folder it counts who may take away what is in it, of a file also who may write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    File,
    Folder,
}

/// All others who may change what lies at `path`, in words.
#[cfg(unix)]
pub fn changers(path: &Path, of: Of) -> io::Result<Vec<String>> {
    use std::os::unix::fs::MetadataExt as _;
    let metadata = fs_err::metadata(path)?;
    // SAFETY: it takes nothing, cannot fail, and changes nothing.
    let us = unsafe { libc::geteuid() };
    Ok(of_mode(metadata.mode(), (metadata.uid(), metadata.gid()), us, of))
}

#[cfg(unix)]
fn of_mode(mode: u32, (user, group): (u32, u32), us: u32, of: Of) -> Vec<String> {
    let mut others = Vec::new();
    if ![0, us].contains(&user) {
        others.push(format!("the user {user}, who owns it"));
    }
    // With the sticky bit, owners alone take away what is theirs.
    if of == Of::File || mode & 0o1000 == 0 {
        others.extend((mode & 0o020 != 0).then(|| format!("the group {group}")));
        others.extend((mode & 0o002 != 0).then(|| "everybody".to_owned()));
    }
    others
}

/// All others who may change what lies at `path`, in words.
#[cfg(windows)]
pub fn changers(path: &Path, of: Of) -> io::Result<Vec<String>> {
    Ok(of_sddl(&super::win32::sddl(path)?, &super::win32::user()?, of))
}

/// Those who may do all anyway: the system, administrators (all of them, and the one that every machine has), and the
/// installer of Windows itself.
#[cfg(any(windows, test))]
const KEEPERS: [&str; 4] =
    ["SY", "BA", "LA", "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464"];

/// Reads [the words of Windows](https://learn.microsoft.com/windows/win32/secauthz/security-descriptor-string-format).
/// What cannot be read counts as leave to change.
#[cfg(any(windows, test))]
fn of_sddl(sddl: &str, us: &str, of: Of) -> Vec<String> {
    let is_keeper = |sid: &str| KEEPERS.contains(&sid) || sid == us;
    let mut others = Vec::new();
    let owner = sddl.strip_prefix("O:").map(|rest| match rest.find([':', '(']) {
        // The letter before the colon begins the next part.
        Some(end) if rest[end..].starts_with(':') => &rest[..end - 1],
        _ => rest,
    });
    match owner {
        Some(owner) if is_keeper(owner) => {}
        Some(owner) => others.push(format!("{}, who owns it", named(owner))),
        None => others.push("its owner, whom nobody knows".to_owned()),
    }
    let list = sddl.split_once("D:").map(|(_, list)| list.split_once("S:").map_or(list, |(list, _)| list));
    let Some(list) = list.filter(|list| !list.contains("NO_ACCESS_CONTROL")) else {
        others.push("everybody".to_owned());
        return others;
    };
    for entry in list.split('(').skip(1) {
        let fields: Vec<&str> = entry.split([';', ')']).collect();
        let [kind, flags, rights, _, _, sid, ..] = fields[..] else {
            others.push(format!("whoever `{entry}` names"));
            continue;
        };
        // What is refused gives nobody anything, and what is only handed down counts below.
        let counts = !["D", "OD"].contains(&kind) && !flags.contains("IO");
        if counts && !is_keeper(sid) && mask(rights).is_none_or(|mask| mask & harm(of) != 0) {
            others.push(named(sid));
        }
    }
    others.dedup();
    others
}

/// The rights with which somebody changes what a file says, or takes it away: writing, deleting, and giving oneself such
/// rights. In a folder new files do no harm.
#[cfg(any(windows, test))]
fn harm(of: Of) -> u32 {
    const DELETE_CHILD: u32 = 0x40;
    const DELETE_OR_RIGHTS: u32 = 0x0001_0000 | 0x0004_0000 | 0x0008_0000;
    const GENERIC_ALL: u32 = 0x1000_0000;
    const GENERIC_WRITE: u32 = 0x4000_0000;
    match of {
        Of::Folder => DELETE_CHILD | DELETE_OR_RIGHTS | GENERIC_ALL,
        // Writing, appending.
        Of::File => 0x2 | 0x4 | DELETE_OR_RIGHTS | GENERIC_ALL | GENERIC_WRITE,
    }
}

/// The bits of rights, which are a number or names of two letters each.
#[cfg(any(windows, test))]
fn mask(rights: &str) -> Option<u32> {
    if let Some(digits) = rights.strip_prefix("0x") {
        return u32::from_str_radix(digits, 16).ok();
    }
    if rights.starts_with(|c: char| c.is_ascii_digit()) {
        return rights.parse().ok();
    }
    let mut names = rights.as_bytes().chunks(2);
    // Some say the same, so that they are not added up.
    names.try_fold(0, |mask, name| {
        RIGHTS.iter().find(|(known, _)| known.as_bytes() == name).map(|(_, bits)| mask | bits)
    })
}

#[cfg(any(windows, test))]
const RIGHTS: [(&str, u32); 21] = [
    ("GA", 0x1000_0000),
    ("GX", 0x2000_0000),
    ("GW", 0x4000_0000),
    ("GR", 0x8000_0000),
    ("FA", 0x001f_01ff),
    ("FX", 0x0012_00a0),
    ("FW", 0x0012_0116),
    ("FR", 0x0012_0089),
    ("SD", 0x0001_0000),
    ("RC", 0x0002_0000),
    ("WD", 0x0004_0000),
    ("WO", 0x0008_0000),
    ("CC", 0x1),
    ("DC", 0x2),
    ("LC", 0x4),
    ("SW", 0x8),
    ("RP", 0x10),
    ("WP", 0x20),
    ("DT", 0x40),
    ("LO", 0x80),
    ("CR", 0x100),
];

#[cfg(any(windows, test))]
fn named(sid: &str) -> String {
    let name = match sid {
        "WD" => "everybody",
        "BU" => "all users",
        "AU" => "everybody who is logged in",
        "IU" => "everybody at this machine",
        sid => return format!("`{sid}`"),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANN: &str = "S-1-5-21-1-2-3-1001";
    const BOB: &str = "S-1-5-21-1-2-3-1002";

    #[track_caller]
    fn check(sddl: &str, of: Of, expected: &[&str]) {
        assert_eq!(of_sddl(sddl, ANN, of), expected, "{sddl}");
    }

    #[test]
    fn administrators_and_the_user_may_change_it_and_others_only_read() {
        let guarded = "O:BAG:SYD:P(A;;FA;;;SY)(A;;FA;;;BA)(A;;FR;;;BU)(A;;0x1200a9;;;WD)";
        check(guarded, Of::File, &[]);
        check(&format!("O:{ANN}G:BUD:AI(A;ID;FA;;;{ANN})(A;ID;FRFX;;;BU)"), Of::File, &[]);
        check("O:LAG:BUD:", Of::File, &[]);
    }

    #[test]
    fn whoever_else_may_write_delete_or_give_himself_leave_is_named() {
        let of = |rights: &str| format!("O:BAD:(A;;FA;;;BA)(A;;{rights};;;BU)S:AI(AU;SAFA;FA;;;WD)");
        for rights in ["FA", "FW", "GW", "GA", "SD", "WD", "FRWO", "0x1301bf", "0x2", "4", "??"] {
            check(&of(rights), Of::File, &["all users"]);
        }
        for rights in ["FR", "FRFX", "0x1200a9", "GRGX"] {
            check(&of(rights), Of::File, &[]);
        }
        let owned = format!("`{BOB}`, who owns it");
        check(&format!("O:{BOB}D:(A;;FA;;;BA)"), Of::File, &[&owned]);
        check("O:BAD:NO_ACCESS_CONTROL", Of::File, &["everybody"]);
        check("O:BAG:BA", Of::File, &["everybody"]);
        check("O:BAD:(D;;FA;;;BU)(A;OICIIO;FA;;;CO)", Of::File, &[]);
    }

    #[test]
    fn of_a_folder_it_counts_who_takes_away_what_is_in_it() {
        // As Windows hands it down to whatever is made in its folder for the data of programs.
        let handed_down = "O:BAD:AI(A;OICIID;FA;;;SY)(A;OICIID;FA;;;BA)(A;OICIIOID;GA;;;CO)(A;OICIID;0x1200a9;;;BU)\
                           (A;CIID;DCLCRPCR;;;BU)";
        check(handed_down, Of::Folder, &[]);
        check(handed_down, Of::File, &["all users"]);
        check("O:BAD:(A;;DT;;;BU)(A;;SD;;;AU)", Of::Folder, &["all users", "everybody who is logged in"]);
    }

    #[cfg(unix)]
    #[test]
    fn a_mode_says_who_else_may_change_it() {
        let check = |mode, user, of, expected: &[&str]| {
            assert_eq!(of_mode(mode, (user, 100), 1000, of), expected, "{mode:o}");
        };
        check(0o100_644, 0, Of::File, &[]);
        check(0o100_600, 1000, Of::File, &[]);
        check(0o100_644, 1001, Of::File, &["the user 1001, who owns it"]);
        check(0o100_664, 0, Of::File, &["the group 100"]);
        check(0o100_666, 0, Of::File, &["the group 100", "everybody"]);
        check(0o041_777, 0, Of::Folder, &[]);
        check(0o040_777, 0, Of::Folder, &["the group 100", "everybody"]);
    }
}
