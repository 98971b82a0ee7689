//! Detected family of a bulb, with the evidence.

use serde::Serialize;

use super::records::Bulb;
use super::text::{BOLD, DIM, Layout};
use crate::bulb::{Candidate, Recognition};
use crate::radio::SeenDevice;
use crate::sanitise::sanitise;

/// Detected family of a bulb, with the evidence for each candidate.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct DetectRecord {
    pub target: String,
    #[serde(flatten)]
    pub bulb: Bulb,
    /// Detected profile with its variant; null if the evidence is not conclusive.
    pub profile: Option<String>,
    /// Candidate families, best match first.
    pub candidates: Vec<CandidateRecord>,
}

/// A candidate family.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CandidateRecord {
    pub profile: String,
    /// Sum of all scores. It counts only if `against` is empty.
    pub score: u32,
    /// Evidence for this family.
    pub evidence: Vec<EvidenceRecord>,
    /// Evidence against this family.
    pub against: Vec<String>,
    /// Reason why bulbctl cannot control it; null if it can.
    pub unsupported: Option<String>,
}

/// Evidence for a family.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct EvidenceRecord {
    pub text: String,
    /// Score from 1 to 100.
    pub score: u8,
}

impl DetectRecord {
    pub fn of(target: &str, device: &SeenDevice, found: &Recognition) -> Self {
        Self {
            target: target.to_owned(),
            bulb: Bulb::of(device),
            profile: found.winner().map(Candidate::name),
            candidates: found.candidates.iter().map(CandidateRecord::of).collect(),
        }
    }

    /// The verdict, then each candidate with its evidence.
    pub(super) fn text(&self, layout: Layout) -> String {
        let name = sanitise(self.bulb.label());
        let verdict = match (&self.profile, self.candidates.is_empty()) {
            (Some(profile), _) => profile.clone(),
            (None, false) => "not sure".to_owned(),
            (None, true) => "no family matches".to_owned(),
        };
        let (bold, dim) = (layout.style(BOLD), layout.style(DIM));
        let gap = if layout.terminal { "  " } else { "\t" };
        let mut lines = vec![format!("{name}{gap}{bold}{verdict}{bold:#}")];
        for one in &self.candidates {
            lines.push(format!("  {:<20} {:>4}", one.profile, one.score));
            for reason in one.reasons() {
                lines.push(format!("{dim}    {reason}{dim:#}"));
            }
        }
        lines.join("\n")
    }
}

impl CandidateRecord {
    pub(super) fn of(candidate: &Candidate) -> Self {
        let unsupported = candidate.profile.unsupported.clone();
        Self {
            profile: candidate.name(),
            score: candidate.recognised.score,
            evidence: candidate
                .recognised
                .evidence
                .iter()
                .map(|evidence| EvidenceRecord { text: evidence.text.clone(), score: evidence.score })
                .collect(),
            against: candidate.against.clone(),
            unsupported: unsupported.filter(|reason| !candidate.against.contains(reason)),
        }
    }

    /// One line for each piece of evidence.
    pub(super) fn reasons(&self) -> Vec<String> {
        let evidence = self.evidence.iter().map(|e| format!("+{:<3} {}", e.score, sanitise(&e.text)));
        let against = self.against.iter().chain(&self.unsupported);
        evidence.chain(against.map(|text| format!("but  {}", sanitise(text)))).collect()
    }
}
