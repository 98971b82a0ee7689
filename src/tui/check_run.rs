//! A run of the conformance suite in the desk.

use std::time::Duration;

use crate::check::{CHECKS, FinishedCheck, Outcome, Summary};
use crate::radio::DeviceId;

#[derive(Debug)]
pub(crate) struct CheckRun {
    pub(crate) device: DeviceId,
    /// Name of the bulb.
    pub(crate) name: String,
    pub(crate) started: Duration,
    pub(crate) done: Vec<FinishedCheck>,
    pub(crate) total: usize,
    pub(crate) end: Option<CheckEnd>,
    /// The desk connects the bulb again afterwards.
    pub(crate) reconnect: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum CheckEnd {
    Finished(Summary),
    Failed(String),
    Stopped,
}

impl CheckRun {
    pub(crate) fn new(
        device: DeviceId,
        name: String,
        started: Duration,
        own: usize,
        reconnect: bool,
    ) -> Self {
        let total = CHECKS.len() + own;
        Self { device, name, started, done: Vec::new(), total, end: None, reconnect }
    }

    pub(crate) const fn is_running(&self) -> bool {
        self.end.is_none()
    }

    pub(crate) fn last_row(&self) -> usize {
        self.done.len().saturating_sub(1)
    }

    pub(crate) fn count(&self, is: impl Fn(&Outcome) -> bool) -> usize {
        self.done.iter().filter(|check| is(&check.outcome)).count()
    }
}
