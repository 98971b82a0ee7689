//! Targets: an address, an identifier, an alias, a name, a glob, `@group`, `all`, or a comma list of these.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bulb_protocol::text::glob;

use crate::bulb::Families;
use crate::bulb::families::is_named;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::radio::{Address, SeenDevice};

/// The most things that a target names. Each advertisement is compared with all of them.
const MOST: usize = 1000;

#[derive(Clone, Debug)]
pub enum Selector {
    Address(Address),
    /// The one device of this name or platform identifier.
    Exact(String),
    /// Every device whose name matches, in upper or lower case.
    Glob(String),
    All(Arc<Families>),
}

impl Selector {
    /// Reads one item of a target, after aliases and groups have been replaced.
    fn parse(text: &str, families: &Arc<Families>) -> Self {
        if text == "all" {
            return Self::All(Arc::clone(families));
        }
        if let Ok(address) = text.parse() {
            return Self::Address(address);
        }
        if text.contains(['*', '?']) {
            return Self::Glob(text.to_owned());
        }
        Self::Exact(text.to_owned())
    }

    /// Returns true if it may mean more than one device.
    pub const fn many(&self) -> bool {
        matches!(self, Self::Glob(..) | Self::All(_))
    }

    /// Returns true if it means this device. Names are compared with their padding trimmed.
    pub fn matches(&self, report: &SeenDevice) -> bool {
        match self {
            Self::Address(address) => {
                report.address == Some(*address) || report.id.as_str().parse() == Ok(*address)
            }
            Self::Exact(text) => is_named(report, text),
            Self::Glob(pattern) => report.names().any(|name| glob(pattern, name)),
            Self::All(families) => families.looks_like_a_bulb(report),
        }
    }

    /// As [`matches`](Self::matches), with names and identifiers in upper or lower case.
    pub fn matches_any_case(&self, report: &SeenDevice) -> bool {
        let Self::Exact(text) = self else { return self.matches(report) };
        let text = text.to_lowercase();
        report.names().chain([report.id.as_str()]).any(|name| name.to_lowercase() == text)
    }

    pub fn text(&self) -> String {
        match self {
            Self::Address(address) => address.to_string(),
            Self::Exact(text) | Self::Glob(text) => text.clone(),
            Self::All(_) => "all".to_owned(),
        }
    }
}

/// A parsed target: the bulbs to look for, in the order they were named, each once.
#[derive(Clone, Debug)]
pub struct Target {
    text: String,
    wanted: Vec<Selector>,
    aliases: Vec<String>,
}

impl Target {
    /// Reads a target, with the configuration's aliases and groups; `all` means the bulbs of these families.
    pub fn parse(text: &str, config: &Config, families: &Arc<Families>) -> Result<Self> {
        let mut items = expand(text, config)?;
        if items.is_empty() {
            return Err(Error::Usage(format!("the target {text:?} names nothing")));
        }
        let mut seen = BTreeSet::new();
        items.retain(|item| seen.insert(item.clone()));
        if items.len() > MOST {
            return Err(Error::Usage(format!(
                "the target names more than {MOST} things; use a pattern or all"
            )));
        }
        let wanted = items.iter().map(|item| Selector::parse(item, families)).collect();
        let aliases = config.aliases.keys().cloned().collect();
        Ok(Self { text: text.to_owned(), wanted, aliases })
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn selectors(&self) -> &[Selector] {
        &self.wanted
    }

    /// The names in the configuration that the target could have used.
    pub(super) fn aliases(&self) -> &[String] {
        &self.aliases
    }

    /// Returns true if it means this device, perhaps among others.
    pub fn means(&self, device: &SeenDevice) -> bool {
        self.wanted.iter().any(|wanted| wanted.matches_any_case(device))
    }

    /// As [`means`](Self::means), for a device of which only the name and the address are known. It may be among all bulbs.
    pub fn means_remembered(&self, device: &SeenDevice) -> bool {
        self.wanted.iter().any(|wanted| matches!(wanted, Selector::All(_)) || wanted.matches_any_case(device))
    }

    /// The only thing that is meant, if it is one device.
    pub fn single(&self) -> Option<&Selector> {
        match self.wanted.as_slice() {
            [wanted] if !wanted.many() => Some(wanted),
            _ => None,
        }
    }
}

/// Replaces groups and aliases. Each group once: it may be in itself, or twice in each of a long row of groups.
fn expand(text: &str, config: &Config) -> Result<Vec<String>> {
    let (mut items, mut done, mut todo) = (Vec::new(), BTreeSet::new(), vec![text]);
    while let Some(next) = todo.pop() {
        if next.contains(',') {
            todo.extend(next.rsplit(','));
            continue;
        }
        let item = next.trim();
        let Some(name) = item.strip_prefix('@') else {
            if !item.is_empty() {
                items.push(any_case(&config.aliases, item).map_or(item, |(_, alias)| alias).to_owned());
            }
            continue;
        };
        let (name, members) = any_case(&config.groups, name).ok_or_else(|| Error::GroupUnknown {
            name: name.to_owned(),
            have: match config.groups.keys().map(String::as_str).collect::<Vec<_>>().join(", ") {
                none if none.is_empty() => "none".to_owned(),
                some => some,
            },
        })?;
        if done.insert(name) {
            todo.extend(members.iter().rev().map(String::as_str));
        }
    }
    Ok(items)
}

/// The entry of this name, else the only one of this name in another case.
fn any_case<'a, T>(all: &'a BTreeMap<String, T>, name: &str) -> Option<(&'a str, &'a T)> {
    if let Some((name, value)) = all.get_key_value(name) {
        return Some((name, value));
    }
    let name = name.to_lowercase();
    let mut alike = all.iter().filter(|(other, _)| other.to_lowercase() == name);
    match (alike.next(), alike.next()) {
        (Some((name, value)), None) => Some((name, value)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        let text = r#"
            [aliases]
            desk = "C4:11:00:00:00:01"
            [groups]
            office = ["desk", "Light-Shelf", "@hall"]
            hall = ["Bulb-*", "@office"]
        "#;
        Config::parse(text, "test").unwrap()
    }

    fn parse(text: &str) -> Result<Target> {
        Target::parse(text, &config(), &Arc::default())
    }

    fn texts(target: &str) -> Vec<String> {
        parse(target).unwrap().selectors().iter().map(Selector::text).collect()
    }

    #[test]
    fn expands_aliases_and_groups_each_once() {
        assert_eq!(texts("desk"), ["C4:11:00:00:00:01"]);
        assert_eq!(texts("@office,desk , Lamp"), ["C4:11:00:00:00:01", "Light-Shelf", "Bulb-*", "Lamp"]);
        assert_eq!(texts("c4-11-00-00-00-01"), ["C4:11:00:00:00:01"]);
        assert_eq!(texts("Desk,@HALL"), ["C4:11:00:00:00:01", "Bulb-*", "Light-Shelf"], "in any case");
    }

    /// Two ways into each of forty groups are a million million ways into the last.
    #[test]
    fn a_group_of_groups_of_groups_ends() {
        let groups: String =
            (0..40).map(|n| format!("g{n} = [\"@g{}\", \"@g{}\"]\n", n + 1, n + 1)).collect();
        let config = Config::parse(&format!("[groups]\n{groups}g40 = [\"Lamp\"]"), "test").unwrap();
        let target = Target::parse("@g0", &config, &Arc::default()).unwrap();
        assert_eq!(target.selectors().iter().map(Selector::text).collect::<Vec<_>>(), ["Lamp"]);
    }

    #[test]
    fn tells_one_from_many() {
        for (text, single) in
            [("desk", true), ("Light-Desk", true), ("Light-*", false), ("all", false), ("a,b", false)]
        {
            assert_eq!(parse(text).unwrap().single().is_some(), single, "{text}");
        }
    }

    #[test]
    fn refuses_nothing_and_unknown_groups() {
        for text in ["", ",", "@cellar"] {
            assert_eq!(parse(text).unwrap_err().exit_code(), 2, "{text}");
        }
    }

    #[test]
    fn an_address_is_compared_with_the_address_and_the_identifier() {
        let target = parse("C4:11:00:00:00:01").unwrap();
        let id = |text: &str| crate::radio::DeviceId::new(text.to_owned());
        let by_id = SeenDevice { id: id("c4:11:00:00:00:01"), ..SeenDevice::default() };
        // As on macOS, for a bulb whose address is known all the same.
        let by_address = SeenDevice {
            id: id("6B29FC40-CA47-1067-B31D-00DD010662DA"),
            address: "C4:11:00:00:00:01".parse().ok(),
            ..SeenDevice::default()
        };
        assert!(target.means(&by_id) && target.means(&by_address));
        assert!(!target.means(&SeenDevice { address: None, ..by_address }));
    }

    #[test]
    fn all_means_every_bulb_that_is_remembered() {
        // A name that no family has.
        let device = SeenDevice { name: Some("Lamp".to_owned()), ..SeenDevice::default() };
        for (text, is_meant) in
            [("all", true), ("lamp", true), ("Light,Lamp", true), ("La*", true), ("desk", false)]
        {
            let target = parse(text).unwrap();
            assert_eq!(target.means_remembered(&device), is_meant, "{text}");
            assert_eq!(target.text(), text);
        }
    }

    #[test]
    fn a_target_names_a_thousand_things_at_most() {
        let names = |count: usize| (0..count).map(|n| format!("Lamp-{n}")).collect::<Vec<_>>().join(",");
        assert_eq!(parse(&names(MOST)).unwrap().selectors().len(), MOST);
        let error = parse(&names(MOST + 1)).unwrap_err();
        assert_eq!(
            (error.exit_code(), error.to_string().contains("more than 1000 things")),
            (2, true),
            "{error}"
        );
    }

    #[test]
    fn an_unknown_group_is_told_with_those_there_are() {
        let error = parse("@cellar").unwrap_err().to_string();
        assert!(error.contains("hall, office"), "{error}");
        let error = Target::parse("@cellar", &Config::default(), &Arc::default()).unwrap_err().to_string();
        assert!(error.contains("none"), "{error}");
    }
}
