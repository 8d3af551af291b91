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
    /// Otherwise, and not to be told in words, but for these: something beside them is not known here. There are none where
    /// it is in a language of which nobody can tell what is on and what is off.
    Strange(Vec<String>),
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
            _ => return Rest::Strange(Vec::new()),
        };
        let (mut said, mut is_strange) = (Vec::new(), false);
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
                Usual::Zero | Usual::Nothing => is_strange = true,
                Usual::On | Usual::Off => {}
            }
        }
        // What newer servers add is off, or in some other word not set.
        let mut set: Vec<&String> =
            more.iter().filter(|value| !value.is_empty() && value.parse::<u64>().is_err()).collect();
        set.retain(|value| !words.contains(&value.as_str()) || value.as_str() == on);
        set.sort_unstable();
        set.dedup();
        is_strange |= set.len() > 1 || set.iter().any(|value| *value == on);
        match (is_strange, said.is_empty()) {
            (true, _) => Rest::Strange(said),
            (false, true) => Rest::Usual,
            (false, false) => Rest::Said(said),
        }
    }

    /// The words of `add` that make a row so, as far as there are any.
    pub fn words(&self) -> &[String] {
        match self {
            Rest::Said(words) | Rest::Strange(words) => words,
            Rest::Usual => &[],
        }
    }

    /// Whether the words do not say all of it.
    pub fn is_strange(&self) -> bool {
        matches!(self, Rest::Strange(_))
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

    fn strange(words: &[&str]) -> Rest {
        Rest::Strange(said(words).words().to_vec())
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
        check(two, ["Aktiviert", "Deaktiviert"], strange(&[]));
        check("off off off 0 0 (null) (null) off off", ["ja", "nein"], strange(&[]));
    }

    #[test]
    fn what_cannot_be_said_again_is_strange() {
        check(&format!("{USUAL} on"), ENGLISH, strange(&[]));
        check(&format!("{USUAL} off - Set"), ENGLISH, strange(&[]));
        check("on off on 0 0 (null) a&b off off", ENGLISH, strange(&[]));
        check("on off on soon 0 (null) (null) off off", ENGLISH, strange(&[]));
        // What stands beside it and was read is said again all the same.
        let asks = strange(&["clientcertnegotiation=enable"]);
        check("on off on 0 0 (null) (null) off on on", ENGLISH, asks.clone());
        check("on off on 0 0 (null) a&b off on", ["Aktiviert", "Deaktiviert"], asks);
        // An answer that says nothing of it.
        check("on off", ENGLISH, Rest::Usual);
    }
}
