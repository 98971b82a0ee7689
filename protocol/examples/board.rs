//! Virtual bulbs over a pipe: one JSON object a line on stdin, one answer a line on stdout. The real-stack tests play their
//! bulbs with it, so they behave as those of the sim radio.
//!
//! | request | answer |
//! |---|---|
//! | `{"do": "new", "profile": "elk:melk", "folder": "/rigs", "table": [["fff0", "fff3"]], "state": {"power": true}}` | `board`, its number; `table`, the one given or the profile's, as `[service, characteristic, [property…]]`; `manufacturer_name`, `needs_bonding`, `keep_alive` in seconds; `advert` |
//! | `{"do": "connect", "board": 0}` | |
//! | `{"do": "write", "board": 0, "at": "fff0/fff3", "hex": "7e…"}` | `att`, the error that a write request gets; `kept`, where it is a value like any other; the `occasion` on which something is to be told |
//! | `{"do": "tell", "board": 0, "occasion": "command"}`, `change` or a question's number | `told`, a list of `[at, hex]` |
//! | `{"do": "read", "board": 0, "at": "fff0/fff4"}` | `hex` |
//! | `{"do": "has_role", "board": 0, "at": "fff0/fff4"}` | `has_role` |
//! | `{"do": "set", "board": 0, "state": {"power": false}}` | |
//! | `{"do": "advert", "board": 0}` | `name`, `services`, `manufacturer` and `service_data`, each a list of `[key, hex]` |
//! | `{"do": "clear"}` | |
//!
//! What goes wrong is answered with `error`. Keys without a value are null.

use std::error::Error;
use std::io::{self, BufRead, Write};
use std::path::Path;

use bulb_protocol::gatt::{Properties, Uuid, parse_uuid, uuid_text};
use bulb_protocol::profile::{
    AdvertData, CharacteristicPath, Family, Light, Profile, Trigger, VirtualBulb, WriteOutcome, builtin,
};
use bulb_protocol::{Percent, Rgb};
use serde::Deserialize;
use serde_json::{Value, json};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// A request.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case", tag = "do", deny_unknown_fields)]
enum Request {
    New { profile: String, folder: String, table: Option<Vec<(String, String)>>, state: State },
    Connect { board: usize },
    Write { board: usize, at: String, hex: String },
    Tell { board: usize, occasion: Value },
    Read { board: usize, at: String },
    HasRole { board: usize, at: String },
    Set { board: usize, state: State },
    Advert { board: usize },
    Clear,
}

/// A state in a request.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    power: Option<bool>,
    brightness: Option<u8>,
    color: Option<String>,
    white: Option<u8>,
    kelvin: Option<u16>,
    effect: Option<String>,
    speed: Option<u8>,
}

impl State {
    /// Converts to a light, if a bulb of this profile can have this state.
    fn light(self, profile: &Profile) -> Result<Light> {
        let percent = |level: Option<u8>| level.map(Percent::new).transpose();
        let light = Light {
            power: self.power,
            brightness: percent(self.brightness)?,
            color: self.color.as_deref().map(color).transpose()?,
            white: percent(self.white)?,
            kelvin: self.kelvin,
            effect: self.effect,
            speed: percent(self.speed)?,
            mode: None,
        };
        if !light.features().is_empty() {
            profile
                .validate(&light)
                .map_err(|refusal| format!("profile {}: {refusal}", profile.full_name()))?;
        }
        Ok(light)
    }
}

fn main() -> Result<()> {
    let mut boards = Vec::new();
    let mut out = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let answer = answer(&mut boards, &line?).unwrap_or_else(|error| json!({"error": error.to_string()}));
        writeln!(out, "{answer}")?;
        out.flush()?;
    }
    Ok(())
}

fn answer(boards: &mut Vec<VirtualBulb>, line: &str) -> Result<Value> {
    Ok(match serde_json::from_str(line)? {
        Request::New { profile, folder, table, state } => {
            let profile = load(&profile, Path::new(&folder))?;
            return build(boards, profile, table, state);
        }
        Request::Clear => {
            boards.clear();
            json!({})
        }
        Request::Connect { board } => {
            find(boards, board)?.connected(false);
            json!({})
        }
        Request::Write { board, at, hex } => write(find(boards, board)?, place(&at)?, &bytes(&hex)?),
        Request::Tell { board, occasion } => {
            let sent = find(boards, board)?.status_frames(occasion_of(&occasion)?);
            let sent: Vec<Value> =
                sent.into_iter().map(|frame| json!([frame.at.to_string(), hex(&frame.bytes)])).collect();
            json!({"told": sent})
        }
        Request::Read { board, at } => {
            json!({"hex": find(boards, board)?.read(place(&at)?).map(|bytes| hex(&bytes))})
        }
        Request::HasRole { board, at } => json!({"has_role": find(boards, board)?.has_role(place(&at)?)}),
        Request::Set { board, state } => {
            let board = find(boards, board)?;
            let change = state.light(board.profile())?;
            board.set(board.light().clone().merged(&change));
            json!({})
        }
        Request::Advert { board } => advert(&find(boards, board)?.advertise()),
    })
}

fn find(boards: &mut [VirtualBulb], number: usize) -> Result<&mut VirtualBulb> {
    boards.get_mut(number).ok_or_else(|| "there is no such board".into())
}

fn write(board: &mut VirtualBulb, at: CharacteristicPath, bytes: &[u8]) -> Value {
    if let Err(att) = board.accepts(at, bytes) {
        return json!({"att": att, "kept": false, "occasion": null});
    }
    let (kept, occasion) = match board.write(at, bytes) {
        WriteOutcome::Applied => (false, json!("command")),
        WriteOutcome::Query(question) => (false, json!(question)),
        WriteOutcome::Ignored => (false, Value::Null),
        WriteOutcome::Stored => (true, Value::Null),
    };
    json!({"att": null, "kept": kept, "occasion": occasion})
}

/// Loads a profile by name, or from a file in the folder.
fn load(text: &str, folder: &Path) -> Result<Profile> {
    let (file, variant) = match text.rsplit_once(".toml:") {
        Some((file, variant)) => (format!("{file}.toml"), Some(variant)),
        None if text.ends_with(".toml") => (text.to_owned(), None),
        None => {
            let (name, variant) = builtin::split_name(text);
            return Ok(builtin::load(name, variant.as_deref())?);
        }
    };
    let content = std::fs::read_to_string(folder.join(&file))?;
    Ok(Family::parse(&content)?.profile(variant)?)
}

fn build(
    boards: &mut Vec<VirtualBulb>,
    profile: Profile,
    table: Option<Vec<(String, String)>>,
    state: State,
) -> Result<Value> {
    let table = match table {
        None => profile.table(),
        Some(table) => table
            .iter()
            .map(|(service, uuid)| Ok((uuid_of(service)?, uuid_of(uuid)?, Properties::default())))
            .collect::<Result<Vec<(Uuid, Uuid, Properties)>>>()?,
    };
    let spots: Vec<_> = table.iter().map(|(service, uuid, _)| (*service, *uuid)).collect();
    let shown: Vec<Value> = table
        .iter()
        .map(|(service, uuid, properties)| json!([uuid_text(*service), uuid_text(*uuid), properties]))
        .collect();
    let light = profile.starting_state(&state.light(&profile)?);
    let answer = json!({
        "board": boards.len(),
        "table": shown,
        "advert": advert(&profile.advertise(&light)),
        "manufacturer_name": profile.example.manufacturer_name,
        "needs_bonding": profile.link_rules.needs_bonding,
        "keep_alive": profile.link_rules.keep_alive.as_ref().map(|keep| keep.every.as_secs_f64()),
    });
    boards.push(VirtualBulb::new(profile, &spots, light));
    Ok(answer)
}

fn advert(data: &AdvertData) -> Value {
    let services: Vec<String> = data.services.iter().copied().map(uuid_text).collect();
    let manufacturer: Vec<_> = data.manufacturer.iter().map(|(company, data)| (company, hex(data))).collect();
    let service_data: Vec<_> =
        data.service_data.iter().map(|(service, data)| (uuid_text(*service), hex(data))).collect();
    json!({"name": data.name, "services": services, "manufacturer": manufacturer, "service_data": service_data})
}

fn occasion_of(value: &Value) -> Result<Trigger<'static>> {
    match (value.as_str(), value.as_u64()) {
        (Some("command"), _) => Ok(Trigger::Command),
        (Some("change"), _) => Ok(Trigger::Change),
        (_, Some(question)) => Ok(Trigger::Query(question.try_into()?)),
        _ => Err(format!("there is no occasion {value}").into()),
    }
}

fn place(text: &str) -> Result<CharacteristicPath> {
    Ok(text.parse()?)
}

fn uuid_of(text: &str) -> Result<Uuid> {
    parse_uuid(text).ok_or_else(|| format!("{text:?} is no UUID").into())
}

fn color(text: &str) -> Result<Rgb> {
    match bytes(text.strip_prefix('#').unwrap_or_default())?[..] {
        [red, green, blue] => Ok(Rgb::new(red, green, blue)),
        _ => Err(format!("{text:?} is no colour").into()),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(hex: &str) -> Result<Vec<u8>> {
    let digits = |at: usize| hex.get(at..at + 2).ok_or("half a byte, or no hex");
    (0..hex.len()).step_by(2).map(|at| Ok(u8::from_str_radix(digits(at)?, 16)?)).collect()
}
