//! The built-in families, each read once in a program, and their profiles, each compiled once: the sim radio and the bulbs
//! that it plays share them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use bulb_protocol::profile::{Family, LoadError, Profile, builtin};

static FAMILIES: Mutex<BTreeMap<String, Arc<Family>>> = Mutex::new(BTreeMap::new());
static PROFILES: Mutex<BTreeMap<String, Arc<Profile>>> = Mutex::new(BTreeMap::new());

/// Returns a built-in family.
///
/// # Errors
/// [`LoadError::UnknownFamily`].
pub(crate) fn family(name: &str) -> Result<Arc<Family>, LoadError> {
    once(&FAMILIES, name, || builtin::family(name))
}

/// Returns the profile of a built-in family or variant.
///
/// # Errors
/// As for [`builtin::load`].
pub(crate) fn profile(name: &str, variant: Option<&str>) -> Result<Arc<Profile>, LoadError> {
    let full = variant.map_or_else(|| name.to_owned(), |variant| format!("{name}:{variant}"));
    once(&PROFILES, &full, || family(name)?.profile(variant))
}

/// Makes what is not there yet. What two threads make at the same time is the same.
fn once<T>(
    all: &Mutex<BTreeMap<String, Arc<T>>>,
    name: &str,
    make: impl FnOnce() -> Result<T, LoadError>,
) -> Result<Arc<T>, LoadError> {
    let known = all.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
    if let Some(known) = known {
        return Ok(known);
    }
    let made = Arc::new(make()?);
    all.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), Arc::clone(&made));
    Ok(made)
}
