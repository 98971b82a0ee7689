//! What a central asks over a link, and what the bulb answers. Every request is logged, then meets the faults, then the
//! properties of the characteristic.

use std::time::Duration;

use super::effect::{Answer, By, Effect, Happening, LinkId, Turn};
use super::peer::Peer;
use super::{Due, World};
use crate::radio::sim::rig::{Act, BATTERY_LEVEL, Defect, Point};
use crate::radio::{Address, CharacteristicId, WriteKind};

/// ATT error codes (Bluetooth Core 5.4, Vol 3, Part F, 3.4.1.1).
const READ_NOT_PERMITTED: u8 = 0x02;
const WRITE_NOT_PERMITTED: u8 = 0x03;
const INSUFFICIENT_AUTHENTICATION: u8 = 0x05;

impl World {
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
        let act = peer.strike(point, id.map(|id| id.characteristic));
        let drops = act == Some(Act::Drop);
        let turn = match act {
            None => Turn::now(answer(peer)),
            Some(Act::Delay(after)) => Turn { after, answer: answer(peer) },
            Some(Act::Error(att)) => Turn::now(Answer::Error(att)),
            Some(Act::Reply(bytes)) => Turn::now(Answer::Value(bytes)),
            Some(Act::Lose) => Turn::now(Answer::Done),
            Some(Act::Silent | Act::Drop) => Turn::now(Answer::Silent),
        };
        self.keep_counts(link.address);
        if drops {
            self.end(link, By::Bulb, now);
        }
        turn
    }

    /// How often a fault acted has to be known by the next command.
    pub(super) fn keep_counts(&mut self, address: Address) {
        if self.peer(address).is_some_and(|peer| peer.dirty) {
            self.effects.push(Effect::Keep);
        }
    }

    /// Resolves the services; [`resolved`](Self::resolved) when the answer has come.
    pub(crate) fn discover(&mut self, link: LinkId, now: Duration) -> Turn {
        self.turn(link, Point::Discover, None, now, |_| Answer::Done)
    }

    /// Reads a value.
    pub(crate) fn read(&mut self, link: LinkId, id: CharacteristicId, now: Duration) -> Turn {
        self.log(link, Happening::Read(id));
        self.turn(link, Point::Read, Some(id), now, |peer| {
            if !peer.properties(id).readable() {
                Answer::Error(READ_NOT_PERMITTED)
            } else if peer.is_closed(id) {
                Answer::Error(INSUFFICIENT_AUTHENTICATION)
            } else {
                Answer::Value(peer.value(id, now))
            }
        })
    }

    /// Writes a value. A write command is done as soon as it is sent, whatever becomes of it: BlueZ does not look whether
    /// the characteristic takes it, and the bulb passes over it if it does not.
    pub(crate) fn write(
        &mut self,
        link: LinkId,
        id: CharacteristicId,
        value: &[u8],
        kind: WriteKind,
        now: Duration,
    ) -> Turn {
        self.log(link, Happening::Write(id, kind, value.to_vec()));
        if let Some(up) = self.linked(link).and_then(|peer| peer.link.as_mut()) {
            up.spoken = now;
        }
        let mut taken = false;
        let lost = self.linked(link).is_some_and(|peer| peer.is_busy(now));
        let hangs_up = self.linked(link).is_some_and(|peer| {
            let knows = peer.accepts(id, value).is_ok();
            peer.has(Defect::HangsUpOnMalformed) && !knows
        });
        if hangs_up {
            self.end(link, By::Bulb, now);
            return Turn::now(Answer::Silent);
        }
        let mut turn =
            self.turn(link, Point::Write, Some(id), now, |peer| match verdict(peer, id, value, kind) {
                Ok(()) => {
                    taken = true;
                    Answer::Done
                }
                Err(att) => Answer::Error(att),
            });
        if lost {
            taken = false;
        }
        if taken && turn.after.is_zero() {
            self.take(link, id, value.to_vec(), now);
        } else if taken {
            self.agenda.enter(now + turn.after, Due::Take(link, id, value.to_vec()));
        }
        turn.after += self.linked(link).map_or(Duration::ZERO, |peer| peer.late());
        if kind == WriteKind::Command { Turn::now(Answer::Done) } else { turn }
    }

    /// Asks for notifications; [`subscribed`](Self::subscribed) when the answer has come.
    pub(crate) fn subscribe(&mut self, link: LinkId, id: CharacteristicId, now: Duration) -> Turn {
        if self.is_subscribed(link, id) {
            return Turn::now(Answer::Done);
        }
        self.log(link, Happening::Subscribe(id));
        self.turn(link, Point::Subscribe, Some(id), now, |peer| match peer.is_closed(id) {
            true => Answer::Error(INSUFFICIENT_AUTHENTICATION),
            false => Answer::Done,
        })
    }

    /// Bonds the bulb with the system, if it is ready for that or was bonded before.
    pub(crate) fn bond(&mut self, link: LinkId) -> Turn {
        let Some(peer) = self.linked(link) else { return Turn::now(Answer::Silent) };
        if peer.bonded {
            return Turn::now(Answer::Done);
        }
        if !peer.bulb().is_some_and(|bulb| bulb.pairing) {
            return Turn::now(Answer::Error(INSUFFICIENT_AUTHENTICATION));
        }
        peer.bonded = true;
        peer.dirty = true;
        self.effects.push(Effect::Keep);
        self.log(link, Happening::Pair);
        Turn::now(Answer::Done)
    }

    /// From now on there are notifications.
    pub(crate) fn subscribed(&mut self, link: LinkId, id: CharacteristicId, now: Duration) {
        let up = self.linked(link).and_then(|peer| peer.link.as_mut());
        if up.is_some_and(|up| up.subscribed.insert(id)) && id == BATTERY_LEVEL {
            self.expect_battery(link, now);
        }
    }

    /// No more notifications.
    pub(crate) fn unsubscribe(&mut self, link: LinkId, id: CharacteristicId) {
        let up = self.linked(link).and_then(|peer| peer.link.as_mut());
        if up.is_some_and(|up| up.subscribed.remove(&id)) {
            self.log(link, Happening::Unsubscribe(id));
        }
    }
}

/// What a bulb says to a write.
///
/// # Errors
/// The ATT error that it answers a request with.
fn verdict(peer: &Peer, id: CharacteristicId, value: &[u8], kind: WriteKind) -> Result<(), u8> {
    if !peer.properties(id).allows(kind) {
        return Err(WRITE_NOT_PERMITTED);
    }
    if peer.is_closed(id) {
        return Err(INSUFFICIENT_AUTHENTICATION);
    }
    peer.accepts(id, value)
}
