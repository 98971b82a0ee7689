//! One link to a virtual bulb: its operations, one at a time, each with a deadline, and each aware that the link may go.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{Mutex, watch};
use tokio::time::sleep;

use super::air::Air;
use super::world::{Answer, By, LinkId, Turn, World};
use crate::error::{Error, Result};
use crate::radio::{
    CharacteristicId, Deadline, DeviceId, GattTable, Link, LinkState, Notifications, Properties, WriteKind,
};

/// A link whose services are resolved.
#[derive(Debug)]
pub(super) struct SimLink {
    pub(super) air: Arc<Air>,
    pub(super) id: LinkId,
    pub(super) device: DeviceId,
    /// What to call the bulb.
    pub(super) label: String,
    pub(super) was_up: bool,
    pub(super) table: GattTable,
    /// The ATT MTU, bytes.
    pub(super) mtu: Option<u16>,
    /// How long finding the services took.
    pub(super) discovery: Option<Duration>,
    pub(super) state: watch::Receiver<LinkState>,
    /// Whose turn it is: ATT has one request under way at a time (Bluetooth Core 5.4, Vol 3, Part F, 3.3.2).
    pub(super) turn: Mutex<()>,
}

impl SimLink {
    pub(super) fn id(&self) -> LinkId {
        self.id
    }

    /// Asks something of the bulb, and waits for the answer.
    async fn ask(
        &self,
        doing: &str,
        deadline: Deadline,
        begin: impl FnOnce(&mut World, Duration) -> Turn + Send,
    ) -> Result<Vec<u8>> {
        let lost = || Error::LinkLost { device: self.label.clone(), operation: doing.to_owned() };
        let mut state = self.state.clone();
        if *state.borrow() == LinkState::Down {
            return Err(lost());
        }
        let in_turn = async {
            let _turn = self.turn.lock().await;
            let Turn { after, answer } = self.air.act(begin);
            if !after.is_zero() {
                sleep(after).await;
            }
            match answer {
                Answer::Done => Ok(Vec::new()),
                Answer::Value(value) => Ok(value),
                Answer::Error(att) => Err(self.refused(att, doing)),
                Answer::Silent => pending().await,
            }
        };
        let silent =
            |waited| Error::Silent { device: self.label.clone(), operation: doing.to_owned(), waited };
        tokio::select! {
            biased;
            // An error means that the sender is gone, and the link with it.
            _ = state.wait_for(|state| *state == LinkState::Down) => Err(lost()),
            answer = deadline.run(in_turn, silent) => answer,
        }
    }

    /// What an ATT error means; as BlueZ tells them apart.
    fn refused(&self, att: u8, doing: &str) -> Error {
        let (device, operation) = (self.label.clone(), doing.to_owned());
        match att {
            0x05 | 0x0c | 0x0f => Error::NeedsPairing { device, operation },
            0x06 => Error::Unsupported { device, operation },
            _ => Error::Refused { device, operation, att },
        }
    }

    fn properties(&self, characteristic: CharacteristicId) -> Result<Properties> {
        self.table.properties(characteristic).ok_or_else(|| Error::CharacteristicUnknown {
            device: self.label.clone(),
            characteristic: characteristic.to_string(),
            have: self.table.outline(),
        })
    }
}

#[async_trait]
impl Link for SimLink {
    fn device(&self) -> &DeviceId {
        &self.device
    }

    fn was_up(&self) -> bool {
        self.was_up
    }

    fn state(&self) -> watch::Receiver<LinkState> {
        self.state.clone()
    }

    fn table(&self) -> &GattTable {
        &self.table
    }

    async fn read(&self, characteristic: CharacteristicId, deadline: Deadline) -> Result<Vec<u8>> {
        self.properties(characteristic)?;
        let begin = |world: &mut World, now| world.read(self.id, characteristic, now);
        self.ask(&format!("read {characteristic}"), deadline, begin).await
    }

    async fn write(
        &self,
        characteristic: CharacteristicId,
        value: &[u8],
        kind: WriteKind,
        deadline: Deadline,
    ) -> Result<()> {
        self.properties(characteristic)?;
        let begin = |world: &mut World, now| world.write(self.id, characteristic, value, kind, now);
        self.ask(&format!("write {characteristic}"), deadline, begin).await?;
        Ok(())
    }

    async fn subscribe(&self, characteristic: CharacteristicId, deadline: Deadline) -> Result<Notifications> {
        let doing = format!("subscribe to {characteristic}");
        if !self.properties(characteristic)?.notifies() {
            return Err(Error::Unsupported { device: self.label.clone(), operation: doing });
        }
        let stream = self.air.open_stream(self.id, characteristic);
        self.ask(&doing, deadline, |world, now| world.subscribe(self.id, characteristic, now)).await?;
        self.air.act(|world, now| world.subscribed(self.id, characteristic, now));
        Ok(stream)
    }

    async fn unsubscribe(&self, characteristic: CharacteristicId, _deadline: Deadline) -> Result<()> {
        if self.air.end_stream(self.id, characteristic) {
            self.air.act(|world, _| world.unsubscribe(self.id, characteristic));
        }
        Ok(())
    }

    /// Nothing: this system leaves the battery service where it is.
    async fn system_battery(&self) -> Result<Option<u8>> {
        Ok(None)
    }

    fn mtu(&self) -> Option<u16> {
        self.mtu
    }

    fn discovery(&self) -> Option<Duration> {
        self.discovery
    }

    async fn bond(&self, deadline: Deadline) -> Result<()> {
        match self.ask("pair", deadline, |world, _| world.bond(self.id)).await {
            Err(Error::NeedsPairing { device, .. }) => Err(Error::PairingFailed {
                device,
                detail: "it did not agree to be paired".to_owned(),
                how: None,
            }),
            result => result.map(|_| ()),
        }
    }

    fn keep(&self) {
        self.air.keep_up(self.id);
    }

    async fn disconnect(&self) -> Result<()> {
        self.air.act(|world, now| world.end(self.id, By::Central, now));
        Ok(())
    }
}

impl Drop for SimLink {
    fn drop(&mut self) {
        if self.air.ends_with_us(self.id) {
            self.air.act(|world, now| world.end(self.id, By::Central, now));
        } else {
            self.air.detach(self.id);
        }
    }
}
