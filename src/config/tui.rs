//! `[tui]`: settings of the desk, which checks them.

use std::collections::BTreeMap;

use bulb_protocol::file::{self, Located};
use serde::Deserialize;

/// `[tui]`, with the line of each value.
#[derive(Clone, Debug, Default)]
pub struct TuiConfig {
    pub theme: Option<Located<String>>,
    pub sort: Option<Located<String>>,
    pub columns: Option<Located<Vec<Located<String>>>>,
    pub colors: BTreeMap<String, Located<String>>,
    pub keys: BTreeMap<String, Located<Vec<Located<String>>>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TuiTable {
    theme: Option<Located<String>>,
    sort: Option<Located<String>>,
    columns: Option<Located<Vec<Located<String>>>>,
    #[serde(default)]
    colors: BTreeMap<String, Located<String>>,
    #[serde(default)]
    keys: BTreeMap<String, Located<Vec<Located<String>>>>,
}

impl TuiTable {
    /// Replaces the offset of each value by its line.
    pub(super) fn by_line(self, text: &str) -> TuiConfig {
        let one = |value: Located<String>| Located { at: file::line(text, value.at), value: value.value };
        let list = |values: Located<Vec<Located<String>>>| Located {
            at: file::line(text, values.at),
            value: values.value.into_iter().map(one).collect(),
        };
        TuiConfig {
            theme: self.theme.map(one),
            sort: self.sort.map(one),
            columns: self.columns.map(list),
            colors: self.colors.into_iter().map(|(name, value)| (name, one(value))).collect(),
            keys: self.keys.into_iter().map(|(name, values)| (name, list(values))).collect(),
        }
    }
}
