//! Who may change a file, or take it away, beside the system, its administrators and the user who asks.

use std::io;
use std::path::Path;

#[cfg(any(windows, test))]
use super::sddl::{self, Access, Entry, bits};

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

/// What cannot be read counts as leave to change.
#[cfg(any(windows, test))]
fn of_sddl(sddl: &str, us: &str, of: Of) -> Vec<String> {
    let is_keeper = |sid: &str| KEEPERS.contains(&sid) || sid == us;
    let mut others = Vec::new();
    match sddl::owner(sddl) {
        Some(owner) if is_keeper(owner) => {}
        Some(owner) => others.push(format!("{}, who owns it", named(owner))),
        None => others.push("its owner, whom nobody knows".to_owned()),
    }
    let Access::Listed(entries) = sddl::access(sddl) else {
        others.push("everybody".to_owned());
        return others;
    };
    for entry in entries {
        match entry {
            Entry::Unread(entry) => others.push(format!("whoever `{entry}` names")),
            Entry::Known { kind, flags, rights, who } => {
                // What is refused gives nobody anything, and what is only handed down counts below.
                let counts = !["D", "OD", "XD"].contains(&kind) && !sddl::is_handed_down_alone(flags);
                if counts && !is_keeper(who) && rights.is_none_or(|rights| rights & harm(of) != 0) {
                    others.push(named(who));
                }
            }
        }
    }
    others.dedup();
    others
}

/// The rights with which somebody changes what a file says, or takes it away: writing, deleting, and giving oneself such
/// rights. In a folder new files do no harm.
#[cfg(any(windows, test))]
fn harm(of: Of) -> u32 {
    let gone_or_given = bits::DELETE | bits::GIVE_RIGHTS | bits::TAKE_OWNERSHIP | bits::GENERIC_ALL;
    match of {
        Of::Folder => bits::DELETE_CHILD | gone_or_given,
        Of::File => bits::WRITE | bits::APPEND | bits::GENERIC_WRITE | gone_or_given,
    }
}

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
        check("O:BAD:(XA;;FW;;;BU;(@User.x==1))(XD;;FA;;;AU;(@User.x==2))", Of::File, &["all users"]);
        for rights in ["FR", "FRFX", "0x1200a9", "GRGX"] {
            check(&of(rights), Of::File, &[]);
        }
        let owned = format!("`{BOB}`, who owns it");
        check(&format!("O:{BOB}D:(A;;FA;;;BA)"), Of::File, &[&owned]);
        check("O:BAD:NO_ACCESS_CONTROL", Of::File, &["everybody"]);
        check("O:BAG:BA", Of::File, &["everybody"]);
        check("O:BAD:(D;;FA;;;BU)(A;OICIIO;FA;;;CO)", Of::File, &[]);
        // In these flags the letters of another stand side by side.
        check("O:BAD:(A;CIOI;FA;;;BU)", Of::Folder, &["all users"]);
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
