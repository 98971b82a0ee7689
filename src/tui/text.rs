//! Text that fits its columns, whatever devices are called.

use std::borrow::Cow;

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use crate::output::sanitise;

/// Makes a name safe for a column. Terminals disagree about the width of joined emoji and variation
/// selectors, so only their first character is kept.
pub(crate) fn plain(name: &str) -> String {
    let mut plain = String::new();
    for cluster in sanitise(name).graphemes(true) {
        let mut single = [0; 4];
        let sum: usize = cluster.chars().map(|c| c.encode_utf8(&mut single).width()).sum();
        if sum == cluster.width() && sum > 0 && !cluster.contains(['\u{200d}', '\u{fe0f}']) {
            plain.push_str(cluster);
        } else {
            plain.extend(cluster.chars().next().filter(|c| c.encode_utf8(&mut single).width() > 0));
        }
    }
    plain
}

/// Cuts a text to `width` columns, with `…` at the cut.
pub(crate) fn cut(text: &str, width: usize) -> Cow<'_, str> {
    if text.width() <= width {
        return Cow::Borrowed(text);
    }
    let room = width.saturating_sub(1);
    let (mut used, mut end) = (0, 0);
    for cluster in text.graphemes(true) {
        used += cluster.width();
        if used > room {
            break;
        }
        end += cluster.len();
    }
    let start = text.get(..end).unwrap_or_default();
    Cow::Owned(if width == 0 { String::new() } else { format!("{start}…") })
}

/// Cuts or pads a text to exactly `width` columns.
pub(crate) fn fit(text: &str, width: usize) -> String {
    let mut fitted = cut(text, width).into_owned();
    let missing = width.saturating_sub(fitted.width());
    fitted.extend(std::iter::repeat_n(' ', missing));
    fitted
}

/// Cuts or pads a text to exactly `width` columns, aligned right.
pub(crate) fn fit_right(text: &str, width: usize) -> String {
    let text = cut(text, width);
    format!("{}{text}", " ".repeat(width.saturating_sub(text.width())))
}

/// Breaks a text into lines of at most `width` columns, between words where possible. A character wider than
/// that gets its own line.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let mut lines = vec![String::new()];
    for word in text.split_inclusive(' ') {
        for piece in pieces(word, width) {
            let line = lines.last().map_or(0, |line| line.width());
            // A space at the end of a line takes no room.
            if line + piece.trim_end().width() > width {
                lines.push(String::new());
            }
            if let Some(line) = lines.last_mut()
                && !(line.is_empty() && piece.trim().is_empty())
            {
                line.push_str(piece);
            }
        }
    }
    lines.iter_mut().for_each(|line| line.truncate(line.trim_end().len()));
    lines.retain(|line| !line.is_empty());
    lines
}

/// Splits a word that is too long for a line into characters.
fn pieces(word: &str, width: usize) -> Vec<&str> {
    if word.trim_end().width() <= width { vec![word] } else { word.graphemes(true).collect() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn disputed_sequences_are_their_first_character() {
        for (name, shown) in [
            ("Light-Desk", "Light-Desk"),
            ("灯泡 Bulb", "灯泡 Bulb"),
            ("💡 Light", "💡 Light"),
            ("♻\u{fe0f}♻\u{fe0f}", "♻♻"),
            ("👩\u{200d}❤\u{fe0f}\u{200d}👨 Light", "👩 Light"),
            ("Ge\u{301}o", "Ge\u{301}o"),
            ("\u{301}x", "x"),
            ("\u{1b}[2JBulb", "\\u{1b}[2JBulb"),
        ] {
            assert_eq!(plain(name), shown, "{name}");
        }
    }

    #[test]
    fn wraps_between_words() {
        assert_eq!(wrap("turn Bluetooth on now", 10), ["turn", "Bluetooth", "on now"]);
        assert_eq!(wrap("abcdefghijkl", 5), ["abcde", "fghij", "kl"]);
        assert_eq!(wrap("", 5), Vec::<String>::new());
    }

    proptest! {
        #[test]
        fn a_column_is_as_wide_as_it_is(name in any::<String>(), width in 0_usize..40) {
            let name = plain(&name);
            prop_assert_eq!(fit(&name, width).width(), width);
            prop_assert_eq!(fit_right(&name, width).width(), width);
            for line in wrap(&name, width) {
                prop_assert!(line.width() <= width.max(1) || line.graphemes(true).count() == 1);
            }
        }
    }
}
