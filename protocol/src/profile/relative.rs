//! Commands that change the state by a step: a toggle of the power, a level up or down.

use super::abilities::Abilities;
use super::light::{Feature, Features, Light};
use super::{Command, EncodeError, Profile};
use crate::Percent;

/// A change relative to the present state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relative {
    /// The power, which is toggled, or a level.
    pub feature: Feature,
    /// True if the level rises by one step of the bulb's scale, false if it falls.
    pub up: bool,
}

impl Relative {
    /// The meaning of a command by its name.
    pub(super) fn named(name: &str) -> Option<Self> {
        let (feature, up) = match name {
            "toggle" => (Feature::Power, true),
            "brighter" => (Feature::Brightness, true),
            "dimmer" => (Feature::Brightness, false),
            "faster" => (Feature::Speed, true),
            "slower" => (Feature::Speed, false),
            _ => return None,
        };
        Some(Self { feature, up })
    }
}

impl Profile {
    /// Returns true if the frames of this change depend on the present state of the bulb, so that it must be read before
    /// each of them.
    #[must_use]
    pub fn is_relative(&self, change: &Light) -> bool {
        let relative = self.commands.iter().filter_map(|command| command.relative);
        relative.map(|relative| relative.feature).any(|feature| change.features().contains(feature))
    }

    /// The steps from the known state to the wanted one; `None` if the feature is not set by steps.
    pub(super) fn steps(
        &self,
        feature: Feature,
        known: &Light,
        target: &Light,
    ) -> Result<Option<(&Command, usize)>, EncodeError> {
        let command = |up: bool| {
            let is = |relative: Relative| relative.feature == feature && (relative.up == up);
            self.commands.iter().find(|command| command.relative.is_some_and(is))
        };
        let Some(first) = command(true).or_else(|| command(false)) else { return Ok(None) };
        let missing = || EncodeError::NeedsState { feature, missing: Features::NONE.with(feature) };
        if feature == Feature::Power {
            let differs = known.power.ok_or_else(missing)? != target.power.unwrap_or_default();
            return Ok(Some((first, usize::from(differs))));
        }
        let step = |light: &Light| Some(self.abilities.step_of(feature, light.number(feature)?));
        let (from, to) = (step(known).ok_or_else(missing)?, step(target).ok_or_else(missing)?);
        let steps = usize::try_from(from.abs_diff(to)).unwrap_or(usize::MAX);
        Ok(Some((command(to > from).unwrap_or(first), steps)))
    }

    /// The state after a relative change, as a bulb carries it out.
    #[must_use]
    pub fn step(&self, light: &Light, relative: Relative) -> Light {
        let mut light = light.clone();
        let Relative { feature, up } = relative;
        if feature == Feature::Power {
            light.power = light.power.map(|on| !on);
        } else if let (Some(value), Some(scale)) = (light.number(feature), self.abilities.scale_of(feature)) {
            let (least, greatest) = scale.raw_range();
            let raw = scale.to_raw(value.into());
            let raw = if up { raw.saturating_add(1) } else { raw.saturating_sub(1) }.clamp(least, greatest);
            let percent = scale.value_of(raw).and_then(|value| u8::try_from(value).ok());
            light = light
                .with_number(feature, percent.map_or(value, |value| Percent::clamped(value).get().into()));
        }
        light
    }
}

impl Abilities {
    fn step_of(&self, feature: Feature, value: u16) -> u32 {
        self.scale_of(feature).map_or(0, |scale| scale.to_raw(value.into()))
    }
}
