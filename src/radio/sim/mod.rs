//! The virtual radio.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Radio;
use crate::error::{Error, Result};

/// Where the virtual radio keeps things.
#[derive(Clone, Debug, Default)]
pub struct SimOptions {
    /// Where the world is kept between commands.
    pub dir: Option<PathBuf>,
    /// Where the air log goes.
    pub log: Option<PathBuf>,
}

impl SimOptions {
    /// From `BULBCTL_SIM_DIR` and `BULBCTL_SIM_LOG`.
    #[must_use]
    pub fn from_env() -> Self {
        let path = |name| std::env::var_os(name).map(PathBuf::from);
        Self { dir: path("BULBCTL_SIM_DIR"), log: path("BULBCTL_SIM_LOG") }
    }
}

/// Opens the virtual radio.
///
/// # Errors
/// The rig is invalid.
pub async fn open(_rig: Option<&Path>, _options: SimOptions) -> Result<Arc<dyn Radio>> {
    Err(Error::AdapterNone)
}
