//! `[bridge]`: settings of the bridge.

use std::collections::BTreeMap;
use std::path::PathBuf;

use bulb_protocol::file::Located;
use serde::Deserialize;

use crate::bridge::{is_id, is_prefix};

/// Settings of the bridge. Every setting is optional.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BridgeConfig {
    /// The name of this bridge in topics, by default that of the computer.
    pub name: Option<String>,
    /// `mqtt://HOST[:PORT]` or `mqtts://HOST[:PORT]`
    pub broker: Option<String>,
    pub username: Option<String>,
    /// Files are relative to the configuration file.
    pub password_file: Option<PathBuf>,
    /// The certificates that the broker's must come from, in place of those of the system.
    pub ca_file: Option<PathBuf>,
    /// The certificate and the key of this client.
    pub certificate_file: Option<PathBuf>,
    pub key_file: Option<PathBuf>,
    /// Targets.
    pub bulbs: Vec<String>,
    /// The topic prefix.
    pub prefix: Option<String>,
    /// The prefix of Home Assistant's discovery.
    pub discovery_prefix: Option<String>,
    /// False to announce nothing to Home Assistant.
    pub discovery: Option<bool>,
    /// No other bridge is on this broker.
    pub alone: bool,
    /// The rooms of bulbs, by alias, address, identifier or name.
    pub areas: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BridgeTable {
    name: Option<Located<String>>,
    broker: Option<String>,
    username: Option<String>,
    password_file: Option<PathBuf>,
    ca_file: Option<PathBuf>,
    certificate_file: Option<Located<PathBuf>>,
    key_file: Option<Located<PathBuf>>,
    #[serde(default)]
    bulbs: Vec<String>,
    prefix: Option<Located<String>>,
    discovery_prefix: Option<Located<String>>,
    discovery: Option<bool>,
    #[serde(default)]
    alone: bool,
    #[serde(default)]
    areas: BTreeMap<String, String>,
}

impl BridgeConfig {
    /// The files that it names.
    pub(super) fn files(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        [&mut self.password_file, &mut self.ca_file, &mut self.certificate_file, &mut self.key_file]
            .into_iter()
            .flatten()
    }
}

impl BridgeTable {
    /// Returns the first mistake and its offset.
    pub(super) fn check(&self) -> Result<(), (usize, String)> {
        if let Some(Located { at, value }) = self.name.as_ref().filter(|name| !is_id(&name.value)) {
            let rule = "the name of a bridge has up to 64 of a-z, A-Z, 0-9, _ and -";
            return Err((*at, format!("{rule}, but this one is {value:?}")));
        }
        for (key, prefix) in [("prefix", &self.prefix), ("discovery_prefix", &self.discovery_prefix)] {
            if let Some(Located { at, value }) = prefix.as_ref().filter(|prefix| !is_prefix(&prefix.value)) {
                let rule = "is made of a-z, A-Z, 0-9, _ and -, with / between its parts";
                return Err((*at, format!("bridge.{key} {rule}, but this one is {value:?}")));
            }
        }
        match (&self.certificate_file, &self.key_file) {
            (Some(one), None) | (None, Some(one)) => {
                Err((one.at, "bridge.certificate_file and bridge.key_file need each other".to_owned()))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn values(self) -> BridgeConfig {
        BridgeConfig {
            name: self.name.map(|name| name.value),
            broker: self.broker,
            username: self.username,
            password_file: self.password_file,
            ca_file: self.ca_file,
            certificate_file: self.certificate_file.map(|file| file.value),
            key_file: self.key_file.map(|file| file.value),
            bulbs: self.bulbs,
            prefix: self.prefix.map(|prefix| prefix.value),
            discovery_prefix: self.discovery_prefix.map(|prefix| prefix.value),
            discovery: self.discovery,
            alone: self.alone,
            areas: self.areas,
        }
    }
}
