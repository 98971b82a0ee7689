//! Bytes in hex, as people and other tools write them.

/// Longest attribute value in bytes (Bluetooth Core 5.4, Vol 3, Part F, 3.2.9).
pub(crate) const LONGEST: usize = 512;

/// Text of an error message is cut to this many characters.
const SHOWN: usize = 40;

/// Reads `0164`, `01 64`, `01:64`, `01-64`, `0x01, 0x64`, `\x01\x64`, `(0x) 01-64` (nRF Connect), `<0164>`, `{0x01, 0x64}`. A single
/// digit is an error, because it would shift all digits after it.
pub(crate) fn hex(text: &str) -> Result<Vec<u8>, String> {
    let plain = bare(text.trim()).replace("\\x", " ");
    let mut bytes = Vec::new();
    for part in plain.split([' ', ':', ',', '-', '\t']) {
        let part = part.strip_prefix("0x").or_else(|| part.strip_prefix("0X")).unwrap_or(part);
        let digits: Vec<char> = part.chars().collect();
        for pair in digits.chunks(2) {
            let byte = match pair {
                [high, low] => high.to_digit(16).zip(low.to_digit(16)).map(|(high, low)| high << 4 | low),
                _ => None,
            };
            let byte = byte.and_then(|byte| u8::try_from(byte).ok()).ok_or_else(|| {
                let pair: String = pair.iter().collect();
                format!("{:?} is not hex: byte {} is {pair:?}", cut(text), bytes.len() + 1)
            })?;
            bytes.push(byte);
        }
    }
    limited(bytes)
}

/// Returns the bytes if an attribute can hold them.
pub(crate) fn limited(bytes: Vec<u8>) -> Result<Vec<u8>, String> {
    if bytes.len() > LONGEST {
        return Err(format!("the value is longer than {LONGEST} bytes"));
    }
    Ok(bytes)
}

/// The text without `(0x)` before it and brackets around it.
fn bare(text: &str) -> &str {
    let text = ["(0x)", "(0X)"].iter().find_map(|prefix| text.strip_prefix(prefix)).unwrap_or(text);
    let brackets = [('<', '>'), ('[', ']'), ('{', '}')];
    let inner = brackets.iter().find_map(|(open, close)| text.strip_prefix(*open)?.strip_suffix(*close));
    inner.unwrap_or(text).trim()
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[rustfmt::skip]
    fn every_spelling_is_read() {
        for text in [
            "0164ff0000", "0164FF0000", "01 64 ff 00 00", "01:64:ff:00:00", "01-64-FF-00-00",
            "0x01,0x64,0xff,0x00,0x00", "0x01, 0x64, 0xff, 0x00, 0x00", "0X0164ff0000", "0x0164FF0000",
            "(0x) 01-64-FF-00-00", "(0x)01-64-FF-00-00", "(0x) 0164ff0000", " (0x) 01 64 ff 00 00 ",
            r"\x01\x64\xff\x00\x00", "<0164ff00 00>", "{0x01, 0x64, 0xff, 0x00, 0x00}",
            "[01, 64, ff, 00, 00]", "01\t64\tff\t00\t00",
        ] {
            assert_eq!(hex(text).as_deref(), Ok(&[1, 0x64, 0xff, 0, 0][..]), "{text}");
        }
        assert_eq!(hex(""), Ok(Vec::new()));
    }

    #[test]
    fn the_wrong_byte_is_named_in_a_short_sentence() {
        for (text, want) in [
            ("01zz", "\"01zz\" is not hex: byte 2 is \"zz\""),
            ("012", "\"012\" is not hex: byte 2 is \"2\""),
            ("1 64", "\"1 64\" is not hex: byte 1 is \"1\""),
            ("01 +4", "\"01 +4\" is not hex: byte 2 is \"+4\""),
            ("(0x", "\"(0x\" is not hex: byte 1 is \"(0\""),
            ("0160ä", "\"0160ä\" is not hex: byte 3 is \"ä\""),
        ] {
            assert_eq!(hex(text), Err(want.to_owned()));
        }
        let long = hex(&"zä".repeat(2_000_000)).unwrap_err();
        assert!(long.len() < 200, "{long}");
        assert_eq!(hex(&"00".repeat(513)).unwrap_err(), "the value is longer than 512 bytes");
    }
}
