//! What Home Assistant is told about bulbs, groups and the bridge: one device payload each. It knows the keys of its version
//! 2026.11 (`components/mqtt`); unknown ones it drops without a word, so a test compares them with its schema.

use std::collections::BTreeMap;

use bulb_protocol::profile::{Feature, Profile};
use serde_json::{Map, Value, json};

use super::command::NO_EFFECT;
use super::topics::{BridgeTopic, BulbId, BulbTopic, Topics, slug};
use crate::bulb::DrivenProfile;
use crate::sanitise::sanitise;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The most effects in a list. Some families number hundreds of them.
const MOST_EFFECTS: usize = 256;

/// The colour modes of a family, as Home Assistant names them; never empty, and `brightness` and `onoff` only alone.
pub fn color_modes(profile: &Profile) -> Vec<&'static str> {
    let settable = profile.settable();
    let has = |feature| settable.contains(feature);
    let mut modes = Vec::new();
    if has(Feature::Color) {
        modes.push("rgb");
    }
    if has(Feature::Kelvin) {
        modes.push("color_temp");
    }
    // Home Assistant allows it only beside a colour.
    if has(Feature::White) && has(Feature::Color) {
        modes.push("white");
    }
    if modes.is_empty() {
        modes.push(if has(Feature::Brightness) { "brightness" } else { "onoff" });
    }
    modes
}

/// The effects of a family by name, and the numbers of those without a name.
pub fn effects(profile: &Profile) -> Vec<String> {
    if !profile.settable().contains(Feature::Effect) {
        return Vec::new();
    }
    let named = profile.effects().map(str::to_owned);
    let numbered = profile.numbered_effects().into_iter().flat_map(|(first, last)| first..=last);
    named.chain(numbered.map(|number| number.to_string())).take(MOST_EFFECTS).collect()
}

/// What is announced of a bulb.
#[derive(Clone, Debug)]
pub struct Announcement<'a> {
    pub id: &'a BulbId,
    /// The name for people.
    pub name: &'a str,
    /// The room.
    pub area: Option<&'a str>,
    /// `C4:11:00:00:00:01`
    pub address: Option<String>,
    pub profile: &'a DrivenProfile,
    pub battery: bool,
}

impl Announcement<'_> {
    /// The payload of the bulb's device.
    pub fn payload(&self, topics: &Topics) -> Value {
        let (id, leaf) = (self.id, |leaf| topics.bulb(self.id, leaf));
        let entity = slug(self.name, '_');
        let mut components = Map::new();
        let mut light = light(&self.profile.0, self.profile.reports_state());
        extend(
            &mut light,
            json!({
                "unique_id": unique_id(id, "light"),
                "default_entity_id": format!("light.{entity}"),
                "command_topic": leaf(BulbTopic::Set),
                "state_topic": leaf(BulbTopic::State),
            }),
        );
        components.insert("light".to_owned(), light);
        let sensor = |name: &str, key: &str, topic: BulbTopic, more: Value| {
            let mut sensor = json!({
                "platform": "sensor",
                "unique_id": unique_id(id, key),
                "default_entity_id": format!("sensor.{entity}_{key}"),
                "name": name,
                "state_topic": leaf(topic),
                "entity_category": "diagnostic",
            });
            extend(&mut sensor, more);
            (key.to_owned(), sensor)
        };
        if self.battery {
            let more =
                json!({"device_class": "battery", "unit_of_measurement": "%", "state_class": "measurement"});
            components.extend([sensor("Battery", "battery", BulbTopic::Battery, more)]);
        }
        let more = json!({"device_class": "signal_strength", "unit_of_measurement": "dBm",
            "state_class": "measurement", "enabled_by_default": false});
        components.extend([sensor("Signal", "signal", BulbTopic::Signal, more)]);
        let more = json!({"device_class": "timestamp", "enabled_by_default": false});
        components.extend([sensor("Last seen", "last_seen", BulbTopic::LastSeen, more)]);
        components.insert(
            "identify".to_owned(),
            json!({
                "platform": "button",
                "unique_id": unique_id(id, "identify"),
                "default_entity_id": format!("button.{entity}_identify"),
                "name": "Identify",
                "command_topic": leaf(BulbTopic::Identify),
                "device_class": "identify",
                "entity_category": "config",
            }),
        );
        let mut device = json!({
            "identifiers": [node(id)],
            "name": sanitise(self.name),
            "model": self.profile.0.title,
            "model_id": self.profile.0.full_name(),
            "via_device": bridge_node(topics),
        });
        if let Some(address) = &self.address {
            extend(&mut device, json!({"connections": [["bluetooth", address]]}));
        }
        if let Some(area) = self.area {
            extend(&mut device, json!({"suggested_area": sanitise(area)}));
        }
        payload(topics, device, components, &leaf(BulbTopic::Availability))
    }
}

/// The payload of a group, which is a light without a device of its own kind.
pub fn group(topics: &Topics, name: &str, slug: &str, members: &[(BulbId, DrivenProfile)]) -> Value {
    let mut light = group_light(members);
    let group: Vec<String> = members.iter().map(|(id, _)| unique_id(id, "light")).collect();
    extend(
        &mut light,
        json!({
            "unique_id": format!("{}_light", group_node(topics, slug)),
            "default_entity_id": format!("light.{slug}"),
            "command_topic": topics.group(slug, BulbTopic::Set),
            "state_topic": topics.group(slug, BulbTopic::State),
            "group": group,
        }),
    );
    let device = json!({
        "identifiers": [group_node(topics, slug)],
        "name": sanitise(name),
        "model": "Group of bulbs",
        "via_device": bridge_node(topics),
    });
    let components = Map::from_iter([("light".to_owned(), light)]);
    payload(topics, device, components, &topics.group(slug, BulbTopic::Availability))
}

/// The payload of the bridge itself.
pub fn bridge(topics: &Topics) -> Value {
    let (node, name) = (bridge_node(topics), topics.bridge_name());
    let state = topics.bridge(BridgeTopic::State);
    let components = json!({"connected": {
        "platform": "binary_sensor",
        "unique_id": format!("{node}_connected"),
        "default_entity_id": format!("binary_sensor.{}_connected", slug(&node, '_')),
        "name": "Connected",
        "state_topic": state,
        "payload_on": "online",
        "payload_off": "offline",
        "device_class": "connectivity",
        "entity_category": "diagnostic",
    }});
    json!({
        "device": {
            "identifiers": [node],
            "name": format!("bulbctl {name}"),
            "model": "bulbctl bridge",
            "sw_version": VERSION,
        },
        "origin": origin(),
        "components": components,
    })
}

/// The identifier of a bulb's device.
pub fn node(id: &BulbId) -> String {
    format!("bulbctl_{id}")
}

pub fn group_node(topics: &Topics, slug: &str) -> String {
    format!("bulbctl_{}_group_{slug}", topics.bridge_name())
}

pub fn bridge_node(topics: &Topics) -> String {
    format!("bulbctl_bridge_{}", topics.bridge_name())
}

/// The platform of each component of a payload, to remember.
pub fn components(payload: &Value) -> BTreeMap<String, String> {
    let all = payload.get("components").and_then(Value::as_object).into_iter().flatten();
    all.filter_map(|(key, component)| Some((key.clone(), component.get("platform")?.as_str()?.to_owned())))
        .collect()
}

/// Adds to a payload what removes the components that were announced before and are not in it; `None` if there are none. It has
/// to be published before the payload itself.
pub fn with_removals(payload: &Value, announced: &BTreeMap<String, String>) -> Option<Value> {
    let has = components(payload);
    let gone: Map<String, Value> = announced
        .iter()
        .filter(|(key, _)| !has.contains_key(*key))
        .map(|(key, platform)| (key.clone(), json!({"platform": platform})))
        .collect();
    if gone.is_empty() {
        return None;
    }
    let mut both = payload.clone();
    both.get_mut("components")?.as_object_mut()?.extend(gone);
    Some(both)
}

fn unique_id(id: &BulbId, component: &str) -> String {
    format!("{}_{component}", node(id))
}

fn payload(topics: &Topics, device: Value, components: Map<String, Value>, availability: &str) -> Value {
    json!({
        "device": device,
        "origin": origin(),
        "components": components,
        "availability": [
            {"topic": topics.bridge(BridgeTopic::State)},
            {"topic": availability},
        ],
        "availability_mode": "all",
        "qos": 1,
    })
}

fn origin() -> Value {
    json!({"name": "bulbctl", "sw_version": VERSION})
}

/// The parts of a light that depend on what it can do.
fn json_light(modes: &[&str], reports: bool, effects: Vec<String>, kelvin: Option<(u32, u32)>) -> Value {
    let dims = modes != ["onoff"];
    let mut light = json!({
        "platform": "light",
        "schema": "json",
        // The light is the device.
        "name": null,
        "supported_color_modes": modes,
        // Without it, Home Assistant scales the colour and leaves out the brightness.
        "brightness": dims,
        "brightness_scale": 100,
        "flash": false,
        // Only a state that is known can be faded.
        "transition": reports && dims,
        "effect": !effects.is_empty(),
        // Shows two buttons, for on and off, in place of a switch.
        "optimistic": !reports,
    });
    if !effects.is_empty() {
        let list: Vec<String> = [NO_EFFECT.to_owned()].into_iter().chain(effects).collect();
        extend(&mut light, json!({"effect_list": list}));
    }
    if modes.contains(&"white") {
        extend(&mut light, json!({"white_scale": 100}));
    }
    if let Some((least, most)) = kelvin {
        extend(&mut light, json!({"color_temp_kelvin": true, "min_kelvin": least, "max_kelvin": most}));
    }
    light
}

fn light(profile: &Profile, reports: bool) -> Value {
    let settable = profile.settable();
    let kelvin = profile.range(Feature::Kelvin).filter(|_| settable.contains(Feature::Kelvin));
    json_light(&color_modes(profile), reports, effects(profile), kelvin)
}

/// A light that does what all members can do.
fn group_light(members: &[(BulbId, DrivenProfile)]) -> Value {
    let all = |feature| {
        members.iter().all(|(_, profile)| profile.0.settable().contains(feature)) && !members.is_empty()
    };
    let mut modes = Vec::new();
    let ranges = || members.iter().filter_map(|(_, profile)| profile.0.range(Feature::Kelvin));
    let kelvin = (ranges().map(|range| range.0).max(), ranges().map(|range| range.1).min());
    if all(Feature::Color) {
        modes.push("rgb");
    }
    let kelvin = match kelvin {
        (Some(least), Some(most)) if all(Feature::Kelvin) && least < most => Some((least, most)),
        _ => None,
    };
    if kelvin.is_some() {
        modes.push("color_temp");
    }
    if modes.is_empty() {
        modes.push(if all(Feature::Brightness) { "brightness" } else { "onoff" });
    }
    let reports = members.iter().all(|(_, profile)| profile.reports_state());
    json_light(&modes, reports, Vec::new(), kelvin)
}

fn extend(object: &mut Value, more: Value) {
    if let (Some(object), Value::Object(more)) = (object.as_object_mut(), more) {
        object.extend(more);
    }
}
