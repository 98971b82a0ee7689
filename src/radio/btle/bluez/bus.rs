//! A connection of our own to the system bus.

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

use super::super::platform_error::PlatformError;
use super::properties::Objects;
use super::signals::SignalReceiver;

pub(super) const BLUEZ: &str = "org.bluez";
/// The bus itself: its name, its object and its interface.
const THE_BUS: (&str, &str, &str) = ("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus");

/// What we want to hear.
const SIGNALS: [&str; 6] = [
    "type='signal',sender='org.bluez',interface='org.freedesktop.DBus.ObjectManager',member='InterfacesAdded'",
    "type='signal',sender='org.bluez',interface='org.freedesktop.DBus.ObjectManager',member='InterfacesRemoved'",
    "type='signal',sender='org.bluez',interface='org.freedesktop.DBus.Properties',member='PropertiesChanged',arg0='org.bluez.Device1'",
    "type='signal',sender='org.bluez',interface='org.freedesktop.DBus.Properties',member='PropertiesChanged',arg0='org.bluez.Adapter1'",
    "type='signal',sender='org.bluez',interface='org.freedesktop.DBus.Properties',member='PropertiesChanged',arg0='org.bluez.GattCharacteristic1'",
    "type='signal',sender='org.freedesktop.DBus',interface='org.freedesktop.DBus',member='NameOwnerChanged',arg0='org.bluez'",
];

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
    /// Connects. What is heard goes to the listener, and also that the bus is gone.
    pub(super) async fn open(signals: Arc<SignalReceiver>) -> Result<Self, PlatformError> {
        let channel = tokio::task::spawn_blocking(|| Channel::get_private(BusType::System)).await;
        Self::on(channel.map_err(|error| PlatformError::own(error.to_string()))??, signals)
    }

    /// Takes a connection into use.
    fn on(channel: Channel, signals: Arc<SignalReceiver>) -> Result<Self, PlatformError> {
        let (io, connection) = dbus_tokio::connection::from_channel::<SyncConnection>(channel)?;
        let rule = MatchRule::new().with_type(MessageType::Signal);
        let receiver = signals.clone();
        // Called for one signal after the other, on the task below. It only notes what it hears: nothing queues up.
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
            // First, as the next connection may be made at once.
            signals.lost();
            ended.cancel();
        });
        Ok(Self { connection, lost, _io: AbortOnDropHandle::new(io) })
    }

    /// Subscribes to what we want to hear, then has a look at what there is. All at once: the bus keeps the order. That BlueZ
    /// is not there is the inner error: we are subscribed all the same, and hear when it comes.
    pub(super) async fn subscribe(&self) -> Result<Result<Objects, dbus::Error>, dbus::Error> {
        let (bus, object, interface) = THE_BUS;
        let rules = SIGNALS.map(|rule| self.ask::<(), _>(bus, object, interface, "AddMatch", (rule,)));
        let (rules, objects) = futures::join!(futures::future::try_join_all(rules), self.objects());
        rules?;
        Ok(objects)
    }

    /// Returns when the connection has ended.
    pub(super) async fn lost(&self) {
        self.lost.cancelled().await;
    }

    /// Whether the connection is there.
    pub(super) fn is_up(&self) -> bool {
        !self.lost.is_cancelled()
    }

    /// Everything that BlueZ has.
    pub(super) async fn objects(&self) -> Result<Objects, dbus::Error> {
        let (objects,): (HashMap<dbus::Path<'static>, HashMap<String, PropMap>>,) =
            self.call("/", "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", ()).await?;
        Ok(objects)
    }

    /// Asks BlueZ, and waits for the answer, for as long as the bus is there: the deadline is the caller's.
    pub(super) async fn call<R: ReadAll + 'static>(
        &self,
        path: &str,
        interface: &str,
        method: &str,
        arguments: impl AppendAll,
    ) -> Result<R, dbus::Error> {
        self.ask(BLUEZ, path, interface, method, arguments).await
    }

    /// Asks BlueZ, and waits until it has the question, not the answer. The answer counts if it comes first.
    pub(super) async fn send(&self, path: &str, interface: &str, method: &str) -> Result<(), dbus::Error> {
        let answer = self.ask(BLUEZ, path, interface, method, ());
        // The bus keeps the order: when this is answered, the question before it has arrived.
        let arrived = self.ask(BLUEZ, "/", "org.freedesktop.DBus.Peer", "Ping", ());
        tokio::select! {
            biased;
            answer = answer => answer,
            arrived = arrived => arrived,
        }
    }

    /// Sends a question now, and gives its answer later.
    ///
    /// The crate has calls of its own, which are no good under load: they fail with "Failed to send message" when a message was
    /// queued while the task that writes had not run yet since it was last woken, though it is about to run and to write it
    /// (dbus 0.9.12 `send_with_reply`, dbus-tokio 0.7.6 `WakeStatus`). So what counts here is not what the sending says but the
    /// callback: it is dropped when the message was not taken, and kept when it was.
    fn ask<R: ReadAll + 'static, A: AppendAll>(
        &self,
        service: &str,
        path: &str,
        interface: &str,
        method: &str,
        arguments: A,
    ) -> impl Future<Output = Result<R, dbus::Error>> + use<R, A> {
        let (answered, answer) = oneshot::channel();
        let question =
            dbus::Path::new(path).and_then(|path| Message::new_method_call(service, path, interface, method));
        let sent = question.map(|mut question| {
            question.append_all(arguments);
            let taken = move |answer, _: &SyncConnection| {
                // Nobody waits any more if the future was dropped.
                let _ = answered.send(answer);
            };
            let _ = self.connection.send_with_reply(question, SyncConnection::make_f(taken));
        });
        let lost = self.lost.clone();
        async move {
            sent.map_err(|error| dbus::Error::new_failed(&error))?;
            let answer: Message = tokio::select! {
                biased;
                answer = answer => answer.map_err(|_| disconnected())?,
                () = lost.cancelled_owned() => return Err(disconnected()),
            };
            answer.read_all()
        }
    }

    /// Tells BlueZ, without waiting and without wanting an answer: for what is done when a future is dropped.
    pub(super) fn tell(&self, path: &str, interface: &str, method: &str, arguments: impl AppendAll) {
        let Ok(mut message) = Message::new_method_call(BLUEZ, path, interface, method) else { return };
        message.append_all(arguments);
        message.set_no_reply(true);
        // On a bus that is gone, there is nobody to tell.
        let _ = self.connection.send(message);
    }

    /// The connection itself, to answer questions on.
    pub(super) fn connection(&self) -> &SyncConnection {
        &self.connection
    }
}

/// What libdbus says of a connection that has ended.
fn disconnected() -> dbus::Error {
    dbus::Error::new_custom("org.freedesktop.DBus.Error.Disconnected", "Connection is closed")
}

#[cfg(test)]
mod tests;
