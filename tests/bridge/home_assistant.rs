//! Home Assistant, played by a double that reads payloads as its source does.

use std::collections::BTreeMap;

use super::broker::Message;
use super::schema::Schema;
use super::*;

/// What Home Assistant makes of the messages that it gets.
#[derive(Default)]
struct Double {
    /// The light of each device, by its command topic, with the payload of the device.
    lights: BTreeMap<String, Value>,
    /// The last value of each topic that a light subscribes to.
    values: BTreeMap<String, String>,
    /// States that came before their light was known, which Home Assistant has not subscribed to yet.
    early: Vec<String>,
}

impl Double {
    fn receive(&mut self, message: &Message) {
        if message.topic.starts_with("homeassistant/device/") {
            if message.text.is_empty() {
                return;
            }
            let payload = message.json();
            assert_eq!(Schema::load().mistakes(&payload), [""; 0], "{}", message.topic);
            if let Some(command) = payload["components"]["light"]["command_topic"].as_str() {
                self.lights.insert(command.to_owned(), payload.clone());
            }
        } else if self.topics().contains(&message.topic) {
            self.values.insert(message.topic.clone(), message.text.clone());
        } else {
            self.early.push(message.topic.clone());
        }
    }

    /// The topics of states and availability.
    fn topics(&self) -> Vec<String> {
        let of = |payload: &Value| {
            let availability =
                payload["availability"].as_array().unwrap().iter().map(|one| one["topic"].clone());
            let state = payload["components"]["light"]["state_topic"].clone();
            availability.chain([state]).map(|topic| topic.as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        self.lights.values().flat_map(of).collect()
    }

    /// A light is available if all its topics say online.
    fn available(&self, command: &str) -> bool {
        let payload = &self.lights[command];
        let mut topics = payload["availability"].as_array().unwrap().iter();
        topics
            .all(|one| self.values.get(one["topic"].as_str().unwrap()).is_some_and(|value| value == "online"))
    }

    /// `_state_received` of `light/schema_json.py`: power, brightness and colour, as Home Assistant reads them.
    fn light(&self, command: &str) -> (Option<bool>, Option<u64>, Option<Value>) {
        let light = &self.lights[command]["components"]["light"];
        let values: Value =
            serde_json::from_str(&self.values[light["state_topic"].as_str().unwrap()]).unwrap();
        let on = match values.get("state").expect("it is indexed without a check") {
            Value::Null => None,
            state => Some(state == "ON"),
        };
        let mode = values.get("color_mode");
        if let Some(mode) = mode {
            assert!(light["supported_color_modes"].as_array().unwrap().contains(mode), "{values}");
        }
        (on, values["brightness"].as_u64(), values.get("color").cloned())
    }
}

#[test]
fn p21_a_restart_of_home_assistant_gets_everything_in_order() {
    stage!(broker, witness, machine, bridge, bulbs(3));
    let ids = [DESK, "c41100000002", "c41100000003"];
    for id in ids {
        witness.wait("the discovery", |message| message.topic == config(id));
        witness.wait_for_state(id);
    }
    broker.request(&set(DESK), r#"{"state":"ON","brightness":33,"color":{"r":1,"g":2,"b":3}}"#);
    witness.wait_state(DESK, &json!({"brightness": 33}));
    // It has forgotten everything, and the broker keeps nothing for it.
    let from = witness.count();
    broker.publish("homeassistant/status", "online", &[]);
    let birth = witness.wait_after(from, "the birth", |message| message.topic == "homeassistant/status").at;
    let bridge_state = "bulbctl/bridge/attic/state";
    witness.wait_after(from, "the last", |message| message.topic == bridge_state);
    for id in ids {
        witness.wait_after(from, "its availability", |message| message.topic == availability(id));
    }
    let mut double = Double::default();
    let messages: Vec<Message> = witness.all()[from..].to_vec();
    let first = messages.iter().find(|message| message.topic.starts_with("homeassistant/device/")).unwrap();
    let after = first.at - birth;
    assert!((Duration::from_millis(900)..Duration::from_millis(3500)).contains(&after), "{after:?}");
    messages.iter().for_each(|message| double.receive(message));
    assert_eq!(double.lights.len(), 3);
    let early: Vec<_> = double.early.iter().filter(|topic| double.topics().contains(topic)).collect();
    assert!(early.is_empty(), "before its discovery: {early:?}");
    for id in ids {
        assert!(double.available(&set(id)), "{id}");
    }
    let color = json!({"r": 1, "g": 2, "b": 3});
    assert_eq!(double.light(&set(DESK)), (Some(true), Some(33), Some(color)));
    drop((machine, bridge));
}

/// What `async_turn_on` of `light/schema_json.py` sends, to the bulb and back.
#[test]
fn what_home_assistant_sends_comes_back_as_state() {
    stage!(broker, witness, machine, bridge, desk());
    for (sent, want) in [
        (json!({"state": "ON"}), json!({"state": "ON"})),
        (json!({"state": "ON", "brightness": 1}), json!({"brightness": 1})),
        (
            json!({"state": "ON", "color": {"r": 255, "g": 128, "b": 0}, "brightness": 100}),
            json!({"color_mode": "rgb", "color": {"r": 255, "g": 128, "b": 0}, "brightness": 100}),
        ),
        (json!({"state": "ON", "transition": 0.3, "brightness": 40}), json!({"brightness": 40})),
        (json!({"state": "OFF", "transition": 0.3}), json!({"state": "OFF"})),
        (json!({"state": "OFF"}), json!({"state": "OFF"})),
    ] {
        assert_eq!(broker.request(&set(DESK), &sent.to_string()), json!({"result": "confirmed"}), "{sent}");
        witness.wait_state(DESK, &want);
    }
    drop((machine, bridge));
}
