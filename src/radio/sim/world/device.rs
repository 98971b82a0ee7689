//! One device of the world: its rig entry, its present state, and what the system knows about it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bulb_protocol::profile::{
    self, CharacteristicPath, Light, SentFrame, Trigger, VirtualBulb, WriteOutcome,
};
use uuid::Uuid;

use super::effect::LinkId;
use crate::radio::gatt::uuid_text;
use crate::radio::peripheral::Advertisement;
use crate::radio::sim::rig::{Advert, BATTERY_LEVEL, BulbSpec, DeviceSpec, Fault, FaultAction, FaultTrigger};
use crate::radio::sim::store::SavedDevice;
use crate::radio::{Address, CharacteristicId, Properties};

/// Time for which BlueZ knows a device after its last advertisement (its `TemporaryTimeout`).
pub(crate) const KNOWN_FOR: Duration = Duration::from_secs(30);

/// A bulb or a bystander.
#[derive(Debug)]
pub(crate) struct SimDevice {
    pub(crate) spec: DeviceSpec,
    /// The name that it advertises now.
    pub(super) name: Option<String>,
    pub(super) bonded: bool,
    /// Values that were written to characteristics without a role.
    pub(super) written: BTreeMap<CharacteristicId, Vec<u8>>,
    /// The state before the newest command, for [`Defect::OneBehind`](crate::radio::sim::rig::Defect::OneBehind).
    pub(super) previous_light: Option<Light>,
    fault_counts: Vec<u32>,
    /// The number of faults that the rig gave it.
    rig_faults: usize,
    /// It does not advertise.
    pub(super) vanished: bool,
    pub(crate) link: Option<OpenLink>,
    pub(super) connecting: bool,
    pub(crate) known: KnownDevice,
    pub(super) unsaved: bool,
    /// The number of its advertisements, the seed of its noise.
    adverts: u64,
}

#[derive(Debug)]
pub(crate) struct OpenLink {
    /// Unique among all links of a world.
    pub(crate) number: u64,
    pub(super) subscribed: BTreeSet<CharacteristicId>,
    /// The time of the last write, or of the connect.
    pub(super) last_activity: Duration,
    pub(super) connected_at: Duration,
    pub(super) last_write: Option<Duration>,
    /// The number of writes before the last one that came soon after each other.
    pub(super) burst: usize,
    /// The ATT MTU that was negotiated, if it is not the bulb's own.
    mtu: Option<u16>,
}

impl OpenLink {
    pub(crate) fn new(number: u64, now: Duration, last_activity: Duration) -> Self {
        let (subscribed, connected_at) = (BTreeSet::new(), now);
        Self { number, subscribed, last_activity, connected_at, last_write: None, burst: 0, mtu: None }
    }
}

/// The system's knowledge of a device. Times are ages of the world.
#[derive(Clone, Debug, Default)]
pub(crate) struct KnownDevice {
    /// The last name that was heard.
    pub(crate) name: Option<String>,
    /// Time of its last advertisement or link, for any command.
    pub(crate) heard: Option<Duration>,
    /// Times when this command received its first and its last advertisement.
    pub(crate) heard_here: Option<(Duration, Duration)>,
    pub(crate) rssi: Option<i16>,
    /// The services have been resolved.
    pub(crate) resolved: bool,
    advertised_light: Option<Light>,
}

impl SimDevice {
    pub(crate) fn new(spec: DeviceSpec) -> Self {
        let faults = spec.bulb.as_ref().map_or(0, |bulb| bulb.faults.len());
        Self {
            name: spec.advert.name.clone(),
            bonded: false,
            written: BTreeMap::new(),
            previous_light: None,
            fault_counts: vec![0; faults],
            rig_faults: faults,
            vanished: false,
            link: None,
            connecting: false,
            known: KnownDevice::default(),
            unsaved: false,
            adverts: 0,
            spec,
        }
    }

    pub(crate) fn address(&self) -> Address {
        self.spec.address
    }

    pub(crate) fn bulb(&self) -> Option<&BulbSpec> {
        self.spec.bulb.as_ref()
    }

    pub(crate) fn virtual_bulb(&mut self) -> Option<&mut VirtualBulb> {
        self.spec.bulb.as_mut().map(|bulb| &mut bulb.virtual_bulb)
    }

    /// Returns true if a characteristic is closed to centrals without a bond.
    pub(crate) fn requires_bond(&self, id: CharacteristicId) -> bool {
        let has_role = |bulb: &BulbSpec| path_of(id).is_some_and(|path| bulb.virtual_bulb.has_role(path));
        self.bulb().is_some_and(|bulb| bulb.needs_bonding && has_role(bulb))
    }

    /// Returns true if the present link lacks the bond that a characteristic requires.
    pub(super) fn lacks_bond(&self, id: CharacteristicId) -> bool {
        !self.bonded && self.requires_bond(id)
    }

    /// Checks a write that the properties allow. Returns the ATT error in the response to a write request.
    pub(crate) fn accepts(&self, id: CharacteristicId, value: &[u8]) -> Result<(), u8> {
        match (self.bulb(), path_of(id)) {
            (Some(bulb), Some(path)) => bulb.virtual_bulb.accepts(path, &self.accepted_frame(value)),
            _ => Ok(()),
        }
    }

    /// Lets the bulb process a write that it accepts. Values of characteristics without a role are stored.
    pub(crate) fn process_write(&mut self, id: CharacteristicId, value: &[u8]) -> WriteOutcome {
        let outcome = self.apply_write(id, value);
        if outcome == WriteOutcome::Stored {
            self.written.insert(id, value.to_vec());
        }
        outcome
    }

    fn apply_write(&mut self, id: CharacteristicId, value: &[u8]) -> WriteOutcome {
        let Some(path) = path_of(id) else { return WriteOutcome::Stored };
        let value = self.accepted_frame(value);
        let Some(bulb) = self.virtual_bulb() else { return WriteOutcome::Ignored };
        let previous = bulb.light().clone();
        let outcome = bulb.write(path, &value);
        self.apply_command_defects(previous, outcome);
        outcome
    }

    /// The notifications that the bulb sends on a trigger.
    pub(crate) fn notifications(&mut self, trigger: Trigger<'_>) -> Vec<(CharacteristicId, Vec<u8>)> {
        let reported = self.reported_light();
        let (Some(reported), Some(bulb)) = (reported, self.virtual_bulb()) else { return Vec::new() };
        let light = bulb.light().clone();
        bulb.set(reported);
        let frames = bulb.status_frames(trigger);
        bulb.set(light);
        frames
            .into_iter()
            .filter_map(|SentFrame { at, bytes }| Some((id_of(at)?, self.apply_status_defects(bytes))))
            .collect()
    }

    /// The ATT MTU of the present link, or the largest that the bulb accepts.
    pub(super) fn mtu(&self) -> u16 {
        let own = self.bulb().map_or(u16::MAX, |bulb| bulb.mtu);
        self.link.as_ref().and_then(|open| open.mtu).map_or(own, |mtu| mtu.min(own))
    }

    pub(super) fn set_mtu(&mut self, mtu: u16) {
        if let Some(open) = &mut self.link {
            open.mtu = Some(mtu);
        }
    }

    /// Adds a fault, or removes those that were added.
    pub(crate) fn set_added_fault(&mut self, fault: Option<Fault>) {
        let Some(bulb) = &mut self.spec.bulb else { return };
        match fault {
            Some(fault) => {
                bulb.faults.push(fault);
                self.fault_counts.push(0);
            }
            None => {
                bulb.faults.truncate(self.rig_faults);
                self.fault_counts.truncate(self.rig_faults);
            }
        }
    }

    /// The content of its advertisement now; `None` if it does not advertise, a link aside.
    pub(crate) fn advertisement(&self) -> Option<Advertisement> {
        let bulb = self.bulb().filter(|_| !self.vanished)?;
        let data = bulb.virtual_bulb.advertise();
        let Advert { name_in_response, interval, services, manufacturer, service_data, .. } =
            &self.spec.advert;
        Some(Advertisement {
            name: self.name.clone(),
            name_in_response: *name_in_response,
            services: services.clone(),
            manufacturer: manufacturer.clone().unwrap_or_else(|| data.manufacturer.into_iter().collect()),
            service_data: service_data.clone().unwrap_or_else(|| data.service_data.into_iter().collect()),
            interval: *interval,
        })
    }

    pub(crate) fn label(&self) -> String {
        self.known.name.clone().unwrap_or_else(|| self.address().to_string())
    }

    pub(super) fn link_id(&self) -> Option<LinkId> {
        self.link.as_ref().map(|open| LinkId { address: self.address(), number: open.number })
    }

    /// Returns true if it advertises now: a bulb with a link does not.
    pub(super) fn advertises(&self) -> bool {
        !self.vanished && self.link.is_none() && self.spec.advert.in_range
    }

    /// Returns true if the system knows it at this age of the world.
    pub(super) fn is_known(&self, now: Duration) -> bool {
        self.link.is_some() || self.known.heard.is_some_and(|heard| now.saturating_sub(heard) <= KNOWN_FOR)
    }

    /// Records that an advertisement was heard, with the name in it or without.
    pub(super) fn hear(&mut self, now: Duration, with_name: bool) {
        if !self.is_known(now) {
            // The system has removed the device, and its name and services with it.
            self.known.name = None;
            self.known.resolved = false;
        }
        self.known.advertised_light = self.bulb().map(|bulb| bulb.virtual_bulb.light().clone());
        self.known.heard = Some(now);
        self.known.heard_here = Some((self.known.heard_here.map_or(now, |(first, _)| first), now));
        if with_name && self.name.is_some() {
            self.known.name.clone_from(&self.name);
        }
    }

    /// Sets the RSSI of the next advertisement: the rig's value, give or take 3 dB, the same in every run.
    pub(super) fn measure_rssi(&mut self) {
        self.adverts += 1;
        let deviation = i16::try_from(noise(self.address(), self.adverts) % 7).unwrap_or_default() - 3;
        self.known.rssi = Some((self.spec.advert.rssi + deviation).clamp(-127, 20));
    }

    /// The time from the start of a scan to its first advertisement.
    pub(super) fn first_advert_delay(&self) -> Duration {
        fraction(self.spec.advert.interval, noise(self.address(), 0))
    }

    /// The time to its next advertisement: the interval plus up to 10 ms (Bluetooth Core 5.4, Vol 6, Part B,
    /// 4.4.2.2.1), the same in every run.
    pub(super) fn next_advert_delay(&self) -> Duration {
        let delay = fraction(Duration::from_millis(10), noise(self.address(), !self.adverts));
        self.spec.advert.interval + delay
    }

    /// The services that the system knows: the advertised ones, and all once they are resolved.
    pub(crate) fn services(&self) -> Vec<Uuid> {
        let mut services = self.spec.advert.services.clone();
        if let Some(bulb) = self.bulb().filter(|_| self.known.resolved) {
            for service in &bulb.table.services {
                if !services.contains(&service.uuid) {
                    services.push(service.uuid);
                }
            }
        }
        services
    }

    pub(crate) fn manufacturer(&self) -> BTreeMap<u16, Vec<u8>> {
        let from_profile = || self.profile_advert().map(|data| data.manufacturer.into_iter().collect());
        self.spec.advert.manufacturer.clone().or_else(from_profile).unwrap_or_default()
    }

    pub(crate) fn service_data(&self) -> BTreeMap<Uuid, Vec<u8>> {
        let from_profile = || self.profile_advert().map(|data| data.service_data.into_iter().collect());
        self.spec.advert.service_data.clone().or_else(from_profile).unwrap_or_default()
    }

    /// The advertisement of its profile, with the state in it as last heard.
    fn profile_advert(&self) -> Option<profile::AdvertData> {
        let bulb = &self.bulb()?.virtual_bulb;
        Some(bulb.profile().advertise(self.known.advertised_light.as_ref().unwrap_or(bulb.light())))
    }

    pub(super) fn properties(&self, id: CharacteristicId) -> Properties {
        self.bulb().and_then(|bulb| bulb.table.properties(id)).unwrap_or_default()
    }

    /// The value that a read returns if no fault acts.
    pub(crate) fn value(&self, id: CharacteristicId, now: Duration) -> Vec<u8> {
        let Some(bulb) = self.bulb() else { return Vec::new() };
        if let (BATTERY_LEVEL, Some(battery)) = (id, bulb.battery) {
            return vec![battery.level_at(now)];
        }
        let status = || {
            let mut reporting = bulb.virtual_bulb.clone();
            reporting.set(self.reported_light()?);
            Some(self.apply_status_defects(reporting.read(path_of(id)?)?))
        };
        let stored = || self.written.get(&id).or_else(|| bulb.values.get(&id)).cloned();
        status().or_else(stored).unwrap_or_default()
    }

    /// Finds the fault that acts now: the first that fits and has any of its count left.
    pub(crate) fn trigger_fault(
        &mut self,
        trigger: FaultTrigger,
        characteristic: Option<Uuid>,
    ) -> Option<FaultAction> {
        let faults = &self.spec.bulb.as_ref()?.faults;
        for (fault, used) in faults.iter().zip(&mut self.fault_counts) {
            let here = fault.characteristic.is_none() || fault.characteristic == characteristic;
            let used_up = fault.count.is_some_and(|count| *used >= fault.after.saturating_add(count));
            if fault.trigger != trigger || !here || used_up {
                continue;
            }
            let waits = *used < fault.after;
            if waits || fault.count.is_some() {
                *used += 1;
                self.unsaved = true;
            }
            if !waits {
                return Some(fault.action.clone());
            }
        }
        None
    }

    pub(crate) fn save(&self) -> SavedDevice {
        let written = self.written.iter().map(|(id, value)| (saved_key(*id), hex::encode(value)));
        SavedDevice {
            light: self.bulb().map(|bulb| bulb.virtual_bulb.light().clone()),
            advertised_light: self.known.advertised_light.clone(),
            bonded: self.bonded,
            last_activity_ms: self.link.as_ref().map(|open| millis(open.last_activity)),
            written: written.collect(),
            name: self.name.clone(),
            vanished: self.vanished,
            linked: self.link.is_some(),
            fault_counts: self.fault_counts.clone(),
            known_name: self.known.name.clone(),
            heard_ms: self.known.heard.map(millis),
            resolved: self.known.resolved,
        }
    }

    /// Merges what another command saved, except for the link. Returns whether the light changed.
    pub(super) fn merge_saved(&mut self, saved: &SavedDevice) -> bool {
        let heard = saved.heard_ms.map(Duration::from_millis);
        if heard > self.known.heard {
            self.known.heard = heard;
            self.known.name.clone_from(&saved.known_name);
            self.known.advertised_light = saved.advertised_light.clone();
        }
        if let (Some(open), Some(theirs)) = (&mut self.link, saved.last_activity_ms) {
            open.last_activity = open.last_activity.max(Duration::from_millis(theirs));
        }
        for (used, theirs) in self.fault_counts.iter_mut().zip(&saved.fault_counts) {
            *used = (*used).max(*theirs);
        }
        if self.unsaved {
            return false;
        }
        self.name.clone_from(&saved.name);
        self.vanished = saved.vanished;
        self.bonded = saved.bonded;
        if let Some(bulb) = &self.spec.bulb {
            let written = |id: &CharacteristicId| hex::decode(saved.written.get(&saved_key(*id))?).ok();
            self.written = bulb.values.keys().filter_map(|id| Some((*id, written(id)?))).collect();
        }
        self.known.resolved |= saved.resolved;
        match (saved.light.clone(), self.virtual_bulb()) {
            (Some(light), Some(bulb)) if light != *bulb.light() => {
                bulb.set(light);
                true
            }
            _ => false,
        }
    }
}

/// A characteristic's path in profiles. The second of its UUID has none, because it plays no role.
pub(crate) fn path_of(id: CharacteristicId) -> Option<CharacteristicPath> {
    let path = CharacteristicPath { service: Some(id.service), characteristic: id.characteristic };
    (id.nth == 0).then_some(path)
}

fn id_of(path: CharacteristicPath) -> Option<CharacteristicId> {
    Some(CharacteristicId::new(path.service?, path.characteristic))
}

/// A characteristic's key in the world file.
fn saved_key(id: CharacteristicId) -> String {
    format!("{}/{id}", uuid_text(id.service))
}

/// A duration in whole milliseconds.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A part of a duration, in whole milliseconds, chosen by `noise`.
fn fraction(whole: Duration, noise: u64) -> Duration {
    Duration::from_millis(noise % millis(whole).max(1))
}

/// A number that looks random and is the same in every run: the finaliser of SplitMix64 (Steele, Lea and Flood, 2014).
fn noise(address: Address, number: u64) -> u64 {
    let [a, b, c, d, e, f] = address.bytes();
    let seed = u64::from_be_bytes([0, 0, a, b, c, d, e, f]);
    let mut bits = seed.wrapping_add(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}
