//! Which family a bulb is of, and why.

use serde::Serialize;

use super::records::Bulb;
use super::text::{BOLD, DIM, Layout};
use crate::bulb::{Candidate, Recognition};
use crate::radio::SeenDevice;
use crate::sanitise::sanitise;

/// Which family a bulb is of, and what speaks for each.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct DetectRecord {
    /// The target, as it was given.
    pub target: String,
    /// Which bulb.
    #[serde(flatten)]
    pub bulb: Bulb,
    /// The profile that it is driven by, with its variant; null where the evidence does not decide.
    pub profile: Option<String>,
    /// The families that anything speaks for, the nearest first.
    pub candidates: Vec<CandidateRecord>,
}

/// The claim of a family.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CandidateRecord {
    /// Its profile, with the variant.
    pub profile: String,
    /// All scores together. They count only where nothing speaks against it.
    pub score: u32,
    /// What speaks for it.
    pub evidence: Vec<EvidenceRecord>,
    /// What speaks against it.
    pub against: Vec<String>,
    /// Why it cannot be driven, where it is only known by sight.
    pub unsupported: Option<String>,
}

/// Something that speaks for a family.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct EvidenceRecord {
    /// What.
    pub text: String,
    /// How much it says, 1 to 100.
    pub score: u8,
}

impl DetectRecord {
    /// The record of what was found.
    #[must_use]
    pub fn of(target: &str, device: &SeenDevice, found: &Recognition) -> Self {
        Self {
            target: target.to_owned(),
            bulb: Bulb::of(device),
            profile: found.winner().map(Candidate::name),
            candidates: found.candidates.iter().map(CandidateRecord::of).collect(),
        }
    }

    /// What people read: the verdict, and below it each family with its evidence.
    pub(super) fn text(&self, layout: Layout) -> String {
        let name = sanitise(self.bulb.label());
        let verdict = match (&self.profile, self.candidates.is_empty()) {
            (Some(profile), _) => profile.clone(),
            (None, false) => "not sure".to_owned(),
            (None, true) => "nothing speaks for any family".to_owned(),
        };
        let mut lines = vec![if layout.terminal {
            format!("{name}  {BOLD}{verdict}{BOLD:#}")
        } else {
            format!("{name}\t{verdict}")
        }];
        for one in &self.candidates {
            lines.push(format!("  {:<20} {:>4}", one.profile, one.score));
            for reason in one.reasons() {
                let line = format!("    {reason}");
                lines.push(if layout.terminal { format!("{DIM}{line}{DIM:#}") } else { line });
            }
        }
        lines.join("\n")
    }
}

impl CandidateRecord {
    pub(super) fn of(candidate: &Candidate) -> Self {
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
            unsupported: candidate.profile.unsupported.clone(),
        }
    }

    /// What speaks for it and against it, in a line each.
    pub(super) fn reasons(&self) -> Vec<String> {
        let evidence = self.evidence.iter().map(|e| format!("+{:<3} {}", e.score, sanitise(&e.text)));
        let against = self.against.iter().chain(&self.unsupported);
        evidence.chain(against.map(|text| format!("but  {}", sanitise(text)))).collect()
    }
}
