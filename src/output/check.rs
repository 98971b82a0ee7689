//! What `check` reports: a record each check, the summary, and the file for build servers.

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

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum CheckResult {
    /// The bulb does what it should.
    Passed,
    /// It does not.
    Failed,
    /// It cannot be said, because something else does not work.
    Blocked,
    /// It was not run.
    Skipped,
}

/// A check that is over.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CheckRecord {
    /// The target, as it was given.
    pub target: String,
    /// Which bulb.
    #[serde(flatten)]
    pub bulb: Bulb,
    /// The profile that the bulb is held against.
    pub profile: String,
    /// The name of the check.
    pub check: String,
    /// How it ended.
    pub result: CheckResult,
    /// What it expects, as a sentence.
    pub about: String,
    /// What was expected where it failed.
    pub expected: Option<String>,
    /// What was seen where it failed.
    pub seen: Option<String>,
    /// Why it was skipped, or what is in its way.
    pub reason: Option<String>,
    /// What else there is to say, as a time that was measured.
    pub note: Option<String>,
    /// Where to look in the firmware; null where it did not fail.
    pub look: Option<String>,
    /// The last frames that passed, oldest first, where it did not pass.
    pub frames: Vec<String>,
    /// How long it took, milliseconds.
    pub duration_ms: u64,
}

/// The end of all checks of a bulb.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CheckSummary {
    /// The target, as it was given.
    pub target: String,
    /// Which bulb.
    #[serde(flatten)]
    pub bulb: Bulb,
    /// The profile that the bulb is held against.
    pub profile: String,
    /// How many checks passed.
    pub passed: usize,
    /// How many failed.
    pub failed: usize,
    /// How many could not be run because something else does not work.
    pub blocked: usize,
    /// How many were left out.
    pub skipped: usize,
    /// Whether the state that the bulb was found in was written back, and it does not tell otherwise; null where it was never known, or nothing
    /// was written.
    pub restored: Option<bool>,
    /// How long all took, milliseconds.
    pub duration_ms: u64,
}

/// A check that there is (`check --list`).
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CheckListing {
    /// The name of the check.
    pub check: String,
    /// What it expects, as a sentence.
    pub about: String,
    /// When it is run: `safe` (always), `flashing` or `long` (with these flags).
    pub class: &'static str,
    /// Where to look in the firmware when it fails.
    pub look: String,
}

impl CheckRecord {
    /// The record of a check.
    #[must_use]
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
        if !layout.terminal {
            let failed = self.seen.as_ref().map(|seen| sanitise(seen).into_owned());
            return format!("{word}\t{}\t{}", self.check, failed.unwrap_or(detail));
        }
        let mut text = format!("{style}{word:<7}{style:#}  {:<26}  {DIM}{detail}{DIM:#}", self.check);
        if let (Some(expected), Some(seen)) = (&self.expected, &self.seen) {
            text.push_str(&format!("\n         expected  {}", sanitise(expected)));
            text.push_str(&format!("\n         seen      {}", sanitise(seen)));
        }
        if let Some(look) = &self.look {
            text.push_str(&format!("\n         look at   {look}"));
        }
        // The last few say it; JSON and the report file have more.
        for frame in self.frames.iter().rev().take(4).rev() {
            text.push_str(&format!("\n         {DIM}{}{DIM:#}", sanitise(frame)));
        }
        text
    }
}

impl CheckSummary {
    /// The record of the end.
    #[must_use]
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
            Some(false) => ", and it could not be put back into the state that it was found in",
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
    /// All checks that are built in.
    pub fn all() -> impl Iterator<Item = Self> {
        CHECKS.iter().map(|check| Self::new(check.name, check.about, check.class, check.look))
    }

    /// The checks that a profile brings with it.
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

/// The records as JUnit XML: a suite each bulb, a case each check. Well-formed whatever the names hold.
///
/// # Errors
/// [`Error::Internal`] where the writer refuses.
pub fn junit(records: &[CheckRecord]) -> Result<Vec<u8>> {
    write_junit(records).map_err(|error| Error::Internal(format!("writing the report: {error}")))
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

/// What acts on a terminal as escapes, lines kept; and without the two characters that XML does not have (XML 1.0, 2.2) besides those.
fn clean(text: &str) -> String {
    let lines: Vec<_> = text.split('\n').map(sanitise).collect();
    lines.join("\n").replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use quick_xml::Reader;

    use super::*;

    fn record(name: &str, outcome: Outcome) -> CheckRecord {
        let device = SeenDevice {
            id: crate::radio::DeviceId::new("C4:11:00:00:00:01"),
            address: None,
            name: Some(name.to_owned()),
            alias: None,
            rssi: None,
            tx_power: None,
            services: Vec::new(),
            manufacturer: Default::default(),
            service_data: Default::default(),
            connected: false,
            seen: None,
        };
        let done = FinishedCheck {
            name: "command-on".to_owned(),
            about: "on is reported".to_owned(),
            look: "the handler".to_owned(),
            outcome,
            took: Duration::from_millis(1234),
            frames: vec!["write fff1 request 01".to_owned()],
            note: None,
        };
        CheckRecord::of("x", &device, "base", done)
    }

    #[test]
    fn hostile_names_stay_well_formed() {
        for name in ["</testsuite>", "a\"b'<&>", "\u{1b}[2J\u{0}\u{ffff}", "]]>", "\u{202e}\u{1f4a1}"] {
            let failed = Outcome::Failed { expected: name.to_owned(), seen: name.to_owned() };
            let records = [
                record(name, failed),
                record(name, Outcome::Blocked(name.to_owned())),
                record(name, Outcome::Passed),
            ];
            let xml = junit(&records).unwrap();
            let text = String::from_utf8(xml).unwrap();
            assert!(!text.contains(['\u{1b}', '\u{0}', '\u{ffff}']));
            let mut reader = Reader::from_str(&text);
            let (mut cases, mut depth) = (0, 0);
            loop {
                match reader.read_event().unwrap() {
                    Event::Start(tag) => {
                        tag.attributes().for_each(|one| {
                            one.unwrap();
                        });
                        cases += usize::from(tag.name().as_ref() == "testcase");
                        depth += 1;
                    }
                    Event::Empty(tag) => cases += usize::from(tag.name().as_ref() == "testcase"),
                    Event::End(_) => depth -= 1,
                    Event::Eof => break,
                    _ => {}
                }
            }
            assert_eq!((cases, depth), (3, 0), "{text}");
        }
    }
}
