//! Philips Hue's combined characteristic (932c32bd-0007): optional parts of tag, length and value.
//!
//! | tag | length | value |
//! |---|---|---|
//! | 01 | 1 | power |
//! | 02 | 1 | brightness, 1 to 254 |
//! | 03 | 2 | colour temperature in mireds, low byte first |
//! | 04 | 4 | x and y of the colour, each low byte first |
//! | 06 | 1 | effect; 0 for none |
//! | 08 | 1 | speed of the effect, 1 to 254 |

use alloc::vec::Vec;

use crate::profile::abilities::{Abilities, DecodedValues, Field, MissingValue, Reading, ValuesToEncode};
use crate::profile::light::{Feature, Mode};

const POWER: u8 = 1;
const BRIGHTNESS: u8 = 2;
const MIREDS: u8 = 3;
const COLOR: u8 = 4;
const EFFECT: u8 = 6;
const SPEED: u8 = 8;

/// Builds the parts whose values are known. Of colour and colour temperature, only the one of the present mode.
pub(super) fn write(abilities: &Abilities, values: &ValuesToEncode<'_>) -> Result<Vec<u8>, MissingValue> {
    let mut frame = Vec::new();
    let mut part = |tag: u8, fields: &[Field], bytes: u8| {
        let start = frame.len();
        frame.extend([tag, u8::try_from(fields.len()).unwrap_or(u8::MAX).saturating_mul(bytes)]);
        for field in fields {
            match abilities.number(*field, values) {
                Some(number) => frame.extend(number.to_le_bytes().into_iter().take(bytes.into())),
                None => return frame.truncate(start),
            }
        }
    };
    part(POWER, &[Field::Power], 1);
    part(BRIGHTNESS, &[Field::Brightness], 1);
    if values.mode() == Some(Mode::White) {
        part(MIREDS, &[Field::Kelvin], 2);
    } else {
        part(COLOR, &[Field::X, Field::Y], 2);
    }
    if values.mode() == Some(Mode::Effect) {
        part(EFFECT, &[Field::Effect], 1);
        part(SPEED, &[Field::Speed], 1);
    }
    if frame.is_empty() { Err(MissingValue::Of(Feature::Power)) } else { Ok(frame) }
}

/// Reads the parts, and skips those with an unknown tag.
pub(super) fn read(
    frame: &[u8],
    abilities: &Abilities,
    reading: Reading,
) -> Result<DecodedValues, (usize, &'static str)> {
    const CUT: &str = "a part of this Hue frame is longer than the frame";
    // An unknown effect has no name here, and is no reason to lose the rest.
    let reading = if reading == Reading::Status { Reading::UnknownEffect } else { reading };
    let mut values = DecodedValues::new(reading);
    let mut rest = frame;
    while let [tag, length, after @ ..] = rest {
        let at = frame.len().saturating_sub(rest.len());
        let (value, next) = after.split_at_checked(usize::from(*length)).ok_or((at, CUT))?;
        let valid = match (*tag, value) {
            (POWER, &[power]) => values.insert(Field::Power, u32::from(power), abilities),
            (BRIGHTNESS, &[level]) => values.insert(Field::Brightness, u32::from(level), abilities),
            // All ones: the bulb is in another mode.
            (MIREDS, &[0xFF, 0xFF]) | (COLOR, &[0xFF, 0xFF, 0xFF, 0xFF]) | (EFFECT, &[0]) => true,
            (MIREDS, &[low, high]) => {
                values.insert(Field::Kelvin, u16::from_le_bytes([low, high]).into(), abilities)
            }
            (COLOR, &[x, big_x, y, big_y]) => {
                values.insert(Field::X, u16::from_le_bytes([x, big_x]).into(), abilities)
                    && values.insert(Field::Y, u16::from_le_bytes([y, big_y]).into(), abilities)
            }
            (EFFECT, &[effect]) => values.insert(Field::Effect, u32::from(effect), abilities),
            (SPEED, &[0]) => true,
            (SPEED, &[speed]) => values.insert(Field::Speed, u32::from(speed), abilities),
            (POWER | BRIGHTNESS | MIREDS | COLOR | EFFECT | SPEED, _) => {
                return Err((at, "a part of this Hue frame has the wrong length"));
            }
            _ => true,
        };
        if !valid {
            return Err((at, "a value in this Hue frame is out of range"));
        }
        rest = next;
    }
    if frame.is_empty() || !rest.is_empty() { Err((frame.len(), CUT)) } else { Ok(values) }
}
