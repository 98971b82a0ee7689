//! Values in a rig file: durations, UUIDs, bytes, addresses, colours, and numbers in a range.

use std::time::Duration;

use bulb_protocol::text::parse_duration;
use bulb_protocol::{Percent, Rgb};
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use uuid::Uuid;

use crate::radio::Address;
use crate::radio::gatt::parse_uuid;

/// Defines the value of a key: its type, the TOML type that it is read from, the expected form, and the parser.
macro_rules! key_values {
    ($($(#[$attribute:meta])* $name:ident($value:ty) from $source:ty, $expected:literal: $parse:expr;)+) => {$(
        $(#[$attribute])*
        #[derive(Debug, PartialEq)]
        pub(super) struct $name(pub(super) $value);

        impl $name {
            fn parse(found: $source) -> Result<Self, String> {
                let parse: fn(&$source) -> Option<$value> = $parse;
                parse(&found).map(Self).ok_or_else(|| format!("expected {}, found `{found}`", $expected))
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::parse(<$source>::deserialize(deserializer)?).map_err(D::Error::custom)
            }
        }
    )+};
}

key_values! {
    Span(Duration) from String, "a duration such as 20ms, 2s or 5m": |text| parse_duration(text);
    Uid(Uuid) from String, "a UUID of 4 or 32 hex digits":
        // One spelling only.
        |text| parse_uuid(text).filter(|_| text.chars().all(|c| c.is_ascii_hexdigit()));
    #[derive(Default)]
    Bytes(Vec<u8>) from String, "bytes of two hex digits each": |text| hex::decode(text).ok();
    Addr(Address) from String, "an address such as C4:11:00:00:00:01":
        // One spelling only.
        |text| text.parse().ok().filter(|_| text.matches(':').count() == 5);
    Color(Rgb) from String, "a colour of six hex digits after #": |text| {
        let mut rgb = [0; 3];
        hex::decode_to_slice(text.strip_prefix('#')?, &mut rgb).ok()?;
        let [red, green, blue] = rgb;
        Some(Rgb::new(red, green, blue))
    };
    Level(Percent) from i64, "a number of percent, 0 to 100":
        |number| u8::try_from(*number).ok().and_then(|number| Percent::new(number).ok());
    /// The profile checks the bulb's range.
    Kelvin(u16) from i64, "a temperature in kelvin": |number| u16::try_from(*number).ok();
    /// The ATT MTU of a link in bytes: from the minimum of LE to the maximum that an attribute value needs (Bluetooth
    /// Core 5.4, Vol 3, Part F, 3.2.8 and 3.2.9).
    Mtu(u16) from i64, "an MTU of 23 to 517 bytes":
        |number| u16::try_from(*number).ok().filter(|mtu| (23..=517).contains(mtu));
    Att(u8) from i64, "an ATT error code, 1 to 255":
        |number| u8::try_from(*number).ok().filter(|code| *code > 0);
    Company(u16) from i64, "a company identifier, 0 to 65535": |number| u16::try_from(*number).ok();
    /// In dBm, in the range of the HCI (Bluetooth Core 5.4, Vol 4, Part E, 7.7.65.2).
    Rssi(i16) from i64, "a signal strength of -127 to 20 dBm":
        |number| i16::try_from(*number).ok().filter(|rssi| (-127..=20).contains(rssi));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::radio::gatt::uuid16;

    #[test]
    fn reads_the_forms_of_the_specification_and_no_others() {
        let uid = |text: &str| Uid::parse(text.to_owned()).map(|uid| uid.0).ok();
        assert_eq!(uid("FFF0"), Some(uuid16(0xfff0)));
        assert_eq!(uid("0000fff000001000800000805f9b34fb"), Some(uuid16(0xfff0)));
        for text in ["", "fff", "+fff", "0xfff0", "0000fff0-0000-1000-8000-00805f9b34fb", "ffff0"] {
            assert_eq!(uid(text), None, "{text}");
        }
        let color = |text: &str| Color::parse(text.to_owned()).map(|color| color.0).ok();
        assert_eq!(color("#Ff8800"), Some(Rgb::new(255, 0x88, 0)));
        for text in ["", "#", "ff8800", "#ff880", "#ff88000", "orange"] {
            assert_eq!(color(text), None, "{text}");
        }
    }
}
