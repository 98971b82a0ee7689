//! The virtual world: bulbs, bystanders, the adapter, and time. It has no clock and does no I/O: it is told what the
//! central does and how old the world is by then, answers, and leaves [`Effect`]s to be carried out.

use std::collections::BTreeMap;
use std::time::Duration;

use bulb_protocol::profile::Occasion;

use super::rig::{Act, Point, Rig, Start, What};
use super::store::SavedPeers;
use crate::radio::{Address, CharacteristicId};
use agenda::Agenda;
use peer::Up;

mod agenda;
mod ask;
mod course;
mod defect;
mod effect;
mod peer;
#[cfg(test)]
mod tests;

pub(super) use effect::{Answer, Attempt, By, Effect, Happening, LinkId, Turn};
pub(super) use peer::{Peer, millis};

/// How long after an advertisement its scan response comes.
const RESPONSE_AFTER: Duration = Duration::from_millis(1);

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

/// What comes by itself.
#[derive(Debug)]
enum Due {
    Advert(Address, u64),
    Response(Address, u64),
    Take(LinkId, CharacteristicId, Vec<u8>),
    Tell(LinkId, Occasion<'static>),
    Idle(LinkId),
    Battery(LinkId),
    Send(LinkId, CharacteristicId, Vec<u8>),
    Event(What),
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
                Due::Take(link, id, value) => self.take(link, id, value, now),
                Due::Tell(link, occasion) => self.tell(link, occasion, now),
                Due::Idle(link) => self.idle(link, now),
                Due::Battery(link) => self.battery(link, now),
                Due::Send(link, id, value) => self.send(link, id, value),
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
            self.effects.push(Effect::SeenDevice(address));
        }
        self.agenda.enter(now + peer.pause(), Due::Advert(address, scan));
    }

    fn respond(&mut self, address: Address, scan: u64, now: Duration) {
        let Some(peer) = self.peers.get_mut(&address).filter(|_| self.scan == Some(scan)) else { return };
        if peer.advertises() {
            peer.hear(now, true);
            self.effects.push(Effect::SeenDevice(address));
        }
    }

    // -- links -------------------------------------------------------------------------------------------------

    /// Begins to connect. What has begun is over with [`connect_over`](Self::connect_over), whatever came of it.
    pub(super) fn connect(&mut self, address: Address, now: Duration) -> Attempt {
        if !self.adapter {
            return Attempt::AdapterOff;
        }
        let Some(peer) = self.peers.get_mut(&address).filter(|peer| peer.is_known(now)) else {
            return Attempt::Unknown;
        };
        if peer.connecting {
            return Attempt::Busy;
        }
        if let Some(link) = peer.link_id() {
            return Attempt::Up { link, resolved: peer.known.resolved };
        }
        peer.connecting = true;
        self.attempt(address)
    }

    /// Asks the bulb for the link.
    pub(super) fn attempt(&mut self, address: Address) -> Attempt {
        let Some(peer) = self.peers.get_mut(&address) else { return Attempt::Unknown };
        if peer.gone {
            return Attempt::Away { interval: peer.device.advert.interval };
        }
        let Some(bulb) = peer.bulb() else { return Attempt::Silent };
        let latency = bulb.connect_latency;
        let act = peer.strike(Point::Connect, None);
        self.keep_counts(address);
        match act {
            Some(Act::Silent) => Attempt::Silent,
            Some(Act::Delay(delay)) => Attempt::Coming { after: latency + delay, drops: false },
            act => Attempt::Coming { after: latency, drops: act.is_some() },
        }
    }

    /// The connect has come to a link that is of use, or was given up.
    pub(super) fn connect_over(&mut self, address: Address) {
        if let Some(peer) = self.peers.get_mut(&address) {
            peer.connecting = false;
        }
    }

    /// The link is up. Nothing if the adapter or the bulb has gone meanwhile.
    pub(super) fn connected(&mut self, address: Address, now: Duration) -> Option<LinkId> {
        let number = self.number();
        let peer = self.peers.get_mut(&address)?;
        if !self.adapter || peer.gone || peer.link.is_some() {
            return None;
        }
        peer.link = Some(Up::new(number, now, now));
        if let Some(board) = peer.board() {
            board.connected(false);
        }
        peer.dirty = true;
        self.effects.extend([
            Effect::Log(address, Happening::Connect),
            Effect::SeenDevice(address),
            Effect::Keep,
        ]);
        let link = LinkId { address, number };
        self.expect_silence(link);
        Some(link)
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
    pub(super) fn end(&mut self, link: LinkId, by: By, now: Duration) {
        self.log(link, Happening::Disconnect(by));
        self.down(link, now);
    }

    /// Ends every link from our side.
    pub(super) fn end_all(&mut self, now: Duration) {
        let links: Vec<LinkId> = self.peers.values().filter_map(Peer::link_id).collect();
        for link in links {
            self.end(link, By::Central, now);
        }
    }

    fn down(&mut self, link: LinkId, now: Duration) {
        if let Some(peer) = self.linked(link) {
            peer.link = None;
            peer.forget();
            peer.known.heard = Some(now);
            peer.dirty = true;
            self.effects.extend([Effect::Down(link), Effect::SeenDevice(link.address), Effect::Keep]);
        }
    }

    /// The bulb, if this link to it is up.
    fn linked(&mut self, link: LinkId) -> Option<&mut Peer> {
        self.peers.get_mut(&link.address).filter(|peer| peer.link_id() == Some(link))
    }

    fn is_subscribed(&mut self, link: LinkId, id: CharacteristicId) -> bool {
        let up = self.linked(link).and_then(|peer| peer.link.as_ref());
        up.is_some_and(|up| up.subscribed.contains(&id))
    }

    /// Something for the air log, if the link is up.
    fn log(&mut self, link: LinkId, what: Happening) {
        if self.linked(link).is_some() {
            self.effects.push(Effect::Log(link.address, what));
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
            match peer.link_id() {
                None if theirs.linked && !ours && peer.bulb().is_some() => {
                    let spoken = theirs.spoken_ms.map_or(now, Duration::from_millis);
                    peer.link = Some(Up::new(number, now, spoken));
                    if let Some(board) = peer.board() {
                        board.connected(true);
                    }
                    self.effects.push(Effect::SeenDevice(address));
                    self.expect_silence(LinkId { address, number });
                }
                Some(link) if !theirs.linked && !ours => {
                    self.down(link, now);
                    // Nothing that the file does not have.
                    if let Some(peer) = self.peers.get_mut(&address) {
                        peer.dirty = false;
                    }
                }
                _ => {}
            }
            if changed {
                self.tell_change(address, now);
            }
        }
    }
}
