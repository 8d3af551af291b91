//! What a row of http.sys says beside its certificate: whether visitors are asked for certificates of theirs, and how those are
//! looked at. Who replaces a row has to say all of it again, or it is as netsh itself makes one.

/// That of one row.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Rest {
    /// As netsh makes it when nothing is said.
    #[default]
    Usual,
    /// Otherwise, by these words of `add`.
    Said(Vec<String>),
    /// Otherwise, and not to be told in words: it is in a language that is not known here.
    Strange,
}

/// The words of `add` for the lines that follow the store, in their order, with what netsh takes for granted.
const LINES: [(&str, Usual); 9] = [
    ("verifyclientcertrevocation", Usual::On),
    ("verifyrevocationwithcachedclientcertonly", Usual::Off),
    ("usagecheck", Usual::On),
    ("revocationfreshnesstime", Usual::Zero),
    ("urlretrievaltimeout", Usual::Zero),
    ("sslctlidentifier", Usual::Nothing),
    ("sslctlstorename", Usual::Nothing),
    ("dsmapperusage", Usual::Off),
    ("clientcertnegotiation", Usual::Off),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Usual {
    On,
    Off,
    Zero,
    Nothing,
}

const ENGLISH: [&str; 2] = ["Enabled", "Disabled"];

impl Rest {
    /// Reads the values of the lines that follow the store. What is on and off is said in the language of the server: which
    /// word is which is known by what few rows have otherwise.
    pub fn read(values: &[String]) -> Rest {
        let Some((known, more)) = values.split_at_checked(LINES.len()) else { return Rest::Usual };
        let switches =
            || LINES.iter().zip(known).filter(|((_, usual), _)| matches!(usual, Usual::On | Usual::Off));
        let mut words: Vec<&str> = switches().map(|(_, value)| value.as_str()).collect();
        words.sort_unstable();
        words.dedup();
        let unusual = |on: &str| {
            switches().filter(|((_, usual), value)| (*usual == Usual::On) != (value.as_str() == on)).count()
        };
        let on = match words[..] {
            _ if words.iter().all(|word| ENGLISH.contains(word)) => ENGLISH[0],
            // Of five, one may be otherwise; the other way round it would be four.
            [first, _] if unusual(first) <= 1 => first,
            [_, second] if unusual(second) <= 1 => second,
            _ => return Rest::Strange,
        };
        let mut said = Vec::new();
        for ((word, usual), value) in LINES.iter().zip(known) {
            let is_on = value == on;
            let is_plain = value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
            match usual {
                Usual::On if !is_on => said.push(format!("{word}=disable")),
                Usual::Off if is_on => said.push(format!("{word}=enable")),
                Usual::Zero if value == "0" => {}
                Usual::Zero if value.parse::<u32>().is_ok() => said.push(format!("{word}={value}")),
                Usual::Nothing if value.is_empty() || value.starts_with('(') => {}
                Usual::Nothing if is_plain => said.push(format!("{word}={value}")),
                Usual::Zero | Usual::Nothing => return Rest::Strange,
                Usual::On | Usual::Off => {}
            }
        }
        // What newer servers add is off, or in some other word not set.
        let mut set: Vec<&String> =
            more.iter().filter(|value| !value.is_empty() && value.parse::<u64>().is_err()).collect();
        set.retain(|value| !words.contains(&value.as_str()) || value.as_str() == on);
        set.sort_unstable();
        set.dedup();
        match (set.len() > 1 || set.iter().any(|value| *value == on), said.is_empty()) {
            (true, _) => Rest::Strange,
            (false, true) => Rest::Usual,
            (false, false) => Rest::Said(said),
        }
    }

    /// The words of `add` that make a row so.
    pub fn words(&self) -> &[String] {
        match self {
            Rest::Said(words) => words,
            Rest::Usual | Rest::Strange => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USUAL: &str = "on off on 0 0 (null) (null) off off";

    #[track_caller]
    fn check(values: &str, [on, off]: [&str; 2], expected: Rest) {
        let values: Vec<String> = values
            .split(' ')
            .map(|value| match value {
                "on" => on.to_owned(),
                "off" => off.to_owned(),
                "-" => "Not Set".to_owned(),
                other => other.to_owned(),
            })
            .collect();
        assert_eq!(Rest::read(&values), expected, "{values:?}");
    }

    fn said(words: &[&str]) -> Rest {
        Rest::Said(words.iter().map(|word| (*word).to_owned()).collect())
    }

    #[test]
    fn one_thing_that_is_otherwise_is_known_in_any_language() {
        for words in [["Enabled", "Disabled"], ["Aktiviert", "Deaktiviert"], ["\u{fffd}", "b"]] {
            check(USUAL, words, Rest::Usual);
            check(&format!("{USUAL} off - - - 0 1048576"), words, Rest::Usual);
            check("on off on 0 0 (null) (null) off on", words, said(&["clientcertnegotiation=enable"]));
            check(
                "off off on 0 0 (null) (null) off off",
                words,
                said(&["verifyclientcertrevocation=disable"]),
            );
            check(
                "on off on 60 5000 (null) AdfsTrustedDevices off off",
                words,
                said(&[
                    "revocationfreshnesstime=60",
                    "urlretrievaltimeout=5000",
                    "sslctlstorename=AdfsTrustedDevices",
                ]),
            );
        }
    }

    #[test]
    fn more_than_that_is_known_in_english_alone() {
        let two = "off off on 0 0 (null) (null) off on";
        let words = ["verifyclientcertrevocation=disable", "clientcertnegotiation=enable"];
        check(two, ENGLISH, said(&words));
        check(two, ["Aktiviert", "Deaktiviert"], Rest::Strange);
        check("off off off 0 0 (null) (null) off off", ["ja", "nein"], Rest::Strange);
    }

    #[test]
    fn what_cannot_be_said_again_is_strange() {
        check(&format!("{USUAL} on"), ENGLISH, Rest::Strange);
        check(&format!("{USUAL} off - Set"), ENGLISH, Rest::Strange);
        check("on off on 0 0 (null) a&b off off", ENGLISH, Rest::Strange);
        check("on off on soon 0 (null) (null) off off", ENGLISH, Rest::Strange);
        // An answer that says nothing of it.
        check("on off", ENGLISH, Rest::Usual);
    }
}
