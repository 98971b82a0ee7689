//! Events of the desk and their effects.

use std::path::PathBuf;

use crossterm::event::{KeyEvent, MouseEvent};

use crate::bulb::{Change, DriverEvent};
use crate::error::Error;
use crate::radio::trace::TracedFrame;
use crate::radio::{AdapterState, DeviceId, SeenDevice};

/// An event of the desk.
#[derive(Clone, Debug)]
pub enum Event {
    /// A key was pressed.
    Key(KeyEvent),
    /// The mouse was moved or clicked.
    Mouse(MouseEvent),
    /// Text was pasted.
    Paste(String),
    /// The terminal has a new size: columns, rows.
    Resize(u16, u16),
    /// An event of the radio.
    Radio(RadioEvent),
    /// Time has passed. Sent while [`Model::next_tick`](super::Model::next_tick) asks for it.
    Tick,
}

/// State of the scan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ScanPhase {
    /// Not wanted.
    #[default]
    Off,
    /// Running.
    On,
    /// Paused during a connect.
    Paused,
    /// Wanted, but not possible at the moment.
    Failed,
}

/// An event of the radio.
#[derive(Clone, Debug)]
pub enum RadioEvent {
    /// The radio is open: adapter name and state.
    Opened(String, AdapterState),
    /// The radio could not be opened. It is tried again.
    OpenFailed(Error),
    /// The adapter changed its state.
    Adapter(AdapterState),
    /// The scan changed its state.
    Scan(ScanPhase),
    /// New data of devices, each device once.
    DevicesSeen(Vec<SeenDevice>),
    /// Frames in order, and the number of frames dropped before them.
    Frames(Vec<TracedFrame>, u64),
    /// The driver of a bulb reports something.
    Driver(DeviceId, DriverEvent),
    /// An operation failed.
    Failed(Error),
    /// A log line.
    Log(String),
    /// Frames were written to a file: how many, and its path.
    FramesSaved(usize, PathBuf),
}

/// Work for the radio or the terminal.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Start or stop the scan.
    Scan(bool),
    /// Connect to this bulb and stay connected.
    Connect(Box<SeenDevice>),
    /// Disconnect from a bulb.
    Disconnect(DeviceId),
    /// Try to connect again now.
    RetryNow(DeviceId),
    /// Change a bulb. States that include the change have at least this token.
    Change(DeviceId, Change, u64),
    /// Write these lines to a new file.
    Save(PathBuf, Vec<String>),
    /// Redraw everything.
    Redraw,
    /// Suspend the program.
    Suspend,
    /// End the program.
    Quit,
    /// End as if interrupted.
    Interrupt,
    /// End with an error that trying again does not fix.
    Fail(Error),
}
