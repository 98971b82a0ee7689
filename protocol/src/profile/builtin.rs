//! The families that come with the crate, each the text of a file in `profiles/`.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::{Family, LoadError, ParseError, Profile};

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../profiles/", $name, ".toml")))),*]
    };
}

/// Name and text of each file.
pub static FILES: &[(&str, &str)] = files![
    "base",
    "elk",
    "led-lamp",
    "zengge",
    "sp110e",
    "playbulb",
    "govee",
    "switchbot",
    "lednetwf",
    "hue",
    "yeelight",
    "avea",
    "neewer",
    "banlanx",
];

/// The names.
pub fn names() -> impl Iterator<Item = &'static str> {
    FILES.iter().map(|(name, _)| *name)
}

/// Reads the file of a family.
///
/// # Errors
/// [`LoadError::NoFamily`].
pub fn family(name: &str) -> Result<Family, LoadError> {
    let Some((_, text)) = FILES.iter().find(|(known, _)| *known == name) else {
        let have: Vec<_> = names().collect();
        return Err(LoadError::NoFamily { name: name.to_string(), have: have.join(", ") });
    };
    Ok(Family::parse(text)?)
}

/// Reads the files of all families.
///
/// # Errors
/// None, as a test reads every file.
pub fn families() -> Result<Vec<Family>, ParseError> {
    FILES.iter().map(|(_, text)| Family::parse(text)).collect()
}

/// Compiles a family, or one of its variants.
///
/// # Errors
/// [`LoadError`]: there is no such family or variant.
pub fn load(name: &str, variant: Option<&str>) -> Result<Profile, LoadError> {
    family(name)?.profile(variant)
}

/// Takes `NAME` or `NAME:VARIANT` apart.
#[must_use]
pub fn split_name(text: &str) -> (&str, Option<String>) {
    match text.split_once(':') {
        Some((name, variant)) => (name, Some(variant.to_string())),
        None => (text, None),
    }
}
