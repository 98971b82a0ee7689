//! The radio to use: the value of `--adapter`.

use std::convert::Infallible;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use super::peripheral::Peripheral;
use super::{Radio, btle, record, sim};
use crate::error::{Error, Result};

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
        Some(AdapterChoice::Sim(rig)) => open_sim(rig.clone()).await,
        Some(AdapterChoice::Replay(file)) => record::open(file),
        Some(AdapterChoice::Named(name)) => btle::open(Some(name)).await,
        None => btle::open(None).await,
    }
}

/// Opens a radio that can be bulbs.
///
/// # Errors
/// The adapter cannot be used, or cannot be a bulb.
pub async fn open_peripheral(choice: Option<&AdapterChoice>) -> Result<Arc<dyn Peripheral>> {
    match choice {
        Some(AdapterChoice::Sim(rig)) => sim::open_peripheral(rig.as_deref(), sim::SimOptions::from_env()),
        Some(AdapterChoice::Replay(_)) => Err(Error::CannotAdvertise {
            adapter: "replay".to_owned(),
            detail: "a recording has no air".to_owned(),
        }),
        Some(AdapterChoice::Named(name)) => btle::open_peripheral(Some(name)).await,
        None => btle::open_peripheral(None).await,
    }
}

/// Opens the virtual radio, or lets btleplug's ways on another system be played with its bulbs if
/// `BULBCTL_SIM_SYSTEM` names one. That is for tests, and twice btleplug's code, so no release has it.
#[cfg(all(target_os = "linux", debug_assertions))]
async fn open_sim(rig: Option<PathBuf>) -> Result<Arc<dyn Radio>> {
    match std::env::var("BULBCTL_SIM_SYSTEM") {
        Ok(system) if !system.is_empty() => {
            btle::open_played(&system, rig, sim::SimOptions::from_env()).await
        }
        _ => sim::open(rig.as_deref(), sim::SimOptions::from_env()).await,
    }
}

#[cfg(not(all(target_os = "linux", debug_assertions)))]
async fn open_sim(rig: Option<PathBuf>) -> Result<Arc<dyn Radio>> {
    sim::open(rig.as_deref(), sim::SimOptions::from_env()).await
}
