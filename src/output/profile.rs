//! Bulb families and their abilities.

use bulb_protocol::profile::{Ability, Family, Feature, Profile};
use serde::Serialize;

use super::text::{BOLD, DIM, Layout};
use crate::sanitise::sanitise;

/// A bulb family.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ProfileRecord {
    pub name: String,
    /// Variant; null for the family itself.
    pub variant: Option<String>,
    pub title: String,
    pub about: Option<String>,
    /// Reason why bulbctl cannot control it; null if it can.
    pub unsupported: Option<String>,
    pub abilities: Vec<AbilityRecord>,
    pub effects: Vec<String>,
    /// First and last number of the numbered effects.
    pub numbered_effects: Option<(u32, u32)>,
    /// Ways in which the bulb reports its state; empty if it never does.
    pub readback: Vec<&'static str>,
    pub roles: Vec<RoleRecord>,
    pub variants: Vec<VariantRecord>,
    pub sources: Vec<String>,
    /// True for a full page, false for one line.
    #[serde(skip)]
    pub whole: bool,
}

/// An ability of the bulbs of a family.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct AbilityRecord {
    /// Name: `power`, `brightness`, `color`, `white`, `kelvin`, `effect` or `speed`.
    pub name: &'static str,
    pub set: bool,
    pub reported: bool,
    /// True if advertisements contain it.
    pub advertised: bool,
    /// True if brightness is set by dimming the colour or white, because the bulb has no brightness.
    pub scaled: bool,
    /// Lowest and highest value, in percent or kelvin.
    pub range: Option<(u32, u32)>,
    /// Quality of the sources: A, B, or C for experimental.
    pub grade: char,
}

#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RoleRecord {
    pub name: String,
    /// Possible characteristics as service/characteristic.
    pub places: Vec<String>,
}

/// A variant of a family.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct VariantRecord {
    /// Name, used as FAMILY:VARIANT.
    pub name: String,
    pub title: String,
    pub supported: bool,
}

impl ProfileRecord {
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
                    title,
                    supported: unsupported.is_none(),
                })
                .collect(),
            sources: family.sources().to_vec(),
            whole,
        }
    }

    pub(super) fn text(&self, layout: Layout) -> String {
        if self.whole { self.page(layout) } else { self.line(layout) }
    }

    fn line(&self, layout: Layout) -> String {
        let abilities: Vec<_> =
            self.abilities.iter().filter(|ability| ability.set).map(AbilityRecord::word).collect();
        let abilities = abilities.join(",");
        let title = sanitise(&self.title);
        let (bold, dim) = (layout.style(BOLD), layout.style(DIM));
        if layout.terminal {
            format!("{bold}{:<10}{bold:#} {title}\n{:11}{dim}{abilities}{dim:#}", self.name, "")
        } else {
            format!("{bold}{}{bold:#}\t{dim}{abilities}{dim:#}\t{title}", self.name)
        }
    }

    fn page(&self, layout: Layout) -> String {
        let name = match &self.variant {
            Some(variant) => format!("{}:{variant}", self.name),
            None => self.name.clone(),
        };
        let bold = layout.style(BOLD);
        let mut lines = vec![format!("{bold}{name}{bold:#}  {}", sanitise(&self.title))];
        lines.extend(self.about.as_ref().map(|about| format!("  {}", sanitise(about))));
        lines.extend(self.unsupported.as_ref().map(|why| format!("  not supported: {}", sanitise(why))));
        let mut part = |title: &str, items: Vec<String>| {
            if !items.is_empty() {
                lines.push(String::new());
                lines.push(format!("{bold}{title}{bold:#}"));
                lines.extend(items.into_iter().map(|item| format!("  {item}")));
            }
        };
        part("Abilities", self.abilities.iter().map(AbilityRecord::line).collect());
        let numbered = self.numbered_effects.map(|(first, last)| format!("{first} to {last}"));
        part("Effects", self.effects.iter().cloned().chain(numbered).collect());
        let reported = if self.readback.is_empty() {
            "never reported, always assumed".to_owned()
        } else {
            self.readback.join(", ")
        };
        part("State", vec![reported]);
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

    /// Name, with a question mark if it is experimental.
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
            (self.grade == 'C', "experimental: few sources"),
        ] {
            if holds {
                notes.push(note.to_owned());
            }
        }
        format!("{:<12} {}", self.name, notes.join(", ")).trim_end().to_owned()
    }
}
