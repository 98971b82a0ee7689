//! States, and what the broker keeps of them.

use super::*;

/// A bulb that never reports, one that has white, and one with effects, from the profiles.
const FAMILIES: &str = r##"rig = 1
[[bulb]]
address = "C4:11:00:00:00:01"
name = "Light-Desk"
power = true
brightness = 60
color = "#ff8800"
[[bulb]]
address = "C4:11:00:00:00:02"
profile = "elk"
"##;

const SILENT: &str = "c41100000002";

#[test]
fn p09_a_family_that_never_reports_is_optimistic_and_shows_what_was_written() {
    stage!(broker, witness, machine, bridge, FAMILIES);
    let light = |id: &str| {
        let config = witness.wait("the discovery", |message| message.topic == config(id)).json();
        config["components"]["light"].clone()
    };
    assert_eq!((&light(SILENT)["optimistic"], &light(DESK)["optimistic"]), (&json!(true), &json!(false)));
    assert_eq!(light(SILENT)["transition"], false);
    let answer = broker.request(&set(SILENT), r#"{"state":"ON","color":{"r":255,"g":0,"b":0}}"#);
    assert_eq!(answer, json!({"result": "written"}));
    let red = json!({"state": "ON", "color": {"r": 255, "g": 0, "b": 0}, "provenance": "assumed"});
    witness.wait_state(SILENT, &red);
    drop((machine, bridge));
}

#[test]
fn p12_every_state_has_a_power_and_the_end_of_an_effect() {
    stage!(broker, witness, machine, bridge, FAMILIES);
    witness.wait("the discovery", |message| message.topic == config(SILENT));
    let effects = witness.last(&config(SILENT)).unwrap().json()["components"]["light"]["effect_list"].clone();
    let effect = effects[1].clone();
    broker.request(&set(SILENT), r#"{"state":"ON","color":"blue"}"#);
    broker.request(&set(SILENT), &json!({"effect": effect}).to_string());
    witness.wait_state(SILENT, &json!({"effect": effect, "state": "ON", "color_mode": "rgb"}));
    broker.request(&set(SILENT), r#"{"effect":"off"}"#);
    let blue = json!({"effect": "off", "color": {"r": 0, "g": 0, "b": 255}});
    witness.wait_state(SILENT, &blue);
    for message in witness.all().iter().filter(|message| message.topic.ends_with("/state")) {
        if !message.topic.contains("/bridge/") {
            assert!(message.json().get("state").is_some(), "{message:?}");
            assert_ne!(message.json()["brightness"], 0, "{message:?}");
        }
    }
    drop((machine, bridge));
}

#[test]
fn p13_states_are_retained_and_come_again_after_a_broker_that_forgot() {
    let Some(mut broker) = Mosquitto::start() else { return };
    let witness = broker.witness();
    let machine = Machine::new(&desk());
    let bridge = machine.bridge(&broker, &[]);
    witness.wait_for_state(DESK);
    witness.wait("the discovery", |message| message.topic == config(DESK));
    let kept = [state(DESK), availability(DESK), config(DESK), "bulbctl/bridge/attic/state".to_owned()];
    for topic in &kept {
        assert!(witness.last(topic).unwrap().retain, "{topic}");
    }
    broker.request(&set(DESK), r#"{"brightness":44}"#);
    witness.wait_state(DESK, &json!({"brightness": 44}));
    for message in witness.all().iter().filter(|message| message.topic.ends_with("/set")) {
        assert!(!message.retain, "{message:?}");
    }
    let before: Vec<String> = kept.iter().map(|topic| witness.last(topic).unwrap().text).collect();
    drop(witness);
    broker.kill();
    broker.restart();
    let witness = broker.witness();
    bridge.wait_for("connected", 2);
    for (topic, text) in kept.iter().zip(before) {
        witness.wait_last(topic, &text);
    }
    assert_eq!(bridge.records("bridge")[1]["state"], "disconnected");
    // Commands work again.
    assert_eq!(broker.request(&set(DESK), r#"{"brightness":45}"#), json!({"result": "confirmed"}));
}

#[test]
fn p13_a_broker_with_persistence_has_everything_at_once() {
    let Some(mut broker) = Mosquitto::persistent() else { return };
    let witness = broker.witness();
    let machine = Machine::new(&desk());
    let bridge = machine.bridge(&broker, &[]);
    witness.wait_for_state(DESK);
    broker.request(&set(DESK), r#"{"brightness":44}"#);
    witness.wait_state(DESK, &json!({"brightness": 44}));
    drop(witness);
    broker.kill();
    broker.restart();
    bridge.wait_for("connected", 2);
    let witness = broker.witness();
    witness.wait_state(DESK, &json!({"brightness": 44, "provenance": "reported"}));
    witness.wait_last(&availability(DESK), "online");
}

#[test]
fn what_others_do_to_a_bulb_shows() {
    let event =
        "[[event]]\nat = \"2s\"\nbulb = \"C4:11:00:00:00:01\"\ndo = \"set\"\npower = true\nbrightness = 7\n";
    stage!(broker, witness, machine, bridge, format!("{}{event}", desk()));
    witness.wait_state(DESK, &json!({"state": "ON", "brightness": 7, "provenance": "reported"}));
    drop((machine, bridge));
}

#[test]
fn once_prints_what_would_be_published() {
    let machine = Machine::new(&desk());
    let output = machine.run(&["bridge", "--once", "--json", "--name", "attic"]);
    assert!(output.status.success(), "{output:?}");
    let lines = String::from_utf8(output.stdout).unwrap();
    lines.lines().for_each(super::bridge::fits_the_schema);
    let records: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |topic: &str| records.iter().find(|record| record["topic"] == topic).unwrap();
    assert_eq!(of(&availability(DESK))["payload"], "online");
    assert_eq!(of(&state(DESK))["payload"]["provenance"], "reported");
    assert_eq!(of(&config(DESK))["payload"]["device"]["name"], "Light-Desk");
    assert!(records.iter().all(|record| record["type"] == "message" && record["retain"] == true));
    // The same as the bridge itself publishes.
    let Some(broker) = Mosquitto::start() else { return };
    let witness = broker.witness();
    let _bridge = machine.bridge(&broker, &[]);
    witness.wait_for_state(DESK);
    let published = witness.wait("the discovery", |message| message.topic == config(DESK)).json();
    assert_eq!(of(&config(DESK))["payload"], published);
    assert_eq!(of(&state(DESK))["payload"], witness.last(&state(DESK)).unwrap().json());
}
