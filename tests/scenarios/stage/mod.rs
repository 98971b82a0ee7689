//! The two radios of the scenarios.
//!
//! Their differences:
//!
//! | what | on the sim radio | on the real stack |
//! |---|---|---|
//! | no Bluetooth service | the rig says so | bluetoothd is stopped |
//! | no D-Bus | the rig says so | the bus's address is wrong |
//! | a rig's events | count from the start of the command | count from `start_events` |
//! | a link that we end | is down at once | is down within two seconds: bluetoothd has a timer |
//! | the end of a subscription | with the end of the link | before it, or not at all: not compared |
//! | battery level | only we read it | bluetoothd reads it too: only the light's characteristics are compared |
//! | adapters by name | there is one, whatever it is called | a wrong name is an error |
//! | identity of a bulb | its address; with macOS' ways a UUID, which [`Disguise`] replaces | its address |
//! | processor | real | emulated, ten to thirty times slower: [`Play::time`](crate::play::Play::time) |

mod real;
mod sim;

pub use real::objects;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Sim,
    /// The real stack, through BlueZ's own interface.
    Real,
    /// The real stack, through btleplug.
    Plug,
    /// The sim radio with btleplug's ways on macOS.
    MacOs,
    /// The sim radio with btleplug's ways on Windows.
    Windows,
}

impl Kind {
    /// The kinds to run: the one of `BULBCTL_STAGE` in the virtual machine; elsewhere those on the sim radio.
    pub fn from_env() -> Vec<Self> {
        match std::env::var("BULBCTL_STAGE").as_deref() {
            Ok("real") => vec![Self::Real],
            Ok("btleplug") => vec![Self::Plug],
            Ok(other) => panic!("BULBCTL_STAGE is real, btleplug or unset, not {other:?}"),
            Err(_) => vec![Self::Sim, Self::MacOs, Self::Windows],
        }
    }

    pub fn is_real(self) -> bool {
        matches!(self, Self::Real | Self::Plug)
    }

    /// The adapter of the real stack, by the radio that uses it.
    pub fn adapter(self) -> &'static str {
        if self == Self::Plug { "btleplug:hci0" } else { "hci0" }
    }

    /// What the name of a scenario begins with.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Sim | Self::Real | Self::Plug => "",
            Self::MacOs => "macos::",
            Self::Windows => "windows::",
        }
    }

    pub fn open(self) -> Box<dyn Stage> {
        match self {
            Self::Sim | Self::MacOs | Self::Windows => Box::new(sim::Sim { kind: self }),
            Self::Real | Self::Plug => Box::new(real::Real::open(self)),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breakage {
    NoService,
    NoBus,
    /// No adapter is plugged in.
    NoAdapter,
    /// rfkill blocks the adapter.
    Blocked,
    /// The bus allows nobody to talk to the Bluetooth service.
    Denied,
    /// The Bluetooth service is killed. Real stack only: on the sim radio it cannot come back within a command.
    ServiceKilled,
    /// The system bus is killed, and the Bluetooth service with it. Real stack only.
    BusKilled,
    /// The kernel suspends Bluetooth, as in a suspend of the system, until the repair. Real stack only.
    Suspended,
}

/// A device that has another identity than its address. Scenarios use addresses.
#[derive(Clone, Debug)]
pub struct Disguise {
    pub address: String,
    pub id: String,
    pub name: Option<String>,
}

pub trait Stage: Send + Sync {
    fn kind(&self) -> Kind;

    /// Starts the bulbs of a rig. `dir` is the scenario's folder.
    fn load(&self, rig: &Path, dir: &Path);

    /// Replaces them with the bulbs of another rig. The system keeps what it knows about them.
    fn reload(&self, rig: &Path);

    /// The devices of a rig whose address this system does not tell.
    fn disguises(&self, _rig: &Path) -> Vec<Disguise> {
        Vec::new()
    }

    /// Sets the environment of a command, including the adapter.
    fn prepare(&self, command: &mut Command, rig: &Path, dir: &Path, broken: Option<Breakage>);

    fn break_system(&self, breakage: Breakage);

    fn repair(&self);

    /// Sets the HCI reason that the system gets when a bulb ends its link. Programs do not see it, so the sim radio
    /// ignores it.
    fn set_disconnect_reason(&self, code: u8);

    /// Starts the rig's events. On the sim radio, they have started with the command.
    fn start_events(&self);

    fn log(&self, dir: &Path) -> String;

    /// Waits until a command tries to connect to a bulb that does not answer.
    fn wait_connecting(&self, address: &str);

    /// Stops the rig. Returns an error if a scan, a connect, or a link to a bulb not in `may_be_linked` is left.
    fn end(&self, dir: &Path, may_be_linked: &[String]) -> Result<(), String>;

    /// Saves a file beside the logs of the run, if there are any.
    fn keep(&self, _bytes: &[u8], _name: &str) {}

    /// Returns true if the Bluetooth service has died on its own.
    fn has_died(&self) -> bool;

    /// The number of bugs that the kernel has reported of itself.
    fn kernel_bugs(&self) -> usize {
        0
    }

    /// The longest time that a successful operation may take.
    fn patience(&self) -> Duration;
}
