//! Who may change a folder, from the words in which Windows writes rights down
//! ([SDDL](https://learn.microsoft.com/windows/win32/secauthz/ace-strings)).

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

/// Write data or add files, append or add folders, delete children, delete, change rights, take ownership, and the generic
/// rights that hold these.
const CHANGES: u32 = 0x2 | 0x4 | 0x40 | 0x1_0000 | 0x4_0000 | 0x8_0000 | 0x4000_0000 | 0x1000_0000;

/// The rights that have names of two letters.
const NAMED: [(&str, u32); 21] = [
    ("FA", 0x1f_01ff),
    ("FR", 0x12_0089),
    ("FW", 0x12_0116),
    ("FX", 0x12_00a0),
    ("GA", 0x1000_0000),
    ("GR", 0x8000_0000),
    ("GW", 0x4000_0000),
    ("GX", 0x2000_0000),
    ("RC", 0x2_0000),
    ("SD", 0x1_0000),
    ("WD", 0x4_0000),
    ("WO", 0x8_0000),
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

/// Those of whoever logs on who may change what lies in a folder, without doubt: an entry that denies them something is
/// taken at its word only if it denies all of that. None if these are no rights.
pub fn may_change(sddl: &str) -> Option<Vec<&'static str>> {
    let (_, list) = sddl.split_once("D:")?;
    // What is audited stands behind.
    let list = list.split_once("S:(").map_or(list, |(list, _)| list);
    if list.starts_with("NO_ACCESS_CONTROL") {
        return Some(vec!["Everyone"]);
    }
    let mut found: Vec<&'static str> = Vec::new();
    let mut denied: Vec<&'static str> = Vec::new();
    for entry in list.split('(').skip(1) {
        let fields: Vec<&str> = entry.split(')').next()?.split(';').collect();
        let [kind, _, rights, _, _, who, ..] = fields[..] else { return None };
        let Some((_, name)) = ANYBODY.iter().find(|(known, _)| *known == who) else { continue };
        let changes = mask(rights)? & CHANGES;
        match kind {
            "D" if changes == CHANGES & 0x1f_01ff => denied.push(name),
            "A" | "XA" if changes != 0 && !denied.contains(name) && !found.contains(name) => found.push(name),
            _ => {}
        }
    }
    Some(found)
}

/// `FRFX`, or `0x1301bf`.
fn mask(rights: &str) -> Option<u32> {
    if let Some(digits) = rights.strip_prefix("0x") {
        return u32::from_str_radix(digits, 16).ok();
    }
    if rights.bytes().all(|byte| byte.is_ascii_digit()) {
        return if rights.is_empty() { Some(0) } else { rights.parse().ok() };
    }
    if !rights.is_ascii() {
        return None;
    }
    let pairs = rights.as_bytes().chunks(2);
    let mut bits =
        pairs.map(|pair| NAMED.iter().find(|(name, _)| name.as_bytes() == pair).map(|(_, bit)| *bit));
    bits.try_fold(0, |all, bit| Some(all | bit?))
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
