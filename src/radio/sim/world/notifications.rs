//! The actions that bulbs take later: process writes, send notifications, and end idle links.

use std::time::Duration;

use bulb_protocol::profile::{Trigger, WriteOutcome};

use super::device::SimDevice;
use super::effect::{DisconnectedBy, Effect, LinkId, LogEvent};
use super::{ScheduledEvent, World};
use crate::radio::peripheral::longest_notification;
use crate::radio::sim::rig::{BATTERY_LEVEL, FaultAction, FaultTrigger};
use crate::radio::{Address, CharacteristicId};

impl World {
    /// Lets a bulb process a write that it has accepted.
    pub(super) fn process_write(&mut self, link: LinkId, id: CharacteristicId, value: &[u8], now: Duration) {
        let Some(device) = self.linked(link) else { return };
        device.unsaved = true;
        let trigger = match device.process_write(id, value) {
            WriteOutcome::Applied => Some(Trigger::Command),
            WriteOutcome::Query(query) => Some(Trigger::Query(query)),
            WriteOutcome::Ignored | WriteOutcome::Stored => None,
        };
        if let Some(trigger) = trigger {
            let latency = device.bulb().map(|bulb| bulb.status_latency).unwrap_or_default();
            self.schedule.add(now + latency, ScheduledEvent::SendStatus(link, trigger));
        }
        self.effects.push(Effect::Save);
    }

    pub(super) fn send_status(&mut self, link: LinkId, trigger: Trigger<'_>, now: Duration) {
        let frames = self.linked(link).map(|device| device.notifications(trigger)).unwrap_or_default();
        for (id, value) in frames {
            self.notify(link, id, value, now);
        }
    }

    /// Sends the notifications of a change that was not commanded over the link.
    pub(super) fn send_change(&mut self, address: Address, now: Duration) {
        if let Some(link) = self.device(address).and_then(SimDevice::link_id) {
            self.send_status(link, Trigger::Change, now);
        }
    }

    pub(super) fn schedule_idle_check(&mut self, link: LinkId) {
        let Some(device) = self.linked(link) else { return };
        let last_activity = device.link.as_ref().map(|open| open.last_activity);
        let idle_drop = device.bulb().and_then(|bulb| bulb.idle_drop);
        if let (Some(last_activity), Some(idle_drop)) = (last_activity, idle_drop) {
            self.schedule.add(last_activity + idle_drop, ScheduledEvent::IdleCheck(link));
        }
    }

    pub(super) fn idle_check(&mut self, link: LinkId, now: Duration) {
        let Some(device) = self.linked(link) else { return };
        let idle = device.link.as_ref().map(|open| now.saturating_sub(open.last_activity));
        let idle_drop = device.bulb().and_then(|bulb| bulb.idle_drop);
        if idle_drop.is_some_and(|idle_drop| idle >= Some(idle_drop)) {
            self.disconnect(link, DisconnectedBy::Bulb, now);
        } else {
            self.schedule_idle_check(link);
        }
    }

    pub(super) fn schedule_battery_change(&mut self, link: LinkId, now: Duration) {
        let battery = self.device(link.address).and_then(SimDevice::bulb).and_then(|bulb| bulb.battery);
        if let Some(at) = battery.and_then(|battery| battery.next_change(now)) {
            self.schedule.add(at, ScheduledEvent::BatteryChange(link));
        }
    }

    pub(super) fn battery_change(&mut self, link: LinkId, now: Duration) {
        if self.is_subscribed(link, BATTERY_LEVEL) {
            let value = self.device(link.address).map(|device| device.value(BATTERY_LEVEL, now));
            self.notify(link, BATTERY_LEVEL, value.unwrap_or_default(), now);
            self.schedule_battery_change(link, now);
        }
    }

    /// Sends a notification if the central has subscribed, subject to faults.
    fn notify(&mut self, link: LinkId, id: CharacteristicId, value: Vec<u8>, now: Duration) {
        if !self.is_subscribed(link, id) {
            return;
        }
        let Some(device) = self.linked(link) else { return };
        if device.is_mute(now) {
            return;
        }
        let fault = device.trigger_fault(FaultTrigger::Notify, Some(id.characteristic));
        self.save_fault_counts(link.address);
        match fault {
            None => self.send(link, id, value),
            Some(FaultAction::Reply(bytes)) => self.send(link, id, bytes),
            Some(FaultAction::Delay(delay)) => {
                self.schedule.add(now + delay, ScheduledEvent::SendNotification(link, id, value));
            }
            Some(FaultAction::Drop) => self.disconnect(link, DisconnectedBy::Bulb, now),
            Some(FaultAction::Lose | FaultAction::Silent | FaultAction::Error(_)) => {}
        }
    }

    /// Sends a notification, cut at the MTU, if the central is still subscribed.
    pub(super) fn send(&mut self, link: LinkId, id: CharacteristicId, mut value: Vec<u8>) {
        if self.is_subscribed(link, id) {
            value.truncate(longest_notification(self.device(link.address).map_or(u16::MAX, SimDevice::mtu)));
            self.log(link, LogEvent::Notify(id, value.clone()));
            self.effects.push(Effect::Notify(link, id, value));
        }
    }
}
