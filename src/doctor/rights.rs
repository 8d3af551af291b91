//! Who of those that log on may change a folder, from the [words of Windows](crate::private::sddl).

use crate::private::sddl::{self, Access, Entry, bits};

/// Whoever logs on, by the names that SDDL has for them: users, authenticated users, everyone, whoever sits there, guests.
const ANYBODY: [(&str, &str); 10] = [
    ("BU", "Users"),
    ("S-1-5-32-545", "Users"),
    ("AU", "Authenticated Users"),
    ("S-1-5-11", "Authenticated Users"),
    ("WD", "Everyone"),
    ("S-1-1-0", "Everyone"),
    ("IU", "Interactive"),
    ("S-1-5-4", "Interactive"),
    ("BG", "Guests"),
    ("S-1-5-17", "IUSR"),
];

/// What changes a folder or what lies in it, and the generic rights that hold some of it.
const CHANGES: u32 = OWN_CHANGES | bits::GENERIC_WRITE | bits::GENERIC_ALL;

const OWN_CHANGES: u32 =
    bits::WRITE | bits::APPEND | bits::DELETE_CHILD | bits::DELETE | bits::GIVE_RIGHTS | bits::TAKE_OWNERSHIP;

/// Those of whoever logs on who may change what lies in a folder, without doubt: an entry that denies them something is
/// taken at its word only if it denies all of that. None if these are no rights.
pub fn may_change(sddl: &str) -> Option<Vec<&'static str>> {
    let entries = match sddl::access(sddl) {
        Access::Unsaid => return None,
        Access::Open => return Some(vec!["Everyone"]),
        Access::Listed(entries) => entries,
    };
    let mut found: Vec<&'static str> = Vec::new();
    let mut denied: Vec<&'static str> = Vec::new();
    for entry in entries {
        let Entry::Known { kind, rights, who, .. } = entry else { return None };
        let Some((_, name)) = ANYBODY.iter().find(|(known, _)| *known == who) else { continue };
        let changes = rights? & CHANGES;
        match kind {
            "D" if changes == OWN_CHANGES => denied.push(name),
            "A" | "XA" if changes != 0 && !denied.contains(name) && !found.contains(name) => found.push(name),
            _ => {}
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::rights::{of_shared, of_site, of_www};
    use crate::site::secrets::Sid;

    #[test]
    fn whoever_logs_on_and_may_change_a_folder_is_named() {
        let check = |sddl: &str, expected: &[&str]| assert_eq!(may_change(sddl).unwrap(), expected, "{sddl}");
        // The folder of a drive, as Windows sets it up, and one that was made in it.
        check(
            "O:S-1-5-80-1G:S-1-5-80-1D:PAI(A;;LC;;;AU)(A;OICIIO;SDGXGWGR;;;AU)(A;;FA;;;SY)(A;OICI;0x1200a9;;;BU)",
            &["Authenticated Users"],
        );
        check("D:AI(A;ID;FA;;;BA)(A;OICIID;0x1200a9;;;BU)(A;ID;0x1301bf;;;AU)", &["Authenticated Users"]);
        check(
            "D:(A;OICI;FA;;;BA)(A;;CCDCLC;;;S-1-5-32-545)(A;;GA;;;WD)S:(AU;SA;FA;;;WD)",
            &["Users", "Everyone"],
        );
        check("D:(D;OICI;FA;;;WD)(A;OICI;FA;;;WD)(A;;FA;;;S-1-5-21-1-2-3-500)", &[]);
        check("D:NO_ACCESS_CONTROL", &["Everyone"]);
        check("D:", &[]);
    }

    #[test]
    fn what_holdall_sets_lets_nobody_change_a_site() {
        let pool = Sid::parse("S-1-5-82-1-2-3-4-5").unwrap();
        for sddl in [of_site(&pool), of_shared(&pool), of_www(&pool)] {
            assert_eq!(may_change(&sddl).unwrap(), [""; 0], "{sddl}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_not_taken_for_harmless() {
        for sddl in ["", "O:BA", "D:(A;OICI;FA)", "D:(A;;ZZ;;;WD)", "D:(A;;0xzz;;;WD)", "D:(A;;é;;;WD)"] {
            assert_eq!(may_change(sddl), None, "{sddl}");
        }
    }
}
