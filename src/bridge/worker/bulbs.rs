//! Bulbs that come and go.

use std::sync::Arc;

use tokio::time::Instant;

use super::super::topics::BulbId;
use super::bulb::Bulb;
use super::{MOST_BULBS, Worker};
use crate::bulb::DrivenProfile;
use crate::error::Error;
use crate::radio::SeenDevice;

impl Worker {
    /// The bulbs that were announced by an earlier run, and that are still meant.
    pub(super) fn restore_bulbs(&mut self) {
        let remembered = self.store.memory().bulbs.clone();
        for (id, bulb) in remembered {
            let device = bulb.as_device();
            let profile = self.settings.families.load(&bulb.profile).ok();
            match profile.filter(|_| self.settings.target.means_remembered(&device)) {
                Some((_, profile)) => {
                    self.add(device, Some(DrivenProfile(Arc::new(profile))));
                    self.complete(&id);
                }
                None => self.forget(&id),
            }
        }
    }

    pub(super) fn seen(&mut self, device: SeenDevice) {
        let now = Instant::now();
        if let Some(id) = self.by_device.get(&device.id).cloned() {
            return self.heard(&id, device, now);
        }
        if !self.settings.target.means(&device) || self.bulbs.len() >= MOST_BULBS {
            return;
        }
        let profile = self.settings.families.advertised_profile(&device).map(DrivenProfile);
        let id = BulbId::of(&device);
        self.add(device.clone(), profile);
        self.heard(&id, device, now);
    }

    fn add(&mut self, device: SeenDevice, profile: Option<DrivenProfile>) {
        let mut bulb = Bulb::new(device, profile);
        self.name(&mut bulb);
        let id = bulb.id.clone();
        self.by_device.insert(bulb.device.id.clone(), id.clone());
        self.bulbs.insert(id.clone(), bulb);
        self.claims_track(&id);
        self.unplanned = true;
        self.bulbs_changed();
        self.publish_availability(&id);
        self.publish_state(&id);
        self.complete_if_identified(&id);
        self.heard_at_last(&id);
    }

    /// Sets the name and the room of a bulb, as the configuration has them.
    pub(super) fn name(&self, bulb: &mut Bulb) {
        (bulb.name, bulb.area) = self.settings.name_of(&bulb.device);
    }

    fn heard(&mut self, id: &BulbId, device: SeenDevice, now: Instant) {
        let Some(bulb) = self.bulbs.get_mut(id) else { return };
        let first = bulb.heard.is_none();
        let renamed = device.trimmed_name().is_some_and(|name| bulb.device.trimmed_name() != Some(name));
        let advertised = (!bulb.is_up()).then(|| self.settings.families.advertised_light(&device)).flatten();
        let (signal, seen) = bulb.advertised(device, now);
        let rssi = bulb.device.rssi;
        self.claims_heard(id, rssi);
        if first || renamed {
            self.heard_first(id);
        }
        if let Some(light) = advertised {
            self.state_advertised(id, light);
        }
        self.publish_signal(id, signal, seen);
        self.publish_availability(id);
    }

    /// An advertisement with a name that identifies the family is enough to announce a bulb. There may be a hundred, and links to few.
    fn complete_if_identified(&mut self, id: &BulbId) {
        let Some(bulb) = self.bulbs.get(id) else { return };
        let has_name = bulb.device.names().next().is_some() || bulb.name != bulb.device.label();
        if has_name && bulb.profile.is_some() && bulb.heard.is_some() {
            self.complete(id);
        }
    }

    /// All that is announced of a bulb is known now.
    pub(super) fn complete(&mut self, id: &BulbId) {
        if let Some(bulb) = self.bulbs.get_mut(id)
            && !std::mem::replace(&mut bulb.complete, true)
        {
            self.announce(id);
            self.update_groups_of(id);
        }
    }

    /// Names and families may come with a later advertisement.
    fn heard_first(&mut self, id: &BulbId) {
        let Some(mut bulb) = self.bulbs.remove(id) else { return };
        self.name(&mut bulb);
        if bulb.profile.is_none() {
            bulb.profile = self.settings.families.advertised_profile(&bulb.device).map(DrivenProfile);
        }
        self.bulbs.insert(id.clone(), bulb);
        self.unplanned = true;
        self.complete_if_identified(id);
        self.announce(id);
        self.publish_state(id);
        self.bulbs_changed();
    }

    /// Stops to care for a bulb, and removes it from the broker.
    pub(super) fn remove(&mut self, id: &BulbId) {
        self.fail_commands(id, &Error::Interrupted);
        self.claims_untrack(id);
        if let Some(bulb) = self.bulbs.remove(id) {
            // Its links close when the driver is dropped.
            self.by_device.remove(&bulb.device.id);
        }
        self.forget(id);
    }
}
