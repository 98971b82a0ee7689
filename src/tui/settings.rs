//! Settings of the desk: `[tui]` in the configuration, checked.

use bulb_protocol::file::Located;
use serde::Deserialize;

use super::keys::{Key, KeyMap};
use super::style::{BUILT_IN, Colors, parse_color};
use crate::config::TuiConfig;

/// A column of the list that is shown if it fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Column {
    Age,
    Battery,
    History,
    Family,
    Address,
}

impl Column {
    const ALL: [(&'static str, Self); 5] = [
        ("age", Self::Age),
        ("battery", Self::Battery),
        ("history", Self::History),
        ("family", Self::Family),
        ("address", Self::Address),
    ];
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    #[default]
    Signal,
    Name,
    Address,
}

impl Sort {
    const ALL: [(&'static str, Self); 3] =
        [("signal", Self::Signal), ("name", Self::Name), ("address", Self::Address)];
}

#[derive(Clone, Debug)]
pub struct Settings {
    pub colors: Colors,
    pub keys: KeyMap,
    pub columns: Vec<Column>,
    pub sort: Sort,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            colors: Colors::default(),
            keys: KeyMap::default(),
            columns: Column::ALL.map(|(_, column)| column).to_vec(),
            sort: Sort::default(),
        }
    }
}

impl Settings {
    /// Checks the settings.
    ///
    /// # Errors
    /// The first mistake and its offset in the file.
    pub fn of(config: &TuiConfig) -> Result<Self, (usize, String)> {
        let mut settings = Self::default();
        if let Some(theme) = &config.theme {
            settings.colors = one_of(theme, "theme", &BUILT_IN)?;
        }
        for (name, value) in &config.colors {
            let color = parse_color(&value.value).ok_or_else(|| {
                let forms = "a name such as cyan, a number from 0 to 255, or #ff8800";
                (value.at, format!("{:?} is not a colour: use {forms}", value.value))
            })?;
            if !settings.colors.set(name, color) {
                let names = Colors::NAMES.join(", ");
                return Err((value.at, format!("the theme has no colour {name:?}: it has {names}")));
            }
        }
        if let Some(columns) = &config.columns {
            let columns = columns.value.iter().map(|column| one_of(column, "column", &Column::ALL));
            settings.columns = columns.collect::<Result<_, _>>()?;
        }
        if let Some(sort) = &config.sort {
            settings.sort = one_of(sort, "sort", &Sort::ALL)?;
        }
        for (action, keys) in &config.keys {
            let keys_of = |key: &Located<String>| {
                Key::parse(&key.value).ok_or_else(|| {
                    let forms = "a character, or a name such as Enter, Space, F2, Ctrl-R or Shift-Left";
                    (key.at, format!("{:?} is not a key: use {forms}", key.value))
                })
            };
            let at = keys.at;
            let keys = keys.value.iter().map(keys_of).collect::<Result<Vec<_>, _>>()?;
            settings.keys.bind(action, &keys).map_err(|message| (at, message))?;
        }
        // All at once, as two actions may swap their keys.
        if let Some((action, message)) = settings.keys.conflict() {
            let at = config.keys.iter().find(|(name, _)| **name == action).or(config.keys.iter().next());
            return Err((at.map_or(0, |(_, keys)| keys.at), message));
        }
        Ok(settings)
    }
}

fn one_of<T: Copy>(
    value: &Located<String>,
    what: &str,
    all: &[(&'static str, T)],
) -> Result<T, (usize, String)> {
    let found = all.iter().find(|(name, _)| *name == value.value);
    found.map(|(_, value)| *value).ok_or_else(|| {
        let names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
        (value.at, format!("{:?} is not a {what}: use one of {}", value.value, names.join(", ")))
    })
}
