//! The task that keeps the bulb registered at BlueZ, and turns what BlueZ says and asks into events.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use dbus::Message;
use dbus::arg::{PropMap, prop_cast};
use dbus::channel::{MatchingReceiver, Sender};
use dbus::message::MatchRule;
use dbus::nonblock::SyncConnection;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::super::super::link::adapter_error;
use super::super::super::system::Companion;
use super::super::bus::Bus;
use super::super::properties::{DEVICE, PROPERTIES};
use super::calls::{Call, Requester, answer, error};
use super::changes::is_paired;
use super::exports::{Exports, ROOT};
use super::registration::Registration;
use super::{ANSWER_TIME, OpenBluez};
use crate::error::Result;
use crate::radio::peripheral::{
    Advertisement, Central, PeripheralEvent, PeripheralEventKind, Reply, Responder,
};
use crate::radio::{AdapterState, CharacteristicId, DeviceId, SeenDevice};

/// The calls of BlueZ that wait. A central has one request under way, but any number of write commands.
const CALLS: usize = 1024;
/// The first and the longest pause before the next attempt to register.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(8);
/// The ATT error for a central besides that of the link.
const INSUFFICIENT_AUTHORIZATION: u8 = 0x08;

/// Where the keeper reports to.
pub(super) struct Outputs {
    pub(super) events: mpsc::Sender<PeripheralEvent>,
    pub(super) link: watch::Sender<Option<(u64, String)>>,
}

pub(super) struct Keeper {
    bluez: Arc<OpenBluez>,
    exports: Arc<Exports>,
    registration: Registration,
    to: Outputs,
    wanted: watch::Receiver<Option<Advertisement>>,
    closing: CancellationToken,
    seen: broadcast::Receiver<SeenDevice>,
    adapter: watch::Receiver<AdapterState>,
    incoming: mpsc::Sender<Incoming>,
    calls: mpsc::Receiver<Incoming>,
    /// The connection and the BlueZ that everything is registered at.
    registered: Option<(Arc<Bus>, Option<String>)>,
    advertised: Option<Advertisement>,
    link: Option<CentralLink>,
    /// The number of links so far.
    links: u64,
    /// The characteristics that BlueZ has subscribers for. Those of a bonded central stay after the end of its link.
    notifying: BTreeSet<CharacteristicId>,
    /// Connected devices that are no centrals.
    ignored: HashSet<DeviceId>,
    on_air: bool,
    retry: Option<Instant>,
    pause: Duration,
}

/// A call of BlueZ about the bulb, and the connection that it came on.
struct Incoming {
    kind: Call,
    call: Message,
    connection: Arc<SyncConnection>,
}

impl Incoming {
    fn answer(&self, answer: Message) {
        // On a lost bus, nobody waits for it.
        let _ = self.connection.send(answer);
    }

    fn responder(self) -> Responder {
        Responder::new(move |reply| self.answer(answer(&self.call, reply)))
    }
}

struct CentralLink {
    number: u64,
    device: DeviceId,
    mtu: Option<u16>,
    bonded: bool,
}

impl Keeper {
    pub(super) fn new(
        bluez: Arc<OpenBluez>,
        exports: Arc<Exports>,
        registration: Registration,
        to: Outputs,
        wanted: watch::Receiver<Option<Advertisement>>,
        closing: CancellationToken,
    ) -> Self {
        let (incoming, calls) = mpsc::channel(CALLS);
        let (seen, adapter) = (bluez.shared.seen_devices(), bluez.shared.adapter());
        let connected = bluez.shared.known().into_iter().filter(|device| device.connected);
        Self {
            ignored: connected.map(|device| device.id).collect(),
            bluez,
            exports,
            registration,
            to,
            wanted,
            closing,
            seen,
            adapter,
            incoming,
            calls,
            registered: None,
            advertised: None,
            link: None,
            links: 0,
            notifying: BTreeSet::new(),
            on_air: true,
            retry: None,
            pause: FIRST_PAUSE,
        }
    }

    /// Registers the bulb, says how that went, and runs until `closing` is cancelled. Then it takes everything back.
    pub(super) async fn run(mut self, registered: oneshot::Sender<Result<()>>) {
        let closing = self.closing.clone();
        if let Some(result) = closing.run_until_cancelled(self.register()).await {
            // On an error the radio is closed.
            let _ = registered.send(result);
        }
        while let Some(step) = closing.run_until_cancelled(self.next()).await.flatten() {
            // Dropped in the middle, it has at most not been told of.
            if closing.run_until_cancelled(self.take(step)).await.is_none() {
                break;
            }
        }
        self.registration.undo(&self.bluez.companion).await;
    }

    /// Waits for what happens next. Devices come before calls: a signal that was sent before a call is then handled before it.
    async fn next(&mut self) -> Option<Step> {
        let retry = self.retry;
        let again = async {
            match retry {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        Some(tokio::select! {
            biased;
            seen = self.seen.recv() => match seen {
                Ok(device) => Step::Device(device),
                Err(broadcast::error::RecvError::Lagged(_)) => Step::LookAgain,
                Err(broadcast::error::RecvError::Closed) => return None,
            },
            changed = self.adapter.changed() => changed.ok().map(|()| Step::Adapter)?,
            () = self.bluez.companion.signals.woken() => Step::Woken,
            changed = self.wanted.changed() => changed.ok().map(|()| Step::Settle)?,
            () = again => Step::Settle,
            call = self.calls.recv() => Step::Call(call?),
        })
    }

    async fn take(&mut self, step: Step) {
        match step {
            Step::Device(device) => self.device(&device).await,
            Step::LookAgain => self.look_again().await,
            Step::Adapter => self.adapter_changed().await,
            Step::Woken => {
                tracing::debug!("the computer has woken up: advertises again");
                let bus = self.bluez.companion.bus();
                self.registration.silence(&self.bluez.companion, &bus).await;
            }
            Step::Settle => {}
            Step::Call(incoming) => self.call(incoming).await,
        }
        if self.retry.is_none_or(|at| Instant::now() >= at) {
            self.settle().await;
        }
    }

    async fn tell(&self, link: u64, kind: PeripheralEventKind) {
        // If nobody listens, the radio is about to be closed.
        let _ = self.to.events.send(PeripheralEvent { bulb: 0, link, kind }).await;
    }

    // -- registering ------------------------------------------------------------------------------

    async fn adapter_changed(&mut self) {
        self.retry = None;
        match self.bluez.shared.adapter_now() {
            AdapterState::On => {}
            // The kernel may have dropped the advertisement.
            AdapterState::Off => {
                let bus = self.bluez.companion.bus();
                self.registration.silence(&self.bluez.companion, &bus).await;
            }
            AdapterState::Absent => self.registered = None,
        }
    }

    /// Registers what is not registered.
    async fn settle(&mut self) {
        let state = self.bluez.shared.adapter_now();
        let result = match state {
            AdapterState::On => self.register().await,
            state => {
                let companion = &self.bluez.companion;
                let service = (companion.is_running(), companion.has_bus());
                let name = self.registration.adapter().to_owned();
                Err(adapter_error(name, state, companion.block().await, service))
            }
        };
        match result {
            Ok(()) => {
                self.retry = None;
                self.pause = FIRST_PAUSE;
                if !std::mem::replace(&mut self.on_air, true) {
                    self.tell(0, PeripheralEventKind::OnAir).await;
                }
            }
            Err(error) => {
                // When the adapter comes back, a signal says so.
                let first = state == AdapterState::On && self.pause == FIRST_PAUSE;
                if state == AdapterState::On {
                    self.retry = Some(Instant::now() + self.pause);
                    self.pause = (self.pause * 2).min(LONGEST_PAUSE);
                }
                // The links of an adapter that is switched off end before it is off. The reason follows.
                if first {
                    tracing::debug!("{error}");
                } else if std::mem::replace(&mut self.on_air, false) {
                    self.tell(0, PeripheralEventKind::OffAir(error)).await;
                }
            }
        }
    }

    /// Registers what is not registered, and takes the advertisement off while there is a link.
    async fn register(&mut self) -> Result<()> {
        let bluez = self.bluez.clone();
        let (companion, bus) = (&bluez.companion, bluez.companion.bus());
        let owner = companion.signals.owner();
        let before = self.registered.as_ref();
        if before.is_none_or(|(old, of)| !Arc::ptr_eq(old, &bus) || *of != owner) {
            if before.is_none_or(|(old, _)| !Arc::ptr_eq(old, &bus)) {
                self.attach(&bus).await;
            }
            self.registration.forget();
            self.notifying.clear();
            self.registered = Some((bus.clone(), owner));
        }
        let wanted = self.wanted.borrow_and_update().clone();
        let name = wanted.as_ref().and_then(|advertisement| advertisement.name.as_deref());
        self.registration.serve(companion, &bus, name).await?;
        match wanted {
            Some(advertisement) if self.link.is_none() => {
                if self.advertised.as_ref() != Some(&advertisement) {
                    self.registration.silence(companion, &bus).await;
                    self.exports.set_advertisement(advertisement.clone());
                    self.advertised = Some(advertisement);
                }
                self.registration.advertise(companion, &bus).await
            }
            _ => {
                self.registration.silence(companion, &bus).await;
                Ok(())
            }
        }
    }

    /// Serves the objects on a new connection.
    async fn attach(&self, bus: &Arc<Bus>) {
        let rule = MatchRule::new_method_call().with_namespaced_path(ROOT);
        let (exports, signals) = (self.exports.clone(), self.bluez.companion.signals.clone());
        let (incoming, weak) = (self.incoming.clone(), Arc::downgrade(bus.connection()));
        let adapter = self.bluez.companion.path.clone();
        // What BlueZ asks while something is registered is answered here: the keeper waits for BlueZ then.
        let receive = move |call: Message, connection: &SyncConnection| {
            let answer = if !signals.is_from_bluez(&call) {
                Some(error(&call, "org.freedesktop.DBus.Error.AccessDenied", "only BlueZ may ask"))
            } else if let Some(answer) = exports.answer(&call) {
                Some(answer)
            } else if let (Some(kind), Some(connection)) =
                (Call::of(&call, &exports, &adapter), weak.upgrade())
            {
                queue(&incoming, Incoming { kind, call, connection })
            } else {
                Some(error(&call, "org.freedesktop.DBus.Error.UnknownMethod", "there is no such method"))
            };
            if let Some(answer) = answer {
                // On a lost bus, nobody waits for it.
                let _ = connection.send(answer);
            }
            true
        };
        let _ = bus.connection().start_receive(rule, Box::new(receive));
        // Without a login manager, nobody says that the computer wakes up.
        if let Ok(Err(error)) = timeout(ANSWER_TIME, bus.watch_sleep()).await {
            tracing::debug!("nobody will tell of a suspend: {error}");
        }
    }

    // -- links ------------------------------------------------------------------------------------

    async fn device(&mut self, device: &SeenDevice) {
        if device.connected {
            self.connected(&device.id).await;
        } else {
            self.disconnected(&device.id).await;
        }
    }

    /// Compares with the system after signals were missed.
    async fn look_again(&mut self) {
        if let Some(device) = self.link.as_ref().map(|link| link.device.clone())
            && !self.bluez.shared.system_link(&device).connected
        {
            self.disconnected(&device).await;
        }
        self.adopt().await;
    }

    /// Takes the link of a central that is connected, if there is none.
    async fn adopt(&mut self) {
        for device in self.bluez.shared.known() {
            if device.connected && self.link.is_none() {
                self.connected(&device.id).await;
            }
        }
    }

    async fn connected(&mut self, device: &DeviceId) {
        if self.link.is_some() || self.ignored.contains(device) {
            return;
        }
        let Some(properties) = self.properties(device).await else { return };
        // A device of classic Bluetooth, such as headphones.
        if properties.contains_key("Class") {
            self.ignored.insert(device.clone());
            return;
        }
        self.link_up(device, &properties).await;
    }

    async fn link_up(&mut self, device: &DeviceId, properties: &PropMap) {
        let Ok(path) = self.bluez.companion.path_of(device) else { return };
        self.links += 1;
        let number = self.links;
        let bonded = is_paired(properties);
        self.link = Some(CentralLink { number, device: device.clone(), mtu: None, bonded });
        self.to.link.send_replace(Some((number, path)));
        let name = prop_cast::<String>(properties, "Name").cloned();
        let central = Central { id: device.clone(), name };
        let kind = PeripheralEventKind::Connected { central, mtu: None, reply: Responder::none() };
        self.tell(number, kind).await;
        if bonded {
            self.registration.paired(properties);
            self.tell(number, PeripheralEventKind::Paired).await;
        }
        // The subscriptions of a bonded central outlive its link, and BlueZ does not say again that there are some.
        for characteristic in self.notifying.clone() {
            self.tell(number, PeripheralEventKind::Subscribe { characteristic, reply: Responder::none() })
                .await;
        }
    }

    async fn disconnected(&mut self, device: &DeviceId) {
        self.ignored.remove(device);
        if let Some(link) = self.link.take_if(|link| link.device == *device) {
            self.to.link.send_replace(None);
            // It may have paired without need, as phones do.
            if !link.bonded
                && let Some(properties) = self.properties(device).await.filter(is_paired)
            {
                self.registration.paired(&properties);
            }
            self.tell(link.number, PeripheralEventKind::Disconnected).await;
            Box::pin(self.adopt()).await;
        }
    }

    async fn properties(&self, device: &DeviceId) -> Option<PropMap> {
        let path = self.bluez.companion.path_of(device).ok()?;
        let bus = self.bluez.companion.bus();
        let asked = bus.call::<(PropMap,)>(&path, PROPERTIES, "GetAll", (DEVICE,));
        let (properties,) = timeout(ANSWER_TIME, asked).await.ok()?.ok()?;
        Some(properties)
    }

    // -- calls ------------------------------------------------------------------------------------

    async fn call(&mut self, incoming: Incoming) {
        match incoming.kind.clone() {
            Call::Read { from, characteristic } => {
                let offset = from.offset;
                self.request(from, incoming, |reply| PeripheralEventKind::Read {
                    characteristic,
                    offset,
                    reply,
                })
                .await;
            }
            Call::Write { from, characteristic, value, kind } => {
                let offset = from.offset;
                let write = |reply| PeripheralEventKind::Write { characteristic, offset, value, kind, reply };
                self.request(from, incoming, write).await;
            }
            Call::StartNotify(characteristic) => {
                incoming.answer(incoming.call.method_return());
                self.notifying.insert(characteristic);
                if self.exports.is_closed(characteristic) {
                    self.look_for_bond().await;
                }
                if let Some(link) = &self.link {
                    let reply = Responder::none();
                    self.tell(link.number, PeripheralEventKind::Subscribe { characteristic, reply }).await;
                }
            }
            Call::StopNotify(characteristic) => {
                incoming.answer(incoming.call.method_return());
                self.notifying.remove(&characteristic);
                if let Some(link) = &self.link {
                    self.tell(link.number, PeripheralEventKind::Unsubscribed(characteristic)).await;
                }
            }
            Call::Released => {
                incoming.answer(incoming.call.method_return());
                self.registration.forget();
            }
        }
    }

    async fn request(
        &mut self,
        from: Requester,
        incoming: Incoming,
        kind: impl FnOnce(Responder) -> PeripheralEventKind,
    ) {
        if self.link.is_none() && self.bluez.shared.system_link(&from.device).connected {
            // It is a central after all.
            self.ignored.remove(&from.device);
            if let Some(properties) = self.properties(&from.device).await {
                self.link_up(&from.device, &properties).await;
            }
        }
        let number = match &mut self.link {
            Some(link) if link.device == from.device => link.number,
            _ => {
                let refusal = Reply::AttError(INSUFFICIENT_AUTHORIZATION);
                return incoming.answer(answer(&incoming.call, refusal));
            }
        };
        if let Some(mtu) = from.mtu
            && let Some(link) = &mut self.link
            && link.mtu.replace(mtu) != Some(mtu)
        {
            self.tell(number, PeripheralEventKind::Mtu(mtu)).await;
        }
        if from.closed {
            self.look_for_bond().await;
        }
        self.tell(number, kind(incoming.responder())).await;
    }

    /// Tells that the central has paired, once. BlueZ lets it use what is closed to others only then.
    async fn look_for_bond(&mut self) {
        let Some(CentralLink { number, device, bonded: false, .. }) = &self.link else { return };
        let (number, device) = (*number, device.clone());
        let Some(properties) = self.properties(&device).await.filter(is_paired) else { return };
        if let Some(link) = &mut self.link {
            link.bonded = true;
        }
        self.registration.paired(&properties);
        self.tell(number, PeripheralEventKind::Paired).await;
    }
}

/// Queues a call. Returns the answer if there is no room.
fn queue(calls: &mpsc::Sender<Incoming>, incoming: Incoming) -> Option<Message> {
    match calls.try_send(incoming) {
        Err(mpsc::error::TrySendError::Full(Incoming { call, .. })) => {
            tracing::warn!("a central asks faster than it can be answered: a request is refused");
            Some(error(&call, "org.bluez.Error.InProgress", ""))
        }
        // Nobody plays the bulb any more.
        Err(mpsc::error::TrySendError::Closed(_)) | Ok(()) => None,
    }
}

enum Step {
    Device(SeenDevice),
    LookAgain,
    Adapter,
    Woken,
    Settle,
    Call(Incoming),
}
