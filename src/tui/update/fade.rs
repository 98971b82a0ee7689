//! Fades: typed as a state and a time.

use std::time::Duration;

use bulb_protocol::Percent;
use bulb_protocol::profile::Light;

use super::super::device::Device;
use super::super::model::{Model, Prompt};
use super::prompt;
use crate::color;

/// The time of a fade that names none.
const USUAL: Duration = Duration::from_secs(2);
/// The longest fade.
const LONGEST: Duration = Duration::from_secs(3_600);
pub(super) const FORMS: &str = "a colour, 50%, 2700K, on or off, and a time: orange 50% 3s";

pub(super) fn start(model: &mut Model) {
    let able = |device: &Device| device.is_connected() && device.reports_state();
    if model.targets().any(able) {
        prompt::start(model, Prompt::Fade);
    } else {
        model.show_info("a fade needs a connected bulb that reports its state");
    }
}

/// Reads `orange 50% 3s`.
pub(crate) fn parse(text: &str) -> Result<(Light, Duration), String> {
    let (mut light, mut over) = (Light::default(), None);
    let mut words: Vec<&str> = Vec::new();
    for word in text.split_whitespace() {
        let number = |unit: &[char]| word.strip_suffix(unit).and_then(|digits| digits.parse::<u16>().ok());
        if let Some(percent) = number(&['%']) {
            let percent = u8::try_from(percent).ok().and_then(|percent| Percent::new(percent).ok());
            light.brightness = Some(percent.ok_or_else(|| format!("{word} is not 0% to 100%"))?);
        } else if let Some(kelvin) = number(&['K', 'k']) {
            light.kelvin = Some(kelvin);
        } else if word == "on" || word == "off" {
            light.power = Some(word == "on");
        } else if word.starts_with(|c: char| c.is_ascii_digit())
            && word.ends_with(char::is_alphabetic)
            && let Ok(time) = humantime::parse_duration(word)
        {
            over = Some(time);
        } else {
            words.push(word);
        }
    }
    if !words.is_empty() {
        let words = words.join(" ");
        light.color = Some(color::parse(&words).map_err(|_| format!("{words:?} is not known. Use {FORMS}"))?);
    }
    let over = over.unwrap_or(USUAL);
    if light.features().is_empty() {
        return Err(format!("use {FORMS}"));
    }
    if over.is_zero() || over > LONGEST {
        return Err("a fade takes up to an hour: 500ms, 3s, 10m".to_owned());
    }
    Ok((light, over))
}

#[cfg(test)]
mod tests {
    use bulb_protocol::Rgb;

    use super::*;

    #[test]
    fn a_fade_is_a_state_and_a_time() {
        let orange = Some(Rgb::new(255, 165, 0));
        let half = Some(Percent::clamped(50));
        for (text, light, seconds) in [
            ("orange 50% 3s", Light { color: orange, brightness: half, ..Light::default() }, 3),
            ("50%", Light { brightness: half, ..Light::default() }, 2),
            ("1m off", Light { power: Some(false), ..Light::default() }, 60),
            ("2700K 10s", Light { kelvin: Some(2700), ..Light::default() }, 10),
            ("255, 165, 0", Light { color: orange, ..Light::default() }, 2),
        ] {
            assert_eq!(parse(text), Ok((light, Duration::from_secs(seconds))), "{text}");
        }
        for text in ["", "3s", "101%", "fast", "orange 0s", "orange 2h"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
