//! Facts about any device: its advertising interval and its device information service.

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

/// How long one characteristic may take to say what it has to say.
const PART_TIME: Duration = Duration::from_secs(2);

/// How a device was heard to advertise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Advertising {
    /// How long was listened.
    pub listened: Duration,
    /// From one advertisement that was heard to the next, sorted. Where some were not heard, several intervals long.
    pub gaps: Vec<Duration>,
    /// How many were heard.
    pub heard: usize,
    last: Option<Instant>,
}

impl Advertising {
    /// Nothing was heard in this time.
    pub fn silent(listened: Duration) -> Self {
        Self { listened, ..Self::default() }
    }

    fn take(&mut self, at: Instant) {
        match self.last.map(|last| at.saturating_duration_since(last)) {
            Some(gap) if gap < SAME_EVENT => return,
            Some(gap) => self.gaps.push(gap),
            None => {}
        }
        self.heard += 1;
        self.last = Some(at);
    }

    /// The shortest gap.
    pub fn least(&self) -> Option<Duration> {
        self.gaps.first().copied()
    }

    /// The gap in the middle.
    pub fn median(&self) -> Option<Duration> {
        self.gaps.get(self.gaps.len() / 2).copied()
    }

    /// The longest gap.
    pub fn most(&self) -> Option<Duration> {
        self.gaps.last().copied()
    }
}

/// Listens for so long to how these devices advertise, and brings their reports up to date. A device that has a link does
/// not advertise.
pub async fn listen_to_advertisements(
    radio: &dyn Radio,
    devices: &mut [SeenDevice],
    during: Duration,
) -> Result<BTreeMap<DeviceId, Advertising>> {
    let mut heard: BTreeMap<DeviceId, Advertising> = BTreeMap::new();
    let mut reports = radio.seen_devices();
    begin_scan(radio, Deadline::after(during)).await?;
    let start = Instant::now();
    loop {
        let report = match timeout_at(start + during, reports.recv()).await {
            Ok(Ok(report)) => report,
            Ok(Err(RecvError::Lagged(_))) => continue,
            Ok(Err(RecvError::Closed)) | Err(_) => break,
        };
        let Some(device) = devices.iter_mut().find(|device| device.id == report.id) else { continue };
        // Heard within this scan, not only told of.
        if let Some(last) = report.seen.map(|heard| heard.last).filter(|last| *last >= start) {
            heard.entry(report.id.clone()).or_default().take(last);
        }
        *device = report;
    }
    end_scan(radio).await;
    for advertising in heard.values_mut() {
        advertising.listened = start.elapsed();
        advertising.gaps.sort_unstable();
    }
    Ok(heard)
}

/// What a characteristic of the device information service says, or why it says nothing.
#[derive(Clone, Debug)]
pub struct DeviceInformation {
    /// Which one.
    pub id: CharacteristicId,
    /// Its value.
    pub value: Result<Vec<u8>>,
}

/// Reads all that the device information service 0x180A has (Bluetooth Assigned Numbers).
pub async fn read_device_information(link: &dyn Link, deadline: Deadline) -> Result<Vec<DeviceInformation>> {
    let mut said = Vec::new();
    for (id, _, characteristic) in link.table().all() {
        if id.service != uuid16(0x180A) || !characteristic.properties.readable() {
            continue;
        }
        match link.read(id, deadline.within(PART_TIME)).await {
            Err(error @ Error::LinkLost { .. }) => return Err(error),
            value => said.push(DeviceInformation { id, value }),
        }
    }
    Ok(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_scan_response_is_no_advertisement_of_its_own() {
        let start = Instant::now();
        let mut advertising = Advertising::default();
        for ms in [0, 1, 100, 101, 305, 400] {
            advertising.take(start + Duration::from_millis(ms));
        }
        advertising.gaps.sort_unstable();
        assert_eq!(advertising.heard, 4);
        let ms = |gap: Option<Duration>| gap.unwrap().as_millis();
        assert_eq!((ms(advertising.least()), ms(advertising.median())), (95, 100));
        assert_eq!(ms(advertising.most()), 205);
        assert_eq!(Advertising::default().median(), None);
    }
}
