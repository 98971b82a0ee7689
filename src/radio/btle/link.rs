//! A link: one operation at a time, each with a deadline. All of them end when the link drops.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{Mutex, watch};
use tokio::time::{sleep, timeout};

use super::adapter_choice::PowerBlock;
use super::disconnect_queue::{DisconnectQueue, SEND_TIME};
use super::platform_error::{Context, ErrorClass, PlatformError};
use super::shared::SharedState;
use super::subscriptions::Subscriptions;
use super::system::{Gatt, Listener, System};
use crate::error::{Error, Operation, Result};
use crate::radio::{
    AdapterState, CharacteristicId, Deadline, Link, LinkInfo, LinkState, Notifications, OnDrop, WriteKind,
    spread,
};

/// Time for which an error that may come from a lost link waits for that news. BlueZ answers pending
/// requests some ten milliseconds before it reports the loss.
const LOSS_GRACE: Duration = Duration::from_millis(250);
/// The first and the longest pause before a request is repeated because another program uses the
/// characteristic. BlueZ takes one request at a time, which is some connection intervals.
const BUSY_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_BUSY_PAUSE: Duration = Duration::from_millis(400);

#[derive(Clone, Debug)]
pub(super) struct RadioHandle {
    pub(super) adapter: String,
    pub(super) system: Arc<dyn System>,
    pub(super) shared: Arc<SharedState>,
    pub(super) disconnects: DisconnectQueue,
}

impl RadioHandle {
    pub(super) async fn check_adapter(&self) -> Result<()> {
        match self.shared.adapter_now() {
            AdapterState::On => Ok(()),
            state => {
                let service = (self.system.is_running(), self.system.has_bus());
                Err(adapter_error(self.adapter.clone(), state, self.system.block().await, service))
            }
        }
    }
}

/// The error of using an adapter that is not on. `running` and `has_bus` are about the Bluetooth service.
pub(super) fn adapter_error(
    adapter: String,
    state: AdapterState,
    block: Option<PowerBlock>,
    (running, has_bus): (bool, bool),
) -> Error {
    match (state, block) {
        (AdapterState::Absent, _) if running => Error::AdapterLost { adapter },
        (AdapterState::Absent, _) if has_bus => Error::ServiceDown,
        (AdapterState::Absent, _) => Error::NoBus { detail: "the connection to it has ended".to_owned() },
        (_, Some(PowerBlock { hard })) => Error::AdapterBlocked { adapter, hard },
        (_, None) => Error::AdapterOff { adapter },
    }
}

#[derive(Debug)]
pub(super) struct BtleLink {
    radio: RadioHandle,
    info: LinkInfo,
    gatt: Arc<dyn Gatt>,
    subscriptions: Arc<Subscriptions>,
    state: watch::Sender<LinkState>,
    keep: AtomicBool,
    /// Serialises requests: ATT allows one at a time, and BlueZ refuses a second one on a
    /// characteristic.
    turn: Mutex<()>,
}

impl BtleLink {
    pub(super) fn new(radio: RadioHandle, info: LinkInfo, gatt: Arc<dyn Gatt>) -> Self {
        Self {
            radio,
            info,
            gatt,
            subscriptions: Arc::default(),
            state: watch::Sender::new(LinkState::Up),
            keep: AtomicBool::new(false),
            turn: Mutex::new(()),
        }
    }

    pub(super) fn is_up(&self) -> bool {
        *self.state.borrow() == LinkState::Up
    }

    pub(super) fn down(&self) {
        self.state.send_if_modified(|state| std::mem::replace(state, LinkState::Down) != LinkState::Down);
        self.subscriptions.close();
    }

    /// Returns true if dropping the last handle disconnects.
    pub(super) fn ends_with_us(&self) -> bool {
        self.is_up() && !self.info.was_up && !self.keep.load(Ordering::Relaxed)
    }

    pub(super) fn give_up(&self) {
        self.radio.shared.set_closing(&self.info.device);
        self.down();
        self.radio.disconnects.disconnect(&self.info.device);
    }

    async fn lost(&self) {
        let mut state = self.state.subscribe();
        // The sender lives in `self`, so this waits for the state only.
        let _ = state.wait_for(|state| *state == LinkState::Down).await;
    }

    /// Runs one request when it is its turn. Ends early at the deadline or when the link drops.
    async fn ask<T, F: Future<Output = Result<T, PlatformError>>>(
        &self,
        operation: &Operation,
        deadline: Deadline,
        work: impl Fn() -> F,
    ) -> Result<T> {
        let lost = || Error::LinkLost { device: self.info.label.clone(), operation: operation.clone() };
        if !self.is_up() {
            return Err(lost());
        }
        let in_turn = async {
            let _turn = self.turn.lock().await;
            let mut pauses = 0;
            loop {
                match work().await {
                    Err(error) if error.classify(operation) == ErrorClass::Again => {
                        pauses += 1;
                        let pause = (BUSY_PAUSE * 2_u32.saturating_pow(pauses - 1)).min(LONGEST_BUSY_PAUSE);
                        let pause = spread(pause, &self.info.device, pauses);
                        if deadline.remaining() <= pause {
                            return Ok(Err(error));
                        }
                        tracing::info!("{}: busy: {}", self.info.label, error.text());
                        sleep(pause).await;
                    }
                    done => return Ok(done),
                }
            }
        };
        let silent =
            |waited| Error::Silent { device: self.info.label.clone(), operation: operation.clone(), waited };
        let answer = tokio::select! {
            biased;
            answer = deadline.run(in_turn, silent) => answer?,
            () = self.lost() => return Err(lost()),
        };
        match answer {
            Ok(done) => Ok(done),
            Err(error) if self.comes_of_loss(&error, operation).await => Err(lost()),
            Err(error) => Err(error.to_error(operation, self.context(deadline))),
        }
    }

    /// Returns true if the error comes from the end of the link. That news may arrive a moment
    /// later.
    async fn comes_of_loss(&self, error: &PlatformError, operation: &Operation) -> bool {
        match error.classify(operation) {
            // A request that the end of the link cut off gets "unlikely error" or no ATT error.
            ErrorClass::Att(0x00 | 0x0e)
            | ErrorClass::NotSent
            | ErrorClass::Unknown
            | ErrorClass::NoAnswer => {
                timeout(LOSS_GRACE, self.lost()).await.is_ok()
                    || self.radio.system.is_connected(&self.info.device).await == Some(false)
            }
            ErrorClass::NoLink | ErrorClass::Gone => {
                // So that the caller finds the link down.
                let _ = timeout(LOSS_GRACE, self.lost()).await;
                true
            }
            // A bulb that refuses to pair may also drop the link.
            ErrorClass::Pairing => false,
            _ => !self.is_up(),
        }
    }

    fn context(&self, deadline: Deadline) -> Context<'_> {
        Context {
            adapter: &self.radio.adapter,
            device: &self.info.label,
            rssi: None,
            waited: deadline.waited(),
        }
    }
}

#[async_trait]
impl Link for BtleLink {
    fn info(&self) -> &LinkInfo {
        &self.info
    }

    fn state(&self) -> watch::Receiver<LinkState> {
        self.state.subscribe()
    }

    async fn read(&self, characteristic: CharacteristicId, deadline: Deadline) -> Result<Vec<u8>> {
        self.info.properties(characteristic)?;
        let work = || async {
            let reading = self.subscriptions.reading(characteristic);
            let value = self.gatt.read(characteristic).await?;
            if self.gatt.echoes_reads() {
                self.gatt.settle().await;
                reading.answered(&value);
            }
            Ok(value)
        };
        self.ask(&Operation::read(characteristic), deadline, work).await
    }

    async fn write(
        &self,
        characteristic: CharacteristicId,
        value: &[u8],
        kind: WriteKind,
        deadline: Deadline,
    ) -> Result<()> {
        self.info.properties(characteristic)?;
        let work = || self.gatt.write(characteristic, value, kind);
        self.ask(&Operation::write(characteristic), deadline, work).await
    }

    async fn subscribe(&self, characteristic: CharacteristicId, deadline: Deadline) -> Result<Notifications> {
        self.info.properties(characteristic)?;
        let operation = Operation::subscribe(characteristic);
        let work = || async {
            // Open the stream first: the first value may come before the answer.
            let listener: Arc<dyn Listener> = self.subscriptions.clone();
            self.gatt.listen(Arc::downgrade(&listener)).await?;
            let (stream, new) = self.subscriptions.open(characteristic);
            let end = || {
                self.subscriptions.end(characteristic);
            };
            let mut pending = OnDrop { armed: new, call: end };
            if new
                && let Err(error) = self.gatt.subscribe(characteristic).await
                && error.classify(&operation) != ErrorClass::Done
            {
                return Err(error);
            }
            pending.armed = false;
            Ok(stream)
        };
        self.ask(&operation, deadline, work).await
    }

    async fn unsubscribe(&self, characteristic: CharacteristicId, deadline: Deadline) -> Result<()> {
        if !self.is_up() || !self.subscriptions.end(characteristic) {
            return Ok(());
        }
        let operation = Operation::unsubscribe(characteristic);
        let work = async || match self.gatt.unsubscribe(characteristic).await {
            Err(error) if error.classify(&operation) != ErrorClass::Done => Err(error),
            _ => Ok(()),
        };
        match self.ask(&operation, deadline, work).await {
            Err(Error::LinkLost { .. }) => Ok(()),
            result => result,
        }
    }

    async fn system_battery(&self) -> Result<Option<u8>> {
        let deadline = Deadline::after(SEND_TIME);
        let late = |_| PlatformError::new("org.freedesktop.DBus.Error.NoReply", "the battery level");
        deadline
            .run(self.radio.system.battery(&self.info.device), late)
            .await
            .map_err(|error| error.to_error(&Operation::QueryService, self.context(deadline)))
    }

    fn mtu(&self) -> Option<u16> {
        self.gatt.mtu()
    }

    async fn bond(&self, deadline: Deadline) -> Result<()> {
        let work = async || match self.radio.system.pair(&self.info.device).await {
            Err(error) if error.classify(&Operation::Pair) != ErrorClass::Done => Err(error),
            _ => Ok(()),
        };
        self.ask(&Operation::Pair, deadline, work).await
    }

    fn keep(&self) {
        self.keep.store(true, Ordering::Relaxed);
    }

    async fn disconnect(&self) -> Result<()> {
        if self.is_up() {
            self.give_up();
            self.radio.disconnects.flush().await;
        }
        Ok(())
    }
}

impl Drop for BtleLink {
    fn drop(&mut self) {
        if self.ends_with_us() {
            self.give_up();
        }
    }
}
