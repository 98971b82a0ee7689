//! Events of the desk and their effects.

use std::path::PathBuf;

use crossterm::event::{KeyEvent, MouseEvent};

use crate::bulb::{Change, DriverEvent};
use crate::error::Error;
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

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ScanPhase {
    #[default]
    Off,
    On,
    /// Paused during a connect.
    Paused,
    /// Wanted, but not possible at the moment.
    Failed,
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
    /// Frames were written to a file: how many, and its path.
    FramesSaved(usize, PathBuf),
}

#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Start or stop the scan.
    Scan(bool),
    Connect(Box<SeenDevice>),
    Disconnect(DeviceId),
    RetryNow(DeviceId),
    /// Change a bulb. States that include the change have at least this token.
    Change(DeviceId, Change, u64),
    /// Write these lines to a new file.
    Save(PathBuf, Vec<String>),
    Redraw,
    Suspend,
    Quit,
    /// End as if interrupted.
    Interrupt,
    /// End with an error that trying again does not fix.
    Fail(Error),
}
