//! The virtual world: bulbs, bystanders, the adapter, and time.
//!
//! It has no clock and does no I/O. Each call gives the age of the world, and leaves [`Effect`]s for the caller to carry
//! out.

use std::collections::BTreeMap;
use std::time::Duration;

use bulb_protocol::profile::Trigger;

use super::rig::{EventKind, FaultAction, FaultTrigger, InitialAdapter, Rig};
use super::store::SavedDevices;
use crate::radio::{Address, CharacteristicId};

mod defects;
mod device;
mod effect;
mod events;
mod notifications;
mod requests;
mod schedule;
#[cfg(test)]
mod tests;

#[cfg(unix)]
pub(super) use device::KNOWN_FOR;
pub(super) use device::{OpenLink, SimDevice, millis, path_of};
pub(super) use effect::{
    ConnectOutcome, DelayedResponse, DisconnectedBy, Effect, LinkId, LogEvent, Response,
};
pub(super) use schedule::Schedule;

/// The time from an advertisement to its scan response.
const SCAN_RESPONSE_DELAY: Duration = Duration::from_millis(1);

#[derive(Debug)]
pub(super) struct World {
    adapter_on: bool,
    link_limit: usize,
    /// The links of other commands are those of other adapters.
    several_adapters: bool,
    scan: Option<u64>,
    last_number: u64,
    devices: BTreeMap<Address, SimDevice>,
    schedule: Schedule<ScheduledEvent>,
    effects: Vec<Effect>,
}

/// An event in the schedule. A scan is named by its number, so that events of an earlier scan do nothing.
#[derive(Debug)]
enum ScheduledEvent {
    Advertise(Address, u64),
    ScanResponse(Address, u64),
    ProcessWrite(LinkId, CharacteristicId, Vec<u8>),
    SendStatus(LinkId, Trigger<'static>),
    IdleCheck(LinkId),
    HangUp(LinkId),
    BatteryChange(LinkId),
    SendNotification(LinkId, CharacteristicId, Vec<u8>),
    Rig(EventKind),
}

impl World {
    /// Creates the world of a rig at this age. The rig's events count from here.
    pub(super) fn new(rig: Rig, several_adapters: bool, now: Duration) -> Self {
        let mut schedule = Schedule::default();
        for event in rig.events {
            schedule.add(now + event.at, ScheduledEvent::Rig(event.kind));
        }
        Self {
            adapter_on: rig.adapter == InitialAdapter::On,
            link_limit: rig.links,
            several_adapters,
            scan: None,
            last_number: 0,
            devices: rig.devices.into_iter().map(|spec| (spec.address, SimDevice::new(spec))).collect(),
            schedule,
            effects: Vec::new(),
        }
    }

    pub(super) fn effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    pub(super) fn adapter_on(&self) -> bool {
        self.adapter_on
    }

    pub(super) fn link_limit(&self) -> usize {
        self.link_limit
    }

    pub(super) fn device(&self, address: Address) -> Option<&SimDevice> {
        self.devices.get(&address)
    }

    pub(super) fn known(&self, now: Duration) -> impl Iterator<Item = &SimDevice> {
        self.devices.values().filter(move |device| device.is_known(now))
    }

    pub(super) fn has_links(&self) -> bool {
        self.devices.values().any(|device| device.link.is_some())
    }

    pub(super) fn next_due(&self) -> Option<Duration> {
        self.schedule.next_due()
    }

    pub(super) fn advance(&mut self, now: Duration) {
        while let Some(event) = self.schedule.pop_due(now) {
            match event {
                ScheduledEvent::Advertise(address, scan) => self.advertise(address, scan, now),
                ScheduledEvent::ScanResponse(address, scan) => self.scan_response(address, scan, now),
                ScheduledEvent::ProcessWrite(link, id, value) => self.process_write(link, id, &value, now),
                ScheduledEvent::SendStatus(link, trigger) => self.send_status(link, trigger, now),
                ScheduledEvent::IdleCheck(link) => self.idle_check(link, now),
                ScheduledEvent::HangUp(link) => self.disconnect(link, DisconnectedBy::Bulb, now),
                ScheduledEvent::BatteryChange(link) => self.battery_change(link, now),
                ScheduledEvent::SendNotification(link, id, value) => self.send(link, id, value),
                ScheduledEvent::Rig(event) => self.apply_event(event, now),
            }
        }
    }

    // -- scanning ----------------------------------------------------------------------------------------------

    /// Starts a scan, unless one is running or the adapter is off.
    pub(super) fn start_scan(&mut self, now: Duration) {
        if !self.adapter_on || self.scan.is_some() {
            return;
        }
        let scan = self.next_number();
        self.scan = Some(scan);
        for (address, device) in &mut self.devices {
            device.known.rssi = None;
            let at = now + device.first_advert_delay();
            self.schedule.add(at, ScheduledEvent::Advertise(*address, scan));
        }
    }

    pub(super) fn stop_scan(&mut self) {
        if self.scan.take().is_some() {
            // Saved once a scan, not with every advertisement.
            self.effects.push(Effect::Save);
        }
    }

    fn next_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    fn advertise(&mut self, address: Address, scan: u64, now: Duration) {
        let Some(device) = self.devices.get_mut(&address).filter(|_| self.scan == Some(scan)) else { return };
        if device.advertises() {
            device.measure_rssi();
            device.hear(now, !device.spec.advert.name_in_response);
            if device.spec.advert.name_in_response {
                let at = now + SCAN_RESPONSE_DELAY;
                self.schedule.add(at, ScheduledEvent::ScanResponse(address, scan));
            }
            self.effects.push(Effect::SeenDevice(address));
        }
        let at = now + device.next_advert_delay();
        self.schedule.add(at, ScheduledEvent::Advertise(address, scan));
    }

    fn scan_response(&mut self, address: Address, scan: u64, now: Duration) {
        let Some(device) = self.devices.get_mut(&address).filter(|_| self.scan == Some(scan)) else { return };
        if device.advertises() {
            device.hear(now, true);
            self.effects.push(Effect::SeenDevice(address));
        }
    }

    // -- links -------------------------------------------------------------------------------------------------

    /// Begins to connect. Call [`end_connect`](Self::end_connect) when the attempt is over, whatever its outcome.
    pub(super) fn begin_connect(&mut self, address: Address, now: Duration) -> ConnectOutcome {
        if !self.adapter_on {
            return ConnectOutcome::AdapterOff;
        }
        let Some(device) = self.devices.get_mut(&address).filter(|device| device.is_known(now)) else {
            return ConnectOutcome::Unknown;
        };
        if device.connecting {
            return ConnectOutcome::InProgress;
        }
        if let Some(link) = device.link_id() {
            return ConnectOutcome::Connected { link, resolved: device.known.resolved };
        }
        let links = self.devices.values().filter(|device| device.link.is_some() || device.connecting).count();
        if links >= self.link_limit {
            return ConnectOutcome::Full;
        }
        let Some(device) = self.devices.get_mut(&address) else { return ConnectOutcome::Unknown };
        device.connecting = true;
        self.try_connect(address)
    }

    pub(super) fn try_connect(&mut self, address: Address) -> ConnectOutcome {
        let Some(device) = self.devices.get_mut(&address) else { return ConnectOutcome::Unknown };
        if device.vanished || !device.spec.advert.in_range {
            return ConnectOutcome::NotAdvertising { interval: device.spec.advert.interval };
        }
        let Some(bulb) = device.bulb() else { return ConnectOutcome::Silent };
        let latency = bulb.connect_latency;
        let fault = device.trigger_fault(FaultTrigger::Connect, None);
        self.save_fault_counts(address);
        match fault {
            Some(FaultAction::Silent) => ConnectOutcome::Silent,
            Some(FaultAction::Delay(delay)) => {
                ConnectOutcome::Connects { delay: latency + delay, drops: false }
            }
            fault => ConnectOutcome::Connects { delay: latency, drops: fault.is_some() },
        }
    }

    /// Ends an attempt to connect: it gave a usable link, or was given up.
    pub(super) fn end_connect(&mut self, address: Address) {
        if let Some(device) = self.devices.get_mut(&address) {
            device.connecting = false;
        }
    }

    /// Brings the link up. Returns `None` if the adapter or the bulb has gone in the meantime.
    pub(super) fn link_up(&mut self, address: Address, now: Duration) -> Option<LinkId> {
        let number = self.next_number();
        let device = self.devices.get_mut(&address)?;
        if !self.adapter_on || device.vanished || device.link.is_some() {
            return None;
        }
        device.link = Some(OpenLink::new(number, now, now));
        if let Some(bulb) = device.virtual_bulb() {
            bulb.connected(false);
        }
        device.unsaved = true;
        self.effects.extend([
            Effect::Log(address, LogEvent::Connect),
            Effect::SeenDevice(address),
            Effect::Save,
        ]);
        let link = LinkId { address, number };
        self.schedule_idle_check(link);
        Some(link)
    }

    pub(super) fn services_resolved(&mut self, link: LinkId) {
        if let Some(device) = self.linked(link)
            && !device.known.resolved
        {
            device.known.resolved = true;
            device.unsaved = true;
            self.effects.push(Effect::Save);
        }
    }

    /// Ends a link. Does nothing if it is down already.
    pub(super) fn disconnect(&mut self, link: LinkId, by: DisconnectedBy, now: Duration) {
        self.log(link, LogEvent::Disconnect(by));
        self.link_down(link, now);
    }

    pub(super) fn disconnect_all(&mut self, now: Duration) {
        let links: Vec<LinkId> = self.devices.values().filter_map(SimDevice::link_id).collect();
        for link in links {
            self.disconnect(link, DisconnectedBy::Central, now);
        }
    }

    fn link_down(&mut self, link: LinkId, now: Duration) {
        if let Some(device) = self.linked(link) {
            device.link = None;
            device.reset_after_disconnect();
            device.known.heard = Some(now);
            device.unsaved = true;
            self.effects.extend([Effect::LinkDown(link), Effect::SeenDevice(link.address), Effect::Save]);
        }
    }

    /// Ends a link after this time, as the bulb does.
    pub(super) fn hang_up_after(&mut self, link: LinkId, delay: Duration, now: Duration) {
        self.schedule.add(now + delay, ScheduledEvent::HangUp(link));
    }

    /// Sets the ATT MTU that was negotiated for a link.
    pub(super) fn set_mtu(&mut self, link: LinkId, mtu: u16) {
        if let Some(device) = self.linked(link) {
            device.set_mtu(mtu);
        }
    }

    pub(super) fn device_mut(&mut self, address: Address) -> Option<&mut SimDevice> {
        self.devices.get_mut(&address)
    }

    fn linked(&mut self, link: LinkId) -> Option<&mut SimDevice> {
        self.devices.get_mut(&link.address).filter(|device| device.link_id() == Some(link))
    }

    fn is_subscribed(&mut self, link: LinkId, id: CharacteristicId) -> bool {
        let open = self.linked(link).and_then(|device| device.link.as_ref());
        open.is_some_and(|open| open.subscribed.contains(&id))
    }

    fn log(&mut self, link: LinkId, event: LogEvent) {
        if self.linked(link).is_some() {
            self.effects.push(Effect::Log(link.address, event));
        }
    }

    // -- saving between commands -------------------------------------------------------------------------------

    /// Returns what is saved between commands, and marks it as saved.
    pub(super) fn save(&mut self) -> SavedDevices {
        let several_adapters = self.several_adapters;
        let saved = self.devices.iter_mut().map(|(address, device)| {
            device.unsaved = false;
            let mut saved = device.save();
            if several_adapters {
                (saved.linked, saved.last_activity_ms) = (false, None);
            }
            (address.to_string(), saved)
        });
        saved.collect()
    }

    /// Merges what other commands saved. A device that this command changed since its last save keeps its own state.
    pub(super) fn merge_saved(&mut self, saved: &SavedDevices, now: Duration) {
        let addresses: Vec<Address> = self.devices.keys().copied().collect();
        for address in addresses {
            let Some(theirs) = saved.get(&address.to_string()) else { continue };
            let number = self.next_number();
            let Some(device) = self.devices.get_mut(&address) else { continue };
            let unsaved = device.unsaved;
            let changed = device.merge_saved(theirs);
            match device.link_id() {
                _ if self.several_adapters => {}
                None if theirs.linked && !unsaved && device.bulb().is_some() => {
                    let last_activity = theirs.last_activity_ms.map_or(now, Duration::from_millis);
                    device.link = Some(OpenLink::new(number, now, last_activity));
                    if let Some(bulb) = device.virtual_bulb() {
                        bulb.connected(true);
                    }
                    self.effects.push(Effect::SeenDevice(address));
                    self.schedule_idle_check(LinkId { address, number });
                }
                Some(link) if !theirs.linked && !unsaved => {
                    self.link_down(link, now);
                    // The file says so already.
                    if let Some(device) = self.devices.get_mut(&address) {
                        device.unsaved = false;
                    }
                }
                _ => {}
            }
            if changed {
                self.send_change(address, now);
            }
        }
    }
}
