//! Frames built from templates, and read by them.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::can::{Can, Field, Lack, Reading, Source};
use super::template::{Part, Template, Token, What};

/// Why bytes are not the frame of a template, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mismatch {
    /// Where the first byte is that does not agree.
    pub(crate) at: usize,
    pub(crate) why: Why,
}

/// Why bytes are no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// The frame has another length.
    Length(usize),
    /// The frame is this long at least.
    Short(usize),
    /// The template has another byte here.
    Byte,
    /// The value is none that the field can have.
    Value { field: Field, raw: u32 },
    /// The check over the bytes before is another.
    Check { name: &'static str, right: u8 },
    /// What a named codec says.
    Codec(&'static str),
}

impl Template {
    /// Builds the frame for a light.
    pub(crate) fn write(&self, can: &Can, from: &Source<'_>) -> Result<Vec<u8>, Lack> {
        let mut frame = Vec::new();
        for token in &self.tokens {
            match token {
                Token::Byte { value, .. } => frame.push(*value),
                Token::Rest => {
                    let rest = self.length.unwrap_or(0).saturating_sub(self.fixed_len());
                    frame.resize(frame.len() + rest, 0);
                }
                Token::Fields { parts, bytes, little } => {
                    let value = join(parts, can, from)?;
                    let all = value.to_be_bytes();
                    let ours = all.get(all.len().saturating_sub(*bytes)..).unwrap_or(&all);
                    if *little { frame.extend(ours.iter().rev()) } else { frame.extend(ours) }
                }
                Token::Check { kind, from } => frame.push(kind.of(frame.get(*from..).unwrap_or_default())),
            }
        }
        Ok(frame)
    }

    /// Reads a frame: looks at its length and its fixed bytes first, so that the error is that of the frame that was meant.
    pub(crate) fn read(&self, frame: &[u8], can: &Can) -> Result<Reading, Mismatch> {
        let fixed = self.fixed_len();
        let (right, why) = match (self.has_rest(), self.length) {
            (false, _) => (frame.len() == fixed, Why::Length(fixed)),
            (true, Some(length)) => (frame.len() == length, Why::Length(length)),
            (true, None) => (frame.len() >= fixed, Why::Short(fixed)),
        };
        if !right {
            return Err(Mismatch { at: 0, why });
        }
        self.each(
            frame,
            |token, at, bytes| if token.fits(bytes) { Ok(()) } else { Err(Mismatch { at, why: Why::Byte }) },
        )?;
        let mut reading = Reading::default();
        self.each(frame, |token, at, bytes| {
            let result = match token {
                Token::Byte { .. } | Token::Rest => Ok(()),
                Token::Fields { parts, little, .. } => take(parts, number(bytes, *little), can, &mut reading),
                Token::Check { kind, from } => {
                    let right = kind.of(frame.get(*from..at).unwrap_or_default());
                    let name = kind.name();
                    if bytes == [right] { Ok(()) } else { Err(Why::Check { name, right }) }
                }
            };
            result.map_err(|why| Mismatch { at, why })
        })?;
        Ok(reading)
    }

    /// Goes through the parts of a frame of the right length.
    fn each(
        &self,
        frame: &[u8],
        mut look: impl FnMut(&Token, usize, &[u8]) -> Result<(), Mismatch>,
    ) -> Result<(), Mismatch> {
        let mut at = 0_usize;
        for token in &self.tokens {
            let rest = frame.len().saturating_sub(self.fixed_len());
            let len = if *token == Token::Rest { rest } else { token.len() };
            let end = at.saturating_add(len);
            look(token, at, frame.get(at..end).unwrap_or_default())?;
            at = end;
        }
        Ok(())
    }
}

impl Token {
    /// Whether the bits agree that are always the same.
    fn fits(&self, bytes: &[u8]) -> bool {
        match self {
            Self::Byte { value, mask } => bytes.iter().all(|byte| byte & mask == value & mask),
            Self::Fields { parts, little, .. } => {
                let all = number(bytes, *little);
                each_part(parts, all).all(|(part, raw)| match part.what {
                    What::Constant(right) => raw == right,
                    _ => true,
                })
            }
            Self::Rest | Self::Check { .. } => true,
        }
    }
}

/// The parts of a number, the highest bits first.
fn each_part(parts: &[Part], value: u32) -> impl Iterator<Item = (&Part, u32)> {
    let mut left: u32 = parts.iter().map(|part| part.bits).sum();
    parts.iter().map(move |part| {
        left = left.saturating_sub(part.bits);
        (part, value.checked_shr(left).unwrap_or(0) & ones(part.bits))
    })
}

/// The fields of a few bytes as one number.
fn join(parts: &[Part], can: &Can, from: &Source<'_>) -> Result<u32, Lack> {
    let mut value = 0_u32;
    for part in parts {
        let number = match part.what {
            What::Constant(number) => number,
            What::Any => 0,
            What::Field { field, default } => match (can.number(field, from), default) {
                (Ok(number), _) | (Err(_), Some(number)) => number,
                (Err(lack), None) => return Err(lack),
            },
        };
        value = value.checked_shl(part.bits).unwrap_or(0) | (number & ones(part.bits));
    }
    Ok(value)
}

/// Takes the fields out of a number.
fn take(parts: &[Part], value: u32, can: &Can, reading: &mut Reading) -> Result<(), Why> {
    each_part(parts, value).try_for_each(|(part, raw)| match part.what {
        What::Field { field, .. } if !reading.take(field, raw, can) => Err(Why::Value { field, raw }),
        _ => Ok(()),
    })
}

const fn ones(bits: u32) -> u32 {
    match 1_u32.checked_shl(bits) {
        Some(power) => power - 1,
        None => u32::MAX,
    }
}

fn number(bytes: &[u8], little: bool) -> u32 {
    let join = |value: u32, byte: &u8| value << 8 | u32::from(*byte);
    if little { bytes.iter().rev().fold(0, join) } else { bytes.iter().fold(0, join) }
}

/// Bytes that are no frame of the profile. Its text says what was expected and shows the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodeError {
    pub(crate) reason: String,
    pub(crate) frame: Vec<u8>,
    pub(crate) longer: bool,
    pub(crate) nearness: (u8, usize),
}

impl DecodeError {
    /// How many bytes of a wrong frame are kept to be shown.
    pub const SHOWN: usize = 64;

    pub(crate) fn new(reason: String, nearness: (u8, usize), frame: &[u8]) -> Self {
        let shown = frame.get(..Self::SHOWN);
        Self {
            reason,
            frame: shown.unwrap_or(frame).to_vec(),
            longer: shown.is_some_and(|s| s.len() < frame.len()),
            nearness,
        }
    }

    /// How near the bytes come to a frame, to choose among the errors of several roles. Only its order means anything.
    #[must_use]
    pub const fn nearness(&self) -> (u8, usize) {
        self.nearness
    }

    /// What was expected.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.reason)?;
        if self.frame.is_empty() {
            return f.write_str("(empty)");
        }
        for (index, byte) in self.frame.iter().enumerate() {
            write!(f, "{}{byte:02x}", if index == 0 { "" } else { " " })?;
        }
        if self.longer { f.write_str(" …") } else { Ok(()) }
    }
}

impl core::error::Error for DecodeError {}
