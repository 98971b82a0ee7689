//! The devices that were seen, assembled from single updates.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use tokio::time::Instant;
use uuid::Uuid;

use crate::radio::{Address, DeviceId, SeenDevice, SeenTimes, Wanted, plausible_dbm};

/// The most devices to remember. A crowded place has some hundreds, but phones change their
/// addresses every quarter of an hour.
pub(super) const CAPACITY: usize = 4096;

/// A report of the system about a device. `None` means no change.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct DeviceUpdate {
    pub(super) address: Option<Address>,
    pub(super) name: Option<String>,
    /// The alias of the user, the advertised name, or the address with dashes.
    pub(super) alias: Option<String>,
    pub(super) rssi: Option<i16>,
    pub(super) tx_power: Option<i16>,
    pub(super) services: Option<Vec<Uuid>>,
    pub(super) manufacturer: Option<BTreeMap<u16, Vec<u8>>>,
    pub(super) service_data: Option<BTreeMap<Uuid, Vec<u8>>>,
    pub(super) connected: Option<bool>,
    pub(super) resolved: Option<bool>,
    /// The system has just learnt of it.
    pub(super) appeared: bool,
    /// The system has just received it.
    pub(super) received: bool,
    /// The system remembers it, which does not show that it was received in this scan.
    pub(super) remembered: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct SystemLink {
    pub(super) connected: bool,
    /// Connected, and the services are discovered.
    pub(super) resolved: bool,
    /// The number of drops. It reveals a drop that is followed by another connect at once.
    pub(super) drops: u32,
    /// The time of the last drop.
    pub(super) ended: Option<Instant>,
}

#[derive(Debug, Default)]
struct Entry {
    /// With the alias as the system reports it, and without the state of the link.
    device: SeenDevice,
    system_link: SystemLink,
    /// The system knew it before a scan received it.
    known: bool,
    /// It is one that the program looks for.
    wanted: bool,
}

pub(super) struct Registry {
    devices: HashMap<DeviceId, Entry>,
    capacity: usize,
    scanning: bool,
    wanted: Option<Wanted>,
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").field("devices", &self.devices).finish_non_exhaustive()
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Merged {
    pub(super) device: SeenDevice,
    pub(super) before: SystemLink,
    pub(super) now: SystemLink,
    /// The update shows that the scan received the device.
    pub(super) heard: bool,
}

impl Registry {
    pub(super) fn new(capacity: usize) -> Self {
        Self { devices: HashMap::new(), capacity, scanning: false, wanted: None }
    }

    /// Sets which devices make room last.
    pub(super) fn prefer(&mut self, wanted: Wanted) {
        for entry in self.devices.values_mut() {
            entry.wanted = wanted(&entry.seen_device());
        }
        self.wanted = Some(wanted);
    }

    /// Starts or ends a scan. Starting one forgets the signal strengths of the previous scan.
    pub(super) fn set_scanning(&mut self, scanning: bool) {
        if scanning && !self.scanning {
            for entry in self.devices.values_mut() {
                entry.device.rssi = None;
            }
        }
        self.scanning = scanning;
    }

    pub(super) fn scanning(&self) -> bool {
        self.scanning
    }

    pub(super) fn merge(&mut self, id: &DeviceId, update: DeviceUpdate, now: Instant) -> Merged {
        // Found by the scan, although nothing was measured.
        let is_new = !self.devices.contains_key(id);
        let found = update.appeared && update.connected != Some(true) && is_new;
        let scanning = self.scanning;
        let entry = self.devices.entry(id.clone()).or_insert_with(|| Entry {
            device: SeenDevice { id: id.clone(), ..SeenDevice::default() },
            ..Entry::default()
        });
        let before = entry.system_link;
        // The signal strength is present only while the device is in reach. Payloads alone may come
        // from memory, so they count only after the device was seen in this scan.
        let measured = update.rssi.is_some() || update.received;
        let payload = !update.remembered && (update.manufacturer.is_some() || update.service_data.is_some());
        let heard = scanning && (measured || found || (payload && entry.device.seen.is_some()));
        if heard {
            let first = entry.device.seen.map_or(now, |seen| seen.first);
            entry.device.seen = Some(SeenTimes { first, last: now });
        }
        entry.known |= is_new && !heard;
        let news = entry.take(update);
        let device = entry.seen_device();
        // Recognising takes time, and most advertisements repeat the last one.
        if let Some(wanted) = self.wanted.as_ref().filter(|_| news || is_new) {
            entry.wanted = wanted(&device);
        }
        Merged { device, before, now: entry.system_link, heard }
    }

    #[cfg(target_os = "linux")]
    pub(super) fn remove(&mut self, id: &DeviceId) -> Option<SystemLink> {
        self.devices.remove(id).map(|entry| entry.system_link)
    }

    /// Marks all links as down and the scan as ended, because the adapter or the service is gone.
    pub(super) fn all_down(&mut self) -> Vec<DeviceId> {
        self.scanning = false;
        let mut dropped = Vec::new();
        for (id, entry) in &mut self.devices {
            if entry.system_link.connected {
                entry.system_link.go_down();
                dropped.push(id.clone());
            }
        }
        dropped
    }

    pub(super) fn seen_device(&self, id: &DeviceId) -> Option<SeenDevice> {
        self.devices.get(id).map(|entry| entry.seen_device())
    }

    pub(super) fn system_link(&self, id: &DeviceId) -> SystemLink {
        self.devices.get(id).map(|entry| entry.system_link).unwrap_or_default()
    }

    /// All devices, sorted by identifier.
    pub(super) fn seen_devices(&self) -> Vec<SeenDevice> {
        let mut devices: Vec<SeenDevice> = self.devices.values().map(Entry::seen_device).collect();
        devices.sort_by(|a, b| a.id.cmp(&b.id));
        devices
    }

    /// The devices seen in this scan that have no name yet.
    pub(super) fn unnamed(&self) -> Vec<DeviceId> {
        let unnamed = self
            .devices
            .iter()
            .filter(|(_, entry)| entry.device.name.is_none() && entry.device.rssi.is_some());
        unnamed.map(|(id, _)| id.clone()).collect()
    }

    /// Makes room for a device: removes the one that was not seen for the longest time. Those that the
    /// system has a link to and those in use stay. Those with a name or a service go after the others, then
    /// those that the system knew before, then those that the program looks for.
    pub(super) fn make_room_for(&mut self, id: &DeviceId, in_use: impl Fn(&DeviceId) -> bool) {
        if self.devices.len() < self.capacity || self.devices.contains_key(id) {
            return;
        }
        let idle = self.devices.iter().filter(|(id, entry)| !entry.system_link.connected && !in_use(id));
        let first = idle.min_by_key(|(_, entry)| entry.rank()).map(|(id, _)| id.clone());
        if let Some(id) = first {
            self.devices.remove(&id);
        }
    }
}

impl DeviceUpdate {
    /// Returns true if it has data that is not known of the device.
    pub(super) fn has_other_data(&self, known: Option<&SeenDevice>) -> bool {
        let Some(known) = known else { return true };
        self.services.as_ref().is_some_and(|services| *services != known.services)
            || self.manufacturer.as_ref().is_some_and(|data| *data != known.manufacturer)
            || self.service_data.as_ref().is_some_and(|data| *data != known.service_data)
    }
}

impl SystemLink {
    pub(super) fn go_down(&mut self) {
        let drops = self.drops.wrapping_add(1);
        *self = Self { connected: false, resolved: false, drops, ended: Some(Instant::now()) };
    }
}

/// Sets a value. Returns true if it was another one before.
fn replace<T: PartialEq>(old: &mut T, new: T) -> bool {
    std::mem::replace(old, new) != *old
}

impl Entry {
    /// Returns true if the update changes what the device is, not only how loud it is and whether it is connected.
    fn take(&mut self, update: DeviceUpdate) -> bool {
        let device = &mut self.device;
        let measured = |new: Option<i16>, old| new.map_or(old, plausible_dbm);
        device.rssi = measured(update.rssi, device.rssi);
        device.tx_power = measured(update.tx_power, device.tx_power);
        let mut news = false;
        if let Some(address) = update.address {
            news |= replace(&mut device.address, Some(address));
        }
        if let Some(name) = update.name {
            news |= replace(&mut device.name, true_name(device.address, name));
        }
        if let Some(alias) = update.alias {
            news |= replace(&mut device.alias, Some(alias));
        }
        if let Some(services) = update.services {
            news |= replace(&mut device.services, services);
        }
        if let Some(manufacturer) = update.manufacturer {
            news |= replace(&mut device.manufacturer, manufacturer);
        }
        if let Some(data) = update.service_data {
            news |= replace(&mut device.service_data, data);
        }
        self.take_link(update.connected, update.resolved);
        news
    }

    fn take_link(&mut self, connected: Option<bool>, resolved: Option<bool>) {
        let link = &mut self.system_link;
        // When a link ends, BlueZ first reports that the services are no longer resolved. It may answer a request
        // before it reports that the link is down.
        let unresolved = link.resolved && resolved == Some(false);
        if link.connected && (connected == Some(false) || unresolved) {
            link.go_down();
        }
        // BlueZ may report that services are resolved without a report that the link is up.
        if connected.or(resolved) == Some(true) {
            link.connected = true;
        }
        if let Some(resolved) = resolved {
            link.resolved = resolved && link.connected;
        }
    }

    /// The order in which devices make room, first the least.
    fn rank(&self) -> (bool, bool, bool, Option<Instant>) {
        let SeenDevice { name, services, seen, .. } = &self.device;
        (self.wanted, self.known, name.is_some() || !services.is_empty(), seen.map(|seen| seen.last))
    }

    fn seen_device(&self) -> SeenDevice {
        let mut device = self.device.clone();
        let alias = device.alias.take().and_then(|alias| true_name(device.address, alias));
        device.alias = alias.filter(|alias| Some(alias) != device.name.as_ref());
        SeenDevice { connected: self.system_link.connected, ..device }
    }
}

/// Drops a name that is the address in other spelling.
fn true_name(address: Option<Address>, name: String) -> Option<String> {
    let disguised = address.is_some() && name.parse().ok() == address;
    (!disguised && !name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests;
