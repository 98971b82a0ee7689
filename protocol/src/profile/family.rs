//! Profile files.

use alloc::borrow::Cow;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use super::abilities::Grade;
use super::builtin::BuiltIn;
use super::compile;
use super::file::{File, Located, VariantDef};
use super::light::Feature;
use super::models::{Models, Support};
use super::recognise::{AdvertData, FamilyMatch};
use super::{Example, Profile, Readback};
use crate::file::ParseError;

/// A family of bulbs: a parsed profile file. [`Family::profile`] compiles it or one of its variants.
#[derive(Clone)]
pub struct Family {
    /// Without variants, if it is built in.
    pub(crate) file: File,
    pub(crate) models: Models,
    /// Where the variants are, if it is built in: one is read when it is needed.
    built_in: Option<&'static BuiltIn>,
    /// For the lines of mistakes. Empty if it is built in, and so has none.
    text: String,
}

impl fmt::Debug for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, models, .. } = self;
        f.debug_struct("Family").field("file", file).field("models", models).finish_non_exhaustive()
    }
}

/// An error of loading a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoadError {
    /// The profile file has a mistake.
    Invalid(ParseError),
    /// There is no such family.
    UnknownFamily {
        /// The name.
        name: String,
        /// The names of the families, separated by commas.
        known: String,
    },
    /// The family has no such variant.
    UnknownVariant {
        /// The family.
        family: String,
        /// The variant.
        variant: String,
        /// The names of the variants, separated by commas.
        known: String,
    },
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(error) => error.fmt(f),
            Self::UnknownFamily { name, known } => {
                write!(f, "there is no profile {name:?}; the profiles are: {known}")
            }
            Self::UnknownVariant { family, variant, known } => {
                write!(f, "profile {family} has no variant {variant:?}; its variants are: {known}")
            }
        }
    }
}

impl core::error::Error for LoadError {}

impl From<ParseError> for LoadError {
    fn from(error: ParseError) -> Self {
        Self::Invalid(error)
    }
}

/// A feature of a family, for lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ability {
    /// The feature.
    pub feature: Feature,
    /// True if a command can set it.
    pub set: bool,
    /// True if status frames report it.
    pub reported: bool,
    /// True if advertisements report it.
    pub advertised: bool,
    /// True if the bulb does it by dimming colour and white.
    pub scaled: bool,
    /// The least and the greatest value, in percent or kelvin.
    pub range: Option<(u32, u32)>,
    /// The trust in it.
    pub grade: Grade,
}

/// The most values of a profile file: each variant is compiled from all of them. The largest built-in one has three thousand.
const MOST_VALUES: usize = 10_000;

impl Family {
    /// Parses the text of a profile file.
    ///
    /// # Errors
    /// [`ParseError`] with the line. [`validate_variants`](Self::validate_variants) finds mistakes in frames and variants.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let file: File = crate::file::parse(text, MOST_VALUES)?;
        compile::validate(&file).map_err(|mistake| mistake.in_text(text))?;
        let models = Models::new(&file).map_err(|mistake| mistake.in_text(text))?;
        Ok(Self { file, models, built_in: None, text: text.into() })
    }

    /// Reads a built-in profile, which is known to be right.
    pub(super) fn built_in(built_in: &'static BuiltIn) -> Result<Self, ParseError> {
        let file = crate::file::parse_cbor(built_in.cbor)?;
        Ok(Self { file, models: Models::BuiltIn(built_in), built_in: Some(built_in), text: String::new() })
    }

    /// Returns the mistakes in the text of a profile file, in the order of their lines. Empty if the file is right.
    #[must_use]
    pub fn mistakes(text: &str) -> Vec<ParseError> {
        let file: File = match crate::file::parse_all(text, MOST_VALUES) {
            Ok(file) => file,
            Err(mistakes) => return mistakes,
        };
        if let Err(mistake) = compile::validate_limits(&file) {
            return mistake.all_in_text(text).collect();
        }
        let variants = file.variant.keys().map(|name| Some(name.as_str()));
        let compiled = core::iter::once(None)
            .chain(variants)
            .map(|variant| compile::compile(&file, variant).map(|_| ()));
        let checked = [compile::validate(&file), Models::new(&file).map(|_| ())].into_iter().chain(compiled);
        let mut all: Vec<_> =
            checked.filter_map(Result::err).flat_map(|mistake| mistake.all_in_text(text)).collect();
        all.sort_by_key(|mistake| mistake.line);
        // A variant has the mistakes of its family.
        let mut seen = Vec::new();
        all.retain(|mistake| {
            let new = !seen.contains(mistake);
            seen.push(mistake.clone());
            new
        });
        all
    }

    /// Compiles the family and every variant, to find their mistakes.
    ///
    /// # Errors
    /// [`ParseError`] with the line.
    pub fn validate_variants(&self) -> Result<(), ParseError> {
        let variants = self.variant_names().into_iter().map(Some);
        for variant in core::iter::once(None).chain(variants) {
            let file = self.file_for(variant);
            compile::compile(&file, variant).map_err(|mistake| mistake.in_text(&self.text))?;
        }
        Ok(())
    }

    /// The name on the command line.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.file.name.value
    }

    /// A short description.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.file.title
    }

    /// A longer description.
    #[must_use]
    pub fn about(&self) -> Option<&str> {
        self.file.about.as_deref()
    }

    /// The sources of the facts.
    #[must_use]
    pub fn sources(&self) -> &[String] {
        &self.file.sources
    }

    /// The variants: name, title, and the reason if the model is unsupported.
    pub fn variants(&self) -> impl Iterator<Item = (&str, String, Option<String>)> {
        self.variant_names().into_iter().filter_map(|name| {
            let variant = self.variant(name)?.into_owned().value;
            Some((name, variant.title.unwrap_or_default(), variant.unsupported))
        })
    }

    /// The names of the variants, sorted.
    fn variant_names(&self) -> Vec<&str> {
        match self.built_in {
            Some(built_in) => built_in.variant_names().collect(),
            None => self.file.variant.keys().map(String::as_str).collect(),
        }
    }

    /// A variant by its exact name.
    pub(super) fn variant(&self, name: &str) -> Option<Cow<'_, Located<VariantDef>>> {
        let Some(built_in) = self.built_in else { return self.file.variant.get(name).map(Cow::Borrowed) };
        // A test reads all variants.
        let variant = crate::file::parse_cbor(built_in.variant(name)?).ok()?;
        Some(Cow::Owned(Located { at: 0, value: variant }))
    }

    /// The file, with this variant and those that it extends.
    fn file_for(&self, variant: Option<&str>) -> Cow<'_, File> {
        let (Some(_), Some(name)) = (self.built_in, variant) else { return Cow::Borrowed(&self.file) };
        let mut file = self.file.clone();
        let mut next = Some(name.to_string());
        while let Some(name) = next.filter(|name| !file.variant.contains_key(name)) {
            let Some(variant) = self.variant(&name) else { break };
            next = variant.value.extends.as_ref().map(|parent| parent.value.clone());
            file.variant.insert(name, variant.into_owned());
        }
        Cow::Owned(file)
    }

    /// Compiles the family, or one of its variants, which may also be named by one of its models. The case does not matter:
    /// `H6127` on the box is `h6127` in the file.
    ///
    /// # Errors
    /// [`LoadError`] if there is no such variant or model, or the file has a mistake.
    pub fn profile(&self, variant: Option<&str>) -> Result<Profile, LoadError> {
        let names = self.variant_names();
        let unknown = |name: &str| LoadError::UnknownVariant {
            family: self.name().into(),
            variant: name.into(),
            known: if names.is_empty() { "none".into() } else { names.join(", ") },
        };
        let find = |name: &str| {
            let named = names.iter().find(|known| known.eq_ignore_ascii_case(name));
            named.copied().ok_or_else(|| unknown(name))
        };
        let known = variant.and_then(|name| self.models.find(name, None));
        match (variant, known) {
            (None, _) => self.compiled(None, &Support::Driven),
            (Some(name), Some(known)) if find(name).is_err() => {
                self.compiled(known.variant.as_deref(), &known.support)
            }
            (Some(name), _) => self.compiled(Some(find(name)?), &Support::Driven),
        }
    }

    /// Compiles the profile for a device that was recognised. It is [unsupported](Profile::unsupported) unless the device
    /// can be driven.
    ///
    /// # Errors
    /// [`LoadError`] if the file has a mistake.
    pub fn profile_of(&self, found: &FamilyMatch) -> Result<Profile, LoadError> {
        self.compiled(found.variant.as_deref(), &found.support)
    }

    fn compiled(&self, variant: Option<&str>, support: &Support) -> Result<Profile, LoadError> {
        let file = self.file_for(variant);
        let compiled = compile::compile(&file, variant);
        let mut profile = compiled.map_err(|mistake| mistake.in_text(&self.text))?;
        profile.unsupported = support.refusal().or(profile.unsupported);
        let (own, models) = match variant.and_then(|name| file.variant.get(name)) {
            Some(variant) => (variant.value.example.is_some(), &variant.value.models),
            None => (profile.example != Example::default(), &file.models),
        };
        if let (false, Some(model)) = (own, models.first()) {
            profile.example = self.example_of(&model.value, profile.example);
        }
        Ok(profile)
    }

    /// The example of a model: the family's, with the name and the data of the first rules that read the model. Only one
    /// of these rules gives the data: bulbs that send manufacturer data and service data choose by firmware.
    fn example_of(&self, model: &str, mut example: Example) -> Example {
        let adverts = self.model_adverts(model);
        if let Some(name) = adverts.iter().find_map(|advert| advert.name.clone()) {
            example.name = Some(name);
        }
        let data = |advert: &AdvertData| !advert.manufacturer.is_empty() || !advert.service_data.is_empty();
        if let Some(advert) = adverts.into_iter().find(data) {
            example.manufacturer = advert.manufacturer.into_iter().next();
            example.service_data = advert.service_data.into_iter().next();
        }
        example
    }
}

impl Profile {
    /// The features of the bulb.
    #[must_use]
    pub fn abilities(&self) -> Vec<Ability> {
        let (set, reported, advertised) = (self.settable(), self.reported(), self.advertised());
        let ability = |feature: Feature| {
            Some(Ability {
                feature,
                set: set.contains(feature),
                reported: reported.contains(feature),
                advertised: advertised.contains(feature),
                scaled: feature == Feature::Brightness && self.abilities.scaled,
                range: self.range(feature),
                grade: self.grade_of(feature)?,
            })
        };
        Feature::ALL.into_iter().filter_map(ability).collect()
    }
}

impl fmt::Display for Readback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ways = [
            (self.read, "read"),
            (self.command, "after a command"),
            (self.change, "when it changes"),
            (self.query, "when asked"),
            (self.advert, "advertised"),
        ];
        let ways: Vec<_> = ways.into_iter().filter(|(has, _)| *has).map(|(_, way)| way).collect();
        if ways.is_empty() { f.write_str("none: write-only") } else { f.write_str(&ways.join(", ")) }
    }
}
