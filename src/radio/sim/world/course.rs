//! What takes its course: what a bulb does with a write, what it tells, and what happens by itself.

use std::time::Duration;

use bulb_protocol::profile::{Occasion, Reaction};

use super::effect::{By, Effect, Happening, LinkId};
use super::peer::Peer;
use super::{Due, World};
use crate::radio::sim::rig::{Act, BATTERY_LEVEL, Deed, Point, What};
use crate::radio::{Address, CharacteristicId};

impl World {
    /// A bulb takes a write that it has accepted.
    pub(super) fn take(&mut self, link: LinkId, id: CharacteristicId, value: Vec<u8>, now: Duration) {
        let Some(peer) = self.linked(link) else { return };
        peer.dirty = true;
        let occasion = match peer.obey(id, &value) {
            Reaction::Obeyed => Some(Occasion::Command),
            Reaction::Asked(question) => Some(Occasion::Question(question)),
            Reaction::Nothing => None,
            Reaction::Kept => {
                peer.written.insert(id, value);
                None
            }
        };
        if let Some(occasion) = occasion {
            let latency = peer.bulb().map(|bulb| bulb.status_latency).unwrap_or_default();
            self.agenda.enter(now + latency, Due::Tell(link, occasion));
        }
        self.effects.push(Effect::Keep);
    }

    /// The bulb tells its state, as it is by now.
    pub(super) fn tell(&mut self, link: LinkId, occasion: Occasion<'_>, now: Duration) {
        let told = self.linked(link).map(|peer| peer.told(occasion)).unwrap_or_default();
        for (id, value) in told {
            self.notify(link, id, value, now);
        }
    }

    /// Somebody else changed the bulb, which tells it at once.
    pub(super) fn tell_change(&mut self, address: Address, now: Duration) {
        if let Some(link) = self.peer(address).and_then(Peer::link_id) {
            self.tell(link, Occasion::Change, now);
        }
    }

    /// Waits for the central to fall silent, where the bulb minds that.
    pub(super) fn expect_silence(&mut self, link: LinkId) {
        let Some(peer) = self.linked(link) else { return };
        let spoken = peer.link.as_ref().map(|up| up.spoken);
        if let (Some(spoken), Some(patience)) = (spoken, peer.bulb().and_then(|bulb| bulb.idle_drop)) {
            self.agenda.enter(spoken + patience, Due::Idle(link));
        }
    }

    /// The bulb ends a link over which nothing has come for too long.
    pub(super) fn idle(&mut self, link: LinkId, now: Duration) {
        let Some(peer) = self.linked(link) else { return };
        let since = peer.link.as_ref().map(|up| now.saturating_sub(up.spoken));
        let patience = peer.bulb().and_then(|bulb| bulb.idle_drop);
        if patience.is_some_and(|patience| since >= Some(patience)) {
            self.end(link, By::Bulb, now);
        } else {
            self.expect_silence(link);
        }
    }

    /// Waits for the battery to lose a percent.
    pub(super) fn expect_battery(&mut self, link: LinkId, now: Duration) {
        let battery = self.peer(link.address).and_then(Peer::bulb).and_then(|bulb| bulb.battery);
        if let Some(at) = battery.and_then(|battery| battery.next_change(now)) {
            self.agenda.enter(at, Due::Battery(link));
        }
    }

    pub(super) fn battery(&mut self, link: LinkId, now: Duration) {
        if self.is_subscribed(link, BATTERY_LEVEL) {
            let value = self.peer(link.address).map(|peer| peer.value(BATTERY_LEVEL, now));
            self.notify(link, BATTERY_LEVEL, value.unwrap_or_default(), now);
            self.expect_battery(link, now);
        }
    }

    /// Sends a notification, unless nobody asked for it, or a fault is in the way.
    fn notify(&mut self, link: LinkId, id: CharacteristicId, value: Vec<u8>, now: Duration) {
        if !self.is_subscribed(link, id) {
            return;
        }
        let Some(peer) = self.linked(link) else { return };
        if peer.is_mute(now) {
            return;
        }
        let act = peer.strike(Point::Notify, Some(id.characteristic));
        self.keep_counts(link.address);
        match act {
            None => self.send(link, id, value),
            Some(Act::Reply(bytes)) => self.send(link, id, bytes),
            Some(Act::Delay(delay)) => self.agenda.enter(now + delay, Due::Send(link, id, value)),
            Some(Act::Drop) => self.end(link, By::Bulb, now),
            Some(Act::Lose | Act::Silent | Act::Error(_)) => {}
        }
    }

    pub(super) fn send(&mut self, link: LinkId, id: CharacteristicId, mut value: Vec<u8>) {
        if self.is_subscribed(link, id) {
            // Besides the value, a notification has an opcode and a handle (Bluetooth Core 5.4, Vol 3, Part F, 3.4.7.1).
            let mtu = self.peer(link.address).and_then(Peer::bulb).map_or(u16::MAX, |bulb| bulb.mtu);
            value.truncate(usize::from(mtu.saturating_sub(3)));
            self.log(link, Happening::Notify(id, value.clone()));
            self.effects.push(Effect::Notify(link, id, value));
        }
    }

    /// Something happens by itself.
    pub(super) fn happen(&mut self, what: What, now: Duration) {
        match what {
            What::Adapter(on) => self.switch(on, now),
            What::Bulb(address, deed) => self.befall(address, deed, now),
        }
    }

    /// The adapter is switched: off ends the scan and all links.
    fn switch(&mut self, on: bool, now: Duration) {
        if self.adapter == on {
            return;
        }
        self.adapter = on;
        self.effects.push(Effect::Adapter(on));
        if !on {
            self.stop_scan();
            self.end_all(now);
        }
    }

    fn befall(&mut self, address: Address, deed: Deed, now: Duration) {
        let Some(peer) = self.peers.get_mut(&address) else { return };
        let link = peer.link_id();
        peer.dirty = true;
        match deed {
            Deed::Set(change) => {
                if let Some(board) = peer.board() {
                    board.set(board.light().clone().merged(&change));
                }
                self.tell_change(address, now);
            }
            Deed::Appear => peer.gone = false,
            Deed::Rename(name) => peer.name = Some(name),
            Deed::Vanish => {
                peer.gone = true;
                link.into_iter().for_each(|link| self.end(link, By::Bulb, now));
            }
            Deed::Drop => link.into_iter().for_each(|link| self.end(link, By::Bulb, now)),
        }
        self.effects.push(Effect::Keep);
    }
}
