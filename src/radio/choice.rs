//! The radio to use: the value of `--adapter`.

use std::convert::Infallible;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use super::{Radio, btle, record, sim};
use crate::error::Result;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdapterChoice {
    /// An adapter of this computer: `hci1` or `AA:BB:CC:DD:EE:FF`.
    Named(String),
    /// Virtual bulbs: `sim` for the built-in ones, `sim:families` for one of every family,
    /// `sim:RIG.toml` for those of a rig file.
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

pub async fn open(choice: Option<&AdapterChoice>) -> Result<Arc<dyn Radio>> {
    match choice {
        Some(AdapterChoice::Sim(rig)) => sim::open(rig.as_deref(), sim::SimOptions::from_env()).await,
        Some(AdapterChoice::Replay(file)) => record::open(file),
        Some(AdapterChoice::Named(name)) => btle::open(Some(name)).await,
        None => btle::open(None).await,
    }
}
