//! Which family a bulb is of: evidence with scores.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::Profile;
use super::family::Family;
use super::file::MatchDef;
use super::text::CharacteristicPath;
use crate::gatt::{Properties, Uuid, uuid_text, uuid16};
use crate::text::{glob, trim_padding};

/// What a bulb advertises.
#[derive(Clone, Copy, Debug, Default)]
pub struct Advert<'a> {
    /// The name, as it came.
    pub name: Option<&'a str>,
    /// Advertised services.
    pub services: &'a [Uuid],
    /// Manufacturer data by company identifier.
    pub manufacturer: &'a [(u16, &'a [u8])],
    /// Service data by service.
    pub service_data: &'a [(Uuid, &'a [u8])],
}

/// What a virtual bulb advertises.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AdvertData {
    /// The name.
    pub name: Option<String>,
    /// Services.
    pub services: Vec<Uuid>,
    /// Manufacturer data by company identifier.
    pub manufacturer: Vec<(u16, Vec<u8>)>,
    /// Service data by service.
    pub service_data: Vec<(Uuid, Vec<u8>)>,
}

/// Something that speaks for a family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// Content, for people: `name "ELK-BLEDOM" is like ELK-BLE*`.
    pub text: String,
    /// How much it says, 1 to 100.
    pub score: u8,
}

/// How much speaks for a family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FamilyMatch {
    /// The family.
    pub family: String,
    /// The variant, where the evidence is for one.
    pub variant: Option<String>,
    /// All scores together.
    pub score: u32,
    /// The best of each kind.
    pub evidence: Vec<Evidence>,
}

/// A score from which on a bulb is taken for one of a family.
pub const MIN_SCORE: u32 = 50;
/// How much more must speak for a family than for the next.
pub const MIN_LEAD: u32 = 10;

/// What all the evidence comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identification<'a> {
    /// It is one of this family.
    Certain(&'a FamilyMatch),
    /// Something speaks for these, not enough for any, or as much for several: the nearest first.
    Uncertain(Vec<&'a FamilyMatch>),
    /// Nothing speaks for any.
    Unknown,
}

/// Weighs families against each other.
#[must_use]
pub fn identify(all: &[FamilyMatch]) -> Identification<'_> {
    let mut nearest: Vec<&FamilyMatch> = all.iter().filter(|one| one.score > 0).collect();
    nearest.sort_by_key(|one| core::cmp::Reverse(one.score));
    let next = nearest.get(1).map_or(0, |one| one.score);
    match nearest.first() {
        None => Identification::Unknown,
        Some(first) if first.score >= MIN_SCORE && first.score >= next + MIN_LEAD => {
            Identification::Certain(first)
        }
        Some(_) => Identification::Uncertain(nearest),
    }
}

impl Family {
    /// What speaks for this family in an advertisement: of each kind of evidence the best. Of two names that match, the one
    /// with more letters counts, of two data the one with more bits. The variant is that of the best that names one.
    #[must_use]
    pub fn recognise(&self, advert: &Advert<'_>) -> FamilyMatch {
        let name = advert.name.map(trim_padding);
        // By kind: name, service, manufacturer data, service data.
        let mut best: [Option<(usize, &MatchDef, String)>; 4] = [const { None }; 4];
        // What was sent for programs says more about the model than a name.
        let mut variant: Option<((usize, usize), &str)> = None;
        for rule in &self.file.matches {
            let rule = &rule.value;
            let Some((kind, exact, text)) = matches(rule, name, advert) else { continue };
            if let Some(named) = &rule.variant
                && variant.is_none_or(|(rank, _)| (kind, exact) > rank)
            {
                variant = Some(((kind, exact), &named.value));
            }
            let Some(place) = best.get_mut(kind) else { continue };
            if place.as_ref().is_none_or(|(e, known, _)| (exact, rule.score.value) > (*e, known.score.value))
            {
                *place = Some((exact, rule, text));
            }
        }
        let found: Vec<_> = best.into_iter().flatten().collect();
        FamilyMatch {
            family: self.name().to_string(),
            variant: variant.map(|(_, variant)| variant.to_string()),
            score: found.iter().map(|(_, rule, _)| u32::from(rule.score.value)).sum(),
            evidence: found
                .into_iter()
                .map(|(_, rule, text)| Evidence { text, score: rule.score.value })
                .collect(),
        }
    }
}

/// The kind of evidence, how exact it is, and what to say of it.
fn matches(rule: &MatchDef, name: Option<&str>, advert: &Advert<'_>) -> Option<(usize, usize, String)> {
    let data = |data: &[u8]| rule.data.as_ref().is_none_or(|pattern| pattern.matches(data));
    let exact = rule.data.as_ref().map_or(0, |pattern| pattern.bits());
    if let Some(pattern) = &rule.name {
        let name = name.filter(|name| glob(pattern, name))?;
        let letters = pattern.chars().filter(|c| *c != '*' && *c != '?').count();
        return Some((0, letters, format!("name {name:?} is like {pattern}")));
    }
    if let Some(service) = rule.service {
        let service = service.0;
        let there = advert.services.contains(&service);
        return there.then(|| (1, 0, format!("service {} is advertised", uuid_text(service))));
    }
    if let Some(companies) = rule.company {
        let (company, _) = advert
            .manufacturer
            .iter()
            .find(|(company, bytes)| (companies.0..=companies.1).contains(company) && data(bytes))?;
        return Some((2, exact, format!("manufacturer data of company {company:#06x}")));
    }
    let service = rule.service_data?.0;
    advert.service_data.iter().find(|(own, bytes)| *own == service && data(bytes))?;
    Some((3, exact, format!("service data of {}", uuid_text(service))))
}

/// A characteristic of a role, as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleMatch {
    /// The role.
    pub role: String,
    /// The service.
    pub service: Uuid,
    /// The characteristic.
    pub characteristic: Uuid,
    /// What it can do.
    pub properties: Properties,
}

/// Whether a GATT table is one of this family.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableMatch {
    /// The roles that were found.
    pub roles: Vec<RoleMatch>,
    /// What speaks against it, for people; empty if nothing does.
    pub problems: Vec<String>,
}

impl Profile {
    /// Looks for the characteristics of every role in a GATT table of (service, characteristic, properties).
    #[must_use]
    pub fn match_table(&self, table: &[(Uuid, Uuid, Properties)]) -> TableMatch {
        let find = |place: &CharacteristicPath| {
            table.iter().find(|(service, characteristic, _)| {
                place.service.is_none_or(|own| own == *service) && place.characteristic == *characteristic
            })
        };
        let mut fit = TableMatch::default();
        for place in &self.forbid {
            if find(place).is_some() {
                fit.problems.push(format!("it has {place}, which {} never has", self.name));
            }
        }
        for role in &self.roles {
            let has = |properties: Properties| role.properties.iter().all(|any| properties.any_of(*any));
            let there: Vec<_> = role.at.iter().filter_map(find).collect();
            let fits = there.iter().find(|(.., properties)| has(*properties));
            match (fits, there.first()) {
                (Some((service, characteristic, properties)), _) => fit.roles.push(RoleMatch {
                    role: role.name.clone(),
                    service: *service,
                    characteristic: *characteristic,
                    properties: *properties,
                }),
                _ if role.optional => {}
                (None, Some((_, characteristic, properties))) => {
                    let one_of = |any: &Properties| any.names().collect::<Vec<_>>().join("|");
                    let need: Vec<_> = role.properties.iter().map(one_of).collect();
                    fit.problems.push(format!(
                        "{} characteristic {} has {properties}, and {} are needed",
                        role.name,
                        uuid_text(*characteristic),
                        need.join(", ")
                    ));
                }
                (None, None) => {
                    let places: Vec<_> = role.at.iter().map(ToString::to_string).collect();
                    fit.problems.push(format!(
                        "it has no {} characteristic {}",
                        role.name,
                        places.join(" or ")
                    ));
                }
            }
        }
        fit
    }

    /// The GATT table of a virtual bulb of this family: each role at the first of its places. What may be written either
    /// way can be written both ways, and what may notify or indicate notifies.
    #[must_use]
    pub fn table(&self) -> Vec<(Uuid, Uuid, Properties)> {
        let mut table: Vec<(Uuid, Uuid, Properties)> = Vec::new();
        let anywhere = || self.roles.iter().flat_map(|role| &role.at).find_map(|place| place.service);
        for role in &self.roles {
            let own = role.at.iter().find(|place| place.service.is_some()).or(role.at.first());
            let Some(place) = own else { continue };
            // One of any service is put beside another role.
            let service = place.service.or_else(anywhere).unwrap_or(uuid16(0xFFF0));
            let chosen = |any: &Properties| match any.any_of(Properties::NOTIFY) {
                true => any.without(Properties::INDICATE),
                false => *any,
            };
            let properties: Properties = role.properties.iter().map(chosen).collect();
            let known = table.iter_mut().find(|(s, c, _)| *s == service && *c == place.characteristic);
            match known {
                Some((.., all)) => *all = all.or(properties),
                None => table.push((service, place.characteristic, properties)),
            }
        }
        table
    }
}
