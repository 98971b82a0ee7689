//! A profile file as a whole.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::can::Grade;
use super::compile;
use super::file::File;
use super::light::Item;
use super::{Profile, Readback};
use crate::file::ParseError;

/// A family of bulbs: a profile file that was read. Its variants are compiled when they are asked for.
#[derive(Clone, Debug)]
pub struct Family {
    pub(crate) file: File,
    text: String,
}

/// Why a profile cannot be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoadError {
    /// The file is wrong.
    Invalid(ParseError),
    /// There is no such family.
    NoFamily {
        /// The name.
        name: String,
        /// The families that there are.
        have: String,
    },
    /// The family has no such variant.
    NoVariant {
        /// The family.
        family: String,
        /// The variant.
        variant: String,
        /// The variants that there are.
        have: String,
    },
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(error) => error.fmt(f),
            Self::NoFamily { name, have } => write!(f, "there is no profile {name:?} (there is: {have})"),
            Self::NoVariant { family, variant, have } => {
                write!(f, "profile {family} has no variant {variant:?} (it has: {have})")
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

/// What a lamp of a family can do, for lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ability {
    /// What.
    pub item: Item,
    /// Whether it can be set.
    pub set: bool,
    /// Whether the lamp reports it.
    pub reported: bool,
    /// Whether advertisements tell it.
    pub advertised: bool,
    /// Whether it is done by dimming colour and white.
    pub scaled: bool,
    /// The least and the greatest value, in percent or kelvin.
    pub range: Option<(u32, u32)>,
    /// How far it can be trusted.
    pub grade: Grade,
}

impl Family {
    /// Reads the text of a profile file.
    ///
    /// # Errors
    /// [`ParseError`] with the line. Mistakes in a variant show when that is compiled, see
    /// [`check_variants`](Self::check_variants).
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let file: File = crate::file::parse(text)?;
        compile::check(&file).map_err(|mistake| mistake.in_text(text))?;
        Ok(Self { file, text: text.into() })
    }

    /// Compiles the family and every variant, to find what is wrong with them.
    ///
    /// # Errors
    /// [`ParseError`] with the line.
    pub fn check_variants(&self) -> Result<(), ParseError> {
        let variants = self.file.variant.keys().map(|name| Some(name.as_str()));
        for variant in core::iter::once(None).chain(variants) {
            compile::compile(&self.file, variant).map_err(|mistake| mistake.in_text(&self.text))?;
        }
        Ok(())
    }

    /// The name on the command line.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.file.name.value
    }

    /// What the family is, in a few words.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.file.title
    }

    /// More about it, for people.
    #[must_use]
    pub fn about(&self) -> Option<&str> {
        self.file.about.as_deref()
    }

    /// Where its facts are from.
    #[must_use]
    pub fn sources(&self) -> &[String] {
        &self.file.sources
    }

    /// The variants: name, what it is, and why it cannot be driven if so.
    pub fn variants(&self) -> impl Iterator<Item = (&str, &str, Option<&str>)> {
        self.file.variant.iter().map(|(name, variant)| {
            let variant = &variant.value;
            (name.as_str(), variant.title.as_deref().unwrap_or(""), variant.unsupported.as_deref())
        })
    }

    /// Compiles the family as such, or one of its variants, named in any case.
    ///
    /// # Errors
    /// [`LoadError`]: there is no such variant, or the file is wrong.
    pub fn profile(&self, variant: Option<&str>) -> Result<Profile, LoadError> {
        let variant = match variant {
            None => None,
            // `govee:H6127` is how the model is written on the box.
            Some(name) => match self.file.variant.keys().find(|have| have.eq_ignore_ascii_case(name)) {
                Some(have) => Some(have.as_str()),
                None => {
                    return Err(LoadError::NoVariant {
                        family: self.name().into(),
                        variant: name.into(),
                        have: compile::variant_names(&self.file.variant),
                    });
                }
            },
        };
        compile::compile(&self.file, variant).map_err(|mistake| mistake.in_text(&self.text).into())
    }
}

impl Profile {
    /// What the lamp can do, one item after the other.
    #[must_use]
    pub fn abilities(&self) -> Vec<Ability> {
        let (set, reported, advertised) = (self.settable(), self.reported(), self.advertised());
        let ability = |item: Item| {
            Some(Ability {
                item,
                set: set.contains(item),
                reported: reported.contains(item),
                advertised: advertised.contains(item),
                scaled: item == Item::Brightness && self.can.scaled,
                range: self.range(item),
                grade: self.grade_of(item)?,
            })
        };
        Item::ALL.into_iter().filter_map(ability).collect()
    }
}

impl fmt::Display for Readback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ways = [
            (self.read, "read"),
            (self.command, "after a command"),
            (self.change, "when it changes"),
            (self.ask, "when asked"),
            (self.advert, "advertised"),
        ];
        let ways: Vec<_> = ways.into_iter().filter(|(has, _)| *has).map(|(_, way)| way).collect();
        if ways.is_empty() { f.write_str("none: write-only") } else { f.write_str(&ways.join(", ")) }
    }
}
