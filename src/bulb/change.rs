//! A change of the settings that a command names. The others stay as they are.

use std::collections::BTreeMap;

use bulb_protocol::profile::{Feature, Features, Light, Profile};
use bulb_protocol::{LightState, Percent};

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
    /// Steps from the known values, in percent or kelvin. None is zero, and none is of a feature that `set` has.
    pub steps: BTreeMap<Feature, i32>,
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

    /// The features that it changes.
    pub fn features(&self) -> Features {
        let set = self.set.features();
        let set = if self.toggle { set.with(Feature::Power) } else { set };
        self.steps.keys().fold(set, |all, feature| all.with(*feature))
    }

    /// Merges a later change into this one. A colour, white or effect of the later one replaces an earlier one.
    pub fn then(self, later: Self) -> Self {
        let (power, toggle) = match (self.set.power, later.set.power) {
            (_, Some(on)) => (Some(on), later.toggle),
            (Some(on), None) => (Some(on != later.toggle), false),
            (None, None) => (None, self.toggle != later.toggle),
        };
        // A colour is not shown any more once white or an effect replaces it.
        let (mut before, mut steps) = (self.set, self.steps);
        if later.features().iter().any(|item| item.mode().is_some()) {
            let stepped = later.steps.keys().fold(Features::NONE, |all, feature| all.with(*feature));
            let kept = stepped.with(Feature::Speed).with(Feature::Brightness);
            before = before.only(kept);
            steps.retain(|feature, _| kept.contains(*feature));
        }
        steps.retain(|feature, _| !later.set.features().contains(*feature));
        for (feature, step) in later.steps {
            // A step from a value that is only to be set is one of the value.
            match before.number(feature) {
                Some(number) => before = before.with_number(feature, moved(number, step)),
                None => *steps.entry(feature).or_default() += step,
            }
        }
        steps.retain(|_, step| *step != 0);
        let set = Light { power, mode: None, ..before.merged(&later.set) };
        Self { set, toggle, steps }
    }

    /// The change with values in place of its steps: each from the present value, within the range of the family, and
    /// further where it would change nothing.
    ///
    /// # Errors
    /// A feature whose present value is not known.
    pub fn with_values(&self, profile: &Profile, present: &Light) -> Result<Self, Feature> {
        let mut set = self.set.clone();
        for (feature, step) in &self.steps {
            let mut start = present.number(*feature).ok_or(*feature)?;
            if *feature == Feature::White && profile.scales_brightness() && set.brightness.is_none() {
                // Such a bulb has one number for white and brightness, which reads as brightness.
                start = start * present.number(Feature::Brightness).unwrap_or(100) / 100;
                set.brightness = Some(Percent::MAX);
            }
            let (least, most) = profile.range(*feature).unwrap_or((0, u32::from(u16::MAX)));
            let limited = |number: u16| {
                let number = u32::from(number).clamp(least, most.max(least));
                u16::try_from(number).unwrap_or(u16::MAX)
            };
            let same = |number: u16| {
                let light = |number| Light::default().with_number(*feature, number);
                let same = profile.inexact(Features::NONE.with(*feature), &light(number), &light(start));
                // Without a scale, every value differs.
                same.is_empty() && !profile.scales_brightness()
            };
            let mut number = limited(moved(start, *step));
            loop {
                let next = limited(moved(number, step.signum()));
                if next == number || !same(number) {
                    break;
                }
                number = next;
            }
            set = set.with_number(*feature, number);
        }
        Ok(Self { set, steps: BTreeMap::new(), ..self.clone() })
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
        Self { set: Light { mode: None, ..set }, ..Self::default() }
    }
}

fn moved(number: u16, step: i32) -> u16 {
    let number = i32::from(number).saturating_add(step).max(0);
    u16::try_from(number).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use bulb_protocol::Rgb;

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

    fn step(feature: Feature, by: i32) -> Change {
        Change { steps: [(feature, by)].into(), ..Change::default() }
    }

    #[test]
    fn steps_of_two_changes_add_up() {
        let up = step(Feature::Brightness, 10);
        let down = step(Feature::Brightness, -30);
        assert_eq!(up.clone().then(down.clone()), step(Feature::Brightness, -20));
        assert!(up.clone().then(step(Feature::Brightness, -10)).is_empty());
        let half: Change = Light::default().with_number(Feature::Brightness, 50).into();
        assert_eq!(up.clone().then(half.clone()), half);
        assert_eq!(half.clone().then(down).set.brightness, Some(Percent::clamped(20)));
        let red: Change = Light { color: Some(Rgb::new(255, 0, 0)), ..Light::default() }.into();
        assert_eq!(step(Feature::White, 10).then(red.clone()), red, "white is not shown any more");
        assert_eq!(up.clone().then(red.clone()), Change { steps: up.steps, ..red });
    }

    #[test]
    fn a_step_ends_within_the_range_and_changes_something() {
        let profile = |name: &str| bulb_protocol::profile::builtin::load(name, None).unwrap();
        let after = |name: &str, feature, by, from: Option<u16>| {
            let present =
                from.map_or_else(Light::default, |from| Light::default().with_number(feature, from));
            step(feature, by).with_values(&profile(name), &present).map(|change| change.set.number(feature))
        };
        assert_eq!(after("base", Feature::Brightness, 10, Some(35)), Ok(Some(45)));
        assert_eq!(after("base", Feature::Brightness, 10, Some(95)), Ok(Some(100)));
        assert_eq!(after("base", Feature::Brightness, -10, Some(5)), Ok(Some(0)));
        assert_eq!(after("base", Feature::Brightness, 10, Some(100)), Ok(Some(100)));
        assert_eq!(after("base", Feature::Brightness, 10, None), Err(Feature::Brightness));
        let (_, warmest) = profile("hue").range(Feature::Kelvin).unwrap();
        // It has ten speeds, one of which is 50 to 61 %.
        assert_eq!(after("banlanx", Feature::Speed, 1, Some(50)), Ok(Some(62)));
        assert_eq!(after("banlanx", Feature::Speed, -1, Some(61)), Ok(Some(49)));
        assert_eq!(after("hue", Feature::Kelvin, 9_000, Some(3000)), Ok(u16::try_from(warmest).ok()));
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
