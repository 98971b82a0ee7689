//! A link to a virtual bulb. Its operations run one at a time, and each ends at its deadline or when the link drops.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{Mutex, watch};
use tokio::time::sleep;

use super::simulation::Simulation;
use super::world::{DelayedResponse, DisconnectedBy, LinkId, Response, World};
use crate::error::{Error, Operation, Result};
use crate::radio::{CharacteristicId, Deadline, Link, LinkInfo, LinkState, Notifications, WriteKind};

#[derive(Debug)]
pub(super) struct SimLink {
    pub(super) simulation: Arc<Simulation>,
    pub(super) id: LinkId,
    pub(super) info: LinkInfo,
    pub(super) mtu: Option<u16>,
    pub(super) state: watch::Receiver<LinkState>,
    /// ATT allows one request at a time (Bluetooth Core 5.4, Vol 3, Part F, 3.3.2).
    pub(super) request_lock: Mutex<()>,
}

impl SimLink {
    async fn request(
        &self,
        operation: Operation,
        deadline: Deadline,
        begin: impl FnOnce(&mut World, Duration) -> DelayedResponse + Send,
    ) -> Result<Vec<u8>> {
        let exchange = async {
            let _lock = self.request_lock.lock().await;
            let DelayedResponse { delay, response } = self.simulation.with_world(begin);
            if !delay.is_zero() {
                sleep(delay).await;
            }
            match response {
                Response::Done => Ok(Vec::new()),
                Response::Value(value) => Ok(value),
                Response::AttError(att) => Err(att_error(self.info.label.clone(), att, operation.clone())),
                Response::Silent => pending().await,
            }
        };
        while_up(&self.info, self.state.clone(), &operation, deadline, exchange).await
    }
}

/// Runs a request until its deadline, or until the link is down.
pub(super) async fn while_up<T>(
    info: &LinkInfo,
    mut state: watch::Receiver<LinkState>,
    operation: &Operation,
    deadline: Deadline,
    exchange: impl Future<Output = Result<T>>,
) -> Result<T> {
    let silent = |waited| Error::Silent { device: info.label.clone(), operation: operation.clone(), waited };
    tokio::select! {
        biased;
        // `wait_for` fails if the sender is gone, and the link with it.
        _ = state.wait_for(|state| *state == LinkState::Down) => {
            Err(Error::LinkLost { device: info.label.clone(), operation: operation.clone() })
        }
        answer = deadline.run(exchange, silent) => answer,
    }
}

/// Checks that a characteristic can be subscribed to, and returns the operation.
pub(super) fn subscription(info: &LinkInfo, characteristic: CharacteristicId) -> Result<Operation> {
    let operation = Operation::subscribe(characteristic);
    if info.properties(characteristic)?.notifies() {
        return Ok(operation);
    }
    Err(Error::Unsupported { device: info.label.clone(), operation })
}

/// The result of pairing.
pub(super) fn paired(answer: Result<Vec<u8>>) -> Result<()> {
    match answer {
        Err(Error::NeedsPairing { device, .. }) => {
            Err(Error::PairingFailed { device, detail: "it refused to pair".to_owned(), how: None })
        }
        answer => answer.map(drop),
    }
}

/// The error for an ATT error code, as BlueZ distinguishes them.
pub(super) fn att_error(device: String, att: u8, operation: Operation) -> Error {
    match att {
        0x05 | 0x0c | 0x0f => Error::NeedsPairing { device, operation },
        0x06 => Error::Unsupported { device, operation },
        _ => Error::Refused { device, operation, att },
    }
}

#[async_trait]
impl Link for SimLink {
    fn info(&self) -> &LinkInfo {
        &self.info
    }

    fn state(&self) -> watch::Receiver<LinkState> {
        self.state.clone()
    }

    async fn read(&self, characteristic: CharacteristicId, deadline: Deadline) -> Result<Vec<u8>> {
        self.info.properties(characteristic)?;
        let begin = |world: &mut World, now| world.read(self.id, characteristic, now);
        self.request(Operation::read(characteristic), deadline, begin).await
    }

    async fn write(
        &self,
        characteristic: CharacteristicId,
        value: &[u8],
        kind: WriteKind,
        deadline: Deadline,
    ) -> Result<()> {
        self.info.properties(characteristic)?;
        let begin = |world: &mut World, now| world.write(self.id, characteristic, value, kind, now);
        self.request(Operation::write(characteristic), deadline, begin).await?;
        Ok(())
    }

    async fn subscribe(&self, characteristic: CharacteristicId, deadline: Deadline) -> Result<Notifications> {
        let operation = subscription(&self.info, characteristic)?;
        let stream = self.simulation.open_stream(self.id, characteristic);
        self.request(operation, deadline, |world, now| world.subscribe(self.id, characteristic, now)).await?;
        self.simulation.with_world(|world, now| world.subscribed(self.id, characteristic, now));
        Ok(stream)
    }

    async fn unsubscribe(&self, characteristic: CharacteristicId, _deadline: Deadline) -> Result<()> {
        if self.simulation.end_stream(self.id, characteristic) {
            self.simulation.with_world(|world, _| world.unsubscribe(self.id, characteristic));
        }
        Ok(())
    }

    /// None: this system leaves the battery service in the GATT table.
    async fn system_battery(&self) -> Result<Option<u8>> {
        Ok(None)
    }

    fn mtu(&self) -> Option<u16> {
        self.mtu
    }

    async fn bond(&self, deadline: Deadline) -> Result<()> {
        paired(self.request(Operation::Pair, deadline, |world, _| world.bond(self.id)).await)
    }

    fn keep(&self) {
        self.simulation.disown(self.id);
    }

    async fn disconnect(&self) -> Result<()> {
        self.simulation.with_world(|world, now| world.disconnect(self.id, DisconnectedBy::Central, now));
        Ok(())
    }
}

impl Drop for SimLink {
    fn drop(&mut self) {
        if self.simulation.owns(self.id) {
            self.simulation.with_world(|world, now| world.disconnect(self.id, DisconnectedBy::Central, now));
        } else {
            self.simulation.detach(self.id);
        }
    }
}
