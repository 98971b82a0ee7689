//! How often a connect is tried, and how long is waited in between. The same for every radio.

use std::time::Duration;

use tokio::sync::broadcast;

use super::DeviceId;

/// How often is tried. Most aborts are of the moment: the next attempt succeeds (bleak-retry-connector tries as often).
pub const ATTEMPTS: u32 = 4;
/// Why a device cannot be connected to that the system does not know, or has forgotten.
pub(super) const UNKNOWN: &str =
    "the system does not know it (any longer); it has to be found by a scan first";
/// How long is waited before the second attempt, at the most; each further one waits twice as long.
const BACK_OFF: Duration = Duration::from_millis(150);
/// How many attempts wait for a slow reader. It is a line for people: the newest one counts.
const QUEUE: usize = 16;

/// Another attempt to connect is about to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectRetry {
    /// To which device.
    pub device: DeviceId,
    /// Which one it is, from 2.
    pub number: u32,
    /// How many are made at the most.
    pub of: u32,
    /// How the one before has failed.
    pub after: String,
}

/// Where attempts are told.
#[derive(Debug)]
pub(super) struct ConnectRetries(broadcast::Sender<ConnectRetry>);

impl Default for ConnectRetries {
    fn default() -> Self {
        Self(broadcast::Sender::new(QUEUE))
    }
}

impl ConnectRetries {
    /// Says that another attempt will be made.
    pub(super) fn tell(&self, device: &DeviceId, label: &str, number: u32, after: &str) {
        tracing::info!("{label}: attempt {number} of {ATTEMPTS}, after: {after}");
        // Nobody listening is no error.
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

/// The pause before the attempt of this number.
pub(super) fn pause(device: &DeviceId, number: u32) -> Duration {
    spread(BACK_OFF * 2_u32.saturating_pow(number.saturating_sub(2)), device, number)
}

/// A pause of up to a quarter less, another one for each device and number: those who failed together are not to try again
/// together. The same in every run.
#[must_use]
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
