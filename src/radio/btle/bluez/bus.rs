//! A connection to the system bus.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use dbus::Message;
use dbus::arg::{AppendAll, PropMap, ReadAll};
use dbus::channel::{BusType, Channel, MatchingReceiver, Sender};
use dbus::message::{MatchRule, MessageType};
use dbus::nonblock::{NonblockReply, SyncConnection};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::super::platform_error::{PlatformError, WRONG_TYPE};
use super::properties::{DEVICE, Objects};
use super::signals::{Scope, SignalReceiver};

pub(super) const BLUEZ: &str = "org.bluez";
/// The bus itself: name, object path and interface.
const THE_BUS: (&str, &str, &str) = (BUS_NAME, "/org/freedesktop/DBus", "org.freedesktop.DBus");
pub(super) const BUS_NAME: &str = "org.freedesktop.DBus";

const OBJECT_MANAGER: &str = "org.freedesktop.DBus.ObjectManager";

type AllObjects = HashMap<dbus::Path<'static>, HashMap<String, PropMap>>;

/// The signals, each with the scope that needs it.
const SIGNALS: [(Scope, &str); 6] = [
    (
        Scope::BesideBtleplug,
        "type='signal',sender='org.bluez',interface='org.freedesktop.DBus.ObjectManager',member='InterfacesAdded'",
    ),
    (
        Scope::BesideBtleplug,
        "type='signal',sender='org.bluez',interface='org.freedesktop.DBus.ObjectManager',member='InterfacesRemoved'",
    ),
    (
        Scope::BesideBtleplug,
        "type='signal',sender='org.bluez',interface='org.freedesktop.DBus.Properties',member='PropertiesChanged',arg0='org.bluez.Device1'",
    ),
    (
        Scope::BesideBtleplug,
        "type='signal',sender='org.bluez',interface='org.freedesktop.DBus.Properties',member='PropertiesChanged',arg0='org.bluez.Adapter1'",
    ),
    (
        Scope::Everything,
        "type='signal',sender='org.bluez',interface='org.freedesktop.DBus.Properties',member='PropertiesChanged',arg0='org.bluez.GattCharacteristic1'",
    ),
    (
        Scope::BesideBtleplug,
        "type='signal',sender='org.freedesktop.DBus',interface='org.freedesktop.DBus',member='NameOwnerChanged',arg0='org.bluez'",
    ),
];

const SLEEP: &str = "type='signal',sender='org.freedesktop.login1',interface='org.freedesktop.login1.Manager',member='PrepareForSleep'";

/// The answer to a subscription.
pub(super) struct Subscribed {
    /// The unique name of BlueZ, if it is running.
    pub(super) owner: Option<String>,
    pub(super) objects: Result<Objects, dbus::Error>,
}

pub(super) struct Bus {
    connection: Arc<SyncConnection>,
    lost: CancellationToken,
    _io: AbortOnDropHandle<()>,
}

impl fmt::Debug for Bus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bus")
    }
}

impl Bus {
    pub(super) async fn open(signals: Arc<SignalReceiver>) -> Result<Self, PlatformError> {
        let channel = tokio::task::spawn_blocking(|| Channel::get_private(BusType::System)).await;
        Self::on(channel.map_err(|error| PlatformError::unnamed(error.to_string()))??, signals)
    }

    fn on(channel: Channel, signals: Arc<SignalReceiver>) -> Result<Self, PlatformError> {
        let (io, connection) = dbus_tokio::connection::from_channel::<SyncConnection>(channel)?;
        let rule = MatchRule::new().with_type(MessageType::Signal);
        let receiver = signals.clone();
        // Called for each signal in turn, on the task below. It only updates state, so nothing
        // queues up.
        let _ = connection.start_receive(
            rule,
            Box::new(move |message, _| {
                receiver.signal(message);
                true
            }),
        );
        let lost = CancellationToken::new();
        let ended = lost.clone();
        let io = tokio::spawn(async move {
            let error = io.await;
            tracing::debug!("the connection to the system bus is lost: {error}");
            // Do this first: the next connection may be made at once.
            signals.lost();
            ended.cancel();
        });
        Ok(Self { connection, lost, _io: AbortOnDropHandle::new(io) })
    }

    /// Subscribes to the signals, then gets the owner of BlueZ's name and all objects. The requests
    /// are sent together, because the bus keeps their order. The error in `objects` says that BlueZ
    /// is not running; the subscription is active all the same.
    pub(super) async fn subscribe(&self, scope: Scope) -> Result<Subscribed, dbus::Error> {
        let (bus, object, interface) = THE_BUS;
        let wanted =
            SIGNALS.iter().filter(|(needed, _)| *needed == Scope::BesideBtleplug || *needed == scope);
        let rules: Vec<_> =
            wanted.map(|(_, rule)| self.ask::<(), _>(bus, object, interface, "AddMatch", (*rule,))).collect();
        let owner = self.ask::<(String,), _>(bus, object, interface, "GetNameOwner", (BLUEZ,));
        let (rules, owner, objects) =
            futures::join!(futures::future::try_join_all(rules), owner, self.objects());
        rules?;
        // Without an owner, the bus may start BlueZ for the next request. A signal tells then.
        Ok(Subscribed { owner: owner.ok().map(|(owner,)| owner), objects })
    }

    /// Gets all objects and merges them. They are merged in the order of the signals, so that an
    /// older answer does not overwrite a newer signal.
    pub(super) async fn refresh(&self, signals: &Arc<SignalReceiver>) -> Result<(), dbus::Error> {
        let (receiver, line) = (signals.clone(), self.lost.clone());
        let merge = move |(objects,): (AllObjects,)| {
            // The objects of a lost bus no longer count.
            if !line.is_cancelled() {
                receiver.take(&objects);
            }
        };
        self.ask_then(BLUEZ, "/", OBJECT_MANAGER, "GetManagedObjects", (), merge).await
    }

    /// Connects. BlueZ does not report that the link is up if it learns this from the socket before it does from the
    /// management interface (`att_connect_cb` in its `src/device.c`). So its answer counts as that report. It is merged in
    /// the order of the signals, because the link may drop right after it.
    pub(super) async fn connect(&self, path: &str, signals: &Arc<SignalReceiver>) -> Result<(), dbus::Error> {
        let (receiver, line, device) = (signals.clone(), self.lost.clone(), path.to_owned());
        let merge = move |()| {
            if !line.is_cancelled() {
                receiver.connected(&device);
            }
        };
        self.ask_then(BLUEZ, path, DEVICE, "Connect", (), merge).await
    }

    pub(super) async fn lost(&self) {
        self.lost.cancelled().await;
    }

    pub(super) fn is_up(&self) -> bool {
        !self.lost.is_cancelled()
    }

    pub(super) async fn objects(&self) -> Result<Objects, dbus::Error> {
        let (objects,): (AllObjects,) = self.call("/", OBJECT_MANAGER, "GetManagedObjects", ()).await?;
        Ok(objects)
    }

    /// Calls a method of BlueZ and waits for the answer. The caller sets the deadline.
    pub(super) async fn call<R: ReadAll + Send + 'static>(
        &self,
        path: &str,
        interface: &str,
        method: &str,
        arguments: impl AppendAll,
    ) -> Result<R, dbus::Error> {
        self.ask(BLUEZ, path, interface, method, arguments).await
    }

    /// Calls a method of BlueZ and waits until it was received, or answered if that comes first.
    pub(super) async fn send(&self, path: &str, interface: &str, method: &str) -> Result<(), dbus::Error> {
        let answer = self.ask(BLUEZ, path, interface, method, ());
        // The bus keeps the order: an answer to this shows that the request before it has arrived.
        let arrived = self.ask(BLUEZ, "/", "org.freedesktop.DBus.Peer", "Ping", ());
        tokio::select! {
            biased;
            answer = answer => answer,
            arrived = arrived => arrived,
        }
    }

    /// Sends a request now and returns a future for its answer.
    ///
    /// The methods of the crate fail under load with "Failed to send message": they do so if a
    /// message is queued before the writing task has run, although it is about to write it (dbus
    /// 0.9.12 `send_with_reply`, dbus-tokio 0.7.6 `WakeStatus`). So the result of sending is
    /// ignored. The callback tells: it is dropped if the message was not accepted.
    fn ask<R: ReadAll + Send + 'static, A: AppendAll>(
        &self,
        service: &str,
        path: &str,
        interface: &str,
        method: &str,
        arguments: A,
    ) -> impl Future<Output = Result<R, dbus::Error>> + use<R, A> {
        self.ask_then(service, path, interface, method, arguments, |answer: R| answer)
    }

    /// Like [`ask`](Self::ask), and maps the answer before the next message is received.
    fn ask_then<R: ReadAll + Send + 'static, T: Send + 'static, A: AppendAll, F>(
        &self,
        service: &str,
        path: &str,
        interface: &str,
        method: &str,
        arguments: A,
        then: F,
    ) -> impl Future<Output = Result<T, dbus::Error>> + use<R, T, A, F>
    where
        F: FnOnce(R) -> T + Send + 'static,
    {
        let (answered, answer) = oneshot::channel();
        let question =
            dbus::Path::new(path).and_then(|path| Message::new_method_call(service, path, interface, method));
        let sent = question.map(|mut question| {
            question.append_all(arguments);
            let taken = move |mut answer: Message, _: &SyncConnection| {
                let answer = answer.as_result().and_then(|answer| answer.read_all().map_err(wrong_type));
                // The future may have been dropped.
                let _ = answered.send(answer.map(then));
            };
            let _ = self.connection.send_with_reply(question, SyncConnection::make_f(taken));
        });
        let lost = self.lost.clone();
        async move {
            sent.map_err(|error| dbus::Error::new_failed(&error))?;
            tokio::select! {
                biased;
                answer = answer => answer.map_err(|_| disconnected())?,
                () = lost.cancelled_owned() => Err(disconnected()),
            }
        }
    }

    /// Sends a request without waiting or wanting an answer, for use in `Drop`.
    pub(super) fn tell(&self, path: &str, interface: &str, method: &str, arguments: impl AppendAll) {
        let Ok(mut message) = Message::new_method_call(BLUEZ, path, interface, method) else { return };
        message.append_all(arguments);
        message.set_no_reply(true);
        // On a lost bus there is no receiver.
        let _ = self.connection.send(message);
    }

    pub(super) fn connection(&self) -> &Arc<SyncConnection> {
        &self.connection
    }

    /// Sends a signal, after all messages before it.
    pub(super) fn emit(&self, path: &str, interface: &str, member: &str, body: impl AppendAll) {
        let Ok(mut message) = Message::new_signal(path, interface, member) else { return };
        message.append_all(body);
        // On a lost bus there is no receiver.
        let _ = self.connection.send(message);
    }

    /// Subscribes to the signal of the login manager that says that the computer sleeps, or has woken up.
    pub(super) async fn watch_sleep(&self) -> Result<(), dbus::Error> {
        let (bus, object, interface) = THE_BUS;
        self.ask(bus, object, interface, "AddMatch", (SLEEP,)).await
    }
}

/// The error of an answer that could not be read. The crate gives it the name of any failure.
fn wrong_type(error: dbus::Error) -> dbus::Error {
    dbus::Error::new_custom(WRONG_TYPE, error.message().unwrap_or_default())
}

fn disconnected() -> dbus::Error {
    dbus::Error::new_custom("org.freedesktop.DBus.Error.Disconnected", "Connection is closed")
}

#[cfg(test)]
mod tests;

#[cfg(test)]
pub(super) mod played;
