//! Which of several bridges owns a bulb.

use tokio::time::Instant;

use super::super::mqtt::Delivery;
use super::super::topics::{BulbId, Incoming};
use super::Worker;

impl Worker {
    /// Returns true if this bridge may hold a link to a bulb and write to it.
    pub(super) fn may_drive(&self, _id: &BulbId) -> bool {
        true
    }

    pub(super) fn claims_track(&mut self, _id: &BulbId) {}

    pub(super) fn claims_untrack(&mut self, _id: &BulbId) {}

    pub(super) fn claims_heard(&mut self, _id: &BulbId, _rssi: Option<i16>) {}

    pub(super) fn claims_linked(&mut self, _id: &BulbId, _linked: bool) {}

    pub(super) fn claims_used(&mut self, _id: &BulbId) {}

    pub(super) fn claims_connected(&mut self) {}

    pub(super) fn claims_subscribed(&mut self) {}

    pub(super) fn claims_disconnected(&mut self, _now: Instant) {}

    pub(super) fn claim_delivered(&mut self, _incoming: Incoming, _delivery: &Delivery) {}

    pub(super) fn claims_bridge(&mut self, _name: &str, _online: bool) {}

    pub(super) fn claims_tick(&mut self, _now: Instant) {}

    pub(super) fn claims_farewell(&mut self) {}
}
