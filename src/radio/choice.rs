//! Which radio: the value of `--adapter`.

use std::convert::Infallible;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use super::{Radio, btle, record, sim};
use crate::error::Result;

/// A radio as the user names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdapterChoice {
    /// `hci1` or `AA:BB:CC:DD:EE:FF`: one of the machine's adapters.
    Named(String),
    /// `sim`, `sim:families` or `sim:RIG.toml`: virtual bulbs, the built-in ones, one of every family, or a rig file's.
    Sim(Option<PathBuf>),
    /// `replay:FILE`: a recording.
    Replay(PathBuf),
}

impl FromStr for AdapterChoice {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text.split_once(':') {
            None if text == "sim" => Self::Sim(None),
            Some(("sim", rig)) => Self::Sim(Some(rig.into())),
            Some(("replay", file)) => Self::Replay(file.into()),
            _ => Self::Named(text.to_owned()),
        })
    }
}

/// Opens the radio that was chosen, or else the machine's first adapter that is powered.
///
/// # Errors
/// Bluetooth is unusable, the adapter or the rig does not exist, or the user may not.
pub async fn open(choice: Option<&AdapterChoice>) -> Result<Arc<dyn Radio>> {
    match choice {
        Some(AdapterChoice::Sim(rig)) => sim::open(rig.as_deref(), sim::SimOptions::from_env()).await,
        Some(AdapterChoice::Replay(file)) => record::open(file),
        Some(AdapterChoice::Named(name)) => btle::open(Some(name)).await,
        None => btle::open(None).await,
    }
}
