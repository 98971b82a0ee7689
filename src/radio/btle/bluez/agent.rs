//! Bonding: the question to BlueZ, and the pairing agent that answers BlueZ's own questions meanwhile.

use dbus::Message;
use dbus::arg::Variant;
use dbus::channel::{MatchingReceiver, Sender, Token};
use dbus::message::MatchRule;
use dbus::strings::ErrorName;

use super::bus::Bus;
use super::properties::{ADAPTER, DEVICE, PROPERTIES};

/// Where our agent is.
const AGENT: &str = "/org/bulbctl/agent";
/// Where BlueZ keeps agents.
const MANAGER: (&str, &str) = ("/org/bluez", "org.bluez.AgentManager1");
/// Lamps have neither keys nor a display, so that nothing can be compared or typed, and a terminal in a script has none either:
/// "Just Works" (Bluetooth Core, Vol 3, Part H, 2.3.5.2).
const CAPABILITY: &str = "NoInputNoOutput";

/// Bonds with the device of this path, if it is not paired already, and returns when BlueZ has an answer. Dropping the future
/// cancels the pairing.
///
/// Nothing else is set: `Trusted` would let the device in by itself and use services of ours, which no lamp has a reason to.
///
/// # Errors
/// What BlueZ says.
pub(super) async fn pair(bus: &Bus, adapter: &str, device: &str) -> Result<(), dbus::Error> {
    // To ask all the same ends in "Authentication Failed" where it was paired without a bond.
    if is(bus, device, DEVICE, "Paired").await? {
        return Ok(());
    }
    let agent = Agent::listen(bus, device);
    bus.call::<()>(MANAGER.0, MANAGER.1, "RegisterAgent", (path(AGENT)?, CAPABILITY)).await?;
    // BlueZ makes bonds only while there is a default agent; without one it pairs, and forgets the keys. One that there is
    // already, a desktop's, stays what it is.
    if !is(bus, adapter, ADAPTER, "Pairable").await? {
        bus.call::<()>(MANAGER.0, MANAGER.1, "RequestDefaultAgent", (path(AGENT)?,)).await?;
    }
    let pairing = Pairing { bus, device, ended: false };
    let answer = bus.call(device, DEVICE, "Pair", ()).await;
    pairing.ended();
    drop(agent);
    answer
}

/// A property that is true or false.
async fn is(bus: &Bus, path: &str, interface: &str, property: &str) -> Result<bool, dbus::Error> {
    let (Variant(value),) = bus.call(path, PROPERTIES, "Get", (interface, property)).await?;
    Ok(value)
}

fn path(text: &str) -> Result<dbus::Path<'_>, dbus::Error> {
    dbus::Path::new(text).map_err(|error| dbus::Error::new_failed(&error))
}

/// A pairing that is under way; cancelled if it is dropped before its end.
struct Pairing<'a> {
    bus: &'a Bus,
    device: &'a str,
    ended: bool,
}

impl Pairing<'_> {
    fn ended(mut self) {
        self.ended = true;
    }
}

impl Drop for Pairing<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.bus.tell(self.device, DEVICE, "CancelPairing", ());
        }
    }
}

/// Our agent: there while we pair. It is taken back when it is dropped.
struct Agent<'a> {
    bus: &'a Bus,
    token: Token,
}

impl<'a> Agent<'a> {
    /// Answers whatever is asked about the pairing with this device.
    fn listen(bus: &'a Bus, device: &str) -> Self {
        let device = device.to_owned();
        let questions = MatchRule::new_method_call().with_path(AGENT);
        let token = bus.connection().start_receive(
            questions,
            Box::new(move |question, connection| {
                // Of a bus that is gone, nobody waits for the answer.
                let _ = connection.send(answer(&question, &device));
                true
            }),
        );
        Self { bus, token }
    }
}

impl Drop for Agent<'_> {
    fn drop(&mut self) {
        if let Ok(agent) = path(AGENT) {
            self.bus.tell(MANAGER.0, MANAGER.1, "UnregisterAgent", (agent,));
        }
        drop(self.bus.connection().stop_receive(self.token));
    }
}

/// What the agent says. Only the device that we pair with is let in, and only in ways that need no human.
fn answer(question: &Message, device: &str) -> Message {
    let asked = question.member();
    let ours = question.get1::<dbus::Path<'_>>().is_some_and(|path| &*path == device);
    match asked.as_deref() {
        Some("Release" | "Cancel") => question.method_return(),
        Some("RequestConfirmation" | "RequestAuthorization") if ours => question.method_return(),
        _ => question.error(&rejected(), c"bulbctl pairs with one lamp, which needs nothing else"),
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

    const LAMP: &str = "/org/bluez/hci0/dev_C4_11_00_00_00_01";
    const OTHER: &str = "/org/bluez/hci0/dev_C4_11_00_00_00_02";

    fn asked(member: &str, arguments: impl AppendAll) -> MessageType {
        let mut question = Message::new_method_call(BLUEZ, AGENT, "org.bluez.Agent1", member).unwrap();
        question.append_all(arguments);
        // As if it had been sent: an answer names the question by its number.
        question.set_serial(7);
        answer(&question, LAMP).msg_type()
    }

    fn at(path: &'static str) -> dbus::Path<'static> {
        dbus::Path::new(path).unwrap()
    }

    #[test]
    fn only_the_lamp_is_let_in_and_only_without_a_human() {
        let (yes, no) = (MessageType::MethodReturn, MessageType::Error);
        assert_eq!(asked("RequestAuthorization", (at(LAMP),)), yes);
        assert_eq!(asked("RequestConfirmation", (at(LAMP), 123_456_u32)), yes);
        assert_eq!(asked("RequestAuthorization", (at(OTHER),)), no);
        assert_eq!(asked("RequestConfirmation", (at(OTHER), 123_456_u32)), no);
        assert_eq!(asked("RequestAuthorization", ()), no);
        assert_eq!(asked("RequestPinCode", (at(LAMP),)), no);
        assert_eq!(asked("RequestPasskey", (at(LAMP),)), no);
        assert_eq!(asked("AuthorizeService", (at(LAMP), "0000110b-0000-1000-8000-00805f9b34fb")), no);
        assert_eq!(asked("Cancel", ()), yes);
        assert_eq!(asked("Release", ()), yes);
    }
}
