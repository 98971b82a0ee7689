//! The status of Govee models that answer with a burst: AC, the number of a packet, data, and the exclusive or.
//!
//! The data are parts of tag, length and value. The first packet has two bytes with the number of packets, one with the
//! length of the data in the last one, 03 00, and twelve bytes of data. It is the only one that is read: power and brightness
//! are among the first parts. The others are skipped.
//!
//! | tag | length | value |
//! |---|---|---|
//! | 01 | 1 | power |
//! | 04 | 1 | brightness |

use alloc::vec::Vec;

use crate::profile::abilities::{Abilities, DecodedValues, Field, MissingValue, Reading, ValuesToEncode};
use crate::profile::frame::{Mismatch, MismatchKind};
use crate::profile::light::Feature;

/// The first byte of every packet.
pub(super) const FIRST: u8 = 0xAC;
const LENGTH: usize = 20;
/// Bytes of the first packet before the data.
const HEADER: usize = 7;
/// The command and the part of it that the status is.
const STATUS: [u8; 2] = [3, 0];
const POWER: u8 = 1;
const BRIGHTNESS: u8 = 4;

/// Builds a status of one packet.
pub(super) fn write(abilities: &Abilities, values: &ValuesToEncode<'_>) -> Result<Vec<u8>, MissingValue> {
    let mut data = Vec::new();
    for (tag, field) in [(POWER, Field::Power), (BRIGHTNESS, Field::Brightness)] {
        if let Some(value) = abilities.number(field, values).and_then(|number| u8::try_from(number).ok()) {
            data.extend([tag, 1, value]);
        }
    }
    let length = u8::try_from(data.len()).unwrap_or_default();
    if data.is_empty() {
        return Err(MissingValue::Of(Feature::Power));
    }
    let mut frame = [&[FIRST, 0, 1, 0, length][..], &STATUS, &data].concat();
    frame.resize(LENGTH - 1, 0);
    frame.push(xor(&frame));
    Ok(frame)
}

/// Reads the parts of the first packet, and skips those with another tag.
pub(super) fn read(frame: &[u8], abilities: &Abilities, reading: Reading) -> Result<DecodedValues, Mismatch> {
    let wrong = |at, kind| Mismatch { at, kind };
    let [FIRST, 0, packets, more, last, 3, 0, ..] = frame else {
        let at = usize::from(frame.first() == Some(&FIRST));
        return Err(wrong(at, MismatchKind::FixedByte));
    };
    let (Some((check, checked)), LENGTH) = (frame.split_last(), frame.len()) else {
        return Err(wrong(0, MismatchKind::Length(LENGTH)));
    };
    if *check != xor(checked) {
        return Err(wrong(LENGTH - 1, MismatchKind::Checksum { name: "xor", expected: xor(checked) }));
    }
    let data = checked.get(HEADER..).unwrap_or_default();
    let only = [*packets, *more] == [1, 0];
    let data = if only { data.get(..usize::from(*last)).unwrap_or(data) } else { data };
    let mut rest = data;
    let mut values = DecodedValues::new(reading);
    while let [tag, length, after @ ..] = rest {
        // The rest of a part may be in the next packet.
        let Some((value, next)) = after.split_at_checked(usize::from(*length)) else { break };
        let field = match *tag {
            POWER => Some(Field::Power),
            BRIGHTNESS => Some(Field::Brightness),
            _ => None,
        };
        let at = HEADER + data.len() - after.len();
        match (field, value) {
            (Some(field), &[raw]) => {
                if !values.insert(field, u32::from(raw), abilities) {
                    return Err(wrong(at, MismatchKind::Value { field, raw: raw.into() }));
                }
            }
            (Some(_), _) => {
                return Err(wrong(at, MismatchKind::Codec("a part of this status has the wrong length")));
            }
            (None, _) => {}
        }
        rest = next;
    }
    Ok(values)
}

fn xor(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |all, byte| all ^ byte)
}
