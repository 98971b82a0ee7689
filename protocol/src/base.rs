//! The base protocol: five bytes, the same for command and status.
//!
//! | byte | meaning | range |
//! |---|---|---|
//! | 0 | power | 0 off, 1 on |
//! | 1 | brightness, percent | 0-100 |
//! | 2, 3, 4 | red, green, blue | 0-255 |
//!
//! Commands are written to [`CONTROL`]. [`STATUS`] returns the state to reads and notifies it. Both are in [`SERVICE`].
//! There is no checksum: only the length and the ranges of the first two bytes tell a frame from noise.

use core::fmt;

use crate::{LightState, Percent, Rgb};

/// The light service, as a 16-bit UUID.
pub const SERVICE: u16 = 0xFFF0;
/// The control characteristic, as a 16-bit UUID: write command frames to it.
pub const CONTROL: u16 = 0xFFF1;
/// The status characteristic, as a 16-bit UUID: read status frames from it, or subscribe to them.
pub const STATUS: u16 = 0xFFF2;

/// The length of every frame, in bytes.
pub const FRAME_LEN: usize = 5;

/// Encodes a state. Every state has exactly one frame.
///
/// ```
/// use bulb_protocol::{base, LightState, Percent, Rgb};
/// let red = LightState { power: true, brightness: Percent::MAX, color: Rgb::new(255, 0, 0) };
/// assert_eq!(base::encode(red), [0x01, 0x64, 0xFF, 0x00, 0x00]);
/// ```
#[must_use]
pub const fn encode(state: LightState) -> [u8; FRAME_LEN] {
    let Rgb { red, green, blue } = state.color;
    [state.power as u8, state.brightness.get(), red, green, blue]
}

/// Decodes a frame strictly: exactly five bytes, power 0 or 1, brightness 0 to 100.
///
/// # Errors
/// [`DecodeError`] with the wrong byte and the frame.
pub const fn decode(frame: &[u8]) -> Result<LightState, DecodeError> {
    let &[power, brightness, red, green, blue] = frame else {
        return Err(DecodeError::new(DecodeErrorKind::Length, frame));
    };
    if power > 1 {
        return Err(DecodeError::new(DecodeErrorKind::Power { value: power }, frame));
    }
    let Ok(percent) = Percent::new(brightness) else {
        return Err(DecodeError::new(DecodeErrorKind::Brightness { value: brightness }, frame));
    };
    Ok(LightState { power: power == 1, brightness: percent, color: Rgb::new(red, green, blue) })
}

/// Decodes a frame of a half-working board: any power except 0 is on, brightness over 100 is 100, and bytes after the
/// fifth are ignored. Use it to show frames to people who ask for it, never to control a bulb.
///
/// # Errors
/// [`DecodeError`] if there are fewer than five bytes.
pub const fn decode_lenient(frame: &[u8]) -> Result<LightState, DecodeError> {
    let &[power, brightness, red, green, blue, ..] = frame else {
        return Err(DecodeError::new(DecodeErrorKind::Length, frame));
    };
    Ok(LightState {
        power: power != 0,
        brightness: Percent::clamped(brightness),
        color: Rgb::new(red, green, blue),
    })
}

/// The kinds of [`DecodeError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeErrorKind {
    /// The frame is not five bytes long.
    Length,
    /// Byte 0 is neither 0 nor 1.
    Power {
        /// The value of byte 0.
        value: u8,
    },
    /// Byte 1 is over 100.
    Brightness {
        /// The value of byte 1.
        value: u8,
    },
}

/// An error of [`decode`] and [`decode_lenient`]. Its text names the wrong byte and shows the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeError {
    kind: DecodeErrorKind,
    len: usize,
    start: [u8; Self::SHOWN],
}

impl DecodeError {
    /// The number of bytes that an error keeps to show them: the payload of the smallest ATT MTU (23 - 3).
    pub const SHOWN: usize = 20;

    const fn new(kind: DecodeErrorKind, frame: &[u8]) -> Self {
        let mut start = [0; Self::SHOWN];
        let shown = if frame.len() < Self::SHOWN { frame.len() } else { Self::SHOWN };
        let (from, _) = frame.split_at(shown);
        let (to, _) = start.split_at_mut(shown);
        to.copy_from_slice(from);
        Self { kind, len: frame.len(), start }
    }

    /// The kind of the error.
    #[must_use]
    pub const fn kind(&self) -> DecodeErrorKind {
        self.kind
    }

    /// The length of the whole frame, bytes.
    #[must_use]
    pub const fn frame_len(&self) -> usize {
        self.len
    }

    /// The first [`SHOWN`](Self::SHOWN) bytes of the frame.
    #[must_use]
    pub fn frame(&self) -> &[u8] {
        self.start.get(..self.len.min(Self::SHOWN)).unwrap_or(&self.start)
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            DecodeErrorKind::Length => {
                write!(f, "a frame is {FRAME_LEN} bytes long, this one has {}: ", self.len)?
            }
            DecodeErrorKind::Power { value } => write!(f, "byte 0 (power) is {value}, not 0 or 1: ")?,
            DecodeErrorKind::Brightness { value } => {
                write!(f, "byte 1 (brightness) is {value}, not 0 to 100: ")?
            }
        }
        if self.len == 0 {
            return f.write_str("(empty)");
        }
        for (index, byte) in self.frame().iter().enumerate() {
            write!(f, "{}{byte:02x}", if index == 0 { "" } else { " " })?;
        }
        if self.len > Self::SHOWN { f.write_str(" …") } else { Ok(()) }
    }
}

impl core::error::Error for DecodeError {}
