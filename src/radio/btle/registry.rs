//! What is known of each device, put together from what the system tells piece by piece.

use std::collections::{BTreeMap, HashMap};

use tokio::time::Instant;
use uuid::Uuid;

use crate::radio::{Address, DeviceId, SeenDevice, SeenTimes};

/// How many devices are remembered. A crowded place has some hundreds; phones change their addresses every quarter
/// of an hour, so over a long run the number has no bound of its own.
pub(super) const CAPACITY: usize = 4096;

/// What BlueZ says for "not measured" (Bluetooth Core, Vol 4, Part E, 7.7.65.2).
const NO_RSSI: i16 = 127;

/// What the system tells of a device at one time. `None`: nothing new.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Facts {
    pub(super) address: Option<Address>,
    pub(super) name: Option<String>,
    /// What the system calls it: the user's own name, the advertised one, or the address with dashes.
    pub(super) alias: Option<String>,
    pub(super) rssi: Option<i16>,
    pub(super) tx_power: Option<i16>,
    pub(super) services: Option<Vec<Uuid>>,
    pub(super) manufacturer: Option<BTreeMap<u16, Vec<u8>>>,
    pub(super) service_data: Option<BTreeMap<Uuid, Vec<u8>>>,
    pub(super) connected: Option<bool>,
    pub(super) resolved: Option<bool>,
}

/// The link to a device, as the system has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Phase {
    /// Up.
    pub(super) connected: bool,
    /// Up, and the services are known.
    pub(super) resolved: bool,
    /// How often it went down: a drop that is followed by another connect at once must not be missed.
    pub(super) drops: u32,
}

#[derive(Debug, Default)]
struct Entry {
    address: Option<Address>,
    name: Option<String>,
    alias: Option<String>,
    rssi: Option<i16>,
    tx_power: Option<i16>,
    services: Vec<Uuid>,
    manufacturer: BTreeMap<u16, Vec<u8>>,
    service_data: BTreeMap<Uuid, Vec<u8>>,
    phase: Phase,
    heard: Option<SeenTimes>,
}

/// All devices, by identifier.
#[derive(Debug)]
pub(super) struct Registry {
    devices: HashMap<DeviceId, Entry>,
    capacity: usize,
    scanning: bool,
}

/// What became of a device by new facts.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Merged {
    /// All that is known of it now.
    pub(super) report: SeenDevice,
    /// The link before.
    pub(super) before: Phase,
    /// The link now.
    pub(super) now: Phase,
    /// Whether it was heard by the scan.
    pub(super) heard: bool,
}

impl Registry {
    pub(super) fn new(capacity: usize) -> Self {
        Self { devices: HashMap::new(), capacity, scanning: false }
    }

    /// Whether a scan runs. What was measured in an earlier scan is forgotten when one starts.
    pub(super) fn set_scanning(&mut self, scanning: bool) {
        if scanning && !self.scanning {
            for entry in self.devices.values_mut() {
                entry.rssi = None;
            }
        }
        self.scanning = scanning;
    }

    pub(super) fn scanning(&self) -> bool {
        self.scanning
    }

    /// Adds what the system tells. `now` is when it was told.
    pub(super) fn merge(&mut self, id: &DeviceId, facts: Facts, now: Instant) -> Merged {
        if !self.devices.contains_key(id) {
            self.make_room();
        }
        let scanning = self.scanning;
        let entry = self.devices.entry(id.clone()).or_default();
        let before = entry.phase;
        // The signal strength is there only while the device is in reach. Payloads alone come from memory too: they
        // tell that it was heard again only after it was heard in the first place.
        let measured = facts.rssi.is_some();
        let payload = facts.manufacturer.is_some() || facts.service_data.is_some();
        let heard = scanning && (measured || (payload && entry.heard.is_some()));
        if heard {
            let first = entry.heard.map_or(now, |heard| heard.first);
            entry.heard = Some(SeenTimes { first, last: now });
        }
        entry.take(facts);
        Merged { report: entry.report(id), before, now: entry.phase, heard }
    }

    /// The system dropped the device.
    #[cfg(target_os = "linux")]
    pub(super) fn remove(&mut self, id: &DeviceId) -> Option<Phase> {
        self.devices.remove(id).map(|entry| entry.phase)
    }

    /// All links are gone, and the scan with them: the adapter or the service is.
    pub(super) fn all_down(&mut self) -> Vec<DeviceId> {
        self.scanning = false;
        let mut dropped = Vec::new();
        for (id, entry) in &mut self.devices {
            if entry.phase.connected {
                entry.phase.go_down();
                dropped.push(id.clone());
            }
        }
        dropped
    }

    pub(super) fn report(&self, id: &DeviceId) -> Option<SeenDevice> {
        self.devices.get(id).map(|entry| entry.report(id))
    }

    pub(super) fn phase(&self, id: &DeviceId) -> Phase {
        self.devices.get(id).map(|entry| entry.phase).unwrap_or_default()
    }

    /// Everything, by identifier.
    pub(super) fn seen_devices(&self) -> Vec<SeenDevice> {
        let mut reports: Vec<SeenDevice> = self.devices.iter().map(|(id, entry)| entry.report(id)).collect();
        reports.sort_by(|a, b| a.id.cmp(&b.id));
        reports
    }

    /// The devices heard in this scan that have no name yet.
    pub(super) fn unnamed(&self) -> Vec<DeviceId> {
        let unnamed = self.devices.iter().filter(|(_, entry)| entry.name.is_none() && entry.rssi.is_some());
        unnamed.map(|(id, _)| id.clone()).collect()
    }

    /// Forgets the device unheard for the longest time, but none that is connected.
    fn make_room(&mut self) {
        if self.devices.len() < self.capacity {
            return;
        }
        let oldest = self
            .devices
            .iter()
            .filter(|(_, entry)| !entry.phase.connected)
            .min_by_key(|(_, entry)| entry.heard.map(|heard| heard.last));
        if let Some(id) = oldest.map(|(id, _)| id.clone()) {
            self.devices.remove(&id);
        }
    }
}

impl Phase {
    fn go_down(&mut self) {
        *self = Self { connected: false, resolved: false, drops: self.drops.wrapping_add(1) };
    }
}

impl Entry {
    fn take(&mut self, facts: Facts) {
        if facts.address.is_some() {
            self.address = facts.address;
        }
        if let Some(name) = facts.name {
            self.name = self.true_name(name);
        }
        if facts.alias.is_some() {
            self.alias = facts.alias;
        }
        if let Some(rssi) = facts.rssi {
            self.rssi = (rssi != NO_RSSI).then_some(rssi);
        }
        if let Some(power) = facts.tx_power {
            self.tx_power = (power != NO_RSSI).then_some(power);
        }
        if let Some(services) = facts.services {
            self.services = services;
        }
        if let Some(manufacturer) = facts.manufacturer {
            self.manufacturer = manufacturer;
        }
        if let Some(data) = facts.service_data {
            self.service_data = data;
        }
        match facts.connected {
            Some(true) => self.phase.connected = true,
            Some(false) if self.phase.connected => self.phase.go_down(),
            _ => {}
        }
        if let Some(resolved) = facts.resolved {
            self.phase.resolved = resolved && self.phase.connected;
        }
    }

    /// An address in the guise of a name is no name.
    fn true_name(&self, name: String) -> Option<String> {
        let disguised = self.address.is_some() && name.parse().ok() == self.address;
        (!disguised && !name.is_empty()).then_some(name)
    }

    fn report(&self, id: &DeviceId) -> SeenDevice {
        let alias = self.alias.clone().and_then(|alias| self.true_name(alias));
        SeenDevice {
            id: id.clone(),
            address: self.address,
            name: self.name.clone(),
            alias: alias.filter(|alias| Some(alias) != self.name.as_ref()),
            rssi: self.rssi,
            tx_power: self.tx_power,
            services: self.services.clone(),
            manufacturer: self.manufacturer.clone(),
            service_data: self.service_data.clone(),
            connected: self.phase.connected,
            heard: self.heard,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn id(text: &str) -> DeviceId {
        DeviceId::new(text)
    }

    fn registry() -> Registry {
        let mut registry = Registry::new(3);
        registry.set_scanning(true);
        registry
    }

    fn rssi(rssi: i16) -> Facts {
        Facts { rssi: Some(rssi), ..Facts::default() }
    }

    #[test]
    fn a_name_that_comes_late_joins_what_is_known() {
        let mut registry = registry();
        let now = Instant::now();
        assert_eq!(registry.merge(&id("a"), rssi(-50), now).report.name, None);
        assert_eq!(registry.unnamed(), [id("a")]);
        let named = Facts { name: Some("Light-1".to_owned()), ..Facts::default() };
        let report = registry.merge(&id("a"), named, now).report;
        assert_eq!((report.name.as_deref(), report.rssi), (Some("Light-1"), Some(-50)));
        assert!(registry.unnamed().is_empty());
    }

    #[test]
    fn an_address_with_dashes_is_neither_name_nor_alias() {
        let mut registry = registry();
        let address = "50:32:37:00:00:01".parse().ok();
        let dashes = Some("50-32-37-00-00-01".to_owned());
        let facts = Facts { address, alias: dashes.clone(), name: dashes, ..Facts::default() };
        let report = registry.merge(&id("a"), facts, Instant::now()).report;
        assert_eq!((report.name, report.alias), (None, None));
    }

    #[test]
    fn the_users_alias_does_not_hide_the_advertised_name() {
        let mut registry = registry();
        let named = |name: &str, alias: &str| Facts {
            name: Some(name.to_owned()),
            alias: Some(alias.to_owned()),
            ..Facts::default()
        };
        let report = registry.merge(&id("a"), named("ELK-BLEDOM", "Kitchen Bulb"), Instant::now()).report;
        assert_eq!(report.name.as_deref(), Some("ELK-BLEDOM"));
        assert_eq!(report.alias.as_deref(), Some("Kitchen Bulb"));
        let report = registry.merge(&id("b"), named("Light", "Light"), Instant::now()).report;
        assert_eq!(report.alias, None);
    }

    #[test]
    fn heard_is_only_what_a_signal_strength_came_for() {
        let mut registry = registry();
        let start = Instant::now();
        let known = Facts { name: Some("Old Bulb".to_owned()), ..Facts::default() };
        assert_eq!(registry.merge(&id("old"), known, start).report.heard, None);
        let payload = Facts { manufacturer: Some(BTreeMap::from([(1, vec![2])])), ..Facts::default() };
        assert!(!registry.merge(&id("old"), payload.clone(), start).heard);

        let first = registry.merge(&id("new"), rssi(-50), start);
        assert_eq!(first.report.heard, Some(SeenTimes { first: start, last: start }));
        let later = start + Duration::from_secs(1);
        assert_eq!(
            registry.merge(&id("new"), payload, later).report.heard,
            Some(SeenTimes { first: start, last: later })
        );
    }

    #[test]
    fn nothing_is_heard_without_a_scan_and_each_scan_measures_anew() {
        let mut registry = registry();
        registry.merge(&id("a"), rssi(-50), Instant::now());
        registry.set_scanning(true);
        assert_eq!(registry.report(&id("a")).and_then(|r| r.rssi), Some(-50), "the same scan goes on");
        registry.set_scanning(false);
        assert!(!registry.merge(&id("b"), rssi(-60), Instant::now()).heard);
        registry.set_scanning(true);
        assert_eq!(registry.report(&id("a")).and_then(|r| r.rssi), None);
    }

    #[test]
    fn nonsense_for_a_signal_strength_is_none() {
        let mut registry = registry();
        assert_eq!(registry.merge(&id("a"), rssi(127), Instant::now()).report.rssi, None);
    }

    #[test]
    fn the_longest_unheard_makes_room_but_no_connected_one() {
        let mut registry = registry();
        let start = Instant::now();
        for (n, name) in ["linked", "older", "newer"].into_iter().enumerate() {
            registry.merge(&id(name), rssi(-50), start + Duration::from_secs(n as u64));
        }
        let linked = Facts { connected: Some(true), ..Facts::default() };
        registry.merge(&id("linked"), linked, start);
        registry.merge(&id("newest"), rssi(-50), start + Duration::from_secs(9));
        let left: Vec<_> = registry.seen_devices().into_iter().map(|r| r.id).collect();
        assert_eq!(left, [id("linked"), id("newer"), id("newest")]);
    }

    #[test]
    fn a_drop_is_counted_even_if_the_link_is_up_again() {
        let mut registry = registry();
        let link = |up| Facts { connected: Some(up), resolved: Some(up), ..Facts::default() };
        registry.merge(&id("a"), link(true), Instant::now());
        registry.merge(&id("a"), link(false), Instant::now());
        let merged = registry.merge(&id("a"), link(true), Instant::now());
        assert_eq!(merged.now, Phase { connected: true, resolved: true, drops: 1 });
        assert_eq!(registry.all_down(), [id("a")]);
        assert_eq!(registry.phase(&id("a")), Phase { connected: false, resolved: false, drops: 2 });
    }
}
