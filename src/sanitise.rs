//! Makes text from strangers safe to print: control characters never reach a terminal.

use std::borrow::Cow;
use std::fmt::Write;

use bulb_protocol::text::trim_padding;

/// True for characters that control a terminal or the direction of text: control characters (C0, DEL, C1), bidirectional
/// overrides and isolates, line and paragraph separators, and the byte-order mark.
fn is_control(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// Makes text safe to print on one line: trims padding and replaces control characters by visible escapes such as `\u{1b}`.
#[must_use]
pub fn sanitise(text: &str) -> Cow<'_, str> {
    escaped(trim_padding(text))
}

/// Like [`sanitise`], but keeps the padding.
pub(crate) fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(is_control) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if is_control(c) {
            safe.extend(c.escape_unicode());
        } else {
            safe.push(c);
        }
    }
    Cow::Owned(safe)
}

/// Makes a line of JSON safe to print: replaces control characters by JSON escapes, which keep the value. (In JSON they only occur
/// within strings.)
#[must_use]
pub fn json_safe(json: String) -> String {
    if !json.contains(is_control) {
        return json;
    }
    let mut safe = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        if is_control(c) {
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
    fn printable_text_stays() {
        for name in ["Light-Desk", "灯泡 Bulb", "💡 Light", "é", "a\"b\\"] {
            assert_eq!(sanitise(name), name);
        }
        assert_eq!(sanitise("ELK-BLEDOM   "), "ELK-BLEDOM");
        assert_eq!(sanitise("LEDnetWF02\0\0"), "LEDnetWF02");
    }

    #[test]
    fn control_characters_become_escapes() {
        assert_eq!(sanitise("\u{1b}[2JBulb"), "\\u{1b}[2JBulb");
        assert_eq!(sanitise("a\u{202e}b\u{9b}c\nd\te"), "a\\u{202e}b\\u{9b}c\\u{a}d\\u{9}e");
    }

    proptest! {
        #[test]
        fn no_control_characters_are_left(name in any::<String>()) {
            prop_assert!(!sanitise(&name).contains(is_control));
            let json = json_safe(serde_json::to_string(&name).unwrap());
            prop_assert!(!json.contains(is_control));
            prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), name);
        }
    }
}
