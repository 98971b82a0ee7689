//! Device addresses and identifiers.

use std::fmt;
use std::str::FromStr;

/// A Bluetooth device address. Written as `C4:11:00:00:00:01`; parsed in any case, with `:`, `-` or
/// nothing between the bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address([u8; 6]);

impl Address {
    /// Creates an address from six bytes, most significant first.
    pub const fn new(bytes: [u8; 6]) -> Self {
        Self(bytes)
    }

    pub const fn bytes(self) -> [u8; 6] {
        self.0
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02X}:{b:02X}:{c:02X}:{d:02X}:{e:02X}:{g:02X}")
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an address is six bytes in hex, as in C4:11:00:00:00:01")]
pub struct BadAddress;

impl FromStr for Address {
    type Err = BadAddress;

    fn from_str(text: &str) -> Result<Self, BadAddress> {
        let separator = text.chars().find(|c| matches!(c, ':' | '-'));
        let digits = match separator {
            Some(separator) => {
                let parts: Vec<&str> = text.split(separator).collect();
                if parts.len() != 6 || parts.iter().any(|part| part.len() != 2) {
                    return Err(BadAddress);
                }
                parts.concat()
            }
            None => text.to_owned(),
        };
        let mut bytes = [0; 6];
        hex::decode_to_slice(digits, &mut bytes).map_err(|_| BadAddress)?;
        Ok(Self(bytes))
    }
}

/// The identifier of a device on this platform: an address on Linux and Windows, a UUID on macOS.
/// Stable on one computer.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceId(String);

impl DeviceId {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_way_to_write_an_address() {
        let address = Address::new([0xB4, 0x99, 0x4C, 0, 0, 1]);
        for text in ["B4:99:4C:00:00:01", "b4:99:4c:00:00:01", "B4-99-4C-00-00-01", "b4994c000001"] {
            assert_eq!(text.parse(), Ok(address), "{text}");
        }
        assert_eq!(address.to_string(), "B4:99:4C:00:00:01");
    }

    #[test]
    fn refuses_what_is_no_address() {
        for text in [
            "",
            "B4:99:4C:00:00",
            "B4:99:4C:00:00:01:02",
            "B4:99-4C:00:00:01",
            "B4:99:4C:00:00:0G",
            "Light-Desk",
            "B4994C00000",
            "1:2:3:4:5:6",
            // Twelve digits, but not in pairs.
            "B49:94:C0:00:00:1",
            "B49:9:4C:00:00:01",
            "B4:99:4C00:0001",
            "💡:99:4C:00:00:01",
        ] {
            assert_eq!(text.parse::<Address>(), Err(BadAddress), "{text}");
        }
    }
}
