//! The requests of centrals, and what becomes of their links.

use std::time::Duration;

use bulb_protocol::profile::{DecodeError, DecodedCommand};

use super::super::world::{ConnectOutcome, DelayedResponse, DisconnectedBy, Response, path_of};
use super::{Action, BulbEventKind, EmulatedBulbs, WrittenValue};
use crate::radio::peripheral::{Central, PeripheralEvent, PeripheralEventKind, Reply, Responder};
use crate::radio::{CharacteristicId, WriteKind};

/// The ATT error for an offset behind the value (Bluetooth Core 5.4, Vol 3, Part F, 3.4.1.1).
const INVALID_OFFSET: u8 = 0x07;

impl EmulatedBulbs {
    /// Lets the bulbs react to an event of the radio. Events of a link that is over are ignored.
    pub fn handle(&mut self, event: PeripheralEvent) {
        let now = self.now();
        self.world.advance(now);
        self.react(event, now);
        self.collect();
    }

    fn react(&mut self, event: PeripheralEvent, now: Duration) {
        let PeripheralEvent { bulb: number, link, kind } = event;
        let Some(bulb) = self.bulbs.get(number) else { return };
        match kind {
            PeripheralEventKind::Connected { central, mtu, reply } => {
                return self.connected(number, link, (central, mtu), reply, now);
            }
            PeripheralEventKind::OffAir(error) => {
                self.actions.push_back(Action::Tell(number, BulbEventKind::OffAir(Some(error))));
                return;
            }
            PeripheralEventKind::OnAir => {
                let on_air = bulb.advertisement.clone().map(BulbEventKind::Advertising);
                self.actions.extend(on_air.map(|event| Action::Tell(number, event)));
                return;
            }
            _ => {}
        }
        let Some((_, id)) = bulb.link.filter(|(own, _)| *own == link) else { return };
        match kind {
            PeripheralEventKind::Disconnected => {
                self.forget_link(number);
                self.world.disconnect(id, DisconnectedBy::Central, now);
            }
            PeripheralEventKind::Mtu(mtu) => {
                self.world.set_mtu(id, mtu);
                self.actions.push_back(Action::Tell(number, BulbEventKind::Mtu(mtu)));
            }
            PeripheralEventKind::Paired => drop(self.world.bond(id)),
            PeripheralEventKind::Discover { reply } => {
                let response = self.world.discover(id, now);
                self.respond(reply, response, 0, now);
            }
            PeripheralEventKind::Subscribe { characteristic, reply } => {
                let response = self.world.subscribe(id, characteristic, now);
                if response.response == Response::Done {
                    self.world.subscribed(id, characteristic, now);
                    self.actions.push_back(Action::Tell(number, BulbEventKind::Subscribed(characteristic)));
                }
                self.respond(reply, response, 0, now);
            }
            PeripheralEventKind::Unsubscribed(characteristic) => self.world.unsubscribe(id, characteristic),
            PeripheralEventKind::Read { characteristic, offset, reply } => {
                let response = self.world.read(id, characteristic, now);
                let value = match &response.response {
                    Response::Value(value) => Some(value.clone()),
                    _ => None,
                };
                self.respond(reply, response, offset, now);
                self.actions.push_back(Action::Tell(number, BulbEventKind::Read(characteristic, value)));
            }
            PeripheralEventKind::Write { offset, reply, .. } if offset > 0 => {
                self.actions.push_back(Action::Reply(reply, Reply::AttError(INVALID_OFFSET)));
            }
            PeripheralEventKind::Write { characteristic, value, kind, reply, .. } => {
                let frame = self.decode(number, characteristic, &value);
                // A write of an unknown kind has its answer already, as a command needs none.
                let taken = kind.unwrap_or(WriteKind::Command);
                let response = self.world.write(id, characteristic, &value, taken, now);
                let att = match response.response {
                    Response::AttError(att) => Some(att),
                    _ => None,
                };
                let written = WrittenValue { characteristic, kind, value, frame, att };
                self.actions.push_back(Action::Tell(number, BulbEventKind::Written(written)));
                // Before the notifications, which are among the effects.
                self.respond(reply, response, 0, now);
            }
            PeripheralEventKind::Connected { .. }
            | PeripheralEventKind::OffAir(_)
            | PeripheralEventKind::OnAir => {}
        }
    }

    fn forget_link(&mut self, number: usize) {
        if let Some(bulb) = self.bulbs.get_mut(number) {
            bulb.link = None;
        }
    }

    fn connected(
        &mut self,
        number: usize,
        link: u64,
        (central, mtu): (Central, Option<u16>),
        reply: Responder,
        now: Duration,
    ) {
        let Some(address) = self.address(number) else { return };
        if let Some((_, before)) = self.bulbs.get_mut(number).and_then(|bulb| bulb.link.take()) {
            self.world.disconnect(before, DisconnectedBy::Central, now);
        }
        let (delay, drops) = match self.world.try_connect(address) {
            ConnectOutcome::Connects { delay, drops } => (delay, drops),
            // It never answers.
            ConnectOutcome::Silent => return,
            _ => {
                self.actions.push_back(Action::DropLink { bulb: number, link });
                return;
            }
        };
        let Some(id) = self.world.link_up(address, now) else {
            self.actions.push_back(Action::DropLink { bulb: number, link });
            return;
        };
        if let Some(mtu) = mtu {
            self.world.set_mtu(id, mtu);
        }
        if let Some(bulb) = self.bulbs.get_mut(number) {
            bulb.link = Some((link, id));
        }
        if drops {
            self.world.hang_up_after(id, delay, now);
        }
        self.actions.push_back(Action::Tell(number, BulbEventKind::Connected(central, mtu)));
        self.respond(reply, DelayedResponse { delay, response: Response::Done }, 0, now);
    }

    /// Answers a request now or later. The value of a read begins at `offset`.
    fn respond(&mut self, reply: Responder, response: DelayedResponse, offset: u16, now: Duration) {
        let DelayedResponse { delay, response } = response;
        let answer = match response {
            Response::Done => Reply::Done,
            Response::Value(value) => match value.get(usize::from(offset)..) {
                Some(rest) => Reply::Value(rest.to_vec()),
                None => Reply::AttError(INVALID_OFFSET),
            },
            Response::AttError(att) => Reply::AttError(att),
            Response::Silent => return,
        };
        if delay.is_zero() {
            self.actions.push_back(Action::Reply(reply, answer));
        } else {
            self.replies.add(now + delay, (reply, answer));
        }
    }

    fn decode(
        &self,
        bulb: usize,
        id: CharacteristicId,
        value: &[u8],
    ) -> Option<(String, Result<DecodedCommand, DecodeError>)> {
        let path = path_of(id)?;
        let (role, decoded) = self.device(bulb)?.bulb()?.virtual_bulb.decode(path, value)?;
        Some((role.to_owned(), decoded))
    }
}
