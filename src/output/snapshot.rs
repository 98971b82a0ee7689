//! Saved states of bulbs: the records of `snapshot`, and reading them back.

use bulb_protocol::profile::{Light, Profile};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::records::{Bulb, LightRecord};
use crate::bulb::{BulbState, Provenance};
use crate::radio::SeenDevice;

const VERSION: u32 = 1;

/// Saved state of a bulb, for `restore`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SnapshotRecord {
    /// Version of this record: 1.
    pub version: u32,
    pub target: String,
    #[serde(flatten)]
    pub bulb: Bulb,
    pub profile: String,
    pub provenance: Provenance,
    #[serde(flatten)]
    pub light: LightRecord,
}

impl SnapshotRecord {
    /// Only what the bulb said is saved, nothing that was only written.
    pub fn of(target: &str, device: &SeenDevice, profile: &Profile, state: &BulbState) -> Self {
        let said = state.light.only(state.light.features().less(state.assumed));
        Self {
            version: VERSION,
            target: target.to_owned(),
            bulb: Bulb::of(device),
            profile: profile.full_name(),
            provenance: if said.features().is_empty() { Provenance::Unknown } else { state.provenance },
            light: LightRecord::of(&said),
        }
    }
}

/// A line of a file of snapshots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedState {
    /// The bulb: its identifier, or the target that somebody wrote.
    pub target: String,
    /// The values; none if they were not known.
    pub light: Light,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedLine {
    #[serde(rename = "type")]
    _type: SnapshotType,
    version: u32,
    id: Option<String>,
    target: Option<String>,
    provenance: Option<Provenance>,
    #[serde(rename = "address")]
    _address: Option<IgnoredAny>,
    #[serde(rename = "name")]
    _name: Option<IgnoredAny>,
    #[serde(rename = "profile")]
    _profile: Option<IgnoredAny>,
    #[serde(rename = "at")]
    _at: Option<IgnoredAny>,
    #[serde(flatten)]
    light: Light,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum SnapshotType {
    Snapshot,
}

impl SavedState {
    /// Reads every line but empty lines and comments.
    ///
    /// # Errors
    /// The mistakes, with the number of each line.
    pub fn read(text: &str) -> Result<Vec<Self>, String> {
        let lines = (1..).zip(text.lines().map(str::trim));
        let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        let (mut states, mut mistakes) = (Vec::<Self>::new(), Vec::new());
        for (number, line) in lines {
            match Self::read_line(line) {
                Ok(None) => {}
                Ok(Some(state)) if states.iter().any(|other| other.target == state.target) => {
                    mistakes.push(format!("line {number}: {:?} is in the file twice", state.target));
                }
                Ok(Some(state)) => states.push(state),
                Err(what) => mistakes.push(format!("line {number}: {what}")),
            }
        }
        match mistakes.len() {
            0 if states.is_empty() => Err("it contains no snapshot".to_owned()),
            0 => Ok(states),
            count @ 6.. => {
                Err(format!("{}; and {} more", mistakes.get(..5).unwrap_or_default().join("; "), count - 5))
            }
            _ => Err(mistakes.join("; ")),
        }
    }

    /// Returns `None` for an error: `snapshot --json` prints one for a bulb that it could not read.
    fn read_line(line: &str) -> Result<Option<Self>, String> {
        let is_error = |line: &Value| line.get("type").is_some_and(|kind| kind == "error");
        if serde_json::from_str(line).is_ok_and(|line| is_error(&line)) {
            return Ok(None);
        }
        let saved: SavedLine = serde_json::from_str(line).map_err(|error| {
            let text = error.to_string();
            // There is one line, so its number says nothing.
            text.split(" at line ").next().unwrap_or_default().to_owned()
        })?;
        if saved.version != VERSION {
            return Err(format!("this is version {}; this bulbctl reads version {VERSION}", saved.version));
        }
        let Some(target) = saved.id.or(saved.target).filter(|target| !target.trim().is_empty()) else {
            return Err("it names no bulb: add \"target\"".to_owned());
        };
        if saved.light.features().is_empty() && saved.provenance != Some(Provenance::Unknown) {
            return Err("it has no value to restore, such as \"power\":true".to_owned());
        }
        Ok(Some(Self { target, light: saved.light }))
    }
}

#[cfg(test)]
mod tests {
    use bulb_protocol::{Percent, Rgb};

    use super::*;

    const START: &str = "{\"type\":\"snapshot\",\"version\":1";

    #[test]
    fn people_can_write_lines() {
        let text = format!(
            "# the scene\n\n{{\"type\":\"error\",\"code\":\"link.lost\"}}\n{START},\"target\":\"desk\",\"power\":true,\"brightness\":30,\"color\":\"#ff8800\"}}\r\n\
             {START},\"id\":\"C4:11:00:00:00:01\",\"target\":\"all\",\"address\":null,\"name\":\"x\",\"profile\":\"elk\",\
             \"provenance\":\"unknown\",\"power\":null,\"at\":\"2026-11-29T01:12:05.733Z\"}}"
        );
        let light = Light {
            power: Some(true),
            brightness: Some(Percent::clamped(30)),
            color: Some(Rgb::new(255, 136, 0)),
            ..Light::default()
        };
        assert_eq!(
            SavedState::read(&text).unwrap(),
            [
                SavedState { target: "desk".to_owned(), light },
                SavedState { target: "C4:11:00:00:00:01".to_owned(), light: Light::default() }
            ]
        );
    }

    #[test]
    fn mistakes_are_told_by_line() {
        for (line, want) in [
            ("{}", "line 1: missing field `type`"),
            ("{\"type\":\"state\"}", "line 1: unknown variant `state`, expected `snapshot`"),
            ("power", "line 1: expected value"),
            ("{\"type\":\"snapshot\"}", "line 1: missing field `version`"),
            ("{\"type\":\"snapshot\",\"version\":2}", "line 1: this is version 2"),
            (&format!("{START}}}"), "line 1: it names no bulb"),
            (&format!("{START},\"target\":\"\",\"power\":true}}"), "line 1: it names no bulb"),
            (&format!("{START},\"target\":\"a\"}}"), "line 1: it has no value"),
            (&format!("{START},\"target\":\"a\",\"brightness\":101}}"), "line 1: 101 is not in 0..=100"),
            (&format!("{START},\"target\":\"a\",\"color\":\"red\"}}"), "line 1: a colour is #rrggbb"),
            (&format!("{START},\"target\":\"a\",\"powr\":true}}"), "line 1: unknown field `powr`"),
            (
                &format!("{START},\"target\":\"a\",\"power\":1}}"),
                "line 1: invalid type: integer `1`, expected a boolean",
            ),
            ("\n", "it contains no snapshot"),
        ] {
            let error = SavedState::read(line).unwrap_err();
            assert!(error.starts_with(want), "{line}: {error}");
        }
        let right = format!("{START},\"target\":\"a\",\"power\":true}}\n");
        let error = SavedState::read(&format!("{right}x\n{right}")).unwrap_err();
        assert_eq!(error, "line 2: expected value; line 3: \"a\" is in the file twice");
        let error = SavedState::read(&"x\n".repeat(9)).unwrap_err();
        assert!(error.ends_with("line 5: expected value; and 4 more"), "{error}");
    }
}
