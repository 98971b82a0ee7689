//! Home Assistant's own schema, as data from its package. See home_assistant/extract.py.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::*;

const SCHEMA: &str = include_str!("home_assistant/schema-2026.11.0.toml");

#[derive(Deserialize)]
struct Rule {
    validator: String,
    #[serde(default)]
    required: bool,
}

/// The keys of each part of a discovery payload.
pub(crate) struct Schema(BTreeMap<String, BTreeMap<String, Rule>>);

impl Schema {
    pub(crate) fn load() -> Self {
        let mut tables: toml::Table = toml::from_str(SCHEMA).unwrap();
        assert_eq!(tables.remove("version"), Some("2026.11.0".into()));
        let tables = tables.into_iter().map(|(name, table)| (name, table.try_into().unwrap()));
        Self(tables.collect())
    }

    /// What Home Assistant would drop, refuse or miss in a device payload.
    pub(crate) fn mistakes(&self, payload: &Value) -> Vec<String> {
        let mut mistakes = self.check("", payload, &["device_discovery"]);
        mistakes.extend(self.check("device", &payload["device"], &["device"]));
        mistakes.extend(self.check("origin", &payload["origin"], &["origin"]));
        let device = &payload["device"];
        if device["identifiers"].as_array().is_none_or(Vec::is_empty) {
            mistakes.push("the device has no identifier".to_owned());
        }
        for (key, component) in payload["components"].as_object().into_iter().flatten() {
            let platform = component["platform"].as_str().unwrap_or_default();
            // These options count for each component that does not have them.
            let mut whole = component.clone();
            for shared in ["availability", "availability_mode", "qos"] {
                if let (Some(value), None) = (payload.get(shared), component.get(shared)) {
                    whole[shared] = value.clone();
                }
            }
            mistakes.extend(self.check(key, &whole, &["common", platform]));
            if component["unique_id"].as_str().is_none() {
                mistakes.push(format!("{key} has no unique_id"));
            }
        }
        mistakes
    }

    fn check(&self, what: &str, object: &Value, tables: &[&str]) -> Vec<String> {
        let Some(object) = object.as_object() else { return vec![format!("{what} is not an object")] };
        let rules: BTreeMap<&String, &Rule> =
            tables.iter().filter_map(|table| self.0.get(*table)).flatten().collect();
        let unknown = object.keys().filter(|key| !rules.contains_key(key));
        let mut mistakes: Vec<String> = unknown.map(|key| format!("{what}: unknown key {key}")).collect();
        for (key, rule) in rules {
            match object.get(key) {
                None if rule.required => mistakes.push(format!("{what}: {key} is missing")),
                Some(value) if !valid(&rule.validator, value) => {
                    mistakes.push(format!("{what}: {key} = {value} is not {}", rule.validator));
                }
                _ => {}
            }
        }
        mistakes
    }
}

/// Evaluates one of Home Assistant's validators.
fn valid(validator: &str, value: &Value) -> bool {
    let text = |value: &Value| value.is_string();
    let texts = |value: &Value| value.as_array().is_some_and(|all| all.iter().all(text));
    let topic = |value: &Value| {
        value.as_str().is_some_and(|topic| !topic.is_empty() && !topic.contains(['+', '#', '\0']))
    };
    let one_of = |value: &Value, all: &[&str]| value.as_str().is_some_and(|value| all.contains(&value));
    match validator {
        "cv.boolean" => value.is_boolean(),
        "cv.string" => text(value),
        "cv.positive_int" => value.as_u64().is_some(),
        "probatio.Any(cv.string, None)" => text(value) || value.is_null(),
        "valid_publish_topic" | "valid_subscribe_topic" => topic(value),
        "valid_qos_schema" | "probatio.All(probatio.Coerce(int), probatio.In([0, 1, 2]))" => {
            value.as_u64().is_some_and(|qos| qos <= 2)
        }
        "probatio.All(probatio.Coerce(int), probatio.Range(min=1))" => {
            value.as_u64().is_some_and(|value| value >= 1)
        }
        "probatio.All(probatio.EnsureList(), [cv.string])" => texts(value),
        "probatio.All(probatio.EnsureList(), [probatio.All(probatio.Length(2), [cv.string])])" => {
            value.as_array().is_some_and(|all| {
                all.iter().all(|pair| texts(pair) && pair.as_array().is_some_and(|pair| pair.len() == 2))
            })
        }
        "probatio.All(cv.string, probatio.In(AVAILABILITY_MODES))" => {
            one_of(value, &["all", "any", "latest"])
        }
        "probatio.All(probatio.Lower, probatio.Any('basic', 'json', 'template'))" => one_of(value, &["json"]),
        "probatio.In(SUPPORTED_COMPONENTS)" => one_of(value, &["light", "sensor", "binary_sensor", "button"]),
        "ENTITY_CATEGORIES_SCHEMA" => one_of(value, &["config", "diagnostic"]),
        "entity_category_without_config" => one_of(value, &["diagnostic"]),
        // Of its lists, only what we use.
        "probatio.Any(DEVICE_CLASSES_SCHEMA, None)" => {
            one_of(value, &["battery", "signal_strength", "timestamp", "connectivity", "identify"])
        }
        "probatio.Any(STATE_CLASSES_SCHEMA, None)" => one_of(value, &["measurement"]),
        list if list.contains("valid_supported_color_modes") => color_modes(value),
        list if list.starts_with("probatio.All(probatio.EnsureList(), [{probatio.Required(CONF_TOPIC)") => {
            value.as_array().is_some_and(|all| {
                all.iter()
                    .all(|one| topic(&one["topic"]) && one.as_object().is_some_and(|one| one.len() == 1))
            })
        }
        // Checked by itself.
        "MQTT_DEVICE_INFO_SCHEMA" | "MQTT_ORIGIN_INFO_SCHEMA" => value.is_object(),
        "probatio.Schema({str: _COMPONENT_CONFIG_SCHEMA})" => value.is_object(),
        other => panic!("this test does not know the validator {other}"),
    }
}

/// `components/light/helper.py`: not empty, `brightness` and `onoff` only alone, `white` only beside a colour.
fn color_modes(value: &Value) -> bool {
    let known = ["onoff", "brightness", "color_temp", "hs", "xy", "rgb", "rgbw", "rgbww", "white"];
    let Some(modes) = value.as_array() else { return false };
    let modes: Vec<&str> =
        modes.iter().filter_map(Value::as_str).filter(|mode| known.contains(mode)).collect();
    let mut unique = modes.clone();
    unique.sort_unstable();
    unique.dedup();
    let has = |mode: &str| modes.contains(&mode);
    let color = ["hs", "xy", "rgb", "rgbw", "rgbww"].into_iter().any(has);
    let alone = |mode: &str| !has(mode) || modes.len() == 1;
    value.as_array().unwrap().len() == unique.len()
        && !modes.is_empty()
        && alone("onoff")
        && alone("brightness")
        && (!has("white") || color)
}

#[test]
fn p03_the_schema_finds_mistakes() {
    let schema = Schema::load();
    let good = json!({
        "device": {"identifiers": ["a"]}, "origin": {"name": "bulbctl"},
        "components": {"light": {"platform": "light", "unique_id": "a", "command_topic": "a", "schema": "json",
            "supported_color_modes": ["rgb", "white"]}},
    });
    assert_eq!(schema.mistakes(&good), [""; 0]);
    let with = |pointer: &str, value: Value| {
        let mut bad = good.clone();
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        bad.pointer_mut(parent).unwrap()[key] = value;
        schema.mistakes(&bad)
    };
    for (pointer, value) in [
        ("/components/light/brightnes", json!(true)),
        ("/components/light/brightness", json!("yes")),
        ("/components/light/command_topic", json!("a/+")),
        ("/components/light/supported_color_modes", json!([])),
        ("/components/light/supported_color_modes", json!(["rgb", "brightness"])),
        ("/components/light/supported_color_modes", json!(["white"])),
        ("/components/light/unique_id", Value::Null),
        ("/components/light/dev", json!({})),
        ("/device/name", Value::Null),
        ("/origin/name", json!(3)),
        ("/o", json!({})),
    ] {
        assert_ne!(with(pointer, value.clone()), [""; 0], "{pointer} = {value}");
    }
}
