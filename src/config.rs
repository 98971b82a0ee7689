//! The configuration file: defaults, aliases and groups.
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
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bulb_protocol::file;
use etcetera::BaseStrategy;
use serde::Deserialize;

use crate::error::{Error, Result};

/// The longest time that is taken anywhere, a year: more is a slip, and would overflow the clock further on.
pub const LONGEST: Duration = Duration::from_secs(365 * 86_400);

/// What the configuration file says. Everything may be left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The adapter to use where the command line names none.
    pub adapter: Option<String>,
    /// How long an operation may take where the command line does not say.
    #[serde(default, with = "humantime_serde")]
    pub timeout: Option<Duration>,
    /// How many links are held at once where the command line does not say.
    pub max_links: Option<usize>,
    /// Names of the user's own for single bulbs: each stands for an address, a platform identifier or an advertised
    /// name.
    #[serde(default)]
    pub aliases: BTreeMap<String, String>,
    /// Names for several targets: each member is anything that a target can be.
    #[serde(default)]
    pub groups: BTreeMap<String, Vec<String>>,
    /// Which family drives a bulb, instead of recognising it: by an alias, or an address, identifier or name. A file's place is
    /// relative to that of the configuration.
    #[serde(default)]
    pub profiles: BTreeMap<String, String>,
}

impl Config {
    /// Reads the file that was named, or else the user's own, which need not be there.
    ///
    /// # Errors
    /// [`Error::FileUnreadable`], [`Error::ConfigInvalid`] with the line.
    pub fn load(named: Option<&Path>) -> Result<Self> {
        let (path, required) = match (named, Self::user_path()) {
            (Some(path), _) => (path.to_owned(), true),
            (None, Some(path)) => (path, false),
            (None, None) => return Ok(Self::default()),
        };
        match fs::read_to_string(&path) {
            Ok(text) => {
                let mut config = Self::parse(&text, &path.display().to_string())?;
                let folder = path.parent().unwrap_or(Path::new(""));
                for profile in config.profiles.values_mut().filter(|profile| profile.contains(".toml")) {
                    *profile = folder.join(&profile).display().to_string();
                }
                Ok(config)
            }
            // Where the home is no folder, there is none either.
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) && !required =>
            {
                Ok(Self::default())
            }
            Err(error) => {
                Err(Error::FileUnreadable { path: path.display().to_string(), detail: error.to_string() })
            }
        }
    }

    /// Where the user's own profiles are: beside the configuration file.
    #[must_use]
    pub fn profiles_folder(named: Option<&Path>) -> Option<PathBuf> {
        let file = named.map(Path::to_owned).or_else(Self::user_path)?;
        Some(file.parent()?.join("profiles"))
    }

    /// The bulbs that have a profile of their own, with aliases replaced by what they stand for.
    pub fn kept_profiles(&self) -> impl Iterator<Item = (String, String)> {
        self.profiles
            .iter()
            .map(|(bulb, profile)| (self.aliases.get(bulb).unwrap_or(bulb).clone(), profile.clone()))
    }

    /// Where the user's own configuration is looked for.
    #[must_use]
    pub fn user_path() -> Option<PathBuf> {
        Some(etcetera::choose_base_strategy().ok()?.config_dir().join("bulbctl").join("config.toml"))
    }

    /// Reads the text of a configuration file; `path` is for the error message.
    ///
    /// # Errors
    /// [`Error::ConfigInvalid`] with the line.
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
                    "{name:?} cannot name an alias or a group: it is empty, is \"all\", or has one of , @ * ? in it"
                ));
            }
        }
        for (group, members) in &self.groups {
            for member in members {
                if let Some(other) =
                    member.strip_prefix('@').filter(|other| !self.groups.contains_key(*other))
                {
                    return Err(format!(
                        "group {group:?} has {member:?} in it, and there is no group {other:?}"
                    ));
                }
            }
        }
        if self.max_links == Some(0) {
            return Err("max_links is zero".to_owned());
        }
        match self.timeout {
            Some(timeout) if timeout.is_zero() => Err("timeout is zero".to_owned()),
            Some(timeout) if timeout > LONGEST => Err("timeout is longer than a year".to_owned()),
            _ => Ok(()),
        }
    }
}
