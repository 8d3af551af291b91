//! Amounts as people type them: `30d`, `5GB`.

use std::str::FromStr;
use std::time::Duration;

/// A time: `90min`, `12h`, `30d`, `2w`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Age(pub Duration);

/// A size in bytes: `500MB`, `1.5GiB`, `0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(pub u64);

impl FromStr for Age {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Age, Self::Err> {
        if text.starts_with('-') {
            return Err("an age is not below zero: give a whole number and its unit, as in `30d`");
        }
        let (number, unit) = parts(text);
        let seconds = match unit {
            "min" => 60,
            "h" => 60 * 60,
            "d" => 24 * 60 * 60,
            "w" => 7 * 24 * 60 * 60,
            _ => return Err("give a number and one of `min`, `h`, `d`, `w`, as in `30d`"),
        };
        let number: u64 = number.parse().map_err(|_| "give a whole number before the unit, as in `30d`")?;
        number.checked_mul(seconds).map(|seconds| Age(Duration::from_secs(seconds))).ok_or("that is too long")
    }
}

impl FromStr for Size {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Size, Self::Err> {
        if text.starts_with('-') {
            return Err("a size is not below zero: give a number and its unit, as in `5GB`");
        }
        let (number, unit) = parts(text);
        let bytes = match unit.to_ascii_lowercase().as_str() {
            "b" => 1,
            // Nobody means bytes, but nothing is nothing in every unit.
            "" if number.parse() == Ok(0.0) => 1,
            "k" | "kb" => 1_000,
            "m" | "mb" => 1_000_000,
            "g" | "gb" => 1_000_000_000,
            "t" | "tb" => 1_000_000_000_000,
            "ki" | "kib" => 1 << 10,
            "mi" | "mib" => 1 << 20,
            "gi" | "gib" => 1 << 30,
            "ti" | "tib" => 1_u64 << 40,
            _ => {
                return Err(
                    "give a number and one of `kB`, `MB`, `GB`, `TB`, `KiB`, `MiB`, `GiB`, as in `5GB`",
                );
            }
        };
        let number: f64 = number.parse().map_err(|_| "give a number before the unit, as in `5GB`")?;
        Ok(Size((number * bytes as f64) as u64))
    }
}

/// The number and the unit behind it.
fn parts(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    (number, unit.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_whole_numbers_with_a_unit() {
        let seconds = |text: &str| text.parse::<Age>().ok().map(|age| age.0.as_secs());
        assert_eq!(
            ["0d", "90min", "12h", "30d", "2 w"].map(seconds),
            [0, 5400, 43200, 2_592_000, 1_209_600].map(Some)
        );
        let wrong = ["", "30", "d", "1.5d", "-1d", "30 days", "99999999999999999999d", "9999999999999999w"];
        assert_eq!(wrong.map(seconds), [None; 8]);
    }

    #[test]
    fn sizes_are_decimal_unless_they_say_otherwise() {
        let bytes = |text: &str| text.parse::<Size>().ok().map(|size| size.0);
        assert_eq!(
            ["0", "5GB", "1.5 kB", "2G", "1GiB", "10mib"].map(bytes),
            [0, 5_000_000_000, 1500, 2_000_000_000, 1 << 30, 10 << 20].map(Some)
        );
        assert_eq!(["", "2", "GB", "5 bytes", "-5GB", "1.2.3MB", "infGB"].map(bytes), [None; 7]);
    }
}
