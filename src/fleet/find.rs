//! Finds the bulbs that a target means: among what the system knows, else by a scan that ends as soon as it can.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::broadcast::{self, error::RecvError};
use tokio::time::{Instant, timeout_at};

use super::target::{Selector, Target};
use crate::error::{Error, Result};
use crate::radio::{AdapterState, Deadline, DeviceId, Radio, SeenDevice, begin_scan, end_scan};

/// Scan time for a target that may mean any number of bulbs, or several: three times the longest
/// advertising interval that bulbs are seen with (1 s).
const WINDOW: Duration = Duration::from_secs(3);
/// Extra scan time for a second bulb with a name that was found: three times the usual interval of 100 ms.
const NAMESAKE_WINDOW: Duration = Duration::from_millis(300);

#[derive(Debug)]
pub struct Found {
    /// The bulbs, in the order in which the target names them, each once.
    pub bulbs: Vec<SeenDevice>,
    /// Errors of single items of the target: not found, or ambiguous.
    pub failures: Vec<(String, Error)>,
}

/// Finds the bulbs of a target among what the system knows, without a scan.
pub async fn find_known(
    radio: &dyn Radio,
    target: &Target,
    among: impl Fn(&SeenDevice) -> bool,
) -> Result<Found> {
    require_powered(radio)?;
    let mut devices = Devices::default();
    devices.add(radio.known_devices().await?.into_iter().filter(among));
    Ok(devices.resolve(target, Duration::ZERO))
}

/// Finds the bulbs of a target. Those that the system knows are not scanned for; the scan is over before this returns,
/// so that a connect can follow. A bulb that is not found is a failure in the result, not an error.
pub async fn find(radio: &dyn Radio, target: &Target, deadline: Deadline) -> Result<Found> {
    require_powered(radio)?;
    let start = Instant::now();
    let mut devices = Devices::default();
    devices.add(radio.known_devices().await?.into_iter());
    let open_end = target.selectors().iter().any(Selector::many);
    if open_end || !devices.has_all(target) {
        tracing::info!("scanning for {}", target.text());
        let reports = radio.seen_devices();
        begin_scan(radio, deadline).await?;
        // What was found needs time as well.
        let window = match target.single() {
            Some(_) => deadline,
            None => deadline.within(WINDOW.min(deadline.remaining() / 2)),
        };
        let result = collect(radio, reports, &mut devices, target, open_end, window).await;
        end_scan(radio).await;
        result?;
    }
    Ok(devices.resolve(target, start.elapsed()))
}

/// Fails if the adapter is off: the devices that the system knows cannot be reached then.
fn require_powered(radio: &dyn Radio) -> Result<()> {
    let adapter = radio.adapter().name;
    match *radio.adapter_state().borrow() {
        AdapterState::On => Ok(()),
        AdapterState::Off => Err(Error::AdapterOff { adapter }),
        AdapterState::Absent => Err(Error::AdapterLost { adapter }),
    }
}

/// Collects devices until the target is complete or the time is over.
async fn collect(
    radio: &dyn Radio,
    mut reports: broadcast::Receiver<SeenDevice>,
    devices: &mut Devices,
    target: &Target,
    open_end: bool,
    window: Deadline,
) -> Result<()> {
    let mut adapter = radio.adapter_state();
    let mut end = Instant::now() + window.remaining();
    loop {
        let report = tokio::select! {
            report = timeout_at(end, reports.recv()) => report,
            state = adapter.wait_for(|state| *state != AdapterState::On) => {
                drop(state);
                return Err(Error::AdapterLost { adapter: radio.adapter().name });
            }
        };
        match report {
            Err(_) => return Ok(()),
            Ok(Err(RecvError::Closed)) => return Err(Error::AdapterLost { adapter: radio.adapter().name }),
            // What was missed is repeated by the next report of each device.
            Ok(Err(RecvError::Lagged(_))) => {}
            Ok(Ok(report)) => {
                let complete = devices.has_all(target);
                devices.add(std::iter::once(report));
                if !open_end && devices.has_all(target) && !complete {
                    if !target.selectors().iter().any(|wanted| matches!(wanted, Selector::Exact(_))) {
                        return Ok(());
                    }
                    end = end.min(Instant::now() + NAMESAKE_WINDOW);
                }
            }
        }
    }
}

#[derive(Default)]
struct Devices(BTreeMap<DeviceId, SeenDevice>);

impl Devices {
    fn add(&mut self, reports: impl Iterator<Item = SeenDevice>) {
        self.0.extend(reports.map(|report| (report.id.clone(), report)));
    }

    fn has_all(&self, target: &Target) -> bool {
        target.selectors().iter().all(|wanted| self.0.values().any(|report| wanted.matches(report)))
    }

    fn resolve(mut self, target: &Target, waited: Duration) -> Found {
        let seen = self.0.len();
        let mut found = Found { bulbs: Vec::new(), failures: Vec::new() };
        let mut taken: Vec<DeviceId> = Vec::new();
        for wanted in target.selectors() {
            let ids: Vec<DeviceId> = self
                .0
                .values()
                .filter(|report| wanted.matches(report))
                .map(|report| report.id.clone())
                .collect();
            let text = wanted.text();
            match ids.len() {
                0 => {
                    found.failures.push((text.clone(), Error::TargetNotFound { target: text, seen, waited }))
                }
                2.. if !wanted.many() => {
                    let candidates = ids.iter().map(ToString::to_string).collect();
                    found.failures.push((text.clone(), Error::TargetAmbiguous { target: text, candidates }));
                }
                _ => taken.extend(ids.into_iter().filter(|id| !taken.contains(id)).collect::<Vec<_>>()),
            }
        }
        found.bulbs = taken.iter().filter_map(|id| self.0.remove(id)).collect();
        found
    }
}
