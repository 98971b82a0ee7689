//! The vectors of `vectors`, run against any version of their profile.

#[path = "vector_checks.rs"]
mod vector_checks;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use aes::cipher::{BlockCipherEncrypt, KeyInit};
use bulb_protocol::gatt::uuid_text;
use bulb_protocol::profile::{
    Advert, CharacteristicPath, Family as ProfileFamily, Key, Light, Mode, Profile,
};
use serde::Deserialize;

use vector_checks::*;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Vectors {
    pub(crate) profile: String,
    check: Option<String>,
    /// The key of a family whose frames are encrypted: ours, for tests. The vectors have the frames before that.
    key: Option<String>,
    #[serde(default)]
    command: Vec<Vector>,
    #[serde(default)]
    effects: Vec<Effects>,
    #[serde(default)]
    pieces: Vec<Pieces>,
    #[serde(default)]
    range: Vec<Range>,
    #[serde(default)]
    gatt: Vec<Gatt>,
    #[serde(default)]
    first: Vec<Vector>,
    #[serde(default)]
    keep_alive: Vec<Vector>,
    #[serde(default)]
    query: Vec<Vector>,
    #[serde(default)]
    report: Vec<Vector>,
    #[serde(default)]
    advert: Vec<Vector>,
    #[serde(default)]
    refused: Vec<Vector>,
    #[serde(default)]
    malformed: Vec<Vector>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Vector {
    hex: Option<String>,
    payload: Option<String>,
    data: Option<String>,
    company: Option<u16>,
    variant: Option<String>,
    variants: Vec<String>,
    name: Option<String>,
    address: Option<String>,
    role: Option<String>,
    sequence: u8,
    known: Light,
    means: Light,
    heard: Option<Light>,
    heard_only: Option<String>,
    near: Option<String>,
    asked: Option<String>,
    error: Option<String>,
    bad_check: bool,
    source: String,
    grade: Option<String>,
}

/// The numbers of effects, and the frame that carries them.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Effects {
    /// `{effect}` is the number, `{effect:le}` the number in two bytes, and `{check}` the checksum.
    hex: String,
    numbers: BTreeMap<String, u16>,
    variant: Option<String>,
    #[serde(default)]
    variants: Vec<String>,
    role: Option<String>,
    #[serde(default)]
    known: Light,
    source: String,
    grade: Option<String>,
}

/// Frames that differ from model to model in the pieces that they set.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pieces {
    /// `{mask}` is the mask of the model, with zeros up to the checksum after it.
    hex: String,
    masks: BTreeMap<String, String>,
    means: Light,
    source: String,
    grade: Option<String>,
}

/// The values that can be set, by variant or model: the first and the last.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Range {
    feature: String,
    of: BTreeMap<String, (u32, u32)>,
    source: String,
}

/// The places of a characteristic.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Gatt {
    role: String,
    at: Vec<String>,
    variant: Option<String>,
    source: String,
}

fn bytes(hex: &str) -> Vec<u8> {
    hex.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(" ")
}

/// The profiles of a file, by variant.
struct Family<'a> {
    family: &'a ProfileFamily,
    profiles: BTreeMap<Option<String>, Profile>,
    key: Option<Key>,
}

impl Family<'_> {
    fn profile(&mut self, vector: &Vector) -> Result<Profile, String> {
        if vector.name.is_some() {
            return self.of_advertised(vector);
        }
        self.variant(vector.variant.as_ref())
    }

    fn variant(&mut self, variant: Option<&String>) -> Result<Profile, String> {
        if let Some(profile) = self.profiles.get(&variant.cloned()) {
            return Ok(profile.clone());
        }
        let profile = self.family.profile(variant.map(String::as_str));
        let mut profile = profile.map_err(|error| error.to_string())?;
        if let Some(key) = self.key {
            assert!(profile.needs_key() && profile.unsupported.is_some());
            profile.set_key(key);
        }
        self.profiles.insert(variant.cloned(), profile.clone());
        Ok(profile)
    }

    /// The profile that drives a device with the name, the manufacturer data and the address of the vector.
    fn of_advertised(&self, vector: &Vector) -> Result<Profile, String> {
        let data = vector.data.as_deref().map(bytes);
        let manufacturer = vector.company.zip(data.as_deref());
        let manufacturer = manufacturer.as_slice();
        let advert = Advert { name: vector.name.as_deref(), manufacturer, ..Advert::default() };
        let found = self.family.recognise(&advert);
        if !found.identified {
            return Err(format!("{:?} is not recognised", vector.name));
        }
        let mut profile = self.family.profile_of(&found).map_err(|error| error.to_string())?;
        if let Some(address) = &vector.address {
            profile.set_address(bytes(&address.replace(':', " ")).try_into().unwrap());
        }
        Ok(profile)
    }
}

/// The folder of the vectors, or of the profiles.
pub(crate) fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// The vectors of every profile. Those of the base codec have a format of their own.
pub(crate) fn all() -> Vec<Vectors> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder("vectors")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.retain(|path| {
        path.extension().is_some_and(|extension| extension == "toml") && path.file_stem().unwrap() != "base"
    });
    let read = |path: &PathBuf| {
        let vectors: Vectors = toml::from_str(&fs::read_to_string(path).unwrap())
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(Some(vectors.profile.as_str()), path.file_stem().unwrap().to_str());
        vectors.expanded()
    };
    files.iter().map(read).chain([base()]).collect()
}

/// The vectors of the base codec that are valid, as those of a profile.
fn base() -> Vectors {
    #[derive(Deserialize)]
    struct Base {
        profile: String,
        valid: Vec<Valid>,
        gatt: Vec<Gatt>,
    }
    #[derive(Deserialize)]
    struct Valid {
        hex: String,
        source: String,
        #[serde(flatten)]
        means: Light,
    }
    let text = fs::read_to_string(folder("vectors/base.toml")).unwrap();
    let Base { profile, valid, gatt } = toml::from_str(&text).unwrap();
    let vector = |valid: &Valid, means: Light| {
        let (hex, source, grade) = (Some(valid.hex.clone()), valid.source.clone(), Some("A".to_owned()));
        Vector { hex, source, grade, means, ..Vector::default() }
    };
    let mode = Some(Mode::Color);
    let command = valid.iter().map(|valid| vector(valid, valid.means.clone())).collect();
    let report = valid.iter().map(|valid| vector(valid, Light { mode, ..valid.means.clone() })).collect();
    Vectors { profile, gatt, command, report, ..Vectors::default() }
}

type Check = fn(&Profile, &Vector) -> Result<(), String>;

impl Vectors {
    /// A vector for each variant and for each effect.
    fn expanded(mut self) -> Self {
        for effects in std::mem::take(&mut self.effects) {
            for (name, number) in &effects.numbers {
                let vector = Vector {
                    hex: Some(self.effect_frame(&effects.hex, *number)),
                    variant: effects.variant.clone(),
                    variants: effects.variants.clone(),
                    role: effects.role.clone(),
                    known: effects.known.clone(),
                    means: Light { effect: Some(name.clone()), ..Light::default() },
                    source: effects.source.clone(),
                    grade: effects.grade.clone(),
                    ..Vector::default()
                };
                self.command.push(vector);
            }
        }
        for pieces in std::mem::take(&mut self.pieces) {
            for (model, mask) in &pieces.masks {
                let frame = pieces.hex.replace("{mask}", mask);
                let padding = 20 - frame.split_whitespace().count();
                let frame = frame.replace("{check}", &("00 ".repeat(padding) + "{check}"));
                let vector = Vector {
                    hex: Some(self.effect_frame(&frame, 0)),
                    variant: Some(model.clone()),
                    means: pieces.means.clone(),
                    source: pieces.source.clone(),
                    grade: pieces.grade.clone(),
                    ..Vector::default()
                };
                self.command.push(vector);
            }
        }
        let kinds = [
            &mut self.command,
            &mut self.query,
            &mut self.report,
            &mut self.advert,
            &mut self.refused,
            &mut self.malformed,
            &mut self.first,
            &mut self.keep_alive,
        ];
        for vectors in kinds {
            let each = |vector: Vector| match vector.variants.as_slice() {
                [] => vec![vector],
                variants => {
                    let of = |variant: &String| Vector { variant: Some(variant.clone()), ..vector.clone() };
                    variants.iter().map(of).collect()
                }
            };
            *vectors = std::mem::take(vectors).into_iter().flat_map(each).collect();
        }
        self
    }

    /// Builds the frame of an effect without the engine.
    fn effect_frame(&self, frame: &str, number: u16) -> String {
        let [low, high] = number.to_le_bytes();
        let text = frame
            .replace("{effect:le}", &format!("{low:02X} {high:02X}"))
            .replace("{effect}", &format!("{low:02X}"));
        let Some(before) = text.strip_suffix("{check}") else { return text };
        let bytes = bytes(before);
        let check = match self.check.as_deref() {
            Some("xor") => bytes.iter().fold(0, |all, byte| all ^ byte),
            _ => bytes.iter().fold(0_u8, |all, byte| all.wrapping_add(*byte)),
        };
        format!("{before}{check:02X}")
    }

    /// Runs the vectors of some variants against a version of their profile, until one fails if `first` is set. Returns the
    /// failures.
    pub(crate) fn run(
        &self,
        family: &ProfileFamily,
        of: impl Fn(Option<&str>) -> bool,
        first: bool,
    ) -> Vec<String> {
        let mut family = Family { family, profiles: BTreeMap::new(), key: self.key() };
        let mut failures = Vec::new();
        for gatt in self.gatt.iter().filter(|gatt| of(gatt.variant.as_deref())) {
            let held = family.variant(gatt.variant.as_ref()).and_then(|profile| gatt_holds(&profile, gatt));
            failures.extend(
                held.err().map(|error| format!("{} {:?} {}: {error}", self.profile, gatt.variant, gatt.role)),
            );
        }
        for range in &self.range {
            assert!(!range.source.is_empty(), "{range:?} has no source");
            for (variant, ends) in
                range.of.iter().filter(|(name, _)| of(variant_of(name).map(String::as_str)))
            {
                let held = family
                    .variant(variant_of(variant))
                    .and_then(|profile| range_holds(&profile, &range.feature, *ends));
                failures.extend(
                    held.err().map(|error| format!("{}:{variant} {}: {error}", self.profile, range.feature)),
                );
            }
        }
        if first && !failures.is_empty() {
            return failures;
        }
        let kinds: [(&str, &[Vector], Check); 8] = [
            ("first", &self.first, first_writes),
            ("keep_alive", &self.keep_alive, keep_alive),
            ("query", &self.query, query),
            ("command", &self.command, command),
            ("report", &self.report, report),
            ("advert", &self.advert, advert),
            ("refused", &self.refused, refused),
            ("malformed", &self.malformed, malformed),
        ];
        for (kind, vectors, check) in kinds {
            let chosen = |vector: &&Vector| match &vector.name {
                Some(name) => of(Some(name)),
                None => of(vector.variant.as_deref()),
            };
            for vector in vectors.iter().filter(chosen) {
                if let Err(error) = self.holds(&mut family, kind, vector, check) {
                    failures.push(error);
                    if first {
                        return failures;
                    }
                }
            }
        }
        failures.extend(self.query_without_vector(&mut family, &of));
        failures
    }

    fn key(&self) -> Option<Key> {
        self.key.as_ref().map(|key| key.parse().unwrap())
    }

    /// A variant that has vectors for queries has them for all of its queries.
    fn query_without_vector(
        &self,
        family: &mut Family<'_>,
        of: &impl Fn(Option<&str>) -> bool,
    ) -> Option<String> {
        let unnamed = || self.query.iter().filter(|vector| vector.name.is_none());
        let variants: BTreeSet<_> = unnamed().map(|vector| &vector.variant).collect();
        variants.into_iter().filter(|variant| of(variant.as_deref())).find_map(|variant| {
            match family.variant(variant.as_ref()) {
                Ok(profile) => {
                    let own = unnamed().filter(|vector| vector.variant == *variant);
                    let known: BTreeSet<_> = own.filter_map(|vector| place_of(&profile, vector)).collect();
                    let all = profile.queries(0).len();
                    (all > known.len()).then(|| {
                        format!("{} has {all} queries, and vectors for {}", profile.full_name(), known.len())
                    })
                }
                Err(error) => Some(error),
            }
        })
    }

    /// The variants and models that vectors name, and the names of devices with the variants that drive them.
    #[allow(dead_code, reason = "families.rs runs all vectors")]
    pub(crate) fn variants(&self, family: &ProfileFamily) -> BTreeMap<String, Option<String>> {
        let all = [
            &self.command,
            &self.query,
            &self.report,
            &self.advert,
            &self.refused,
            &self.malformed,
            &self.first,
            &self.keep_alive,
        ];
        let mut of_whole = Family { family, profiles: BTreeMap::new(), key: self.key() };
        let mut variants = BTreeMap::new();
        for vector in all.into_iter().flatten() {
            if let Some(name) = vector.name.as_ref().or(vector.variant.as_ref()) {
                variants.insert(name.clone(), of_whole.profile(vector).unwrap().variant);
            }
        }
        let places = self.gatt.iter().filter_map(|gatt| gatt.variant.as_ref());
        let ranges = self.range.iter().flat_map(|range| range.of.keys());
        for name in places.chain(ranges.filter_map(variant_of)) {
            variants.insert(name.clone(), family.profile(Some(name)).unwrap().variant);
        }
        variants
    }

    fn holds(
        &self,
        family: &mut Family<'_>,
        kind: &str,
        vector: &Vector,
        check: Check,
    ) -> Result<(), String> {
        let says = vector.hex.as_ref().or(vector.payload.as_ref()).or(vector.data.as_ref()).unwrap();
        let named = |error: String| {
            let variant = vector.variant.as_deref().or(vector.name.as_deref()).unwrap_or_default();
            format!("{}:{variant} {kind} {says}: {error}", self.profile)
        };
        let profile = family.profile(vector).map_err(named)?;
        let vector = &encrypted(vector, self.key.as_deref());
        let says = vector.hex.as_ref().or(vector.payload.as_ref()).or(vector.data.as_ref()).unwrap();
        let mut result = check(&profile, vector);
        if !matches!(kind, "advert" | "first") {
            for frame in says.split(" / ") {
                result = result.and_then(|()| checksum(self.check.as_deref(), &bytes(frame), vector));
            }
        }
        assert!(!vector.source.is_empty(), "{says} has no source");
        let graded = matches!(vector.grade.as_deref(), Some("A" | "B" | "C"));
        assert!(graded || matches!(kind, "refused" | "malformed"), "{says} has no grade");
        result.map_err(named)
    }
}

/// `fff0/fff1`, as profiles write it.
fn path_text(path: &CharacteristicPath) -> String {
    let service = path.service.map_or("*".to_owned(), uuid_text);
    format!("{service}/{}", uuid_text(path.characteristic))
}

/// The vector with its frames encrypted, without the engine.
fn encrypted(vector: &Vector, key: Option<&str>) -> Vector {
    let (Some(key), Some(plain)) = (key, &vector.hex) else { return vector.clone() };
    let digits: Vec<u8> = key.bytes().filter(|digit| *digit != b' ').collect();
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    let key: [u8; 16] = digits.chunks(2).map(pair).collect::<Vec<u8>>().try_into().unwrap();
    let frame = |plain: &str| {
        let block: [u8; 16] = bytes(plain).try_into().expect("a block has 16 bytes");
        let mut block = block.into();
        aes::Aes128::new(&key.into()).encrypt_block(&mut block);
        hex(&block)
    };
    let hex = plain.split(" / ").map(frame).collect::<Vec<_>>().join(" / ");
    Vector { hex: Some(hex), ..vector.clone() }
}

/// The family itself is `-` where variants are keys.
fn variant_of(name: &String) -> Option<&String> {
    Some(name).filter(|name| *name != "-")
}
