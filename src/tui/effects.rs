//! The effects that the bulbs under control offer.

use std::collections::HashMap;

use bulb_protocol::profile::Profile;

/// The effects of one or several profiles: named ones first, then numbered ones. Some profiles number 65,536 effects, so numbered
/// effects stay ranges and only those on the screen are written out.
#[derive(Debug, Default)]
pub(crate) struct EffectList<'a> {
    named: Vec<(&'a str, usize)>,
    /// In ascending order, without overlaps.
    numbered: Vec<NumberRange>,
}

/// Effects with the numbers `first` to `last`, and the number of bulbs that have them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct NumberRange {
    first: u64,
    last: u64,
    bulbs: usize,
}

impl NumberRange {
    fn len(self) -> usize {
        usize::try_from(self.last - self.first).map_or(usize::MAX, |count| count.saturating_add(1))
    }
}

impl<'a> EffectList<'a> {
    /// Merges the effects of these profiles, each with the number of bulbs that have it.
    pub(crate) fn merge(profiles: impl IntoIterator<Item = (&'a Profile, usize)>) -> Self {
        let (mut named, mut ranges) = (Vec::new(), Vec::new());
        let mut positions: HashMap<&str, usize> = HashMap::new();
        for (profile, bulbs) in profiles {
            let own = profile.numbered_effects().map(|(first, last)| (u64::from(first), u64::from(last)));
            ranges.extend(own.map(|(first, last)| NumberRange { first, last, bulbs }));
            for name in profile.effects() {
                match number(name) {
                    Some(number) if own.is_some_and(|(first, last)| (first..=last).contains(&number)) => {}
                    Some(number) => ranges.push(NumberRange { first: number, last: number, bulbs }),
                    None => {
                        let position = *positions.entry(name).or_insert(named.len());
                        match named.get_mut(position) {
                            Some((_, count)) => *count += bulbs,
                            None => named.push((name, bulbs)),
                        }
                    }
                }
            }
        }
        Self { named, numbered: disjoint(&ranges) }
    }

    /// Keeps the named effects that contain `filter` and the numbered ones whose number begins with it.
    pub(crate) fn filter(mut self, filter: &str) -> Self {
        if filter.is_empty() {
            return self;
        }
        self.named.retain(|(name, _)| name.contains(filter));
        let prefixes = number(filter).map(ranges_with_prefix).unwrap_or_default();
        let within = |range: &NumberRange| {
            let (range, cut) = (*range, prefixes.clone());
            cut.into_iter().filter_map(move |(first, last)| {
                let (first, last) = (first.max(range.first), last.min(range.last));
                (first <= last).then_some(NumberRange { first, last, ..range })
            })
        };
        self.numbered = self.numbered.iter().flat_map(within).collect();
        self.numbered.sort_unstable_by_key(|range| range.first);
        self
    }

    pub(crate) fn len(&self) -> usize {
        self.numbered.iter().fold(self.named.len(), |sum, range| sum.saturating_add(range.len()))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.named.is_empty() && self.numbered.is_empty()
    }

    /// The effect in this row, and how many bulbs have it.
    pub(crate) fn get(&self, row: usize) -> Option<(String, usize)> {
        if let Some((name, bulbs)) = self.named.get(row) {
            return Some(((*name).to_owned(), *bulbs));
        }
        let mut row = row - self.named.len();
        for range in &self.numbered {
            if row < range.len() {
                let number = range.first + u64::try_from(row).ok()?;
                return Some((number.to_string(), range.bulbs));
            }
            row -= range.len();
        }
        None
    }

    pub(crate) fn position(&self, effect: &str) -> Option<usize> {
        if let Some(row) = self.named.iter().position(|(name, _)| *name == effect) {
            return Some(row);
        }
        let number = number(effect)?;
        let mut before = self.named.len();
        for range in &self.numbered {
            if (range.first..=range.last).contains(&number) {
                return before.checked_add(usize::try_from(number - range.first).ok()?);
            }
            before = before.saturating_add(range.len());
        }
        None
    }
}

/// The number that an effect without a name goes by.
fn number(effect: &str) -> Option<u64> {
    let number: u32 = effect.parse().ok()?;
    (number.to_string() == effect).then_some(number.into())
}

/// The numbers whose decimal form begins with that of `prefix`.
fn ranges_with_prefix(prefix: u64) -> Vec<(u64, u64)> {
    let mut ranges = vec![(prefix, prefix)];
    let mut unit = 10;
    while prefix > 0 && prefix * unit <= u64::from(u32::MAX) {
        ranges.push((prefix * unit, prefix * unit + unit - 1));
        unit *= 10;
    }
    ranges
}

/// Splits ranges where they overlap and adds up their bulbs.
fn disjoint(ranges: &[NumberRange]) -> Vec<NumberRange> {
    let mut borders: Vec<u64> = ranges.iter().flat_map(|range| [range.first, range.last + 1]).collect();
    borders.sort_unstable();
    borders.dedup();
    let pairs = borders.iter().zip(borders.iter().skip(1));
    let pieces = pairs.map(|(&first, &end)| {
        let covers = ranges.iter().filter(|range| range.first <= first && first <= range.last);
        NumberRange { first, last: end - 1, bulbs: covers.map(|range| range.bulbs).sum() }
    });
    pieces.filter(|piece| piece.bulbs > 0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bulb::Families;

    fn profile(family: &str, variant: Option<&str>) -> std::sync::Arc<Profile> {
        Families::default().profile(family, variant).expect("a built-in profile")
    }

    #[test]
    fn a_numbered_range_takes_one_entry() {
        let segments = profile("govee", Some("segments"));
        let list = EffectList::merge([(&*segments, 2)]);
        assert!(list.len() >= 65_536, "{}", list.len());
        assert!(list.named.len() + list.numbered.len() < 300, "{list:?}");
        let last = list.len() - 1;
        assert_eq!(list.get(last), Some(("65535".to_owned(), 2)));
        assert_eq!(list.position("65535"), Some(last));
        assert_eq!(list.get(last + 1), None);
        let filtered = list.filter("655");
        assert!(filtered.named.len() + filtered.numbered.len() < 10, "{filtered:?}");
        // 655, 6550 to 6559, 65500 to 65535.
        assert_eq!(filtered.len(), 1 + 10 + 36);
        assert_eq!(filtered.get(11), Some(("65500".to_owned(), 2)));
    }

    #[test]
    fn effects_of_several_profiles_are_listed_once_with_their_bulbs() {
        let (zengge, sp110e) = (profile("zengge", None), profile("sp110e", None));
        let list = EffectList::merge([(&*zengge, 1), (&*sp110e, 1), (&*zengge, 2)]);
        let first = zengge.effects().next().expect("a named effect");
        assert_eq!(list.get(0), Some((first.to_owned(), 3)));
        for row in 0..list.len() {
            let (name, _) = list.get(row).expect("within the list");
            assert_eq!(list.position(&name), Some(row), "{name}");
        }
        let merged = disjoint(&[
            NumberRange { first: 0, last: 9, bulbs: 1 },
            NumberRange { first: 5, last: 12, bulbs: 2 },
            NumberRange { first: 20, last: 20, bulbs: 4 },
        ]);
        let expected = [(0, 4, 1), (5, 9, 3), (10, 12, 2), (20, 20, 4)];
        assert_eq!(merged, expected.map(|(first, last, bulbs)| NumberRange { first, last, bulbs }));
    }
}
