//! Names come from strangers: what controls a terminal never reaches one.

use std::borrow::Cow;
use std::fmt::Write;

use bulb_protocol::text::trim_padding;

/// Whether a character acts on a terminal or on the direction of text rather than being shown: control characters (C0,
/// DEL, C1), bidirectional overrides and isolates, line and paragraph separators, and the byte-order mark.
fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// Makes text safe to show and to keep on one line: padding is trimmed, and what acts on a terminal becomes an escape that can be read, such as
/// `\u{1b}`.
#[must_use]
pub fn sanitise(text: &str) -> Cow<'_, str> {
    escaped(trim_padding(text))
}

/// The same with the padding kept.
pub(crate) fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(acts) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if acts(c) {
            safe.extend(c.escape_unicode());
        } else {
            safe.push(c);
        }
    }
    Cow::Owned(safe)
}

/// Makes a line of JSON safe to show: what acts on a terminal becomes a JSON escape, so that the value stays
/// the same. (Such characters stand in JSON only within strings.)
#[must_use]
pub fn json_safe(json: String) -> String {
    if !json.contains(acts) {
        return json;
    }
    let mut safe = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        if acts(c) {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                // Writing to a string cannot fail.
                let _ = write!(safe, "\\u{unit:04x}");
            }
        } else {
            safe.push(c);
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_can_be_shown_stays() {
        for name in ["Light-Desk", "灯泡 Bulb", "💡 Light", "é", "a\"b\\"] {
            assert_eq!(sanitise(name), name);
        }
        assert_eq!(sanitise("ELK-BLEDOM   "), "ELK-BLEDOM");
        assert_eq!(sanitise("LEDnetWF02\0\0"), "LEDnetWF02");
    }

    #[test]
    fn what_acts_is_shown_as_an_escape() {
        assert_eq!(sanitise("\u{1b}[2JBulb"), "\\u{1b}[2JBulb");
        assert_eq!(sanitise("a\u{202e}b\u{9b}c\nd\te"), "a\\u{202e}b\\u{9b}c\\u{a}d\\u{9}e");
    }

    proptest! {
        #[test]
        fn nothing_that_acts_is_left(name in any::<String>()) {
            prop_assert!(!sanitise(&name).contains(acts));
            let json = json_safe(serde_json::to_string(&name).unwrap());
            prop_assert!(!json.contains(acts));
            prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), name);
        }
    }
}
