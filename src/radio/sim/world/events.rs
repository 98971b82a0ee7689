//! The events of a rig: the adapter is switched, a bulb is changed by someone else, renamed, or moved out of range.

use std::time::Duration;

use super::World;
use super::effect::{DisconnectedBy, Effect};
use crate::radio::Address;
use crate::radio::sim::rig::{BulbEvent, EventKind};

impl World {
    pub(crate) fn apply_event(&mut self, event: EventKind, now: Duration) {
        match event {
            EventKind::AdapterPowered(on) => self.power_adapter(on, now),
            EventKind::Bulb(address, event) => self.apply_bulb_event(address, event, now),
        }
    }

    /// Switches the adapter. Switching it off ends the scan and all links.
    fn power_adapter(&mut self, on: bool, now: Duration) {
        if self.adapter_on == on {
            return;
        }
        self.adapter_on = on;
        self.effects.push(Effect::AdapterPowered(on));
        if !on {
            self.stop_scan();
            self.disconnect_all(now);
        }
    }

    fn apply_bulb_event(&mut self, address: Address, event: BulbEvent, now: Duration) {
        let Some(device) = self.devices.get_mut(&address) else { return };
        let link = device.link_id();
        device.unsaved = true;
        match event {
            BulbEvent::Set(change) => {
                if let Some(bulb) = device.virtual_bulb() {
                    bulb.set(bulb.light().clone().merged(&change));
                }
                self.send_change(address, now);
            }
            BulbEvent::Appear => device.vanished = false,
            BulbEvent::Rename(name) => device.name = Some(name),
            BulbEvent::Vanish => {
                device.vanished = true;
                link.into_iter().for_each(|link| self.disconnect(link, DisconnectedBy::Bulb, now));
            }
            BulbEvent::Drop => {
                link.into_iter().for_each(|link| self.disconnect(link, DisconnectedBy::Bulb, now));
            }
        }
        self.effects.push(Effect::Save);
    }
}
