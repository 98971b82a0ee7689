//! Results of `check`: a record for each check, the summary, and the JUnit file.

use bulb_protocol::profile::Profile;
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};
use serde::Serialize;

use anstyle::{AnsiColor, Style};

use super::records::{Bulb, millis};
use super::text::{DIM, Layout};
use crate::check::{
    CHECKS, Category, FinishedCheck, Outcome, Summary, profile_check_category, profile_check_hint,
    profile_check_name,
};
use crate::error::{Error, Result};
use crate::radio::SeenDevice;
use crate::sanitise::sanitise;

const GREEN: Style = AnsiColor::Green.on_default();
const RED: Style = AnsiColor::Red.on_default().bold();
const YELLOW: Style = AnsiColor::Yellow.on_default();

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum CheckResult {
    /// The bulb does what the check expects.
    Passed,
    /// The bulb does something else.
    Failed,
    /// Another problem prevented a result.
    Blocked,
    /// The check did not run.
    Skipped,
}

#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CheckRecord {
    pub target: String,
    #[serde(flatten)]
    pub bulb: Bulb,
    /// Profile that the bulb is tested against.
    pub profile: String,
    pub check: String,
    pub result: CheckResult,
    pub about: String,
    pub expected: Option<String>,
    /// Observed value of a failed check.
    pub seen: Option<String>,
    pub reason: Option<String>,
    /// Additional detail, such as a measured time.
    pub note: Option<String>,
    /// Place to look in the firmware; null unless the check failed.
    pub look: Option<String>,
    /// Last frames in both directions, oldest first; empty if the check passed.
    pub frames: Vec<String>,
    pub duration_ms: u64,
}

#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CheckSummary {
    pub target: String,
    #[serde(flatten)]
    pub bulb: Bulb,
    /// Profile that the bulb is tested against.
    pub profile: String,
    pub passed: usize,
    pub failed: usize,
    pub blocked: usize,
    pub skipped: usize,
    /// True if the original state was written back and the bulb reports no other; null if the state was unknown or nothing was written.
    pub restored: Option<bool>,
    pub duration_ms: u64,
}

/// An available check (`check --list`).
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CheckListing {
    pub check: String,
    pub about: String,
    /// Class of runs that include it: `safe` (always), `flashing` or `long` (with the option of that name).
    pub class: &'static str,
    pub look: String,
}

impl CheckRecord {
    pub fn of(target: &str, device: &SeenDevice, profile: &str, done: FinishedCheck) -> Self {
        let (result, expected, seen, reason) = match done.outcome {
            Outcome::Passed => (CheckResult::Passed, None, None, None),
            Outcome::Failed { expected, seen } => (CheckResult::Failed, Some(expected), Some(seen), None),
            Outcome::Blocked(what) => (CheckResult::Blocked, None, None, Some(what)),
            Outcome::Skipped(why) => (CheckResult::Skipped, None, None, Some(why)),
        };
        let wrong = matches!(result, CheckResult::Failed | CheckResult::Blocked);
        Self {
            target: target.to_owned(),
            bulb: Bulb::of(device),
            profile: profile.to_owned(),
            check: done.name,
            result,
            about: done.about,
            expected,
            seen,
            reason,
            note: done.note,
            look: (result == CheckResult::Failed).then_some(done.look),
            frames: if wrong { done.frames } else { Vec::new() },
            duration_ms: millis(done.took),
        }
    }

    pub(super) fn text(&self, layout: Layout) -> String {
        let (word, style) = match self.result {
            CheckResult::Passed => ("passed", GREEN),
            CheckResult::Failed => ("FAILED", RED),
            CheckResult::Blocked => ("blocked", YELLOW),
            CheckResult::Skipped => ("skipped", DIM),
        };
        let detail = self.reason.as_ref().or(self.note.as_ref()).map(|text| sanitise(text).into_owned());
        let detail = detail.unwrap_or_default();
        let (style, dim) = (layout.style(style), layout.style(DIM));
        if !layout.terminal {
            let failed = self.seen.as_ref().map(|seen| sanitise(seen).into_owned());
            return format!("{style}{word}{style:#}\t{}\t{}", self.check, failed.unwrap_or(detail));
        }
        let mut text = format!("{style}{word:<7}{style:#}  {:<26}  {dim}{detail}{dim:#}", self.check);
        if let (Some(expected), Some(seen)) = (&self.expected, &self.seen) {
            text.push_str(&format!("\n         expected  {}", sanitise(expected)));
            text.push_str(&format!("\n         seen      {}", sanitise(seen)));
        }
        if let Some(look) = &self.look {
            text.push_str(&format!("\n         look at   {look}"));
        }
        // JSON and the JUnit file have more.
        for frame in self.frames.iter().rev().take(4).rev() {
            text.push_str(&format!("\n         {dim}{}{dim:#}", sanitise(frame)));
        }
        text
    }
}

impl CheckSummary {
    pub fn of(target: &str, device: &SeenDevice, profile: &str, summary: Summary) -> Self {
        Self {
            target: target.to_owned(),
            bulb: Bulb::of(device),
            profile: profile.to_owned(),
            passed: summary.passed,
            failed: summary.failed,
            blocked: summary.blocked,
            skipped: summary.skipped,
            restored: summary.restored,
            duration_ms: millis(summary.took),
        }
    }

    pub(super) fn text(&self, layout: Layout) -> String {
        let name = sanitise(self.bulb.label());
        let restored = match self.restored {
            Some(false) => "; could not restore the original state",
            _ => "",
        };
        let counts = format!(
            "{} passed, {} failed, {} blocked, {} skipped{restored}",
            self.passed, self.failed, self.blocked, self.skipped
        );
        if layout.terminal {
            format!("{name} as {}: {counts}", self.profile)
        } else {
            format!("summary\t{name}\t{counts}")
        }
    }
}

impl CheckListing {
    pub fn all() -> impl Iterator<Item = Self> {
        CHECKS.iter().map(|check| Self::new(check.name, check.about, check.category, check.look))
    }

    pub fn own(profile: &Profile) -> impl Iterator<Item = Self> {
        profile.checks.iter().map(|check| {
            Self::new(
                &profile_check_name(profile, check),
                &check.about,
                profile_check_category(check),
                profile_check_hint(check),
            )
        })
    }

    fn new(check: &str, about: &str, class: Category, look: &str) -> Self {
        let class = match class {
            Category::Safe => "safe",
            Category::Flashing => "flashing",
            Category::Long => "long",
        };
        Self { check: check.to_owned(), about: about.to_owned(), class, look: look.to_owned() }
    }

    pub(super) fn text(&self, layout: Layout) -> String {
        if layout.terminal {
            format!("{:<26}  {:<8}  {}", self.check, self.class, self.about)
        } else {
            format!("{}\t{}\t{}", self.check, self.class, self.about)
        }
    }
}

/// Renders the records as JUnit XML: a suite for each bulb, a case for each check. The XML is well-formed whatever the names contain.
pub fn junit(records: &[CheckRecord]) -> Result<Vec<u8>> {
    write_junit(records).map_err(|error| Error::Internal(format!("writing JUnit XML: {error}")))
}

fn write_junit(records: &[CheckRecord]) -> std::io::Result<Vec<u8>> {
    let mut writer = Writer::new_with_indent(Vec::new(), b' ', 2);
    writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let mut bulbs: Vec<&str> = Vec::new();
    for record in records {
        if !bulbs.contains(&record.bulb.id.as_str()) {
            bulbs.push(&record.bulb.id);
        }
    }
    writer.create_element("testsuites").with_attribute(("name", "bulbctl check")).write_inner_content(
        |writer| {
            bulbs
                .iter()
                .try_for_each(|id| suite(writer, records.iter().filter(|one| one.bulb.id == *id).collect()))
        },
    )?;
    let mut bytes = writer.into_inner();
    bytes.push(b'\n');
    Ok(bytes)
}

fn suite(writer: &mut Writer<Vec<u8>>, records: Vec<&CheckRecord>) -> std::io::Result<()> {
    let Some(first) = records.first() else { return Ok(()) };
    let count = |result| records.iter().filter(|one| one.result == result).count().to_string();
    let total: u64 = records.iter().map(|one| one.duration_ms).sum();
    let (name, class) = (clean(first.bulb.label()), clean(&format!("bulbctl.{}", first.profile)));
    writer
        .create_element("testsuite")
        .with_attribute(("name", name.as_str()))
        .with_attribute(("tests", records.len().to_string().as_str()))
        .with_attribute(("failures", count(CheckResult::Failed).as_str()))
        .with_attribute(("errors", count(CheckResult::Blocked).as_str()))
        .with_attribute(("skipped", count(CheckResult::Skipped).as_str()))
        .with_attribute(("time", seconds(total).as_str()))
        .write_inner_content(|writer| records.iter().try_for_each(|one| case(writer, one, &class)))?;
    Ok(())
}

fn case(writer: &mut Writer<Vec<u8>>, record: &CheckRecord, class: &str) -> std::io::Result<()> {
    let name = clean(&record.check);
    let time = seconds(record.duration_ms);
    let element = writer
        .create_element("testcase")
        .with_attribute(("name", name.as_str()))
        .with_attribute(("classname", class))
        .with_attribute(("time", time.as_str()));
    let reason = clean(record.reason.as_deref().unwrap_or_default());
    let (tag, message) = match record.result {
        CheckResult::Passed => return element.write_empty().map(drop),
        CheckResult::Skipped => ("skipped", reason),
        CheckResult::Blocked => ("error", reason),
        CheckResult::Failed => ("failure", clean(record.seen.as_deref().unwrap_or_default())),
    };
    element
        .write_inner_content(|writer| {
            let inner = writer.create_element(tag).with_attribute(("message", message.as_str()));
            if record.result == CheckResult::Skipped {
                return inner.write_empty().map(drop);
            }
            let mut text = Vec::new();
            text.extend(record.expected.iter().map(|expected| format!("expected: {expected}")));
            text.extend(record.seen.iter().map(|seen| format!("seen: {seen}")));
            text.extend(record.look.iter().map(|look| format!("look at: {look}")));
            text.extend(record.frames.iter().cloned());
            inner.write_text_content(BytesText::new(&clean(&text.join("\n")))).map(drop)
        })
        .map(drop)
}

fn seconds(millis: u64) -> String {
    format!("{}.{:03}", millis / 1000, millis % 1000)
}

/// Escapes control characters except line ends, and replaces the two other characters that XML forbids (XML 1.0, 2.2).
fn clean(text: &str) -> String {
    let lines: Vec<_> = text.split('\n').map(sanitise).collect();
    lines.join("\n").replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}")
}
