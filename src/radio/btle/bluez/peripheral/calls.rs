//! The calls that BlueZ makes to the objects, and the answers.

use std::ffi::CString;

use dbus::Message;
use dbus::arg::{PropMap, prop_cast};
use dbus::strings::ErrorName;

use super::super::super::playable::{FAILED, READ_NOT_PERMITTED, WRITE_NOT_PERMITTED, att_error};
use super::super::properties::{CHARACTERISTIC, device_of};
use super::exports::{ADVERTISEMENT_INTERFACE, Exports};
use crate::radio::peripheral::Reply;
use crate::radio::{CharacteristicId, DeviceId, Properties, WriteKind};

/// Something that happens at the bulb.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Call {
    Read {
        from: Requester,
        characteristic: CharacteristicId,
    },
    Write {
        from: Requester,
        characteristic: CharacteristicId,
        value: Vec<u8>,
        kind: Option<WriteKind>,
    },
    /// The first of all centrals subscribes.
    StartNotify(CharacteristicId),
    /// The last of all centrals has unsubscribed.
    StopNotify(CharacteristicId),
    /// BlueZ has dropped the advertisement.
    Released,
}

/// What BlueZ says about a request besides its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Requester {
    pub(super) device: DeviceId,
    pub(super) offset: u16,
    pub(super) mtu: Option<u16>,
    /// The characteristic is closed to centrals without a bond.
    pub(super) closed: bool,
}

impl Call {
    /// Reads a call about the objects of this adapter. `None` if BlueZ never makes it.
    pub(super) fn of(message: &Message, exports: &Exports, adapter: &str) -> Option<Self> {
        let (path, interface, member) = (message.path()?, message.interface()?, message.member()?);
        if (&*interface, &*member) == (ADVERTISEMENT_INTERFACE, "Release") {
            return Some(Self::Released);
        }
        if &*interface != CHARACTERISTIC {
            return None;
        }
        let object = exports.characteristic(&path)?;
        let characteristic = object.id;
        let from = |options: &PropMap| requester(options, adapter, object.closed);
        match &*member {
            "ReadValue" => {
                let options: PropMap = message.read1().ok()?;
                Some(Self::Read { from: from(&options)?, characteristic })
            }
            "WriteValue" => {
                let (value, options): (Vec<u8>, PropMap) = message.read2().ok()?;
                let kind = kind_of(&options, object.properties);
                Some(Self::Write { from: from(&options)?, characteristic, value, kind })
            }
            "StartNotify" => Some(Self::StartNotify(characteristic)),
            "StopNotify" => Some(Self::StopNotify(characteristic)),
            _ => None,
        }
    }
}

fn requester(options: &PropMap, adapter: &str, closed: bool) -> Option<Requester> {
    let device = prop_cast::<dbus::Path<'static>>(options, "device")?;
    Some(Requester {
        device: device_of(adapter, device)?,
        offset: prop_cast(options, "offset").copied().unwrap_or_default(),
        mtu: prop_cast(options, "mtu").copied(),
        closed,
    })
}

/// The kind of a write. BlueZ 5.66 does not say it. With both properties, it cannot be told, and BlueZ has answered
/// a request already
/// (`chrc_write_cb` and `write_setup_cb` in its src/gatt-database.c).
fn kind_of(options: &PropMap, properties: Properties) -> Option<WriteKind> {
    match prop_cast::<String>(options, "type").map(String::as_str) {
        Some("command") => Some(WriteKind::Command),
        Some(_) => Some(WriteKind::Request),
        None => match [WriteKind::Request, WriteKind::Command].map(|kind| properties.allows(kind)) {
            [true, true] => None,
            [false, true] => Some(WriteKind::Command),
            [_, false] => Some(WriteKind::Request),
        },
    }
}

/// The message that answers a read or a write.
pub(super) fn answer(call: &Message, reply: Reply) -> Message {
    let reads = call.member().as_deref() == Some("ReadValue");
    match reply {
        Reply::AttError(att) => refuse(call, att, reads),
        Reply::Value(value) if reads => call.return_with_args((value,)),
        Reply::Done if reads => call.return_with_args((Vec::<u8>::new(),)),
        Reply::Done | Reply::Value(_) => call.method_return(),
    }
}

fn refuse(call: &Message, att: u8, reads: bool) -> Message {
    let permission = if reads { READ_NOT_PERMITTED } else { WRITE_NOT_PERMITTED };
    let name = att_error(att, permission).unwrap_or("org.bluez.Error.Unlikely");
    let text = if name == FAILED { format!("0x{att:02x}") } else { String::new() };
    error(call, name, &text)
}

/// An answer that says that something failed.
pub(super) fn error(call: &Message, name: &'static str, text: &str) -> Message {
    call.error(&ErrorName::from(name), &CString::new(text).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use dbus::arg::{RefArg, Variant};

    use super::*;
    use crate::radio::peripheral::tests::{CONTROL, served_bulb};

    const ADAPTER: &str = "/org/bluez/hci1";

    fn options(all: Vec<(&str, Box<dyn RefArg>)>) -> PropMap {
        all.into_iter().map(|(name, value)| (name.to_owned(), Variant(value))).collect()
    }

    #[test]
    fn a_request_says_who_sends_it_and_from_where_on() {
        let path = dbus::Path::from("/org/bluez/hci1/dev_02_B0_1B_00_00_01");
        let all = options(vec![
            ("device", Box::new(path.clone())),
            ("offset", Box::new(22_u16)),
            ("mtu", Box::new(517_u16)),
        ]);
        let from = requester(&all, ADAPTER, false).unwrap();
        assert_eq!((from.device.as_str(), from.offset, from.mtu), ("02:B0:1B:00:00:01", 22, Some(517)));
        let short = options(vec![("device", Box::new(path))]);
        assert_eq!(requester(&short, ADAPTER, false).unwrap().offset, 0);
        assert_eq!(requester(&short, "/org/bluez/hci0", false), None, "another adapter");
        assert_eq!(requester(&PropMap::new(), ADAPTER, false), None);
    }

    #[test]
    fn a_command_is_known_by_its_type_or_the_properties() {
        let both = Properties::WRITE.or(Properties::WRITE_WITHOUT_RESPONSE);
        let typed = |kind: &str| options(vec![("type", Box::new(kind.to_owned()))]);
        for (options, properties, kind) in [
            (PropMap::new(), Properties::WRITE, Some(WriteKind::Request)),
            (PropMap::new(), Properties::WRITE_WITHOUT_RESPONSE, Some(WriteKind::Command)),
            (PropMap::new(), both, None),
            (typed("request"), both, Some(WriteKind::Request)),
            (typed("command"), both, Some(WriteKind::Command)),
        ] {
            assert_eq!(kind_of(&options, properties), kind, "{options:?} {properties:?}");
        }
    }

    #[test]
    fn an_att_error_has_the_name_that_bluez_translates() {
        for (member, att, want) in [
            ("WriteValue", 0x03, ("org.bluez.Error.NotPermitted", "")),
            ("WriteValue", 0x80, (FAILED, "0x80")),
            ("WriteValue", 0x0d, ("org.bluez.Error.InvalidValueLength", "")),
            ("WriteValue", 0x13, ("org.bluez.Error.Unlikely", "")),
            ("ReadValue", 0x02, ("org.bluez.Error.NotPermitted", "")),
            ("ReadValue", 0x9f, (FAILED, "0x9f")),
        ] {
            let mut call = Message::new_method_call("org.bluez", "/a", CHARACTERISTIC, member).unwrap();
            call.set_serial(7);
            let mut answer = answer(&call, Reply::AttError(att));
            let error = answer.as_result().unwrap_err();
            assert_eq!((error.name().unwrap(), error.message().unwrap_or_default()), want);
        }
    }

    #[test]
    fn a_call_is_what_it_does_to_the_bulb() {
        let exports = Exports::new(&served_bulb());
        let path = exports.path_of(CONTROL).unwrap().to_owned();
        let of = |path: &str, interface: &str, member: &str| {
            let message = Message::new_method_call("org.bulbctl", path, interface, member).unwrap();
            let device = dbus::Path::from("/org/bluez/hci1/dev_02_B0_1B_00_00_01");
            let message = match member {
                "WriteValue" => message.append2(vec![1_u8, 2], options(vec![("device", Box::new(device))])),
                "ReadValue" => message.append1(options(vec![("device", Box::new(device))])),
                _ => message,
            };
            Call::of(&message, &exports, ADAPTER)
        };
        let device = DeviceId::new("02:B0:1B:00:00:01");
        let from = Requester { device, offset: 0, mtu: None, closed: false };
        let read = Call::Read { from: from.clone(), characteristic: CONTROL };
        let (value, kind) = (vec![1, 2], Some(WriteKind::Request));
        let write = Call::Write { from, characteristic: CONTROL, value, kind };
        for (path, interface, member, want) in [
            (path.as_str(), CHARACTERISTIC, "ReadValue", Some(read)),
            (&path, CHARACTERISTIC, "WriteValue", Some(write)),
            (&path, CHARACTERISTIC, "StartNotify", Some(Call::StartNotify(CONTROL))),
            (&path, CHARACTERISTIC, "StopNotify", Some(Call::StopNotify(CONTROL))),
            (&path, ADVERTISEMENT_INTERFACE, "Release", Some(Call::Released)),
            (&path, CHARACTERISTIC, "Confirm", None),
            (&path, "org.example.Other", "ReadValue", None),
            ("/org/bulbctl/emulate/other", CHARACTERISTIC, "ReadValue", None),
        ] {
            assert_eq!(of(path, interface, member), want, "{path} {interface} {member}");
        }
    }
}
