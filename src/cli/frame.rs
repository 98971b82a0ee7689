//! `frame encode` and `frame decode`: the codec without a radio.

use std::io::{BufRead, Read};
use std::path::Path;

use bulb_protocol::profile::{DecodeError, DecodedCommand, Feature, Light, Profile};
use bulb_protocol::{LightState, Percent, Rgb, base};

use super::args::{Decode, Encode, Frame, FrameAction};
use super::global::Global;
use super::{capture, profiles};
use crate::bulb::BASE;
use crate::bytes;
use crate::error::{Error, ErrorKind, Result};
use crate::files;
use crate::output::{FrameKind, FrameRecord, Printer, Record};

/// The longest line of stdin in bytes. Written as `0x01, 0x64`, the longest frame takes 3,072.
const LONGEST_LINE: u64 = 4096;

/// Settings of a base frame that the user does not mention.
const DEFAULT: LightState = LightState { power: true, brightness: Percent::MAX, color: Rgb::WHITE };

pub(crate) fn run(args: &Frame, global: &Global, printer: &Printer) -> Result<()> {
    if let FrameAction::Decode(decode) = &args.action
        && let Some(file) = &decode.capture
    {
        return capture::run(file, decode.device.as_deref(), global, printer);
    }
    // The base profile has its own codec, which firmware can link.
    let profile = match global.profile.as_deref().filter(|name| *name != BASE) {
        None => None,
        Some(text) => Some(profiles::all(global).load(text)?.1),
    };
    match (&args.action, profile) {
        (FrameAction::Encode(encode), Some(mut profile)) => {
            if let Some(address) = encode.address {
                profile.set_address(address.bytes());
            }
            self::encode(encode, &profile, printer)
        }
        (FrameAction::Encode(encode), None) => base_encode(encode, printer),
        (FrameAction::Decode(decode), profile) => self::decode(decode, profile.as_ref(), printer),
    }
}

fn base_encode(args: &Encode, printer: &Printer) -> Result<()> {
    let asked = args.light.settings()?;
    if let Some(item) = [Feature::White, Feature::Kelvin, Feature::Effect, Feature::Speed]
        .into_iter()
        .find(|item| asked.features().contains(*item))
    {
        return Err(Error::Usage(format!(
            "the base profile has no --{item}; choose another profile with --profile"
        )));
    }
    let light = LightState {
        power: asked.power.unwrap_or(DEFAULT.power),
        brightness: asked.brightness.unwrap_or(DEFAULT.brightness),
        color: asked.color.unwrap_or(DEFAULT.color),
    };
    printer.record(&Record::Frame(FrameRecord::of(&base::encode(light), light, true)))
}

/// Prints the frames of the given settings, or those that switch on if there are none.
fn encode(args: &Encode, profile: &Profile, printer: &Printer) -> Result<()> {
    let mut asked = args.light.settings()?;
    if asked.features().is_empty() {
        asked.power = Some(true);
    }
    let sent = profile
        .encode(&asked, &Light::default(), args.sequence)
        .map_err(|refusal| Error::NotEncodable { profile: profile.full_name(), refusal })?;
    for write in sent.writes {
        let (name, kind) = (profile.full_name(), FrameKind::Command);
        let record = FrameRecord::new(&write.bytes, &name, kind, Some(&write.role), &asked);
        printer.record(&Record::Frame(FrameRecord { encoded: true, ..record }))?;
    }
    Ok(())
}

/// Decodes each frame, and continues after an invalid one.
fn decode(args: &Decode, profile: Option<&Profile>, printer: &Printer) -> Result<()> {
    let joined;
    let frames = match args.frames.as_slice() {
        // `decode 01 64 ff 00 00` is one frame.
        several @ [_, _, ..]
            if several.iter().all(|frame| bytes::hex(frame).is_ok_and(|one| one.len() == 1)) =>
        {
            joined = [several.join(" ")];
            &joined
        }
        frames => frames,
    };
    if let [one] = frames
        && one != "-"
    {
        return printer.record(&Record::Frame(frame(one, args, profile)?));
    }
    let mut tally = FrameResults::default();
    for text in frames {
        if text != "-" {
            tally.add(text, frame(text, args, profile), printer)?;
            continue;
        }
        let mut stdin = std::io::stdin().lock();
        for number in 1.. {
            let line = next_line(&mut stdin).map_err(|error| files::unreadable(Path::new("-"), &error))?;
            match line {
                None => break,
                Some(Err(TooLong)) => {
                    let wrong = Error::Usage(format!("line {number} is longer than {LONGEST_LINE} bytes"));
                    tally.add(&format!("line {number}"), Err(wrong), printer)?;
                }
                Some(Ok(line)) if line.trim().is_empty() => {}
                Some(Ok(line)) => tally.add(&line, frame(&line, args, profile), printer)?,
            }
        }
    }
    tally.end()
}

#[derive(Debug, PartialEq)]
struct TooLong;

/// Reads a line without its end and without a byte order mark. Skips one that is too long.
fn next_line(from: &mut impl BufRead) -> std::io::Result<Option<Result<String, TooLong>>> {
    let mut line = Vec::new();
    if from.by_ref().take(LONGEST_LINE + 1).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    if u64::try_from(line.len()).is_ok_and(|length| length > LONGEST_LINE) && !line.ends_with(b"\n") {
        from.skip_until(b'\n')?;
        return Ok(Some(Err(TooLong)));
    }
    let line = String::from_utf8_lossy(&line);
    Ok(Some(Ok(line.trim_start_matches('\u{feff}').trim_end_matches(['\n', '\r']).to_owned())))
}

#[derive(Default)]
struct FrameResults {
    of: usize,
    kinds: Vec<ErrorKind>,
}

impl FrameResults {
    fn add(&mut self, text: &str, frame: Result<FrameRecord>, printer: &Printer) -> Result<()> {
        self.of += 1;
        match frame {
            Ok(record) => printer.record(&Record::Frame(record)),
            Err(error) => {
                self.kinds.push(error.kind());
                printer.error(&error, Some(text))
            }
        }
    }

    fn end(self) -> Result<()> {
        Error::partial(&self.kinds, self.of).map_or(Ok(()), Err)
    }
}

fn frame(text: &str, args: &Decode, profile: Option<&Profile>) -> Result<FrameRecord> {
    let bytes = bytes::hex(text).map_err(Error::Usage)?;
    match profile {
        Some(_) if args.lenient => Err(Error::Usage("--lenient works with the base profile only".to_owned())),
        None if args.lenient => base::decode_lenient(&bytes)
            .map(|light| FrameRecord::of(&bytes, light, false))
            .map_err(Error::MalformedFrame),
        profile => meaning(&bytes, args.role.as_deref(), profile),
    }
}

/// Decodes a frame of a profile as a status or a command, or a frame of the base profile if there is none.
pub(super) fn meaning(bytes: &[u8], role: Option<&str>, profile: Option<&Profile>) -> Result<FrameRecord> {
    let Some(profile) = profile else {
        let light = base::decode(bytes).map_err(Error::MalformedFrame)?;
        return Ok(FrameRecord::of(bytes, light, false));
    };
    let roles: Vec<&str> = match role {
        Some(role) if profile.role(role).is_some() => vec![role],
        Some(role) => {
            let have: Vec<_> = profile.roles.iter().map(|role| role.name.as_str()).collect();
            return Err(Error::Usage(format!("there is no role {role:?} (roles: {})", have.join(", "))));
        }
        None => profile.roles.iter().map(|role| role.name.as_str()).collect(),
    };
    let name = profile.full_name();
    let mut meanings: Vec<FrameRecord> = Vec::new();
    let mut nearest: Option<DecodeError> = None;
    for role in roles {
        let found = match (profile.decode(role, bytes), profile.decode_command(role, bytes)) {
            (Ok(light), _) => Some((FrameKind::Status, light)),
            (_, Ok(DecodedCommand::Change(light))) => Some((FrameKind::Command, light)),
            (_, Ok(DecodedCommand::Relative(_))) => Some((FrameKind::Command, Light::default())),
            (_, Ok(DecodedCommand::Query(_))) => Some((FrameKind::Query, Light::default())),
            (_, Ok(DecodedCommand::LinkRule)) => Some((FrameKind::Session, Light::default())),
            (Err(device), Err(command)) => {
                nearest = Some(command.closer(Some(device.closer(nearest))));
                None
            }
        };
        meanings.extend(found.map(|(kind, light)| FrameRecord::new(bytes, &name, kind, Some(role), &light)));
    }
    match (<[FrameRecord; 1]>::try_from(meanings), nearest) {
        (Ok([one]), _) => Ok(one),
        (Err(none), Some(error)) if none.is_empty() => Err(Error::ForeignFrame(error)),
        (Err(several), _) => {
            let roles: Vec<_> = several.iter().filter_map(|meaning| meaning.role.as_deref()).collect();
            Err(Error::Usage(format!(
                "this frame is valid for several roles; choose one with --role ({})",
                roles.join(", ")
            )))
        }
    }
}
