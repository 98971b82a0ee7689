//! Bulb families: what they can do.

use bulb_protocol::profile::{Ability, Family, Feature, Profile};
use serde::Serialize;

use super::text::{BOLD, DIM, Layout};
use crate::sanitise::sanitise;

/// A bulb family.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ProfileRecord {
    /// Its name on the command line.
    pub name: String,
    /// The variant that is shown; null for the family as such.
    pub variant: Option<String>,
    /// What it is.
    pub title: String,
    /// More about it.
    pub about: Option<String>,
    /// Why it cannot be driven, where it is only known by sight.
    pub unsupported: Option<String>,
    /// What its lamps can do.
    pub abilities: Vec<AbilityRecord>,
    /// The effects that have names.
    pub effects: Vec<String>,
    /// The first and the last of the effects that go by their number.
    pub numbered_effects: Option<(u32, u32)>,
    /// How its state is told; empty for families that never tell.
    pub readback: Vec<&'static str>,
    /// Its characteristics by role.
    pub roles: Vec<RoleRecord>,
    /// Its variants.
    pub variants: Vec<VariantRecord>,
    /// Where its facts are from.
    pub sources: Vec<String>,
    /// Whether people are shown all of it, or one line.
    #[serde(skip)]
    pub whole: bool,
}

/// Something that lamps of a family can do.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct AbilityRecord {
    /// `power`, `brightness`, `color`, `white`, `kelvin`, `effect` or `speed`.
    pub name: &'static str,
    /// Whether it can be set.
    pub set: bool,
    /// Whether the lamp reports it.
    pub reported: bool,
    /// Whether advertisements tell it.
    pub advertised: bool,
    /// Whether it is done by dimming colour and white, as the lamp has none of its own.
    pub scaled: bool,
    /// The least and the greatest value, percent or kelvin.
    pub range: Option<(u32, u32)>,
    /// How far the facts can be trusted: A, B, or C, which is experimental.
    pub grade: char,
}

/// A characteristic by role.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RoleRecord {
    /// The role.
    pub name: String,
    /// Where it may be: service/characteristic.
    pub places: Vec<String>,
}

/// A variant of a family.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct VariantRecord {
    /// Its name, behind the family's and a colon.
    pub name: String,
    /// What it is.
    pub title: String,
    /// Whether it can be driven.
    pub supported: bool,
}

impl ProfileRecord {
    /// The record of a family, or of one of its variants.
    #[must_use]
    pub fn of(family: &Family, profile: &Profile, whole: bool) -> Self {
        let readback = profile.readback();
        let ways = [
            (readback.read, "read"),
            (readback.command, "command"),
            (readback.change, "change"),
            (readback.query, "ask"),
            (readback.advert, "advert"),
        ];
        Self {
            name: profile.name.clone(),
            variant: profile.variant.clone(),
            title: profile.title.clone(),
            about: family.about().map(str::to_owned),
            unsupported: profile.unsupported.clone(),
            abilities: profile.abilities().into_iter().map(AbilityRecord::of).collect(),
            effects: profile.effects().map(str::to_owned).collect(),
            numbered_effects: profile.numbered_effects(),
            readback: ways.into_iter().filter(|(has, _)| *has).map(|(_, way)| way).collect(),
            roles: profile
                .roles
                .iter()
                .map(|role| RoleRecord {
                    name: role.name.clone(),
                    places: role.at.iter().map(ToString::to_string).collect(),
                })
                .collect(),
            variants: family
                .variants()
                .map(|(name, title, unsupported)| VariantRecord {
                    name: name.to_owned(),
                    title: title.to_owned(),
                    supported: unsupported.is_none(),
                })
                .collect(),
            sources: family.sources().to_vec(),
            whole,
        }
    }

    /// What people read.
    pub(super) fn text(&self, layout: Layout) -> String {
        if self.whole { self.page(layout) } else { self.line(layout) }
    }

    fn line(&self, layout: Layout) -> String {
        let abilities: Vec<_> =
            self.abilities.iter().filter(|ability| ability.set).map(AbilityRecord::word).collect();
        let abilities = abilities.join(",");
        let title = sanitise(&self.title);
        if layout.terminal {
            format!("{BOLD}{:<10}{BOLD:#} {title}\n{:11}{DIM}{abilities}{DIM:#}", self.name, "")
        } else {
            format!("{}\t{abilities}\t{title}", self.name)
        }
    }

    fn page(&self, layout: Layout) -> String {
        let name = match &self.variant {
            Some(variant) => format!("{}:{variant}", self.name),
            None => self.name.clone(),
        };
        let (bold, plain) = if layout.terminal {
            (BOLD.render().to_string(), BOLD.render_reset().to_string())
        } else {
            Default::default()
        };
        let mut lines = vec![format!("{bold}{name}{plain}  {}", sanitise(&self.title))];
        lines.extend(self.about.as_ref().map(|about| format!("  {}", sanitise(about))));
        lines.extend(self.unsupported.as_ref().map(|why| format!("  not supported: {}", sanitise(why))));
        let mut part = |title: &str, items: Vec<String>| {
            if !items.is_empty() {
                lines.push(String::new());
                lines.push(format!("{bold}{title}{plain}"));
                lines.extend(items.into_iter().map(|item| format!("  {item}")));
            }
        };
        part("Abilities", self.abilities.iter().map(AbilityRecord::line).collect());
        let numbered = self.numbered_effects.map(|(first, last)| format!("{first} to {last}"));
        part("Effects", self.effects.iter().cloned().chain(numbered).collect());
        let told = if self.readback.is_empty() {
            "never told: always assumed".to_owned()
        } else {
            self.readback.join(", ")
        };
        part("State", vec![told]);
        let roles = self.roles.iter().map(|role| format!("{:<12} {}", role.name, role.places.join(" or ")));
        part("Characteristics", roles.collect());
        let variants = self.variants.iter().map(|variant| {
            let mark = if variant.supported { "" } else { " (not supported)" };
            format!("{:<12} {}{mark}", variant.name, sanitise(&variant.title))
        });
        part("Variants", variants.collect());
        lines.join("\n")
    }
}

impl AbilityRecord {
    fn of(ability: Ability) -> Self {
        Self {
            name: ability.feature.name(),
            set: ability.set,
            reported: ability.reported,
            advertised: ability.advertised,
            scaled: ability.scaled,
            range: ability.range,
            grade: ability.grade.letter(),
        }
    }

    /// The name, with a mark where it is experimental.
    fn word(&self) -> String {
        let mark = if self.grade == 'C' { "?" } else { "" };
        format!("{}{mark}", self.name)
    }

    fn line(&self) -> String {
        let mut notes = Vec::new();
        if let Some((least, most)) = self.range.filter(|range| *range != (0, 100)) {
            let unit = if self.name == Feature::Kelvin.name() { "K" } else { "%" };
            notes.push(format!("{least} to {most} {unit}"));
        }
        for (holds, note) in [
            (!self.set, "cannot be set"),
            (self.scaled, "by scaling the colour"),
            (self.reported, "reported"),
            (self.advertised, "advertised"),
            (self.grade == 'C', "experimental: the facts are thin"),
        ] {
            if holds {
                notes.push(note.to_owned());
            }
        }
        format!("{:<12} {}", self.name, notes.join(", ")).trim_end().to_owned()
    }
}
