//! The known bulb families: built in, from the user's folder, or configured for a bulb.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bulb_protocol::gatt::Uuid;
use bulb_protocol::profile::builtin::Outline;
use bulb_protocol::profile::{
    Advert, Family, FamilyMatch, Key, Light, LoadError, MIN_LEAD, MIN_SCORE, Profile, Support, builtin,
};

use crate::error::{Error, Result};
use crate::files::{self, LONGEST_TEXT};
use crate::profiles;
use crate::radio::{Address, GattTable, SeenDevice, Wanted};

/// The family of the base protocol. A device that advertises its service is taken for a bulb.
pub const BASE: &str = "base";
/// The least score of an advertisement that says "this is a bulb", although it does not identify the family. It is half the
/// score of a family's own name; names of vendors and single words have less.
const HINT: u32 = 20;

/// The families, and the configured profiles of single bulbs. Files and built-in families are read once, when needed.
#[derive(Debug, Default)]
pub struct Families {
    /// The folder with the user's own files.
    folder: Option<PathBuf>,
    /// The profile that drives every bulb, if the user chose one.
    chosen: Option<(String, Arc<Profile>)>,
    /// Profiles of single bulbs: an address, an identifier or a name, and the name of the profile.
    kept: Vec<(String, String)>,
    /// The keys of families whose frames are encrypted, by the name of the family.
    keys: BTreeMap<String, Key>,
    all: OnceLock<Vec<KnownFamily>>,
    made: Mutex<BTreeMap<String, Arc<Profile>>>,
}

/// A family that is read when a device may be of it.
#[derive(Debug)]
struct KnownFamily {
    /// `None` for a file of the user, which is read at once.
    outline: Option<Outline>,
    family: OnceLock<Arc<Family>>,
}

impl KnownFamily {
    fn name(&self) -> Option<&str> {
        self.outline.as_ref().map(Outline::name).or_else(|| self.family.get().map(|family| family.name()))
    }

    /// Returns `None` for a built-in file with a mistake, which a test rules out.
    fn family(&self) -> Option<&Family> {
        if self.family.get().is_none() {
            let family = profiles::family(self.outline.as_ref()?.name()).ok()?;
            return Some(self.family.get_or_init(|| family));
        }
        self.family.get().map(Arc::as_ref)
    }

    /// Compiles the family or a variant.
    fn profile(&self, variant: Option<&str>) -> Option<std::result::Result<Profile, LoadError>> {
        match &self.outline {
            Some(outline) => {
                Some(profiles::profile(outline.name(), variant).map(|profile| (*profile).clone()))
            }
            None => self.family().map(|family| family.profile(variant)),
        }
    }

    fn may_advertise(&self, advert: &Advert<'_>) -> bool {
        self.outline.as_ref().is_none_or(|outline| outline.may_advertise(advert))
    }

    fn may_have(&self, table: &GattTable) -> bool {
        let has = |service: Option<Uuid>, characteristic| {
            table.all().any(|(id, ..)| {
                id.characteristic == characteristic && service.is_none_or(|service| service == id.service)
            })
        };
        self.outline.as_ref().is_none_or(|outline| outline.may_have(has))
    }
}

impl Families {
    /// Returns the built-in families and those of the folder, where each file has the name of its family.
    #[must_use]
    pub fn new(folder: Option<PathBuf>) -> Self {
        Self { folder, ..Self::default() }
    }

    /// Adds a profile that drives every bulb: `NAME`, `NAME:VARIANT`, `FILE.toml` or `FILE.toml:VARIANT`.
    ///
    /// # Errors
    /// As for [`load`](Self::load).
    pub fn with_profile(mut self, text: &str) -> Result<Self> {
        self.chosen = Some((text.to_owned(), Arc::new(self.load(text)?.1)));
        Ok(self)
    }

    /// Adds profiles for single bulbs, each named by its address, identifier or name.
    #[must_use]
    pub fn with_bulb_profiles(mut self, kept: impl IntoIterator<Item = (String, String)>) -> Self {
        self.kept.extend(kept);
        self
    }

    /// Adds the keys of families whose frames are encrypted. Do this before any profile is loaded.
    #[must_use]
    pub fn with_keys(mut self, keys: BTreeMap<String, Key>) -> Self {
        self.keys.extend(keys);
        self
    }

    /// Gives a profile its key. Without the key, the profile says what to set.
    fn with_key(&self, mut profile: Profile) -> Profile {
        if profile.needs_key() {
            match self.keys.get(&profile.name) {
                Some(key) => profile.set_key(*key),
                None => {
                    profile.unsupported = Some(format!(
                        "its frames are encrypted; add the key of its app to [keys] in the configuration: {} = \"32 hex digits\"",
                        profile.name
                    ));
                }
            }
        }
        profile
    }

    /// Loads the family and the profile of `NAME`, `NAME:VARIANT`, `FILE.toml` or `FILE.toml:VARIANT`, and no other file.
    ///
    /// # Errors
    /// [`Error::ProfileUnknown`], [`Error::FileUnreadable`], [`Error::ProfileInvalid`] with the line.
    pub fn load(&self, text: &str) -> Result<(Family, Profile)> {
        let (path, variant) = match text.rsplit_once(".toml:") {
            Some((path, variant)) => (Some(PathBuf::from(format!("{path}.toml"))), Some(variant.to_owned())),
            None => (text.ends_with(".toml").then(|| PathBuf::from(text)), None),
        };
        let (name, variant) = match &path {
            Some(_) => ("", variant),
            None => builtin::split_name(text),
        };
        let own = path.clone().or_else(|| self.file_of(name).filter(|file| file.is_file()));
        let (family, place) = match own {
            Some(file) => (read(&file, path.is_none().then_some(name))?, file.display().to_string()),
            None => {
                let family = builtin::family(name).map_err(|error| self.unknown(text, text, error))?;
                (family, text.to_owned())
            }
        };
        let profile =
            family.profile(variant.as_deref()).map_err(|error| self.unknown(text, &place, error))?;
        Ok((family, self.with_key(profile)))
    }

    /// The names, the built-in ones first.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let own = self.files().into_iter().filter_map(|file| Some(file.file_stem()?.to_str()?.to_owned()));
        let mut names: Vec<String> = builtin::names().map(str::to_owned).collect();
        names.extend(own.filter(|name| !builtin::names().any(|known| known == name)));
        names
    }

    /// Loads all families.
    pub fn all(&self) -> impl Iterator<Item = &Family> {
        self.known().iter().filter_map(KnownFamily::family)
    }

    /// The families, with a warning for each of the user's files that has a mistake. Those files are left out.
    fn known(&self) -> &[KnownFamily] {
        self.all.get_or_init(|| {
            let own = self.files().into_iter().filter_map(|file| {
                let name = file.file_stem()?.to_str()?.to_owned();
                read(&file, Some(&name)).inspect_err(|error| tracing::warn!("{error}; passed over")).ok()
            });
            let own: Vec<Family> = own.collect();
            let replaced = |name: &str| own.iter().any(|family| family.name() == name);
            // A test reads all outlines.
            let outlines = builtin::outlines().unwrap_or_default().into_iter();
            let mut known: Vec<KnownFamily> = outlines
                .filter(|outline| !replaced(outline.name()))
                .map(|outline| KnownFamily { outline: Some(outline), family: OnceLock::new() })
                .collect();
            known.extend(
                own.into_iter().map(|family| KnownFamily { outline: None, family: Arc::new(family).into() }),
            );
            known
        })
    }

    /// Returns the profile of a family, compiled once.
    ///
    /// # Errors
    /// [`Error::ProfileUnknown`], [`Error::ProfileInvalid`].
    pub fn profile(&self, family: &str, variant: Option<&str>) -> Result<Arc<Profile>> {
        let text = variant.map_or_else(|| family.to_owned(), |variant| format!("{family}:{variant}"));
        let known = self.made.lock().unwrap_or_else(PoisonError::into_inner).get(&text).cloned();
        if let Some(profile) = known {
            return Ok(profile);
        }
        let known = self.known().iter().find(|one| one.name() == Some(family));
        let profile = match known.and_then(|one| one.profile(variant)) {
            Some(profile) => self.with_key(profile.map_err(|error| self.unknown(&text, &text, error))?),
            None => self.load(&text)?.1,
        };
        let profile = Arc::new(profile);
        self.made.lock().unwrap_or_else(PoisonError::into_inner).insert(text, Arc::clone(&profile));
        Ok(profile)
    }

    /// Returns the profile for a device that was recognised, compiled once.
    ///
    /// # Errors
    /// As for [`profile`](Self::profile).
    pub fn profile_of(&self, found: &FamilyMatch) -> Result<Arc<Profile>> {
        let profile = self.profile(&found.family, found.variant.as_deref())?;
        let refusal = found.support.refusal();
        if refusal.is_none() || refusal == profile.unsupported {
            return Ok(profile);
        }
        let mut refused = (*profile).clone();
        refused.unsupported = refusal;
        Ok(Arc::new(refused))
    }

    /// Returns the profile for this bulb from the command line or the configuration; `None` if the bulb has to be recognised.
    ///
    /// # Errors
    /// As for [`load`](Self::load).
    pub fn configured_profile(&self, report: &SeenDevice) -> Result<Option<Arc<Profile>>> {
        if let Some((_, chosen)) = &self.chosen {
            return Ok(Some(Arc::clone(chosen)));
        }
        let Some(text) = self.configured_name(report) else { return Ok(None) };
        let known = self.made.lock().unwrap_or_else(PoisonError::into_inner).get(text).cloned();
        if let Some(profile) = known {
            return Ok(Some(profile));
        }
        let profile = Arc::new(self.load(text)?.1);
        self.made
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(text.to_owned(), Arc::clone(&profile));
        Ok(Some(profile))
    }

    /// Returns the name or the file of the profile that is configured for this bulb.
    fn configured_name(&self, report: &SeenDevice) -> Option<&str> {
        let kept =
            || self.kept.iter().find(|(bulb, _)| is_named(report, bulb)).map(|(_, text)| text.as_str());
        self.chosen.as_ref().map(|(text, _)| text.as_str()).or_else(kept)
    }

    /// Scores the configured family of this bulb, or else the family of this name, by the advertisement. A configured file need
    /// not be among [`all`](Self::all).
    pub fn score_own(&self, report: &SeenDevice, family: &str) -> u32 {
        let own = self.configured_name(report).and_then(|text| self.load(text).ok());
        match own {
            Some((own, _)) => with_advert(report, |advert| own.recognise(advert).score),
            None => {
                let all = self.score_advertisement(report);
                all.iter().find(|one| one.family == family).map_or(0, |one| one.score)
            }
        }
    }

    /// Scores the families that have evidence in the advertisement of a device.
    #[must_use]
    pub fn score_advertisement(&self, report: &SeenDevice) -> Vec<FamilyMatch> {
        self.score_in_question(report, |_| false)
    }

    /// Scores the families that have evidence in the advertisement, or characteristics in the GATT table, of a device.
    pub(super) fn score_device(&self, report: &SeenDevice, table: &GattTable) -> Vec<FamilyMatch> {
        self.score_in_question(report, |family| family.may_have(table))
    }

    fn score_in_question(
        &self,
        report: &SeenDevice,
        in_question: impl Fn(&KnownFamily) -> bool,
    ) -> Vec<FamilyMatch> {
        with_advert(report, |advert| {
            let families = self.known().iter().filter(|one| one.may_advertise(advert) || in_question(one));
            families.filter_map(KnownFamily::family).map(|family| family.recognise(advert)).collect()
        })
    }

    /// Returns the family and variant that the advertisement identifies, or that is configured for this bulb.
    #[must_use]
    pub fn advertised(&self, report: &SeenDevice) -> Option<String> {
        // A mistake in a configured profile is an error when it drives the bulb, not here.
        if let Ok(Some(named)) = self.configured_profile(report) {
            return Some(named.full_name());
        }
        best_bulb(&self.score_advertisement(report)).map(full_name)
    }

    /// Returns true if a device is listed as a bulb: a profile recognises it, or its advertised name contains Light or Bulb in any
    /// case; but no profile knows it as something else.
    #[must_use]
    pub fn looks_like_a_bulb(&self, report: &SeenDevice) -> bool {
        if let Ok(Some(_)) = self.configured_profile(report) {
            return true;
        }
        let all = self.score_advertisement(report);
        if all.iter().any(|one| matches!(one.support, Support::NotABulb(_))) {
            return false;
        }
        let named = report.name.as_ref().is_some_and(|name| {
            let name = name.to_lowercase();
            name.contains("light") || name.contains("bulb")
        });
        // A name that two families share is one of either.
        let shared = || all.iter().any(|one| one.score >= MIN_SCORE && is_a_bulb(one));
        named || best_bulb(&all).is_some() || shared()
    }

    /// The bulbs among devices, for a radio that cannot remember all.
    #[must_use]
    pub fn wanted(self: &Arc<Self>) -> Wanted {
        let families = Arc::clone(self);
        Arc::new(move |device| families.looks_like_a_bulb(device))
    }

    /// Returns the profile that the advertisement identifies, or that is configured for this bulb.
    #[must_use]
    pub fn advertised_profile(&self, report: &SeenDevice) -> Option<Arc<Profile>> {
        if let Ok(Some(named)) = self.configured_profile(report) {
            return Some(named);
        }
        self.profile_of(best_bulb(&self.score_advertisement(report))?).ok()
    }

    /// Decodes the state in an advertisement; `None` if the family advertises none.
    #[must_use]
    pub fn advertised_light(&self, report: &SeenDevice) -> Option<Light> {
        if report.manufacturer.is_empty() && report.service_data.is_empty() {
            return None;
        }
        light_of(&*self.advertised_profile(report)?, report)
    }

    /// The user's file of a family.
    fn file_of(&self, name: &str) -> Option<PathBuf> {
        let plain = !name.is_empty() && !name.contains(['/', '\\']);
        Some(self.folder.as_ref().filter(|_| plain)?.join(format!("{name}.toml")))
    }

    /// The user's files, in the order of their names.
    fn files(&self) -> Vec<PathBuf> {
        let entries = self.folder.as_ref().and_then(|folder| fs::read_dir(folder).ok());
        let mut files: Vec<PathBuf> =
            entries.into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path())).collect();
        files.retain(|file| file.extension().is_some_and(|extension| extension == "toml"));
        files.sort();
        files
    }

    fn unknown(&self, text: &str, path: &str, error: LoadError) -> Error {
        match error {
            LoadError::Invalid(error) => {
                Error::ProfileInvalid { path: path.to_owned(), detail: error.to_string() }
            }
            LoadError::UnknownFamily { .. } => {
                Error::ProfileUnknown { name: text.to_owned(), have: self.names().join(", ") }
            }
            LoadError::UnknownVariant { family, known: have, .. } => Error::ProfileUnknown {
                name: text.to_owned(),
                have: format!("{family}, and of its variants {have}"),
            },
        }
    }
}

/// The family that an advertisement points to, if its device is a bulb.
fn best_bulb(all: &[FamilyMatch]) -> Option<&FamilyMatch> {
    let first = all.iter().max_by_key(|one| one.score)?;
    let rival = all.iter().filter(|one| one.family != first.family).map(|one| one.score).max();
    let enough = first.score >= if first.family == BASE { MIN_LEAD } else { HINT.min(MIN_SCORE) };
    (enough && first.score >= rival.unwrap_or(0) + MIN_LEAD && is_a_bulb(first)).then_some(first)
}

/// Returns true if the device is a bulb of this family, driven or not.
const fn is_a_bulb(found: &FamilyMatch) -> bool {
    matches!(found.support, Support::Driven | Support::Unsupported(_))
}

/// Reads a file, which must describe the family of this name.
fn read(file: &Path, name: Option<&str>) -> Result<Family> {
    let path = || file.display().to_string();
    let invalid = |detail: String| Error::ProfileInvalid { path: path(), detail };
    let content = files::text(file, LONGEST_TEXT)?;
    let family = Family::parse(&content).map_err(|error| invalid(error.to_string()))?;
    // The author of a file should see its mistakes, not only the owner of the model with the mistake.
    family.validate_variants().map_err(|error| invalid(error.to_string()))?;
    match name {
        Some(name) if family.name() != name => {
            Err(invalid(format!("it describes {:?}, and has to be called {0}.toml", family.name())))
        }
        _ => Ok(family),
    }
}

/// Decodes the state in an advertisement by this profile.
#[must_use]
pub fn light_of(profile: &Profile, report: &SeenDevice) -> Option<Light> {
    with_advert(report, |advert| profile.decode_advert(advert))
}

/// `elk`, or `elk:melk` for a variant.
#[must_use]
pub fn full_name(recognised: &FamilyMatch) -> String {
    match &recognised.variant {
        Some(variant) => format!("{}:{variant}", recognised.family),
        None => recognised.family.clone(),
    }
}

/// Calls `use_it` with the advertisement in the codec's form.
fn with_advert<T>(report: &SeenDevice, use_it: impl FnOnce(&Advert<'_>) -> T) -> T {
    let manufacturer: Vec<_> = report.manufacturer.iter().map(|(id, data)| (*id, data.as_slice())).collect();
    let service_data: Vec<_> =
        report.service_data.iter().map(|(uuid, data)| (*uuid, data.as_slice())).collect();
    use_it(&Advert {
        name: report.name.as_deref(),
        services: &report.services,
        manufacturer: &manufacturer,
        service_data: &service_data,
    })
}

/// Returns true if this is the device's address, identifier, name or alias. Case matters in the last three.
#[must_use]
pub fn is_named(report: &SeenDevice, text: &str) -> bool {
    text.parse::<Address>().is_ok_and(|address| report.address == Some(address))
        || report.id.as_str() == text
        || report.names().any(|name| name == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evidence(family: &str, score: u32) -> FamilyMatch {
        FamilyMatch {
            family: family.to_owned(),
            variant: None,
            model: None,
            support: Support::Driven,
            identified: true,
            score,
            evidence: Vec::new(),
        }
    }

    #[test]
    fn the_family_with_a_lead_over_all_others_is_the_best() {
        for (scores, best) in [
            (&[("elk", 60), ("zengge", 50)][..], Some("elk")),
            (&[("elk", 60), ("zengge", 51)], None),
            (&[("zengge", 51), ("elk", 61), ("elk", 60)], Some("elk")),
            (&[("elk", HINT)], Some("elk")),
            (&[("elk", HINT - 1)], None),
            (&[(BASE, MIN_LEAD)], Some(BASE)),
            (&[(BASE, MIN_LEAD - 1)], None),
            (&[], None),
        ] {
            let all: Vec<_> = scores.iter().map(|(family, score)| evidence(family, *score)).collect();
            assert_eq!(best_bulb(&all).map(|one| one.family.as_str()), best, "{scores:?}");
        }
        let refused = FamilyMatch { support: Support::NotABulb(String::new()), ..evidence("elk", 60) };
        assert!(best_bulb(&[refused]).is_none());
    }

    #[test]
    fn each_setting_leaves_the_others() {
        let folder = tempfile::TempDir::new().unwrap();
        let all = Families::new(Some(folder.path().to_owned()))
            .with_profile("elk")
            .unwrap()
            .with_keys([("hue".to_owned(), Key::new([0; 16]))].into())
            .with_bulb_profiles([("Light-1".to_owned(), "hue".to_owned())])
            .with_bulb_profiles([("Light-2".to_owned(), "base".to_owned())]);
        assert_eq!(all.folder.as_deref(), Some(folder.path()));
        assert_eq!(all.chosen.as_ref().map(|(text, _)| text.as_str()), Some("elk"));
        assert_eq!((all.keys.len(), all.kept.len()), (1, 2));
    }

    #[test]
    fn a_bulb_is_named_by_its_address_identifier_name_or_alias() {
        let bulb = SeenDevice {
            id: crate::radio::DeviceId::new("6B29FC40-CA47-1067-B31D-00DD010662DA".to_owned()),
            address: "C4:11:00:00:00:01".parse().ok(),
            name: Some("Light-1".to_owned()),
            alias: Some("Desk".to_owned()),
            ..SeenDevice::default()
        };
        for text in ["c4-11-00-00-00-01", "6B29FC40-CA47-1067-B31D-00DD010662DA", "Light-1", "Desk"] {
            assert!(is_named(&bulb, text), "{text}");
        }
        for text in ["C4:11:00:00:00:02", "light-1", "", "6b29fc40-ca47-1067-b31d-00dd010662da"] {
            assert!(!is_named(&bulb, text), "{text}");
        }
    }
}
