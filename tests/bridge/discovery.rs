//! Discovery: the payloads of all families, and when they are published.

use std::sync::Arc;

use bulb_protocol::profile::{Feature, Profile, builtin};
use bulbctl::bridge::Topics;
use bulbctl::bridge::discovery::{self, Announcement};
use bulbctl::bridge::topics::BulbId;
use bulbctl::bulb::DrivenProfile;

use super::broker::quiet;
use super::proxy::Proxy;
use super::schema::Schema;
use super::*;
use rustix::process::Signal;

fn topics() -> Topics {
    Topics::new("bulbctl", "homeassistant", "attic")
}

/// Every profile that can be driven, with its payload.
fn all() -> Vec<(Arc<Profile>, Value)> {
    let id = BulbId::try_from(DESK.to_owned()).unwrap();
    let mut all = Vec::new();
    for family in builtin::families().unwrap() {
        let variants: Vec<Option<String>> =
            [None].into_iter().chain(family.variants().map(|(name, ..)| Some(name.to_owned()))).collect();
        for variant in variants {
            let profile = Arc::new(family.profile(variant.as_deref()).unwrap());
            if profile.settable().contains(Feature::Power) || !profile.settable().is_empty() {
                let driven = DrivenProfile(Arc::clone(&profile));
                let announcement = Announcement {
                    id: &id,
                    name: "Büro \u{202e}+#/ 1",
                    area: Some("Study"),
                    address: Some("C4:11:00:00:00:01".to_owned()),
                    profile: &driven,
                    battery: true,
                };
                let payload = announcement.payload(&topics());
                all.push((profile, payload));
            }
        }
    }
    assert!(all.len() > 20);
    all
}

#[test]
fn p03_every_payload_fits_home_assistants_schema() {
    let schema = Schema::load();
    for (profile, payload) in all() {
        assert_eq!(schema.mistakes(&payload), [""; 0], "{}", profile.full_name());
    }
    let (profile, _) = &all()[0];
    let id = BulbId::try_from(DESK.to_owned()).unwrap();
    let members = [(id, DrivenProfile(Arc::clone(profile)))];
    for payload in [discovery::bridge(&topics()), discovery::group(&topics(), "Office", "office", &members)] {
        assert_eq!(schema.mistakes(&payload), [""; 0], "{payload}");
    }
}

#[test]
fn p04_p05_p06_p07_p08_a_light_says_what_its_family_can() {
    for (profile, payload) in all() {
        let (name, light) = (profile.full_name(), &payload["components"]["light"]);
        let settable = profile.settable();
        let modes: Vec<&str> = light["supported_color_modes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|mode| mode.as_str().unwrap())
            .collect();
        // 4
        assert_eq!(
            (&light["name"], &light["default_entity_id"]),
            (&Value::Null, &json!("light.b_ro_1")),
            "{name}"
        );
        assert_eq!(payload["device"]["via_device"], "bulbctl_bridge_attic");
        // 5
        assert_eq!(light["schema"], "json");
        assert_eq!(modes.contains(&"rgb"), settable.contains(Feature::Color), "{name}");
        assert_eq!(modes.contains(&"color_temp"), settable.contains(Feature::Kelvin), "{name}");
        // 6 and 7
        assert_eq!(light["brightness"], json!(modes != ["onoff"]), "{name}");
        assert_eq!(light["brightness_scale"], 100);
        if modes.contains(&"color_temp") {
            let (least, most) = profile.range(Feature::Kelvin).unwrap();
            assert_eq!(light["color_temp_kelvin"], true);
            assert_eq!((&light["min_kelvin"], &light["max_kelvin"]), (&json!(least), &json!(most)), "{name}");
        }
        // 8
        assert_eq!(light["flash"], false);
        let reports = DrivenProfile(Arc::clone(&profile)).reports_state();
        assert_eq!(light["transition"], json!(reports && modes != ["onoff"]), "{name}");
        assert_eq!(light["optimistic"], json!(!reports), "{name}");
        let has_effects = settable.contains(Feature::Effect);
        assert_eq!(light["effect"], json!(has_effects), "{name}");
        if has_effects {
            let effects = light["effect_list"].as_array().unwrap();
            assert_eq!((&effects[0], effects.len() > 1), (&json!("off"), true), "{name}");
        }
    }
}

#[test]
fn p28_names_of_strangers_go_into_json_alone() {
    let (_, payload) = &all()[0];
    assert_eq!(payload["device"]["name"], "Büro \\u{202e}+#/ 1");
    let text = payload.to_string();
    for topic in text.split('"').filter(|word| word.starts_with("bulbctl/")) {
        assert!(topic.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/_-".contains(&byte)), "{topic}");
    }
}

#[test]
fn p01_and_p02_one_retained_device_payload_by_address() {
    let rig = desk().replace("Light-Desk", "Light/+#\\u0001 \\\"Desk\\\"");
    let Some(broker) = Mosquitto::start() else { return };
    let witness = broker.witness();
    let machine = Machine::new(&rig);
    let _bridge = machine.bridge(&broker, &[]);
    let message = witness.wait("the discovery", |message| message.topic == config(DESK));
    assert!(message.retain);
    let payload = message.json();
    assert_eq!(Schema::load().mistakes(&payload), [""; 0]);
    assert_eq!(payload["device"]["identifiers"], json!(["bulbctl_c41100000001"]));
    for (key, component) in payload["components"].as_object().unwrap() {
        assert!(component["platform"].is_string() && component["unique_id"].is_string(), "{key}");
    }
    assert_eq!(broker.request(&set(DESK), "ON"), json!({"result": "confirmed"}));
}

#[test]
fn p10_battery_signal_last_seen_identify_and_groups() {
    let Some(broker) = Mosquitto::start() else { return };
    let witness = broker.witness();
    let machine = Machine::new(&bulbs(2).replacen("name =", "battery = 87\nname =", 1));
    machine
        .config("[groups]\nAll of them = [\"Light-*\"]\n".replace("All of them", "\"All of them\"").as_str());
    let _bridge = machine.bridge(&broker, &[]);
    let payload = witness.wait("the discovery", |message| message.topic == config(DESK)).json();
    let components = &payload["components"];
    assert_eq!(components["battery"]["device_class"], "battery");
    assert_eq!(components["battery"]["entity_category"], "diagnostic");
    for key in ["signal", "last_seen"] {
        assert_eq!(components[key]["enabled_by_default"], false, "{key}");
    }
    assert_eq!(components["identify"]["command_topic"], format!("bulbctl/{DESK}/identify"));
    witness.wait_last(&format!("bulbctl/{DESK}/battery"), "87");
    let second = witness.wait("the other", |message| message.topic == config("c41100000002")).json();
    assert_eq!(second["components"].get("battery"), None);
    // A group is a light with its members.
    let group = "homeassistant/device/bulbctl_attic_group_all_of_them/config";
    let members = json!(["bulbctl_c41100000001_light", "bulbctl_c41100000002_light"]);
    let payload = until("the group of both", || {
        witness
            .last(group)
            .map(|message| message.json())
            .filter(|group| group["components"]["light"]["group"] == members)
    });
    assert_eq!(Schema::load().mistakes(&payload), [""; 0]);
    broker.publish("bulbctl/group/all_of_them/set", r#"{"state":"ON","brightness":17}"#, &[]);
    for id in [DESK, "c41100000002"] {
        witness.wait_state(id, &json!({"state": "ON", "brightness": 17}));
    }
    until("the state of the group", || {
        let state = witness.last("bulbctl/group/all_of_them/state")?.json();
        (state["state"] == "ON" && state["brightness"] == 17).then_some(())
    });
    witness.wait_last("bulbctl/group/all_of_them/availability", "online");
    // On change only.
    let signals = || witness.of(&format!("bulbctl/{DESK}/signal")).len();
    let before = signals();
    quiet(Duration::from_secs(2));
    assert_eq!((signals(), before), (1, 1));
}

#[test]
fn p22_discovery_is_published_once_and_never_periodically() {
    stage!(broker, witness, machine, bridge, bulbs(3));
    for id in [DESK, "c41100000002", "c41100000003"] {
        witness.wait("the discovery", |message| message.topic == config(id));
    }
    quiet(Duration::from_secs(6));
    broker.request(&set(DESK), "ON");
    let discovery = witness.all().into_iter().filter(|message| message.topic.starts_with("homeassistant/"));
    let mut topics: Vec<String> = discovery.map(|message| message.topic).collect();
    topics.sort();
    assert_eq!(topics.len(), 4, "three bulbs and the bridge: {topics:?}");
    drop((machine, bridge));
}

#[test]
fn a_hundred_bulbs_are_announced_once_each_without_a_flood() {
    let Some(broker) = Mosquitto::start() else { return };
    let witness = broker.witness();
    // A family that its advertisement identifies.
    let rig = bulbs(100).lines().filter(|line| !line.starts_with("name")).collect::<Vec<_>>().join("\n");
    let machine = Machine::new(&rig.replace("interval", "profile = \"elk\"\ninterval"));
    let start = Instant::now();
    let _bridge = machine.bridge(&broker, &["--max-links", "20"]);
    let announced = || {
        let all = witness
            .all()
            .into_iter()
            .filter(|message| message.topic.starts_with("homeassistant/device/bulbctl_c4"));
        all.map(|message| message.topic).collect::<Vec<_>>()
    };
    until("a hundred announcements", || (announced().len() >= 100).then_some(()));
    let took = start.elapsed();
    quiet(Duration::from_secs(1));
    let mut topics = announced();
    topics.sort();
    topics.dedup();
    assert_eq!((topics.len(), announced().len()), (100, 100), "one each");
    let messages = witness.count();
    eprintln!("100 bulbs announced in {took:.1?}, with {messages} messages");
    // Each: discovery, availability, signal, last seen, and its state before and after; some lists of bulbs.
    assert!(messages < 1000, "{messages} messages");
    assert_eq!(broker.request(&set("c41100000064"), "ON"), json!({"result": "written"}));
}

#[test]
fn without_discovery_nothing_is_announced() {
    let Some(broker) = Mosquitto::start() else { return };
    let witness = broker.witness();
    let machine = Machine::new(&desk());
    machine.config("[bridge]\nprefix = \"home/bulbs\"\n");
    let _bridge = machine.bridge(&broker, &["--no-discovery"]);
    witness.wait("the state", |message| message.topic == format!("home/bulbs/{DESK}/state"));
    assert_eq!(broker.request(&format!("home/bulbs/{DESK}/set"), "ON"), json!({"result": "confirmed"}));
    let foreign = witness.all().into_iter().filter(|message| message.topic.starts_with("homeassistant/"));
    assert_eq!(foreign.count(), 0);
}

/// A component that this version does not have any more, as an earlier one has left it.
#[test]
fn p11_a_component_that_is_gone_is_remembered_until_the_broker_has_removed_it() {
    let Some(broker) = Mosquitto::start() else { return };
    let machine = Machine::new(&desk());
    let known = json!({"device": "C4:11:00:00:00:01", "profile": "base", "components": {"mood": "sensor"}});
    let file = "state/bulbctl/bridge-attic.json";
    machine.write(file, &json!({"installation": "00", "bulbs": {DESK: known}}).to_string());
    let components = || {
        let memory = std::fs::read_to_string(machine.path(file)).ok()?;
        Some(serde_json::from_str::<Value>(&memory).ok()?["bulbs"][DESK]["components"].clone())
    };
    let nowhere = format!("mqtt://127.0.0.1:{}", super::broker::free_port());
    let mut bridge = machine.bridge_at(&nowhere, &[]);
    let announced = until("the announcement", || components().filter(|all| all["light"].is_string()));
    assert_eq!(announced["mood"], "sensor");
    bridge.end();
    let witness = broker.witness();
    let _bridge = machine.bridge(&broker, &[]);
    let mood = |payload: Value| payload["components"].get("mood").cloned();
    witness.wait("the removal", |message| {
        message.topic == config(DESK) && mood(message.json()) == Some(json!({"platform": "sensor"}))
    });
    until("the payload itself", || witness.last(&config(DESK)).filter(|last| mood(last.json()).is_none()));
    until("the memory", || components().filter(|all| all["light"].is_string() && all["mood"].is_null()));
}

/// A bridge that is killed at any time finds again what it has to remove.
#[test]
fn p11_nothing_is_announced_before_it_is_remembered_nor_forgotten_before_it_is_removed() {
    let Some(broker) = Mosquitto::start() else { return };
    let witness = broker.witness();
    let proxy = Proxy::to(broker.port);
    let machine = Machine::new(&desk());
    machine.config("[groups]\noffice = [\"all\"]\n");
    let group = "homeassistant/device/bulbctl_attic_group_office/config";
    let remembered = || {
        let memory = std::fs::read_to_string(machine.path("state/bulbctl/bridge-attic.json")).unwrap();
        let memory: Value = serde_json::from_str(&memory).unwrap();
        [memory["bulbs"][DESK].is_object(), memory["groups"] == json!(["office"])]
    };
    let mut bridge = machine.bridge(&broker, &[]);
    witness.wait("the discovery", |message| message.topic == config(DESK));
    witness.wait("the group", |message| message.topic == group);
    bridge.kill();
    assert_eq!(remembered(), [true, true]);

    // The broker does not hear of the removal.
    let mut bridge = machine.bridge_at(&proxy.url(), &[]);
    bridge.wait_for("connected", 2);
    proxy.stop();
    machine.config("[bridge]\nbulbs = [\"Nothing-*\"]\n");
    bridge.signal(Signal::HUP);
    bridge.wait_for("reloaded", 1);
    quiet(Duration::from_secs(1));
    bridge.kill();
    assert_eq!(remembered(), [true, true]);
    let _bridge = machine.bridge(&broker, &[]);
    witness.wait_last(&config(DESK), "");
    witness.wait_last(group, "");
    until("the memory is empty", || (remembered() == [false, false]).then_some(()));
}
