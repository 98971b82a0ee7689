//! Recognition of a bulb's family by its advertisement, its GATT table and, if these do not decide, a harmless read.
//! Nothing is ever written.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;

use bulb_protocol::gatt::uuid_text;
use bulb_protocol::profile::{
    CharacteristicPath, Evidence, FamilyMatch, Identification, MIN_SCORE, Probe, Profile, Support, identify,
};
use bulb_protocol::text::trim_padding;

use super::families::{Families, full_name};
use super::roles::{Roles, flat};
use crate::error::{Error, Operation, Result};
use crate::radio::{CharacteristicId, Deadline, GattTable, Link, Properties, SeenDevice};

/// Time limit for a read that is only evidence.
const PROBE_TIME: Duration = Duration::from_secs(3);
/// Number of closest families that are named if none is certain.
const NAMED: usize = 4;

/// A family that the device may belong to.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The evidence for it, with the score of all of it. It does not count if there is evidence against it.
    pub recognised: FamilyMatch,
    /// Part of the score that comes from the advertisement.
    pub advert: u32,
    /// The evidence against it.
    pub against: Vec<String>,
    /// True if the name, data or a read identify the family. The table alone does not.
    pub identified: bool,
    /// The profile that would drive it.
    pub profile: Arc<Profile>,
}

impl Candidate {
    /// `elk`, or `elk:melk` for a variant.
    #[must_use]
    pub fn name(&self) -> String {
        full_name(&self.recognised)
    }

    fn add(&mut self, text: String, score: u8) {
        self.recognised.score += u32::from(score);
        self.recognised.evidence.push(Evidence { text, score });
    }
}

/// The result of weighing the evidence.
#[derive(Clone, Debug)]
pub struct Recognition {
    /// The families with any evidence, the closest first.
    pub candidates: Vec<Candidate>,
    /// The index of the candidate that the evidence is for.
    pub decided: Option<usize>,
}

impl Recognition {
    /// The candidate that the evidence is for.
    #[must_use]
    pub fn winner(&self) -> Option<&Candidate> {
        self.candidates.get(self.decided?)
    }
}

/// Returns the profile for the bulb at the other end of the link: the configured one, or the recognised one.
///
/// # Errors
/// [`Error::Unrecognised`] if the evidence does not decide; [`Error::NoService`] and its kind if a bulb with the name of a family
/// lacks its characteristics; [`Error::ProfileUnsupported`]; [`Error::LinkLost`].
pub async fn recognise(
    link: &dyn Link,
    report: &SeenDevice,
    families: &Families,
    deadline: Deadline,
) -> Result<Arc<Profile>> {
    refuse_unsupported(report, families)?;
    let device = report.label();
    let configured = families.configured_profile(report)?;
    let is_configured = configured.is_some();
    let profile = match configured {
        Some(named) => named,
        None => match by_advert(link.table(), report, families)? {
            Some(profile) => profile,
            None => {
                let found = collect_evidence(link, report, families, deadline, false).await?;
                match found.winner() {
                    Some(winner) => Arc::clone(&winner.profile),
                    None => return Err(undecided(&found, link.table(), &device)),
                }
            }
        },
    };
    if let Some(error) = unsupported(&profile, device.clone()) {
        return Err(error);
    }
    if !is_configured && let Some(reason) = refusal(&profile, link, deadline).await? {
        return Err(Error::ProfileUnsupported { device, profile: profile.full_name(), reason });
    }
    Ok(with_address(profile, report))
}

/// Makes the reads that may say that this unit cannot be driven. Returns the reason, if one does.
async fn refusal(profile: &Profile, link: &dyn Link, deadline: Deadline) -> Result<Option<String>> {
    let mut read: Option<(CharacteristicId, Vec<u8>)> = None;
    for rule in &profile.refusals {
        let Some(id) = place(&rule.at, link.table()) else { continue };
        let value = match read.take().filter(|(known, _)| *known == id) {
            Some((_, value)) => value,
            None => {
                let silent = |waited| Error::Silent {
                    device: link.device().to_string(),
                    operation: Operation::read(id),
                    waited,
                };
                deadline.run(link.read(id, deadline), silent).await?
            }
        };
        if rule.applies(&value) {
            return Ok(Some(rule.reason.clone()));
        }
        read = Some((id, value));
    }
    Ok(None)
}

/// The profile with the address of the device, if its frames carry that and the platform says it.
fn with_address(mut profile: Arc<Profile>, device: &SeenDevice) -> Arc<Profile> {
    if let (true, Some(address)) = (profile.carries_address(), device.address) {
        Arc::make_mut(&mut profile).set_address(address.bytes());
    }
    profile
}

/// Refuses a device whose advertisement alone says that it cannot be driven, so that nobody needs to connect to it.
///
/// # Errors
/// [`Error::NotABulb`], [`Error::ProfileUnsupported`].
pub fn refuse_unsupported(report: &SeenDevice, families: &Families) -> Result<()> {
    if families.configured_profile(report)?.is_some() {
        return Ok(());
    }
    let all = families.score_advertisement(report);
    let Some(one) = identified(&all) else { return Ok(()) };
    if let Support::NotABulb(what) = &one.support {
        return Err(Error::NotABulb { device: report.label(), what: what.clone() });
    }
    let profile = families.profile_of(one)?;
    unsupported(&profile, report.label()).map_or(Ok(()), Err)
}

fn unsupported(profile: &Profile, device: String) -> Option<Error> {
    let reason = profile.unsupported.clone()?;
    Some(Error::ProfileUnsupported { device, profile: profile.full_name(), reason })
}

/// Returns the profile if the advertisement identifies it and the table fits.
fn by_advert(table: &GattTable, report: &SeenDevice, families: &Families) -> Result<Option<Arc<Profile>>> {
    let all = families.score_advertisement(report);
    let Some(one) = identified(&all) else { return Ok(None) };
    let profile = families.profile_of(one)?;
    // A model that cannot be driven need not have what the others have.
    let fits = profile.unsupported.is_some() || profile.match_table(&flat(table)).problems.is_empty();
    Ok(fits.then_some(profile))
}

/// Weighs all the evidence. Reads the characteristics that confirm a family if the rest does not identify one, or always if
/// `thorough`.
///
/// # Errors
/// [`Error::LinkLost`]. A value that cannot be read is no evidence.
pub async fn collect_evidence(
    link: &dyn Link,
    report: &SeenDevice,
    families: &Families,
    deadline: Deadline,
    thorough: bool,
) -> Result<Recognition> {
    let mut all = claims(link.table(), report, families);
    let known = decision(&all);
    if thorough || known.is_none() {
        for candidate in all.iter_mut().filter(|candidate| candidate.against.is_empty()) {
            probe(candidate, link, deadline).await?;
        }
    }
    let winner = decision(&all).or(known);
    for candidate in all.iter_mut().filter(|one| one.against.is_empty() && !one.identified) {
        candidate.against.push("only its GATT table says so, which other devices have too".to_owned());
    }
    all.sort_by_key(|one| (Reverse(one.against.is_empty()), Reverse(one.recognised.score)));
    let unlisted = |one: &Candidate| matches!(one.recognised.support, Support::Unlisted(Some(_)));
    all.retain(|one| one.recognised.score > 0 || unlisted(one));
    let decided = winner.and_then(|name| all.iter().position(|one| one.recognised.family == name));
    Ok(Recognition { candidates: all, decided })
}

/// Recognises the family by an advertisement and a table without a link, as in a capture; `None` if they do not decide. An
/// empty table means that the capture has none: it is no evidence.
#[must_use]
pub fn recognise_offline(
    table: &GattTable,
    report: &SeenDevice,
    families: &Families,
) -> Option<Arc<Profile>> {
    if table.services.is_empty() {
        let all = families.score_advertisement(report);
        return families.profile_of(identified(&all)?).ok();
    }
    let all = claims(table, report, families);
    let winner = decision(&all)?;
    all.into_iter().find(|one| one.recognised.family == winner).map(|one| one.profile)
}

/// Collects the evidence for and against each family in question, without a read.
fn claims(table: &GattTable, report: &SeenDevice, families: &Families) -> Vec<Candidate> {
    let in_question = families.score_device(report, table);
    let table = flat(table);
    let mut all = Vec::new();
    for recognised in in_question {
        let Ok(profile) = families.profile_of(&recognised) else { continue };
        let fit = profile.match_table(&table);
        let mut against = fit.problems;
        let refused = match &recognised.support {
            Support::Driven | Support::Unsupported(_) => false,
            Support::NotABulb(_) | Support::Unlisted(Some(_)) => true,
            // Only a family that something speaks for misses the model.
            Support::Unlisted(None) => recognised.score > 0,
        };
        against.extend(recognised.support.refusal().filter(|_| refused));
        let mut candidate = Candidate {
            advert: recognised.score,
            identified: recognised.identified,
            recognised,
            against,
            profile,
        };
        if candidate.against.is_empty() {
            let roles: Vec<_> = fit.roles.iter().map(|role| uuid_text(role.characteristic)).collect();
            let score = candidate.profile.gatt_score;
            candidate.add(format!("it has {}, as {} has", roles.join(", "), candidate.name()), score);
        }
        all.push(candidate);
    }
    all
}

/// The family that an advertisement alone identifies, if it lists the model.
fn identified(all: &[FamilyMatch]) -> Option<&FamilyMatch> {
    match identify(all) {
        Identification::Certain(one) if one.identified && !matches!(one.support, Support::Unlisted(_)) => {
            Some(one)
        }
        _ => None,
    }
}

/// The family that the evidence is for. The table must fit, and the name, data or a read must say the same: many devices
/// that are not bulbs have such tables. The base protocol also takes weak evidence, if no other family is possible.
fn decision(all: &[Candidate]) -> Option<String> {
    let fitting: Vec<&Candidate> = all.iter().filter(|one| one.against.is_empty()).collect();
    let scores: Vec<FamilyMatch> = fitting.iter().map(|one| one.recognised.clone()).collect();
    if let Identification::Certain(one) = identify(&scores) {
        let identified =
            |candidate: &&&Candidate| candidate.identified && candidate.recognised.family == one.family;
        return fitting.iter().find(identified).map(|candidate| candidate.recognised.family.clone());
    }
    if all.iter().any(|one| one.advert >= MIN_SCORE) {
        return None;
    }
    let mut claims = fitting.iter().filter(|one| one.recognised.score > 0);
    match (claims.next(), claims.next()) {
        (Some(one), None) if one.identified && one.profile.table_suffices => {
            Some(one.recognised.family.clone())
        }
        _ => None,
    }
}

/// Makes the read that settles whether it is of this family.
async fn probe(candidate: &mut Candidate, link: &dyn Link, deadline: Deadline) -> Result<()> {
    let profile = Arc::clone(&candidate.profile);
    let (id, score) = match &profile.probe {
        None => return Ok(()),
        Some(Probe::Role { role, score }) => {
            let Ok(roles) = Roles::find(&profile, link.table(), "") else { return Ok(()) };
            (roles.get(role), *score)
        }
        Some(Probe::Text { at, score, .. }) => (place(at, link.table()), *score),
    };
    let Some(id) = id.filter(|id| link.table().properties(*id).is_some_and(Properties::readable)) else {
        return Ok(());
    };
    let late =
        |waited| Error::Silent { device: link.device().to_string(), operation: Operation::read(id), waited };
    let within = deadline.within(PROBE_TIME);
    let value = match within.run(link.read(id, within), late).await {
        Ok(value) => value,
        Err(error @ Error::LinkLost { .. }) => return Err(error),
        Err(error) => {
            tracing::info!("{}: reading {id} to recognise it: {error}", link.device());
            return Ok(());
        }
    };
    match &profile.probe {
        Some(Probe::Role { role, .. }) => match profile.decode(role, &value) {
            Ok(_) => {
                candidate.identified = true;
                candidate.add(format!("{id} holds a state of {}", profile.name), score);
            }
            Err(error) => candidate.against.push(format!("{id} holds none of its states: {error}")),
        },
        Some(Probe::Text { text, .. }) => {
            let read = String::from_utf8_lossy(&value);
            if trim_padding(&read) == text {
                candidate.identified = true;
                candidate.add(format!("{id} reads {text:?}"), score);
            }
        }
        None => {}
    }
    Ok(())
}

fn place(place: &CharacteristicPath, table: &GattTable) -> Option<CharacteristicId> {
    let service = table.services.iter().find(|service| {
        place.service.is_none_or(|own| own == service.uuid)
            && service.characteristics.iter().any(|c| c.uuid == place.characteristic)
    })?;
    Some(CharacteristicId::new(service.uuid, place.characteristic))
}

/// Builds the error for an undecided device. If one family leads by the advertisement, the error names what the device lacks.
fn undecided(found: &Recognition, table: &GattTable, device: &str) -> Error {
    let mut named: Vec<&Candidate> = found.candidates.iter().filter(|one| one.advert > 0).collect();
    named.sort_by_key(|one| Reverse(one.advert));
    if let Some(first) = named.first()
        && named.get(1).is_none_or(|next| next.advert < first.advert)
        && let Err(error) = Roles::find(&first.profile, table, device)
    {
        return error;
    }
    let mut nearest: Vec<&Candidate> = found.candidates.iter().collect();
    nearest.sort_by_key(|one| Reverse(one.recognised.score));
    let nearest: Vec<String> = nearest
        .into_iter()
        .take(NAMED)
        .map(|one| {
            let against = one.against.first().map_or_else(String::new, |why| format!(", but {why}"));
            format!("{}, score {}{against}", one.name(), one.recognised.score)
        })
        .collect();
    Error::Unrecognised {
        device: device.to_owned(),
        found: table.outline(),
        nearest: match nearest.join("; ") {
            none if none.is_empty() => "no profile matches".to_owned(),
            some => format!("closest match: {some}"),
        },
    }
}

#[cfg(test)]
mod tests {
    use bulb_protocol::profile::builtin;
    use tempfile::TempDir;

    use super::*;
    use crate::radio::sim::{SimOptions, open_text};

    fn candidate(family: &str, advert: u32) -> Candidate {
        let recognised = FamilyMatch {
            family: family.to_owned(),
            variant: None,
            model: None,
            support: Support::Driven,
            identified: true,
            score: advert,
            evidence: Vec::new(),
        };
        let profile = Arc::new(builtin::load(family, None).unwrap());
        Candidate { recognised, advert, against: Vec::new(), identified: true, profile }
    }

    #[test]
    fn only_a_family_that_leads_by_the_advertisement_is_told_to_lack_something() {
        for (scores, code) in [
            (&[("base", 60)][..], "profile.no_service"),
            (&[("base", 20), ("elk", 60)], "profile.no_service"),
            (&[("base", 60), ("elk", 60)], "profile.unknown"),
            (&[("base", 0)], "profile.unknown"),
            (&[], "profile.unknown"),
        ] {
            let candidates = scores.iter().map(|(family, score)| candidate(family, *score)).collect();
            let found = Recognition { candidates, decided: None };
            assert_eq!(undecided(&found, &GattTable::default(), "Light").code(), code, "{scores:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_speaks_against_the_family_that_was_identified() {
        let rig = "rig = 1\n[[bulb]]\nprofile = \"elk\"\naddress = \"C4:11:00:00:00:01\"\n";
        let dir = TempDir::new().unwrap();
        let options = SimOptions { dir: Some(dir.path().to_owned()), log: None };
        let radio = open_text(rig, "rig.toml", options).unwrap();
        let mut seen = radio.seen_devices();
        radio.start_scan().await.unwrap();
        let device = seen.recv().await.unwrap();
        let deadline = Deadline::after(Duration::from_secs(10));
        let link = radio.connect(&device.id, deadline).await.unwrap();
        let found =
            collect_evidence(link.as_ref(), &device, &Families::default(), deadline, true).await.unwrap();
        let winner = found.winner().unwrap();
        assert_eq!((winner.name().as_str(), winner.against.as_slice()), ("elk", &[][..]));
    }
}
