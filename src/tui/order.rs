//! The order of the list: which devices are listed, and how they are sorted.

use std::cmp::Reverse;

use bulb_protocol::profile::Profile;
use unicode_width::UnicodeWidthStr;

use super::device::Device;
use super::model::{FORGET_AFTER, Model, Pane};
use super::settings::Sort;

/// Limit for known devices. Phones change addresses every few minutes and a desk stays open for days.
const MAX_DEVICES: usize = 10_000;

impl Model {
    pub(super) fn sort_and_filter(&mut self) {
        let index = self.selected_index();
        self.forget_silent_devices();
        let filter = self.filter.to_lowercase();
        let mut shown: Vec<&Device> =
            self.devices.values().filter(|device| self.is_listed(device, &filter)).collect();
        match self.sort {
            Sort::Signal => shown.sort_by_cached_key(|device| {
                // A device whose signal is not known goes last.
                (Reverse(device.rank), device.name.to_lowercase(), device.id().clone())
            }),
            Sort::Name => shown.sort_by_cached_key(|device| {
                (device.name.is_empty(), device.name.to_lowercase(), device.id().clone())
            }),
            Sort::Address => shown.sort_by_key(|device| (device.seen.address, device.id())),
        }
        let widest = shown.iter().map(|device| device.name.width()).max().unwrap_or_default();
        self.widest_name = u16::try_from(widest).unwrap_or(u16::MAX);
        let widest = shown.iter().filter_map(|device| device.profile.as_deref()).map(Profile::full_name);
        let widest = widest.map(|name| name.width()).max().unwrap_or_default();
        self.widest_family = u16::try_from(widest).unwrap_or(u16::MAX);
        self.order = shown.into_iter().map(|device| device.id().clone()).collect();
        if !self.user_selected {
            self.selected = self.order.first().cloned();
        } else if self.selected_index().is_none() {
            let nearest = index.unwrap_or_default().min(self.order.len().saturating_sub(1));
            self.selected = self.order.get(nearest).cloned();
        }
        if self.pane == Pane::Detail && self.selected.is_none() {
            self.pane = Pane::List;
        }
    }

    fn is_listed(&self, device: &Device, filter: &str) -> bool {
        let kept = self.selected.as_ref() == Some(device.id());
        let kind = self.show_all || device.bulb || device.wants_link() || self.marked.contains(device.id());
        let text = || {
            filter.is_empty()
                || device.name.to_lowercase().contains(filter)
                || device.address().to_lowercase().contains(filter)
        };
        // Hides devices that the system remembers but that were not seen yet.
        let here = self.show_all
            || kept
            || device.last_heard.is_some()
            || device.wants_link()
            || device.seen.connected;
        kind && here && text()
    }

    /// Removes devices that are silent, unless they are selected, marked or connected.
    fn forget_silent_devices(&mut self) {
        let selected = self.selected.clone();
        let marked = std::mem::take(&mut self.marked);
        self.devices.retain(|id, device| {
            device.silent_for < FORGET_AFTER
                || device.wants_link()
                || device.seen.connected
                || Some(id) == selected.as_ref()
                || marked.contains(id)
        });
        self.marked = marked;
        let excess = self.devices.len().saturating_sub(MAX_DEVICES);
        if excess == 0 {
            return;
        }
        let idle = self
            .devices
            .values()
            .filter(|device| !device.wants_link() && Some(device.id()) != selected.as_ref());
        // What is marked, connected, a bulb, or known without having been heard goes last.
        let mut idle: Vec<_> = idle
            .map(|device| {
                let linked = device.seen.connected;
                let unheard = device.last_heard.is_none();
                let rank = (self.marked.contains(device.id()) || linked, device.bulb, unheard);
                (rank, device.last_heard, device.id().clone())
            })
            .collect();
        // Removes all at once: in a crowd each batch can add hundreds.
        idle.sort_unstable();
        for (_, _, oldest) in idle.into_iter().take(excess) {
            self.devices.remove(&oldest);
            self.marked.remove(&oldest);
        }
    }
}
