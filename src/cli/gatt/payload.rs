//! The bytes of `gatt write`: from hex, text, a file or stdin.

use std::fs::File;
use std::io::{self, Read};

use super::args::GattWrite;
use crate::bytes;
use crate::error::{Error, Result};

pub(super) fn of(args: &GattWrite) -> Result<Vec<u8>> {
    let value = match (&args.value, &args.text, &args.file) {
        (Some(stdin), ..) if stdin == "-" => {
            read(io::stdin().lock()).map_err(|error| unreadable("-", &error))?
        }
        (Some(value), ..) => bytes::hex(value),
        (_, Some(text), _) => bytes::limited(text.as_bytes().to_vec()),
        (.., Some(file)) => {
            let unreadable = |error| unreadable(&file.display().to_string(), &error);
            File::open(file).and_then(read).map_err(unreadable)?
        }
        (None, None, None) => Err("give the value to write: HEX, --text, --file, or - for stdin".to_owned()),
    };
    value.map_err(Error::Usage)
}

fn read(from: impl Read) -> io::Result<Result<Vec<u8>, String>> {
    let mut value = Vec::new();
    // One byte too many is enough to reject the input.
    from.take(bytes::LONGEST as u64 + 1).read_to_end(&mut value)?;
    Ok(bytes::limited(value))
}

fn unreadable(path: &str, error: &std::io::Error) -> Error {
    Error::FileUnreadable { path: path.to_owned(), detail: error.to_string() }
}
