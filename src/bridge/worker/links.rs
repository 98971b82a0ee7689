//! Links: which bulb gets one, and what their drivers report.

use bulb_protocol::profile::Light;
use tokio::time::Instant;

use super::super::links::{BulbView, LinkAction, LinkView, Reports};
use super::super::topics::BulbId;
use super::Worker;
use super::bulb::{Bulb, LinkStage};
use crate::bulb::{
    BulbState, DrivenProfile, Driver, DriverEvent, DriverMode, DriverPlan, LinkPhase, Provenance,
};
use crate::error::{Error, ErrorKind};
use crate::radio::DeviceId;

impl Worker {
    /// Starts and stops drivers, as the policy of links wants it.
    pub(super) fn plan_links(&mut self, now: Instant) {
        self.release_others(now);
        for action in self.links.plan(&self.views(), now) {
            match action {
                LinkAction::Connect(id) => self.connect(&id, now),
                LinkAction::Release(id) => self.release(&id),
            }
        }
        let views = self.views();
        let again = views.iter().filter_map(|bulb| bulb.not_before).filter(|at| *at > now);
        self.plan_at = again.chain(self.links.wake(&views, now)).min();
    }

    fn views(&self) -> Vec<BulbView<BulbId>> {
        if !self.powered {
            return Vec::new();
        }
        self.bulbs.values().filter(|bulb| self.may_drive(&bulb.id)).map(view).collect()
    }

    /// Disconnects from bulbs that are another bridge's now.
    fn release_others(&mut self, now: Instant) {
        let ids: Vec<BulbId> = self
            .bulbs
            .values()
            .filter(|bulb| bulb.driver.is_some() && !self.may_drive(&bulb.id))
            .map(|bulb| bulb.id.clone())
            .collect();
        for id in ids {
            // Dropping the driver ends its writes at once.
            let driver = self.bulbs.get_mut(&id).and_then(|bulb| bulb.driver.take());
            drop(driver);
            self.link_down(&id, now);
            self.fail_commands(&id, &Error::BulbNotOwned { device: id.to_string() });
        }
    }

    fn connect(&mut self, id: &BulbId, now: Instant) {
        let Some(bulb) = self.bulbs.get_mut(id).filter(|bulb| bulb.driver.is_none()) else { return };
        bulb.link = LinkStage::Connecting(now);
        bulb.queue.begin(now);
        let plan = DriverPlan {
            radio: self.radio.clone(),
            device: bulb.device.clone(),
            families: self.settings.families.clone(),
            gate: self.gate.clone(),
            timeout: self.timeout,
            mode: DriverMode::Desk,
        };
        bulb.driver = Some(Driver::start(plan, self.driver_sender.clone()));
    }

    fn release(&mut self, id: &BulbId) {
        if let Some(bulb) = self.bulbs.get_mut(id)
            && let Some(driver) = &bulb.driver
        {
            driver.stop();
            bulb.link = LinkStage::Releasing;
        }
    }

    pub(super) fn driver_event(&mut self, device: &DeviceId, event: DriverEvent, now: Instant) {
        let Some(id) = self.by_device.get(device).cloned() else { return };
        // The last events of a driver that was dropped.
        if self.bulbs.get(&id).is_none_or(|bulb| bulb.driver.is_none()) {
            return;
        }
        self.commands_done(&id, &event, now);
        match event {
            DriverEvent::Recognised(profile) => self.recognised(&id, profile),
            DriverEvent::State(state, _) => self.state_reported(&id, state, now),
            DriverEvent::Battery(battery) => self.battery(&id, battery.map(|battery| battery.percent)),
            DriverEvent::Trouble(error) => self.trouble(&id, &error, now),
            DriverEvent::Link(phase) => self.link_changed(&id, &phase, now),
            DriverEvent::Connected(_)
            | DriverEvent::Confirmed(_)
            | DriverEvent::Unconfirmed
            | DriverEvent::Written
            | DriverEvent::Table(..)
            | DriverEvent::Info(_) => {}
        }
        self.publish_availability(&id);
    }

    fn link_changed(&mut self, id: &BulbId, phase: &LinkPhase, now: Instant) {
        let Some(bulb) = self.bulbs.get_mut(id) else { return };
        match phase {
            LinkPhase::Up => {
                if bulb.link != LinkStage::Releasing {
                    bulb.link = LinkStage::Up(now);
                }
                bulb.recovered();
                bulb.availability.set_linked(true, now);
                self.claims_linked(id, true);
                self.send_commands(id);
            }
            // The next attempt is planned with those of the other bulbs.
            LinkPhase::Waiting(_) => {
                if bulb.link != LinkStage::Releasing {
                    bulb.failed(false, now);
                    self.lost(id, now);
                }
                self.release(id);
            }
            LinkPhase::Down => {
                bulb.driver = None;
                if bulb.profile.is_some() && bulb.last_polled.is_some() {
                    // The link ended before it told everything, but it was one.
                    self.complete(id);
                }
                self.link_down(id, now);
            }
            LinkPhase::Queued | LinkPhase::Connecting(_) => {}
        }
        self.unplanned = true;
    }

    /// The link is down, on purpose or not.
    fn link_down(&mut self, id: &BulbId, now: Instant) {
        let Some(bulb) = self.bulbs.get_mut(id) else { return };
        bulb.link = LinkStage::None;
        bulb.last_link = Some(now);
        bulb.availability.set_linked(false, now);
        self.claims_linked(id, false);
        self.unplanned = true;
        self.publish_availability(id);
    }

    /// The bulb ended the link. Its state is unknown then, never off.
    fn lost(&mut self, id: &BulbId, now: Instant) {
        let Some(bulb) = self.bulbs.get_mut(id) else { return };
        bulb.availability.lost(now);
        bulb.state = BulbState::unknown();
        self.publish_state(id);
    }

    fn trouble(&mut self, id: &BulbId, error: &Error, now: Instant) {
        let Some(bulb) = self.bulbs.get_mut(id) else { return };
        if error.kind() == ErrorKind::NotDrivable || matches!(error, Error::NeedsPairing { .. }) {
            bulb.failed(true, now);
        }
        // A result of a command has been reported as such.
        if !bulb.is_up() && bulb.reported != Some(error.code()) {
            bulb.reported = Some(error.code());
            self.report(error, Some(id));
        }
    }

    fn recognised(&mut self, id: &BulbId, profile: DrivenProfile) {
        let Some(bulb) = self.bulbs.get_mut(id) else { return };
        if bulb.profile.replace(profile.clone()) != Some(profile) {
            self.announce(id);
            self.bulbs_changed();
        }
    }

    fn state_reported(&mut self, id: &BulbId, state: BulbState, now: Instant) {
        let Some(bulb) = self.bulbs.get_mut(id) else { return };
        if state.provenance == Provenance::Reported {
            bulb.last_polled = Some(now);
        }
        // A family that never reports starts each link with nothing known. What was written still holds, as far as anybody knows.
        let silent = bulb.profile.as_ref().is_some_and(|profile| !profile.reports_state());
        if silent && state.provenance == Provenance::Unknown {
            bulb.last_polled = Some(now);
            return;
        }
        bulb.state = state;
        self.publish_state(id);
    }

    /// A state in an advertisement, which counts while no link tells more.
    pub(super) fn state_advertised(&mut self, id: &BulbId, light: Light) {
        let Some(bulb) = self.bulbs.get_mut(id) else { return };
        let state = BulbState::advertised(light);
        // It has only a part of what the link reports.
        let known = bulb.state.light().is_some()
            && state.light.differing(&bulb.state.light).and(state.light.features()).is_empty();
        if !known {
            bulb.state = state;
            self.publish_state(id);
        }
    }

    fn battery(&mut self, id: &BulbId, percent: Option<u8>) {
        let Some(bulb) = self.bulbs.get_mut(id) else { return };
        let first = bulb.battery.is_none() && percent.is_some();
        bulb.battery = percent.or(bulb.battery);
        self.complete(id);
        if first {
            // Announced by an earlier run, without it.
            self.announce(id);
        }
        self.publish_battery(id);
    }
}

fn view(bulb: &Bulb) -> BulbView<BulbId> {
    let profile = bulb.profile.as_ref();
    let readback = profile.map(|profile| profile.0.readback());
    BulbView {
        id: bulb.id.clone(),
        link: match bulb.link {
            LinkStage::None => LinkView::None,
            LinkStage::Connecting(since) => LinkView::Connecting { since },
            LinkStage::Up(since) => LinkView::Up { since },
            LinkStage::Releasing => LinkView::Releasing,
        },
        since: bulb.since,
        command: bulb.queue.oldest(),
        several: bulb.queue.is_for_several(),
        last_command: bulb.last_command,
        last_polled: bulb.last_polled,
        heard: bulb.heard,
        not_before: bulb.not_before,
        last_link: bulb.last_link,
        reports: match readback {
            Some(readback) if readback.change => Reports::ByItself,
            Some(readback) if readback.read || readback.query || readback.command => Reports::WhenAsked,
            Some(_) => Reports::Never,
            None => Reports::ByItself,
        },
        keep_alive: profile.is_some_and(|profile| profile.0.link_rules.keep_alive.is_some()),
    }
}
