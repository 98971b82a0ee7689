//! The configuration file: defaults, aliases, groups and profiles.
//!
//! ```toml
//! adapter = "hci0"
//! timeout = "10s"
//! max_links = 3
//!
//! [aliases]
//! desk = "C4:11:00:00:00:01"
//!
//! [groups]
//! office = ["desk", "Light-*"]
//!
//! [profiles]
//! desk = "elk:melk"
//! ```

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bulb_protocol::file;
use etcetera::BaseStrategy;
use serde::Deserialize;

use crate::error::{Error, Result};
use crate::files::{self, LONGEST_TEXT};

/// Longest accepted time, a year. More is a mistake and would overflow the clock.
pub const LONGEST: Duration = Duration::from_secs(365 * 86_400);

/// The contents of the configuration file. Every setting is optional.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Adapter, unless the command line names one.
    pub adapter: Option<String>,
    /// Time limit of an operation, unless the command line sets one.
    #[serde(default, with = "humantime_serde")]
    pub timeout: Option<Duration>,
    /// Largest number of simultaneous links, unless the command line sets one.
    pub max_links: Option<usize>,
    /// Your names for single bulbs: each stands for an address, a platform identifier or an advertised name.
    #[serde(default)]
    pub aliases: BTreeMap<String, String>,
    /// Your names for several targets. A member is any target.
    #[serde(default)]
    pub groups: BTreeMap<String, Vec<String>>,
    /// Profiles of bulbs that should not be detected, by alias, address, identifier or name. Profile files are relative to the
    /// configuration file.
    #[serde(default)]
    pub profiles: BTreeMap<String, String>,
}

impl Config {
    /// Reads the named file, or the user's file if it exists.
    pub fn load(named: Option<&Path>) -> Result<Self> {
        let (path, required) = match (named, Self::user_path()) {
            (Some(path), _) => (path.to_owned(), true),
            (None, Some(path)) => (path, false),
            (None, None) => return Ok(Self::default()),
        };
        match files::try_text(&path, LONGEST_TEXT) {
            Ok(text) => {
                let mut config = Self::parse(&text, &path.display().to_string())?;
                let folder = path.parent().unwrap_or(Path::new(""));
                for profile in config.profiles.values_mut().filter(|profile| profile.contains(".toml")) {
                    *profile = folder.join(&profile).display().to_string();
                }
                Ok(config)
            }
            // The home directory may not be a folder.
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) && !required =>
            {
                Ok(Self::default())
            }
            Err(error) => Err(files::unreadable(&path, &error)),
        }
    }

    /// Folder of the user's profiles, next to the configuration file.
    pub fn profiles_folder(named: Option<&Path>) -> Option<PathBuf> {
        let file = named.map(Path::to_owned).or_else(Self::user_path)?;
        Some(file.parent()?.join("profiles"))
    }

    /// Bulbs with a fixed profile. Aliases are replaced by their targets.
    pub fn kept_profiles(&self) -> impl Iterator<Item = (String, String)> {
        self.profiles
            .iter()
            .map(|(bulb, profile)| (self.aliases.get(bulb).unwrap_or(bulb).clone(), profile.clone()))
    }

    pub fn user_path() -> Option<PathBuf> {
        Some(etcetera::choose_base_strategy().ok()?.config_dir().join("bulbctl").join("config.toml"))
    }

    /// Parses a configuration file; `path` is for error messages.
    pub fn parse(text: &str, path: &str) -> Result<Self> {
        let invalid = |detail: String| Error::ConfigInvalid { path: path.to_owned(), detail };
        let config: Self = file::parse(text).map_err(|error| invalid(error.to_string()))?;
        config.check().map_err(invalid)?;
        Ok(config)
    }

    fn check(&self) -> Result<(), String> {
        for name in self.aliases.keys().chain(self.groups.keys()) {
            if name.is_empty() || name == "all" || name.contains([',', '@', '*', '?']) {
                return Err(format!(
                    "{name:?} cannot be the name of an alias or group: names must not be empty or \"all\", or contain any of , @ * ?"
                ));
            }
        }
        for (group, members) in &self.groups {
            for member in members {
                if let Some(other) =
                    member.strip_prefix('@').filter(|other| !self.groups.contains_key(*other))
                {
                    return Err(format!(
                        "group {group:?} contains {member:?}, but there is no group {other:?}"
                    ));
                }
            }
        }
        if self.max_links == Some(0) {
            return Err("max_links must be at least 1".to_owned());
        }
        match self.timeout {
            Some(timeout) if timeout.is_zero() => Err("timeout must be longer than zero".to_owned()),
            Some(timeout) if timeout > LONGEST => Err("timeout must not exceed a year".to_owned()),
            _ => Ok(()),
        }
    }
}
