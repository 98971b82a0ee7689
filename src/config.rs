//! The configuration file: defaults, aliases, groups, profiles and keys.
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
//!
//! [keys]
//! istrip = { file = "istrip.key" }
//!
//! [tui]
//! theme = "dark"
//!
//! [bridge]
//! broker = "mqtts://broker.lan"
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bulb_protocol::file::{self, Located, ParseError};
use bulb_protocol::profile::{InvalidKey, Key};
use etcetera::BaseStrategy;
use serde::de::{self, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

mod bridge;
mod tui;

pub use bridge::BridgeConfig;
pub use tui::TuiConfig;

use self::bridge::BridgeTable;
use self::tui::TuiTable;
use crate::error::{Error, Result};
use crate::files::{self, LONGEST_TEXT};

/// Longest accepted time, a year. More is a mistake and would overflow the clock.
pub const LONGEST: Duration = Duration::from_secs(365 * 86_400);
/// The longest file with a key, bytes: hex digits with something between them.
const LONGEST_KEY: u64 = 256;

/// The configuration. Every setting is optional.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Adapter, unless the command line names one.
    pub adapter: Option<String>,
    /// Time limit of an operation, unless the command line sets one.
    pub timeout: Option<Duration>,
    /// Largest number of simultaneous links, unless the command line sets one.
    pub max_links: Option<usize>,
    /// Your names for single bulbs: each stands for an address, a platform identifier or an advertised name.
    pub aliases: BTreeMap<String, String>,
    /// Your names for several targets. A member is any target.
    pub groups: BTreeMap<String, Vec<String>>,
    /// Profiles of bulbs that should not be detected, by alias, address, identifier or name. Profile files are relative to the
    /// configuration file.
    pub profiles: BTreeMap<String, String>,
    /// The keys of families whose frames are encrypted, by the name of the family. Files are relative to the configuration file.
    pub keys: BTreeMap<String, KeySetting>,
    /// Settings of the desk, which checks them.
    pub tui: TuiConfig,
    /// Settings of the bridge.
    pub bridge: BridgeConfig,
    /// The name of the file in messages.
    pub path: String,
}

/// A key, or the file that has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySetting {
    Key(Key),
    File(PathBuf),
}

/// The file, with the position of each value.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfigFile {
    adapter: Option<String>,
    timeout: Option<Located<Time>>,
    max_links: Option<Located<usize>>,
    #[serde(default)]
    aliases: BTreeMap<String, Located<String>>,
    #[serde(default)]
    groups: BTreeMap<String, Located<Vec<Located<String>>>>,
    #[serde(default)]
    profiles: BTreeMap<String, String>,
    #[serde(default)]
    keys: BTreeMap<String, Located<KeyEntry>>,
    #[serde(default)]
    tui: TuiTable,
    #[serde(default)]
    bridge: BridgeTable,
}

/// `"32 hex digits"`, or `{ file = "PATH" }`.
#[derive(Deserialize)]
#[serde(untagged, expecting = "a key is a text of 32 hex digits, or { file = \"PATH\" }")]
enum KeyEntry {
    Text(String),
    File(KeyFile),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    file: PathBuf,
}

/// A time with its unit.
#[derive(Clone, Copy)]
struct Time(Duration);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TimeVisitor;
        impl Visitor<'_> for TimeVisitor {
            type Value = Time;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number and a unit in quotes, such as \"10s\", \"500ms\" or \"2m\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Time, E> {
                let parsed = humantime::parse_duration(text);
                parsed.map(Time).map_err(|_| E::invalid_value(Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_any(TimeVisitor)
    }
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
                for setting in config.keys.values_mut() {
                    if let KeySetting::File(file) = setting {
                        *file = folder.join(&file);
                    }
                }
                config.bridge.files().for_each(|file| *file = folder.join(&file));
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

    /// Folder of the desk's scenes, next to the configuration file.
    pub fn scenes_folder(named: Option<&Path>) -> Option<PathBuf> {
        let file = named.map(Path::to_owned).or_else(Self::user_path)?;
        Some(file.parent()?.join("scenes"))
    }

    /// Returns the error for a mistake in this line.
    pub fn mistake(&self, (line, message): (usize, String)) -> Error {
        Error::ConfigInvalid { path: self.path.clone(), detail: ParseError { line, message }.to_string() }
    }

    /// Bulbs with a fixed profile. Aliases are replaced by their targets.
    pub fn kept_profiles(&self) -> impl Iterator<Item = (String, String)> {
        self.profiles
            .iter()
            .map(|(bulb, profile)| (self.aliases.get(bulb).unwrap_or(bulb).clone(), profile.clone()))
    }

    /// The keys of families whose frames are encrypted.
    ///
    /// # Errors
    /// [`Error::FileUnreadable`] and [`Error::ConfigInvalid`] for a file with a key. They do not show what is in it.
    pub fn family_keys(&self) -> Result<BTreeMap<String, Key>> {
        let key = |(family, setting): (&String, &KeySetting)| {
            let key = match setting {
                KeySetting::Key(key) => *key,
                KeySetting::File(path) => read_key(path)?,
            };
            Ok((family.clone(), key))
        };
        self.keys.iter().map(key).collect()
    }

    pub fn user_path() -> Option<PathBuf> {
        Some(etcetera::choose_base_strategy().ok()?.config_dir().join("bulbctl").join("config.toml"))
    }

    /// Parses a configuration file; `path` is for error messages.
    pub fn parse(text: &str, path: &str) -> Result<Self> {
        let invalid = |detail: String| Error::ConfigInvalid { path: path.to_owned(), detail };
        let file: ConfigFile =
            file::parse(text, file::MOST_VALUES).map_err(|error| invalid(error.to_string()))?;
        file.check().map_err(|(at, message)| {
            invalid(ParseError { line: file::line(text, at), message }.to_string())
        })?;
        let values = |members: Located<Vec<Located<String>>>| {
            members.value.into_iter().map(|member| member.value).collect()
        };
        Ok(Self {
            adapter: file.adapter,
            timeout: file.timeout.map(|timeout| timeout.value.0),
            max_links: file.max_links.map(|links| links.value),
            aliases: file.aliases.into_iter().map(|(name, target)| (name, target.value)).collect(),
            groups: file.groups.into_iter().map(|(name, members)| (name, values(members))).collect(),
            profiles: file.profiles,
            keys: file
                .keys
                .into_iter()
                .filter_map(|(family, entry)| Some((family, entry.value.setting()?)))
                .collect(),
            tui: file.tui.by_line(text),
            bridge: file.bridge.values(),
            path: path.to_owned(),
        })
    }
}

impl KeyEntry {
    /// Returns `None` for a text that is no key.
    fn setting(&self) -> Option<KeySetting> {
        match self {
            Self::Text(text) => text.parse().ok().map(KeySetting::Key),
            Self::File(KeyFile { file }) => Some(KeySetting::File(file.clone())),
        }
    }
}

/// Reads a file with a key: hex digits, or the bytes themselves.
fn read_key(path: &Path) -> Result<Key> {
    let content = File::open(path).and_then(|file| files::bytes_of(file, LONGEST_KEY));
    let content = content.map_err(|error| files::unreadable(path, &error))?;
    if let Ok(bytes) = content.as_slice().try_into() {
        return Ok(Key::new(bytes));
    }
    let key = str::from_utf8(&content).ok().and_then(|text| text.parse().ok());
    key.ok_or_else(|| Error::ConfigInvalid {
        path: path.display().to_string(),
        detail: format!("{InvalidKey}, or 16 bytes"),
    })
}

impl ConfigFile {
    /// Returns the first mistake and its offset.
    fn check(&self) -> Result<(), (usize, String)> {
        let aliases = self.aliases.iter().map(|(name, target)| (name, target.at));
        for (name, at) in aliases.chain(self.groups.iter().map(|(name, members)| (name, members.at))) {
            if name.is_empty() || name == "all" || name.contains([',', '@', '*', '?']) {
                return Err((
                    at,
                    format!(
                        "{name:?} cannot be the name of an alias or group: names must not be empty or \"all\", or contain any of , @ * ?"
                    ),
                ));
            }
        }
        for (group, members) in &self.groups {
            for Located { at, value: member } in &members.value {
                let other = member.strip_prefix('@').filter(|other| !self.groups.contains_key(*other));
                if let Some(other) = other {
                    let missing =
                        format!("group {group:?} contains {member:?}, but there is no group {other:?}");
                    return Err((*at, missing));
                }
            }
        }
        for (family, Located { at, value: entry }) in &self.keys {
            if entry.setting().is_none() {
                return Err((*at, format!("keys.{family}: {InvalidKey}")));
            }
        }
        self.bridge.check()?;
        if let Some(Located { at, value: 0 }) = self.max_links {
            return Err((at, "max_links must be at least 1".to_owned()));
        }
        match self.timeout {
            Some(Located { at, value: Time(Duration::ZERO) }) => {
                Err((at, "timeout must be longer than zero".to_owned()))
            }
            Some(Located { at, value: Time(timeout) }) if timeout > LONGEST => {
                Err((at, "timeout must not exceed a year".to_owned()))
            }
            _ => Ok(()),
        }
    }
}
