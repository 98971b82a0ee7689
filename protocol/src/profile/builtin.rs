//! The built-in families, from the files in `profiles/`.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde::Deserialize;

use super::file::MatchDef;
use super::{Advert, CharacteristicPath, Family, LoadError, Profile};
use crate::gatt::Uuid;

macro_rules! part {
    ($include:ident, $name:literal, $extension:literal) => {
        $include!(concat!(env!("OUT_DIR"), "/", $name, $extension))
    };
}

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        &[$(BuiltIn {
            name: $name,
            cbor: part!(include_bytes, $name, ".cbor"),
            outline: part!(include_bytes, $name, ".outline.cbor"),
            variants: part!(include_str, $name, ".variants.txt"),
            variants_cbor: part!(include_bytes, $name, ".variants.cbor"),
            models: part!(include_str, $name, ".models.txt"),
            patterns: part!(include_str, $name, ".patterns.txt"),
            supports: part!(include_str, $name, ".supports.txt"),
        }),*]
    };
}

/// A built-in profile in the parts that `build.rs` makes of it.
#[derive(Debug)]
pub(crate) struct BuiltIn {
    /// The name of the family.
    name: &'static str,
    /// The profile file as CBOR, without variants and lists of models.
    pub(super) cbor: &'static [u8],
    /// The fields of [`Outline`] as CBOR.
    outline: &'static [u8],
    /// The variants by name, one line each: the name, and where it is in `variants_cbor`: offset and length.
    variants: &'static str,
    variants_cbor: &'static [u8],
    /// The models, one line each: the model, the variant, and the number of a line of `supports` if it is not driven.
    pub(super) models: &'static str,
    /// The models with a `?`.
    pub(super) patterns: &'static str,
    /// Why models are not driven (`u`), and what they are if they are no bulbs (`n`).
    pub(super) supports: &'static str,
}

impl BuiltIn {
    fn family(&'static self) -> Result<Family, LoadError> {
        Ok(Family::built_in(self)?)
    }

    pub(super) fn variant_names(&self) -> impl Iterator<Item = &'static str> {
        self.variants.lines().filter_map(|line| line.split('\t').next())
    }

    /// The CBOR of a variant.
    pub(super) fn variant(&self, name: &str) -> Option<&'static [u8]> {
        let (known, place) = from_line(self.variants, name).lines().next()?.split_once('\t')?;
        let (offset, length) = place.split_once('\t').filter(|_| known == name)?;
        let (offset, length): (usize, usize) = (offset.parse().ok()?, length.parse().ok()?);
        self.variants_cbor.get(offset..offset.checked_add(length)?)
    }
}

/// The first column of a line.
pub(super) fn key_of(line: &str) -> &str {
    line.split('\t').next().unwrap_or_default()
}

/// The lines from the first one on whose key is not before this one. They are sorted by their keys.
pub(super) fn from_line<'a>(lines: &'a str, key: &str) -> &'a str {
    let (mut from, mut to) = (0, lines.len());
    while from < to {
        let middle = from.midpoint(to);
        let start =
            lines.get(from..middle).and_then(|half| half.rfind('\n')).map_or(from, |at| from + at + 1);
        let rest = lines.get(start..).unwrap_or_default();
        if key_of(rest) < key {
            from = rest.find('\n').map_or(to, |at| start + at + 1);
        } else {
            to = start;
        }
    }
    lines.get(from..).unwrap_or_default()
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
