//! The bytes of `gatt write`: from hex, text, a file or stdin.

use std::fs::File;
use std::io::{self, Read};

use super::args::GattWrite;
use crate::error::{Error, Result};

/// Longest attribute value in bytes (Bluetooth Core 5.4, Vol 3, Part F, 3.2.9).
const LONGEST: usize = 512;

pub(super) fn of(args: &GattWrite) -> Result<Vec<u8>> {
    let bytes = match (&args.value, &args.text, &args.file) {
        (Some(stdin), ..) if stdin == "-" => {
            read(io::stdin().lock()).map_err(|error| unreadable("-", &error))?
        }
        (Some(value), ..) => hex(value),
        (_, Some(text), _) => check(text.as_bytes().to_vec()),
        (.., Some(file)) => {
            let unreadable = |error| unreadable(&file.display().to_string(), &error);
            File::open(file).and_then(read).map_err(unreadable)?
        }
        (None, None, None) => Err("give the value to write: HEX, --text, --file, or - for stdin".to_owned()),
    };
    bytes.map_err(Error::Usage)
}

fn read(from: impl Read) -> io::Result<Result<Vec<u8>, String>> {
    let mut bytes = Vec::new();
    // One byte too many is enough to reject the input.
    from.take(LONGEST as u64 + 1).read_to_end(&mut bytes)?;
    Ok(check(bytes))
}

fn unreadable(path: &str, error: &std::io::Error) -> Error {
    Error::FileUnreadable { path: path.to_owned(), detail: error.to_string() }
}

/// Parses hex as people write it: `0164`, `01 64`, `01:64`, `0x01, 0x64`. A single digit is an error, because it would shift all
/// digits after it.
pub(super) fn hex(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    for part in text.split([' ', ':', ',', '-', '\t']).map(|part| part.strip_prefix("0x").unwrap_or(part)) {
        let digits: Vec<char> = part.chars().collect();
        for pair in digits.chunks(2) {
            let pair: String = pair.iter().collect();
            let whole = pair.len() == 2 && pair.chars().all(|c| c.is_ascii_hexdigit());
            let byte = u8::from_str_radix(&pair, 16).ok().filter(|_| whole);
            bytes.push(
                byte.ok_or_else(|| format!("{text:?} is not hex: byte {} is {pair:?}", bytes.len() + 1))?,
            );
        }
    }
    check(bytes)
}

pub(super) fn check(bytes: Vec<u8>) -> Result<Vec<u8>, String> {
    if bytes.len() > LONGEST {
        return Err(format!("the value is longer than {LONGEST} bytes"));
    }
    Ok(bytes)
}
