//! Virtual bulbs for a [`Peripheral`](crate::radio::peripheral::Peripheral): the world of the sim radio, played for the
//! centrals of another radio.
//!
//! It does no I/O. The caller passes the events of the radio, carries out the [`Action`]s, and calls
//! [`advance`](EmulatedBulbs::advance) when something is due.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::time::Duration;

use bulb_protocol::profile::{DecodeError, DecodedCommand, Light, Profile};
use bulb_protocol::text::trim_padding;
use tokio::time::Instant;

use super::rig::{
    AddressType, BulbEvent, DeviceSpec, EventKind, Fault, FaultAction, FaultTrigger, InitialAdapter, Rig,
    parse_fault, parse_with,
};
use super::world::{DisconnectedBy, Effect, LinkId, LogEvent, Schedule, SimDevice, World};
use crate::error::{Error, Result};
use crate::files::{self, LONGEST_TEXT};
use crate::radio::peripheral::{Advertisement, Behaviour, Central, Reply, Responder, ServedBulb};
use crate::radio::{Address, CharacteristicId, GattTable, WriteKind};

mod requests;

/// What the caller has to do.
#[derive(Debug)]
pub enum Action {
    /// Send an answer.
    Reply(Responder, Reply),
    /// Send a notification over a link.
    Notify { bulb: usize, link: u64, characteristic: CharacteristicId, value: Vec<u8> },
    /// End a link.
    DropLink { bulb: usize, link: u64 },
    /// Change what a bulb advertises; `None` if it stops.
    Advertise(usize, Option<Advertisement>),
    /// Tell the user what happened at a bulb.
    Tell(usize, BulbEventKind),
}

/// Something that happened at a bulb, for people.
#[derive(Clone, Debug, PartialEq)]
pub enum BulbEventKind {
    Connected(Central, Option<u16>),
    Mtu(u16),
    Paired,
    /// The link ended; the bulb ended it if true.
    Disconnected(bool),
    Subscribed(CharacteristicId),
    Unsubscribed(CharacteristicId),
    /// A value was read; `None` if the bulb refused or did not answer.
    Read(CharacteristicId, Option<Vec<u8>>),
    Written(WrittenValue),
    Notified(CharacteristicId, Vec<u8>),
    State(Light),
    Advertising(Advertisement),
    /// It is no longer on the air, on its own or because of an error.
    OffAir(Option<Error>),
}

/// A write, decoded.
#[derive(Clone, Debug, PartialEq)]
pub struct WrittenValue {
    pub characteristic: CharacteristicId,
    /// `None` if the radio cannot tell.
    pub kind: Option<WriteKind>,
    pub value: Vec<u8>,
    /// The role of the characteristic, and what the frame means. `None` if the characteristic takes no commands.
    pub frame: Option<(String, Result<DecodedCommand, DecodeError>)>,
    /// The ATT error in the answer.
    pub att: Option<u8>,
}

/// A bulb of a profile, to be emulated without a rig.
#[derive(Clone, Debug)]
pub struct ProfileBulb {
    pub profile: Profile,
    pub address: Address,
    pub name: Option<String>,
}

/// Emulated bulbs and their links.
#[derive(Debug)]
pub struct EmulatedBulbs {
    opened: Instant,
    world: World,
    bulbs: Vec<EmulatedBulb>,
    replies: Schedule<(Responder, Reply)>,
    actions: VecDeque<Action>,
}

#[derive(Debug)]
struct EmulatedBulb {
    address: Address,
    label: String,
    /// The radio's number of the present link, and the world's.
    link: Option<(u64, LinkId)>,
    light: Light,
    advertisement: Option<Advertisement>,
}

impl EmulatedBulbs {
    /// The bulbs of a rig for which `wanted` returns true, given their name and profile.
    ///
    /// # Errors
    /// The rig cannot be read, is invalid, or has no such bulb.
    pub fn of_rig(path: &Path, wanted: impl Fn(Option<&str>, &Profile) -> bool) -> Result<Self> {
        let text = files::text(path, LONGEST_TEXT)?;
        let name = path.display().to_string();
        let mut rig = parse_with(&text, &name, BTreeMap::new())?;
        rig.devices.retain(|device| {
            let bulb = device.bulb.as_ref();
            bulb.is_some_and(|bulb| wanted(device.advert.name.as_deref(), bulb.virtual_bulb.profile()))
        });
        if rig.devices.is_empty() {
            return Err(Error::RigInvalid { path: name, detail: "it has no such bulb".to_owned() });
        }
        if rig.events.iter().any(|event| matches!(event.kind, EventKind::AdapterPowered(_))) {
            tracing::warn!("rig {name}: the events of the adapter are not played");
        }
        Ok(Self::new(rig))
    }

    /// A bulb for each of these profiles.
    ///
    /// # Errors
    /// A name that no rig can have.
    pub fn of_profiles(bulbs: Vec<ProfileBulb>) -> Result<Self> {
        let (mut text, mut known) = ("rig = 1\n".to_owned(), BTreeMap::new());
        for (number, ProfileBulb { profile, address, name }) in bulbs.into_iter().enumerate() {
            // A bulb that needs a bond and refuses it would be of no use.
            text.push_str(&format!(
                "[[bulb]]\nprofile = \"{number}\"\naddress = \"{address}\"\npairing = true\n"
            ));
            if let Some(name) = name {
                // A string of JSON is one of TOML, too.
                text.push_str(&format!("name = {}\n", serde_json::Value::from(name)));
            }
            known.insert(number.to_string(), profile);
        }
        Ok(Self::new(parse_with(&text, "of the profiles", known)?))
    }

    fn new(mut rig: Rig) -> Self {
        rig.adapter = InitialAdapter::On;
        let addresses: Vec<Address> = rig.devices.iter().map(|device| device.address).collect();
        rig.events.retain(
            |event| matches!(&event.kind, EventKind::Bulb(address, _) if addresses.contains(address)),
        );
        rig.links = addresses.len().max(1);
        let labels = labels(&rig.devices);
        let world = World::new(rig, false, Duration::ZERO);
        let bulbs = addresses.into_iter().zip(labels).filter_map(|(address, label)| {
            let device = world.device(address)?;
            let light = device.bulb()?.virtual_bulb.light().clone();
            Some(EmulatedBulb { address, label, link: None, light, advertisement: device.advertisement() })
        });
        let bulbs = bulbs.collect();
        let (replies, actions) = (Schedule::default(), VecDeque::new());
        Self { opened: Instant::now(), world, bulbs, replies, actions }
    }

    fn now(&self) -> Duration {
        self.opened.elapsed()
    }

    /// The number of bulbs.
    pub fn count(&self) -> usize {
        self.bulbs.len()
    }

    pub fn label(&self, bulb: usize) -> &str {
        self.bulbs.get(bulb).map_or("", |bulb| bulb.label.as_str())
    }

    pub fn address(&self, bulb: usize) -> Option<Address> {
        self.bulbs.get(bulb).map(|bulb| bulb.address)
    }

    pub fn advertisement(&self, bulb: usize) -> Option<&Advertisement> {
        self.bulbs.get(bulb)?.advertisement.as_ref()
    }

    pub fn light(&self, bulb: usize) -> Option<&Light> {
        self.bulbs.get(bulb).map(|bulb| &bulb.light)
    }

    pub fn profile(&self, bulb: usize) -> Option<&Profile> {
        self.device(bulb)?.bulb().map(|bulb| bulb.virtual_bulb.profile())
    }

    /// The battery level in percent; `None` if the bulb has no battery.
    pub fn battery(&self, bulb: usize) -> Option<u8> {
        Some(self.device(bulb)?.bulb()?.battery?.level_at(self.now()))
    }

    fn device(&self, bulb: usize) -> Option<&SimDevice> {
        self.world.device(self.address(bulb)?)
    }

    /// The bulbs for a radio.
    pub fn served(&self) -> Vec<ServedBulb> {
        self.bulbs.iter().filter_map(|bulb| served(bulb, self.world.device(bulb.address)?)).collect()
    }

    /// What the bulbs do that not every radio can play, each with the label of the bulb.
    pub fn behaviours(&self) -> Vec<(String, Behaviour)> {
        let faults = self.bulbs.iter().flat_map(|bulb| {
            let spec = self.world.device(bulb.address).and_then(SimDevice::bulb);
            let faults = spec.into_iter().flat_map(|spec| &spec.faults);
            faults.filter_map(|fault| Some((bulb.label.clone(), behaviour(fault)?)))
        });
        faults.collect()
    }

    /// The time at which something is due.
    pub fn next_due(&self) -> Option<Instant> {
        let due = [self.world.next_due(), self.replies.next_due()].into_iter().flatten().min()?;
        Some(self.opened + due)
    }

    /// Does what is due.
    pub fn advance(&mut self) {
        let now = self.now();
        self.world.advance(now);
        while let Some((responder, reply)) = self.replies.pop_due(now) {
            self.actions.push_back(Action::Reply(responder, reply));
        }
        self.collect();
    }

    /// The next action, oldest first.
    pub fn next_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// Turns the effects of the world and the changes of the bulbs into actions.
    fn collect(&mut self) {
        for effect in self.world.effects() {
            self.effect(effect);
        }
        for (number, bulb) in self.bulbs.iter_mut().enumerate() {
            let Some(device) = self.world.device(bulb.address) else { continue };
            let light = device.bulb().map(|bulb| bulb.virtual_bulb.light());
            if let Some(light) = light.filter(|light| **light != bulb.light) {
                bulb.light = light.clone();
                self.actions.push_back(Action::Tell(number, BulbEventKind::State(light.clone())));
            }
            let advertisement = device.advertisement();
            if advertisement != bulb.advertisement {
                if advertisement.is_none() {
                    self.actions.push_back(Action::Tell(number, BulbEventKind::OffAir(None)));
                } else if bulb.advertisement.is_none() {
                    let on_air = advertisement.clone().map(BulbEventKind::Advertising);
                    self.actions.extend(on_air.map(|event| Action::Tell(number, event)));
                }
                bulb.advertisement.clone_from(&advertisement);
                self.actions.push_back(Action::Advertise(number, advertisement));
            }
        }
    }

    fn effect(&mut self, effect: Effect) {
        let address = match &effect {
            Effect::Notify(link, ..) | Effect::LinkDown(link) => link.address,
            Effect::Log(address, _) => *address,
            Effect::SeenDevice(_) | Effect::AdapterPowered(_) | Effect::Save => return,
        };
        let Some(number) = self.bulbs.iter().position(|bulb| bulb.address == address) else { return };
        let Some(bulb) = self.bulbs.get_mut(number) else { return };
        match effect {
            Effect::Notify(id, characteristic, value) => {
                if let Some((link, _)) = bulb.link.filter(|(_, own)| *own == id) {
                    self.actions.push_back(Action::Notify { bulb: number, link, characteristic, value });
                }
            }
            Effect::LinkDown(id) => {
                if let Some((link, _)) = bulb.link.take_if(|(_, own)| *own == id) {
                    self.actions.push_back(Action::DropLink { bulb: number, link });
                }
            }
            Effect::Log(_, event) => {
                self.actions.extend(told(event).map(|event| Action::Tell(number, event)))
            }
            Effect::SeenDevice(_) | Effect::AdapterPowered(_) | Effect::Save => {}
        }
    }

    // -- what the user does --------------------------------------------------------------------------------------

    /// Changes the state of a bulb, as a button on it does.
    ///
    /// # Errors
    /// The family cannot show the change.
    pub fn set(&mut self, bulb: usize, change: &Light) -> Result<()> {
        if let Some(profile) = self.profile(bulb) {
            let refused = |refusal| Error::NotEncodable { profile: profile.full_name(), refusal };
            profile.validate(change).map_err(refused)?;
        }
        self.apply(bulb, BulbEvent::Set(change.clone()));
        Ok(())
    }

    /// Ends the link of a bulb. Returns whether it had one.
    pub fn drop_link(&mut self, bulb: usize) -> bool {
        let linked = self.bulbs.get(bulb).is_some_and(|bulb| bulb.link.is_some());
        self.apply(bulb, BulbEvent::Drop);
        linked
    }

    /// Stops advertising, and ends the link.
    pub fn vanish(&mut self, bulb: usize) {
        self.apply(bulb, BulbEvent::Vanish);
    }

    /// Advertises again.
    pub fn appear(&mut self, bulb: usize) {
        self.apply(bulb, BulbEvent::Appear);
    }

    /// Advertises another name. The label stays.
    pub fn rename(&mut self, bulb: usize, name: String) {
        self.apply(bulb, BulbEvent::Rename(name));
    }

    /// Removes the faults that were added.
    pub fn clear_faults(&mut self, bulb: usize) {
        if let Some(device) = self.address(bulb).and_then(|address| self.world.device_mut(address)) {
            device.set_added_fault(None);
        }
    }

    /// Adds a fault. The caller has checked that the radio can play it.
    pub fn add_fault(&mut self, bulb: usize, fault: &NewFault) {
        if let Some(device) = self.address(bulb).and_then(|address| self.world.device_mut(address)) {
            device.set_added_fault(Some(fault.0.clone()));
        }
    }

    fn apply(&mut self, bulb: usize, event: BulbEvent) {
        let Some(address) = self.address(bulb) else { return };
        let now = self.now();
        self.world.advance(now);
        self.world.apply_event(EventKind::Bulb(address, event), now);
        self.collect();
    }
}

/// A fault that the user adds.
#[derive(Clone, Debug)]
pub struct NewFault(Fault);

impl NewFault {
    /// Parses the keys of a fault, as rigs have them, each with its value: `on = "write"`, a line each.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        parse_fault(text).map(Self)
    }

    /// What not every radio can play.
    pub fn behaviour(&self) -> Option<Behaviour> {
        behaviour(&self.0)
    }
}

fn behaviour(fault: &Fault) -> Option<Behaviour> {
    match (fault.trigger, &fault.action) {
        (FaultTrigger::Connect, _) => Some(Behaviour::ConnectFault),
        (FaultTrigger::Discover, _) => Some(Behaviour::DiscoverFault),
        (FaultTrigger::Subscribe, _) => Some(Behaviour::SubscribeFault),
        (FaultTrigger::Read, FaultAction::Error(att)) => Some(Behaviour::ReadError(*att)),
        (FaultTrigger::Write, FaultAction::Error(att)) => Some(Behaviour::WriteError(*att)),
        (FaultTrigger::Read | FaultTrigger::Write, FaultAction::Silent) => Some(Behaviour::Silence),
        (FaultTrigger::Read | FaultTrigger::Write | FaultTrigger::Notify, _) => None,
    }
}

/// The names of the bulbs, with the address where two have the same or none.
fn labels(devices: &[DeviceSpec]) -> Vec<String> {
    let name = |device: &DeviceSpec| device.advert.name.as_deref().map(|name| trim_padding(name).to_owned());
    let alike = |device: &DeviceSpec| devices.iter().filter(|other| name(other) == name(device)).count();
    let label = |device: &DeviceSpec| match name(device) {
        Some(own) if alike(device) == 1 => own,
        Some(own) => format!("{own} {}", device.address),
        None => device.address.to_string(),
    };
    devices.iter().map(label).collect()
}

fn served(bulb: &EmulatedBulb, device: &SimDevice) -> Option<ServedBulb> {
    let spec = device.bulb()?;
    let table: GattTable = spec.table.clone();
    let closed = table.all().map(|(id, ..)| id).filter(|id| device.requires_bond(*id)).collect();
    Some(ServedBulb {
        label: bulb.label.clone(),
        address: bulb.address,
        random_address: matches!(device.spec.address_type, AddressType::Random),
        advertisement: bulb.advertisement.clone()?,
        closed,
        pairing: spec.pairing,
        mtu: spec.mtu,
        rssi: device.spec.advert.rssi,
        table,
    })
}

/// The event of a line of the air log. The others are told when they are answered.
fn told(event: LogEvent) -> Option<BulbEventKind> {
    match event {
        LogEvent::Pair => Some(BulbEventKind::Paired),
        LogEvent::Disconnect(by) => Some(BulbEventKind::Disconnected(by == DisconnectedBy::Bulb)),
        LogEvent::Unsubscribe(id) => Some(BulbEventKind::Unsubscribed(id)),
        LogEvent::Notify(id, value) => Some(BulbEventKind::Notified(id, value)),
        LogEvent::Connect | LogEvent::Read(_) | LogEvent::Write(..) | LogEvent::Subscribe(_) => None,
    }
}

#[cfg(test)]
mod tests;
