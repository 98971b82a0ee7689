//! The key of a family whose frames are encrypted. It comes from the user: no profile has one.

use core::fmt;
use core::str::FromStr;

use super::Profile;
use super::codec::Wrapper;

/// The reason why a family cannot be driven without its key.
const NO_KEY: &str = "its frames are encrypted, and the key is not known";

/// A key of 128 bits. It is never printed, not even for debugging.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Key([u8; Self::LEN]);

impl Key {
    /// The length of a key, bytes.
    pub const LEN: usize = 16;

    /// The key of these bytes.
    #[must_use]
    pub const fn new(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    pub(crate) const fn bytes(self) -> [u8; Self::LEN] {
        self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

/// A text that is not a [`Key`]. It does not repeat the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidKey;

impl fmt::Display for InvalidKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key is 32 hex digits")
    }
}

impl core::error::Error for InvalidKey {}

impl FromStr for Key {
    type Err = InvalidKey;

    /// Reads 32 hex digits. Spaces, colons and hyphens between them do not matter.
    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        let mut key = [0_u8; Self::LEN];
        let mut digits = text.chars().filter(|c| !c.is_whitespace() && !matches!(c, ':' | '-'));
        let mut digit = || digits.next()?.to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        for byte in &mut key {
            *byte = digit().ok_or(InvalidKey)? << 4 | digit().ok_or(InvalidKey)?;
        }
        if digits.next().is_some() { Err(InvalidKey) } else { Ok(Self(key)) }
    }
}

impl Profile {
    /// Returns true if only the key is missing: the frames of this family are encrypted.
    #[must_use]
    pub fn needs_key(&self) -> bool {
        self.unsupported.as_deref() == Some(NO_KEY)
    }

    /// Sets the key. Without it, a family whose frames are encrypted is [unsupported](Self::unsupported).
    pub fn set_key(&mut self, key: Key) {
        if let Some(Wrapper::Aes128(own)) = &mut self.wrapper {
            *own = Some(key);
            if self.unsupported.as_deref() == Some(NO_KEY) {
                self.unsupported = None;
            }
        }
    }

    /// Refuses to be driven if the key is missing and nothing else is.
    pub(super) fn refuse_without_key(&mut self) {
        if matches!(self.wrapper, Some(Wrapper::Aes128(None))) {
            self.unsupported.get_or_insert_with(|| NO_KEY.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    #[test]
    fn keys_are_hex() {
        let key = Key::new(*b"\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff");
        for text in [
            "00112233445566778899aabbccddeeff",
            "00112233445566778899AABBCCDDEEFF\n",
            "00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff",
            "00112233-44556677 8899aabb-ccddeeff",
        ] {
            assert_eq!(text.parse(), Ok(key), "{text}");
        }
        for text in ["", "0011", "00112233445566778899aabbccddeefg", "00112233445566778899aabbccddeeff0"] {
            assert_eq!(text.parse::<Key>(), Err(InvalidKey), "{text}");
        }
    }

    #[test]
    fn keys_are_not_printed() {
        assert_eq!(format!("{:?}", Key::new([0x42; 16])), "Key(…)");
    }
}
