//! How a link is timed.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::radio::ConnectionParameters;

/// The connection parameters that the system asks for; which it gets, no platform tells.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ParametersRecord {
    /// The shortest and the longest connection interval, milliseconds.
    pub interval_ms: [f64; 2],
    /// How many connection events the device may leave out in a row.
    pub latency: u16,
    /// The supervision time-out, milliseconds.
    pub supervision_timeout_ms: f64,
    /// Whether the device asked for them; otherwise they are the adapter's for all devices.
    pub of_device: bool,
}

impl ParametersRecord {
    pub(super) fn of(parameters: ConnectionParameters) -> Self {
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        let (least, most) = parameters.interval();
        Self {
            interval_ms: [ms(least), ms(most)],
            latency: parameters.latency,
            supervision_timeout_ms: ms(parameters.supervision()),
            of_device: parameters.of_device,
        }
    }
}

impl fmt::Display for ParametersRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [least, most] = self.interval_ms;
        write!(f, "interval {least}")?;
        if most > least {
            write!(f, " to {most}")?;
        }
        let whose = if self.of_device { "asked for by the bulb" } else { "the adapter's" };
        let Self { latency, supervision_timeout_ms: timeout, .. } = self;
        write!(f, " ms, latency {latency}, supervision time-out {timeout} ms ({whose})")
    }
}
