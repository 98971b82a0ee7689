//! Events of the desk and their effects.

use std::path::PathBuf;

use bulb_protocol::profile::Light;
use crossterm::event::{KeyEvent, MouseEvent};

use crate::bulb::{CharacteristicRef, DrivenProfile, DriverCommand, DriverEvent, GattOutcome};
use crate::check::{FinishedCheck, Summary};
use crate::error::Error;
pub use crate::fleet::ScanPhase;
use crate::fleet::{ScanEvent, Target};
use crate::output::SnapshotRecord;
use crate::radio::trace::TracedFrame;
use crate::radio::{AdapterState, DeviceId, SeenDevice};

#[derive(Clone, Debug)]
pub enum Event {
    Key(KeyEvent),
    Mouse(MouseEvent),
    Paste(String),
    /// The terminal has a new size: columns, rows.
    Resize(u16, u16),
    Radio(RadioEvent),
    /// Time has passed. Sent while [`Model::next_tick`](super::Model::next_tick) asks for it.
    Tick,
}

#[derive(Clone, Debug)]
pub enum RadioEvent {
    /// The radio is open: adapter name and state, and the largest number of links.
    Opened(String, AdapterState, usize),
    /// The radio could not be opened. It is tried again.
    OpenFailed(Error),
    Adapter(AdapterState),
    Scan(ScanPhase),
    /// New data of devices, each device once.
    DevicesSeen(Vec<SeenDevice>),
    /// Frames in order, and the number of frames dropped before them.
    Frames(Vec<TracedFrame>, u64),
    Driver(DeviceId, DriverEvent),
    Failed(Error),
    Log(String),
    /// A task failed; what its panic says.
    Panic(String),
    /// Something was written to a file: how many lines of what, and its path.
    Saved(SavedKind, usize, PathBuf),
    /// An operation of the GATT pane was done, or failed.
    Gatt(DeviceId, Result<GattOutcome, Error>),
    Check(DeviceId, CheckEvent),
    /// The names of the saved scenes.
    Scenes(Vec<String>),
    /// A scene was read: its name, and the state for each target.
    SceneRead(String, Vec<(Target, Light)>),
}

impl From<ScanEvent> for RadioEvent {
    fn from(event: ScanEvent) -> Self {
        match event {
            ScanEvent::Phase(phase) => Self::Scan(phase),
            ScanEvent::Failed(error) => Self::Failed(error),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SavedKind {
    Frames,
    Recording,
    Scene,
}

#[derive(Clone, Debug)]
pub enum CheckEvent {
    Finished(Box<FinishedCheck>),
    /// The run is over.
    End(Result<Summary, Error>),
    Stopped,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GattRequest {
    Read,
    Write(Vec<u8>),
    Subscribe,
    Unsubscribe,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Start or stop the scan.
    Scan(bool),
    Connect(Box<SeenDevice>),
    Disconnect(DeviceId),
    RetryNow(DeviceId),
    /// Command a bulb. States that include the command have at least this token.
    Command(DeviceId, DriverCommand, u64),
    /// Write these lines to a new file.
    Save(SavedKind, PathBuf, Vec<String>),
    Gatt(DeviceId, CharacteristicRef, GattRequest),
    /// Test a bulb against its family. Its link ends before.
    Check(Box<SeenDevice>, Option<DrivenProfile>),
    StopCheck,
    ListScenes,
    /// Write the states of a scene to a new file of this name.
    SaveScene(String, Vec<SnapshotRecord>),
    ReadScene(String),
    Redraw,
    Suspend,
    Quit,
    /// End as if interrupted.
    Interrupt,
    /// End with an error that trying again does not fix.
    Fail(Error),
}
