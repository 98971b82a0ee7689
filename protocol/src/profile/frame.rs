//! Building frames from templates, and reading frames with them.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::abilities::{Abilities, DecodedValues, Field, MissingValue, Reading, ValuesToEncode};
use super::template::{BitField, Content, Template, Token};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mismatch {
    pub(crate) at: usize,
    pub(crate) kind: MismatchKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MismatchKind {
    Length(usize),
    TooShort(usize),
    FixedByte,
    Value { field: Field, raw: u32 },
    Checksum { name: &'static str, expected: u8 },
    Codec(&'static str),
}

impl Mismatch {
    /// The kind of the error, which says how close the bytes are to the frame.
    pub(crate) const fn error_kind(&self) -> DecodeErrorKind {
        match self.kind {
            MismatchKind::Length(_) | MismatchKind::TooShort(_) => DecodeErrorKind::Length,
            MismatchKind::FixedByte => DecodeErrorKind::UnknownFrame,
            MismatchKind::Value { .. } => DecodeErrorKind::Value,
            MismatchKind::Checksum { .. } => DecodeErrorKind::Checksum,
            MismatchKind::Codec(_) => DecodeErrorKind::Structure,
        }
    }
}

impl Template {
    pub(crate) fn write(
        &self,
        abilities: &Abilities,
        values: &ValuesToEncode<'_>,
    ) -> Result<Vec<u8>, MissingValue> {
        let mut frame = Vec::with_capacity(self.length.unwrap_or(0).max(self.min_len));
        for token in &self.tokens {
            match token {
                Token::Byte { value, .. } => frame.push(*value),
                Token::Rest => {
                    let rest = self.length.unwrap_or(0).saturating_sub(self.min_len);
                    frame.resize(frame.len() + rest, 0);
                }
                Token::Fields { fields, bytes, little_endian } => {
                    let number = join_fields(fields, abilities, values)?.to_be_bytes();
                    let used = number.get(number.len().saturating_sub(*bytes)..).unwrap_or(&number);
                    if *little_endian { frame.extend(used.iter().rev()) } else { frame.extend(used) }
                }
                Token::Address => frame.extend(abilities.address.ok_or(MissingValue::Address)?),
                Token::Checksum { kind, from } => {
                    frame.push(kind.of(frame.get(*from..).unwrap_or_default()));
                }
            }
        }
        Ok(frame)
    }

    /// Puts the bytes of an example into the places of a written frame that take any byte, and behind it.
    pub(crate) fn fill_open_bytes(&self, frame: &mut Vec<u8>, example: &[u8]) {
        let mut at = 0_usize;
        for token in &self.tokens {
            if let (Token::Byte { mask: 0, .. }, Some(byte), Some(place)) =
                (token, example.get(at), frame.get_mut(at))
            {
                *place = *byte;
            }
            at = at.saturating_add(token.len());
        }
        if self.tokens.last() == Some(&Token::Rest) {
            frame.extend(example.get(frame.len()..).unwrap_or_default());
        }
    }

    /// Reads a frame. Checks the length and the fixed bytes before any value, so that the error is that of the frame that
    /// was meant.
    pub(crate) fn read(
        &self,
        frame: &[u8],
        abilities: &Abilities,
        reading: Reading,
    ) -> Result<DecodedValues, Mismatch> {
        let (matches, kind) = match (self.has_rest, self.length) {
            (false, _) => (frame.len() == self.min_len, MismatchKind::Length(self.min_len)),
            (true, Some(length)) => (frame.len() == length, MismatchKind::Length(length)),
            (true, None) => (frame.len() >= self.min_len, MismatchKind::TooShort(self.min_len)),
        };
        if !matches {
            let foreign = self.foreign_header_byte(frame);
            return Err(
                foreign.map_or(Mismatch { at: 0, kind }, |at| Mismatch { at, kind: MismatchKind::FixedByte })
            );
        }
        self.for_each_token(frame, |token, at, bytes| {
            let kind = MismatchKind::FixedByte;
            if token.has_fixed_bits(bytes) { Ok(()) } else { Err(Mismatch { at, kind }) }
        })?;
        let mut values = DecodedValues::new(reading);
        self.for_each_token(frame, |token, at, bytes| {
            let result = match token {
                Token::Byte { .. } | Token::Rest => Ok(()),
                Token::Address if abilities.address.is_some_and(|address| address != bytes) => {
                    Err(MismatchKind::FixedByte)
                }
                Token::Address => Ok(()),
                Token::Fields { fields, little_endian, .. } => {
                    split_fields(fields, number(bytes, *little_endian), abilities, &mut values)
                }
                Token::Checksum { kind, from } => {
                    let expected = kind.of(frame.get(*from..at).unwrap_or_default());
                    let name = kind.name();
                    if bytes == [expected] { Ok(()) } else { Err(MismatchKind::Checksum { name, expected }) }
                }
            };
            result.map_err(|kind| Mismatch { at, kind })
        })?;
        Ok(values)
    }

    /// The first byte of a frame of another length that is not that of this frame's header: the bytes before the first value.
    fn foreign_header_byte(&self, frame: &[u8]) -> Option<usize> {
        let header = self.tokens.iter().take_while(|token| matches!(token, Token::Byte { .. }));
        header.zip(frame).position(|(token, byte)| !token.has_fixed_bits(core::slice::from_ref(byte)))
    }

    /// The first byte, if it is fixed.
    pub(crate) fn first_byte(&self) -> Option<u8> {
        match self.tokens.first() {
            Some(Token::Byte { value, mask: 0xFF }) => Some(*value),
            _ => None,
        }
    }

    /// Returns true if the end of a frame can be found: it has a fixed length, begins with a fixed byte, and ends with one or
    /// with a checksum.
    pub(crate) fn delimited(&self) -> bool {
        let fixed = |token: Option<&Token>| matches!(token, Some(Token::Byte { mask: 0xFF, .. }));
        let checksum = matches!(self.tokens.last(), Some(Token::Checksum { .. }));
        !self.has_rest && fixed(self.tokens.first()) && (checksum || fixed(self.tokens.last()))
    }

    fn for_each_token(
        &self,
        frame: &[u8],
        mut visit: impl FnMut(&Token, usize, &[u8]) -> Result<(), Mismatch>,
    ) -> Result<(), Mismatch> {
        let rest = frame.len().saturating_sub(self.min_len);
        let mut at = 0_usize;
        for token in &self.tokens {
            let end = at.saturating_add(if *token == Token::Rest { rest } else { token.len() });
            visit(token, at, frame.get(at..end).unwrap_or_default())?;
            at = end;
        }
        Ok(())
    }
}

impl Token {
    fn has_fixed_bits(&self, bytes: &[u8]) -> bool {
        match self {
            Self::Byte { value, mask } => bytes.iter().all(|byte| byte & mask == value & mask),
            Self::Fields { fields, little_endian, .. } => {
                let number = number(bytes, *little_endian);
                each_field(fields, number).all(|(field, raw)| match field.content {
                    Content::Constant(expected) => raw == expected,
                    _ => true,
                })
            }
            Self::Rest | Self::Address | Self::Checksum { .. } => true,
        }
    }
}

/// Splits a number into bit fields, the highest bits first.
fn each_field(fields: &[BitField], number: u32) -> impl Iterator<Item = (&BitField, u32)> {
    let mut shift: u32 = fields.iter().map(|field| field.bits).sum();
    fields.iter().map(move |field| {
        shift = shift.saturating_sub(field.bits);
        (field, number.checked_shr(shift).unwrap_or(0) & ones(field.bits))
    })
}

fn join_fields(
    fields: &[BitField],
    abilities: &Abilities,
    values: &ValuesToEncode<'_>,
) -> Result<u32, MissingValue> {
    let mut joined = 0_u32;
    for field in fields {
        let number = match field.content {
            Content::Constant(number) => number,
            Content::Share { field, full } => values
                .percent(field)
                .map(|percent| u32::from(percent.get()) * full / 100)
                .ok_or(MissingValue::Of(field.feature()))?,
            Content::Any => 0,
            Content::Value { field, default } => match (abilities.number(field, values), default) {
                (Some(number), _) | (None, Some(number)) => number,
                (None, None) => return Err(MissingValue::Of(field.feature())),
            },
        };
        joined = joined.checked_shl(field.bits).unwrap_or(0) | (number & ones(field.bits));
    }
    Ok(joined)
}

fn split_fields(
    fields: &[BitField],
    number: u32,
    abilities: &Abilities,
    values: &mut DecodedValues,
) -> Result<(), MismatchKind> {
    each_field(fields, number).try_for_each(|(field, raw)| match field.content {
        Content::Value { field, .. } if !values.insert(field, raw, abilities) => {
            Err(MismatchKind::Value { field, raw })
        }
        _ => Ok(()),
    })
}

const fn ones(bits: u32) -> u32 {
    match 1_u32.checked_shl(bits) {
        Some(power) => power - 1,
        None => u32::MAX,
    }
}

fn number(bytes: &[u8], little_endian: bool) -> u32 {
    let join = |value: u32, byte: &u8| value << 8 | u32::from(*byte);
    if little_endian { bytes.iter().rev().fold(0, join) } else { bytes.iter().fold(0, join) }
}

/// An error of [`Profile::decode`](super::Profile::decode) and
/// [`Profile::decode_command`](super::Profile::decode_command): the bytes are not a frame that the profile knows.
///
/// Its text says what was expected and shows the bytes in hex.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodeError {
    reason: String,
    kind: DecodeErrorKind,
    position: usize,
    frame: Vec<u8>,
    truncated: bool,
}

/// The kinds of [`DecodeError`], ordered by how close the bytes come to a frame of the profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DecodeErrorKind {
    /// The profile has no frames for this role.
    NoFrames,
    /// A fixed byte differs: it is another frame, for example the vendor's for pairing.
    UnknownFrame,
    /// The fixed bytes before the first value match a frame, but the length does not.
    Length,
    /// Length and fixed bytes match a frame, but a value is out of range.
    Value,
    /// Length, fixed bytes and values match a frame, but the checksum is wrong.
    Checksum,
    /// The structure of the frame is broken: a tag with a wrong length, or an incomplete header.
    Structure,
}

impl DecodeError {
    /// The number of bytes that an error keeps to show them.
    pub const SHOWN: usize = 64;

    pub(crate) fn new(reason: String, kind: DecodeErrorKind, position: usize, frame: &[u8]) -> Self {
        let shown = frame.get(..Self::SHOWN).unwrap_or(frame);
        Self { reason, kind, position, frame: shown.to_vec(), truncated: shown.len() < frame.len() }
    }

    /// The kind of the error.
    #[must_use]
    pub const fn kind(&self) -> DecodeErrorKind {
        self.kind
    }

    /// Returns true if no frame of the profile begins like this. Else it is a known frame, and malformed.
    #[must_use]
    pub const fn is_unknown(&self) -> bool {
        matches!(self.kind, DecodeErrorKind::NoFrames | DecodeErrorKind::UnknownFrame)
    }

    /// The text of the error without the bytes.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// This error, or `other` if its bytes match more of a frame. Use it to report one error where several roles were
    /// tried.
    #[must_use]
    pub fn closer(self, other: Option<Self>) -> Self {
        match other {
            Some(other) if (other.kind, other.position) >= (self.kind, self.position) => other,
            _ => self,
        }
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
        if self.truncated { f.write_str(" …") } else { Ok(()) }
    }
}

impl core::error::Error for DecodeError {}
