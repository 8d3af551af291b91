//! Rights in [the words of Windows](https://learn.microsoft.com/windows/win32/secauthz/security-descriptor-string-format):
//! who owns something, and who is given or refused what of it.
//!
//! What of that counts is for whoever asks to say, and so is what to make of words that cannot be read.

/// Rights that somebody asks for, each a bit.
pub mod bits {
    /// To write a file, and to make one in a folder.
    pub const WRITE: u32 = 0x2;
    /// To add to a file, and to make a folder in a folder.
    pub const APPEND: u32 = 0x4;
    /// To take away what lies in a folder.
    pub const DELETE_CHILD: u32 = 0x40;
    pub const DELETE: u32 = 0x1_0000;
    /// To say who has which rights.
    pub const GIVE_RIGHTS: u32 = 0x4_0000;
    pub const TAKE_OWNERSHIP: u32 = 0x8_0000;
    pub const GENERIC_ALL: u32 = 0x1000_0000;
    pub const GENERIC_WRITE: u32 = 0x4000_0000;
    /// All that there are of a file or folder.
    pub const ALL: u32 = 0x1f_01ff;
}

/// Those that have names of two letters.
const NAMED: [(&str, u32); 25] = [
    ("GA", bits::GENERIC_ALL),
    ("GX", 0x2000_0000),
    ("GW", bits::GENERIC_WRITE),
    ("GR", 0x8000_0000),
    ("FA", bits::ALL),
    ("FX", 0x12_00a0),
    ("FW", 0x12_0116),
    ("FR", 0x12_0089),
    // Those of keys of the registry, which some programs write for files, too.
    ("KA", 0xf_003f),
    ("KX", 0x2_0019),
    ("KW", 0x2_0006),
    ("KR", 0x2_0019),
    ("SD", bits::DELETE),
    ("RC", 0x2_0000),
    ("WD", bits::GIVE_RIGHTS),
    ("WO", bits::TAKE_OWNERSHIP),
    ("CC", 0x1),
    ("DC", bits::WRITE),
    ("LC", bits::APPEND),
    ("SW", 0x8),
    ("RP", 0x10),
    ("WP", 0x20),
    ("DT", bits::DELETE_CHILD),
    ("LO", 0x80),
    ("CR", 0x100),
];

/// What is said of who may do what.
#[derive(Debug, PartialEq, Eq)]
pub enum Access<'a> {
    /// Nothing is.
    Unsaid,
    /// No list is kept, so that everybody may do everything.
    Open,
    Listed(Vec<Entry<'a>>),
}

/// One line of the list.
#[derive(Debug, PartialEq, Eq)]
pub enum Entry<'a> {
    Known {
        /// `A` where it is given, `D` where it is refused, and others.
        kind: &'a str,
        /// Two letters each, `IO` where it is only handed down.
        flags: &'a str,
        /// None if they cannot be read.
        rights: Option<u32>,
        /// Whom it is about.
        who: &'a str,
    },
    /// Something that is none.
    Unread(&'a str),
}

/// Who owns it, if that is said.
pub fn owner(sddl: &str) -> Option<&str> {
    sddl.strip_prefix("O:").map(|rest| match rest.find([':', '(']) {
        // The letter before the colon begins the next part.
        Some(end) if rest[end..].starts_with(':') => &rest[..end - 1],
        _ => rest,
    })
}

/// Who may do what.
pub fn access(sddl: &str) -> Access<'_> {
    let Some((_, list)) = sddl.split_once("D:") else { return Access::Unsaid };
    let first = list.find('(').unwrap_or(list.len());
    if list[..first].contains("NO_ACCESS_CONTROL") {
        return Access::Open;
    }
    Access::Listed(bracketed(list).into_iter().map(entry).collect())
}

/// What stands in brackets, up to what is audited, which stands behind. An entry with a condition has brackets in it, and the
/// condition may have any text in quotes.
fn bracketed(list: &str) -> Vec<&str> {
    let (mut found, mut depth, mut start, mut is_quoted) = (Vec::new(), 0_u32, 0, false);
    for (at, character) in list.char_indices() {
        match character {
            '"' if depth > 0 => is_quoted = !is_quoted,
            _ if is_quoted => {}
            '(' => {
                start = if depth == 0 { at + 1 } else { start };
                depth += 1;
            }
            ')' if depth == 1 => {
                found.push(&list[start..at]);
                depth = 0;
            }
            ')' => depth = depth.saturating_sub(1),
            ':' if depth == 0 && list[..at].ends_with('S') => return found,
            _ => {}
        }
    }
    found.extend((depth > 0).then(|| &list[start..]));
    found
}

fn entry(whole: &str) -> Entry<'_> {
    let fields: Vec<&str> = whole.split(';').collect();
    match fields[..] {
        [kind, flags, rights, _, _, who, ..] => Entry::Known { kind, flags, rights: mask(rights), who },
        _ => Entry::Unread(whole),
    }
}

/// Whether flags, of two letters each, say that an entry counts for what lies below alone.
pub fn is_handed_down_alone(flags: &str) -> bool {
    flags.as_bytes().chunks(2).any(|flag| flag == b"IO")
}

/// The bits of rights, which are a number or names of two letters each: `0x1301bf`, or `FRFX`.
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
        NAMED.iter().find(|(known, _)| known.as_bytes() == name).map(|(_, bits)| mask | bits)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_is_whoever_stands_before_the_next_part() {
        let check = |sddl: &str, expected: Option<&str>| assert_eq!(owner(sddl), expected, "{sddl}");
        check("O:BAG:SYD:P(A;;FA;;;SY)", Some("BA"));
        check("O:S-1-5-21-1-2-3-1001D:(A;;FA;;;BA)", Some("S-1-5-21-1-2-3-1001"));
        check("O:BA", Some("BA"));
        check("D:(A;;FA;;;BA)", None);
    }

    #[test]
    fn a_list_is_read_entry_by_entry_and_without_what_is_audited() {
        let known = |kind, flags, rights, who| Entry::Known { kind, flags, rights, who };
        assert_eq!(
            access("O:BAD:PAI(A;OICIIO;FRFX;;;BU)(D;;0x2;;;WD)(A;;ZZ;;;AU)(A;OICI;FA)S:AI(AU;SAFA;FA;;;WD)"),
            Access::Listed(vec![
                known("A", "OICIIO", Some(0x12_00a9), "BU"),
                known("D", "", Some(bits::WRITE), "WD"),
                known("A", "", None, "AU"),
                Entry::Unread("A;OICI;FA"),
            ])
        );
        assert_eq!(access("D:"), Access::Listed(Vec::new()));
        assert_eq!((access("O:BAG:BA"), access("D:NO_ACCESS_CONTROL")), (Access::Unsaid, Access::Open));
    }

    #[test]
    fn an_entry_with_a_condition_is_one() {
        let known = |kind, rights, who| Entry::Known { kind, flags: "", rights, who };
        assert_eq!(
            access(
                "D:(XA;;FA;;;WD;(@User.x==1 && (Member_of {SID(BA)})))(XA;;FR;;;AU;(@User.t==\")S:(;\"))(A;;0x2;;;BU)S:(AU;SAFA;FA;;;WD)"
            ),
            Access::Listed(vec![
                known("XA", Some(bits::ALL), "WD"),
                known("XA", Some(0x12_0089), "AU"),
                known("A", Some(bits::WRITE), "BU"),
            ])
        );
        // What is cut short is looked at as far as it goes.
        assert_eq!(access("D:(A;;FA;;;WD"), Access::Listed(vec![known("A", Some(bits::ALL), "WD")]));
    }

    #[test]
    fn flags_are_two_letters_each() {
        for (flags, expected) in
            [("IO", true), ("OICIIO", true), ("CIOI", false), ("OICIID", false), ("", false)]
        {
            assert_eq!(is_handed_down_alone(flags), expected, "{flags}");
        }
    }

    #[test]
    fn rights_are_a_number_or_names() {
        let check = |text: &str, expected: Option<u32>| assert_eq!(mask(text), expected, "{text}");
        check("0x1301bf", Some(0x13_01bf));
        check("4", Some(bits::APPEND));
        check("CCDCLC", Some(0x1 | bits::WRITE | bits::APPEND));
        check("KA", Some(0xf_003f));
        check("KRKW", Some(0x2_001f));
        check("KX", Some(0x2_0019));
        check("", Some(0));
        for wrong in ["0xzz", "4x", "ZZ", "F", "é", "FAé"] {
            check(wrong, None);
        }
    }
}
