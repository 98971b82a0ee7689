//! Cases of models: what a library does with a device that advertises, and what we do.

use anyhow::{Context, Result, anyhow, ensure};
use bulb_protocol::gatt::{Uuid, parse_uuid};
use bulb_protocol::profile::{
    Advert, CharacteristicPath, Family, FamilyMatch, Feature, Identification, Profile, builtin, identify,
};
use serde::Deserialize;

use super::cases::{Found, Line, bytes, encode};

/// A device as it advertises.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(deny_unknown_fields)]
pub(super) struct Advertised {
    pub(super) name: Option<String>,
    pub(super) company: Option<u16>,
    pub(super) data: Option<String>,
    pub(super) service: Option<String>,
    pub(super) service_data: Option<String>,
    /// For frames that carry it.
    pub(super) address: Option<String>,
    /// Characteristics, `service/characteristic`, if the advertisement is not enough.
    #[serde(default)]
    pub(super) table: Vec<String>,
}

/// All families, to find the one of a device.
#[derive(Debug)]
pub(super) struct Devices(Vec<Family>);

impl Devices {
    pub(super) fn new() -> Result<Self> {
        Ok(Self(builtin::families().map_err(|error| anyhow!("{error}"))?))
    }

    /// Compares the library with our engine. Returns `None` if they agree.
    pub(super) fn compare(&self, line: &Line) -> Result<Option<Found>> {
        let device = line.device.as_ref().context("a case of a model has a device")?;
        let profile = match self.recognise(device)? {
            Ok(profile) => profile,
            Err(_) if line.not_driven => return Ok(None),
            Err(reason) => return Ok(Some(format!("we do not drive it: {reason}").into())),
        };
        if line.not_driven {
            return Ok(Some(format!("it does not drive this; we do, as {}", profile.full_name()).into()));
        }
        ensure!(profile.name == line.profile, "it is of the family {}", profile.name);
        if let Some(theirs) = line.kelvin {
            let ours = profile.range(Feature::Kelvin);
            return Ok((ours != Some(theirs))
                .then(|| format!("{theirs:?} K there and {ours:?} K as {}", profile.full_name()).into()));
        }
        if line.refused {
            let ours = profile.encode(&line.ask.light, &line.known.light, 0).ok();
            return Ok(
                ours.map(|_| format!("it refuses {}, we do it as {}", line.case, profile.full_name()).into())
            );
        }
        let found = encode(&profile, line)?;
        Ok(found.map(|found| Found { text: format!("{} as {}", found.text, profile.full_name()), ..found }))
    }

    /// The profile that drives a device, or the reason why none does.
    fn recognise(&self, device: &Advertised) -> Result<Result<Profile, String>> {
        let data = device.data.as_deref().map(bytes).transpose()?;
        let manufacturer = device.company.zip(data.as_deref());
        let service: Option<Uuid> = device.service.as_deref().and_then(parse_uuid);
        let of_service = device.service_data.as_deref().map(bytes).transpose()?;
        let service_data = service.zip(of_service.as_deref());
        let advert = Advert {
            name: device.name.as_deref(),
            manufacturer: manufacturer.as_slice(),
            service_data: service_data.as_slice(),
            ..Advert::default()
        };
        let all: Vec<FamilyMatch> = self.0.iter().map(|family| family.recognise(&advert)).collect();
        let found = match identify(&all) {
            Identification::Certain(found) => found,
            Identification::Uncertain(found) => match self.narrowed(&found, &device.table).as_slice() {
                [only] => only,
                _ => return Ok(Err(format!("{} families come into question", found.len()))),
            },
            Identification::Unknown => return Ok(Err("no family comes into question".to_owned())),
        };
        let family = self.0.iter().find(|family| family.name() == found.family).context("it was found")?;
        let mut profile = family.profile_of(found).map_err(|error| anyhow!("{error}"))?;
        if let Some(reason) = profile.unsupported {
            return Ok(Err(reason));
        }
        if let Some(address) = &device.address {
            let address = bytes(&address.replace(':', ""))?;
            profile.set_address(address.try_into().map_err(|_| anyhow!("an address has six bytes"))?);
        }
        Ok(Ok(profile))
    }

    /// The families with a name, of which the table has the control characteristic if there is one.
    fn narrowed<'a>(&self, found: &[&'a FamilyMatch], table: &[String]) -> Vec<&'a FamilyMatch> {
        let paths: Vec<CharacteristicPath> = table.iter().filter_map(|path| path.parse().ok()).collect();
        let has = |one: &FamilyMatch| {
            let family = self.0.iter().find(|family| family.name() == one.family);
            let profile = family.and_then(|family| family.profile_of(one).ok());
            let control = profile.as_ref().and_then(|profile| profile.role("control"));
            control.is_some_and(|role| role.at.iter().any(|path| paths.contains(path)))
        };
        let fits = |one: &&FamilyMatch| one.identified && (table.is_empty() || has(one));
        found.iter().copied().filter(fits).collect()
    }
}
