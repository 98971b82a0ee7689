//! `scan`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bulb_protocol::text::glob;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::args::Scan;
use super::context::Context;
use crate::bulb::Families;
use crate::error::{Error, Result};
use crate::output::{AdapterRecord, Bulb, DeviceRecord, Live, Printer, Record, ScanRecord, millis};
use crate::radio::{AdapterState, DeviceId, Radio, SeenDevice, begin_scan, end_scan};

/// Default duration of a scan.
const DURATION: Duration = Duration::from_secs(5);
/// Time between two drawings of the live table.
const FRAME: Duration = Duration::from_millis(100);
/// A device is lost after this silence. Bulbs advertise at least once a second, and some advertisements are always missed.
const LOST_AFTER: Duration = Duration::from_secs(10);
/// Time to wait for the name of a device. Many send it only in the scan response or in every other advertisement.
const NAME_TIME: Duration = Duration::from_millis(500);
/// With `--watch`, a device is printed again when its RSSI has changed by this much, in dB.
const RSSI_STEP: u16 = 6;
/// Limit of the devices that are counted and kept. Phones change their addresses every few minutes, and a scan may run for days.
const SEEN_MOST: usize = 10_000;

pub(crate) async fn run(args: &Scan, context: &Context<'_>) -> Result<()> {
    let filter = Filter::new(args, context.families.clone());
    let filter = Arc::new(filter);
    let radio = context.radio().await?.as_ref();
    let wanted = filter.clone();
    radio.prefer(Arc::new(move |device| wanted.is_wanted(device)));
    let mut view = ScanView::new(args, filter, context.printer);
    let mut adapter = radio.adapter_state();
    let mut devices = radio.seen_devices();
    let known = match radio.known_devices().await {
        // Recordings of older versions contain this call only with `--known`.
        Err(Error::NotRecorded { .. }) if !args.known => Vec::new(),
        known => known?,
    };
    // A bulb that the system holds a link to does not advertise.
    for device in known {
        if args.known || device.connected {
            view.take(device)?;
        }
    }
    let start = Instant::now();
    let duration = match (args.duration, args.watch) {
        (Some(duration), _) => Some(duration),
        (None, true) => None,
        (None, false) => Some(DURATION.min(context.timeout)),
    };
    let end = duration.map(|duration| start + duration);
    let limit = context.deadline().within(duration.unwrap_or(context.timeout));
    begin_scan(radio, limit).await?;
    let mut tick = interval(FRAME);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    while !view.done() {
        tokio::select! {
            device = devices.recv() => match device {
                Ok(device) => view.take(device)?,
                // The next advertisement of each device makes up for missed ones.
                Err(RecvError::Lagged(missed)) => tracing::debug!("missed {missed} advertisements"),
                Err(RecvError::Closed) => return Err(Error::AdapterLost { adapter: radio.adapter().name }),
            },
            changed = adapter.changed() => {
                let state = *adapter.borrow_and_update();
                if changed.is_err() {
                    return Err(Error::AdapterLost { adapter: radio.adapter().name });
                }
                adapter_changed(state, radio, args, &mut view, end, context).await?;
            }
            _ = tick.tick() => view.tick(start.elapsed())?,
            () = until(end) => break,
        }
    }
    let elapsed = start.elapsed();
    view.draw(elapsed, true);
    end_scan(radio).await;
    context.keep_seen(view.found.devices());
    view.end(elapsed)
}

async fn until(end: Option<Instant>) {
    match end {
        Some(end) => sleep_until(end).await,
        None => std::future::pending().await,
    }
}

/// Ends the scan when the adapter is switched off. With `--watch`, the scan resumes when it is on again.
async fn adapter_changed(
    state: AdapterState,
    radio: &dyn Radio,
    args: &Scan,
    view: &mut ScanView<'_>,
    end: Option<Instant>,
    context: &Context<'_>,
) -> Result<()> {
    let name = radio.adapter().name;
    let limit = match end {
        Some(end) => context.deadline().within(end.saturating_duration_since(Instant::now())),
        None => context.deadline(),
    };
    if !args.watch {
        // It may have been off for so short a time that nobody saw it. That ended the scan.
        return match state {
            AdapterState::On => begin_scan(radio, limit).await,
            _ => Err(Error::AdapterLost { adapter: name }),
        };
    }
    view.adapter(AdapterRecord::of(name, state))?;
    if state != AdapterState::On {
        return Ok(());
    }
    match begin_scan(radio, limit).await {
        Err(error) if *radio.adapter_state().borrow() != AdapterState::On => {
            tracing::info!("the adapter is gone again: {error}");
            Ok(())
        }
        result => result,
    }
}

struct Filter {
    any: bool,
    names: Vec<String>,
    services: Vec<uuid::Uuid>,
    address: Option<String>,
    min_rssi: Option<i16>,
    families: Arc<Families>,
}

impl Filter {
    fn new(args: &Scan, families: Arc<Families>) -> Self {
        let plain = |text: &str| text.replace([':', '-'], "").to_uppercase();
        Self {
            // A filter by name, service or address replaces the default filter.
            any: args.any || !args.name.is_empty() || !args.service.is_empty() || args.address.is_some(),
            names: args.name.clone(),
            services: args.service.clone(),
            address: args.address.as_deref().map(plain),
            min_rssi: args.min_rssi,
            families,
        }
    }

    /// Returns true if it matches, and is a bulb unless the user names what to look for.
    fn is_wanted(&self, device: &SeenDevice) -> bool {
        let named = !self.names.is_empty() || !self.services.is_empty() || self.address.is_some();
        self.matches(device) && (named || self.families.looks_like_a_bulb(device))
    }

    fn matches(&self, device: &SeenDevice) -> bool {
        let name = || device.trimmed_name().unwrap_or_default();
        let address =
            || device.address.map(|address| address.to_string().replace(':', "")).unwrap_or_default();
        (self.any || self.families.looks_like_a_bulb(device))
            && (self.names.is_empty() || self.names.iter().any(|pattern| glob(pattern, name())))
            && (self.services.is_empty()
                || self.services.iter().any(|service| device.services.contains(service)))
            && self.address.as_ref().is_none_or(|prefix| address().starts_with(prefix))
            && self.min_rssi.is_none_or(|min| device.rssi.is_some_and(|rssi| rssi >= min))
    }
}

/// The devices that match.
#[derive(Default)]
struct FoundDevices(BTreeMap<DeviceId, FoundDevice>);

struct FoundDevice {
    device: SeenDevice,
    wanted: bool,
}

impl FoundDevices {
    fn devices(&self) -> impl Iterator<Item = &SeenDevice> {
        self.0.values().map(|found| &found.device)
    }

    /// Keeps a device. If there are too many, drops the one that was silent for the longest time. Those that
    /// are connected, wanted, or known without having been heard go after the others.
    fn keep(&mut self, device: SeenDevice, wanted: bool, most: usize) {
        self.0.insert(device.id.clone(), FoundDevice { device, wanted });
        if self.0.len() > most {
            let rank = |FoundDevice { device, wanted }: &FoundDevice| {
                let heard = device.seen.map(|heard| heard.last);
                (device.connected, *wanted, heard.is_none(), heard)
            };
            let first = self.0.values().min_by_key(|found| rank(found)).map(|found| found.device.id.clone());
            first.and_then(|id| self.0.remove(&id));
        }
    }
}

struct ScanView<'a> {
    args: &'a Scan,
    filter: Arc<Filter>,
    printer: &'a Printer,
    live: Option<Live>,
    seen: BTreeSet<DeviceId>,
    found: FoundDevices,
    nameless: BTreeMap<DeviceId, SeenDevice>,
    adapter: Option<AdapterRecord>,
    changed: bool,
}

impl<'a> ScanView<'a> {
    fn new(args: &'a Scan, filter: Arc<Filter>, printer: &'a Printer) -> Self {
        let live = Live::new(printer);
        Self {
            args,
            filter,
            printer,
            live,
            seen: BTreeSet::new(),
            found: FoundDevices::default(),
            nameless: BTreeMap::new(),
            adapter: None,
            changed: true,
        }
    }

    fn done(&self) -> bool {
        self.args.first && !self.found.0.is_empty()
    }

    fn take(&mut self, device: SeenDevice) -> Result<()> {
        if self.seen.len() < SEEN_MOST {
            self.seen.insert(device.id.clone());
        }
        if !self.filter.matches(&device) {
            return Ok(());
        }
        self.changed = true;
        let printed = self.found.0.get_mut(&device.id).map(|found| &mut found.device);
        let nameless =
            device.name.is_none() && device.seen.is_some_and(|heard| heard.first.elapsed() < NAME_TIME);
        match printed {
            _ if self.live.is_some() => self.keep(device),
            Some(printed) if !self.args.watch || !differs(printed, &device) => printed.seen = device.seen,
            None if nameless && self.nameless.len() < SEEN_MOST => {
                self.nameless.insert(device.id.clone(), device);
            }
            _ => self.print(device)?,
        }
        Ok(())
    }

    fn print(&mut self, device: SeenDevice) -> Result<()> {
        self.nameless.remove(&device.id);
        self.printer.record(&Record::Device(DeviceRecord::of(&device, &self.filter.families)))?;
        self.keep(device);
        Ok(())
    }

    fn keep(&mut self, device: SeenDevice) {
        let wanted = self.filter.is_wanted(&device);
        self.found.keep(device, wanted, SEEN_MOST);
    }

    /// Prints the devices that have waited long enough for a name, or all.
    fn print_nameless(&mut self, all: bool) -> Result<()> {
        let due =
            |device: &SeenDevice| all || device.seen.is_none_or(|heard| heard.first.elapsed() >= NAME_TIME);
        let due: Vec<SeenDevice> = self.nameless.values().filter(|device| due(device)).cloned().collect();
        due.into_iter().try_for_each(|device| self.print(device))
    }

    fn adapter(&mut self, record: AdapterRecord) -> Result<()> {
        self.changed = true;
        if self.live.is_none() {
            self.printer.record(&Record::Adapter(record.clone()))?;
        }
        self.adapter = Some(record);
        Ok(())
    }

    fn tick(&mut self, elapsed: Duration) -> Result<()> {
        self.print_nameless(false)?;
        if self.args.watch {
            let gone =
                |device: &SeenDevice| device.seen.is_some_and(|heard| heard.last.elapsed() > LOST_AFTER);
            let (lost, found) =
                std::mem::take(&mut self.found.0).into_iter().partition(|(_, found)| gone(&found.device));
            self.found.0 = found;
            let lost: BTreeMap<DeviceId, FoundDevice> = lost;
            for FoundDevice { device, .. } in lost.values() {
                self.changed = true;
                if self.live.is_none() {
                    self.printer.record(&Record::Lost(Bulb::of(device)))?;
                }
            }
        }
        if self.changed || elapsed.subsec_millis() < 100 {
            self.draw(elapsed, false);
        }
        Ok(())
    }

    /// Draws the live table, strongest signal first.
    fn draw(&mut self, elapsed: Duration, last: bool) {
        self.changed = false;
        let Some(live) = &mut self.live else { return };
        let mut reports: Vec<&SeenDevice> = self.found.devices().collect();
        reports.sort_by_key(|device| (std::cmp::Reverse(device.rssi.map(|rssi| rssi / 8)), &device.id));
        let devices: Vec<DeviceRecord> =
            reports.into_iter().map(|device| DeviceRecord::of(device, &self.filter.families)).collect();
        let below = match &self.adapter {
            Some(adapter) if adapter.state != "on" => {
                format!("adapter {} is {}, waiting for the adapter", adapter.adapter, adapter.state)
            }
            _ if last => String::new(),
            _ => format!(
                "scanning … {} s, {} of {} devices",
                elapsed.as_secs(),
                devices.len(),
                self.seen.len()
            ),
        };
        live.draw(self.printer, &devices, &below);
    }

    fn end(&mut self, elapsed: Duration) -> Result<()> {
        self.print_nameless(!self.args.first)?;
        let (found, seen) = (self.found.0.len(), self.seen.len());
        self.printer.record(&Record::Scan(ScanRecord { found, seen, duration_ms: millis(elapsed) }))?;
        if found == 0 {
            return Err(Error::NothingFound { seen, waited: elapsed });
        }
        if !self.args.any && self.printer.live() && seen > found {
            self.printer.note(&format!("{found} of {seen} devices; --any shows all"));
        }
        Ok(())
    }
}

/// True if the change is worth a line.
fn differs(printed: &SeenDevice, device: &SeenDevice) -> bool {
    let far = |a: i16, b: i16| a.abs_diff(b) >= RSSI_STEP;
    let louder = match (printed.rssi, device.rssi) {
        (Some(a), Some(b)) => far(a, b),
        (a, b) => a.is_some() != b.is_some(),
    };
    louder
        || printed.name != device.name
        || printed.services != device.services
        || printed.manufacturer != device.manufacturer
        || printed.connected != device.connected
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::radio::SeenTimes;

    #[test]
    fn what_is_connected_wanted_or_known_makes_room_last() {
        let start = Instant::now();
        let heard = |id: &str, at: u64| {
            let at = start + Duration::from_secs(at);
            let seen = Some(SeenTimes { first: at, last: at });
            SeenDevice { id: DeviceId::new(id), seen, ..SeenDevice::default() }
        };
        let mut found = FoundDevices::default();
        found.keep(SeenDevice { connected: true, ..heard("linked", 0) }, false, 4);
        found.keep(heard("bulb", 0), true, 4);
        found.keep(SeenDevice { seen: None, ..heard("known", 0) }, false, 4);
        for n in 1..10 {
            found.keep(heard(&format!("phone-{n}"), n), false, 4);
        }
        let left: Vec<_> = found.0.keys().map(DeviceId::as_str).collect();
        assert_eq!(left, ["bulb", "known", "linked", "phone-9"]);
    }
}
