//! A case: the frames that a library writes or reads, compared with our engine's for the same values.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};
use bulb_protocol::Percent;
use bulb_protocol::profile::{Advert, Light, Profile, builtin};
use serde::Deserialize;

use super::models::{Advertised, Devices};

/// A line in the output of a case file. The first line has only the library's version.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Line {
    pub(super) library: String,
    pub(super) version: Option<String>,
    #[serde(default)]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) profile: String,
    #[serde(default)]
    pub(super) case: String,
    #[serde(default)]
    pub(super) ask: Values,
    #[serde(default)]
    pub(super) known: Values,
    #[serde(default)]
    pub(super) writes: Vec<String>,
    role: Option<String>,
    #[serde(default)]
    pub(super) payload: bool,
    #[serde(default)]
    hex: String,
    company: Option<u16>,
    #[serde(default)]
    says: Values,
    /// Of cases of a device, whose family is `profile`: how it advertises.
    pub(super) device: Option<Advertised>,
    /// The library's name of the device's model.
    #[serde(default)]
    pub(super) model: String,
    /// The library knows that the model cannot do what is asked.
    #[serde(default)]
    pub(super) refused: bool,
    /// The library does not drive the device, or only with a key.
    #[serde(default)]
    pub(super) not_driven: bool,
    /// The library's range for the model.
    pub(super) kelvin: Option<(u32, u32)>,
}

/// A light's values, with the names of the profile files.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Values {
    #[serde(flatten)]
    pub(super) light: Light,
    /// White and brightness as one number, 0 to 255, for bulbs that dim by scaling.
    white_level: Option<u8>,
}

impl Values {
    fn differs(&self, ours: &Light) -> Option<String> {
        let theirs = &self.light;
        let mut wrong = Vec::new();
        let mut say = |what: &str, theirs: Option<String>, ours: Option<String>| {
            if theirs.is_some() && theirs != ours {
                let text = |value: Option<String>| value.unwrap_or_else(|| "unknown".to_owned());
                wrong.push(format!("{what} is {} there and {} here", text(theirs), text(ours)));
            }
        };
        let percent = |value: Option<Percent>| value.map(|value| value.get().to_string());
        say("power", theirs.power.map(|on| on.to_string()), ours.power.map(|on| on.to_string()));
        say("brightness", percent(theirs.brightness), percent(ours.brightness));
        say("color", theirs.color.map(|color| color.to_string()), ours.color.map(|color| color.to_string()));
        say("white", percent(theirs.white), percent(ours.white));
        say("kelvin", theirs.kelvin.map(|k| k.to_string()), ours.kelvin.map(|k| k.to_string()));
        say("effect", theirs.effect.clone(), ours.effect.clone());
        say("speed", percent(theirs.speed), percent(ours.speed));
        say("mode", theirs.mode.map(|mode| mode.to_string()), ours.mode.map(|mode| mode.to_string()));
        if let Some(level) = self.white_level {
            let of = |value: Option<Percent>| u32::from(value.unwrap_or(Percent::MAX).get());
            let here = ours.white.map(|white| (of(Some(white)) * of(ours.brightness) * 255 + 5_000) / 10_000);
            // A percentage is coarser than a byte.
            if here.is_none_or(|here| here.abs_diff(u32::from(level)) > 2) {
                wrong.push(format!("white is {level} there and {here:?} here"));
            }
        }
        (!wrong.is_empty()).then(|| wrong.join(", "))
    }
}

pub(super) fn bytes(hex: &str) -> Result<Vec<u8>> {
    ensure!(hex.len().is_multiple_of(2) && hex.is_ascii(), "{hex:?} is no hex");
    let pair = |at: usize| Ok(u8::from_str_radix(hex.get(at..at + 2).unwrap_or_default(), 16)?);
    (0..hex.len()).step_by(2).map(pair).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[derive(Debug)]
pub(super) struct Found {
    /// For people.
    pub(super) text: String,
    /// The largest difference between two bytes, if the frames have the same length.
    pub(super) apart: Option<u8>,
}

impl From<String> for Found {
    fn from(text: String) -> Self {
        Self { text, apart: None }
    }
}

/// Loads the profiles of cases, each once.
#[derive(Debug)]
pub(super) struct Profiles {
    named: BTreeMap<String, Profile>,
    devices: Devices,
}

/// The bytes of LEDnetWF's transport before its payload.
const HEADER: usize = 8;

impl Profiles {
    pub(super) fn new() -> Result<Self> {
        Ok(Self { named: BTreeMap::new(), devices: Devices::new()? })
    }

    /// Compares the library with our engine. Returns `None` if they agree.
    pub(super) fn compare(&mut self, line: &Line) -> Result<Option<Found>> {
        let what = || format!("{} {} {}", line.library, line.profile, line.case);
        if line.kind == "model" {
            return self.devices.compare(line).with_context(what);
        }
        let profile = self.profile(&line.profile)?;
        match line.kind.as_str() {
            "encode" => encode(profile, line).with_context(what),
            "query" => {
                let queries = profile.queries(0).into_iter().map(|write| inner(line, &write.bytes));
                let queries: Vec<_> = queries.collect();
                let known = line.writes.iter().all(|theirs| queries.contains(theirs));
                Ok((!known).then(|| format!("asks with {:?}, we with {queries:?}", line.writes).into()))
            }
            "decode" => {
                let mut frame = bytes(&line.hex)?;
                if line.payload {
                    let length = u8::try_from(frame.len())?;
                    frame.splice(0..0, [0, 0, 0x80, 0, 0, length, length.wrapping_add(1), 0x0A]);
                }
                match profile.decode(line.role.as_deref().unwrap_or("status"), &frame) {
                    Ok(ours) => Ok(line.says.differs(&ours).map(Found::from)),
                    Err(error) => Ok(Some(format!("we do not read it: {error}").into())),
                }
            }
            "advert" => {
                let data = bytes(&line.hex)?;
                let manufacturer = [(line.company.context("no company")?, data.as_slice())];
                match profile.decode_advert(&Advert { manufacturer: &manufacturer, ..Advert::default() }) {
                    Some(ours) => Ok(line.says.differs(&ours).map(Found::from)),
                    None => Ok(Some("we do not read it".to_owned().into())),
                }
            }
            other => bail!("there is no kind {other:?} of cases"),
        }
    }

    fn profile(&mut self, name: &str) -> Result<&Profile> {
        if !self.named.contains_key(name) {
            let (family, variant) = builtin::split_name(name);
            let profile =
                builtin::load(family, variant.as_deref()).map_err(|error| anyhow::anyhow!("{error}"))?;
            self.named.insert(name.to_owned(), profile);
        }
        self.named.get(name).context("just put there")
    }
}

pub(super) fn encode(profile: &Profile, line: &Line) -> Result<Option<Found>> {
    let sent = match profile.encode(&line.ask.light, &line.known.light, 0) {
        Ok(sent) => sent,
        Err(refusal) => return Ok(Some(format!("writes {:?}, we refuse: {refusal}", line.writes).into())),
    };
    let ours: Vec<_> = sent.writes.iter().map(|write| inner(line, &write.bytes)).collect();
    if ours != line.writes {
        let apart = apart(&bytes(&line.writes.concat())?, &bytes(&ours.concat())?);
        return Ok(Some(Found { text: format!("writes {:?}, we {ours:?}", line.writes), apart }));
    }
    let elsewhere = line.role.as_ref().and_then(|role| sent.writes.iter().find(|write| write.role != *role));
    Ok(elsewhere.map(|write| format!("writes to {:?}, we to {:?}", line.role, write.role).into()))
}

fn apart(theirs: &[u8], ours: &[u8]) -> Option<u8> {
    let pairs = theirs.iter().zip(ours).map(|(theirs, ours)| theirs.abs_diff(*ours));
    if theirs.len() == ours.len() { pairs.max() } else { None }
}

/// A frame of ours in hex, without its transport if the library has none.
fn inner(line: &Line, frame: &[u8]) -> String {
    hex(if line.payload { frame.get(HEADER..).unwrap_or_default() } else { frame })
}
