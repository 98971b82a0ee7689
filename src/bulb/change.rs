//! What is asked of a bulb: only what is named changes, the rest is kept.

use bulb_protocol::profile::Light;
use bulb_protocol::{LightState, Percent, Rgb};

/// What is asked of the power switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Power {
    /// Switch on.
    On,
    /// Switch off.
    Off,
    /// Switch over, from the state that the bulb reports.
    Toggle,
}

/// A change to a bulb's state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// The power switch, if it is to change.
    pub power: Option<Power>,
    /// The brightness, if it is to change.
    pub brightness: Option<Percent>,
    /// The colour, if it is to change.
    pub color: Option<Rgb>,
    /// The level of the white channel, if it is to change.
    pub white: Option<Percent>,
    /// The temperature of white in kelvin, if it is to change.
    pub kelvin: Option<u16>,
    /// The effect by its name or number, if it is to change.
    pub effect: Option<String>,
    /// The speed of effects, if it is to change.
    pub speed: Option<Percent>,
}

impl Change {
    /// A change of the power switch alone.
    #[must_use]
    pub fn power(power: Power) -> Self {
        Self { power: Some(power), ..Self::default() }
    }

    /// The change to exactly this state.
    #[must_use]
    pub fn whole(state: LightState) -> Self {
        let power = if state.power { Power::On } else { Power::Off };
        Self {
            power: Some(power),
            brightness: Some(state.brightness),
            color: Some(state.color),
            ..Self::default()
        }
    }

    /// Whether nothing is asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// This change and then the later one, as one. What the lamp shines with is that of the later one, if it says so.
    #[must_use]
    pub fn then(self, later: Self) -> Self {
        let power = match (self.power, later.power) {
            (power, None) | (None, power) => power,
            (Some(Power::On), Some(Power::Toggle)) => Some(Power::Off),
            (Some(Power::Off), Some(Power::Toggle)) => Some(Power::On),
            (Some(Power::Toggle), Some(Power::Toggle)) => None,
            (Some(_), power) => power,
        };
        // A colour that an effect or white has taken the place of is not shown any more.
        let shines = later.color.is_some()
            || later.white.is_some()
            || later.kelvin.is_some()
            || later.effect.is_some();
        let before = if shines {
            Self { speed: self.speed, brightness: self.brightness, ..Self::default() }
        } else {
            self
        };
        Self {
            power,
            brightness: later.brightness.or(before.brightness),
            color: later.color.or(before.color),
            white: later.white.or(before.white),
            kelvin: later.kelvin.or(before.kelvin),
            effect: later.effect.or(before.effect),
            speed: later.speed.or(before.speed),
        }
    }

    /// What is asked for as it is to be; a toggle from the power that is known, and without it not at all.
    #[must_use]
    pub fn wanted(&self, power: Option<bool>) -> Light {
        Light {
            power: match self.power {
                None => None,
                Some(Power::On) => Some(true),
                Some(Power::Off) => Some(false),
                Some(Power::Toggle) => power.map(|on| !on),
            },
            brightness: self.brightness,
            color: self.color,
            white: self.white,
            kelvin: self.kelvin,
            effect: self.effect.clone(),
            speed: self.speed,
            mode: None,
        }
    }

    /// The state that results from the present one.
    #[must_use]
    pub fn apply(&self, present: &Light) -> Light {
        present.clone().merged(&self.wanted(present.power))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIM_RED: LightState =
        LightState { power: false, brightness: Percent::MIN, color: Rgb::new(255, 0, 0) };

    #[test]
    fn keeps_what_is_not_named() {
        let dim: Light = DIM_RED.into();
        assert_eq!(Change::default().apply(&dim), dim);
        assert_eq!(Change::power(Power::On).apply(&dim), Light { power: Some(true), ..dim.clone() });
        let brighter = Change { brightness: Some(Percent::MAX), ..Change::default() };
        assert_eq!(brighter.apply(&dim), Light { brightness: Some(Percent::MAX), ..dim.clone() });
        let toggle = Change::power(Power::Toggle);
        assert_eq!(toggle.apply(&toggle.apply(&dim)), dim);
        assert_eq!(Change::whole(DIM_RED).apply(&Light::default()), dim);
        // What is not known cannot be switched over.
        assert_eq!(toggle.wanted(None), Light::default());
    }

    #[test]
    fn two_changes_are_one() {
        let powers = [None, Some(Power::On), Some(Power::Off), Some(Power::Toggle)];
        let shines = [
            Change::default(),
            Change { color: Some(Rgb::WHITE), ..Change::default() },
            Change { white: Some(Percent::MAX), ..Change::default() },
            Change { effect: Some("fade".to_owned()), speed: Some(Percent::MIN), ..Change::default() },
        ];
        let changes: Vec<Change> = powers
            .into_iter()
            .flat_map(|power| shines.iter().map(move |change| Change { power, ..change.clone() }))
            .flat_map(|change| {
                [None, Some(Percent::MAX)].map(|brightness| Change { brightness, ..change.clone() })
            })
            .collect();
        for (first, second) in
            changes.iter().flat_map(|first| changes.iter().map(move |second| (first, second)))
        {
            for present in [DIM_RED, LightState { power: true, ..DIM_RED }].map(Light::from) {
                let both = first.clone().then(second.clone()).apply(&present);
                let one_by_one = second.apply(&first.apply(&present));
                // What is not shown any more need not have been set.
                assert_eq!(
                    (both.power, both.brightness, both.mode),
                    (one_by_one.power, one_by_one.brightness, one_by_one.mode)
                );
                assert_eq!(both.speed, one_by_one.speed);
            }
        }
    }
}
