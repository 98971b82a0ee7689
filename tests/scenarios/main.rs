//! Runs whole commands against virtual bulbs on two radios: the built-in sim radio, and a real Bluetooth stack in a virtual
//! machine (`cargo xtask realstack`). A scenario has the commands, the expected output, and the expected events at the
//! bulbs, once for both radios. [`stage`] lists the differences between the radios.

// Helpers of tests fail as tests do.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    unreachable_pub
)]

mod adapter;
mod answers;
mod bench;
mod bonding;
mod bridge;
mod check;
mod commands;
mod desk;
mod emulate;
mod families;
mod faults;
mod finding;
mod firmware;
mod links;
mod other;
mod play;
#[path = "../pty/mod.rs"]
mod pty;
mod recordings;
mod run;
mod several;
mod signals;
mod soak;
mod stack;
mod stage;
mod strangers;
mod unfit;
mod watching;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Trial};

use play::Play;
use stage::{Kind, Stage};

#[derive(Clone, Copy)]
pub struct Scenario {
    pub name: &'static str,
    /// Its rig in fixtures/rigs/scenarios. No two rigs share an address, because BlueZ caches GATT tables by address.
    pub rig: &'static str,
    pub on: On,
    /// The radios on which it cannot pass, each with the reason.
    pub except: &'static [(Kind, &'static str)],
    pub play: fn(&Play),
}

/// The radios on which a scenario runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    /// Every radio. The real stack repeats, on a slow processor, what the sim radio shows: `cargo xtask realstack
    /// --full` runs it there.
    Both,
    /// Every radio. What it shows depends on the real stack too: finding, links, subscriptions, losses, pairing.
    Stack,
    /// The real stack only.
    Real,
    /// The real stack only, and only with `cargo xtask realstack --full`: it takes minutes.
    RealFull,
}

pub const fn scenario(name: &'static str, rig: &'static str, on: On, play: fn(&Play)) -> Scenario {
    Scenario { name, rig, on, except: &[], play }
}

impl Scenario {
    pub const fn except(self, except: &'static [(Kind, &'static str)]) -> Self {
        Self { except, ..self }
    }

    /// Returns true if it runs on this radio. `full` includes the real stack's repetitions.
    fn runs_on(&self, kind: Kind, full: bool) -> bool {
        let runs = match self.on {
            On::Both => full || !kind.is_real(),
            On::Stack => true,
            On::Real => kind.is_real(),
            On::RealFull => full && kind.is_real(),
        };
        runs && self.except.iter().all(|(other, _)| *other != kind)
    }
}

/// Reasons for several scenarios.
pub const NOT_LINUX: &[(Kind, &str)] =
    &[(Kind::MacOs, "there is no BlueZ and no bus"), (Kind::Windows, "there is no BlueZ and no bus")];
pub const ENDS_WITH_US: &[(Kind, &str)] = &[
    (Kind::MacOs, "links end with the program (`connect.not_kept`)"),
    (Kind::Windows, "links end with the program (`connect.not_kept`)"),
];
pub const NO_MEMORY: &[(Kind, &str)] = &[
    (Kind::MacOs, "btleplug knows no devices from before the program"),
    (Kind::Windows, "btleplug knows no devices from before the program"),
];

pub const TWIN_SERVICE: &[(Kind, &str)] = &[(
    Kind::Plug,
    "btleplug shows the second of two services with one UUID, which lacks the control characteristic",
)];
pub const NOT_SHARED: &[(Kind, &str)] = &[
    (
        Kind::Plug,
        "btleplug shows the second of two services with one UUID, which lacks the control characteristic",
    ),
    (Kind::MacOs, "a device that another program is connected to is not seen"),
    (Kind::Windows, "a device that another program is connected to is not seen"),
];
pub const NO_RSSI: &[(Kind, &str)] =
    &[(Kind::MacOs, "a device that advertises only its name has no signal strength")];
pub const NO_ATT_OF_FIRMWARE: &[(Kind, &str)] = &[
    (Kind::MacOs, "an ATT error of the firmware has no description"),
    (Kind::Windows, "btleplug drops the ATT error on Windows"),
];
pub const NO_ATT: &[(Kind, &str)] = &[(Kind::Windows, "btleplug drops the ATT error on Windows")];
/// btleplug keeps services and characteristics by UUID (`discover_services` in bluez/peripheral.rs).
pub const NO_TWINS: &[(Kind, &str)] = &[
    (Kind::Plug, "btleplug hides a second service or characteristic of the same UUID"),
    (Kind::MacOs, "btleplug hides a second service or characteristic of the same UUID"),
    (Kind::Windows, "btleplug hides a second service or characteristic of the same UUID"),
];

pub const BOTH: On = On::Both;
pub const STACK: On = On::Stack;
pub const REAL: On = On::Real;
pub const REAL_FULL: On = On::RealFull;

/// The number of scenarios that are played at once on virtual radios.
const WAITING: usize = 4;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    let kinds = Kind::from_env();
    if kinds.iter().any(|kind| kind.is_real()) {
        // There is one adapter.
        arguments.test_threads = Some(1);
    } else {
        // They mostly wait.
        arguments.test_threads.get_or_insert(WAITING);
    }
    let full = std::env::var_os("BULBCTL_FULL").is_some();
    let topics = [
        ("finding", finding::SCENARIOS),
        ("commands", commands::SCENARIOS),
        ("answers", answers::SCENARIOS),
        ("families", families::SCENARIOS),
        ("watching", watching::SCENARIOS),
        ("links", links::SCENARIOS),
        ("strangers", strangers::SCENARIOS),
        ("unfit", unfit::SCENARIOS),
        ("faults", faults::SCENARIOS),
        ("several", several::SCENARIOS),
        ("signals", signals::SCENARIOS),
        ("adapter", adapter::SCENARIOS),
        ("stack", stack::SCENARIOS),
        ("bench", bench::SCENARIOS),
        ("check", check::scenarios()),
        ("desk", desk::SCENARIOS),
        ("bonding", bonding::SCENARIOS),
        ("emulate", emulate::SCENARIOS),
        ("firmware", firmware::SCENARIOS),
        ("conformance", emulate::conformance::SCENARIOS),
        ("bridge", bridge::SCENARIOS),
        ("recordings", recordings::SCENARIOS),
        ("soak", soak::SCENARIOS),
    ];
    let trials = kinds.into_iter().flat_map(|kind| {
        let stage: Arc<Box<dyn Stage>> = Arc::new(kind.open());
        topics.into_iter().flat_map(move |(topic, scenarios)| {
            let stage = Arc::clone(&stage);
            scenarios.iter().map(move |scenario| {
                let stage = Arc::clone(&stage);
                Trial::test(format!("{}{topic}::{}", kind.prefix(), scenario.name), move || {
                    perform(stage.as_ref().as_ref(), scenario);
                    Ok(())
                })
                // The soak test takes minutes.
                .with_ignored_flag(!scenario.runs_on(kind, full) || topic == "soak")
            })
        })
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

/// Runs a scenario. If bluetoothd died, runs it again, because that is not our bug: kernel 6.1 sometimes frees an L2CAP
/// channel twice when a link drops. What it leaves behind may do so each time; then the scenario is left out.
fn perform(stage: &dyn Stage, scenario: &Scenario) {
    let once = || {
        let play = Play::begin(stage, scenario.rig);
        (scenario.play)(&play);
        play.end();
    };
    let bugs = stage.kernel_bugs();
    for attempt in 1.. {
        match catch_unwind(AssertUnwindSafe(once)) {
            Ok(()) => return,
            Err(_) if stage.has_died() && attempt < ATTEMPTS => {
                println!("bluetoothd has died, {:?} is played again", scenario.name)
            }
            Err(_) if stage.has_died() && stage.kernel_bugs() >= bugs + ATTEMPTS => {
                return println!("left out: the kernel has killed bluetoothd each time, {:?}", scenario.name);
            }
            Err(failure) => resume_unwind(failure),
        }
    }
}

/// How often a scenario is played at most.
const ATTEMPTS: usize = 3;
