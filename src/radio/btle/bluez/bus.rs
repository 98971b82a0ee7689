//! A connection of our own to the system bus.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use dbus::Message;
use dbus::arg::{AppendAll, PropMap, ReadAll};
use dbus::channel::{BusType, Channel, MatchingReceiver, Sender};
use dbus::message::{MatchRule, MessageType};
use dbus::nonblock::{Proxy, SyncConnection};
use tokio_util::task::AbortOnDropHandle;

use super::super::fault::Fault;
use super::listen::Listening;
use super::parse::Objects;

pub(super) const BLUEZ: &str = "org.bluez";
/// How long a call may take at all. Each caller has a deadline of its own, sooner.
const CALL_TIME: Duration = Duration::from_secs(300);

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
    _io: AbortOnDropHandle<()>,
}

impl fmt::Debug for Bus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bus")
    }
}

impl Bus {
    /// Connects. What is heard goes to the listener, and also that the bus is gone.
    pub(super) async fn open(listening: Arc<Listening>) -> Result<Self, Fault> {
        let channel = tokio::task::spawn_blocking(|| Channel::get_private(BusType::System)).await;
        let channel = channel.map_err(|error| Fault::own(error.to_string()))??;
        let (io, connection) = dbus_tokio::connection::from_channel::<SyncConnection>(channel)?;
        let signals = MatchRule::new().with_type(MessageType::Signal);
        let heard = listening.clone();
        // Called for one signal after the other, on the task below. It only notes what it hears: nothing queues up.
        let _ = connection.start_receive(
            signals,
            Box::new(move |message, _| {
                heard.signal(message);
                true
            }),
        );
        let io = tokio::spawn(async move {
            let error = io.await;
            tracing::debug!("the connection to the system bus is lost: {error}");
            listening.lost();
        });
        Ok(Self { connection, _io: AbortOnDropHandle::new(io) })
    }

    /// Subscribes to what we want to hear, then has a look at what there is. All at once: the bus keeps the order.
    pub(super) async fn subscribe(&self) -> Result<Objects, dbus::Error> {
        let [a, b, c, d, e, f] = SIGNALS.map(|rule| self.connection.add_match_no_cb(rule));
        let (.., objects) = futures::try_join!(a, b, c, d, e, f, self.objects())?;
        Ok(objects)
    }

    /// Everything that BlueZ has.
    pub(super) async fn objects(&self) -> Result<Objects, dbus::Error> {
        let (objects,): (HashMap<dbus::Path<'static>, HashMap<String, PropMap>>,) =
            self.call("/", "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", ()).await?;
        Ok(objects)
    }

    /// Asks BlueZ, and waits for the answer.
    pub(super) async fn call<R: ReadAll + 'static>(
        &self,
        path: &str,
        interface: &str,
        method: &str,
        arguments: impl AppendAll,
    ) -> Result<R, dbus::Error> {
        self.proxy(path)?.method_call(interface, method, arguments).await
    }

    /// Asks BlueZ, and waits until it has the question, not the answer. The answer counts if it comes first.
    pub(super) async fn send(&self, path: &str, interface: &str, method: &str) -> Result<(), dbus::Error> {
        let answer = self.proxy(path)?.method_call::<(), _, _, _>(interface, method, ());
        // The bus keeps the order: when this is answered, the question before it has arrived.
        let arrived = self.proxy("/")?.method_call::<(), _, _, _>("org.freedesktop.DBus.Peer", "Ping", ());
        tokio::select! {
            biased;
            answer = answer => answer,
            arrived = arrived => arrived,
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

    fn proxy<'a>(&self, path: &'a str) -> Result<Proxy<'a, Arc<SyncConnection>>, dbus::Error> {
        let path = dbus::Path::new(path).map_err(|error| dbus::Error::new_failed(&error))?;
        Ok(Proxy::new(BLUEZ, path, CALL_TIME, self.connection.clone()))
    }
}
