//! Recognising the family of a bulb by scored evidence.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::Profile;
use super::family::Family;
use super::file::MatchDef;
use super::text::CharacteristicPath;
use crate::gatt::{Properties, Uuid, uuid_text, uuid16};
use crate::text::{glob, trim_padding};

/// The advertisement of a device.
#[derive(Clone, Copy, Debug, Default)]
pub struct Advert<'a> {
    /// The advertised name, unchanged.
    pub name: Option<&'a str>,
    /// The advertised services.
    pub services: &'a [Uuid],
    /// Manufacturer data by company identifier.
    pub manufacturer: &'a [(u16, &'a [u8])],
    /// Service data by service.
    pub service_data: &'a [(Uuid, &'a [u8])],
}

/// The advertisement of a virtual bulb.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AdvertData {
    /// The advertised name.
    pub name: Option<String>,
    /// The advertised services.
    pub services: Vec<Uuid>,
    /// Manufacturer data by company identifier.
    pub manufacturer: Vec<(u16, Vec<u8>)>,
    /// Service data by service.
    pub service_data: Vec<(Uuid, Vec<u8>)>,
}

/// A piece of evidence for a family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// The evidence in words: `name "ELK-BLEDOM" is like ELK-BLE*`.
    pub text: String,
    /// The weight of the evidence, 1 to 100.
    pub score: u8,
}

/// The evidence for one family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FamilyMatch {
    /// The family.
    pub family: String,
    /// The variant, if the evidence names one.
    pub variant: Option<String>,
    /// The sum of the scores.
    pub score: u32,
    /// The best evidence of each kind.
    pub evidence: Vec<Evidence>,
}

/// The score that identifies a family.
pub const MIN_SCORE: u32 = 50;
/// The lead in score over the next family that identifies a family.
pub const MIN_LEAD: u32 = 10;

/// The result of [`identify`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identification<'a> {
    /// The device is of this family.
    Certain(&'a FamilyMatch),
    /// No family has both [`MIN_SCORE`] and [`MIN_LEAD`]. These have some evidence, the best first.
    Uncertain(Vec<&'a FamilyMatch>),
    /// There is no evidence for any family.
    Unknown,
}

/// Compares the evidence for all families.
#[must_use]
pub fn identify(all: &[FamilyMatch]) -> Identification<'_> {
    let mut candidates: Vec<&FamilyMatch> = all.iter().filter(|one| one.score > 0).collect();
    candidates.sort_by_key(|one| core::cmp::Reverse(one.score));
    let next = candidates.get(1).map_or(0, |one| one.score);
    match candidates.first() {
        None => Identification::Unknown,
        Some(first) if first.score >= MIN_SCORE && first.score >= next + MIN_LEAD => {
            Identification::Certain(first)
        }
        Some(_) => Identification::Uncertain(candidates),
    }
}

impl Family {
    /// Scores the evidence for this family in an advertisement.
    ///
    /// Of each kind of evidence (name, service, manufacturer data, service data) only the best rule counts: the name with
    /// most letters, the data with most bits. The variant is that of the best rule that names one.
    #[must_use]
    pub fn recognise(&self, advert: &Advert<'_>) -> FamilyMatch {
        let name = advert.name.map(trim_padding);
        // By kind: name, service, manufacturer data, service data.
        let mut best: [Option<(usize, &MatchDef, String)>; 4] = [const { None }; 4];
        // Data says more about the model than a name does.
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

/// The kind of evidence, its exactness, and its text.
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
        let advertised = advert.services.contains(&service);
        return advertised.then(|| (1, 0, format!("service {} is advertised", uuid_text(service))));
    }
    if let Some(companies) = rule.company {
        let (company, _) = advert
            .manufacturer
            .iter()
            .find(|(company, bytes)| (companies.0..=companies.1).contains(company) && data(bytes))?;
        return Some((2, exact, format!("manufacturer data of company {company:#06x}")));
    }
    let service = rule.service_data?.0;
    advert.service_data.iter().find(|(uuid, bytes)| *uuid == service && data(bytes))?;
    Some((3, exact, format!("service data of {}", uuid_text(service))))
}

/// The characteristic of a role in a GATT table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleMatch {
    /// The role.
    pub role: String,
    /// The service.
    pub service: Uuid,
    /// The characteristic.
    pub characteristic: Uuid,
    /// Its properties.
    pub properties: Properties,
}

/// The result of [`Profile::match_table`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableMatch {
    /// The roles whose characteristics are in the table.
    pub roles: Vec<RoleMatch>,
    /// The reasons why the table is not of this family, as sentences; empty if it is.
    pub problems: Vec<String>,
}

impl Profile {
    /// Finds the characteristic of every role in a GATT table of (service, characteristic, properties).
    #[must_use]
    pub fn match_table(&self, table: &[(Uuid, Uuid, Properties)]) -> TableMatch {
        let find = |place: &CharacteristicPath| {
            table.iter().find(|(service, characteristic, _)| {
                place.service.is_none_or(|wanted| wanted == *service)
                    && place.characteristic == *characteristic
            })
        };
        let mut result = TableMatch::default();
        for place in &self.forbid {
            if find(place).is_some() {
                result.problems.push(format!("it has {place}, which {} never has", self.name));
            }
        }
        for role in &self.roles {
            let has = |properties: Properties| role.properties.iter().all(|any| properties.any_of(*any));
            let present: Vec<_> = role.at.iter().filter_map(find).collect();
            let fits = present.iter().find(|(.., properties)| has(*properties));
            match (fits, present.first()) {
                (Some((service, characteristic, properties)), _) => result.roles.push(RoleMatch {
                    role: role.name.clone(),
                    service: *service,
                    characteristic: *characteristic,
                    properties: *properties,
                }),
                _ if role.optional => {}
                (None, Some((_, characteristic, properties))) => {
                    let one_of = |any: &Properties| any.names().collect::<Vec<_>>().join("|");
                    let need: Vec<_> = role.properties.iter().map(one_of).collect();
                    result.problems.push(format!(
                        "{} characteristic {} has {properties}, and {} are needed",
                        role.name,
                        uuid_text(*characteristic),
                        need.join(", ")
                    ));
                }
                (None, None) => {
                    let places: Vec<_> = role.at.iter().map(ToString::to_string).collect();
                    result.problems.push(format!(
                        "it has no {} characteristic {}",
                        role.name,
                        places.join(" or ")
                    ));
                }
            }
        }
        result
    }

    /// The GATT table of a virtual bulb, as (service, characteristic, properties).
    ///
    /// Each role is at the first of its places. It has all the properties that it may have, but notifies rather than
    /// indicates.
    #[must_use]
    pub fn table(&self) -> Vec<(Uuid, Uuid, Properties)> {
        let mut table: Vec<(Uuid, Uuid, Properties)> = Vec::new();
        let anywhere = || self.roles.iter().flat_map(|role| &role.at).find_map(|place| place.service);
        for role in &self.roles {
            let place = role.at.iter().find(|place| place.service.is_some()).or(role.at.first());
            let Some(place) = place else { continue };
            // A role of any service goes into the service of another role.
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
