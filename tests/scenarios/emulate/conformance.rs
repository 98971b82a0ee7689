//! The conformance suite on an emulated bulb of each family: `bulbctl check` on the first adapter, `bulbctl emulate` on the
//! second. tests/cli/emulate.rs has both on the sim radio.

use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Instant;

use bulb_protocol::profile::{Profile, builtin};
use bulbctl::check::{CHECKS, Category, Check};
use serde_json::Value;

use super::Emulated;
use crate::other::until_disconnected;
use crate::play::Play;
use crate::stage::{Breakage, Kind};
use crate::{REAL_FULL, Scenario, scenario};

/// The address of the emulating adapter.
const ADDRESS: &str = "02:B0:1B:00:00:02";
/// The configuration of bluetoothd. The machine throws it away with everything else.
const CONFIGURATION: &str = "/etc/bluetooth/main.conf";
/// Without this, BlueZ has a device information service of its own, and a bulb can have none.
const NO_DEVICE_ID: &str = "[General]\nDeviceID = false\n";
/// The key of families whose frames are encrypted: ours, for tests.
const KEY: &str = "62756c6263746c2074657374206b6579";

/// The checks that are skipped although they are for every family: an emulated bulb has no battery unless its rig says so.
const ALL: &[&str] = &["battery-in-range"];
/// The same for a family that never tells its state.
const SILENT: &[&str] = &["battery-in-range", "keeps-the-rest"];

/// BlueZ 5.66 ignores the services of an advertisement once it has read those of the table, and this family advertises one
/// that it does not serve.
const NOT_SERVED: &[&str] = &["name-and-services"];
const NONE: &[&str] = &[];
/// For a bulb without a device information service of BlueZ, see [`NO_DEVICE_ID`].
const NO_MODALIAS: &[(Kind, &str)] = &[(Kind::Plug, "btleplug leaves out an adapter without a Modalias")];

macro_rules! families {
    ($($name:literal, $skipped:expr, $failed:expr $(, $except:expr)?;)+) => {
        /// A scenario of each family.
        pub const SCENARIOS: &[Scenario] = &[$(
            scenario($name, "plain", REAL_FULL, |play| conforms(play, $name, $skipped, $failed))$(.except($except))?
        ),+];
    };
}

families! {
    "avea", ALL, NONE;
    "banlanx", ALL, NONE;
    "base", ALL, NONE;
    "bj-led", SILENT, NONE;
    "elk", SILENT, NONE;
    "govee", ALL, NONE;
    "hello-fairy", SILENT, NONE;
    "hilighting", SILENT, NONE;
    "hue", ALL, NONE;
    "ideal-led", SILENT, NONE;
    "istrip", SILENT, NOT_SERVED;
    "led-lamp", SILENT, NONE;
    "lednetwf", ALL, NONE;
    "neewer", ALL, NONE;
    "playbulb", ALL, NONE, NO_MODALIAS;
    "sp105e", ALL, NONE;
    "sp107e", ALL, NONE;
    "sp110e", ALL, NONE;
    "switchbot", ALL, NONE;
    "yeelight", ALL, NONE;
    "zengge", ALL, NONE;
}

fn conforms(play: &Play, family: &str, skipped: &[&str], failed: &[&str]) {
    let listed: BTreeSet<&str> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
    assert_eq!(listed, builtin::names().collect(), "each family has a scenario");
    let mut profile = builtin::load(family, None).unwrap();
    if profile.needs_key() {
        profile.set_key(KEY.parse().unwrap());
        let folder = play.folder().join("config/bulbctl");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("config.toml"), format!("[keys]\n{family} = \"{KEY}\"\n")).unwrap();
    }
    if profile.example.manufacturer_name.is_some() {
        with_configuration(play, NO_DEVICE_ID, || check(play, &profile, skipped, failed));
    } else {
        check(play, &profile, skipped, failed);
    }
}

/// Runs the suite, and asserts the result of each check.
fn check(play: &Play, profile: &Profile, skipped: &[&str], failed: &[&str]) {
    let start = Instant::now();
    let bulb = Emulated::start(play, &[&profile.name]);
    let checks = || CHECKS.iter().filter(|check| is_run(check, &profile.name));
    let only = checks().map(|check| check.name).collect::<Vec<_>>().join(",");
    let done = play.start(&["check", ADDRESS, "--only", &only]).with_patience(10).end();
    let checked = done.all("check");
    let results = checked.iter().map(|check| (&check["check"], &check["result"]));
    let results: Vec<_> =
        results.map(|(name, result)| (name.as_str().unwrap(), result.as_str().unwrap())).collect();
    let expected: Vec<_> =
        checks().map(|check| (check.name, expected(play, check, profile, skipped, failed))).collect();
    let is_bad = |check: &&&Value| check["result"] == "failed" || check["result"] == "blocked";
    let bad: Vec<_> = checked.iter().filter(is_bad).collect();
    assert_eq!(results, expected, "{bad:#?} {:?}", done.all("error"));
    let summary = done.one("check_summary");
    assert_eq!(summary["profile"], profile.name.as_str(), "{summary}");
    assert_eq!(
        (done.exit, summary["restored"] == false),
        (if failed.is_empty() { 0 } else { 12 }, false),
        "{summary}"
    );
    println!("{}: {} checks passed in {:.0?}", profile.name, summary["passed"], start.elapsed());
    until_disconnected(ADDRESS);
    bulb.end();
}

/// Leaves out what shows nothing here.
fn is_run(check: &Check, family: &str) -> bool {
    match check.name {
        // Takes as long as all others together, because it writes at the pace of the family.
        "burst" => family == "base",
        // On the emulated processor, notifications of the command before come after the pause that the check allows.
        "answer-before-notification" => family != "hue",
        _ => true,
    }
}

/// The result that a check must have.
fn expected(
    play: &Play,
    check: &Check,
    profile: &Profile,
    skipped: &[&str],
    failed: &[&str],
) -> &'static str {
    // btleplug keeps one of those with the same UUID.
    let hides = check.name == "no-duplicates" && play.stage.kind() == Kind::Plug;
    let is_skipped = hides
        || check.category != Category::Safe
        || (check.skip_reason)(profile).is_some()
        || skipped.contains(&check.name);
    match (is_skipped, failed.contains(&check.name)) {
        (true, _) => "skipped",
        (false, true) => "failed",
        (false, false) => "passed",
    }
}

/// Calls a function while bluetoothd has this configuration.
fn with_configuration(play: &Play, text: &str, call: impl FnOnce()) {
    let restart = || {
        play.break_system(Breakage::NoService);
        play.repair_system();
    };
    let before = fs::read(CONFIGURATION).unwrap();
    fs::write(CONFIGURATION, text).unwrap();
    restart();
    let result = catch_unwind(AssertUnwindSafe(call));
    fs::write(CONFIGURATION, before).unwrap();
    restart();
    result.unwrap_or_else(|failure| resume_unwind(failure));
}
