//! A change of the settings that a command names. The others stay as they are.

use bulb_protocol::LightState;
use bulb_protocol::profile::{Feature, Features, Light};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Power {
    On,
    Off,
    Toggle,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// The values to set. Its mode is not set; it follows from the values.
    pub set: Light,
    /// Switches the power to the opposite of the known one.
    pub toggle: bool,
}

impl Change {
    pub fn power(power: Power) -> Self {
        let on = match power {
            Power::On => Some(true),
            Power::Off => Some(false),
            Power::Toggle => None,
        };
        Self { toggle: power == Power::Toggle, ..Light { power: on, ..Light::default() }.into() }
    }

    pub fn whole(state: LightState) -> Self {
        Light::from(state).into()
    }

    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Merges a later change into this one. A colour, white or effect of the later one replaces an earlier one.
    pub fn then(self, later: Self) -> Self {
        let (power, toggle) = match (self.set.power, later.set.power) {
            (_, Some(on)) => (Some(on), later.toggle),
            (Some(on), None) => (Some(on != later.toggle), false),
            (None, None) => (None, self.toggle != later.toggle),
        };
        // A colour is not shown any more once white or an effect replaces it.
        let before = if later.set.features().iter().any(|item| item.mode().is_some()) {
            self.set.only(Features::NONE.with(Feature::Speed).with(Feature::Brightness))
        } else {
            self.set
        };
        let set = Light { power, mode: None, ..before.merged(&later.set) };
        Self { set, toggle }
    }

    /// Returns the values to set. A toggle is left out if the power is not known.
    pub fn wanted(&self, power: Option<bool>) -> Light {
        let toggled = if self.toggle { power.map(|on| !on) } else { None };
        Light { power: self.set.power.or(toggled), ..self.set.clone() }
    }

    pub fn apply(&self, present: &Light) -> Light {
        present.clone().merged(&self.wanted(present.power))
    }
}

impl From<Light> for Change {
    fn from(set: Light) -> Self {
        Self { set: Light { mode: None, ..set }, toggle: false }
    }
}

#[cfg(test)]
mod tests {
    use bulb_protocol::{Percent, Rgb};

    use super::*;

    const DIM_RED: LightState =
        LightState { power: false, brightness: Percent::MIN, color: Rgb::new(255, 0, 0) };

    #[test]
    fn settings_that_a_change_does_not_name_stay() {
        let dim: Light = DIM_RED.into();
        assert_eq!(Change::default().apply(&dim), dim);
        assert_eq!(Change::power(Power::On).apply(&dim), Light { power: Some(true), ..dim.clone() });
        let brighter = Change::from(Light { brightness: Some(Percent::MAX), ..Light::default() });
        assert_eq!(brighter.apply(&dim), Light { brightness: Some(Percent::MAX), ..dim.clone() });
        let toggle = Change::power(Power::Toggle);
        assert_eq!(toggle.apply(&toggle.apply(&dim)), dim);
        assert_eq!(Change::whole(DIM_RED).apply(&Light::default()), dim);
        // An unknown power cannot be toggled.
        assert_eq!(toggle.wanted(None), Light::default());
    }

    #[test]
    fn two_changes_are_one() {
        let powers = [Power::On, Power::Off, Power::Toggle].map(Change::power);
        let powers = [Change::default()].into_iter().chain(powers);
        let sources = [
            Light::default(),
            Light { color: Some(Rgb::WHITE), ..Light::default() },
            Light { white: Some(Percent::MAX), ..Light::default() },
            Light { effect: Some("fade".to_owned()), speed: Some(Percent::MIN), ..Light::default() },
        ];
        let changes: Vec<Change> = powers
            .flat_map(|power| {
                sources.iter().map(move |light| {
                    let set = Light { power: power.set.power, ..light.clone() };
                    Change { set, ..power.clone() }
                })
            })
            .flat_map(|change| {
                [None, Some(Percent::MAX)].map(|brightness| {
                    let set = Light { brightness, ..change.set.clone() };
                    Change { set, ..change.clone() }
                })
            })
            .collect();
        for (first, second) in
            changes.iter().flat_map(|first| changes.iter().map(move |second| (first, second)))
        {
            for present in [DIM_RED, LightState { power: true, ..DIM_RED }].map(Light::from) {
                let both = first.clone().then(second.clone()).apply(&present);
                let one_by_one = second.apply(&first.apply(&present));
                // Values that are not shown any more may differ.
                assert_eq!(
                    (both.power, both.brightness, both.mode),
                    (one_by_one.power, one_by_one.brightness, one_by_one.mode)
                );
                assert_eq!(both.speed, one_by_one.speed);
            }
        }
    }
}
