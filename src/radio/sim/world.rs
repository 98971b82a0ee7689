//! The virtual world: bulbs, bystanders, the adapter, and time. It has no clock and does no I/O: it is told what the
//! central does and how old the world is by then, answers, and leaves [`Effect`]s to be carried out.

use std::collections::BTreeMap;
use std::time::Duration;

use bulb_protocol::{LightState, base};

use super::agenda::Agenda;
use super::peer::{CONTROL, Peer, STATUS, Up, Verdict};
use super::rig::{Act, BATTERY_LEVEL, Deed, Point, Rig, Start, What};
use super::store::SavedPeers;
use crate::radio::{Address, CharacteristicId, WriteKind};

/// How long after an advertisement its scan response comes.
const RESPONSE_AFTER: Duration = Duration::from_millis(1);

/// ATT error codes (Bluetooth Core 5.4, Vol 3, Part F, 3.4.1.1), and the first of those that are the firmware's own.
const READ_NOT_PERMITTED: u8 = 0x02;
const WRITE_NOT_PERMITTED: u8 = 0x03;
const INVALID_LENGTH: u8 = 0x0d;
const OUT_OF_RANGE: u8 = 0x80;

/// All devices within reach, and the adapter.
#[derive(Debug)]
pub(super) struct World {
    adapter: bool,
    /// The number of the scan that runs.
    scan: Option<u64>,
    /// Numbers scans and links.
    numbers: u64,
    peers: BTreeMap<Address, Peer>,
    agenda: Agenda<Due>,
    effects: Vec<Effect>,
}

/// Which link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LinkId {
    /// The bulb.
    pub(super) address: Address,
    /// Its number; no two links have the same one.
    pub(super) number: u64,
}

/// What is to be carried out outside of the world.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// There is news of a device.
    Report(Address),
    /// A notification was sent.
    Notify(LinkId, CharacteristicId, Vec<u8>),
    /// A link is gone.
    Down(LinkId),
    /// The adapter is powered now, or is not.
    Adapter(bool),
    /// Something for the air log.
    Log(Address, Happening),
    /// Something changed that is to be kept.
    Keep,
}

/// What the air log has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Happening {
    Connect,
    Disconnect(By),
    Read(CharacteristicId),
    Write(CharacteristicId, WriteKind, Vec<u8>),
    Subscribe(CharacteristicId),
    Unsubscribe(CharacteristicId),
    Notify(CharacteristicId, Vec<u8>),
}

/// Who ended a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    Central,
    Bulb,
}

/// What comes by itself.
#[derive(Debug)]
enum Due {
    Advert(Address, u64),
    Response(Address, u64),
    Obey(LinkId, LightState),
    Status(LinkId),
    Battery(LinkId),
    Send(LinkId, CharacteristicId, Vec<u8>),
    Drop(LinkId),
    Event(What),
}

/// What a bulb answers.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Yes.
    Done,
    /// A value that was read.
    Value(Vec<u8>),
    /// An ATT error.
    Error(u8),
    /// Nothing. The link may be gone by then, which is told by itself.
    Silent,
}

/// What a bulb answers, and when.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Turn {
    /// How much later.
    pub(super) after: Duration,
    /// What.
    pub(super) answer: Answer,
}

impl Turn {
    const fn now(answer: Answer) -> Self {
        Self { after: Duration::ZERO, answer }
    }
}

/// What becomes of an attempt to connect.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Attempt {
    /// The adapter is off.
    AdapterOff,
    /// The system does not know the device.
    Unknown,
    /// Another attempt is under way.
    Busy,
    /// There is a link.
    Up(LinkId),
    /// The link comes up so much later, and lasts or does not.
    Coming { after: Duration, drops: bool },
    /// It never comes up.
    Silent,
}

impl World {
    /// A world as the rig describes it, at this age. Its events are counted from there.
    pub(super) fn new(rig: Rig, now: Duration) -> Self {
        let mut agenda = Agenda::default();
        for event in rig.events {
            agenda.enter(now + event.at, Due::Event(event.what));
        }
        Self {
            adapter: rig.adapter == Start::On,
            scan: None,
            numbers: 0,
            peers: rig.devices.into_iter().map(|device| (device.address, Peer::new(device))).collect(),
            agenda,
            effects: Vec::new(),
        }
    }

    /// What has to be carried out since this was last asked.
    pub(super) fn effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    pub(super) fn adapter_on(&self) -> bool {
        self.adapter
    }

    pub(super) fn peer(&self, address: Address) -> Option<&Peer> {
        self.peers.get(&address)
    }

    /// The devices that the system knows.
    pub(super) fn known(&self, now: Duration) -> impl Iterator<Item = &Peer> {
        self.peers.values().filter(move |peer| peer.is_known(now))
    }

    /// Whether any link is up.
    pub(super) fn any_link(&self) -> bool {
        self.peers.values().any(|peer| peer.link.is_some())
    }

    /// When something will happen by itself.
    pub(super) fn next_due(&self) -> Option<Duration> {
        self.agenda.next()
    }

    /// Has everything happen that is due by now.
    pub(super) fn advance(&mut self, now: Duration) {
        while let Some(due) = self.agenda.take(now) {
            match due {
                Due::Advert(address, scan) => self.advertise(address, scan, now),
                Due::Response(address, scan) => self.respond(address, scan, now),
                Due::Obey(link, light) => self.obey(link, light, now),
                Due::Status(link) => {
                    let value = self.peer(link.address).map(|peer| peer.value(STATUS, now));
                    self.notify(link, STATUS, value.unwrap_or_default(), now);
                }
                Due::Battery(link) => self.battery(link, now),
                Due::Send(link, id, value) => self.send(link, id, value),
                Due::Drop(link) => self.end(link, By::Bulb),
                Due::Event(what) => self.happen(what, now),
            }
        }
    }

    // -- scanning ----------------------------------------------------------------------------------------------

    /// Starts to scan; nothing if that runs already, or the adapter is off.
    pub(super) fn start_scan(&mut self, now: Duration) {
        if !self.adapter || self.scan.is_some() {
            return;
        }
        let scan = self.number();
        self.scan = Some(scan);
        for (address, peer) in &mut self.peers {
            peer.known.rssi = None;
            self.agenda.enter(now + peer.phase(), Due::Advert(*address, scan));
        }
    }

    /// Ends the scan.
    pub(super) fn stop_scan(&mut self) {
        if self.scan.take().is_some() {
            // What was heard is worth keeping once, not at every advertisement.
            self.effects.push(Effect::Keep);
        }
    }

    fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    fn advertise(&mut self, address: Address, scan: u64, now: Duration) {
        let Some(peer) = self.peers.get_mut(&address).filter(|_| self.scan == Some(scan)) else { return };
        if peer.advertises() {
            peer.measure();
            peer.hear(now, !peer.device.advert.name_in_response);
            if peer.device.advert.name_in_response {
                self.agenda.enter(now + RESPONSE_AFTER, Due::Response(address, scan));
            }
            self.effects.push(Effect::Report(address));
        }
        self.agenda.enter(now + peer.pause(), Due::Advert(address, scan));
    }

    fn respond(&mut self, address: Address, scan: u64, now: Duration) {
        let Some(peer) = self.peers.get_mut(&address).filter(|_| self.scan == Some(scan)) else { return };
        if peer.advertises() {
            peer.hear(now, true);
            self.effects.push(Effect::Report(address));
        }
    }

    // -- links -------------------------------------------------------------------------------------------------

    /// Begins to connect. What has begun is ended by [`connected`](Self::connected) or
    /// [`not_connected`](Self::not_connected).
    pub(super) fn connect(&mut self, address: Address, now: Duration) -> Attempt {
        if !self.adapter {
            return Attempt::AdapterOff;
        }
        let Some(peer) = self.peers.get_mut(&address).filter(|peer| peer.is_known(now)) else {
            return Attempt::Unknown;
        };
        if let Some(up) = &peer.link {
            return Attempt::Up(LinkId { address, number: up.number });
        }
        if peer.connecting {
            return Attempt::Busy;
        }
        peer.connecting = true;
        let Some(bulb) = peer.bulb().filter(|_| !peer.gone) else { return Attempt::Silent };
        let latency = bulb.connect_latency;
        let Verdict { delay, act } = peer.verdict(Point::Connect, None);
        self.keep_counts(address);
        match act {
            Some(Act::Silent) => Attempt::Silent,
            act => Attempt::Coming { after: latency + delay, drops: act.is_some() },
        }
    }

    /// The attempt to connect was given up.
    pub(super) fn not_connected(&mut self, address: Address) {
        if let Some(peer) = self.peers.get_mut(&address) {
            peer.connecting = false;
        }
    }

    /// The link is up. Nothing if the adapter or the bulb has gone meanwhile.
    pub(super) fn connected(&mut self, address: Address) -> Option<LinkId> {
        let number = self.number();
        let peer = self.peers.get_mut(&address)?;
        peer.connecting = false;
        if !self.adapter || peer.gone || peer.link.is_some() {
            return None;
        }
        peer.link = Some(Up { number, subscribed: std::collections::BTreeSet::new() });
        peer.dirty = true;
        self.effects.extend([
            Effect::Log(address, Happening::Connect),
            Effect::Report(address),
            Effect::Keep,
        ]);
        Some(LinkId { address, number })
    }

    /// Resolves the services.
    pub(super) fn discover(&mut self, link: LinkId, now: Duration) -> Turn {
        self.turn(link, Point::Discover, None, now, |_| Answer::Done)
    }

    /// The services are resolved.
    pub(super) fn resolved(&mut self, link: LinkId) {
        if let Some(peer) = self.linked(link)
            && !peer.known.resolved
        {
            peer.known.resolved = true;
            peer.dirty = true;
            self.effects.push(Effect::Keep);
        }
    }

    /// Ends a link; nothing if it is down already.
    pub(super) fn end(&mut self, link: LinkId, by: By) {
        if self.linked(link).is_some() {
            self.effects.push(Effect::Log(link.address, Happening::Disconnect(by)));
            self.down(link);
        }
    }

    fn down(&mut self, link: LinkId) {
        if let Some(peer) = self.linked(link) {
            peer.link = None;
            peer.dirty = true;
            self.effects.extend([Effect::Down(link), Effect::Report(link.address), Effect::Keep]);
        }
    }

    fn linked(&mut self, link: LinkId) -> Option<&mut Peer> {
        self.peers
            .get_mut(&link.address)
            .filter(|peer| peer.link.as_ref().is_some_and(|up| up.number == link.number))
    }

    // -- what is asked over a link -----------------------------------------------------------------------------

    /// Asks something of a bulb: its answer, unless a fault has it answer otherwise.
    fn turn(
        &mut self,
        link: LinkId,
        point: Point,
        id: Option<CharacteristicId>,
        now: Duration,
        answer: impl FnOnce(&Peer) -> Answer,
    ) -> Turn {
        let Some(peer) = self.linked(link) else { return Turn::now(Answer::Silent) };
        let Verdict { delay, act } = peer.verdict(point, id.map(|id| id.characteristic));
        let answer = match act {
            None => answer(peer),
            Some(Act::Error(att)) => Answer::Error(att),
            Some(Act::Reply(bytes)) => Answer::Value(bytes),
            Some(Act::Lose) => Answer::Done,
            Some(Act::Drop) => {
                self.drop_later(link, delay, now);
                Answer::Silent
            }
            Some(Act::Silent | Act::Delay(_)) => Answer::Silent,
        };
        self.keep_counts(link.address);
        Turn { after: delay, answer }
    }

    /// A fault that acted so many times has to be known by the next command.
    fn keep_counts(&mut self, address: Address) {
        if self.peer(address).is_some_and(|peer| peer.dirty) {
            self.effects.push(Effect::Keep);
        }
    }

    fn drop_later(&mut self, link: LinkId, delay: Duration, now: Duration) {
        if delay.is_zero() {
            self.end(link, By::Bulb);
        } else {
            self.agenda.enter(now + delay, Due::Drop(link));
        }
    }

    /// Reads a value.
    pub(super) fn read(&mut self, link: LinkId, id: CharacteristicId, now: Duration) -> Turn {
        let Some(peer) = self.linked(link) else { return Turn::now(Answer::Silent) };
        if !peer.properties(id).read {
            return Turn::now(Answer::Error(READ_NOT_PERMITTED));
        }
        self.effects.push(Effect::Log(link.address, Happening::Read(id)));
        self.turn(link, Point::Read, Some(id), now, |peer| Answer::Value(peer.value(id, now)))
    }

    /// Writes a value. A write command is done as soon as it is sent, whatever becomes of it.
    pub(super) fn write(
        &mut self,
        link: LinkId,
        id: CharacteristicId,
        value: &[u8],
        kind: WriteKind,
        now: Duration,
    ) -> Turn {
        let Some(peer) = self.linked(link) else { return Turn::now(Answer::Silent) };
        let properties = peer.properties(id);
        let permitted = match kind {
            WriteKind::Request => properties.write,
            WriteKind::Command => properties.write_without_response,
        };
        if kind == WriteKind::Request && !permitted {
            return Turn::now(Answer::Error(WRITE_NOT_PERMITTED));
        }
        self.effects.push(Effect::Log(link.address, Happening::Write(id, kind, value.to_vec())));
        if !permitted {
            // BlueZ sends it all the same, and the bulb passes over it.
            return Turn::now(Answer::Done);
        }
        let mut wanted = None;
        let turn = self.turn(link, Point::Write, Some(id), now, |_| match command(id, value) {
            Ok(light) => {
                wanted = light;
                Answer::Done
            }
            Err(att) => Answer::Error(att),
        });
        match wanted {
            Some(light) if turn.after.is_zero() => self.obey(link, light, now),
            Some(light) => self.agenda.enter(now + turn.after, Due::Obey(link, light)),
            None => {}
        }
        if kind == WriteKind::Command { Turn::now(Answer::Done) } else { turn }
    }

    /// Asks for notifications; [`subscribed`](Self::subscribed) when the answer has come.
    pub(super) fn subscribe(&mut self, link: LinkId, id: CharacteristicId, now: Duration) -> Turn {
        self.turn(link, Point::Subscribe, Some(id), now, |_| Answer::Done)
    }

    /// From now on there are notifications.
    pub(super) fn subscribed(&mut self, link: LinkId, id: CharacteristicId, now: Duration) {
        let Some(peer) = self.linked(link) else { return };
        if !peer.link_of(link.number).is_some_and(|up| up.subscribed.insert(id)) {
            return;
        }
        self.effects.push(Effect::Log(link.address, Happening::Subscribe(id)));
        if id == BATTERY_LEVEL {
            self.expect_battery(link, now);
        }
    }

    /// No more notifications.
    pub(super) fn unsubscribe(&mut self, link: LinkId, id: CharacteristicId) {
        let up = self.linked(link).and_then(|peer| peer.link_of(link.number));
        if up.is_some_and(|up| up.subscribed.remove(&id)) {
            self.effects.push(Effect::Log(link.address, Happening::Unsubscribe(id)));
        }
    }

    // -- what a bulb does ----------------------------------------------------------------------------------------

    fn obey(&mut self, link: LinkId, light: LightState, now: Duration) {
        if self.linked(link).is_some() {
            self.change(link.address, light, now);
        }
    }

    /// The bulb has another state now, and says so after its latency.
    fn change(&mut self, address: Address, light: LightState, now: Duration) {
        let Some(peer) = self.peers.get_mut(&address) else { return };
        peer.light = light;
        peer.dirty = true;
        self.effects.push(Effect::Keep);
        self.tell(address, now);
    }

    fn tell(&mut self, address: Address, now: Duration) {
        if let Some(peer) = self.peers.get(&address)
            && let (Some(bulb), Some(up)) = (peer.bulb(), &peer.link)
        {
            let link = LinkId { address, number: up.number };
            self.agenda.enter(now + bulb.status_latency, Due::Status(link));
        }
    }

    fn expect_battery(&mut self, link: LinkId, now: Duration) {
        let battery = self.peer(link.address).and_then(Peer::bulb).and_then(|bulb| bulb.battery);
        if let Some(at) = battery.and_then(|battery| battery.next_change(now)) {
            self.agenda.enter(at, Due::Battery(link));
        }
    }

    fn battery(&mut self, link: LinkId, now: Duration) {
        let Some(peer) = self.linked(link) else { return };
        if peer.link_of(link.number).is_some_and(|up| up.subscribed.contains(&BATTERY_LEVEL)) {
            let value = peer.value(BATTERY_LEVEL, now);
            self.notify(link, BATTERY_LEVEL, value, now);
            self.expect_battery(link, now);
        }
    }

    /// Sends a notification, unless nobody asked for it, or a fault is in the way.
    fn notify(&mut self, link: LinkId, id: CharacteristicId, value: Vec<u8>, now: Duration) {
        let Some(peer) = self.linked(link) else { return };
        if !peer.link_of(link.number).is_some_and(|up| up.subscribed.contains(&id)) {
            return;
        }
        let Verdict { delay, act } = peer.verdict(Point::Notify, Some(id.characteristic));
        self.keep_counts(link.address);
        let value = match act {
            None => value,
            Some(Act::Reply(bytes)) => bytes,
            Some(Act::Drop) => return self.drop_later(link, delay, now),
            Some(_) => return,
        };
        if delay.is_zero() {
            self.send(link, id, value);
        } else {
            self.agenda.enter(now + delay, Due::Send(link, id, value));
        }
    }

    fn send(&mut self, link: LinkId, id: CharacteristicId, value: Vec<u8>) {
        let Some(peer) = self.linked(link) else { return };
        if peer.link_of(link.number).is_some_and(|up| up.subscribed.contains(&id)) {
            self.effects.push(Effect::Log(link.address, Happening::Notify(id, value.clone())));
            self.effects.push(Effect::Notify(link, id, value));
        }
    }

    // -- what happens by itself ------------------------------------------------------------------------------------

    fn happen(&mut self, what: What, now: Duration) {
        match what {
            What::Adapter(on) => self.switch(on),
            What::Bulb(address, deed) => self.befall(address, deed, now),
        }
    }

    /// The adapter is switched: off ends the scan and all links.
    fn switch(&mut self, on: bool) {
        if self.adapter == on {
            return;
        }
        self.adapter = on;
        self.effects.push(Effect::Adapter(on));
        if !on {
            self.stop_scan();
            self.drop_all();
        }
    }

    /// Ends every link from our side.
    pub(super) fn drop_all(&mut self) {
        let links: Vec<LinkId> = self
            .peers
            .iter()
            .filter_map(|(address, peer)| {
                let up = peer.link.as_ref()?;
                Some(LinkId { address: *address, number: up.number })
            })
            .collect();
        for link in links {
            self.end(link, By::Central);
        }
    }

    fn befall(&mut self, address: Address, deed: Deed, now: Duration) {
        let Some(peer) = self.peers.get_mut(&address) else { return };
        let link = peer.link.as_ref().map(|up| LinkId { address, number: up.number });
        match deed {
            Deed::Set { power, brightness, color } => {
                let light = LightState {
                    power: power.unwrap_or(peer.light.power),
                    brightness: brightness.unwrap_or(peer.light.brightness),
                    color: color.unwrap_or(peer.light.color),
                };
                return self.change(address, light, now);
            }
            Deed::Drop => {}
            Deed::Vanish => peer.gone = true,
            Deed::Appear => peer.gone = false,
            Deed::Rename(ref name) => peer.name = Some(name.clone()),
        }
        peer.dirty = true;
        self.effects.push(Effect::Keep);
        if let (Some(link), Deed::Drop | Deed::Vanish) = (link, deed) {
            self.end(link, By::Bulb);
        }
    }

    // -- what is kept between commands -----------------------------------------------------------------------------

    /// What is to be kept; counts as kept from then on.
    pub(super) fn save(&mut self) -> SavedPeers {
        self.peers
            .iter_mut()
            .map(|(address, peer)| {
                peer.dirty = false;
                (address.to_string(), peer.save())
            })
            .collect()
    }

    /// Takes over what other commands did, where we have not done anything ourselves since.
    pub(super) fn adopt(&mut self, saved: &SavedPeers, now: Duration) {
        let addresses: Vec<Address> = self.peers.keys().copied().collect();
        for address in addresses {
            let Some(theirs) = saved.get(&address.to_string()) else { continue };
            let number = self.number();
            let Some(peer) = self.peers.get_mut(&address) else { continue };
            let ours = peer.dirty;
            let changed = peer.adopt(theirs);
            let up = peer.link.as_ref().map(|up| LinkId { address, number: up.number });
            match up {
                None if theirs.linked && !ours && peer.bulb().is_some() => {
                    peer.link = Some(Up { number, subscribed: std::collections::BTreeSet::new() });
                    self.effects.push(Effect::Report(address));
                }
                Some(link) if !theirs.linked && !ours => {
                    self.down(link);
                    // Nothing that the file does not have.
                    if let Some(peer) = self.peers.get_mut(&address) {
                        peer.dirty = false;
                    }
                }
                _ => {}
            }
            if changed {
                self.tell(address, now);
            }
        }
    }
}

/// What a bulb makes of a write: another state, or nothing.
///
/// # Errors
/// The ATT error that a bulb answers with.
fn command(id: CharacteristicId, value: &[u8]) -> Result<Option<LightState>, u8> {
    if id != CONTROL {
        return Ok(None);
    }
    base::decode(value).map(Some).map_err(|error| match error.fault() {
        base::Fault::Length => INVALID_LENGTH,
        base::Fault::Power { .. } | base::Fault::Brightness { .. } => OUT_OF_RANGE,
    })
}
