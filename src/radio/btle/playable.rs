//! What a bulb can do through BlueZ's GATT server, and the D-Bus errors that stand for ATT errors.

use crate::radio::peripheral::Behaviour;

/// The reason why BlueZ cannot play a behaviour; `None` if it can.
pub const fn refusal(behaviour: Behaviour) -> Option<&'static str> {
    match behaviour {
        Behaviour::ConnectFault => Some("the controller answers connects by itself"),
        Behaviour::DiscoverFault => Some("BlueZ answers the discovery of services by itself"),
        Behaviour::SubscribeFault => Some("BlueZ accepts subscriptions before a program hears of them"),
        Behaviour::Silence => None,
        Behaviour::ReadError(att) => not_sent(att_error(att, READ_NOT_PERMITTED)),
        Behaviour::WriteError(att) => not_sent(att_error(att, WRITE_NOT_PERMITTED)),
    }
}

pub const READ_NOT_PERMITTED: u8 = 0x02;
pub const WRITE_NOT_PERMITTED: u8 = 0x03;

const fn not_sent(error: Option<&'static str>) -> Option<&'static str> {
    match error {
        Some(_) => None,
        None => Some(
            "BlueZ sends only the ATT errors 0x02, 0x03, 0x06 to 0x08, 0x0d, 0x0e, 0x80 to 0x9f and 0xfe",
        ),
    }
}

/// The D-Bus error that makes BlueZ answer with an ATT error. `permission` is the error for "not permitted" of the
/// operation. For [`FAILED`], the message of the error is the code: `0x80`. Found in `dbus_error_to_att_ecode` of
/// src/gatt-database.c of BlueZ 5.66.
pub const fn att_error(att: u8, permission: u8) -> Option<&'static str> {
    Some(match att {
        0x06 => "org.bluez.Error.NotSupported",
        0x07 => "org.bluez.Error.InvalidOffset",
        0x08 => "org.bluez.Error.NotAuthorized",
        0x0d => "org.bluez.Error.InvalidValueLength",
        // Any error that BlueZ does not know.
        0x0e => "org.bluez.Error.Unlikely",
        0x80..=0x9f => FAILED,
        0xfe => "org.bluez.Error.InProgress",
        att if att == permission => "org.bluez.Error.NotPermitted",
        _ => return None,
    })
}

pub const FAILED: &str = "org.bluez.Error.Failed";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_below_gatt_are_refused_with_the_reason() {
        for behaviour in [Behaviour::ConnectFault, Behaviour::DiscoverFault, Behaviour::SubscribeFault] {
            assert!(refusal(behaviour).is_some(), "{behaviour}");
        }
        assert_eq!(refusal(Behaviour::Silence), None);
        for att in [0x03, 0x06, 0x07, 0x08, 0x0d, 0x0e, 0x80, 0x9f, 0xfe] {
            assert_eq!(refusal(Behaviour::WriteError(att)), None, "{att:#x}");
        }
        for att in [0x01, 0x02, 0x05, 0x0f, 0x11, 0x7f, 0xa0, 0xff] {
            assert!(refusal(Behaviour::WriteError(att)).is_some(), "{att:#x}");
        }
        assert_eq!(refusal(Behaviour::ReadError(0x02)), None);
        assert!(refusal(Behaviour::ReadError(0x03)).is_some());
    }
}
