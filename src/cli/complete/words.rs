//! The words of a command line as shells quote them.

/// The quotes around the end of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quote {
    None,
    Single,
    Double,
}

/// Returns the text without quotes and backslashes, and the quotes that are open at its end.
pub(super) fn unquote(text: &str) -> (String, Quote) {
    let (mut plain, mut quote) = (String::new(), Quote::None);
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        quote = match (quote, letter) {
            (Quote::None, '\'') => Quote::Single,
            (Quote::None, '"') => Quote::Double,
            (Quote::Single, '\'') | (Quote::Double, '"') => Quote::None,
            (Quote::None | Quote::Double, '\\') => {
                plain.extend(letters.next());
                quote
            }
            (same, letter) => {
                plain.push(letter);
                same
            }
        };
    }
    (plain, quote)
}

pub(super) fn unquoted(text: &str) -> String {
    unquote(text).0
}

/// Quotes a text so that it can follow the end of another one. `None` if these quotes cannot hold it.
pub(super) fn quoted(text: &str, quote: Quote) -> Option<String> {
    match quote {
        Quote::Single => (!text.contains('\'')).then(|| text.to_owned()),
        Quote::Double => (!text.contains(['"', '$', '`', '\\', '!'])).then(|| text.to_owned()),
        Quote::None => {
            let mut safe = String::with_capacity(text.len());
            for letter in text.chars() {
                if letter.is_ascii() && !letter.is_ascii_alphanumeric() && !"-_./:,@%+=".contains(letter) {
                    safe.push('\\');
                }
                safe.push(letter);
            }
            Some(safe)
        }
    }
}

/// The words of a command line up to the cursor, as they are typed. The last one may be empty.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Words<'a> {
    pub(super) words: Vec<&'a str>,
    /// The last word is the file of a redirection.
    pub(super) redirected: bool,
}

/// Splits a command line. Redirections and their files are left out.
pub(super) fn split(line: &str) -> Words<'_> {
    let (mut words, mut redirected) = (Vec::new(), false);
    let mut rest = line;
    loop {
        rest = rest.trim_start();
        let (end, operator) = end_of_word(rest);
        let (word, after) = rest.split_at(end);
        let number = operator && word.chars().all(|letter| letter.is_ascii_digit());
        match (after.is_empty(), redirected) {
            (true, _) => {
                words.push(word);
                return Words { words, redirected };
            }
            (false, true) => {}
            (false, false) if !number => words.push(word),
            (false, false) => {}
        }
        redirected = operator;
        rest = if operator { after.trim_start_matches(['<', '>', '&', '|']) } else { after };
    }
}

/// Returns the end of the first word, and whether a redirection ends it.
fn end_of_word(text: &str) -> (usize, bool) {
    let (mut quote, mut escaped) = (Quote::None, false);
    for (at, letter) in text.char_indices() {
        match (quote, letter) {
            _ if escaped => escaped = false,
            (Quote::None | Quote::Double, '\\') => escaped = true,
            (Quote::None, '\'') => quote = Quote::Single,
            (Quote::None, '"') => quote = Quote::Double,
            (Quote::Single, '\'') | (Quote::Double, '"') => quote = Quote::None,
            (Quote::None, '<' | '>') => return (at, true),
            (Quote::None, letter) if letter.is_whitespace() => return (at, false),
            _ => {}
        }
    }
    (text.len(), false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_and_unquoted_as_a_shell_does() {
        for (line, words, redirected) in [
            ("bulbctl", &["bulbctl"][..], false),
            ("bulbctl ", &["bulbctl", ""], false),
            ("bulbctl on  Li", &["bulbctl", "on", "Li"], false),
            (r"bulbctl on Light\ D", &["bulbctl", "on", r"Light\ D"], false),
            ("bulbctl on 'Light D", &["bulbctl", "on", "'Light D"], false),
            ("bulbctl on \"a \\\" b\" x", &["bulbctl", "on", "\"a \\\" b\"", "x"], false),
            ("bulbctl scan > fi", &["bulbctl", "scan", "fi"], true),
            ("bulbctl scan 2>/dev/null --js", &["bulbctl", "scan", "--js"], false),
            ("bulbctl on x >file --", &["bulbctl", "on", "x", "--"], false),
            ("bulbctl on '", &["bulbctl", "on", "'"], false),
        ] {
            assert_eq!(split(line), Words { words: words.to_vec(), redirected }, "{line}");
        }
        for (text, plain, quote) in [
            (r"Light\ D", "Light D", Quote::None),
            ("'Light D", "Light D", Quote::Single),
            ("\"a\\\"b", "a\"b", Quote::Double),
            ("a'b'c", "abc", Quote::None),
            (r"a\", "a", Quote::None),
        ] {
            assert_eq!(unquote(text), (plain.to_owned(), quote), "{text}");
        }
    }

    #[test]
    fn what_is_quoted_is_unquoted_to_the_same() {
        for text in ["Light Desk", "$(reboot)", "a'b\"c", "`x`", "*?[a]{b}~#;&|<>()!\\", "Lämpchen 2", ""] {
            let safe = quoted(text, Quote::None).unwrap();
            assert_eq!(unquote(&safe), (text.to_owned(), Quote::None), "{safe}");
            for quote in ["'", "\""] {
                let open = unquote(quote).1;
                if let Some(safe) = quoted(text, open) {
                    assert_eq!(unquote(&format!("{quote}{safe}")), (text.to_owned(), open), "{safe}");
                }
            }
        }
        assert_eq!(quoted("$HOME", Quote::Double), None);
        assert_eq!(quoted("it's", Quote::Single), None);
    }
}
