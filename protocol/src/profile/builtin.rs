//! The built-in families, from the files in `profiles/`.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::{Family, LoadError, ParseError, Profile};

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../profiles/", $name, ".toml")))),*]
    };
}

/// The name and the text of each file.
pub static FILES: &[(&str, &str)] = files![
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
];

/// The names of the families.
pub fn names() -> impl Iterator<Item = &'static str> {
    FILES.iter().map(|(name, _)| *name)
}

/// Parses the file of a family.
///
/// # Errors
/// [`LoadError::UnknownFamily`] if there is no such family.
pub fn family(name: &str) -> Result<Family, LoadError> {
    let Some((_, text)) = FILES.iter().find(|(known, _)| *known == name) else {
        let known: Vec<_> = names().collect();
        return Err(LoadError::UnknownFamily { name: name.to_string(), known: known.join(", ") });
    };
    Ok(Family::parse(text)?)
}

/// Parses the files of all families.
///
/// # Errors
/// Never: a test parses every file.
pub fn families() -> Result<Vec<Family>, ParseError> {
    FILES.iter().map(|(_, text)| Family::parse(text)).collect()
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
