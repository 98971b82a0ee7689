//! Compares the parts of the pages that are generated from the profiles. `BLESS=1` updates them.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use bulb_protocol::profile::{Family, Feature, Key, Profile, Support, builtin, schema};

/// Families with more variants have one row for those that look alike.
const MANY_VARIANTS: usize = 40;

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn up_to_date(name: &str, text: &str) {
    if std::env::var_os("BLESS").is_some() {
        fs::write(path(name), text).unwrap();
    }
    assert!(
        fs::read_to_string(path(name)).unwrap_or_default() == text,
        "{name} is out of date: run with BLESS=1"
    );
}

#[test]
fn the_schema_of_profile_files() {
    let mut text = serde_json::to_string_pretty(&schema()).unwrap();
    text.push('\n');
    up_to_date("docs/schema/profile-1.json", &text);
}

/// The schema is what editors check files with: it has to take every file that the program takes.
#[test]
fn the_schema_takes_every_built_in_file() {
    let schema = serde_json::to_value(schema()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for name in builtin::names() {
        let text = fs::read_to_string(path(&format!("protocol/profiles/{name}.toml"))).unwrap();
        let value: serde_json::Value = toml::from_str(&text).unwrap();
        let errors: Vec<_> =
            validator.iter_errors(&value).map(|error| format!("{} {error}", error.instance_path())).collect();
        assert!(errors.is_empty(), "{name}: {}", errors.join("\n"));
    }
}

/// The files within docs/PROFILES.md, and the table of what every family can do at its end.
#[test]
fn the_guide_to_profiles() {
    let name = "docs/PROFILES.md";
    let text = fs::read_to_string(path(name)).unwrap();
    let mut files = 0;
    for block in text.split("```toml\n").skip(1) {
        let block = block.split("```").next().unwrap();
        if block.starts_with("profile = 1") {
            let family = Family::parse(block).unwrap_or_else(|error| panic!("{error} of\n{block}"));
            family.validate_variants().unwrap_or_else(|error| panic!("{error} of\n{block}"));
            files += 1;
        }
    }
    assert!(files > 0, "{name} has no whole file in it");
    table_up_to_date(name, &table());
}

#[test]
fn the_table_of_families() {
    table_up_to_date("docs/families.md", &short_table());
}

/// Compares the table between the markers of a page, or updates it.
fn table_up_to_date(name: &str, table: &str) {
    let text = fs::read_to_string(path(name)).unwrap();
    let (begin, end) = ("<!-- begin families -->\n", "<!-- end families -->");
    let (before, rest) = text.split_once(begin).unwrap();
    let (_, after) = rest.split_once(end).unwrap();
    up_to_date(name, &format!("{before}{begin}{table}{end}{after}"));
}

const NEEDS_KEY: &str = " ([needs a key](configuration.md#keys))";

/// A profile as it is with a key, and whether it needs one.
fn with_key(family: &Family, variant: Option<&str>) -> (Profile, bool) {
    let mut profile = family.profile(variant).unwrap();
    let needs_key = profile.needs_key();
    profile.set_key(Key::new([0; Key::LEN]));
    (profile, needs_key)
}

/// A row for each family: what all or some of its models can do.
fn short_table() -> String {
    let items = [
        Feature::Power,
        Feature::Brightness,
        Feature::Color,
        Feature::White,
        Feature::Kelvin,
        Feature::Effect,
    ];
    let mut table = String::from(
        "| bulbs | `--profile` | power | brightness | color | white | kelvin | effects | reports its state |\n|---|---|---|---|---|---|---|---|---|\n",
    );
    for family in builtin::families().unwrap() {
        let variants: Vec<String> = family.variants().map(|(name, ..)| name.to_owned()).collect();
        let names = [None].into_iter().chain(variants.iter().map(|name| Some(name.as_str())));
        let models: Vec<_> = names.map(|name| with_key(&family, name).0).collect();
        let models: Vec<_> = models.iter().filter(|model| model.unsupported.is_none()).collect();
        let key = if with_key(&family, None).1 { NEEDS_KEY } else { "" };
        write!(table, "| {}{key} | `{}` |", family.title(), family.name()).unwrap();
        for item in items {
            let abilities: Vec<_> = models
                .iter()
                .filter_map(|model| {
                    model.abilities().into_iter().find(|ability| ability.feature == item && ability.set)
                })
                .collect();
            let cell = match abilities.as_slice() {
                [] => "",
                _ if abilities.iter().all(|ability| ability.scaled) => "scaled",
                _ if abilities.len() < models.len() => "some",
                _ => "yes",
            };
            let experimental =
                !abilities.is_empty() && abilities.iter().all(|ability| ability.grade.experimental());
            write!(table, " {cell}{} |", if experimental { "*" } else { "" }).unwrap();
        }
        writeln!(table, " {} |", models.first().unwrap().readback()).unwrap();
    }
    table
}

/// The list of models at the end of docs/MODELS.md, and how many they are.
#[test]
fn the_list_of_models() {
    let name = "docs/MODELS.md";
    let text = fs::read_to_string(path(name)).unwrap();
    let (begin, end) = ("<!-- begin models -->\n", "<!-- end models -->");
    let (before, rest) = text.split_once(begin).unwrap();
    let (_, after) = rest.split_once(end).unwrap();
    let (list, driven) = models();
    up_to_date(name, &format!("{before}{begin}{list}{end}{after}"));
    let govee = driven.iter().filter(|(family, _)| family == "govee").count();
    assert!(
        driven.len() >= 600 && govee >= 380,
        "only {} models are driven by name, {govee} of Govee",
        driven.len()
    );
}

/// The number of models that are more than switched, each counted once, however many revisions it has.
fn models() -> (String, BTreeSet<(String, String)>) {
    let mut rows = String::from("| models | `--profile` | frames from |\n|---|---|---|\n");
    let (mut driven, mut switched, mut refused) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for family in builtin::families().unwrap() {
        let mut variants: BTreeMap<Option<&str>, Vec<&str>> = BTreeMap::new();
        let models = family.models();
        for known in &models {
            let model = known.model.split('@').next().unwrap();
            let of_family = (family.name().to_owned(), model.to_owned());
            match &known.support {
                Support::Driven => variants.entry(known.variant.as_deref()).or_default().push(&known.model),
                Support::Unsupported(_) => drop(refused.insert(of_family)),
                _ => {}
            }
        }
        for (variant, models) in variants {
            let profile = family.profile(variant).unwrap();
            let only_power = profile.settable().without(Feature::Power).is_empty();
            let into = if only_power { &mut switched } else { &mut driven };
            into.extend(
                models
                    .iter()
                    .map(|model| (family.name().to_owned(), model.split('@').next().unwrap().to_owned())),
            );
            writeln!(
                rows,
                "| {} | `{}`{} | {} |",
                models.join(", "),
                profile.full_name(),
                if only_power { " (only power)" } else { "" },
                profile.sources.join(", ")
            )
            .unwrap();
        }
    }
    let switched = switched.difference(&driven).count();
    let counts = format!(
        "{} models are driven by name. {switched} more can only be switched on and off. {} are known and refused.\n\n",
        driven.len(),
        refused.len()
    );
    (counts + &rows, driven)
}

/// Rows of a family with many variants that look alike become one.
fn table() -> String {
    let mut table = String::from(
        "| profile | what it is | power | brightness | color | white | kelvin | effects | speed | state |\n",
    );
    table.push_str("|---|---|---|---|---|---|---|---|---|---|\n");
    for family in builtin::families().unwrap() {
        let mut rows: Vec<(Profile, String)> = Vec::new();
        let variants: Vec<String> = family.variants().map(|(name, ..)| name.to_owned()).collect();
        for variant in [None].into_iter().chain(variants.iter().map(|name| Some(name.as_str()))) {
            let (mut profile, needs_key) = with_key(&family, variant);
            if needs_key {
                profile.title.push_str(NEEDS_KEY);
            }
            let mut table = String::new();
            if profile.unsupported.is_some() {
                rows.push((profile, " not supported | | | | | | | |".to_owned()));
                continue;
            }
            let abilities = profile.abilities();
            for item in Feature::ALL {
                let ability = abilities.iter().find(|ability| ability.feature == item && ability.set);
                let mut cell = ability.map_or(String::new(), |ability| match (item, ability.range) {
                    (Feature::Effect, _) => effects(&profile),
                    (_, Some(range)) if range != (0, 100) => format!("{} to {}", range.0, range.1),
                    _ if ability.scaled => "scaled".to_owned(),
                    _ => "yes".to_owned(),
                });
                if ability.is_some_and(|ability| ability.grade.experimental()) {
                    cell.push_str(" (experimental)");
                }
                write!(table, " {cell} |").unwrap();
            }
            write!(table, " {} |", profile.readback()).unwrap();
            rows.push((profile, table));
        }
        let many = rows.len() > MANY_VARIANTS;
        while !rows.is_empty() {
            let cells = rows[0].1.clone();
            let (alike, others): (Vec<_>, Vec<_>) =
                if many { rows.into_iter().partition(|(_, own)| *own == cells) } else { take_first(rows) };
            rows = others;
            let first = &alike[0].0;
            let more = match alike.len() {
                1 => String::new(),
                several => format!(" and {} more", several - 1),
            };
            writeln!(table, "| `{}`{more} | {} |{cells}", first.full_name(), first.title).unwrap();
        }
    }
    table
}

fn take_first<T>(mut all: Vec<T>) -> (Vec<T>, Vec<T>) {
    let others = all.split_off(1);
    (all, others)
}

fn effects(profile: &bulb_protocol::profile::Profile) -> String {
    let named = profile.effects().count();
    match profile.numbered_effects() {
        Some((first, last)) if named == 0 => format!("{first} to {last}"),
        Some((first, last)) => format!("{named}, and {first} to {last}"),
        None => named.to_string(),
    }
}
