//! A link to a bulb of another process.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{broadcast, oneshot, watch};
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use super::{Answer, LONGEST_LINE, Message, NumberedRequest, Request, SOCKET_TIME, line};
use crate::error::{Error, Operation, Result};
use crate::lines::Lines;
use crate::radio::sim::link::{att_error, paired, subscription, while_up};
use crate::radio::{
    CharacteristicId, Deadline, Link, LinkInfo, LinkState, NOTIFICATION_QUEUE, Notifications, OnDrop,
    WriteKind, lock,
};

/// The requests and answers over a socket. Dropping it ends the connection.
#[derive(Debug)]
pub(super) struct Exchange {
    write: tokio::sync::Mutex<Option<OwnedWriteHalf>>,
    /// ATT allows one request at a time (Bluetooth Core 5.4, Vol 3, Part F, 3.3.2).
    requests: tokio::sync::Mutex<()>,
    numbers: AtomicU32,
    received: Arc<Received>,
    _reader: AbortOnDropHandle<()>,
}

#[derive(Debug)]
struct Received {
    state: watch::Sender<LinkState>,
    waiting: Mutex<BTreeMap<u32, oneshot::Sender<Answer>>>,
    streams: Mutex<BTreeMap<CharacteristicId, broadcast::Sender<Vec<u8>>>>,
}

impl Received {
    fn end(&self) {
        self.state.send_replace(LinkState::Down);
        lock(&self.waiting).clear();
        lock(&self.streams).clear();
    }

    async fn read(self: Arc<Self>, from: OwnedReadHalf) {
        let mut lines = Lines::up_to(LONGEST_LINE, from);
        while let Ok(Some(line)) = lines.next().await {
            let message = line.text.ok().and_then(|text| serde_json::from_str(&text).ok());
            match message {
                Some(Message::Answer(number, answer)) => {
                    if let Some(waiting) = lock(&self.waiting).remove(&number) {
                        let _ = waiting.send(answer);
                    }
                }
                Some(Message::Notification(id, value)) => {
                    if let Some(stream) = lock(&self.streams).get(&id) {
                        let _ = stream.send(value);
                    }
                }
                Some(Message::Advertisement(_)) => {}
                Some(Message::Down) | None => break,
            }
        }
        self.end();
    }
}

impl Exchange {
    pub(super) fn start(stream: UnixStream) -> Self {
        let (read, write) = stream.into_split();
        let received = Arc::new(Received {
            state: watch::Sender::new(LinkState::Up),
            waiting: Mutex::default(),
            streams: Mutex::default(),
        });
        let reader = tokio::spawn(Arc::clone(&received).read(read));
        Self {
            write: tokio::sync::Mutex::new(Some(write)),
            requests: tokio::sync::Mutex::default(),
            numbers: AtomicU32::new(0),
            received,
            _reader: AbortOnDropHandle::new(reader),
        }
    }

    /// Sends a request and waits for its answer; `None` if the connection ends first.
    pub(super) async fn ask(&self, request: Request) -> Option<Answer> {
        let _one = self.requests.lock().await;
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let (answer, answered) = oneshot::channel();
        if *self.received.state.borrow() == LinkState::Down {
            return None;
        }
        lock(&self.received.waiting).insert(number, answer);
        let forget = || drop(lock(&self.received.waiting).remove(&number));
        let _guard = OnDrop { armed: true, call: forget };
        let line = line(&NumberedRequest { number, request }).ok()?;
        let mut write = self.write.lock().await;
        timeout(SOCKET_TIME, write.as_mut()?.write_all(&line)).await.ok()?.ok()?;
        drop(write);
        answered.await.ok()
    }

    /// Sends a request that has no answer, without waiting.
    fn tell(&self, request: Request) {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let sent = self.write.try_lock().ok().and_then(|write| {
            let line = line(&NumberedRequest { number, request }).ok()?;
            write.as_ref()?.try_write(&line).ok().filter(|sent| *sent == line.len())
        });
        if sent.is_none() {
            tracing::warn!("the link could not be kept: its socket is busy");
        }
    }

    /// Ends the connection.
    fn close(&self) {
        self.received.end();
        if let Ok(mut write) = self.write.try_lock() {
            write.take();
        }
    }
}

#[derive(Debug)]
pub(super) struct AirLink {
    exchange: Exchange,
    info: LinkInfo,
    mtu: u16,
    kept: AtomicBool,
}

impl AirLink {
    pub(super) fn new(exchange: Exchange, info: LinkInfo, mtu: u16) -> Self {
        Self { exchange, info, mtu, kept: AtomicBool::new(false) }
    }

    /// Ends the link unless it is kept or was up before.
    pub(super) fn give_up(&self) {
        if !self.kept.load(Ordering::Relaxed) && !self.info.was_up {
            self.exchange.close();
        }
    }

    async fn request(&self, operation: Operation, deadline: Deadline, request: Request) -> Result<Vec<u8>> {
        let device = || self.info.label.clone();
        let exchange = async {
            match self.exchange.ask(request).await {
                Some(Answer::Value(value)) => Ok(value),
                Some(Answer::AttError(att)) => Err(att_error(device(), att, operation.clone())),
                Some(Answer::Done) => Ok(Vec::new()),
                _ => Err(Error::LinkLost { device: device(), operation: operation.clone() }),
            }
        };
        while_up(&self.info, self.state(), &operation, deadline, exchange).await
    }
}

#[async_trait]
impl Link for AirLink {
    fn info(&self) -> &LinkInfo {
        &self.info
    }

    fn state(&self) -> watch::Receiver<LinkState> {
        self.exchange.received.state.subscribe()
    }

    async fn read(&self, characteristic: CharacteristicId, deadline: Deadline) -> Result<Vec<u8>> {
        self.info.properties(characteristic)?;
        self.request(Operation::read(characteristic), deadline, Request::Read { characteristic }).await
    }

    async fn write(
        &self,
        characteristic: CharacteristicId,
        value: &[u8],
        kind: WriteKind,
        deadline: Deadline,
    ) -> Result<()> {
        self.info.properties(characteristic)?;
        let request = Request::Write { characteristic, value: value.to_vec(), kind };
        self.request(Operation::write(characteristic), deadline, request).await?;
        Ok(())
    }

    async fn subscribe(&self, characteristic: CharacteristicId, deadline: Deadline) -> Result<Notifications> {
        let operation = subscription(&self.info, characteristic)?;
        let stream = {
            let mut streams = lock(&self.exchange.received.streams);
            let stream = || broadcast::Sender::new(NOTIFICATION_QUEUE);
            streams.entry(characteristic).or_insert_with(stream).subscribe()
        };
        if *self.exchange.received.state.borrow() == LinkState::Down {
            // The stream may have been opened after the others ended.
            self.exchange.received.end();
        }
        self.request(operation, deadline, Request::Subscribe { characteristic }).await?;
        Ok(stream)
    }

    async fn unsubscribe(&self, characteristic: CharacteristicId, deadline: Deadline) -> Result<()> {
        let stream = lock(&self.exchange.received.streams).remove(&characteristic);
        if stream.is_none() || *self.exchange.received.state.borrow() == LinkState::Down {
            return Ok(());
        }
        let operation = Operation::subscribe(characteristic);
        self.request(operation, deadline, Request::Unsubscribe { characteristic }).await?;
        Ok(())
    }

    async fn system_battery(&self) -> Result<Option<u8>> {
        Ok(None)
    }

    fn mtu(&self) -> Option<u16> {
        Some(self.mtu)
    }

    async fn bond(&self, deadline: Deadline) -> Result<()> {
        paired(self.request(Operation::Pair, deadline, Request::Bond).await)
    }

    fn keep(&self) {
        self.kept.store(true, Ordering::Relaxed);
        self.exchange.tell(Request::Keep);
    }

    async fn disconnect(&self) -> Result<()> {
        // Nobody waits longer for a process that is stopped.
        let _ = timeout(SOCKET_TIME, self.exchange.ask(Request::Disconnect)).await;
        self.exchange.close();
        Ok(())
    }
}
