//! Commands: retained ones, old ones, fast ones, wrong ones.

use super::broker::quiet;
use super::*;

#[test]
fn p14_a_retained_command_is_ignored() {
    let Some(broker) = Mosquitto::start() else { return };
    broker.publish(&set(DESK), "ON", &["-r"]);
    let witness = broker.witness();
    let machine = Machine::new(&desk());
    let mut bridge = machine.bridge(&broker, &[]);
    witness.wait_for_state(DESK);
    bridge.end();
    let from = witness.count();
    let bridge = machine.bridge(&broker, &[]);
    witness.wait_after(from, "the state", |message| message.topic == state(DESK));
    let error = witness.wait_error("command.retained");
    assert!(error["hint"].as_str().unwrap().contains("mosquitto_pub -r -n"), "{error}");
    bridge.wait_error("command.retained");
    // A live command that is retained is one too: it would come again after the next connect.
    broker.publish(&set(DESK), "{\"state\":\"ON\",\"brightness\":77}", &["-r"]);
    broker.publish(&set(DESK), "{\"brightness\":12}", &[]);
    let state = witness.wait_state(DESK, &json!({"brightness": 12, "provenance": "reported"}));
    assert_eq!(state["state"], "OFF");
    let errors = witness.all().into_iter().filter(|message| message.topic.ends_with("/errors"));
    assert!(errors.filter(|message| message.json()["code"] == "command.retained").count() >= 2);
    // The end of a retained command is none.
    let count = witness.count();
    broker.publish(&set(DESK), "", &["-r"]);
    broker.publish(&set(DESK), "{\"brightness\":13}", &[]);
    witness.wait_state(DESK, &json!({"brightness": 13}));
    assert!(!witness.all()[count..].iter().any(|message| message.topic.ends_with("/errors")));
}

#[test]
fn p15_commands_from_before_the_connection_do_not_come() {
    stage!(broker, witness, machine, bridge, desk());
    let mut bridge = bridge;
    bridge.end();
    // A broker keeps these for a client whose session has not expired.
    broker.publish(&set(DESK), "{\"state\":\"ON\",\"brightness\":99}", &[]);
    let from = witness.count();
    let _bridge = machine.bridge(&broker, &[]);
    witness.wait_after(from, "the state", |message| message.topic == state(DESK));
    assert_eq!(broker.request(&set(DESK), "{\"brightness\":12}"), json!({"result": "confirmed"}));
    let state = witness.wait_state(DESK, &json!({"brightness": 12}));
    assert_eq!(state["state"], "OFF");
    let log = broker.log();
    assert!(log.contains("c1, k10"), "a clean start: {log}");
}

#[test]
fn p16_one_command_is_one_frame() {
    stage!(broker, witness, machine, bridge, desk());
    let before = machine.writes().len();
    let command = r#"{"state":"ON","brightness":33,"color":{"r":0,"g":0,"b":255}}"#;
    assert_eq!(broker.request(&set(DESK), command), json!({"result": "confirmed"}));
    let writes = machine.writes();
    assert_eq!(writes.len(), before + 1, "{writes:?}");
    let want =
        json!({"state": "ON", "brightness": 33, "color_mode": "rgb", "color": {"r": 0, "g": 0, "b": 255}});
    witness.wait_state(DESK, &want);
    // Without a state, only what is named changes.
    broker.request(&set(DESK), "OFF");
    assert_eq!(broker.request(&set(DESK), r#"{"brightness":20}"#), json!({"result": "confirmed"}));
    witness.wait_state(DESK, &json!({"state": "OFF", "brightness": 20, "color": {"r": 0, "g": 0, "b": 255}}));
    drop(bridge);
}

#[test]
fn p16_the_newest_of_many_commands_wins_and_no_echo_jumps_back() {
    stage!(broker, witness, machine, bridge, desk());
    let from = witness.count();
    let lines: String = (1..=100).map(|n| format!("{{\"brightness\":{n}}}\n")).collect();
    assert!(broker.publish_lines(&set(DESK), &lines, &[]));
    witness.wait_state(DESK, &json!({"brightness": 100}));
    quiet(Duration::from_millis(300));
    let states: Vec<u64> = witness.all()[from..]
        .iter()
        .filter(|message| message.topic == state(DESK))
        .filter_map(|message| message.json()["brightness"].as_u64())
        .collect();
    assert!(states.is_sorted(), "{states:?}");
    assert_eq!(states.last(), Some(&100));
    assert!(machine.writes().len() < 100, "they were merged");
    drop(bridge);
}

#[test]
fn p17_a_command_for_a_bulb_out_of_reach_fails_and_does_not_come_later() {
    let events = "[[event]]\nat = \"2s\"\nbulb = \"C4:11:00:00:00:01\"\ndo = \"vanish\"\n\
                  [[event]]\nat = \"16s\"\nbulb = \"C4:11:00:00:00:01\"\ndo = \"appear\"\n";
    stage!(broker, witness, machine, bridge, format!("{}{events}", desk()));
    // The link is gone: the state is unknown.
    witness.wait_state(DESK, &json!({"state": null, "provenance": "unknown"}));
    let start = Instant::now();
    let answer = broker.request(&set(DESK), "{\"state\":\"ON\",\"brightness\":99}");
    let waited = start.elapsed();
    assert_eq!(answer["result"], "failed", "{answer}");
    assert!(waited < Duration::from_secs(13), "{waited:?}");
    let code = answer["code"].as_str().unwrap();
    assert!(["command.expired", "connect.timeout", "connect.failed"].contains(&code), "{answer}");
    let error = witness.wait_error(code);
    assert_eq!((&error["bulb"], &error["name"]), (&json!(DESK), &json!("Light-Desk")));
    assert!(error["hint"].is_string() && error["command"].as_str().unwrap().contains("99"), "{error}");
    // It is back, as it was.
    let state = witness.wait_state(DESK, &json!({"provenance": "reported"}));
    assert_eq!(state["state"], "OFF");
    assert_ne!(state["brightness"], 99);
    assert_eq!(machine.writes().len(), 0);
    drop(bridge);
}

#[test]
fn p17_a_command_for_a_bulb_that_was_never_heard_fails() {
    stage!(broker, witness, machine, bridge, desk());
    let start = Instant::now();
    let answer = broker.request(&set("c411000000aa"), "ON");
    assert_eq!((&answer["result"], &answer["code"]), (&json!("failed"), &json!("target.not_found")));
    assert!(answer["hint"].is_string(), "{answer}");
    assert!((Duration::from_secs(9)..Duration::from_secs(14)).contains(&start.elapsed()));
    let error = witness.wait_error("target.not_found");
    assert_eq!((&error["bulb"], &error["command"]), (&json!("c411000000aa"), &json!("ON")));
    bridge.wait_error("target.not_found");
    // What else nobody has is told at once.
    broker.publish("bulbctl/group/nobody/set", "OFF", &[]);
    broker.publish("bulbctl/c411000000aa/identify", "PRESS", &[]);
    for command in ["OFF", "PRESS"] {
        let is_it = |message: &super::broker::Message| {
            message.topic.ends_with("/errors") && message.json()["command"] == command
        };
        assert_eq!(witness.wait(command, is_it).json()["code"], "target.not_found");
    }
    assert_eq!(machine.writes().len(), 0);
}

#[test]
fn p17_a_command_waits_for_a_bulb_that_is_heard_soon() {
    let events = "[[event]]\nat = \"0s\"\nbulb = \"C4:11:00:00:00:02\"\ndo = \"vanish\"\n\
                  [[event]]\nat = \"6s\"\nbulb = \"C4:11:00:00:00:02\"\ndo = \"appear\"\n";
    stage!(broker, witness, machine, bridge, format!("{}{events}", bulbs(2)));
    assert_eq!(witness.last(&state("c41100000002")), None, "not heard yet");
    assert_eq!(broker.request(&set("c41100000002"), "ON"), json!({"result": "confirmed"}));
    drop((machine, bridge));
}

#[test]
fn p17_a_command_to_more_bulbs_than_the_links_reach_in_its_time_comes_to_all() {
    let Some(broker) = Mosquitto::start() else { return };
    let witness = broker.witness();
    // Each takes more than a second, one after the other.
    let rig = bulbs(12)
        .replace("links = 20", "links = 2")
        .replace("connect_latency = \"5ms\"", "connect_latency = \"1200ms\"");
    let machine = Machine::new(&rig);
    machine.config("[groups]\nhouse = [\"Light-*\"]\n");
    let _bridge = machine.bridge(&broker, &[]);
    let ids: Vec<String> = (1..=12).map(|n| format!("c411000000{n:02x}")).collect();
    for id in &ids {
        witness.wait("the discovery", |message| message.topic == config(id));
    }
    let start = Instant::now();
    broker.publish("bulbctl/group/house/set", "{\"state\":\"ON\",\"brightness\":61}", &[]);
    for id in &ids {
        let want = json!({"state": "ON", "brightness": 61, "provenance": "reported"});
        within(Duration::from_secs(60), id, &mut || {
            let last = witness.last(&state(id))?.json();
            want.as_object().unwrap().iter().all(|(key, value)| last[key] == *value).then_some(())
        });
    }
    assert!(start.elapsed() > Duration::from_secs(10), "it was no test: {:?}", start.elapsed());
    let errors: Vec<_> = witness.all().into_iter().filter(|one| one.topic.ends_with("/errors")).collect();
    assert_eq!(errors, []);
}

#[test]
fn a_wrong_command_is_answered_with_what_is_wrong() {
    stage!(broker, witness, machine, bridge, desk());
    for (payload, want) in [
        (r#"{"brightness":133}"#, "brightness is 0 to 100, not 133"),
        (r#"{"brigthness":30}"#, "unknown key \"brigthness\""),
        ("on please", "neither ON, OFF or TOGGLE"),
        (r#"{"color_temp":2700}"#, "kelvin"),
        (r#"{"effect":"rainbow"}"#, "effect"),
    ] {
        let answer = broker.request(&set(DESK), payload);
        assert_eq!(answer["result"], "failed", "{payload}: {answer}");
        assert!(answer["message"].as_str().unwrap().contains(want), "{payload}: {answer}");
        assert!(answer["hint"].is_string() && answer["code"].is_string(), "{answer}");
    }
    assert_eq!(machine.writes().len(), 0);
    assert_eq!(witness.wait_error("command.invalid")["name"], "Light-Desk");
    // A payload that is longer than the broker may send is not seen at all, and costs nothing else.
    broker.publish(&set(DESK), &format!("{{\"effect\":\"{}\"}}", "x".repeat(20_000)), &[]);
    broker.publish(&set(DESK), &format!("{{\"effect\":\"{}\"}}", "x".repeat(5_000)), &[]);
    assert_eq!(broker.request(&set(DESK), "ON"), json!({"result": "confirmed"}));
    assert_eq!(bridge.records("bridge").len(), 1, "no second connection");
}

#[test]
fn lines_of_run_go_through_the_broker() {
    let Some(broker) = Mosquitto::start() else { return };
    let witness = broker.witness();
    let machine = Machine::new(&bulbs(2));
    machine.config("[aliases]\nshelf = \"C4:11:00:00:00:02\"\n");
    let _bridge = machine.bridge(&broker, &[]);
    witness.wait_for_state(DESK);
    witness.wait_for_state("c41100000002");
    let run = "bulbctl/bridge/attic/run";
    assert_eq!(
        broker.request(run, "set shelf --on --brightness 21 --color orange"),
        json!({"result": "confirmed"})
    );
    let orange = json!({"state": "ON", "brightness": 21, "color": {"r": 255, "g": 165, "b": 0}});
    witness.wait_state("c41100000002", &orange);
    broker.publish(run, "set 'Light-*' --brightness 40 --fade 200ms", &[]);
    witness.wait_state(DESK, &json!({"brightness": 40}));
    witness.wait_state("c41100000002", &json!({"brightness": 40}));
    for (line, code) in [
        ("set shelf --brightness 140", "command.invalid"),
        ("status shelf", "command.invalid"),
        ("on nobody", "target.not_found"),
        ("on @nobody", "target.no_group"),
    ] {
        assert_eq!(broker.request(run, line)["code"], code, "{line}");
    }
}

#[test]
fn a_bulb_blinks_to_be_identified_and_ends_as_it_was() {
    stage!(broker, witness, machine, bridge, desk());
    broker.publish(&format!("bulbctl/{DESK}/identify"), "PRESS", &[]);
    let powers = || {
        let states = witness.of(&state(DESK)).into_iter().map(|message| message.json()["state"].clone());
        let mut states: Vec<Value> = states.filter(|state| !state.is_null()).collect();
        states.dedup();
        states
    };
    until("two flashes", || (powers().len() >= 5).then_some(()));
    assert_eq!(powers(), ["OFF", "ON", "OFF", "ON", "OFF"]);
    quiet(Duration::from_millis(800));
    assert_eq!(powers().len(), 5);
    drop((machine, bridge));
}

/// Each command has a result or an error, and none is carried out again after the broker is back.
#[test]
fn a_thousand_commands_with_the_broker_restarted_in_between() {
    let Some(mut broker) = Mosquitto::persistent() else { return };
    let machine = Machine::new(&desk());
    let mut witness = broker.witness();
    let bridge = machine.bridge(&broker, &[]);
    witness.wait_for_state(DESK);
    let reply = ["-D", "publish", "response-topic", "results"];
    let lines = |from: u32, to: u32| -> String {
        (from..to).map(|n| format!("{{\"brightness\":{}}}\n", 1 + n % 99)).collect()
    };
    let result_count = |witness: &Witness| witness.of("results").len();
    assert!(broker.publish_lines(&set(DESK), &lines(0, 500), &reply));
    until("results of the first half", || (result_count(&witness) == 500).then_some(()));
    let outcomes = |witness: &Witness| -> Vec<Value> {
        witness.of("results").iter().map(|message| message.json()["result"].clone()).collect()
    };
    assert!(outcomes(&witness).iter().all(|result| result == "confirmed" || result == "merged"));
    let writes = machine.writes().len();
    broker.kill();
    drop(witness);
    broker.restart();
    witness = broker.witness();
    bridge.wait_for("connected", 2);
    // Nothing comes again.
    quiet(Duration::from_millis(500));
    assert_eq!(machine.writes().len(), writes);
    witness.wait_state(DESK, &json!({"brightness": 1 + 499 % 99, "provenance": "reported"}));
    assert!(broker.publish_lines(&set(DESK), &lines(500, 1000), &reply));
    until("results of the second half", || (result_count(&witness) == 500).then_some(()));
    witness.wait_state(DESK, &json!({"brightness": 1 + 999 % 99}));
    assert!(outcomes(&witness).iter().all(|result| result == "confirmed" || result == "merged"));
}
