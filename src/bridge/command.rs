//! Commands: JSON as Home Assistant sends it to a light with `schema: json`, or a bare `ON`, `OFF` or `TOGGLE`.

use std::time::Duration;

use bulb_protocol::profile::{Feature, Light, Mode, Profile};
use bulb_protocol::{Percent, Rgb};
use serde_json::{Map, Value};

use crate::bulb::{Change, DriverCommand, Power};
use crate::color;
use crate::error::{Error, Result};

/// The longest payload of a command, bytes.
const LONGEST: usize = 4096;
/// The longest fade.
const LONGEST_TRANSITION: Duration = Duration::from_secs(3600);
/// Ends an effect.
pub const NO_EFFECT: &str = "off";

const KEYS: &str = "state, brightness, color, color_temp, white, effect, speed and transition";

/// A command before it is known which bulb gets it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LightCommand {
    change: Change,
    /// White at this level, which is a brightness or a white channel, as the family has it.
    white: Option<Percent>,
    end_effect: bool,
    over: Option<Duration>,
}

impl LightCommand {
    /// Reads a payload.
    ///
    /// # Errors
    /// [`Error::CommandInvalid`], which names the value and what it may be.
    pub fn parse(payload: &[u8]) -> Result<Self> {
        Self::read(payload).map_err(|detail| Error::CommandInvalid { detail })
    }

    fn read(payload: &[u8]) -> Result<Self, String> {
        if payload.len() > LONGEST {
            return Err(format!("it is longer than {LONGEST} bytes"));
        }
        let text = str::from_utf8(payload).map_err(|_| "it is not text in UTF-8".to_owned())?.trim();
        if let Some(power) = power(text) {
            return Ok(Self { change: Change::power(power), ..Self::default() });
        }
        let values: Map<String, Value> = serde_json::from_str(text).map_err(|error| {
            format!("it is neither ON, OFF or TOGGLE nor an object such as {{\"state\":\"ON\"}}: {error}")
        })?;
        let mut command = Self::default();
        for (key, value) in &values {
            command.set(key, value)?;
        }
        if command == Self::default() {
            return Err(format!("it sets nothing; the keys are {KEYS}"));
        }
        let sources = [command.change.set.color.is_some(), command.change.set.kelvin.is_some()];
        let sources = sources.into_iter().chain([command.white.is_some()]).filter(|set| *set).count();
        if sources > 1 {
            return Err("color, color_temp and white exclude each other".to_owned());
        }
        Ok(command)
    }

    fn set(&mut self, key: &str, value: &Value) -> Result<(), String> {
        let set = &mut self.change.set;
        match key {
            "state" => {
                let power = value.as_str().and_then(power);
                let power = power.ok_or_else(|| wrong(key, value, "ON, OFF or TOGGLE"))?;
                let change = Change::power(power);
                set.power = change.set.power;
                self.change.toggle = change.toggle;
            }
            "brightness" => set.brightness = Some(percent(key, value)?),
            "speed" => set.speed = Some(percent(key, value)?),
            "white" => self.white = Some(percent(key, value)?),
            "color" => set.color = Some(rgb(value)?),
            "color_temp" => {
                let kelvin = whole(value).and_then(|kelvin| u16::try_from(kelvin).ok());
                set.kelvin =
                    Some(kelvin.ok_or_else(|| wrong(key, value, "a whole number of kelvin, such as 2700"))?);
            }
            "effect" => match value.as_str() {
                Some(NO_EFFECT) => self.end_effect = true,
                Some(name) => set.effect = Some(name.to_owned()),
                None => return Err(wrong(key, value, "the name of an effect, or \"off\"")),
            },
            "transition" => {
                let over = value.as_f64().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
                let over = over.filter(|over| *over <= LONGEST_TRANSITION);
                let over = over.ok_or_else(|| wrong(key, value, "0 to 3600 seconds"))?;
                self.over = Some(over).filter(|over| !over.is_zero());
            }
            other => return Err(format!("it has an unknown key {other:?}; the keys are {KEYS}")),
        }
        Ok(())
    }

    /// A change, over a time.
    pub fn of(change: Change, over: Option<Duration>) -> Self {
        Self { change, over, ..Self::default() }
    }

    /// Merges a later command into this one: the newest value of each setting wins.
    pub fn then(self, later: Self) -> Self {
        let shows = |feature: Feature| feature.mode().is_some();
        let replaces = later.white.is_some() || later.end_effect || later.change.features().iter().any(shows);
        let mut before = self.change;
        if replaces {
            let kept = before.set.features().iter().filter(|feature| !shows(*feature)).collect();
            before.set = before.set.only(kept);
        }
        Self {
            change: before.then(later.change),
            white: later.white.or(self.white.filter(|_| !replaces)),
            end_effect: later.end_effect || (self.end_effect && !replaces),
            over: later.over,
        }
    }

    /// The command for a bulb of this family in this state.
    pub fn for_bulb(&self, profile: Option<&Profile>, known: &Light) -> DriverCommand {
        let mut change = self.change.clone();
        if let Some(white) = self.white {
            let dims = profile.is_some_and(|profile| profile.settable().contains(Feature::Brightness));
            if dims && change.set.brightness.is_none() {
                change.set.white = Some(Percent::MAX);
                change.set.brightness = Some(white);
            } else {
                change.set.white = Some(white);
            }
        }
        if self.end_effect && change.set.features().iter().all(|feature| feature.mode().is_none()) {
            let shows_effect = known.mode.is_none_or(|mode| mode == Mode::Effect);
            if let Some(profile) = profile.filter(|_| shows_effect) {
                change.set = change.set.merged(&without_effect(profile, known));
                change.set.mode = None;
            }
        }
        match self.over {
            // A fade needs values; a toggle has none yet, and effects do not fade.
            Some(over) if !change.toggle && change.set.effect.is_none() && !change.is_empty() => {
                DriverCommand::Fade(change.set, over)
            }
            _ => DriverCommand::Change(change),
        }
    }
}

/// What a bulb shows instead of an effect: its last colour, else white.
fn without_effect(profile: &Profile, known: &Light) -> Light {
    let settable = profile.settable();
    if settable.contains(Feature::Color) {
        return Light { color: Some(known.color.unwrap_or(Rgb::WHITE)), ..Light::default() };
    }
    if let Some((least, most)) = profile.range(Feature::Kelvin).filter(|_| settable.contains(Feature::Kelvin))
    {
        let middle = u16::try_from(least.midpoint(most)).ok();
        return Light { kelvin: known.kelvin.or(middle), ..Light::default() };
    }
    match settable.contains(Feature::White) {
        true => Light { white: Some(known.white.unwrap_or(Percent::MAX)), ..Light::default() },
        false => Light::default(),
    }
}

fn power(text: &str) -> Option<Power> {
    [("ON", Power::On), ("OFF", Power::Off), ("TOGGLE", Power::Toggle)]
        .into_iter()
        .find_map(|(name, power)| text.eq_ignore_ascii_case(name).then_some(power))
}

fn wrong(key: &str, value: &Value, may_be: &str) -> String {
    let value: String = value.to_string().chars().take(40).collect();
    format!("{key} is {may_be}, not {value}")
}

/// Rounds a number to a whole one.
fn whole(value: &Value) -> Option<u64> {
    let number = value.as_f64()?.round();
    // The largest value is a colour temperature.
    (0.0..=f64::from(u16::MAX)).contains(&number).then_some(number as u64)
}

fn percent(key: &str, value: &Value) -> Result<Percent, String> {
    let percent = whole(value).and_then(|number| u8::try_from(number).ok());
    percent.and_then(|number| Percent::new(number).ok()).ok_or_else(|| wrong(key, value, "0 to 100"))
}

/// `{"r": 255, "g": 0, "b": 0}`, or any text that the command line takes.
fn rgb(value: &Value) -> Result<Rgb, String> {
    if let Some(text) = value.as_str() {
        return color::parse(text).map_err(|error| format!("color {text:?}: {error}"));
    }
    let part = |name: &str| {
        let part = value.get(name).and_then(whole).and_then(|number| u8::try_from(number).ok());
        part.ok_or_else(|| {
            wrong("color", value, "an object with r, g and b from 0 to 255, or a text such as \"orange\"")
        })
    };
    Ok(Rgb::new(part("r")?, part("g")?, part("b")?))
}

#[cfg(test)]
mod tests {
    use bulb_protocol::profile::builtin;

    use super::*;

    fn parse(text: &str) -> Result<LightCommand, String> {
        LightCommand::parse(text.as_bytes()).map_err(|error| error.to_string())
    }

    fn on(profile: &str, known: &Light, text: &str) -> DriverCommand {
        let profile = builtin::load(profile, None).unwrap();
        parse(text).unwrap().for_bulb(Some(&profile), known)
    }

    fn change(light: Light) -> DriverCommand {
        DriverCommand::Change(light.into())
    }

    #[test]
    fn p16_a_command_is_one_change_of_what_it_names() {
        let known = Light::default();
        let red = Light {
            power: Some(true),
            brightness: Percent::new(30).ok(),
            color: Some(Rgb::new(255, 0, 0)),
            ..Light::default()
        };
        let text = r#"{"state":"ON","brightness":30,"color":{"r":255,"g":0,"b":0}}"#;
        assert_eq!(on("base", &known, text), change(red.clone()));
        let text = r#"{"brightness":30}"#;
        let only = Light { brightness: red.brightness, ..Light::default() };
        assert_eq!(on("base", &known, text), change(only.clone()), "no power");
        assert_eq!(on("base", &known, "off"), DriverCommand::Change(Change::power(Power::Off)));
        assert_eq!(
            on("base", &known, r#"{"state":"toggle"}"#),
            DriverCommand::Change(Change::power(Power::Toggle))
        );
        let fade = on("base", &known, r#"{"brightness":30.2,"transition":2.5}"#);
        assert_eq!(fade, DriverCommand::Fade(only, Duration::from_millis(2500)));
    }

    #[test]
    fn white_is_a_brightness_where_the_family_has_one() {
        let white = |profile: &str| match on(profile, &Light::default(), r#"{"white":40}"#) {
            DriverCommand::Change(change) => {
                (change.set.white.map(Percent::get), change.set.brightness.map(Percent::get))
            }
            other => panic!("{other:?}"),
        };
        let families = builtin::families().unwrap();
        let profiles = families.iter().map(|family| family.profile(None).unwrap());
        let with_white: Vec<_> =
            profiles.filter(|profile| profile.settable().contains(Feature::White)).collect();
        assert!(!with_white.is_empty());
        for profile in with_white {
            let dims = profile.settable().contains(Feature::Brightness);
            let want = if dims { (Some(100), Some(40)) } else { (Some(40), None) };
            assert_eq!(white(&profile.name), want, "{}", profile.name);
        }
    }

    #[test]
    fn the_end_of_an_effect_is_the_last_colour() {
        let known = Light {
            color: Some(Rgb::new(1, 2, 3)),
            effect: Some("rainbow".to_owned()),
            mode: Some(Mode::Effect),
            ..Light::default()
        };
        let text = r#"{"effect":"off"}"#;
        assert_eq!(on("elk", &known, text), change(Light { color: known.color, ..Light::default() }));
        let shown = Light { mode: Some(Mode::Color), ..known.clone() };
        assert_eq!(on("elk", &shown, text), change(Light::default()), "there is none");
        let text = r#"{"effect":"off","color":"blue"}"#;
        let blue = Light { color: Some(Rgb::new(0, 0, 255)), ..Light::default() };
        assert_eq!(on("elk", &known, text), change(blue));
    }

    #[test]
    fn any_payload_is_a_command_or_an_error() {
        use proptest::prelude::*;
        let base = builtin::load("base", None).unwrap();
        let value =
            prop_oneof![any::<f64>().prop_map(Value::from), ".*".prop_map(Value::from), Just(Value::Null)];
        let keys =
            ["state", "brightness", "color", "color_temp", "white", "effect", "speed", "transition", "x"];
        let object = prop::collection::btree_map(prop::sample::select(keys.to_vec()), value, 0..4);
        let object = object.prop_map(|map| serde_json::to_vec(&map).unwrap());
        proptest!(|(payload in prop_oneof![object, prop::collection::vec(any::<u8>(), 0..64)])| {
            if let Ok(command) = LightCommand::parse(&payload) {
                command.clone().then(command).for_bulb(Some(&base), &Light::default());
            }
        });
    }

    #[test]
    fn two_commands_are_one() {
        let both = |first: &str, second: &str| parse(first).unwrap().then(parse(second).unwrap());
        for (first, second, one) in [
            ("ON", r#"{"brightness":30}"#, r#"{"state":"ON","brightness":30}"#),
            ("ON", "OFF", "OFF"),
            (r#"{"color":"red"}"#, r#"{"white":30}"#, r#"{"white":30}"#),
            (r#"{"white":30,"state":"ON"}"#, r#"{"color":"red"}"#, r#"{"color":"red","state":"ON"}"#),
            (r#"{"effect":"rainbow"}"#, r#"{"effect":"off"}"#, r#"{"effect":"off"}"#),
            (r#"{"white":30}"#, r#"{"brightness":60}"#, r#"{"white":30,"brightness":60}"#),
        ] {
            assert_eq!(both(first, second), parse(one).unwrap(), "{first} {second}");
        }
    }

    #[test]
    fn what_is_wrong_names_the_value_and_the_range() {
        for (text, want) in [
            ("", "neither ON, OFF or TOGGLE"),
            ("[]", "neither ON, OFF or TOGGLE"),
            ("{}", "it sets nothing"),
            (r#"{"brightness":130}"#, "brightness is 0 to 100, not 130"),
            (r#"{"brightness":-1}"#, "brightness is 0 to 100, not -1"),
            (r#"{"brightness":"30"}"#, "brightness is 0 to 100, not \"30\""),
            (r#"{"state":"on!"}"#, "state is ON, OFF or TOGGLE, not \"on!\""),
            (r#"{"color":{"r":1,"g":2}}"#, "color is an object with r, g and b"),
            (r#"{"color":"blurple"}"#, "color \"blurple\""),
            (r#"{"color_temp":0.5e9}"#, "color_temp is a whole number of kelvin"),
            (r#"{"transition":-1}"#, "transition is 0 to 3600 seconds, not -1"),
            (r#"{"transition":1e300}"#, "transition is 0 to 3600 seconds"),
            (r#"{"effect":3}"#, "effect is the name of an effect"),
            (r#"{"brigthness":30}"#, "unknown key \"brigthness\""),
            (r#"{"color":"red","white":3}"#, "exclude each other"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(want), "{text}: {error}");
        }
        let long = format!("{{\"effect\":\"{}\"}}", "x".repeat(5000));
        assert!(parse(&long).unwrap_err().contains("longer than 4096 bytes"));
        assert!(LightCommand::parse(b"\xff").is_err());
    }
}
