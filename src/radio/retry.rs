//! The number of attempts to connect, and the pauses between them. The same for every radio.

use std::time::Duration;

use tokio::sync::broadcast;

use super::DeviceId;

/// The most attempts. Most aborts pass, and the next attempt succeeds. bleak-retry-connector uses
/// the same number.
pub const ATTEMPTS: u32 = 4;
/// Reason why connecting fails for a device that the system does not know.
pub(super) const UNKNOWN: &str = "the system does not know it; a scan has to find it first";
/// The longest pause before the second attempt. It doubles for each further attempt.
const BACK_OFF: Duration = Duration::from_millis(150);
const QUEUE: usize = 16;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectRetry {
    pub device: DeviceId,
    /// The number of the attempt, from 2.
    pub number: u32,
    pub of: u32,
    pub after: String,
}

#[derive(Debug)]
pub(super) struct ConnectRetries(broadcast::Sender<ConnectRetry>);

impl Default for ConnectRetries {
    fn default() -> Self {
        Self(broadcast::Sender::new(QUEUE))
    }
}

impl ConnectRetries {
    pub(super) fn tell(&self, device: &DeviceId, label: &str, number: u32, after: &str) {
        tracing::info!("{label}: attempt {number} of {ATTEMPTS}, after: {after}");
        // Having no receiver is no error.
        let _ = self.0.send(ConnectRetry {
            device: device.clone(),
            number,
            of: ATTEMPTS,
            after: after.to_owned(),
        });
    }

    pub(super) fn subscribe(&self) -> broadcast::Receiver<ConnectRetry> {
        self.0.subscribe()
    }
}

pub(super) fn pause(device: &DeviceId, number: u32) -> Duration {
    spread(BACK_OFF * 2_u32.saturating_pow(number.saturating_sub(2)), device, number)
}

/// Shortens the pause by up to a quarter, by an amount that depends on device and number. Otherwise
/// devices that failed together would retry together. The result is the same in every run.
pub fn spread(pause: Duration, device: &DeviceId, number: u32) -> Duration {
    // FNV-1a, which is enough to tell some names apart.
    let bytes = device.as_str().bytes().chain(number.to_le_bytes());
    let hash = bytes.fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    pause.saturating_sub(pause / 1024 * ((hash >> 16) % 256))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_are_spread() {
        let device = DeviceId::new("C4:11:00:00:00:01");
        for (number, most) in [(2, 150), (3, 300), (4, 600)] {
            let pause = pause(&device, number).as_millis();
            assert!((most * 3 / 4..=most).contains(&pause), "{number}: {pause} ms");
        }
        let pauses: std::collections::BTreeSet<_> = (0..50)
            .map(|bulb| {
                spread(Duration::from_secs(1), &DeviceId::new(format!("C4:11:00:00:00:{bulb:02X}")), 1)
            })
            .collect();
        assert!(pauses.len() > 30, "{} different pauses for 50 bulbs", pauses.len());
    }
}
