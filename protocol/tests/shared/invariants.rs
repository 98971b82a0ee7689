// Properties of the base codec, for any bytes. The property tests and the fuzz target share them.

use bulb_protocol::base::{self, DecodeError, DecodeErrorKind, FRAME_LEN};

/// Decodes the bytes strictly and leniently, and compares the results with each other and with the protocol.
pub(crate) fn decode(bytes: &[u8]) {
    let valid = matches!(bytes, [0 | 1, 0..=100, _, _, _]);
    let strict = base::decode(bytes);
    let lenient = base::decode_lenient(bytes);
    assert_eq!(strict.is_ok(), valid);
    assert_eq!(lenient.is_ok(), bytes.len() >= FRAME_LEN);
    match (strict, lenient) {
        (Ok(state), _) => {
            assert_eq!(base::encode(state).as_slice(), bytes);
            assert_eq!(lenient, Ok(state));
        }
        (Err(error), Ok(state)) => {
            shows(&error, bytes);
            // The lenient result is a valid state: its frame decodes strictly.
            assert_eq!(base::decode(&base::encode(state)), Ok(state));
        }
        (Err(error), Err(same)) => {
            shows(&error, bytes);
            assert_eq!(error, same);
        }
    }
}

/// The error names the first wrong byte and shows the frame.
fn shows(error: &DecodeError, bytes: &[u8]) {
    let kind = match *bytes {
        [0 | 1, value, _, _, _] => DecodeErrorKind::Brightness { value },
        [value, _, _, _, _] => DecodeErrorKind::Power { value },
        _ => DecodeErrorKind::Length,
    };
    assert_eq!(error.kind(), kind);
    assert_eq!(error.frame_len(), bytes.len());
    let shown = &bytes[..bytes.len().min(DecodeError::SHOWN)];
    assert_eq!(error.frame(), shown);
    let hex = shown.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ");
    let text = error.to_string();
    let end = text.rsplit(": ").next().unwrap_or_default();
    match bytes.len() {
        0 => assert_eq!(end, "(empty)"),
        1..=DecodeError::SHOWN => assert_eq!(end, hex),
        _ => assert_eq!(end, format!("{hex} …")),
    }
}
