//! The transport of Zengge's LEDnetWF bulbs: `00 seq 80 00 length(2) length+1 id`, then the payload.
//!
//! Replies carry the payload as bytes, or as hex text within JSON: `{"code":0,"payload":"811D…"}`.

use alloc::format;
use alloc::vec::Vec;

const HEADER: usize = 8;
const WITH_ANSWER: u8 = 0x0A;
const WITHOUT_ANSWER: u8 = 0x0B;
/// The bit of byte 0 that says that the payload continues in the next frame.
const FRAGMENT: u8 = 0x40;

pub(super) fn wrap_command(payload: &[u8], wants_answer: bool, sequence: u8) -> Vec<u8> {
    wrap(payload, if wants_answer { WITH_ANSWER } else { WITHOUT_ANSWER }, sequence)
}

pub(super) fn wrap_status(payload: &[u8], sequence: u8) -> Vec<u8> {
    let hex: Vec<u8> = payload.iter().flat_map(|byte| format!("{byte:02X}").into_bytes()).collect();
    let text = [&br#"{"code":0,"payload":""#[..], &hex, br#""}"#].concat();
    wrap(&text, WITH_ANSWER, sequence)
}

fn wrap(payload: &[u8], id: u8, sequence: u8) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap_or(u16::MAX);
    let [high, low] = length.to_be_bytes();
    let mut frame = alloc::vec![0x00, sequence, 0x80, 0x00, high, low, low.wrapping_add(1), id];
    frame.extend(payload);
    frame
}

/// Returns the payload of a command or a reply. It ignores the length in the header: sources disagree about that of replies.
pub(super) fn unwrap(frame: &[u8]) -> Result<Vec<u8>, &'static str> {
    let Some((&[first, ..], payload)) = frame.split_at_checked(HEADER) else {
        return Err("a LEDnetWF frame has a header of 8 bytes");
    };
    if first & FRAGMENT != 0 {
        return Err("this is only a fragment of a LEDnetWF frame");
    }
    if payload.is_empty() {
        return Err("this LEDnetWF frame has no payload");
    }
    // Only a leading `{` is JSON. Later bytes may be 7B too, for example a checksum.
    if payload.trim_ascii_start().first() != Some(&b'{') {
        return Ok(payload.to_vec());
    }
    let text = core::str::from_utf8(payload).map_err(|_| "the JSON in this LEDnetWF frame is not UTF-8")?;
    hex_of(text).ok_or("the JSON in this LEDnetWF frame has no hex payload")
}

fn hex_of(json: &str) -> Option<Vec<u8>> {
    let (_, after) = json.split_once("\"payload\"")?;
    let (digits, _) =
        after.trim_start().strip_prefix(':')?.trim_start().strip_prefix('"')?.split_once('"')?;
    if digits.is_empty() {
        return None;
    }
    let pairs = digits.as_bytes().chunks(2);
    pairs.map(|pair| crate::profile::template::byte(core::str::from_utf8(pair).ok()?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_as_json_and_as_bytes() {
        let payload = [0x81, 0x1D, 0x23];
        assert_eq!(unwrap(&wrap_status(&payload, 7)), Ok(payload.to_vec()));
        assert_eq!(unwrap(&wrap_command(&payload, true, 7)), Ok(payload.to_vec()));
        assert_eq!(
            wrap_command(&[0x81, 0x8A, 0x8B, 0x96], true, 1),
            [0x00, 0x01, 0x80, 0x00, 0x00, 0x04, 0x05, 0x0A, 0x81, 0x8A, 0x8B, 0x96]
        );
    }

    #[test]
    fn broken_frames_are_refused() {
        assert!(unwrap(&[0; 7]).is_err());
        assert!(unwrap(&[0; 8]).is_err());
        assert!(unwrap(&[0x40, 0, 0, 0, 0, 0, 0, 0, 1]).is_err());
        for json in [
            "{",
            "{\"payload\":\"81\u{e9}\"}",
            "{\"payload\":\"811\"}",
            "{\"payload\":\"\"}",
            "{\"payload\" 12}",
        ] {
            assert!(unwrap(&wrap(json.as_bytes(), 0, 0)).is_err(), "{json}");
        }
    }
}
