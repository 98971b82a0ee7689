//! Availability of the bridge and of bulbs.

use super::broker::Message;
use super::*;

const BRIDGE: &str = "bulbctl/bridge/attic/state";

#[test]
fn p18_a_bulb_needs_its_bridge_and_itself() {
    stage!(broker, witness, machine, bridge, desk());
    let config = witness.wait("the discovery", |message| message.topic == config(DESK)).json();
    assert_eq!(config["availability"], json!([{"topic": BRIDGE}, {"topic": availability(DESK)}]));
    assert_eq!(config["availability_mode"], "all");
    // Home Assistant takes a topic for offline until it hears it.
    for topic in [BRIDGE.to_owned(), availability(DESK)] {
        assert!(witness.wait("a value", |message| message.topic == topic).retain);
    }
    drop((machine, bridge));
}

#[test]
fn p19_the_will_and_the_farewell_say_offline() {
    stage!(broker, witness, machine, bridge, desk());
    let mut bridge = bridge;
    let online = witness.last(BRIDGE).unwrap();
    assert_eq!((&*online.text, online.retain), ("online", true));
    // A retained `online` must not outlive a power cut of both.
    assert!((1..=180).contains(&online.expiry.unwrap()), "{online:?}");
    assert!((1..=180).contains(&witness.last(&availability(DESK)).unwrap().expiry.unwrap()));
    bridge.kill();
    witness.wait_last(BRIDGE, "offline");
    let will = witness.last(BRIDGE).unwrap();
    assert_eq!((will.retain, will.expiry), (true, None));

    let from = witness.count();
    let mut bridge = machine.bridge(&broker, &[]);
    witness.wait_after(from, "the birth", |message| message.topic == BRIDGE && message.text == "online");
    witness.wait_after(from, "the bulb", |message| {
        message.topic == availability(DESK) && message.text == "online"
    });
    assert_eq!(bridge.end().code(), Some(130));
    witness.wait_last(BRIDGE, "offline");
    witness.wait_last(&availability(DESK), "offline");
    assert!(broker.log().contains("Received DISCONNECT from bulbctl-attic-"), "a farewell");
}

#[test]
fn p19_a_bulb_starts_offline() {
    let Some(broker) = Mosquitto::start() else { return };
    let machine = Machine::new(&desk());
    let witness = broker.witness();
    let mut bridge = machine.bridge(&broker, &[]);
    witness.wait_for_state(DESK);
    witness.wait("the discovery", |message| message.topic == config(DESK));
    bridge.end();
    // The bulb is known from the last run, and nobody has heard it in this one.
    machine.write("rig.toml", "rig = 1\n");
    let from = witness.count();
    let _bridge = machine.bridge(&broker, &[]);
    let first = witness.wait_after(from, "its availability", |message| message.topic == availability(DESK));
    assert_eq!(first.text, "offline");
    witness.wait_after(from, "its discovery", |message| message.topic == config(DESK));
    let unknown = witness.wait_after(from, "its state", |message| message.topic == state(DESK));
    assert_eq!(unknown.json()["state"], Value::Null);
}

#[test]
fn p20_a_lost_link_makes_the_state_unknown_and_the_bulb_stays_in_reach() {
    let event = "[[event]]\nat = \"2s\"\nbulb = \"C4:11:00:00:00:01\"\ndo = \"drop\"\n";
    stage!(broker, witness, machine, bridge, format!("{}{event}", desk()));
    let from = witness.count();
    witness.wait_after(from, "unknown", |message| {
        message.topic == state(DESK) && message.json()["state"].is_null()
    });
    witness.wait_state(DESK, &json!({"provenance": "reported"}));
    let since: Vec<_> =
        witness.all()[from..].iter().filter(|message| message.text == "offline").cloned().collect();
    assert_eq!(since, [], "it was heard all the time");
    drop((machine, bridge));
}

#[test]
fn an_adapter_that_is_off_is_told_and_its_bulbs_are_offline() {
    let events = "[[event]]\nat = \"3s\"\nadapter = \"off\"\n[[event]]\nat = \"5s\"\nadapter = \"on\"\n";
    stage!(broker, witness, machine, bridge, format!("{}{events}", desk()));
    let from = witness.count();
    let error = witness.wait_error("adapter.off");
    assert!(error["hint"].is_string(), "{error}");
    bridge.wait_error("adapter.off");
    let topic = "bulbctl/bridge/attic/info";
    let facts = |message: &Message| (message.topic == topic).then(|| message.json());
    let is_off = |info: Value| info["powered"] == false && info["error"] == "adapter.off";
    witness.wait("the facts", |message| facts(message).is_some_and(is_off));
    let is_gone = |message: &Message| message.topic == availability(DESK) && message.text == "offline";
    witness.wait_after(from, "offline", is_gone);
    witness.wait_last(&availability(DESK), "online");
    until("the facts", || {
        let info = witness.last(topic)?.json();
        (info["powered"] == true && info["error"].is_null()).then_some(())
    });
    assert_eq!(broker.request(&set(DESK), "ON"), json!({"result": "confirmed"}));
    drop((machine, bridge));
}
