//! What is asked of a bulb: only what is named changes, the rest is kept.

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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// The power switch, if it is to change.
    pub power: Option<Power>,
    /// The brightness, if it is to change.
    pub brightness: Option<Percent>,
    /// The colour, if it is to change.
    pub color: Option<Rgb>,
}

impl Change {
    /// A change of the power switch alone.
    #[must_use]
    pub const fn power(power: Power) -> Self {
        Self { power: Some(power), brightness: None, color: None }
    }

    /// The change to exactly this state.
    #[must_use]
    pub const fn whole(state: LightState) -> Self {
        let power = if state.power { Power::On } else { Power::Off };
        Self { power: Some(power), brightness: Some(state.brightness), color: Some(state.color) }
    }

    /// This change and then the later one, as one.
    #[must_use]
    pub fn then(self, later: Self) -> Self {
        let power = match (self.power, later.power) {
            (power, None) | (None, power) => power,
            (Some(Power::On), Some(Power::Toggle)) => Some(Power::Off),
            (Some(Power::Off), Some(Power::Toggle)) => Some(Power::On),
            (Some(Power::Toggle), Some(Power::Toggle)) => None,
            (Some(_), power) => power,
        };
        Self { power, brightness: later.brightness.or(self.brightness), color: later.color.or(self.color) }
    }

    /// The whole state that results, if it does not depend on the present one.
    #[must_use]
    pub const fn complete(&self) -> Option<LightState> {
        match *self {
            Self {
                power: Some(power @ (Power::On | Power::Off)),
                brightness: Some(brightness),
                color: Some(color),
            } => Some(LightState { power: matches!(power, Power::On), brightness, color }),
            _ => None,
        }
    }

    /// The state that results from the present one.
    #[must_use]
    pub fn apply(&self, present: LightState) -> LightState {
        LightState {
            power: match self.power {
                None => present.power,
                Some(Power::On) => true,
                Some(Power::Off) => false,
                Some(Power::Toggle) => !present.power,
            },
            brightness: self.brightness.unwrap_or(present.brightness),
            color: self.color.unwrap_or(present.color),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIM_RED: LightState =
        LightState { power: false, brightness: Percent::MIN, color: Rgb::new(255, 0, 0) };

    #[test]
    fn keeps_what_is_not_named() {
        assert_eq!(Change::default().apply(DIM_RED), DIM_RED);
        assert_eq!(Change::power(Power::On).apply(DIM_RED), LightState { power: true, ..DIM_RED });
        let brighter = Change { brightness: Some(Percent::MAX), ..Change::default() };
        assert_eq!(brighter.apply(DIM_RED), LightState { brightness: Percent::MAX, ..DIM_RED });
        assert_eq!(Change::power(Power::Toggle).apply(Change::power(Power::Toggle).apply(DIM_RED)), DIM_RED);
    }

    #[test]
    fn two_changes_are_one() {
        let powers = [None, Some(Power::On), Some(Power::Off), Some(Power::Toggle)];
        let changes = powers.into_iter().flat_map(|power| {
            [None, Some(Percent::MAX)].map(|brightness| Change { power, brightness, color: None })
        });
        for (first, second) in
            changes.clone().flat_map(|first| changes.clone().map(move |second| (first, second)))
        {
            for present in [DIM_RED, LightState { power: true, ..DIM_RED }] {
                assert_eq!(first.then(second).apply(present), second.apply(first.apply(present)));
            }
        }
        assert_eq!(Change::whole(DIM_RED).complete(), Some(DIM_RED));
    }

    #[test]
    fn is_complete_only_without_the_present_state() {
        let all = Change { power: Some(Power::On), brightness: Some(Percent::MAX), color: Some(Rgb::WHITE) };
        assert_eq!(all.complete(), Some(all.apply(DIM_RED)));
        assert_eq!(Change { power: Some(Power::Toggle), ..all }.complete(), None);
        assert_eq!(Change { color: None, ..all }.complete(), None);
    }
}
