//! Connection parameters.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The connection parameters that the system requests when it connects to a device (Bluetooth Core
/// 5.4, Vol 6, Part B, 4.5.1 and 4.5.2). The controllers agree on an interval within them, which no
/// platform reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionParameters {
    /// The shortest connection interval, units of 1.25 ms, 6 to 3200.
    pub interval_min: u16,
    /// The longest connection interval, units of 1.25 ms, 6 to 3200.
    pub interval_max: u16,
    /// The number of connection events that the device may skip in a row, 0 to 499.
    pub latency: u16,
    /// The supervision time-out, units of 10 ms, 10 to 3200.
    pub timeout: u16,
    /// The device asked for them on this or an earlier link. Otherwise they are the defaults of the
    /// adapter.
    pub of_device: bool,
}

impl ConnectionParameters {
    pub fn interval(&self) -> (Duration, Duration) {
        let time = |units: u16| Duration::from_micros(u64::from(units) * 1250);
        (time(self.interval_min), time(self.interval_max))
    }

    pub fn supervision(&self) -> Duration {
        Duration::from_millis(u64::from(self.timeout) * 10)
    }
}
