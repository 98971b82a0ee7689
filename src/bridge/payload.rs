//! The payloads of states, as Home Assistant reads them from a light with `schema: json`.

use bulb_protocol::Percent;
use bulb_protocol::profile::{Light, Mode, Profile};
use serde_json::{Map, Value, json};

use super::command::NO_EFFECT;
use super::discovery::{color_modes, effects};
use crate::bulb::{BulbState, Provenance};

pub const ONLINE: &str = "online";
pub const OFFLINE: &str = "offline";

/// The payload of a bulb's state. `state` is always there, and null if it is not known.
pub fn state(profile: &Profile, state: &BulbState) -> Value {
    let mut values = match state.light() {
        Some(light) => light_values(profile, light),
        None => Map::from_iter([("state".to_owned(), Value::Null)]),
    };
    values.insert("provenance".to_owned(), provenance(state.provenance).into());
    Value::Object(values)
}

const fn provenance(provenance: Provenance) -> &'static str {
    match provenance {
        Provenance::Reported => "reported",
        Provenance::Assumed => "assumed",
        Provenance::Advertised => "advertised",
        Provenance::Unknown => "unknown",
    }
}

fn light_values(profile: &Profile, light: &Light) -> Map<String, Value> {
    let modes = color_modes(profile);
    let mut values = Map::new();
    let on = light.power.map(|on| if on { "ON" } else { "OFF" });
    values.insert("state".to_owned(), on.into());
    // Home Assistant ignores a brightness of zero.
    if let Some(brightness) = brightness(light).filter(|brightness| *brightness > 0) {
        values.insert("brightness".to_owned(), brightness.into());
    }
    if let Some((mode, more)) = color(&modes, light) {
        values.insert("color_mode".to_owned(), mode.into());
        values.extend(more);
    }
    if !effects(profile).is_empty() && light.mode.is_some() {
        let effect = light.effect.clone().filter(|_| light.mode == Some(Mode::Effect));
        values.insert("effect".to_owned(), effect.unwrap_or_else(|| NO_EFFECT.to_owned()).into());
    }
    values
}

/// The brightness that shows. A white channel has a level of its own.
fn brightness(light: &Light) -> Option<u8> {
    let brightness = light.brightness.map(Percent::get);
    let shows_white = light.mode == Some(Mode::White) && light.kelvin.is_none();
    match light.white.map(Percent::get).filter(|_| shows_white) {
        Some(white) => {
            let product = u16::from(white) * u16::from(brightness.unwrap_or(100)) / 100;
            u8::try_from(product).ok()
        }
        None => brightness,
    }
}

/// The colour mode and its values. During an effect, Home Assistant needs a mode that the light has.
fn color(modes: &[&'static str], light: &Light) -> Option<(&'static str, Map<String, Value>)> {
    let rgb = light.color.map(|color| json!({"color": {"r": color.red, "g": color.green, "b": color.blue}}));
    let kelvin = light.kelvin.map(|kelvin| json!({"color_temp": kelvin}));
    let white = light.white.map(|_| json!({}));
    let (rgb, kelvin, white) = (("rgb", rgb), ("color_temp", kelvin), ("white", white));
    let order = match light.mode {
        Some(Mode::White) => [kelvin, white, rgb],
        _ => [rgb, kelvin, white],
    };
    order.into_iter().filter(|(mode, _)| modes.contains(mode)).find_map(|(mode, values)| match values? {
        Value::Object(values) => Some((mode, values)),
        _ => None,
    })
}

/// The payload of a group: on if any member is, and the values that all members on share.
pub fn group_state(members: &[Value]) -> Value {
    let is = |member: &&Value, text: &str| member.get("state").is_some_and(|state| state == text);
    let on: Vec<&Value> = members.iter().filter(|member| is(member, "ON")).collect();
    let state = match (on.is_empty(), members.iter().any(|member| is(&member, "OFF"))) {
        (false, _) => json!("ON"),
        (true, true) => json!("OFF"),
        (true, false) => Value::Null,
    };
    let mut values = Map::from_iter([("state".to_owned(), state)]);
    let shown = if on.is_empty() { members.iter().collect() } else { on };
    if let Some((first, rest)) = shown.split_first() {
        for key in ["brightness", "color_mode", "color", "color_temp"] {
            let value = first.get(key).filter(|value| rest.iter().all(|other| other.get(key) == Some(value)));
            values.extend(value.map(|value| (key.to_owned(), value.clone())));
        }
        // A mode without its values would make Home Assistant drop both.
        let complete = match values.get("color_mode").and_then(Value::as_str) {
            Some("rgb") => values.contains_key("color"),
            Some("color_temp") => values.contains_key("color_temp"),
            _ => false,
        };
        if !complete {
            for key in ["color_mode", "color", "color_temp"] {
                values.remove(key);
            }
        }
    }
    Value::Object(values)
}

#[cfg(test)]
mod tests {
    use bulb_protocol::Rgb;
    use bulb_protocol::profile::builtin;

    use super::*;

    fn of(profile: &str, light: Light) -> Value {
        state(&builtin::load(profile, None).unwrap(), &BulbState::reported(light))
    }

    fn red() -> Light {
        Light {
            power: Some(true),
            brightness: Percent::new(30).ok(),
            color: Some(Rgb::new(255, 0, 0)),
            mode: Some(Mode::Color),
            ..Light::default()
        }
    }

    #[test]
    fn p12_every_payload_has_a_state() {
        let base = builtin::load("base", None).unwrap();
        assert_eq!(state(&base, &BulbState::unknown()), json!({"state": null, "provenance": "unknown"}));
        assert_eq!(
            of("base", red()),
            json!({"state": "ON", "brightness": 30, "color_mode": "rgb", "color": {"r": 255, "g": 0, "b": 0},
                "provenance": "reported"})
        );
        let dark = Light { power: Some(false), brightness: Some(Percent::MIN), ..red() };
        assert_eq!(of("base", dark).get("brightness"), None, "zero is ignored");
        assert_eq!(
            of("base", Light { brightness: Some(Percent::MIN), ..Light::default() })["state"],
            Value::Null
        );
    }

    #[test]
    fn p12_the_colour_mode_is_one_that_the_light_has_also_during_effects() {
        let effect = Light { mode: Some(Mode::Effect), effect: Some("rainbow".to_owned()), ..red() };
        let shown = of("elk", effect.clone());
        assert_eq!((&shown["color_mode"], &shown["effect"]), (&json!("rgb"), &json!("rainbow")));
        let unknown = of("elk", Light { color: None, ..effect });
        assert_eq!(unknown.get("color_mode"), None, "a mode without a colour");
        assert_eq!(of("elk", red())["effect"], "off");
    }

    #[test]
    fn a_group_shows_what_its_members_share() {
        let on = of("base", red());
        let off = of("base", Light { power: Some(false), ..red() });
        let blue = of("base", Light { color: Some(Rgb::new(0, 0, 255)), ..red() });
        let unknown = json!({"state": null});
        assert_eq!(group_state(&[]), unknown);
        assert_eq!(group_state(std::slice::from_ref(&unknown)), unknown);
        assert_eq!(group_state(&[off.clone(), unknown])["state"], "OFF");
        let red = json!({"state": "ON", "brightness": 30, "color_mode": "rgb", "color": {"r": 255, "g": 0, "b": 0}});
        assert_eq!(group_state(&[on.clone(), off]), red);
        assert_eq!(group_state(&[on, blue]), json!({"state": "ON", "brightness": 30}));
    }
}
