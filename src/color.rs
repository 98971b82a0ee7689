//! Colours as people write them.

use bulb_protocol::Rgb;

/// Accepted forms of a colour, for error messages.
pub const FORMS: &str = "a CSS colour ('orange'), hex digits ('ff8800', '#ff8800', 'f80', '0xff8800'), 'rgb(…)', 'hsl(…)' or '255,136,0'";

/// Parses any CSS colour, hex digits (optionally with `#` or `0x`), or three decimal channels separated by commas.
///
/// # Errors
/// A sentence with the text and the accepted forms.
pub fn parse(text: &str) -> Result<Rgb, String> {
    let trimmed = text.trim();
    let wrong = |why: &str| Err(format!("{text:?} is {why}; use {FORMS}"));
    if trimmed.is_empty() {
        return wrong("not a colour (the shell treats an unquoted # as a comment: quote it or leave it out)");
    }
    if let Some(rgb) = channels(trimmed) {
        return rgb.map_or_else(|()| wrong("not a colour: it needs three channels from 0 to 255"), Ok);
    }
    let prefixes = ["0x", "0X", "#"];
    let digits = prefixes.iter().find_map(|prefix| trimmed.strip_prefix(prefix));
    let hex = |digits: &str| digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    if digits.is_some() || hex(trimmed) {
        let digits = digits.unwrap_or(trimmed);
        return match u32::from_str_radix(digits, 16) {
            Ok(value) if digits.len() == 6 && hex(digits) => {
                let [_, red, green, blue] = value.to_be_bytes();
                Ok(Rgb::new(red, green, blue))
            }
            Ok(value) if digits.len() == 3 && hex(digits) => {
                let [red, green, blue] =
                    [value >> 8, value >> 4, value].map(|digit| (digit & 0xf) as u8 * 0x11);
                Ok(Rgb::new(red, green, blue))
            }
            _ if digits.is_empty() || !hex(digits) => wrong("not a colour"),
            _ => wrong("not a colour: it has other than 3 or 6 hex digits"),
        };
    }
    match csscolorparser::parse(trimmed) {
        Ok(color) if ![color.r, color.g, color.b].iter().all(|channel| channel.is_finite()) => {
            wrong("not a colour")
        }
        Ok(color) if color.a < 1.0 => wrong("transparent, which no bulb can show"),
        Ok(color) => {
            let [red, green, blue, _] = color.to_rgba8();
            Ok(Rgb::new(red, green, blue))
        }
        Err(_) => wrong("not a colour"),
    }
}

/// Parses `255,136,0`. `None` if the text has another form; an error if a channel is out of range.
fn channels(text: &str) -> Option<Result<Rgb, ()>> {
    if !text.contains(',') || text.contains('(') {
        return None;
    }
    let channels: Result<Vec<_>, _> = text.split(',').map(|part| part.trim().parse::<u8>()).collect();
    Some(match channels.as_deref() {
        Ok(&[red, green, blue]) => Ok(Rgb::new(red, green, blue)),
        _ => Err(()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_form() {
        let orange = Rgb::new(255, 136, 0);
        for text in [
            "#ff8800",
            "ff8800",
            "FF8800",
            "0xff8800",
            "0Xff8800",
            "f80",
            "#f80",
            "0xf80",
            "255,136,0",
            " 255, 136 ,0",
            "rgb(255,136,0)",
            "rgb(255 136 0)",
            "rgb(100% 53.3% 0%)",
            "rgba(255,136,0,1)",
        ] {
            assert_eq!(parse(text), Ok(orange), "{text}");
        }
        assert_eq!(parse("orange"), Ok(Rgb::new(255, 165, 0)));
        assert_eq!(parse("ORANGE"), Ok(Rgb::new(255, 165, 0)));
        for text in ["hsl(120, 100%, 50%)", "hsl(120deg 100% 50%)", "hwb(120 0% 0%)", "0f0", "lime"] {
            assert_eq!(parse(text), Ok(Rgb::new(0, 255, 0)), "{text}");
        }
    }

    /// Four and eight digits have a transparency, which no bulb has.
    #[test]
    fn says_how_many_digits_a_colour_has() {
        for text in
            ["f", "ff", "ff0f", "FF00", "#ff0f", "ff880", "ff8800f", "ff8800ff", "#ff8800ff", "0xff8800ff"]
        {
            let error = parse(text).unwrap_err();
            assert!(error.contains("other than 3 or 6 hex digits"), "{text}: {error}");
        }
        let error = parse("rgba(255,136,0,0.5)").unwrap_err();
        assert!(error.contains("transparent"), "{error}");
    }

    #[test]
    fn refuses_the_rest_with_the_accepted_forms() {
        for text in [
            "",
            "orang",
            "256,0,0",
            "1,2",
            "1,2,3,4",
            "-1,0,0",
            "ff880",
            "transparent",
            "#",
            "#+ff880",
            "0x-ff880",
            "0xorange",
            "0x#ff8800",
            "##ff8800",
            "rgb(nan,0,0)",
            "rgb(1,2)",
            "灯",
            "0x",
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains("255,136,0") && error.contains(&format!("{text:?}")), "{text}: {error}");
        }
    }
}
