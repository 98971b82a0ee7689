//! The values of commands and states.

use core::fmt;

/// A percentage, 0 to 100.
///
/// ```
/// use bulb_protocol::Percent;
/// assert_eq!(Percent::new(80).map(Percent::get), Ok(80));
/// assert!(Percent::new(101).is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "profiles", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "profiles", serde(try_from = "u8"))]
pub struct Percent(u8);

impl Percent {
    /// The smallest value, 0 %.
    pub const MIN: Self = Self(0);
    /// The largest value, 100 %.
    pub const MAX: Self = Self(100);

    /// Checks a number of percent.
    ///
    /// # Errors
    /// [`OutOfRange`] for numbers over 100.
    pub const fn new(percent: u8) -> Result<Self, OutOfRange> {
        if percent <= 100 { Ok(Self(percent)) } else { Err(OutOfRange { value: percent }) }
    }

    /// Limits a number of percent to 100.
    #[must_use]
    pub const fn clamped(percent: u8) -> Self {
        if percent <= 100 { Self(percent) } else { Self::MAX }
    }

    /// The number of percent, 0 to 100.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl TryFrom<u8> for Percent {
    type Error = OutOfRange;

    fn try_from(percent: u8) -> Result<Self, OutOfRange> {
        Self::new(percent)
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} %", self.0)
    }
}

/// An error of [`Percent::new`]: the number is over 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfRange {
    /// The number that was given.
    pub value: u8,
}

impl fmt::Display for OutOfRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is not in 0..=100", self.value)
    }
}

impl core::error::Error for OutOfRange {}

/// A colour of three channels, 0 to 255 each. Its text is `#rrggbb`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rgb {
    /// Red, 0 to 255.
    pub red: u8,
    /// Green, 0 to 255.
    pub green: u8,
    /// Blue, 0 to 255.
    pub blue: u8,
}

impl Rgb {
    /// White: all channels at 255.
    pub const WHITE: Self = Self::new(255, 255, 255);

    /// A colour of three channels, 0 to 255 each.
    #[must_use]
    pub const fn new(red: u8, green: u8, blue: u8) -> Self {
        Self { red, green, blue }
    }
}

impl fmt::Display for Rgb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{:02x}{:02x}{:02x}", self.red, self.green, self.blue)
    }
}

#[cfg(feature = "profiles")]
impl serde::Serialize for Rgb {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(feature = "profiles")]
impl<'de> serde::Deserialize<'de> for Rgb {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = alloc::string::String::deserialize(deserializer)?;
        let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6 && !digits.starts_with('+'));
        let number = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let number = number.ok_or_else(|| serde::de::Error::custom("a colour is #rrggbb"))?;
        let [_, red, green, blue] = number.to_be_bytes();
        Ok(Self { red, green, blue })
    }
}

/// The state of a light, in commands and in statuses.
///
/// A light that is on at 0 %, or in black, gives no light but is not off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LightState {
    /// True if the light is on.
    pub power: bool,
    /// Brightness, percent.
    pub brightness: Percent,
    /// Colour at full brightness.
    pub color: Rgb,
}

impl fmt::Display for LightState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}  {}  {}", if self.power { "on" } else { "off" }, self.brightness, self.color)
    }
}
