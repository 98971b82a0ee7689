//! The vectors of `vectors/models`: the devices, the profile that drives each, and what the programs write.

use std::fs;
use std::path::Path;

use bulb_protocol::gatt::parse_uuid;
use bulb_protocol::profile::{
    Advert, CharacteristicPath, DecodedCommand, Family, FamilyMatch, Feature, Identification, Light, Profile,
    identify,
};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Vectors {
    pub(crate) profile: String,
    pub(crate) models: Vec<Models>,
}

/// Models that a program treats alike.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Models {
    #[allow(dead_code, reason = "models_of_peers.rs names it")]
    pub(crate) peer: String,
    /// The frames have no transport.
    #[serde(default)]
    pub(crate) payload: bool,
    pub(crate) devices: Vec<Device>,
    pub(crate) cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Device {
    #[allow(dead_code, reason = "models_of_peers.rs names it")]
    pub(crate) model: String,
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
pub(crate) struct Case {
    #[serde(default)]
    ask: Light,
    #[serde(default)]
    known: Light,
    pub(crate) hex: Option<String>,
    kelvin: Option<(u32, u32)>,
    #[serde(default)]
    refused: bool,
    #[serde(default)]
    not_driven: bool,
    pub(crate) differs: Option<String>,
}

pub(crate) fn all() -> Vec<Vectors> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/models");
    let read = |path: &Path| toml::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    fs::read_dir(folder).unwrap().map(|entry| read(&entry.unwrap().path())).collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    hex.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
}

/// The family and the variant of the device, if its advertisement tells them.
pub(crate) fn recognised(families: &[Family], device: &Device) -> Option<FamilyMatch> {
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
    match identify(&all) {
        Identification::Certain(found) => Some(found.clone()),
        // The GATT table tells them apart.
        Identification::Uncertain(found) => {
            let fits = |found: &&FamilyMatch| {
                let family = families.iter().find(|family| family.name() == found.family).unwrap();
                let profile = family.profile_of(found).unwrap();
                let at = &profile.role("control").unwrap().at;
                device.table.is_empty() || at.iter().any(|path| device.table.contains(path))
            };
            let mut fits = found.into_iter().filter(|one| one.identified).filter(fits);
            let only = fits.next()?.clone();
            fits.next().is_none().then_some(only)
        }
        Identification::Unknown => None,
    }
}

/// The profile that drives a device that was recognised, if one does.
pub(crate) fn driven(family: &Family, found: &FamilyMatch, device: &Device) -> Option<Profile> {
    let mut profile = family.profile_of(found).ok()?;
    if let Some(address) = &device.address {
        profile.set_address(bytes(&address.replace(':', " ")).try_into().unwrap());
    }
    profile.unsupported.is_none().then_some(profile)
}

/// Compares a case with what the profile does. `None` if no profile drives the device.
pub(crate) fn same(profile: Option<&Profile>, case: &Case, payload: bool) -> Result<(), String> {
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
