//! `frame encode` and `frame decode`: the codec alone.

use std::io::BufRead;

use bulb_protocol::{LightState, Percent, Rgb, base};

use super::args::{Decode, Frame, FrameAction};
use crate::error::{Error, Result};
use crate::report::{Body, FrameRecord, Reporter};

/// What a frame says where nothing is named.
const DEFAULT: LightState = LightState { power: true, brightness: Percent::MAX, color: Rgb::WHITE };

pub(crate) fn run(args: &Frame, reporter: &Reporter) -> Result<()> {
    match &args.action {
        FrameAction::Encode(light) => {
            let light = light.change().apply(DEFAULT);
            reporter.record(&Body::Frame(FrameRecord::of(&base::encode(light), light, true)))
        }
        FrameAction::Decode(decode) => self::decode(decode, reporter),
    }
}

/// Decodes each frame; the others go on when one is wrong.
fn decode(args: &Decode, reporter: &Reporter) -> Result<()> {
    let joined;
    let frames = match args.frames.as_slice() {
        // `decode 01 64 ff 00 00` is one frame whose bytes stand apart.
        several @ [_, _, ..] if several.iter().all(|frame| digits(frame).len() == 2) => {
            joined = [several.concat()];
            &joined
        }
        frames => frames,
    };
    if let [one] = frames
        && one != "-"
    {
        return reporter.record(&Body::Frame(frame(one, args.lenient)?));
    }
    let mut tally = Tally::default();
    for text in frames {
        if text != "-" {
            tally.add(text, args, reporter)?;
            continue;
        }
        for line in std::io::stdin().lock().lines() {
            let line = line
                .map_err(|error| Error::FileUnreadable { path: "-".to_owned(), detail: error.to_string() })?;
            if !line.trim().is_empty() {
                tally.add(&line, args, reporter)?;
            }
        }
    }
    tally.end()
}

/// How several frames went.
#[derive(Default)]
struct Tally {
    of: usize,
    exits: Vec<u8>,
}

impl Tally {
    fn add(&mut self, text: &str, args: &Decode, reporter: &Reporter) -> Result<()> {
        self.of += 1;
        match frame(text, args.lenient) {
            Ok(record) => reporter.record(&Body::Frame(record)),
            Err(error) => {
                self.exits.push(error.exit());
                reporter.error(&error, Some(text))
            }
        }
    }

    fn end(self) -> Result<()> {
        Error::partial(&self.exits, self.of).map_or(Ok(()), Err)
    }
}

/// The hex digits of a frame as people write it: `01 64`, `01:64`, `0x01, 0x64`, `0164`.
fn digits(text: &str) -> String {
    text.split([' ', ':', ',', '-', '\t']).map(|part| part.trim_start_matches("0x")).collect()
}

fn frame(text: &str, lenient: bool) -> Result<FrameRecord> {
    let bytes = hex::decode(digits(text.trim()))
        .map_err(|error| Error::Usage(format!("{text:?} is not a frame in hex: {error}")))?;
    let light = if lenient { base::decode_lenient(&bytes) } else { base::decode(&bytes) };
    light.map(|light| FrameRecord::of(&bytes, light, false)).map_err(Error::MalformedFrame)
}
