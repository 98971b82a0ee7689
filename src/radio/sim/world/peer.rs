//! One device of the world: what it is, how it is at present, and what the system knows of it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bulb_protocol::profile::{self, CharacteristicPath, Light, Occasion, Reaction, SentFrame, VirtualBulb};
use uuid::Uuid;

use super::effect::LinkId;
use crate::radio::gatt::uuid_text;
use crate::radio::sim::rig::{Act, BATTERY_LEVEL, Bulb, Device, Point};
use crate::radio::sim::store::{SavedLight, SavedPeer};
use crate::radio::{Address, CharacteristicId, Properties};

/// How long BlueZ knows a device after it was last heard (its `TemporaryTimeout`).
pub(crate) const REMEMBERED: Duration = Duration::from_secs(30);

/// A bulb or a bystander.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) device: Device,
    /// The name that it advertises at present.
    pub(super) name: Option<String>,
    /// What the system's bond with it is worth: without one, some bulbs take nothing.
    pub(super) bonded: bool,
    /// What was written to characteristics that take no commands.
    pub(super) written: BTreeMap<CharacteristicId, Vec<u8>>,
    /// How it was before the newest command, where that matters.
    pub(super) before: Option<Light>,
    /// How often each fault of a bounded count has acted.
    used: Vec<u32>,
    /// It does not advertise.
    pub(super) gone: bool,
    pub(crate) link: Option<Up>,
    /// Somebody is connecting to it.
    pub(super) connecting: bool,
    pub(crate) known: Known,
    /// Whether something changed that the file does not have yet.
    pub(super) dirty: bool,
    /// How many times it has advertised; what its noise comes from.
    ticks: u64,
}

/// A link that is up.
#[derive(Debug)]
pub(crate) struct Up {
    /// Which one: no two links have the same number.
    pub(crate) number: u64,
    pub(super) subscribed: BTreeSet<CharacteristicId>,
    /// When something was written to it last, or it came up.
    pub(super) spoken: Duration,
    /// When it came up.
    pub(super) since: Duration,
    /// When it was written to last.
    pub(super) written: Option<Duration>,
}

impl Up {
    pub(super) fn new(number: u64, now: Duration, spoken: Duration) -> Self {
        Self { number, subscribed: BTreeSet::new(), spoken, since: now, written: None }
    }
}

/// What the system knows of a device. Times are ages of the world.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    /// The name that it was last heard with.
    pub(crate) name: Option<String>,
    /// When it was last heard, or had a link, with any radio of this world.
    pub(crate) heard: Option<Duration>,
    /// When this radio heard it first and last.
    pub(crate) by_us: Option<(Duration, Duration)>,
    pub(crate) rssi: Option<i16>,
    /// Whether the services have been resolved.
    pub(crate) resolved: bool,
    /// The state of which its last advertisement told, where it is one that tells.
    light: Option<Light>,
}

impl Peer {
    pub(super) fn new(device: Device) -> Self {
        let faults = device.bulb.as_ref().map_or(0, |bulb| bulb.faults.len());
        Self {
            name: device.advert.name.clone(),
            bonded: false,
            written: BTreeMap::new(),
            before: None,
            used: vec![0; faults],
            gone: false,
            link: None,
            connecting: false,
            known: Known::default(),
            dirty: false,
            ticks: 0,
            device,
        }
    }

    pub(crate) fn address(&self) -> Address {
        self.device.address
    }

    pub(crate) fn bulb(&self) -> Option<&Bulb> {
        self.device.bulb.as_ref()
    }

    /// What it plays, if it is a bulb.
    pub(super) fn board(&mut self) -> Option<&mut VirtualBulb> {
        self.device.bulb.as_mut().map(|bulb| &mut bulb.board)
    }

    /// Whether a characteristic is closed to a computer that the bulb is not bonded with.
    pub(super) fn is_closed(&self, id: CharacteristicId) -> bool {
        let own = |bulb: &Bulb| place(id).is_some_and(|at| bulb.board.has_role(at));
        let closed = |bulb: &Bulb| bulb.needs_bonding && own(bulb);
        !self.bonded && self.bulb().is_some_and(closed)
    }

    /// Whether the bulb accepts a write that the properties allow.
    ///
    /// # Errors
    /// The ATT error that it answers a request with.
    pub(super) fn accepts(&self, id: CharacteristicId, value: &[u8]) -> Result<(), u8> {
        match (self.bulb(), place(id)) {
            (Some(bulb), Some(at)) => bulb.board.accepts(at, &self.bent(value)),
            _ => Ok(()),
        }
    }

    /// Has the bulb take a write.
    pub(super) fn obey(&mut self, id: CharacteristicId, value: &[u8]) -> Reaction {
        let Some(at) = place(id) else { return Reaction::Kept };
        let value = self.bent(value);
        let Some(board) = self.board() else { return Reaction::Nothing };
        let before = board.light().clone();
        let reaction = board.write(at, &value);
        self.carried_out(before, reaction);
        reaction
    }

    /// What the bulb sends on an occasion.
    pub(super) fn told(&mut self, occasion: Occasion<'_>) -> Vec<(CharacteristicId, Vec<u8>)> {
        let shown = self.shown().map(|board| board.light().clone());
        let Some(board) = self.board() else { return Vec::new() };
        let own = board.light().clone();
        board.set(shown.unwrap_or_else(|| own.clone()));
        let told = board.tell(occasion);
        board.set(own);
        told.into_iter()
            .filter_map(|SentFrame { at, bytes }| Some((id_of(at)?, self.marred(bytes))))
            .collect()
    }

    /// What to call it when speaking of it.
    pub(crate) fn label(&self) -> String {
        self.known.name.clone().unwrap_or_else(|| self.address().to_string())
    }

    /// The link, if one is up.
    pub(super) fn link_id(&self) -> Option<LinkId> {
        self.link.as_ref().map(|up| LinkId { address: self.address(), number: up.number })
    }

    /// Whether it can be heard: a bulb with a link does not advertise.
    pub(super) fn advertises(&self) -> bool {
        !self.gone && self.link.is_none()
    }

    /// Whether the system knows it at this age of the world.
    pub(super) fn is_known(&self, now: Duration) -> bool {
        self.link.is_some() || self.known.heard.is_some_and(|heard| now.saturating_sub(heard) <= REMEMBERED)
    }

    /// It was heard, with its name or without.
    pub(super) fn hear(&mut self, now: Duration, with_name: bool) {
        if !self.is_known(now) {
            // The system has forgotten it, and all that it knew.
            self.known.name = None;
            self.known.resolved = false;
        }
        self.known.light = self.bulb().map(|bulb| bulb.board.light().clone());
        self.known.heard = Some(now);
        self.known.by_us = Some((self.known.by_us.map_or(now, |(first, _)| first), now));
        if with_name && self.name.is_some() {
            self.known.name.clone_from(&self.name);
        }
    }

    /// Takes the next advertisement's signal strength: up to 3 dB beside the rig's, the same in every run.
    pub(super) fn measure(&mut self) {
        self.ticks += 1;
        let wobble = i16::try_from(noise(self.address(), self.ticks) % 7).unwrap_or_default() - 3;
        self.known.rssi = Some((self.device.advert.rssi + wobble).clamp(-127, 20));
    }

    /// How long after the start of a scan it advertises first.
    pub(super) fn phase(&self) -> Duration {
        share(self.device.advert.interval, noise(self.address(), 0))
    }

    /// How long it is to its next advertisement: the interval, and up to 10 ms (Bluetooth Core 5.4, Vol 6, Part B,
    /// 4.4.2.2.1), the same in every run.
    pub(super) fn pause(&self) -> Duration {
        self.device.advert.interval + share(Duration::from_millis(10), noise(self.address(), !self.ticks))
    }

    /// The services that the system has heard of.
    pub(crate) fn services(&self) -> Vec<Uuid> {
        let mut services = self.device.advert.services.clone();
        if let Some(bulb) = self.bulb().filter(|_| self.known.resolved) {
            for service in &bulb.table.services {
                if !services.contains(&service.uuid) {
                    services.push(service.uuid);
                }
            }
        }
        services
    }

    /// The manufacturer data that the system has heard.
    pub(crate) fn manufacturer(&self) -> BTreeMap<u16, Vec<u8>> {
        let told = || self.advertised().map(|data| data.manufacturer.into_iter().collect());
        self.device.advert.manufacturer.clone().or_else(told).unwrap_or_default()
    }

    /// The service data that the system has heard.
    pub(crate) fn service_data(&self) -> BTreeMap<Uuid, Vec<u8>> {
        let told = || Some(self.advertised()?.service_data.into_iter().collect());
        self.device.advert.service_data.clone().or_else(told).unwrap_or_default()
    }

    /// What it told last of itself in the way of its family.
    fn advertised(&self) -> Option<profile::AdvertData> {
        let board = &self.bulb()?.board;
        Some(board.profile().advertise(self.known.light.as_ref().unwrap_or(board.light())))
    }

    pub(super) fn properties(&self, id: CharacteristicId) -> Properties {
        self.bulb().and_then(|bulb| bulb.table.properties(id)).unwrap_or_default()
    }

    /// What a read returns when nothing is wrong.
    pub(super) fn value(&self, id: CharacteristicId, now: Duration) -> Vec<u8> {
        let Some(bulb) = self.bulb() else { return Vec::new() };
        if let (BATTERY_LEVEL, Some(battery)) = (id, bulb.battery) {
            return vec![battery.level_at(now)];
        }
        let kept = || self.written.get(&id).or_else(|| bulb.values.get(&id)).cloned();
        let told = place(id).and_then(|at| self.shown()?.read(at)).map(|bytes| self.marred(bytes));
        told.or_else(kept).unwrap_or_default()
    }

    /// Has a fault of this point act: the first one that has any of its count left, if there is one.
    pub(super) fn strike(&mut self, point: Point, characteristic: Option<Uuid>) -> Option<Act> {
        let faults = &self.device.bulb.as_ref()?.faults;
        for (fault, used) in faults.iter().zip(&mut self.used) {
            let here = fault.characteristic.is_none() || fault.characteristic == characteristic;
            let spent = fault.count.is_some_and(|count| *used >= fault.after.saturating_add(count));
            if fault.point != point || !here || spent {
                continue;
            }
            let passes = *used < fault.after;
            if passes || fault.count.is_some() {
                *used += 1;
                self.dirty = true;
            }
            if !passes {
                return Some(fault.act.clone());
            }
        }
        None
    }

    /// What is kept of it between commands.
    pub(crate) fn save(&self) -> SavedPeer {
        SavedPeer {
            light: self.bulb().map(|bulb| SavedLight::of(bulb.board.light())),
            told: self.known.light.as_ref().map(SavedLight::of),
            bonded: self.bonded,
            spoken_ms: self.link.as_ref().map(|up| millis(up.spoken)),
            written: self.written.iter().map(|(id, value)| (key(*id), hex::encode(value))).collect(),
            name: self.name.clone(),
            gone: self.gone,
            linked: self.link.is_some(),
            used: self.used.clone(),
            known_name: self.known.name.clone(),
            heard_ms: self.known.heard.map(millis),
            resolved: self.known.resolved,
        }
    }

    /// Takes over what another command has done, but for the link. Says whether the light changed.
    pub(super) fn adopt(&mut self, saved: &SavedPeer) -> bool {
        let heard = saved.heard_ms.map(Duration::from_millis);
        if heard > self.known.heard {
            self.known.heard = heard;
            self.known.name.clone_from(&saved.known_name);
            self.known.light = saved.told.as_ref().and_then(SavedLight::light);
        }
        if let (Some(up), Some(spoken)) = (&mut self.link, saved.spoken_ms) {
            up.spoken = up.spoken.max(Duration::from_millis(spoken));
        }
        for (used, theirs) in self.used.iter_mut().zip(&saved.used) {
            *used = (*used).max(*theirs);
        }
        if self.dirty {
            return false;
        }
        self.name.clone_from(&saved.name);
        self.gone = saved.gone;
        self.bonded = saved.bonded;
        if let Some(bulb) = &self.device.bulb {
            let written = |id: &CharacteristicId| hex::decode(saved.written.get(&key(*id))?).ok();
            self.written = bulb.values.keys().filter_map(|id| Some((*id, written(id)?))).collect();
        }
        self.known.resolved |= saved.resolved;
        match (saved.light.as_ref().and_then(SavedLight::light), self.board()) {
            (Some(light), Some(board)) if light != *board.light() => {
                board.set(light);
                true
            }
            _ => false,
        }
    }
}

/// A characteristic as profiles have it; none for the second of its UUID, which plays no role.
fn place(id: CharacteristicId) -> Option<CharacteristicPath> {
    (id.nth == 0)
        .then_some(CharacteristicPath { service: Some(id.service), characteristic: id.characteristic })
}

/// A characteristic of a profile as radios have it.
fn id_of(at: CharacteristicPath) -> Option<CharacteristicId> {
    Some(CharacteristicId::new(at.service?, at.characteristic))
}

/// How a characteristic is called in the world file.
fn key(id: CharacteristicId) -> String {
    format!("{}/{id}", uuid_text(id.service))
}

/// Whole milliseconds of a duration.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A part of a duration, in whole milliseconds.
fn share(whole: Duration, noise: u64) -> Duration {
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
