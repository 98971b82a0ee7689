//! Conversion between values and the numbers in frames.

/// A linear map from a range of values to a range of numbers, which may be descending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Scale {
    pub(crate) range: (u32, u32),
    pub(crate) raw: (u32, u32),
    /// Round numbers down, not to the nearest.
    pub(crate) down: bool,
    /// The number is 1,000,000 divided by the value: mireds for kelvin. `raw` is unused.
    pub(crate) inverse: bool,
}

impl Scale {
    pub(crate) const PERCENT: Self = Self::same(0, 100);
    pub(crate) const CHANNEL: Self = Self::same(0, 255);

    pub(crate) const fn same(min: u32, max: u32) -> Self {
        Self { range: (min, max), raw: (min, max), down: false, inverse: false }
    }

    /// The number of a value. Values out of range are clamped.
    pub(crate) fn to_raw(self, value: u32) -> u32 {
        let value = value.clamp(self.range.0, self.range.1);
        if self.inverse {
            return inverse(value);
        }
        let (steps, span) = (i64::from(value) - i64::from(self.range.0), self.span());
        let rise = (i64::from(self.raw.1) - i64::from(self.raw.0)) * steps;
        let moved = if self.down { rise.div_euclid(span) } else { (2 * rise + span).div_euclid(2 * span) };
        u32::try_from(i64::from(self.raw.0) + moved).unwrap_or(0)
    }

    /// The value of a number; `None` if the number is out of range.
    pub(crate) fn value_of(self, raw: u32) -> Option<u32> {
        let (min, max) = self.raw_range();
        if !(min..=max).contains(&raw) {
            return None;
        }
        if self.inverse {
            return Some(inverse(raw).clamp(self.range.0, self.range.1));
        }
        let rise = i64::from(self.raw.1) - i64::from(self.raw.0);
        if rise == 0 {
            return Some(self.range.0);
        }
        let steps = (i64::from(raw) - i64::from(self.raw.0)) * self.span() * rise.signum();
        let moved = (2 * steps + rise.abs()).div_euclid(2 * rise.abs());
        let value = u32::try_from(i64::from(self.range.0) + moved).ok()?.min(self.range.1);
        // If numbers are coarser than values or rounded down, the nearest value may belong to the next number.
        let neighbours = [value, value.saturating_sub(1), value.saturating_add(1)];
        let same = |value: &u32| self.to_raw(*value) == raw && (self.range.0..=self.range.1).contains(value);
        let value = neighbours.into_iter().find(same).unwrap_or(value);
        // A number above the least one is not zero.
        Some(if value == self.range.0 && raw != self.raw.0 { value.saturating_add(1) } else { value })
    }

    pub(crate) fn raw_range(self) -> (u32, u32) {
        let (first, last) =
            if self.inverse { (inverse(self.range.0), inverse(self.range.1)) } else { self.raw };
        (first.min(last), first.max(last))
    }

    fn span(self) -> i64 {
        (i64::from(self.range.1) - i64::from(self.range.0)).max(1)
    }
}

fn inverse(value: u32) -> u32 {
    (1_000_000 + value / 2).checked_div(value).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scale(range: (u32, u32), raw: (u32, u32), down: bool) -> Scale {
        Scale { range, raw, down, inverse: false }
    }

    #[test]
    fn delays_fall_while_speeds_rise() {
        let delay = scale((0, 100), (31, 1), true);
        // 1 + floor((100 - speed) * 30 / 100), as flux_led has it.
        for (speed, raw) in [(100, 1), (0, 31), (50, 16), (25, 23), (99, 1), (97, 1), (96, 2)] {
            assert_eq!(delay.to_raw(speed), raw, "{speed}");
        }
        assert_eq!(delay.value_of(16), Some(50));
        assert_eq!(delay.value_of(0), None);
        assert_eq!(delay.value_of(32), None);
    }

    #[test]
    fn finer_numbers_lose_nothing() {
        for raw in [(0, 100), (0, 255), (255, 0), (20, 254), (0, 4095), (0, 65_535)] {
            let scale = scale((0, 100), raw, false);
            for value in 0..=100 {
                assert_eq!(scale.value_of(scale.to_raw(value)), Some(value), "{raw:?}");
            }
        }
    }

    #[test]
    fn decoding_and_encoding_keeps_the_number() {
        for (raw, down) in
            [((31, 1), true), ((31, 1), false), ((1, 10), true), ((0, 100), false), ((27, 65), true)]
        {
            let scale = scale((0, 100), raw, down);
            for number in raw.0.min(raw.1)..=raw.0.max(raw.1) {
                assert_eq!(scale.value_of(number).map(|value| scale.to_raw(value)), Some(number), "{raw:?}");
            }
        }
    }

    #[test]
    fn a_small_number_is_not_zero() {
        let scale = scale((0, 100), (0, 255), false);
        assert_eq!([0, 1, 2, 3, 4].map(|raw| scale.value_of(raw)), [0, 1, 1, 1, 2].map(Some));
    }

    #[test]
    fn mireds() {
        let scale = Scale { inverse: true, ..Scale::same(2000, 6535) };
        assert_eq!(scale.to_raw(3333), 300);
        assert_eq!(scale.value_of(300), Some(3333));
        assert_eq!(scale.raw_range(), (153, 500));
        assert_eq!(scale.value_of(153), Some(6535));
        assert_eq!(scale.value_of(152), None);
        assert_eq!(scale.to_raw(100), 500);
    }

    #[test]
    fn a_range_of_one() {
        assert_eq!(scale((0, 100), (7, 7), false).value_of(7), Some(0));
        assert_eq!(scale((5, 5), (0, 9), false).to_raw(5), 0);
    }
}
