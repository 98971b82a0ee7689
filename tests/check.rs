//! Boards with one defect each, on the sim radio and a paused clock: each fails the checks that its rig says, and no other.

// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bulb_protocol::profile::{Features, builtin};
use bulbctl::bulb::Families;
use bulbctl::check::{self, Board, CHECKS, CheckPlan, FinishedCheck, Outcome, Summary};
use bulbctl::radio::sim::{SimOptions, open};
use bulbctl::radio::{Radio, SeenDevice};

/// The result of `check` that a rig expects.
#[derive(Debug, PartialEq, Eq, serde::Deserialize)]
struct Expect {
    fails: BTreeSet<String>,
    #[serde(default)]
    blocked: BTreeSet<String>,
    /// True if the board reports its first state afterwards.
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
    /// The checks that tests/scenarios/check.rs runs on the real stack too.
    real_stack: Option<String>,
}

fn rigs() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/rigs/defects");
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    files
}

/// The profile of the board of a rig, which may be a file beside it.
fn profile_of(rig: &Path, table: &toml::Table) -> String {
    let profile = table["bulb"][0].get("profile").map_or("base", |profile| profile.as_str().unwrap());
    match profile.strip_prefix("./") {
        Some(file) => rig.with_file_name(file).to_string_lossy().into_owned(),
        None => profile.to_owned(),
    }
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
        let profile = profile_of(&file, &table);
        let (all, summary, _) = run(&file, &profile).await;
        let own = Families::default().load(&profile).unwrap().1.checks.len();
        assert_eq!(all.len(), CHECKS.len() + own, "{}", file.display());
        let Summary { passed, failed, blocked, skipped, .. } = summary;
        let count = |matches: fn(&Outcome) -> bool| all.iter().filter(|one| matches(&one.outcome)).count();
        assert_eq!(passed, count(|outcome| matches!(outcome, Outcome::Passed)), "{}", file.display());
        assert_eq!(blocked, count(|outcome| matches!(outcome, Outcome::Blocked(_))), "{}", file.display());
        assert_eq!(passed + failed + blocked + skipped, all.len(), "{}", file.display());
        let waits = |one: &FinishedCheck| match &one.outcome {
            Outcome::Blocked(reason) => reason.split(' ').count() > 2,
            _ => true,
        };
        assert!(all.iter().all(waits), "{}: {all:?}", file.display());
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
    // Every check is failed by some board: none is there for show.
    let caught: BTreeSet<&String> = matrix.rows.iter().flat_map(|row| &row.fails).collect();
    let never: Vec<&str> = CHECKS
        .iter()
        .map(|check| check.name)
        .filter(|name| !caught.iter().any(|caught| caught.as_str() == *name))
        .collect();
    assert!(never.is_empty(), "no board fails {never:?}");
    matrix.hold();
}

/// The frames that it wrote and received, and none of the check before it.
#[tokio::test(start_paused = true)]
async fn a_check_tells_its_own_frames() {
    let rig = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/rigs/defects/none.toml");
    let (all, ..) = run(&rig, "base").await;
    let frames = |name: &str| all.iter().find(|one| one.name == name).unwrap().frames.clone();
    for (name, color) in [("color-red", "ff0000"), ("color-green", "00ff00"), ("color-blue", "0000ff")] {
        let expected = [
            "write fff1 request 011ec87828",
            "notify fff2 011ec87828",
            &format!("write fff1 request 011e{color}"),
            &format!("notify fff2 011e{color}"),
            &format!("read fff2 011e{color}"),
        ];
        assert_eq!(frames(name), expected, "{name}");
    }
    assert_eq!(frames("advertises"), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_failed_check_says_what_was_expected_and_what_was_seen() {
    let rig = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/rigs/defects/red-blue-swapped.toml");
    let (all, ..) = run(&rig, "base").await;
    let red = all.iter().find(|one| one.name == "color-red").unwrap();
    let expected = "it reports the colour #ff0000, and on".to_owned();
    let seen = "it reports color #0000ff".to_owned();
    assert_eq!(red.outcome, Outcome::Failed { expected, seen });
}

/// A check that knows only the base protocol would fail boards of other families that are as they should be.
#[tokio::test(start_paused = true)]
async fn a_board_of_each_family_passes() {
    let dir = tempfile::tempdir().unwrap();
    let mut wrong = String::new();
    let mut skipped = BTreeMap::<(String, String), Vec<&str>>::new();
    for name in builtin::names() {
        let rig = dir.path().join(format!("{name}.toml"));
        let bulb =
            format!("[[bulb]]\nprofile = \"{name}\"\naddress = \"C4:7D:00:00:00:01\"\npairing = true\n");
        // The base protocol has no name of its own.
        let base = if name == "base" { "name = \"Light-Board\"\n" } else { "" };
        fs::write(&rig, format!("rig = 1\n{bulb}{base}")).unwrap();
        let (all, summary, _) = run(&rig, name).await;
        for done in &all {
            // The battery is one of this board, not of the family.
            if let Outcome::Skipped(reason) = &done.outcome
                && done.name != "battery-in-range"
            {
                skipped.entry((reason.clone(), done.name.clone())).or_default().push(name);
            }
        }
        // A family that never reports is not said to have shown anything.
        let reports = builtin::load(name, None).unwrap().reported() != Features::NONE;
        let on = all.iter().find(|one| one.name == "command-on").unwrap();
        let note = "written and accepted; this family never reports";
        if on.outcome == Outcome::Passed {
            assert_eq!(on.note.as_deref(), (!reports).then_some(note), "{name}");
        }
        let found = found(&all, &summary);
        if !found.fails.is_empty() || !found.blocked.is_empty() || !found.restored {
            writeln!(wrong, "{name}: {found:?}").unwrap();
            for done in all.iter().filter(|done| matches!(done.outcome, Outcome::Failed { .. })) {
                writeln!(wrong, "    {}: {:?}\n        {:?}", done.name, done.outcome, done.frames).unwrap();
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    // The same families skip several checks for the same reason.
    let mut by_reason = BTreeMap::<_, Vec<String>>::new();
    for ((reason, check), families) in skipped {
        by_reason.entry((reason, families)).or_default().push(format!("`{check}`"));
    }
    let mut rows = String::new();
    for ((reason, families), checks) in by_reason {
        writeln!(rows, "| {reason} | {} | {} |", families.join(", "), checks.join(", ")).unwrap();
    }
    in_the_page(&[("| a check is skipped, because", &rows)]);
}

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

    /// The rows of the two tables in docs/CHECKS.md.
    fn rows(&self) -> [String; 2] {
        let (mut checks, mut boards) = (String::new(), String::new());
        for check in CHECKS {
            let class = match check.category {
                check::Category::Safe => "always",
                check::Category::Flashing => "`--flashing`",
                check::Category::Long => "`--long`",
            };
            writeln!(checks, "| `{}` | {class} | {} | {} |", check.name, check.about, check.look).unwrap();
        }
        for Row { board, about, fails, blocked, real_stack } in &self.rows {
            let fails: Vec<String> = fails.iter().map(|name| format!("`{name}`")).collect();
            let fails = if fails.is_empty() { "nothing".to_owned() } else { fails.join(", ") };
            let real: Vec<String> =
                real_stack.iter().flat_map(|only| only.split(',')).map(|glob| format!("`{glob}`")).collect();
            writeln!(boards, "| `{board}` | {about} | {fails} | {blocked} | {} |", real.join(", ")).unwrap();
        }
        [checks, boards]
    }

    fn hold(&self) {
        let [checks, boards] = self.rows();
        in_the_page(&[("| check | run |", &checks), ("| board | what is wrong with it |", &boards)]);
    }
}

/// Compares tables of docs/CHECKS.md, each found by its head, or updates them.
fn in_the_page(tables: &[(&str, &str)]) {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/CHECKS.md");
    let known = fs::read_to_string(&path).unwrap();
    let mut text = known.clone();
    for (heads, rows) in tables {
        // The rows follow the head and its rule, and end at a blank line or the end of the page.
        let head = text.find(heads).unwrap();
        let begin = head + text[head..].match_indices('\n').nth(1).unwrap().0 + 1;
        let end = text[begin..].find("\n\n").map_or(text.len(), |end| begin + end + 1);
        text.replace_range(begin..end, rows);
    }
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, &text).unwrap();
    }
    assert!(known == text, "docs/CHECKS.md is out of date: BLESS=1 cargo test --test check");
}
