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

/// Time to listen to advertisements.
#[derive(Clone, Copy, Debug)]
pub struct ListenTime {
    least: Duration,
    most: Duration,
}

impl ListenTime {
    pub const fn fixed(time: Duration) -> Self {
        Self { least: time, most: time }
    }
}

impl Default for ListenTime {
    /// A second; up to six, until there are [`ENOUGH`] of each device. Then a device that advertises every two seconds has an
    /// interval.
    fn default() -> Self {
        Self { least: Duration::from_secs(1), most: Duration::from_secs(6) }
    }
}

/// Number of advertisements that give an interval, with one more in case the first was a late one.
const ENOUGH: usize = 3;

/// Scans for this time, counts the advertisements of these devices, and updates `devices`. A connected device does not advertise.
pub async fn listen_to_advertisements(
    radio: &dyn Radio,
    devices: &mut [SeenDevice],
    during: ListenTime,
) -> Result<BTreeMap<DeviceId, Advertising>> {
    let mut received: BTreeMap<DeviceId, Advertising> = BTreeMap::new();
    let mut seen_devices = radio.seen_devices();
    begin_scan(radio, Deadline::after(during.most)).await?;
    let start = Instant::now();
    loop {
        let waits = |device: &SeenDevice| {
            !device.connected && received.get(&device.id).is_none_or(|some| some.received < ENOUGH)
        };
        let enough = !devices.iter().any(waits);
        let end = start + if enough { during.least } else { during.most };
        let seen = match timeout_at(end, seen_devices.recv()).await {
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
    let listened = start.elapsed();
    end_scan(radio).await;
    for device in devices.iter().filter(|device| !device.connected) {
        received.entry(device.id.clone()).or_default();
    }
    for advertising in received.values_mut() {
        advertising.listened = listened;
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
    use crate::radio::sim::{SimOptions, open_text};

    #[tokio::test(start_paused = true)]
    async fn a_scan_response_does_not_count_as_an_advertisement() {
        let start = Instant::now();
        let mut advertising = Advertising::default();
        for ms in [0, 1, 100, 101, 305, 400, 520] {
            advertising.add(start + Duration::from_millis(ms));
        }
        advertising.gaps.sort_unstable();
        assert_eq!(advertising.received, 5);
        let ms = |gap: Option<Duration>| gap.unwrap().as_millis();
        assert_eq!((ms(advertising.least()), ms(advertising.median())), (95, 120));
        assert_eq!(ms(advertising.most()), 205);
        assert_eq!(Advertising::default().median(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_advertiser_is_listened_to_for_longer() {
        for (interval, gaps, listened) in
            [("100ms", 8..=10, 1000..=1010), ("2s", 2..=2, 4000..=6010), ("10s", 0..=0, 6000..=6010)]
        {
            let rig = format!(
                "rig = 1\n[[bulb]]\nname = \"Light-1\"\naddress = \"C4:11:00:00:00:01\"\ninterval = \"{interval}\"\n"
            );
            let dir = tempfile::TempDir::new().unwrap();
            let options = SimOptions { dir: Some(dir.path().to_owned()), log: None };
            let radio = open_text(&rig, "rig.toml", options).unwrap();
            let id = DeviceId::new("C4:11:00:00:00:01".to_owned());
            let mut devices = [SeenDevice { id: id.clone(), ..SeenDevice::default() }];
            let heard = listen_to_advertisements(radio.as_ref(), &mut devices, ListenTime::default()).await;
            let one = heard.unwrap().remove(&id).unwrap();
            assert!(
                gaps.contains(&one.gaps.len()) && listened.contains(&one.listened.as_millis()),
                "{interval}: {one:?}"
            );
        }
    }
}
