//! Errors that btleplug passes on from macOS and Windows. They have a text and no code.

use super::ErrorClass;
use crate::error::Operation;

/// The descriptions of `CBATTError`, by ATT error, in an English system. Core Bluetooth has no other sign of the
/// error that btleplug passes on.
const APPLE: [(u8, &str); 17] = [
    (0x01, "The handle is invalid."),
    (0x02, "Reading is not permitted."),
    (0x03, "Writing is not permitted."),
    (0x04, "The command is invalid."),
    (0x05, "Authentication is insufficient."),
    (0x06, "The request is not supported."),
    (0x07, "The offset is invalid."),
    (0x08, "Authorization is insufficient."),
    (0x09, "The prepare queue is full."),
    (0x0a, "The attribute could not be found."),
    (0x0b, "The attribute is not long."),
    (0x0c, "The encryption key size is insufficient."),
    (0x0d, "The value's length is invalid."),
    (0x0e, "Unlikely error."),
    (0x0f, "Encryption is insufficient."),
    (0x10, "The group type is unsupported."),
    (0x11, "Resources are insufficient."),
];

/// The description of an ATT error in Core Bluetooth.
#[cfg(all(target_os = "linux", debug_assertions))]
pub(in super::super) fn apple_text(att: u8) -> Option<&'static str> {
    APPLE.iter().find(|(code, _)| *code == att).map(|(_, text)| *text)
}

pub(super) fn classify(message: &str, operation: &Operation) -> ErrorClass {
    if let Some(att) = att_of(message) {
        return match att {
            0x05 | 0x0c | 0x0f => ErrorClass::Pairing,
            0x06 => ErrorClass::Unsupported,
            att => ErrorClass::Att(att),
        };
    }
    match message {
        // What btleplug makes of a link that ended (corebluetooth/internal.rs).
        "Device disconnected"
        | "Peripheral no longer available"
        | "Service no longer available"
        | "Characteristic no longer available"
        | "The specified device has disconnected from us."
        | "The connection has timed out unexpectedly." => gone(operation),
        "Unknown ATT error." => ErrorClass::Refused,
        // `GattCommunicationStatus` (winrtble/ble/characteristic.rs).
        _ if message.starts_with("Windows UWP threw error on") => match status_of(message) {
            Some(1) => gone(operation),
            Some(2) => ErrorClass::Refused,
            _ => ErrorClass::Unknown,
        },
        _ => ErrorClass::Unknown,
    }
}

fn gone(operation: &Operation) -> ErrorClass {
    match operation {
        Operation::Disconnect | Operation::Unsubscribe(_) => ErrorClass::Done,
        Operation::Connect => ErrorClass::Again,
        _ => ErrorClass::NoLink,
    }
}

/// The ATT error of a text: one of Apple's, or `… (ATT error 15.)`.
fn att_of(message: &str) -> Option<u8> {
    if let Some((att, _)) = APPLE.iter().find(|(_, text)| *text == message) {
        return Some(*att);
    }
    let (_, number) = message.split_once("(ATT error ")?;
    number.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

fn status_of(message: &str) -> Option<u8> {
    let (_, number) = message.split_once("GattCommunicationStatus(")?;
    number.strip_suffix(')')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::radio::CharacteristicId;

    #[test]
    fn texts_of_other_systems_are_understood() {
        let write = Operation::write(CharacteristicId::short(0xFFF0, 0xFFF1));
        let windows = |status| format!("Windows UWP threw error on write: GattCommunicationStatus({status})");
        for (text, class) in [
            ("Writing is not permitted.", ErrorClass::Att(0x03)),
            ("Encryption is insufficient.", ErrorClass::Pairing),
            ("The operation couldn’t be completed. (ATT error 15.)", ErrorClass::Pairing),
            ("The operation couldn’t be completed. (ATT error 128.)", ErrorClass::Att(0x80)),
            ("The request is not supported.", ErrorClass::Unsupported),
            ("Device disconnected", ErrorClass::NoLink),
            (&windows(1), ErrorClass::NoLink),
            (&windows(2), ErrorClass::Refused),
            (&windows(3), ErrorClass::Unknown),
            ("something else", ErrorClass::Unknown),
        ] {
            assert_eq!(classify(text, &write), class, "{text}");
        }
        assert_eq!(classify("Peripheral no longer available", &Operation::Connect), ErrorClass::Again);
        assert_eq!(classify("Device disconnected", &Operation::Disconnect), ErrorClass::Done);
    }
}
