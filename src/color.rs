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
    let css = trimmed.strip_prefix("0x").or_else(|| trimmed.strip_prefix("0X")).unwrap_or(trimmed);
    match csscolorparser::parse(css) {
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
            "f80",
            "#f80",
            "255,136,0",
            " 255, 136 ,0",
            "rgb(255,136,0)",
        ] {
            assert_eq!(parse(text), Ok(orange), "{text}");
        }
        assert_eq!(parse("orange"), Ok(Rgb::new(255, 165, 0)));
        assert_eq!(parse("hsl(120, 100%, 50%)"), Ok(Rgb::new(0, 255, 0)));
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
            "FF00",
            "#",
            "灯",
            "0x",
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains("255,136,0") && error.contains(&format!("{text:?}")), "{text}: {error}");
        }
    }
}
