//! Recognising the family of a bulb by scored evidence.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::Profile;
use super::family::Family;
use super::file::MatchDef;
use super::models::{KnownModel, Support};
use super::text::{CharacteristicPath, DataMatch};
use crate::gatt::{Properties, Uuid, uuid_text, uuid16};
use crate::text::trim_padding;

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
    /// The model, if the family lists it.
    pub model: Option<String>,
    /// The support for a device like this.
    pub support: Support,
    /// The name, data, or a service that is enough alone says that it is of this family.
    pub identified: bool,
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

/// The match of a rule in an advertisement.
struct Found {
    kind: Kind,
    /// Number of characters or bits that the rule fixes.
    exact: usize,
    /// The model that it reads.
    model: Option<String>,
    /// The evidence, for people.
    text: String,
}

/// The kinds of evidence in an advertisement. What was sent for programs says more about the model than a name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Name,
    Service,
    Manufacturer,
    ServiceData,
}

impl Family {
    /// Scores the evidence for this family in an advertisement.
    ///
    /// Of each kind of evidence (name, service, manufacturer data, service data) only the best rule counts: the name with
    /// most letters, the data with most bits. A rule that reads a model counts only if the family lists that model.
    #[must_use]
    pub fn recognise(&self, advert: &Advert<'_>) -> FamilyMatch {
        let name = advert.name.map(trim_padding);
        let revision = self.revision(advert);
        let mut best: [Option<(&MatchDef, Found)>; 4] = [const { None }; 4];
        let mut variant: Option<((Kind, usize), &str)> = None;
        let mut known: Option<KnownModel> = None;
        let mut unlisted: Option<String> = None;
        for rule in &self.file.matches {
            let rule = &rule.value;
            let Some(found) = self.find(rule, name, advert) else { continue };
            if let Some(model) = &found.model {
                let Some(listed) = self.models.find(model, revision.as_deref()) else {
                    unlisted.get_or_insert_with(|| match &revision {
                        Some(revision) => format!("{model}@{revision}"),
                        None => model.clone(),
                    });
                    continue;
                };
                // The first rule decides, unless another says that this is no bulb.
                if known.is_none() || matches!(listed.support, Support::NotABulb(_)) {
                    known = Some(listed);
                }
            }
            if let Some(named) = &rule.variant
                && variant.is_none_or(|(rank, _)| (found.kind, found.exact) > rank)
            {
                variant = Some(((found.kind, found.exact), &named.value));
            }
            let Some(place) = best.get_mut(found.kind as usize) else { continue };
            let rank = (found.exact, rule.score.value);
            if place.as_ref().is_none_or(|(rule, found)| rank > (found.exact, rule.score.value)) {
                *place = Some((rule, found));
            }
        }
        let (support, variant) = self.support(known.as_ref(), unlisted, variant.map(|(_, variant)| variant));
        let found: Vec<_> = best.into_iter().flatten().collect();
        let identifies = |(rule, found): &(&MatchDef, Found)| {
            found.kind != Kind::Service || u32::from(rule.score.value) >= MIN_SCORE
        };
        FamilyMatch {
            family: self.name().to_string(),
            variant,
            model: known.map(|known| known.model),
            support,
            identified: found.iter().any(identifies),
            score: found.iter().map(|(rule, _)| u32::from(rule.score.value)).sum(),
            evidence: found
                .into_iter()
                .map(|(rule, found)| Evidence { text: found.text, score: rule.score.value })
                .collect(),
        }
    }

    /// Decides what is done with a model, and by which variant. What forbids driving wins.
    fn support(
        &self,
        known: Option<&KnownModel>,
        unlisted: Option<String>,
        by_rule: Option<&str>,
    ) -> (Support, Option<String>) {
        let reason = |name: &str| self.variant(name)?.value.unsupported.clone();
        let named = || by_rule.map(ToString::to_string);
        match (known, by_rule.and_then(reason)) {
            (Some(KnownModel { support: support @ Support::NotABulb(_), .. }), _) => (support.clone(), None),
            (None, _) if unlisted.is_some() => (Support::Unlisted(unlisted), None),
            (_, Some(reason)) => (Support::Unsupported(reason), named()),
            (Some(known), None) => (known.support.clone(), known.variant.clone()),
            (None, None) if by_rule.is_none() && self.reads_models() => (Support::Unlisted(None), None),
            (None, None) => (Support::Driven, named()),
        }
    }

    fn reads_models(&self) -> bool {
        self.file.matches.iter().any(|rule| rule.value.reads_model())
    }

    fn revision(&self, advert: &Advert<'_>) -> Option<String> {
        let rules = self.file.matches.iter().map(|rule| &rule.value);
        rules.filter_map(|rule| data_of(rule, advert)).find_map(|(_, data)| data.revision)
    }

    fn find(&self, rule: &MatchDef, name: Option<&str>, advert: &Advert<'_>) -> Option<Found> {
        let exact = rule.data.as_ref().map_or(0, |pattern| pattern.bits());
        if let Some(pattern) = &rule.name {
            let name = name?;
            let found = pattern.matches(name, |model| self.models.lists(model))?;
            let text = match &found.model {
                Some(model) => format!("name {name:?} is of model {model}"),
                None => format!("name {name:?} is like {}", pattern.text),
            };
            return Some(Found { kind: Kind::Name, exact: found.letters, model: found.model, text });
        }
        if let Some(service) = rule.service {
            let text = format!("service {} is advertised", uuid_text(service.0));
            let there = advert.services.contains(&service.0);
            return there.then_some(Found { kind: Kind::Service, exact: 0, model: None, text });
        }
        let (company, data) = data_of(rule, advert)?;
        let (kind, mut text) = match (company, rule.service_data) {
            (Some(company), _) => {
                (Kind::Manufacturer, format!("manufacturer data of company {company:#06x}"))
            }
            (None, service) => {
                let service = service.map_or_else(String::new, |service| uuid_text(service.0));
                (Kind::ServiceData, format!("service data of {service}"))
            }
        };
        if let Some(model) = &data.model {
            text.push_str(&format!(" is of model {model}"));
        }
        Some(Found { kind, exact, model: data.model, text })
    }

    /// The models of the family, driven or not.
    #[must_use]
    pub fn models(&self) -> Vec<KnownModel> {
        self.models.all()
    }

    /// Advertisements of a model (`H6159`, or `H6159@2.1`), one for each rule that reads it: for tests and virtual bulbs.
    #[must_use]
    pub fn model_adverts(&self, model: &str) -> Vec<AdvertData> {
        let (model, revision) = match model.split_once('@') {
            Some((model, revision)) => (model, Some(revision)),
            None => (model, None),
        };
        let rules = || self.file.matches.iter().map(|rule| &rule.value);
        let data = |rule: &MatchDef, into: &mut AdvertData| {
            let data = rule.data.as_ref().and_then(|pattern| pattern.example(model, revision));
            match (data, rule.company, rule.service_data) {
                (Some(data), Some(companies), _) => into.manufacturer.push((companies.0, data)),
                (Some(data), _, Some(service)) => into.service_data.push((service.0, data)),
                _ => return false,
            }
            true
        };
        let reads_model = rules().filter(|rule| rule.reads_model());
        let adverts = reads_model.filter_map(|rule| {
            let mut advert = AdvertData::default();
            match &rule.name {
                Some(pattern) => advert.name = Some(pattern.example(model)?),
                None => data(rule, &mut advert).then_some(())?,
            }
            let revisions =
                rules().find(|rule| rule.data.as_ref().is_some_and(|pattern| pattern.reads_revision()));
            if let (Some(_), Some(rule)) = (revision, revisions) {
                data(rule, &mut advert);
            }
            Some(advert)
        });
        adverts.collect()
    }
}

impl MatchDef {
    /// Returns true if the advertisement has what the rule looks for, of any model.
    pub(crate) fn fits(&self, advert: &Advert<'_>) -> bool {
        if let Some(pattern) = &self.name {
            return advert.name.is_some_and(|name| pattern.matches(trim_padding(name), |_| false).is_some());
        }
        match self.service {
            Some(service) => advert.services.contains(&service.0),
            None => data_of(self, advert).is_some(),
        }
    }
}

/// The data that a rule looks for: the company, if it is manufacturer data, and what its pattern reads.
fn data_of(rule: &MatchDef, advert: &Advert<'_>) -> Option<(Option<u16>, DataMatch)> {
    let read = |data: &[u8]| match &rule.data {
        Some(pattern) => pattern.matches(data),
        None => Some(DataMatch::default()),
    };
    if let Some(companies) = rule.company {
        let own = |(company, _): &&(u16, &[u8])| (companies.0..=companies.1).contains(company);
        return advert
            .manufacturer
            .iter()
            .filter(own)
            .find_map(|(company, data)| Some((Some(*company), read(data)?)));
    }
    let service = rule.service_data?.0;
    let own = advert.service_data.iter().filter(|(uuid, _)| *uuid == service);
    own.map(|(_, data)| data).find_map(|data| Some((None, read(data)?)))
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
