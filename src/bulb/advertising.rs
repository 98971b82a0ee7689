//! The advertising interval and the device information of any device.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, timeout_at};

use crate::error::{Error, Result};
use crate::radio::gatt::uuid16;
use crate::radio::{CharacteristicId, Deadline, DeviceId, Link, Radio, SeenDevice, begin_scan, end_scan};

/// A scan response comes within a millisecond or two of its advertisement; two advertisements are at least 20 ms apart
/// (Bluetooth Core 5.4, Vol 4, Part E, 7.8.5).
const SAME_EVENT: Duration = Duration::from_millis(10);

/// The time limit for reading one characteristic.
const READ_TIME: Duration = Duration::from_secs(2);

/// The advertisements of a device within some time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Advertising {
    pub listened: Duration,
    /// The times between received advertisements, sorted. Where some were missed, a gap has several intervals.
    pub gaps: Vec<Duration>,
    /// The number of received advertisements.
    pub received: usize,
    last: Option<Instant>,
}

impl Advertising {
    pub fn silent(listened: Duration) -> Self {
        Self { listened, ..Self::default() }
    }

    fn add(&mut self, at: Instant) {
        match self.last.map(|last| at.saturating_duration_since(last)) {
            Some(gap) if gap < SAME_EVENT => return,
            Some(gap) => self.gaps.push(gap),
            None => {}
        }
        self.received += 1;
        self.last = Some(at);
    }

    pub fn least(&self) -> Option<Duration> {
        self.gaps.first().copied()
    }

    pub fn median(&self) -> Option<Duration> {
        self.gaps.get(self.gaps.len() / 2).copied()
    }

    pub fn most(&self) -> Option<Duration> {
        self.gaps.last().copied()
    }
}

/// Scans for this time, counts the advertisements of these devices, and updates `devices`. A connected device does not advertise.
pub async fn listen_to_advertisements(
    radio: &dyn Radio,
    devices: &mut [SeenDevice],
    during: Duration,
) -> Result<BTreeMap<DeviceId, Advertising>> {
    let mut received: BTreeMap<DeviceId, Advertising> = BTreeMap::new();
    let mut seen_devices = radio.seen_devices();
    begin_scan(radio, Deadline::after(during)).await?;
    let start = Instant::now();
    loop {
        let seen = match timeout_at(start + during, seen_devices.recv()).await {
            Ok(Ok(seen)) => seen,
            Ok(Err(RecvError::Lagged(_))) => continue,
            Ok(Err(RecvError::Closed)) | Err(_) => break,
        };
        let Some(device) = devices.iter_mut().find(|device| device.id == seen.id) else { continue };
        // The radio may also send devices that it saw before this scan.
        if let Some(last) = seen.seen.map(|times| times.last).filter(|last| *last >= start) {
            received.entry(seen.id.clone()).or_default().add(last);
        }
        *device = seen;
    }
    end_scan(radio).await;
    for advertising in received.values_mut() {
        advertising.listened = start.elapsed();
        advertising.gaps.sort_unstable();
    }
    Ok(received)
}

/// A characteristic of the device information service.
#[derive(Clone, Debug)]
pub struct DeviceInformation {
    pub id: CharacteristicId,
    pub value: Result<Vec<u8>>,
}

/// Reads all characteristics of the device information service 0x180A (Bluetooth Assigned Numbers). Fails only if the link drops.
pub async fn read_device_information(link: &dyn Link, deadline: Deadline) -> Result<Vec<DeviceInformation>> {
    let mut information = Vec::new();
    for (id, _, characteristic) in link.table().all() {
        if id.service != uuid16(0x180A) || !characteristic.properties.readable() {
            continue;
        }
        match link.read(id, deadline.within(READ_TIME)).await {
            Err(error @ Error::LinkLost { .. }) => return Err(error),
            value => information.push(DeviceInformation { id, value }),
        }
    }
    Ok(information)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_scan_response_does_not_count_as_an_advertisement() {
        let start = Instant::now();
        let mut advertising = Advertising::default();
        for ms in [0, 1, 100, 101, 305, 400] {
            advertising.add(start + Duration::from_millis(ms));
        }
        advertising.gaps.sort_unstable();
        assert_eq!(advertising.received, 4);
        let ms = |gap: Option<Duration>| gap.unwrap().as_millis();
        assert_eq!((ms(advertising.least()), ms(advertising.median())), (95, 100));
        assert_eq!(ms(advertising.most()), 205);
        assert_eq!(Advertising::default().median(), None);
    }
}
