//! Connection parameters.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::radio::ConnectionParameters;

/// Connection parameters that the system requests. No platform reports the negotiated ones.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ParametersRecord {
    /// Shortest and longest connection interval in milliseconds.
    pub interval_ms: [f64; 2],
    /// Number of connection events that the device may skip.
    pub latency: u16,
    pub supervision_timeout_ms: f64,
    /// True if the device requested them; false if they are the adapter's defaults.
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
        let whose = if self.of_device { "requested by the bulb" } else { "adapter default" };
        let Self { latency, supervision_timeout_ms: timeout, .. } = self;
        write!(f, " ms, latency {latency}, supervision timeout {timeout} ms ({whose})")
    }
}
