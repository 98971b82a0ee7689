//! The air between processes, on a system without Unix sockets: nothing is on it.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::broadcast;

use crate::error::{Error, Result};
use crate::radio::retry::ConnectRetries;
use crate::radio::{Address, Deadline, DeviceId, Link, SeenDevice};

#[derive(Debug)]
pub(super) struct Air;

impl Air {
    pub(super) fn new(_folder: Option<PathBuf>, _seen: broadcast::Sender<SeenDevice>) -> Self {
        Self
    }

    pub(super) fn start_scan(&self) {}

    pub(super) fn stop_scan(&self) {}

    pub(super) async fn known(&self) -> Vec<SeenDevice> {
        Vec::new()
    }

    pub(super) fn find(&self, _device: &DeviceId) -> Option<Address> {
        None
    }

    pub(super) async fn connect(
        &self,
        address: Address,
        _deadline: Deadline,
        _attempts: u32,
        _retries: &ConnectRetries,
    ) -> Result<Arc<dyn Link>> {
        Err(Error::Internal(format!("nobody emulates {address}")))
    }

    pub(super) fn end_links(&self) {}
}
