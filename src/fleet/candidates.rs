//! The devices that a search has seen, and which of them a target means.

use std::collections::BTreeMap;
use std::time::Duration;

use super::find::Found;
use super::target::{Selector, Target};
use crate::error::Error;
use crate::radio::{Deadline, DeviceId, SeenDevice};

/// Limit of the devices that are kept, of those more that any part of the target means, and of those more that are named.
/// Phones change their addresses, and a search may wait for days.
const MOST: usize = 10_000;
/// Number of the closest names in an error.
const NEAREST: usize = 3;
/// Least similarity of a close name, from 0 to 1.
const SIMILAR: f64 = 0.4;

/// The extent to which there is a device for each part of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Completeness {
    Missing,
    /// Some names only match in another case.
    OtherCase,
    Exact,
}

#[derive(Debug)]
pub(super) struct Candidates<'a> {
    target: &'a Target,
    devices: BTreeMap<DeviceId, SeenDevice>,
}

impl<'a> Candidates<'a> {
    pub(super) const fn new(target: &'a Target) -> Self {
        Self { target, devices: BTreeMap::new() }
    }

    pub(super) fn add(&mut self, devices: impl Iterator<Item = SeenDevice>) {
        for device in devices {
            let named = |wanted: &Selector| !wanted.many() && wanted.matches_any_case(&device);
            let room = match self.devices.len() / MOST {
                0 => true,
                1 => self.target.means(&device),
                2 => self.target.selectors().iter().any(named),
                _ => false,
            };
            if room || self.devices.contains_key(&device.id) {
                self.devices.insert(device.id.clone(), device);
            }
        }
    }

    pub(super) fn completeness(&self) -> Completeness {
        let all = |matches: fn(&Selector, &SeenDevice) -> bool| {
            let wanted = self.target.selectors();
            wanted.iter().all(|wanted| self.devices.values().any(|device| matches(wanted, device)))
        };
        if all(Selector::matches) {
            Completeness::Exact
        } else if all(Selector::matches_any_case) {
            Completeness::OtherCase
        } else {
            Completeness::Missing
        }
    }

    pub(super) fn resolve(mut self, waited: Duration, deadline: Deadline) -> Found {
        let mut found = Found { bulbs: Vec::new(), failures: Vec::new(), deadline };
        let mut taken: Vec<DeviceId> = Vec::new();
        for wanted in self.target.selectors() {
            match self.meant(wanted, waited) {
                Ok(ids) => taken.extend(ids.into_iter().filter(|id| !taken.contains(id)).collect::<Vec<_>>()),
                Err(error) => found.failures.push((wanted.text(), error)),
            }
        }
        found.bulbs = taken.iter().filter_map(|id| self.devices.remove(id)).collect();
        found
    }

    /// The devices that one part of the target means. A name in another case only if no device has it as it is written.
    fn meant(&self, wanted: &Selector, waited: Duration) -> Result<Vec<DeviceId>, Error> {
        let exact: Vec<&SeenDevice> = self.devices.values().filter(|device| wanted.matches(device)).collect();
        let candidates = |devices: &[&SeenDevice], named: bool| {
            let text = |device: &&SeenDevice| match named {
                true => format!("{} ({})", device.label(), device.id),
                false => device.id.to_string(),
            };
            devices.iter().map(text).collect()
        };
        let target = wanted.text();
        match exact.len() {
            0 => {}
            2.. if !wanted.many() => {
                return Err(Error::TargetAmbiguous { target, candidates: candidates(&exact, false) });
            }
            _ => return Ok(exact.iter().map(|device| device.id.clone()).collect()),
        }
        let alike: Vec<&SeenDevice> =
            self.devices.values().filter(|device| wanted.matches_any_case(device)).collect();
        match alike.as_slice() {
            [] => {
                let (seen, nearest) = (self.devices.len(), self.nearest(wanted));
                Err(Error::TargetNotFound { target, seen, waited, nearest })
            }
            [one] => Ok(vec![one.id.clone()]),
            several => Err(Error::TargetAmbiguous { target, candidates: candidates(several, true) }),
        }
    }

    /// The names and aliases that are spelled like this part of the target, the closest first.
    fn nearest(&self, wanted: &Selector) -> Vec<String> {
        let text = match wanted {
            Selector::All(_) => return Vec::new(),
            wanted => wanted.text().replace(['*', '?'], "").to_lowercase(),
        };
        let address = matches!(wanted, Selector::Address(_));
        let heard = self.devices.values().flat_map(|device| {
            let id = address.then(|| device.id.to_string());
            let names = device.names().map(str::to_owned).filter(move |_| !address);
            id.into_iter().chain(names)
        });
        let aliases = self.target.aliases().iter().filter(|_| !address).cloned();
        let mut scored: Vec<(f64, String)> = heard
            .chain(aliases)
            .map(|name| (strsim::normalized_damerau_levenshtein(&text, &name.to_lowercase()), name))
            .filter(|(score, _)| *score >= SIMILAR)
            .collect();
        scored.sort_by(|(a, one), (b, other)| b.total_cmp(a).then_with(|| one.cmp(other)));
        let mut nearest: Vec<String> = scored.into_iter().map(|(_, name)| name).collect();
        nearest.dedup();
        nearest.truncate(NEAREST);
        nearest
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::config::Config;

    fn device(last: u8, name: &str) -> SeenDevice {
        SeenDevice {
            id: DeviceId::new(format!("C4:11:00:00:00:{last:02X}")),
            name: Some(name.to_owned()),
            ..SeenDevice::default()
        }
    }

    /// The names of the bulbs found, or the errors.
    fn resolved(target: &str, names: &[&str]) -> Result<Vec<String>, Vec<Error>> {
        let config = Config::parse("aliases.window = 'Light-9'", "test").unwrap();
        let target = Target::parse(target, &config, &Arc::default()).unwrap();
        let mut candidates = Candidates::new(&target);
        candidates.add((1..).zip(names).map(|(last, name)| device(last, name)));
        let found = candidates.resolve(Duration::from_secs(1), Deadline::after(Duration::ZERO));
        match found.failures.is_empty() {
            true => Ok(found.bulbs.iter().map(SeenDevice::label).collect()),
            false => Err(found.failures.into_iter().map(|(_, error)| error).collect()),
        }
    }

    #[test]
    fn case_does_not_matter_where_one_bulb_is_meant() {
        assert_eq!(resolved("LIGHT-ÄB", &["Light-äb", "Light-B"]).unwrap(), ["Light-äb"]);
        assert_eq!(resolved("light-a", &["Light-A", "light-a"]).unwrap(), ["light-a"]);
        let errors = resolved("LIGHT-A", &["Light-A", "light-a"]).unwrap_err();
        assert_eq!(
            errors[0].to_string(),
            "2 bulbs are called \"LIGHT-A\": Light-A (C4:11:00:00:00:01), light-a (C4:11:00:00:00:02)"
        );
    }

    #[test]
    fn a_crowd_leaves_room_for_what_is_meant_and_for_what_is_named() {
        let target = Target::parse("Light-*,Bulb-1", &Config::default(), &Arc::default()).unwrap();
        let mut candidates = Candidates::new(&target);
        let crowd = |start: usize, name: &'static str| {
            (start..start + MOST + 100).map(move |n| SeenDevice {
                id: DeviceId::new(format!("{n:08}")),
                name: Some(name.to_owned()),
                ..SeenDevice::default()
            })
        };
        candidates.add(crowd(0, "Phone"));
        assert_eq!(candidates.devices.len(), MOST);
        candidates.add(crowd(20_000, "Light-1"));
        assert_eq!(candidates.devices.len(), 2 * MOST);
        assert_eq!(candidates.completeness(), Completeness::Missing);
        candidates.add(crowd(40_000, "Bulb-1").take(1));
        assert_eq!(candidates.completeness(), Completeness::Exact);
        let found = candidates.resolve(Duration::ZERO, Deadline::after(Duration::ZERO));
        assert_eq!((found.bulbs.len(), found.failures.len()), (MOST + 1, 0));
    }

    #[test]
    fn the_closest_names_come_first() {
        let nearest = |target: &str, names: &[&str]| match resolved(target, names).unwrap_err().remove(0) {
            Error::TargetNotFound { nearest, .. } => nearest,
            error => panic!("{error}"),
        };
        let names = ["Light-Desk", "Light-Shelf", "TV", "Light-Desk", "Bulb-Garden", "Lights-Deck"];
        assert_eq!(nearest("Ligth-Dsek", &names), ["Light-Desk", "Lights-Deck", "Light-Shelf"]);
        assert_eq!(nearest("Light-Desc*", &names)[0], "Light-Desk");
        assert_eq!(nearest("windo", &names), ["window"], "an alias");
        assert_eq!(nearest("C4:11:00:00:00:99", &["TV"]), ["C4:11:00:00:00:01"]);
        assert_eq!(nearest("Zzz", &names), [""; 0]);
    }
}
