//! Boards with one defect each, on the sim radio and a paused clock: each fails the checks that its rig says, and no other.

// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bulbctl::bulb::Families;
use bulbctl::check::{self, Board, CHECKS, CheckPlan, FinishedCheck, Outcome, Summary};
use bulbctl::radio::sim::{SimOptions, open};
use bulbctl::radio::{Radio, SeenDevice};

/// What a rig says that `check` is to find.
#[derive(Debug, PartialEq, Eq, serde::Deserialize)]
struct Expect {
    fails: BTreeSet<String>,
    #[serde(default)]
    blocked: BTreeSet<String>,
    /// Whether it is as it was found afterwards, as far as it tells.
    #[serde(default = "yes")]
    restored: bool,
}

const fn yes() -> bool {
    true
}

#[derive(serde::Deserialize)]
struct Told {
    #[serde(flatten)]
    expect: Expect,
    /// Which checks tests/scenarios/check.rs runs on the real stack too.
    real_stack: Option<String>,
}

fn rigs() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/rigs/defects");
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    files
}

async fn first_heard(radio: &dyn Radio) -> SeenDevice {
    let mut reports = radio.seen_devices();
    radio.start_scan().await.unwrap();
    let report = tokio::time::timeout(Duration::from_secs(5), reports.recv()).await.unwrap().unwrap();
    radio.stop_scan().await.unwrap();
    report
}

async fn run(rig: &Path, profile: &str) -> (Vec<FinishedCheck>, Summary, SeenDevice) {
    let dir = tempfile::tempdir().unwrap();
    let radio = open(Some(rig), SimOptions { dir: Some(dir.path().to_owned()), log: None }).await.unwrap();
    let report = first_heard(radio.as_ref()).await;
    let families = Arc::new(Families::default().with_profile(profile).unwrap());
    let profile = families.configured_profile(&report).unwrap().unwrap();
    let mut board = Board::new(Arc::clone(&radio), report.clone(), families, profile);
    let plan = CheckPlan { only: Vec::new(), flashing: true, long: Some(Duration::from_secs(120)) };
    let mut all = Vec::new();
    let summary = check::run(&mut board, &plan, |done| {
        all.push(done.clone());
        Ok(())
    });
    let summary = summary.await.unwrap();
    radio.close().await;
    (all, summary, report)
}

fn found(all: &[FinishedCheck], summary: &Summary) -> Expect {
    let names = |matches: fn(&Outcome) -> bool| {
        all.iter().filter(|done| matches(&done.outcome)).map(|done| done.name.clone()).collect()
    };
    Expect {
        fails: names(|outcome| matches!(outcome, Outcome::Failed { .. })),
        blocked: names(|outcome| matches!(outcome, Outcome::Blocked(_))),
        restored: summary.restored != Some(false),
    }
}

#[tokio::test(start_paused = true)]
async fn each_defect_fails_the_checks_that_it_should_and_no_other() {
    let mut wrong = String::new();
    let mut matrix = Matrix::default();
    for file in rigs() {
        let text = fs::read_to_string(&file).unwrap();
        let table: toml::Table = toml::from_str(&text).unwrap();
        let Told { expect: expected, real_stack } = table["expect"].clone().try_into().unwrap();
        let (all, summary, _) = run(&file, "base").await;
        assert_eq!(all.len(), CHECKS.len());
        let found = found(&all, &summary);
        if found != expected {
            let name = file.file_stem().unwrap().to_string_lossy();
            writeln!(wrong, "{name}: expected {expected:?}\n  found {found:?}").unwrap();
            for done in
                all.iter().filter(|done| !matches!(done.outcome, Outcome::Passed | Outcome::Skipped(_)))
            {
                writeln!(wrong, "    {}: {:?}\n        {:?}", done.name, done.outcome, done.frames).unwrap();
            }
        }
        matrix.add(&file, table["about"].as_str().unwrap(), &found, real_stack);
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(matrix.rows.len() > 20);
    // Every check that the base protocol has is failed by some board: none is there for show.
    let caught: BTreeSet<&String> = matrix.rows.iter().flat_map(|row| &row.fails).collect();
    let never: Vec<&str> = CHECKS
        .iter()
        .map(|check| check.name)
        .filter(|name| !caught.iter().any(|caught| caught.as_str() == *name))
        .filter(|name| !["white", "kelvin", "effects"].contains(name))
        .collect();
    assert!(never.is_empty(), "no board fails {never:?}");
    // What is said of the real stack is done there.
    let scenarios = include_str!("scenarios/check.rs");
    for Row { board, real_stack, .. } in &matrix.rows {
        assert_eq!(scenarios.contains(&format!("    \"{board}\",\n")), real_stack.is_some(), "{board}");
    }
    matrix.hold();
}

/// What stands before the boards.
const HEAD: &str = "# Checks

The checks of `bulbctl check`, and the boards that fail them. This page is generated by
`BLESS=1 cargo test --test check`, from the table in src/check/table.rs and from a run of every
rig in fixtures/rigs/defects.

## The checks

| check | run | expects | look at |
|---|---|---|---|
";

const BOARDS: &str = "
## The boards

Each board has one defect. *Blocked* counts the checks that cannot be run because of another
failure. They count as not passed, and name the check that they wait for.

The last column has the checks that also run on a real Bluetooth stack
(`cargo xtask realstack --filter check::`). There the same checks fail as here. Not all of them
run there, because the processor of that machine is emulated. These boards are for the sim radio
only:

| board | because |
|---|---|
| `connects-slowly` | the kernel of that machine, 6.1, crashes on it: it frees a channel twice in `hci_chan_del` |
| `connects-twice` | connects happen more often there, so the third one comes at another time |
| `goes-quiet`, `quick-writes-lost` | they need the times of a fast processor |
| `idle-drop`, `mute-after-a-minute` | they take minutes |
| `notifies-early` | no bulb of the virtual air answers a write after the notification |

| board | what is wrong with it | fails | blocked | real stack |
|---|---|---|---|---|
";

#[derive(Default)]
struct Matrix {
    rows: Vec<Row>,
}

struct Row {
    board: String,
    about: String,
    fails: BTreeSet<String>,
    blocked: usize,
    real_stack: Option<String>,
}

impl Matrix {
    fn add(&mut self, file: &Path, about: &str, found: &Expect, real_stack: Option<String>) {
        let board = file.file_stem().unwrap().to_string_lossy().into_owned();
        let (fails, blocked) = (found.fails.clone(), found.blocked.len());
        self.rows.push(Row { board, about: about.to_owned(), fails, blocked, real_stack });
    }

    fn text(&self) -> String {
        let mut text = HEAD.to_owned();
        for check in CHECKS {
            let class = match check.category {
                check::Category::Safe => "always",
                check::Category::Flashing => "`--flashing`",
                check::Category::Long => "`--long`",
            };
            writeln!(text, "| `{}` | {class} | {} | {} |", check.name, check.about, check.look).unwrap();
        }
        text.push_str(BOARDS);
        for Row { board, about, fails, blocked, real_stack } in &self.rows {
            let fails: Vec<String> = fails.iter().map(|name| format!("`{name}`")).collect();
            let fails = if fails.is_empty() { "nothing".to_owned() } else { fails.join(", ") };
            let real: Vec<String> =
                real_stack.iter().flat_map(|only| only.split(',')).map(|glob| format!("`{glob}`")).collect();
            writeln!(text, "| `{board}` | {about} | {fails} | {blocked} | {} |", real.join(", ")).unwrap();
        }
        text
    }

    fn hold(&self) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/CHECKS.md");
        let text = self.text();
        if std::env::var_os("BLESS").is_some() {
            fs::write(&path, &text).unwrap();
        }
        let known = fs::read_to_string(&path).unwrap_or_default();
        assert!(known == text, "docs/CHECKS.md is out of date: BLESS=1 cargo test --test check");
    }
}
