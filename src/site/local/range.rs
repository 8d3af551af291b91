//! `Range` of one part of a file (RFC 9110, 14).

/// What a `Range` header asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    Whole,
    /// From the first byte to the one after the last.
    Part(u64, u64),
    Unsatisfiable,
}

/// Reads a header for a file of `length` bytes. Several ranges, and what is no range, count as none.
pub fn wanted(header: &str, length: u64) -> Wanted {
    let Some((first, last)) = header.strip_prefix("bytes=").and_then(|range| range.split_once('-')) else {
        return Wanted::Whole;
    };
    let number = |text: &str| text.trim().parse::<u64>().ok().filter(|_| !text.contains('+'));
    match (first.trim().is_empty(), number(first), last.trim().is_empty(), number(last)) {
        (true, _, _, Some(suffix)) if suffix > 0 && length > 0 => {
            Wanted::Part(length.saturating_sub(suffix), length)
        }
        (true, _, _, Some(_)) => Wanted::Unsatisfiable,
        (false, Some(first), _, Some(last)) if first > last => Wanted::Whole,
        (false, Some(first), true, _) | (false, Some(first), false, Some(_)) if first >= length => {
            Wanted::Unsatisfiable
        }
        (false, Some(first), true, _) => Wanted::Part(first, length),
        (false, Some(first), false, Some(last)) => Wanted::Part(first, length.min(last.saturating_add(1))),
        _ => Wanted::Whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_is_served_and_everything_else_is_the_whole() {
        for (header, expected) in [
            ("bytes=0-0", Wanted::Part(0, 1)),
            ("bytes=2-5", Wanted::Part(2, 6)),
            ("bytes=2-", Wanted::Part(2, 10)),
            ("bytes=8-99", Wanted::Part(8, 10)),
            ("bytes=0-18446744073709551615", Wanted::Part(0, 10)),
            ("bytes=-3", Wanted::Part(7, 10)),
            ("bytes=-30", Wanted::Part(0, 10)),
            ("bytes=-0", Wanted::Unsatisfiable),
            ("bytes=10-", Wanted::Unsatisfiable),
            ("bytes=10-12", Wanted::Unsatisfiable),
            ("bytes=5-2", Wanted::Whole),
            ("bytes=0-1,3-4", Wanted::Whole),
            ("bytes=+1-2", Wanted::Whole),
            ("bytes=-", Wanted::Whole),
            ("lines=1-2", Wanted::Whole),
            ("", Wanted::Whole),
        ] {
            assert_eq!(wanted(header, 10), expected, "{header}");
        }
        assert_eq!(wanted("bytes=0-", 0), Wanted::Unsatisfiable);
        assert_eq!(wanted("bytes=-1", 0), Wanted::Unsatisfiable);
    }
}
