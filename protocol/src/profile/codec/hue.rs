//! Philips Hue's combined characteristic (932c32bd-0007): parts of tag, length and value, each of which may be missing.
//!
//! | tag | length | value |
//! |---|---|---|
//! | 01 | 1 | power |
//! | 02 | 1 | brightness, 1 to 254 |
//! | 03 | 2 | temperature in mireds, low byte first |
//! | 04 | 4 | x and y of the colour, each low byte first |
//! | 06 | 1 | effect; 0 for none |
//! | 08 | 1 | speed of the effect, 1 to 254 |

use alloc::vec::Vec;

use super::super::can::{Can, Field, Lack, Reading, Source};
use super::super::light::{Item, Mode};

const POWER: u8 = 1;
const BRIGHTNESS: u8 = 2;
const MIREDS: u8 = 3;
const COLOR: u8 = 4;
const EFFECT: u8 = 6;
const SPEED: u8 = 8;

/// Builds the parts that are known; of colour and temperature, the one that the lamp shines with.
pub(super) fn write(can: &Can, from: &Source<'_>) -> Result<Vec<u8>, Lack> {
    let mut frame = Vec::new();
    let mut part = |tag: u8, fields: &[Field], bytes: usize| {
        let mut value = Vec::new();
        for field in fields {
            let Ok(number) = can.number(*field, from) else { return };
            value.extend(number.to_le_bytes().into_iter().take(bytes));
        }
        frame.extend([tag, u8::try_from(value.len()).unwrap_or(u8::MAX)]);
        frame.extend(value);
    };
    part(POWER, &[Field::Power], 1);
    part(BRIGHTNESS, &[Field::Brightness], 1);
    if from.mode() == Some(Mode::White) {
        part(MIREDS, &[Field::Kelvin], 2);
    } else {
        part(COLOR, &[Field::X, Field::Y], 2);
    }
    if from.mode() == Some(Mode::Effect) {
        part(EFFECT, &[Field::Effect], 1);
        part(SPEED, &[Field::Speed], 1);
    }
    if frame.is_empty() { Err(Lack::Unknown(Item::Power)) } else { Ok(frame) }
}

/// Reads the parts. Tags that are not known are passed over by their length.
pub(super) fn read(frame: &[u8], can: &Can) -> Result<Reading, (usize, &'static str)> {
    const CUT: &str = "a part of this Hue frame is longer than the frame";
    let mut reading = Reading::default();
    let mut rest = frame;
    while let [tag, length, after @ ..] = rest {
        let at = frame.len().saturating_sub(rest.len());
        let (value, next) = after.split_at_checked(usize::from(*length)).ok_or((at, CUT))?;
        let understood = match (*tag, value) {
            (POWER, &[power]) => reading.take(Field::Power, u32::from(power), can),
            (BRIGHTNESS, &[level]) => reading.take(Field::Brightness, u32::from(level), can),
            // All ones: the lamp does not shine in this mode.
            (MIREDS, &[0xFF, 0xFF]) | (COLOR, &[0xFF, 0xFF, 0xFF, 0xFF]) | (EFFECT, &[0]) => true,
            (MIREDS, &[low, high]) => {
                reading.take(Field::Kelvin, u16::from_le_bytes([low, high]).into(), can)
            }
            (COLOR, &[x, big_x, y, big_y]) => {
                reading.take(Field::X, u16::from_le_bytes([x, big_x]).into(), can)
                    && reading.take(Field::Y, u16::from_le_bytes([y, big_y]).into(), can)
            }
            (EFFECT, &[effect]) => reading.take(Field::Effect, u32::from(effect), can),
            (SPEED, &[0]) => true,
            (SPEED, &[speed]) => reading.take(Field::Speed, u32::from(speed), can),
            (POWER | BRIGHTNESS | MIREDS | COLOR | EFFECT | SPEED, _) => {
                return Err((at, "a part of this Hue frame has the wrong length"));
            }
            _ => true,
        };
        if !understood {
            return Err((at, "a value in this Hue frame is out of its range"));
        }
        rest = next;
    }
    if frame.is_empty() || !rest.is_empty() { Err((frame.len(), CUT)) } else { Ok(reading) }
}
