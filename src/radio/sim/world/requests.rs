//! Requests of a central over a link, and the bulb's responses. A request is logged, then meets the faults, then the
//! properties of the characteristic.

use std::time::Duration;

use super::defects::HANGS_UP_AFTER;
use super::device::SimDevice;
use super::effect::{DelayedResponse, DisconnectedBy, Effect, LinkId, LogEvent, Response};
use super::{ScheduledEvent, World};
use crate::radio::sim::rig::{BATTERY_LEVEL, Defect, FaultAction, FaultTrigger};
use crate::radio::{Address, CharacteristicId, WriteKind};

/// ATT error codes (Bluetooth Core 5.4, Vol 3, Part F, 3.4.1.1).
const READ_NOT_PERMITTED: u8 = 0x02;
const WRITE_NOT_PERMITTED: u8 = 0x03;
const INSUFFICIENT_AUTHENTICATION: u8 = 0x05;

impl World {
    /// Responds to a request: with `response`, unless a fault changes it.
    fn respond(
        &mut self,
        link: LinkId,
        trigger: FaultTrigger,
        id: Option<CharacteristicId>,
        now: Duration,
        response: impl FnOnce(&SimDevice) -> Response,
    ) -> DelayedResponse {
        let Some(device) = self.linked(link) else { return DelayedResponse::now(Response::Silent) };
        let fault = device.trigger_fault(trigger, id.map(|id| id.characteristic));
        let drops = fault == Some(FaultAction::Drop);
        let response = match fault {
            None => DelayedResponse::now(response(device)),
            Some(FaultAction::Delay(delay)) => DelayedResponse { delay, response: response(device) },
            Some(FaultAction::Error(att)) => DelayedResponse::now(Response::AttError(att)),
            Some(FaultAction::Reply(bytes)) => DelayedResponse::now(Response::Value(bytes)),
            Some(FaultAction::Lose) => DelayedResponse::now(Response::Done),
            Some(FaultAction::Silent | FaultAction::Drop) => DelayedResponse::now(Response::Silent),
        };
        self.save_fault_counts(link.address);
        if drops {
            self.disconnect(link, DisconnectedBy::Bulb, now);
        }
        response
    }

    /// Asks for a save if a fault was counted: the next command has to know it.
    pub(super) fn save_fault_counts(&mut self, address: Address) {
        if self.device(address).is_some_and(|device| device.unsaved) {
            self.effects.push(Effect::Save);
        }
    }

    /// Begins to resolve the services. Call [`services_resolved`](Self::services_resolved) when the response has
    /// arrived.
    pub(crate) fn discover(&mut self, link: LinkId, now: Duration) -> DelayedResponse {
        self.respond(link, FaultTrigger::Discover, None, now, |_| Response::Done)
    }

    pub(crate) fn read(&mut self, link: LinkId, id: CharacteristicId, now: Duration) -> DelayedResponse {
        self.log(link, LogEvent::Read(id));
        self.respond(link, FaultTrigger::Read, Some(id), now, |device| {
            if !device.properties(id).readable() {
                Response::AttError(READ_NOT_PERMITTED)
            } else if device.lacks_bond(id) {
                Response::AttError(INSUFFICIENT_AUTHENTICATION)
            } else {
                Response::Value(device.value(id, now))
            }
        })
    }

    /// Writes a value. A write command is done once it is sent: BlueZ does not check whether the characteristic takes
    /// it, and a bulb that does not ignores it.
    pub(crate) fn write(
        &mut self,
        link: LinkId,
        id: CharacteristicId,
        value: &[u8],
        kind: WriteKind,
        now: Duration,
    ) -> DelayedResponse {
        self.log(link, LogEvent::Write(id, kind, value.to_vec()));
        if let Some(open) = self.linked(link).and_then(|device| device.link.as_mut()) {
            open.last_activity = now;
        }
        let lost = self.linked(link).is_some_and(|device| device.loses_write(now));
        let hangs_up = self.linked(link).is_some_and(|device| {
            device.has_defect(Defect::HangsUpOnMalformed) && device.accepts(id, value).is_err()
        });
        if hangs_up {
            self.disconnect(link, DisconnectedBy::Bulb, now);
            return DelayedResponse::now(Response::Silent);
        }
        if self.linked(link).is_some_and(|device| {
            device.has_defect(Defect::HangsUpAfterMalformed) && device.accepts(id, value).is_err()
        }) {
            self.schedule.add(now + HANGS_UP_AFTER, ScheduledEvent::HangUp(link));
        }
        let mut accepted = false;
        let mut response =
            self.respond(link, FaultTrigger::Write, Some(id), now, |device| {
                match check_write(device, id, value, kind) {
                    Ok(()) => {
                        accepted = true;
                        Response::Done
                    }
                    Err(att) => Response::AttError(att),
                }
            });
        if accepted && !lost {
            if response.delay.is_zero() {
                self.process_write(link, id, value, now);
            } else {
                let event = ScheduledEvent::ProcessWrite(link, id, value.to_vec());
                self.schedule.add(now + response.delay, event);
            }
        }
        response.delay += self.linked(link).map_or(Duration::ZERO, |device| device.write_response_delay());
        if kind == WriteKind::Command { DelayedResponse::now(Response::Done) } else { response }
    }

    /// Begins to subscribe. Call [`subscribed`](Self::subscribed) when the response has arrived.
    pub(crate) fn subscribe(&mut self, link: LinkId, id: CharacteristicId, now: Duration) -> DelayedResponse {
        if self.is_subscribed(link, id) {
            return DelayedResponse::now(Response::Done);
        }
        self.log(link, LogEvent::Subscribe(id));
        self.respond(link, FaultTrigger::Subscribe, Some(id), now, |device| match device.lacks_bond(id) {
            true => Response::AttError(INSUFFICIENT_AUTHENTICATION),
            false => Response::Done,
        })
    }

    /// Bonds the bulb with the system, if it agrees or has a bond already.
    pub(crate) fn bond(&mut self, link: LinkId) -> DelayedResponse {
        let Some(device) = self.linked(link) else { return DelayedResponse::now(Response::Silent) };
        if device.bonded {
            return DelayedResponse::now(Response::Done);
        }
        if !device.bulb().is_some_and(|bulb| bulb.pairing) {
            return DelayedResponse::now(Response::AttError(INSUFFICIENT_AUTHENTICATION));
        }
        device.bonded = true;
        device.unsaved = true;
        self.effects.push(Effect::Save);
        self.log(link, LogEvent::Pair);
        DelayedResponse::now(Response::Done)
    }

    pub(crate) fn subscribed(&mut self, link: LinkId, id: CharacteristicId, now: Duration) {
        let open = self.linked(link).and_then(|device| device.link.as_mut());
        if open.is_some_and(|open| open.subscribed.insert(id)) && id == BATTERY_LEVEL {
            self.schedule_battery_change(link, now);
        }
    }

    pub(crate) fn unsubscribe(&mut self, link: LinkId, id: CharacteristicId) {
        let open = self.linked(link).and_then(|device| device.link.as_mut());
        if open.is_some_and(|open| open.subscribed.remove(&id)) {
            self.log(link, LogEvent::Unsubscribe(id));
        }
    }
}

/// Checks a write against the properties, the bond and the bulb's profile.
fn check_write(device: &SimDevice, id: CharacteristicId, value: &[u8], kind: WriteKind) -> Result<(), u8> {
    if !device.properties(id).allows(kind) {
        return Err(WRITE_NOT_PERMITTED);
    }
    if device.lacks_bond(id) {
        return Err(INSUFFICIENT_AUTHENTICATION);
    }
    device.accepts(id, value)
}
