//! The vectors of `vectors/models`: what other programs write for the models that they know. The model and the variant are
//! found in the advertisement, as on a radio.
#![cfg(feature = "profiles")]
// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use bulb_protocol::gatt::parse_uuid;
use bulb_protocol::profile::{
    Advert, CharacteristicPath, DecodedCommand, Family, FamilyMatch, Feature, Identification, Light, Profile,
    builtin, identify,
};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vectors {
    profile: String,
    models: Vec<Models>,
}

/// Models that a program treats alike.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Models {
    peer: String,
    /// The frames have no transport.
    #[serde(default)]
    payload: bool,
    devices: Vec<Device>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Device {
    model: String,
    name: Option<String>,
    company: Option<u16>,
    data: Option<String>,
    service: Option<String>,
    service_data: Option<String>,
    address: Option<String>,
    #[serde(default)]
    table: Vec<CharacteristicPath>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    #[serde(default)]
    ask: Light,
    #[serde(default)]
    known: Light,
    hex: Option<String>,
    kelvin: Option<(u32, u32)>,
    #[serde(default)]
    refused: bool,
    #[serde(default)]
    not_driven: bool,
    differs: Option<String>,
}

fn all() -> Vec<Vectors> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/models");
    let read = |path: &Path| toml::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    fs::read_dir(folder).unwrap().map(|entry| read(&entry.unwrap().path())).collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    hex.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
}

/// The profile that drives the device, if one does.
fn recognised(families: &[Family], device: &Device) -> Option<Profile> {
    let data = device.data.as_deref().map(bytes);
    let manufacturer = device.company.zip(data.as_deref());
    let of_service = device.service_data.as_deref().map(bytes);
    let service_data = device.service.as_deref().and_then(parse_uuid).zip(of_service.as_deref());
    let advert = Advert {
        name: device.name.as_deref(),
        manufacturer: manufacturer.as_slice(),
        service_data: service_data.as_slice(),
        ..Advert::default()
    };
    let all: Vec<FamilyMatch> = families.iter().map(|family| family.recognise(&advert)).collect();
    let profile_of = |found: &FamilyMatch| {
        let family = families.iter().find(|family| family.name() == found.family).unwrap();
        family.profile_of(found).unwrap()
    };
    let mut profile = match identify(&all) {
        Identification::Certain(found) => profile_of(found),
        // The GATT table tells them apart.
        Identification::Uncertain(found) => {
            let mut fits = found.into_iter().filter(|one| one.identified).map(profile_of).filter(|profile| {
                let at = &profile.role("control").unwrap().at;
                device.table.is_empty() || at.iter().any(|path| device.table.contains(path))
            });
            let only = fits.next()?;
            if fits.next().is_some() {
                return None;
            }
            only
        }
        Identification::Unknown => return None,
    };
    if let Some(address) = &device.address {
        profile.set_address(bytes(&address.replace(':', " ")).try_into().unwrap());
    }
    profile.unsupported.is_none().then_some(profile)
}

/// Compares a case with what the profile does. `None` if no profile drives the device.
fn same(profile: Option<&Profile>, case: &Case, payload: bool) -> Result<(), String> {
    let profile = match (profile, case.not_driven) {
        (None, true) => return Ok(()),
        (Some(profile), true) => return Err(format!("{} drives it", profile.full_name())),
        (None, false) => return Err("it is not driven".to_owned()),
        (Some(profile), false) => profile,
    };
    if let Some(range) = case.kelvin {
        let ours = profile.range(Feature::Kelvin);
        return if ours == Some(range) { Ok(()) } else { Err(format!("the range is {ours:?}")) };
    }
    let encoded = profile.encode(&case.ask, &case.known, 0);
    let Some(hex) = &case.hex else {
        assert!(case.refused, "{case:?} says nothing", case = case.ask);
        return if encoded.is_err() { Ok(()) } else { Err("it is not refused".to_owned()) };
    };
    let ours = encoded.map_err(|error| error.to_string())?.writes;
    let start = if payload { 8 } else { 0 };
    let theirs: Vec<Vec<u8>> = hex.split(" / ").map(bytes).collect();
    if !ours.iter().map(|write| write.bytes.get(start..).unwrap()).eq(theirs.iter().map(Vec::as_slice)) {
        let ours: Vec<_> = ours.iter().map(|write| format!("{:02X?}", write.bytes)).collect();
        return Err(format!("it is encoded as {}", ours.join(" / ")));
    }
    // `frame decode` knows each of them. What only leads to another frame is a rule of the link.
    for write in &ours {
        let decoded = profile.decode_command(&write.role, &write.bytes);
        if !matches!(decoded, Ok(DecodedCommand::Change(_) | DecodedCommand::LinkRule)) {
            return Err(format!("{:02X?} is decoded as {decoded:?}", write.bytes));
        }
    }
    Ok(())
}

#[test]
fn every_model_of_other_programs_gets_its_frames() {
    let families = builtin::families().unwrap();
    let mut failures = Vec::new();
    for vectors in all() {
        for models in &vectors.models {
            for device in &models.devices {
                let profile = recognised(&families, device);
                if let Some(profile) = &profile {
                    assert_eq!(profile.name, vectors.profile, "{}", device.model);
                }
                for case in &models.cases {
                    let result = same(profile.as_ref(), case, models.payload);
                    let failure = match (result, &case.differs) {
                        (Ok(()), None) | (Err(_), Some(_)) => continue,
                        (Ok(()), Some(why)) => format!("it is the same, despite: {why}"),
                        (Err(error), None) => error,
                    };
                    let asked = case.hex.as_deref().unwrap_or_default();
                    failures.push(format!("{} {} {asked}: {failure}", models.peer, device.model));
                }
            }
        }
    }
    assert!(failures.is_empty(), "{} failed:\n{}", failures.len(), failures.join("\n"));
}

/// Without the files, the test above would pass.
#[test]
fn the_models_are_there() {
    let models = |family: &str| {
        let files = all().into_iter().filter(|vectors| vectors.profile == family);
        let devices = files.flat_map(|vectors| vectors.models).flat_map(|models| models.devices);
        devices.map(|device| device.model).collect::<BTreeSet<_>>().len()
    };
    for (family, least) in
        [("govee", 500), ("neewer", 60), ("lednetwf", 50), ("switchbot", 100), ("zengge", 5)]
    {
        assert!(models(family) >= least, "{family} has vectors for {} models", models(family));
    }
}
