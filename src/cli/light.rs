//! The settings of a light on the command line.

use bulb_protocol::profile::{Feature, Light as Settings};
use bulb_protocol::{Percent, Rgb};
use clap::{Args, ValueEnum};

use super::args::percent;
use super::global::When;
use crate::bulb::Change;
use crate::color;
use crate::error::{Error, Result};

/// The settings of a light.
#[derive(Debug, Args)]
#[group(id = "light", multiple = true)]
pub(crate) struct Light {
    /// Switch on
    #[arg(long)]
    on: bool,
    /// Switch off
    #[arg(long, conflicts_with = "on")]
    off: bool,
    /// Brightness in percent, or a step: +10, -10
    #[arg(long, value_name = "0-100", value_parser = level, allow_hyphen_values = true)]
    brightness: Option<Setting<Percent>>,
    /// Colour: orange, ff8800, '#ff8800', 'hsl(30,100%,50%)' or 255,136,0
    #[arg(long, alias = "colour", value_name = "COLOR", value_parser = bulb_color, num_args = 0..=1, default_missing_value = "")]
    color: Option<Rgb>,
    /// White channel in percent, or a step
    #[arg(long, value_name = "0-100", value_parser = level, allow_hyphen_values = true, conflicts_with = "color")]
    white: Option<Setting<Percent>>,
    /// Colour temperature of white in kelvin, or a step: +500, -500
    #[arg(long, value_name = "K", value_parser = kelvin, allow_hyphen_values = true, conflicts_with_all = ["color", "white"])]
    kelvin: Option<Setting<u16>>,
    /// Effect, by name or number; `bulbctl profiles show NAME` lists them
    #[arg(long, value_name = "NAME", conflicts_with_all = ["white", "kelvin"])]
    effect: Option<String>,
    /// Speed of the effect in percent, or a step
    #[arg(long, value_name = "0-100", value_parser = level, allow_hyphen_values = true)]
    speed: Option<Setting<Percent>>,
}

/// A value, or a step from the present one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Setting<T> {
    To(T),
    By(i32),
}

impl<T: Copy> Setting<T> {
    const fn value(self) -> Option<T> {
        match self {
            Self::To(value) => Some(value),
            Self::By(_) => None,
        }
    }

    const fn step(self) -> Option<i32> {
        match self {
            Self::To(_) => None,
            Self::By(step) => Some(step),
        }
    }
}

impl Light {
    pub(crate) fn change(&self) -> Change {
        let set = Settings {
            power: (self.on || self.off).then_some(self.on),
            brightness: self.brightness.and_then(Setting::value),
            color: self.color,
            white: self.white.and_then(Setting::value),
            kelvin: self.kelvin.and_then(Setting::value),
            effect: self.effect.clone(),
            speed: self.speed.and_then(Setting::value),
            mode: None,
        };
        let steps = [
            (Feature::Brightness, self.brightness.and_then(Setting::step)),
            (Feature::White, self.white.and_then(Setting::step)),
            (Feature::Kelvin, self.kelvin.and_then(Setting::step)),
            (Feature::Speed, self.speed.and_then(Setting::step)),
        ];
        let steps = steps.into_iter().filter_map(|(feature, step)| Some((feature, step?))).collect();
        Change { steps, ..set.into() }
    }

    /// The settings where there is no bulb, and so no present value.
    pub(crate) fn settings(&self) -> Result<Settings> {
        let change = self.change();
        match change.steps.keys().next() {
            Some(feature) => {
                Err(Error::Usage(format!("a step of {feature} makes no sense here; give the value itself")))
            }
            None => Ok(change.set),
        }
    }
}

/// Parses `+10` or `-10`; `None` without a sign.
fn step(text: &str, most: i32) -> Option<Result<i32, String>> {
    let number = text.strip_suffix('%').unwrap_or(text).trim();
    let unsigned = number.strip_prefix(['+', '-'])?;
    let digits = unsigned.chars().all(|c| c.is_ascii_digit());
    let step = number.parse().ok().filter(|step: &i32| digits && *step != 0 && step.abs() <= most);
    Some(step.ok_or_else(|| format!("a step is +1 to +{most} or -1 to -{most}")))
}

fn level(text: &str) -> Result<Setting<Percent>, String> {
    match step(text, 100) {
        Some(step) => step.map(Setting::By),
        None => percent(text).map(Setting::To),
    }
}

fn kelvin(text: &str) -> Result<Setting<u16>, String> {
    match step(text, 10_000) {
        Some(step) => step.map(Setting::By),
        None => text.parse().map(Setting::To).map_err(|_| {
            "must be a whole number of kelvin, such as 2700, or a step, such as +500".to_owned()
        }),
    }
}

/// Parses the colour of a bulb. Points users of the old `--color auto|always|never` to `--color-output`.
fn bulb_color(text: &str) -> Result<Rgb, String> {
    match When::from_str(text, true) {
        Ok(_) => Err(format!("this is the bulb's colour; for the output's, use --color-output {text}")),
        Err(_) => color::parse(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_makes_a_step() {
        let percent = |percent| Ok(Setting::To(Percent::new(percent).unwrap()));
        assert_eq!(level("10"), percent(10));
        assert_eq!(level("10%"), percent(10));
        assert_eq!((level("+10"), level("-100 %")), (Ok(Setting::By(10)), Ok(Setting::By(-100))));
        assert_eq!((kelvin("2700"), kelvin("-500")), (Ok(Setting::To(2700)), Ok(Setting::By(-500))));
        for wrong in ["+101", "-0", "+", "--10", "+-1", "-1.5", "101", "ten", ""] {
            assert!(level(wrong).is_err(), "{wrong}");
        }
        for wrong in ["+10001", "-", "+0", "warm", "70000"] {
            assert!(kelvin(wrong).is_err(), "{wrong}");
        }
    }
}
