//! Bonds with a device through BlueZ, with an agent that answers the questions of BlueZ.

use std::fmt;
use std::sync::Arc;

use dbus::Message;
use dbus::arg::Variant;
use dbus::channel::{MatchingReceiver, Sender, Token};
use dbus::message::MatchRule;
use dbus::strings::ErrorName;

use super::bus::Bus;
use super::properties::{ADAPTER, DEVICE, PROPERTIES};
use super::signals::SignalReceiver;
use crate::radio::OnDrop;

const AGENT: &str = "/org/bulbctl/agent";
const MANAGER: (&str, &str) = ("/org/bluez", "org.bluez.AgentManager1");
/// Bulbs have neither keys nor a display, and scripts have no user to ask: "Just Works" (Bluetooth
/// Core, Vol 3, Part H, 2.3.5.2).
const CAPABILITY: &str = "NoInputNoOutput";

/// Bonds with a device unless it is paired. Dropping the future cancels the pairing.
///
/// `Trusted` stays unset: it would let the device connect by itself and use services of this
/// computer.
pub(super) async fn pair(
    bus: &Bus,
    signals: Arc<SignalReceiver>,
    adapter: &str,
    device: &str,
) -> Result<(), dbus::Error> {
    // Pairing again gives "Authentication Failed" if the device was paired without a bond.
    if is(bus, device, DEVICE, "Paired").await? {
        return Ok(());
    }
    let agent = Agent::listen(bus, signals, device);
    bus.call::<()>(MANAGER.0, MANAGER.1, "RegisterAgent", (path(AGENT)?, CAPABILITY)).await?;
    // BlueZ keeps the keys only while there is a default agent. An existing one, such as that of a
    // desktop, stays.
    if !is(bus, adapter, ADAPTER, "Pairable").await? {
        bus.call::<()>(MANAGER.0, MANAGER.1, "RequestDefaultAgent", (path(AGENT)?,)).await?;
    }
    let mut pairing = OnDrop { armed: true, call: || bus.tell(device, DEVICE, "CancelPairing", ()) };
    let answer = bus.call(device, DEVICE, "Pair", ()).await;
    pairing.armed = false;
    drop(agent);
    answer
}

async fn is(bus: &Bus, path: &str, interface: &str, property: &str) -> Result<bool, dbus::Error> {
    let (Variant(value),) = bus.call(path, PROPERTIES, "Get", (interface, property)).await?;
    Ok(value)
}

fn path(text: &str) -> Result<dbus::Path<'_>, dbus::Error> {
    dbus::Path::new(text).map_err(|error| dbus::Error::new_failed(&error))
}

/// The registered agent. Dropping it unregisters it.
struct Agent<'a> {
    bus: &'a Bus,
    token: Token,
}

impl<'a> Agent<'a> {
    /// Answers the questions of BlueZ about this device, and those of nobody else.
    fn listen(bus: &'a Bus, signals: Arc<SignalReceiver>, device: &str) -> Self {
        let device = device.to_owned();
        let token = listen(bus, signals, move |asked| asked == device);
        Self { bus, token }
    }
}

impl Drop for Agent<'_> {
    fn drop(&mut self) {
        unregister(self.bus, self.token);
    }
}

/// The registered agent of a bulb that lets centrals pair. Dropping it unregisters it.
pub(super) struct ServingAgent {
    bus: Arc<Bus>,
    token: Token,
}

impl fmt::Debug for ServingAgent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServingAgent")
    }
}

impl ServingAgent {
    /// Answers the questions of BlueZ about the devices of this adapter.
    pub(super) async fn register(
        bus: &Arc<Bus>,
        signals: Arc<SignalReceiver>,
        adapter: &str,
    ) -> Result<Self, dbus::Error> {
        let devices = format!("{adapter}/dev_");
        let token = listen(bus, signals, move |device| device.starts_with(&devices));
        let agent = Self { bus: bus.clone(), token };
        let registered = bus.call::<()>(MANAGER.0, MANAGER.1, "RegisterAgent", (path(AGENT)?, CAPABILITY));
        match registered.await {
            Err(error) if error.name() != Some("org.bluez.Error.AlreadyExists") => return Err(error),
            _ => {}
        }
        if !is(bus, adapter, ADAPTER, "Pairable").await? {
            bus.call::<()>(MANAGER.0, MANAGER.1, "RequestDefaultAgent", (path(AGENT)?,)).await?;
        }
        Ok(agent)
    }
}

impl Drop for ServingAgent {
    fn drop(&mut self) {
        unregister(&self.bus, self.token);
    }
}

/// Answers the questions of BlueZ about the devices that are meant, and those of nobody else.
fn listen(
    bus: &Bus,
    signals: Arc<SignalReceiver>,
    is_meant: impl Fn(&str) -> bool + Send + Sync + 'static,
) -> Token {
    let questions = MatchRule::new_method_call().with_path(AGENT);
    bus.connection().start_receive(
        questions,
        Box::new(move |question, connection| {
            // On a lost bus, nobody waits for the answer.
            let _ = connection.send(if signals.is_from_bluez(&question) {
                answer(&question, &is_meant)
            } else {
                question.error(&rejected(), c"only BlueZ may ask")
            });
            true
        }),
    )
}

fn unregister(bus: &Bus, token: Token) {
    if let Ok(agent) = path(AGENT) {
        bus.tell(MANAGER.0, MANAGER.1, "UnregisterAgent", (agent,));
    }
    drop(bus.connection().stop_receive(token));
}

/// The answer to a question. Allows only devices that are meant, and only methods that need no user.
fn answer(question: &Message, is_meant: &impl Fn(&str) -> bool) -> Message {
    let asked = question.member();
    let ours = question.get1::<dbus::Path<'_>>().is_some_and(|path| is_meant(&path));
    match asked.as_deref() {
        Some("Release" | "Cancel") => question.method_return(),
        Some("RequestConfirmation" | "RequestAuthorization") if ours => question.method_return(),
        _ => question.error(&rejected(), c"bulbctl pairs without a user, and only for its own bulb"),
    }
}

fn rejected() -> ErrorName<'static> {
    ErrorName::from("org.bluez.Error.Rejected")
}

#[cfg(test)]
mod tests {
    use dbus::arg::AppendAll;
    use dbus::message::MessageType;

    use super::super::bus::BLUEZ;
    use super::*;

    const BULB: &str = "/org/bluez/hci0/dev_C4_11_00_00_00_01";
    const OTHER: &str = "/org/bluez/hci0/dev_C4_11_00_00_00_02";

    fn asked(member: &str, arguments: impl AppendAll) -> MessageType {
        let mut question = Message::new_method_call(BLUEZ, AGENT, "org.bluez.Agent1", member).unwrap();
        question.append_all(arguments);
        // A reply needs the serial number that sending would assign.
        question.set_serial(7);
        answer(&question, &|device: &str| device == BULB).msg_type()
    }

    fn at(path: &'static str) -> dbus::Path<'static> {
        dbus::Path::new(path).unwrap()
    }

    #[test]
    fn only_the_bulb_is_let_in_and_only_without_a_human() {
        let (yes, no) = (MessageType::MethodReturn, MessageType::Error);
        assert_eq!(asked("RequestAuthorization", (at(BULB),)), yes);
        assert_eq!(asked("RequestConfirmation", (at(BULB), 123_456_u32)), yes);
        assert_eq!(asked("RequestAuthorization", (at(OTHER),)), no);
        assert_eq!(asked("RequestConfirmation", (at(OTHER), 123_456_u32)), no);
        assert_eq!(asked("RequestAuthorization", ()), no);
        assert_eq!(asked("RequestPinCode", (at(BULB),)), no);
        assert_eq!(asked("RequestPasskey", (at(BULB),)), no);
        assert_eq!(asked("AuthorizeService", (at(BULB), "0000110b-0000-1000-8000-00805f9b34fb")), no);
        assert_eq!(asked("Cancel", ()), yes);
        assert_eq!(asked("Release", ()), yes);
    }
}
