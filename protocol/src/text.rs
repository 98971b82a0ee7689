//! Rules for text that files, command lines and advertisements share: durations, name patterns, padding.

use core::time::Duration;

/// The longest duration that is accepted: a year. It keeps sums of durations far from overflowing.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Parses a duration in a profile or a rig: a number, which may have decimals, and `ms`, `s` or `m`.
/// Digits beyond a microsecond are cut off.
#[must_use]
pub fn parse_duration(text: &str) -> Option<Duration> {
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match text.get(number.len()..)? {
        "ms" => 1_000,
        "s" => 1_000_000,
        "m" => 60_000_000,
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    if fraction.is_empty() || !fraction.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    // Nine digits are enough for microseconds of any unit, and their product with it fits.
    let fraction = fraction.get(..9).unwrap_or(fraction);
    let scale = 10_u64.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let part = fraction.parse::<u64>().ok()? * unit / scale;
    let whole = whole.bytes().all(|digit| digit.is_ascii_digit()).then(|| whole.parse::<u64>().ok())??;
    let duration = Duration::from_micros(whole.checked_mul(unit)?.checked_add(part)?);
    (duration <= LONGEST).then_some(duration)
}

/// Removes the spaces and NULs that some bulbs pad their texts with, at both ends.
#[must_use]
pub fn trim_padding(text: &str) -> &str {
    text.trim_matches([' ', '\0'])
}

/// Returns true if a name matches a pattern, in which `*` stands for any run of characters and `?` for any one. The whole name
/// has to match, and upper and lower case are the same in every script.
///
/// ```
/// use bulb_protocol::text::glob;
/// assert!(glob("ELK-*", "elk-bledom"));
/// assert!(!glob("ELK-*", "MELK-OA"));
/// ```
#[must_use]
pub fn glob(pattern: &str, name: &str) -> bool {
    let (mut pattern, mut name) = (pattern.chars(), name.chars());
    // Where to go on when what follows the last `*` does not fit: one further in the name.
    let mut again: Option<(core::str::Chars<'_>, core::str::Chars<'_>)> = None;
    loop {
        let before = name.clone();
        match (pattern.next(), name.next()) {
            (None, None) => return true,
            (Some('*'), _) => {
                again = Some((pattern.clone(), before.clone()));
                name = before;
            }
            (Some(wanted), Some(found)) if wanted == '?' || same_letter(wanted, found) => {}
            _ => {
                let Some((after_star, mut rest)) = again.take() else { return false };
                if rest.next().is_none() {
                    return false;
                }
                (pattern, name) = (after_star.clone(), rest.clone());
                again = Some((after_star, rest));
            }
        }
    }
}

fn same_letter(a: char, b: char) -> bool {
    a.eq_ignore_ascii_case(&b) || (!a.is_ascii() && !b.is_ascii() && a.to_lowercase().eq(b.to_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, millis) in
            [("20ms", 20), ("200ms", 200), ("2s", 2_000), ("5m", 300_000), ("1.5s", 1_500), ("0.25m", 15_000)]
        {
            assert_eq!(parse_duration(text), Some(Duration::from_millis(millis)), "{text}");
        }
        assert_eq!(parse_duration("0.0001234567891s"), Some(Duration::from_micros(123)));
        assert_eq!(parse_duration("525600m"), Some(LONGEST));
        for text in [
            "",
            "1",
            "5",
            "s",
            "-1s",
            ".5s",
            "1.s",
            "1.2.3s",
            "1e3s",
            "1 s",
            "1h",
            "+1s",
            "1.+5s",
            "525601m",
            "99999999999s",
            "99999999999999999999s",
            "１s",
        ] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }

    #[test]
    fn padding() {
        assert_eq!(trim_padding(" Light-1 \0\0"), "Light-1");
        assert_eq!(trim_padding("\0 "), "");
    }

    #[test]
    fn globs() {
        for (pattern, name) in [
            ("ELK-*", "elk-bledom"),
            ("*_H6113*", "Govee_H6113_1A2B"),
            ("LEDnetWF??001D*", "LEDnetWF02001D112233"),
            ("*Light*", "My light"),
            ("*", ""),
            ("a*b*c", "a-b-b-c"),
            ("灯*", "灯泡"),
            ("küche-?", "KÜCHE-1"),
        ] {
            assert!(glob(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("ELK-*", "MELK-1"),
            ("a*b", "a-c"),
            ("", "a"),
            ("a?", "a"),
            ("LEDnet*", "LED"),
            ("a*b*c", "a-b-b"),
            // The Kelvin sign is no k: patterns of ASCII letters match ASCII letters only.
            ("k*", "\u{212a}1"),
        ] {
            assert!(!glob(pattern, name), "{pattern} {name}");
        }
    }
}
