//! The parts of a bulb that depend on its profile: the profile itself, the initial state, and the default GATT table.

use std::collections::BTreeMap;
use std::path::Path;

use bulb_protocol::file::Located;
use bulb_protocol::profile::{EncodeError, Family, Light, LoadError, Profile, builtin};
use uuid::Uuid;

use super::file::{BulbTable, EventTable};
use super::text::Level;
use super::validate::RigError;
use crate::files::{self, LONGEST_TEXT};
use crate::profiles;
use crate::radio::gatt::Characteristic;

const DEFAULT_PROFILE: &str = "base";

/// Loads the profiles of a rig, each once.
pub(super) struct ProfileLoader<'a> {
    /// The rig's folder. Names of profile files are relative to it.
    folder: &'a Path,
    known: BTreeMap<String, Profile>,
    texts: String,
}

impl<'a> ProfileLoader<'a> {
    /// `known` are profiles that are loaded already, by the names that the rig uses.
    pub(super) fn new(folder: &'a Path, known: BTreeMap<String, Profile>) -> Self {
        Self { folder, known, texts: String::new() }
    }

    /// The texts of all files that were read, one after the other.
    pub(super) fn texts(self) -> String {
        self.texts
    }

    /// The profile `NAME`, `NAME:VARIANT`, `FILE.toml` or `FILE.toml:VARIANT`; by default that of the base protocol.
    pub(super) fn get(&mut self, name: Option<&Located<String>>) -> Result<Profile, RigError> {
        let (text, at) = name.map_or((DEFAULT_PROFILE, 0), |name| (name.value.as_str(), name.at));
        if let Some(known) = self.known.get(text) {
            return Ok(known.clone());
        }
        let profile = self.load(text).map_err(|what| RigError(at, what))?;
        self.known.insert(text.to_owned(), profile.clone());
        Ok(profile)
    }

    fn load(&mut self, text: &str) -> Result<Profile, String> {
        let (file, variant) = match text.rsplit_once(".toml:") {
            Some((file, variant)) => (Some(format!("{file}.toml")), Some(variant)),
            None => (text.ends_with(".toml").then(|| text.to_owned()), None),
        };
        let Some(file) = file else {
            let (name, variant) = builtin::split_name(text);
            let profile = profiles::profile(name, variant.as_deref()).map_err(|error| error.to_string())?;
            return Ok((*profile).clone());
        };
        let content = files::try_text(&self.folder.join(&file), LONGEST_TEXT)
            .map_err(|error| format!("cannot read the profile {file}: {error}"))?;
        let family = Family::parse(&content).map_err(LoadError::from);
        let profile = family.and_then(|family| family.profile(variant));
        self.texts.push_str(&content);
        profile.map_err(|error| format!("invalid profile {file}: {error}"))
    }
}

/// The keys of a bulb or an event that set the light's state, each with its offset in the file.
pub(super) struct LightKeys(Vec<(usize, Light)>);

macro_rules! light_keys {
    ($table:expr) => {{
        let none = Light::default;
        let level = |level: &Located<Level>| (level.at, Some(level.value.0));
        let keys = [
            $table.power.as_ref().map(|on| (on.at, Light { power: Some(on.value), ..none() })),
            $table
                .brightness
                .as_ref()
                .map(level)
                .map(|(at, brightness)| (at, Light { brightness, ..none() })),
            $table.color.as_ref().map(|color| (color.at, Light { color: Some(color.value.0), ..none() })),
            $table.white.as_ref().map(level).map(|(at, white)| (at, Light { white, ..none() })),
            $table
                .kelvin
                .as_ref()
                .map(|kelvin| (kelvin.at, Light { kelvin: Some(kelvin.value.0), ..none() })),
            $table
                .effect
                .as_ref()
                .map(|name| (name.at, Light { effect: Some(name.value.clone()), ..none() })),
            $table.speed.as_ref().map(level).map(|(at, speed)| (at, Light { speed, ..none() })),
        ];
        LightKeys(keys.into_iter().flatten().collect())
    }};
}

impl LightKeys {
    pub(super) fn of_bulb(table: &BulbTable) -> Self {
        light_keys!(table)
    }

    pub(super) fn of_event(table: &EventTable) -> Self {
        light_keys!(table)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All keys together.
    pub(super) fn change(&self, profile: &Profile) -> Result<Light, RigError> {
        let mut change = Light::default();
        for (at, key) in &self.0 {
            let refused =
                |refusal: EncodeError| RigError(*at, format!("profile {}: {refusal}", profile.full_name()));
            profile.validate(key).map_err(refused)?;
            change.merge(key);
        }
        // The mode follows from all keys together, not from the last one.
        Ok(Light { mode: None, ..change })
    }

    pub(super) fn start(&self, profile: &Profile) -> Result<Light, RigError> {
        Ok(profile.starting_state(&self.change(profile)?))
    }
}

type Group = (Uuid, Vec<(Characteristic, Vec<u8>)>);

/// The services of a family, with a characteristic for every role.
pub(super) fn default_table(profile: &Profile) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for (service, uuid, properties) in profile.table() {
        let valued = (Characteristic::new(uuid, properties), Vec::new());
        match groups.iter_mut().find(|(known, _)| *known == service) {
            Some((_, list)) => list.push(valued),
            None => groups.push((service, vec![valued])),
        }
    }
    groups
}
