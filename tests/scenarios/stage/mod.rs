//! The two radios behind the scenarios.
//!
//! Where they cannot be the same:
//!
//! | what | on the sim radio | on the real stack |
//! |---|---|---|
//! | no Bluetooth service | a rig says so | bluetoothd is stopped |
//! | no D-Bus | a rig says so | the bus's address is wrong |
//! | a rig's events | count from the start of the command | count from when the scenario says go |
//! | a link that is being closed | is down at once | goes down within two seconds, by bluetoothd's own timer |
//! | the end of a subscription | comes with the end of the link | is asked for before, or not: not compared |
//! | battery level | read by us alone | read by bluetoothd too: only the light's characteristics are compared |
//! | adapters by name | there is one, whatever it is called | a wrong name is an error |
//! | processor | real | emulated, ten to thirty times slower: [`Play::time`](crate::play::Play::time) |

mod real;
mod sim;

pub use real::objects;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Which radio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Sim,
    Real,
}

impl Kind {
    /// `BULBCTL_STAGE=real` in the virtual machine; the sim radio elsewhere.
    pub fn from_env() -> Self {
        match std::env::var("BULBCTL_STAGE").as_deref() {
            Ok("real") => Self::Real,
            Ok(other) => panic!("BULBCTL_STAGE is real or unset, not {other:?}"),
            Err(_) => Self::Sim,
        }
    }

    pub fn open(self) -> Box<dyn Stage> {
        match self {
            Self::Sim => Box::new(sim::Sim),
            Self::Real => Box::new(real::Real::open()),
        }
    }
}

/// What can be wrong with the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breakage {
    /// The Bluetooth service does not run.
    NoService,
    /// There is no D-Bus.
    NoBus,
    /// The Bluetooth service is killed. On the real stack only, as it does not come back within a command of the other.
    ServiceKilled,
    /// The system bus is killed, and with it goes the Bluetooth service. On the real stack only, too.
    BusKilled,
    /// The kernel takes its Bluetooth through a suspend of the system, up to the resume. On the real stack only, too.
    Suspended,
}

/// One radio, and the world that it is in.
pub trait Stage: Send + Sync {
    fn kind(&self) -> Kind;

    /// Puts the bulbs of a rig on the air. `dir` is the scenario's own folder.
    fn load(&self, rig: &Path, dir: &Path);

    /// Puts the bulbs of another rig in their place, as the system knows them from before.
    fn reload(&self, rig: &Path);

    /// The environment of a command, the adapter included.
    fn prepare(&self, command: &mut Command, rig: &Path, dir: &Path, broken: Option<Breakage>);

    /// Breaks the system, before any command.
    fn break_it(&self, breakage: Breakage);

    /// Has what was broken work again.
    fn mend(&self);

    /// The HCI reason that the system is told where a bulb ends its link. Programs are not told it: the sim radio has none.
    fn reason(&self, code: u8);

    /// The rig's events count from here.
    fn go(&self);

    /// The air log so far.
    fn log(&self, dir: &Path) -> String;

    /// Waits until somebody tries to connect to a bulb that does not answer.
    fn wait_connecting(&self, address: &str);

    /// Takes the world down. What is still up then, of links to other bulbs than these, of scans and of attempts to
    /// connect, is told.
    fn end(&self, dir: &Path, may_be_linked: &[String]) -> Result<(), String>;

    /// Keeps a file beside the logs of the run, if there are any.
    fn keep(&self, _bytes: &[u8], _name: &str) {}

    /// Whether the Bluetooth service is down without having been told to.
    fn has_died(&self) -> bool;

    /// As long as everything that goes well takes at most.
    fn patience(&self) -> Duration;
}
