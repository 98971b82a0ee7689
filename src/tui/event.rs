//! What happens to the desk, and what it wants done.

use std::path::PathBuf;

use crossterm::event::{KeyEvent, MouseEvent};

use crate::bulb::{Change, DriverEvent};
use crate::error::Error;
use crate::radio::trace::TracedFrame;
use crate::radio::{AdapterState, DeviceId, SeenDevice};

/// What happens.
#[derive(Clone, Debug)]
pub enum Event {
    /// A key was pressed.
    Key(KeyEvent),
    /// The mouse was moved or clicked.
    Mouse(MouseEvent),
    /// Text was pasted.
    Paste(String),
    /// The terminal has so many columns and rows now.
    Resize(u16, u16),
    /// The radio side says something.
    Radio(RadioEvent),
    /// Time has passed; comes only while [`Model::next_tick`](super::Model::next_tick) asks for it.
    Tick,
}

/// How the scan is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ScanPhase {
    /// Nobody wants one.
    #[default]
    Off,
    /// It runs.
    On,
    /// It rests while a connect is made.
    Paused,
    /// It is wanted and cannot run at present.
    Failed,
}

/// What the radio side says.
#[derive(Clone, Debug)]
pub enum RadioEvent {
    /// The radio is open; the adapter's name, and its state.
    Opened(String, AdapterState),
    /// The radio cannot be opened at present; it is tried again.
    OpenFailed(Error),
    /// The adapter's state changed.
    Adapter(AdapterState),
    /// The scan's state changed.
    Scan(ScanPhase),
    /// Devices were heard, each once with the newest that is known.
    DevicesSeen(Vec<SeenDevice>),
    /// Frames passed; and how many were missed before them.
    Frames(Vec<TracedFrame>, u64),
    /// Something happened to a bulb that we hold.
    Driver(DeviceId, DriverEvent),
    /// Something failed.
    Failed(Error),
    /// The program, or a library, says something.
    Log(String),
    /// Frames were written to a file: how many, and where.
    FramesSaved(usize, PathBuf),
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Scan, or do not.
    Scan(bool),
    /// Hold the bulb of this report.
    Connect(Box<SeenDevice>),
    /// Give a bulb up.
    Disconnect(DeviceId),
    /// Try to connect now, without waiting any longer.
    RetryNow(DeviceId),
    /// Change a bulb; states that take the change into account carry at least the token.
    Change(DeviceId, Change, u64),
    /// Write these lines to a new file.
    Save(PathBuf, Vec<String>),
    /// Draw everything anew.
    Redraw,
    /// Leave the terminal to the shell until it wakes us.
    Suspend,
    /// End.
    Quit,
    /// End as if interrupted.
    Interrupt,
    /// End with this error, which waiting does not mend.
    Fail(Error),
}
