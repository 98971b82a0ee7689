//! The built-in families, from the files in `profiles/`.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde::Deserialize;

use super::file::MatchDef;
use super::{Advert, CharacteristicPath, Family, LoadError, Profile};
use crate::gatt::Uuid;

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        &[$(BuiltIn {
            name: $name,
            cbor: include_bytes!(concat!(env!("OUT_DIR"), "/", $name, ".cbor")),
            outline: include_bytes!(concat!(env!("OUT_DIR"), "/", $name, ".outline.cbor")),
        }),*]
    };
}

/// A built-in profile.
#[derive(Debug)]
struct BuiltIn {
    /// The name of the family.
    name: &'static str,
    /// The profile file as CBOR, made by `build.rs`.
    cbor: &'static [u8],
    /// The fields of [`Outline`] as CBOR.
    outline: &'static [u8],
}

impl BuiltIn {
    fn family(&self) -> Result<Family, LoadError> {
        Ok(Family::from_cbor(self.cbor)?)
    }
}

/// The built-in profiles.
static FILES: &[BuiltIn] = files![
    "base",
    "elk",
    "led-lamp",
    "zengge",
    "sp110e",
    "sp107e",
    "sp105e",
    "playbulb",
    "govee",
    "switchbot",
    "lednetwf",
    "hue",
    "yeelight",
    "avea",
    "neewer",
    "banlanx",
    "hilighting",
    "bj-led",
    "hello-fairy",
    "istrip",
    "ideal-led",
];

/// The part of a profile that says whether a device may be of its family. It is much smaller than the whole, so that a
/// program only loads the families that come into question.
#[derive(Debug, Deserialize)]
pub struct Outline {
    #[serde(skip)]
    name: &'static str,
    #[serde(rename = "match")]
    rules: Vec<MatchDef>,
    characteristics: Vec<CharacteristicPath>,
}

impl Outline {
    /// The name of the family.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Returns false if the family has no evidence in this advertisement, whatever its model.
    #[must_use]
    pub fn may_advertise(&self, advert: &Advert<'_>) -> bool {
        self.rules.iter().any(|rule| rule.fits(advert))
    }

    /// Returns false if a device with these characteristics has none of the family's. `has` takes a service, if the family
    /// names one, and a characteristic.
    pub fn may_have(&self, has: impl Fn(Option<Uuid>, Uuid) -> bool) -> bool {
        self.characteristics.iter().any(|path| has(path.service, path.characteristic))
    }
}

/// Reads the outlines of all families.
///
/// # Errors
/// Never: a test reads all of them.
pub fn outlines() -> Result<Vec<Outline>, LoadError> {
    let read = |file: &BuiltIn| -> Result<Outline, LoadError> {
        Ok(Outline { name: file.name, ..crate::file::parse_cbor(file.outline)? })
    };
    FILES.iter().map(read).collect()
}

/// The names of the families.
pub fn names() -> impl Iterator<Item = &'static str> {
    FILES.iter().map(|file| file.name)
}

/// Loads a family.
///
/// # Errors
/// [`LoadError::UnknownFamily`] if there is no such family.
pub fn family(name: &str) -> Result<Family, LoadError> {
    let Some(file) = FILES.iter().find(|file| file.name == name) else {
        let known: Vec<_> = names().collect();
        return Err(LoadError::UnknownFamily { name: name.to_string(), known: known.join(", ") });
    };
    file.family()
}

/// Loads all families.
///
/// # Errors
/// Never: a test loads every file.
pub fn families() -> Result<Vec<Family>, LoadError> {
    FILES.iter().map(BuiltIn::family).collect()
}

/// Loads a family, or one of its variants.
///
/// # Errors
/// [`LoadError`] if there is no such family or variant.
pub fn load(name: &str, variant: Option<&str>) -> Result<Profile, LoadError> {
    family(name)?.profile(variant)
}

/// Splits `NAME` or `NAME:VARIANT`.
#[must_use]
pub fn split_name(text: &str) -> (&str, Option<String>) {
    match text.split_once(':') {
        Some((name, variant)) => (name, Some(variant.to_string())),
        None => (text, None),
    }
}
