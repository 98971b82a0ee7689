//! Chooses an adapter. The choice does not depend on the order in which the system lists them.

use std::cmp::Ordering;

use crate::error::{Error, Result};
use crate::radio::{AdapterInfo, Address};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PowerBlock {
    /// A hardware switch, which software cannot undo.
    pub(super) hard: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) info: AdapterInfo,
    /// `None` if the system does not say. Using the adapter tells.
    pub(super) powered: Option<bool>,
    pub(super) block: Option<PowerBlock>,
}

impl Candidate {
    /// The error of using this adapter; `None` unless it is off.
    pub(super) fn unusable(&self) -> Option<Error> {
        if self.powered != Some(false) {
            return None;
        }
        let adapter = self.info.name.clone();
        Some(match self.block {
            Some(PowerBlock { hard }) => Error::AdapterBlocked { adapter, hard },
            None => Error::AdapterOff { adapter },
        })
    }
}

/// Returns the adapter with the wanted name or address, powered or not; by default the first
/// powered one by name, else the first that may be. Sorts the candidates by name.
pub(super) fn choose(candidates: &mut [Candidate], wanted: Option<&str>) -> Result<Candidate> {
    candidates.sort_by(|a, b| by_name(&a.info.name, &b.info.name));
    let Some(first) = candidates.first() else { return Err(Error::AdapterNone) };
    match wanted {
        Some(wanted) => {
            let address: Option<Address> = wanted.parse().ok();
            let is_wanted =
                |c: &&Candidate| c.info.name == wanted || (address.is_some() && c.info.address == address);
            candidates.iter().find(is_wanted).cloned().ok_or_else(|| Error::AdapterUnknown {
                name: wanted.to_owned(),
                have: candidates.iter().map(|c| c.info.name.as_str()).collect::<Vec<_>>().join(", "),
            })
        }
        None => match [Some(true), None].iter().find_map(|is| candidates.iter().find(|c| c.powered == *is)) {
            Some(usable) => Ok(usable.clone()),
            None => Err(first.unusable().unwrap_or(Error::AdapterNone)),
        },
    }
}

/// Sorts `hci2` before `hci10`.
fn by_name(a: &str, b: &str) -> Ordering {
    let parts = |name: &str| -> (String, Option<u64>) {
        let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
        (stem.to_owned(), name.strip_prefix(stem).and_then(|number| number.parse().ok()))
    };
    parts(a).cmp(&parts(b)).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn adapter(name: &str, last: u8, powered: bool) -> Candidate {
        let address = Some(Address::new([0, 0, 0, 0, 0, last]));
        Candidate {
            info: AdapterInfo { name: name.to_owned(), address },
            powered: Some(powered),
            block: None,
        }
    }

    fn name_of(chosen: Result<Candidate>) -> String {
        chosen.unwrap().info.name
    }

    #[test]
    fn the_first_powered_one_in_name_order() {
        let mut all = [adapter("hci10", 10, true), adapter("hci2", 2, true), adapter("hci0", 0, false)];
        assert_eq!(name_of(choose(&mut all, None)), "hci2");
        assert_eq!(all.map(|one| one.info.name), ["hci0", "hci2", "hci10"]);
    }

    #[test]
    fn an_adapter_that_may_be_powered_comes_after_those_that_are() {
        let unknown = Candidate { powered: None, ..adapter("hci0", 0, false) };
        let mut all = [unknown, adapter("hci1", 1, false), adapter("hci2", 2, true)];
        assert_eq!(name_of(choose(&mut all, None)), "hci2");
        assert_eq!(name_of(choose(&mut all[..2], None)), "hci0");
        assert_eq!(all[0].unusable(), None);
    }

    #[test]
    fn by_name_or_by_address_in_any_spelling() {
        let mut all = vec![adapter("hci0", 0, true), adapter("hci1", 0xAB, false)];
        for wanted in ["hci1", "00:00:00:00:00:AB", "00-00-00-00-00-ab", "0000000000ab"] {
            assert_eq!(name_of(choose(&mut all, Some(wanted))), "hci1", "{wanted}");
        }
        let unknown = choose(&mut all, Some("hci7"));
        assert_eq!(
            unknown,
            Err(Error::AdapterUnknown { name: "hci7".to_owned(), have: "hci0, hci1".to_owned() })
        );
    }

    #[test]
    fn says_why_none_can_be_used() {
        assert_eq!(choose(&mut [], None), Err(Error::AdapterNone));
        assert_eq!(choose(&mut [], Some("hci0")), Err(Error::AdapterNone));
        let mut off = vec![adapter("hci1", 1, false), adapter("hci0", 0, false)];
        assert_eq!(choose(&mut off, None), Err(Error::AdapterOff { adapter: "hci0".to_owned() }));
        let blocked = Candidate { block: Some(PowerBlock { hard: true }), ..adapter("hci0", 0, false) };
        let error = Error::AdapterBlocked { adapter: "hci0".to_owned(), hard: true };
        assert_eq!(choose(&mut [blocked], None), Err(error));
    }
}
