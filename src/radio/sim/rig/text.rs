//! Values in a rig file: durations, UUIDs, bytes, addresses, colours, and numbers in a range.

use std::fmt::Display;
use std::time::Duration;

use bulb_protocol::text::parse_duration;
use bulb_protocol::{Percent, Rgb};
use serde::Deserialize;
use uuid::Uuid;

use crate::radio::Address;
use crate::radio::gatt::parse_uuid;

/// A duration: a number, with decimals or without, and `ms`, `s` or `m`.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Span(pub(super) Duration);

impl TryFrom<String> for Span {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        parse_duration(&text).map(Self).ok_or_else(|| expected("a duration such as 20ms, 2s or 5m", &text))
    }
}

/// A UUID: 4 or 32 hex digits.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Uid(pub(super) Uuid);

impl TryFrom<String> for Uid {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        // One spelling only.
        let uuid = parse_uuid(&text).filter(|_| text.chars().all(|c| c.is_ascii_hexdigit()));
        uuid.map(Self).ok_or_else(|| expected("a UUID of 4 or 32 hex digits", &text))
    }
}

/// Bytes in hex.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Bytes(pub(super) Vec<u8>);

impl TryFrom<String> for Bytes {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        hex::decode(&text).map(Self).map_err(|_| expected("bytes of two hex digits each", &text))
    }
}

/// A device address.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Addr(pub(super) Address);

impl TryFrom<String> for Addr {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        // One spelling only.
        let colons = text.matches(':').count() == 5;
        let address = text.parse().ok().filter(|_| colons);
        address.map(Self).ok_or_else(|| expected("an address such as C4:11:00:00:00:01", &text))
    }
}

/// A colour: `#` and six hex digits.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Color(pub(super) Rgb);

impl TryFrom<String> for Color {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let mut rgb = [0; 3];
        let digits = text.strip_prefix('#').unwrap_or_default();
        match hex::decode_to_slice(digits, &mut rgb) {
            Ok(()) => {
                let [red, green, blue] = rgb;
                Ok(Self(Rgb::new(red, green, blue)))
            }
            Err(_) => Err(expected("a colour of six hex digits after #", &text)),
        }
    }
}

/// A percentage.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(try_from = "i64")]
pub(super) struct Level(pub(super) Percent);

impl TryFrom<i64> for Level {
    type Error = String;

    fn try_from(number: i64) -> Result<Self, String> {
        let percent = u8::try_from(number).ok().and_then(|number| Percent::new(number).ok());
        percent.map(Self).ok_or_else(|| expected("a number of percent, 0 to 100", number))
    }
}

/// A colour temperature in kelvin. The profile checks the bulb's range.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(try_from = "i64")]
pub(super) struct Kelvin(pub(super) u16);

impl TryFrom<i64> for Kelvin {
    type Error = String;

    fn try_from(number: i64) -> Result<Self, String> {
        let kelvin = u16::try_from(number).ok();
        kelvin.map(Self).ok_or_else(|| expected("a temperature in kelvin", number))
    }
}

/// The ATT MTU of a link in bytes: from the minimum of LE to the maximum that an attribute value needs (Bluetooth Core
/// 5.4, Vol 3, Part F, 3.2.8 and 3.2.9).
#[derive(Debug, PartialEq, Deserialize)]
#[serde(try_from = "i64")]
pub(super) struct Mtu(pub(super) u16);

impl TryFrom<i64> for Mtu {
    type Error = String;

    fn try_from(number: i64) -> Result<Self, String> {
        let mtu = u16::try_from(number).ok().filter(|mtu| (23..=517).contains(mtu));
        mtu.map(Self).ok_or_else(|| expected("an MTU of 23 to 517 bytes", number))
    }
}

/// An ATT error code.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(try_from = "i64")]
pub(super) struct Att(pub(super) u8);

impl TryFrom<i64> for Att {
    type Error = String;

    fn try_from(number: i64) -> Result<Self, String> {
        let code = u8::try_from(number).ok().filter(|code| *code > 0);
        code.map(Self).ok_or_else(|| expected("an ATT error code, 1 to 255", number))
    }
}

/// A company identifier (Bluetooth Assigned Numbers).
#[derive(Debug, PartialEq, Deserialize)]
#[serde(try_from = "i64")]
pub(super) struct Company(pub(super) u16);

impl TryFrom<i64> for Company {
    type Error = String;

    fn try_from(number: i64) -> Result<Self, String> {
        let company = u16::try_from(number).ok();
        company.map(Self).ok_or_else(|| expected("a company identifier, 0 to 65535", number))
    }
}

/// A signal strength in dBm, in the range of the HCI (Bluetooth Core 5.4, Vol 4, Part E, 7.7.65.2).
#[derive(Debug, PartialEq, Deserialize)]
#[serde(try_from = "i64")]
pub(super) struct Rssi(pub(super) i16);

impl TryFrom<i64> for Rssi {
    type Error = String;

    fn try_from(number: i64) -> Result<Self, String> {
        let rssi = i16::try_from(number).ok().filter(|rssi| (-127..=20).contains(rssi));
        rssi.map(Self).ok_or_else(|| expected("a signal strength of -127 to 20 dBm", number))
    }
}

fn expected(what: &str, found: impl Display) -> String {
    format!("expected {what}, found `{found}`")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::radio::gatt::uuid16;

    #[test]
    fn reads_the_forms_of_the_specification_and_no_others() {
        let uid = |text: &str| Uid::try_from(text.to_owned()).map(|uid| uid.0).ok();
        assert_eq!(uid("FFF0"), Some(uuid16(0xfff0)));
        assert_eq!(uid("0000fff000001000800000805f9b34fb"), Some(uuid16(0xfff0)));
        for text in ["", "fff", "+fff", "0xfff0", "0000fff0-0000-1000-8000-00805f9b34fb", "ffff0"] {
            assert_eq!(uid(text), None, "{text}");
        }
        let color = |text: &str| Color::try_from(text.to_owned()).map(|color| color.0).ok();
        assert_eq!(color("#Ff8800"), Some(Rgb::new(255, 0x88, 0)));
        for text in ["", "#", "ff8800", "#ff880", "#ff88000", "orange"] {
            assert_eq!(color(text), None, "{text}");
        }
    }
}
