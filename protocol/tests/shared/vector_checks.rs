//! Checks each kind of vector against a profile.

use bulb_protocol::profile::{
    Advert, DecodedCommand, Feature, Features, Light, Profile, StatusFrame, StatusParts, Trigger,
};

use super::{Gatt, Vector, bytes, hex, path_text};

pub(super) fn range_holds(profile: &Profile, feature: &str, (first, last): (u32, u32)) -> Result<(), String> {
    let is_valid = |number: u32| {
        let light = match feature {
            "effect" => Light { effect: Some(number.to_string()), ..Light::default() },
            _ => {
                let feature = Feature::ALL.into_iter().find(|known| known.name() == feature).unwrap();
                if u16::try_from(number).is_err() || (feature != Feature::Kelvin && number > 100) {
                    return false;
                }
                Light::default().with_number(feature, u16::try_from(number).unwrap())
            }
        };
        profile.validate(&light).is_ok()
    };
    let before = first.checked_sub(1);
    for (number, valid) in [(Some(first), true), (Some(last), true), (before, false), (Some(last + 1), false)]
    {
        if let Some(number) = number.filter(|number| is_valid(*number) != valid) {
            return Err(format!("{number} can{} be set", if valid { "not" } else { "" }));
        }
    }
    Ok(())
}

pub(super) fn gatt_holds(profile: &Profile, gatt: &Gatt) -> Result<(), String> {
    assert!(!gatt.source.is_empty(), "{gatt:?} has no source");
    let role =
        profile.roles.iter().find(|role| role.name == gatt.role).ok_or("the profile has no such role")?;
    let at: Vec<String> = role.at.iter().map(path_text).collect();
    if at == gatt.at { Ok(()) } else { Err(format!("it is at {at:?}")) }
}

pub(super) fn first_writes(profile: &Profile, vector: &Vector) -> Result<(), String> {
    let writes: Vec<String> = profile.link_rules.first.iter().map(|write| hex(&write.bytes)).collect();
    let writes = writes.join(" / ");
    if Some(&writes) == vector.hex.as_ref() { Ok(()) } else { Err(format!("the first writes are {writes}")) }
}

pub(super) fn keep_alive(profile: &Profile, vector: &Vector) -> Result<(), String> {
    let kept = profile.link_rules.keep_alive.as_ref().map(|keep| hex(&keep.write.bytes));
    if kept == vector.hex { Ok(()) } else { Err(format!("the keep-alive is {kept:?}")) }
}

/// The checksum of the family, computed without the engine.
pub(super) fn checksum(kind: Option<&str>, frame: &[u8], vector: &Vector) -> Result<(), String> {
    let xor = |bytes: &[u8]| bytes.iter().fold(0, |all, byte| all ^ byte);
    let sum = |bytes: &[u8]| bytes.iter().fold(0_u32, |all, byte| all + u32::from(*byte)).to_le_bytes()[0];
    let (last, rest) = frame.split_last().unwrap();
    let right = match kind {
        Some("xor") => frame.len() == 20 && xor(rest) == *last,
        Some("sum") => sum(rest) == *last,
        Some("lednetwf") if vector.hex.is_some() && vector.error.is_none() => {
            let payload = &frame[8..];
            let length = usize::from(frame[4]) << 8 | usize::from(frame[5]);
            let (last, rest) = payload.split_last().unwrap();
            length == payload.len()
                && usize::from(frame[6]) == payload.len() + 1
                && (payload[0] == 0x38 || sum(rest) == *last)
        }
        Some("lednetwf") if vector.payload.is_some() => sum(rest) == *last,
        _ => true,
    };
    let wanted = !vector.bad_check && (vector.error.is_none() || kind == Some("xor"));
    if right || !wanted { Ok(()) } else { Err("its checksum is wrong".into()) }
}

/// The values of a light that a vector names.
fn named(light: &Light, like: &Light) -> Light {
    Light {
        power: light.power.filter(|_| like.power.is_some()),
        brightness: light.brightness.filter(|_| like.brightness.is_some()),
        color: light.color.filter(|_| like.color.is_some()),
        white: light.white.filter(|_| like.white.is_some()),
        kelvin: light.kelvin.filter(|_| like.kelvin.is_some()),
        effect: light.effect.clone().filter(|_| like.effect.is_some()),
        speed: light.speed.filter(|_| like.speed.is_some()),
        mode: None,
    }
}

pub(super) fn command(profile: &Profile, vector: &Vector) -> Result<(), String> {
    let role = vector.role.as_deref().unwrap_or("control");
    let frames: Vec<_> = vector.hex.as_ref().unwrap().split(" / ").map(bytes).collect();
    let means = vector.heard.as_ref().unwrap_or(&vector.means);
    let mut heard = Light::default();
    for frame in &frames {
        match profile.decode_command(role, frame) {
            Ok(DecodedCommand::Change(light)) => heard.merge(&light),
            // Steps, and what puts the bulb into the mode of the next frame.
            Ok(DecodedCommand::Relative(step)) => heard.merge(&means.only(Features::NONE.with(step.feature))),
            Ok(DecodedCommand::LinkRule) => {}
            other => return Err(format!("decoded as {other:?}")),
        }
    }
    if named(&heard, means) != *means {
        return Err(format!("decoded as {heard:?}"));
    }
    if vector.heard_only.is_some() {
        return Ok(());
    }
    let mut known = Light::default();
    known.merge(&vector.known);
    let sent = profile.encode(&vector.means, &known, vector.sequence).map_err(|e| e.to_string())?;
    let same = sent.writes.iter().map(|write| (write.role.as_str(), &write.bytes));
    match same.eq(frames.iter().map(|frame| (role, frame))) {
        true => Ok(()),
        false => Err(format!(
            "encoded as {}",
            sent.writes
                .iter()
                .map(|write| format!("{}: {}", write.role, hex(&write.bytes)))
                .collect::<Vec<_>>()
                .join(", ")
        )),
    }
}

/// The place of a query among those of the profile. The same query may have vectors with several sequence numbers.
pub(super) fn place_of(profile: &Profile, vector: &Vector) -> Option<usize> {
    let frame = bytes(vector.hex.as_ref().unwrap());
    profile.queries(vector.sequence).iter().position(|query| query.bytes == frame)
}

pub(super) fn query(profile: &Profile, vector: &Vector) -> Result<(), String> {
    let frame = bytes(vector.hex.as_ref().unwrap());
    let place = place_of(profile, vector).ok_or("not among the queries")?;
    match profile.decode_command(&profile.queries(vector.sequence)[place].role, &frame) {
        Ok(DecodedCommand::Query(question)) if question == place => Ok(()),
        other => Err(format!("decoded as {other:?}")),
    }
}

fn all_status_frames(profile: &Profile, state: &Light) -> Vec<StatusFrame> {
    let asked = (0..profile.queries(0).len()).map(Trigger::Query);
    let read = profile.roles.iter().map(|role| Trigger::Read(&role.name));
    let occasions = asked.chain(read).chain([Trigger::Command, Trigger::Change]);
    occasions.flat_map(|occasion| profile.status_frames(occasion, state, 0)).collect()
}

pub(super) fn report(profile: &Profile, vector: &Vector) -> Result<(), String> {
    let role = vector.role.as_deref().unwrap_or("status");
    let means = &vector.means;
    let frame = match (&vector.hex, &vector.payload) {
        (Some(hex), _) => joined(profile, hex)?,
        (None, payload) => json(&bytes(payload.as_ref().unwrap())),
    };
    match profile.decode(role, &frame) {
        Ok(light) if light == *means => {}
        other => return Err(format!("decoded as {other:?}")),
    }
    if let Some(question) = &vector.asked {
        let question = bytes(question);
        let place = profile.queries(0).iter().position(|query| query.bytes == question);
        let place = place.ok_or("the profile does not ask this")?;
        let answers = profile.status_frames(Trigger::Query(place), means, 0);
        if !answers.iter().any(|answer| profile.decode(&answer.role, &answer.bytes).as_ref() == Ok(means)) {
            return Err("it is no answer to this query".into());
        }
    }
    let given = all_status_frames(profile, means);
    let same = given.iter().any(|answer| answer.role == role && answer.bytes == frame);
    match (&vector.near, same) {
        (None, true) | (Some(_), false) => Ok(()),
        (Some(near), true) => Err(format!("a virtual bulb sends exactly this, despite: {near}")),
        (None, false) => Err(format!(
            "a virtual bulb sends {}",
            given.iter().map(|answer| hex(&answer.bytes)).collect::<Vec<_>>().join(" or ")
        )),
    }
}

/// A status that comes in several notifications.
fn joined(profile: &Profile, notifications: &str) -> Result<Vec<u8>, String> {
    let mut parts = StatusParts::default();
    let joined: Vec<Option<Vec<u8>>> =
        notifications.split(" / ").map(|part| profile.join(&mut parts, &bytes(part))).collect();
    match joined.as_slice() {
        [before @ .., Some(last)] if before.iter().all(Option::is_none) => Ok(last.clone()),
        _ => Err("the last notification does not end it, or one before it does".into()),
    }
}

/// A LEDnetWF reply of sequence 0, built without the engine.
fn json(payload: &[u8]) -> Vec<u8> {
    let text = format!(r#"{{"code":0,"payload":"{}"}}"#, hex(payload).replace(' ', ""));
    let length = u8::try_from(text.len()).unwrap();
    [&[0, 0, 0x80, 0, 0, length, length + 1, 0x0A], text.as_bytes()].concat()
}

pub(super) fn advert(profile: &Profile, vector: &Vector) -> Result<(), String> {
    let data = bytes(vector.data.as_ref().unwrap());
    let manufacturer = [(vector.company.unwrap(), data.as_slice())];
    let advert = Advert { manufacturer: &manufacturer, ..Advert::default() };
    let means = &vector.means;
    match profile.decode_advert(&advert) {
        Some(light) if light == *means => {}
        other => return Err(format!("decoded as {other:?}")),
    }
    let sent = profile.advertise(means);
    let parts: Vec<_> = sent.manufacturer.iter().map(|(company, data)| (*company, data.as_slice())).collect();
    match profile.decode_advert(&Advert { manufacturer: &parts, ..Advert::default() }) {
        Some(light) if light == *means => Ok(()),
        other => Err(format!("advertised as {sent:?}, which is {other:?}")),
    }
}

pub(super) fn refused(profile: &Profile, vector: &Vector) -> Result<(), String> {
    let role = vector.role.as_deref().unwrap_or("control");
    error(profile.decode_command(role, &bytes(vector.hex.as_ref().unwrap())), vector)
}

pub(super) fn malformed(profile: &Profile, vector: &Vector) -> Result<(), String> {
    let role = vector.role.as_deref().unwrap_or("status");
    match (&vector.hex, &vector.payload) {
        (Some(hex), _) => error(profile.decode(role, &bytes(hex)), vector),
        (None, payload) => {
            let result = profile.decode(role, &json(&bytes(payload.as_ref().unwrap())));
            match result {
                Err(error) if Some(error.reason()) == vector.error.as_deref() => Ok(()),
                other => Err(format!("{other:?}")),
            }
        }
    }
}

fn error<T: std::fmt::Debug, E: ToString>(result: Result<T, E>, vector: &Vector) -> Result<(), String> {
    match result {
        Ok(value) => Err(format!("taken as {value:?}")),
        Err(error) if Some(error.to_string()) == vector.error => Ok(()),
        Err(error) => Err(format!("the error is {:?}", error.to_string())),
    }
}
