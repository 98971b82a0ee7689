//! The connection to the broker: lost, refused, half-open, taken over.

use super::broker::{free_port, quiet};
use super::proxy::Proxy;
use super::*;
use rustix::process::Signal;

#[test]
fn p23_a_connection_that_drops_at_once_is_not_made_again_at_once() {
    let Some(broker) = Mosquitto::start() else { return };
    let proxy = Proxy::to(broker.port);
    let machine = Machine::new(&desk());
    let mut bridge = machine.bridge_at(&proxy.url(), &[]);
    bridge.wait_for("connected", 1);
    proxy.stop();
    proxy.refuse();
    drop(broker);
    let before = proxy.connections();
    // The keep-alive notices the end of the first one.
    within(Duration::from_secs(40), "another attempt", &mut || (proxy.connections() > before).then_some(()));
    let first = proxy.connections();
    quiet(Duration::from_secs(6));
    // After 1, 2 and 4 seconds, less up to a quarter.
    let attempts = proxy.connections() - first;
    assert!((2..=3).contains(&attempts), "{attempts} attempts in 6 s");
    assert!(bridge.is_running());
    // The same error is told once.
    assert!(bridge.records("error").len() <= 2, "{:?}", bridge.records("error"));
}

#[test]
fn p23_bad_credentials_have_an_exit_code_of_their_own() {
    let config = |folder: &std::path::Path| {
        let passwords = folder.join("passwords");
        let made = std::process::Command::new("mosquitto_passwd")
            .args(["-c", "-b", passwords.to_str().unwrap(), "me", "secret"])
            .status();
        assert!(made.unwrap().success());
        format!("allow_anonymous false\npassword_file {}\n", passwords.display())
    };
    let Some(broker) = Mosquitto::with(config, &["-u", "me", "-P", "secret"]) else { return };
    let machine = Machine::new(&desk());
    for more in [&[][..], &["--user", "you"][..]] {
        let mut bridge = machine.bridge(&broker, more);
        assert_eq!(bridge.wait().code(), Some(15), "{more:?}");
        let error = bridge.wait_error("broker.credentials");
        assert!(error["hint"].as_str().unwrap().contains("password"), "{error}");
    }
    let password = machine.write("pw", "secret\n");
    let witness = broker.witness();
    let _bridge = machine.bridge(&broker, &["--user", "me", "--password-file", &password]);
    witness.wait_for_state(DESK);
}

#[test]
fn a_broker_that_is_not_there_is_waited_for() {
    let machine = Machine::new(&desk());
    let mut bridge = machine.bridge_at(&format!("mqtt://127.0.0.1:{}", free_port()), &[]);
    let error = bridge.wait_error("broker.unreachable");
    assert!(error["hint"].is_string(), "{error}");
    assert!(bridge.is_running());
    assert_eq!(bridge.end().code(), Some(130));
}

#[test]
fn p24_the_later_of_two_bridges_with_one_name_gives_way() {
    stage!(broker, witness, machine, bridge, desk());
    let mut first = bridge;
    // Another computer, which chose the same name.
    let other = Machine::new("rig = 1\n");
    let mut second = other.bridge(&broker, &[]);
    assert_eq!(second.wait().code(), Some(14));
    assert_eq!(
        second.wait_error("bridge.duplicate")["message"],
        "another bridge called \"attic\" is connected to this broker"
    );
    assert!(first.is_running());
    assert_eq!(broker.request(&set(DESK), "ON"), json!({"result": "confirmed"}));
    drop((witness, machine));
}

#[test]
fn p24_two_with_one_client_identifier_do_not_fight_for_ever() {
    stage!(broker, witness, machine, bridge, desk());
    let mut first = bridge;
    // A copy of the whole computer, with its identity.
    let copy = Machine::new("rig = 1\n");
    let identity = std::fs::read_to_string(machine.path("state/bulbctl/bridge-attic.json")).unwrap();
    copy.write("state/bulbctl/bridge-attic.json", &identity);
    let mut second = copy.bridge(&broker, &[]);
    // The broker throws the first one out, which comes back and finds another one.
    assert_eq!(second.wait().code(), Some(14));
    second.wait_error("bridge.duplicate");
    assert!(first.is_running());
    until("the first one is back", || {
        (witness.last("bulbctl/bridge/attic/state")?.text == "online").then_some(())
    });
}

#[test]
fn p24_one_bridge_a_computer() {
    stage!(broker, witness, machine, bridge, desk());
    let second = machine.run(&["bridge", "--json", "--name", "other", "--broker", &broker.url()]);
    assert_eq!(second.status.code(), Some(14));
    assert!(String::from_utf8_lossy(&second.stdout).contains("bridge.running"));
    drop((witness, bridge));
}

#[test]
fn p25_what_the_access_list_denies_is_told() {
    let config = |folder: &std::path::Path| {
        let acl = folder.join("acl");
        let text = "topic readwrite bulbctl/#\ntopic readwrite reply/#\ntopic readwrite probe\ntopic read homeassistant/status\n\
                    pattern read $SYS/#\n";
        std::fs::write(&acl, text).unwrap();
        format!("allow_anonymous true\nacl_file {}\n", acl.display())
    };
    let Some(broker) = Mosquitto::with(config, &[]) else { return };
    let witness = broker.witness();
    let machine = Machine::new(&desk());
    let mut bridge = machine.bridge(&broker, &[]);
    let error = bridge.wait_error("broker.denied");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("publish to homeassistant/device/bulbctl_"), "{message}");
    witness.wait_error("broker.denied");
    // The rest works.
    witness.wait_for_state(DESK);
    assert_eq!(broker.request(&set(DESK), "ON"), json!({"result": "confirmed"}));
    assert!(bridge.is_running());
}

/// Brokers with an authentication plugin refuse such a connection. mosquitto itself lets it in, and denies the birth.
#[test]
fn p25_a_will_that_is_denied_is_told() {
    let config = |folder: &std::path::Path| {
        let acl = folder.join("acl");
        std::fs::write(&acl, "topic readwrite other/#\n").unwrap();
        format!("allow_anonymous true\nacl_file {}\n", acl.display())
    };
    let Some(broker) = Mosquitto::with(config, &[]) else { return };
    let machine = Machine::new(&desk());
    let bridge = machine.bridge(&broker, &[]);
    until("the denied birth", || {
        let denied = bridge.records("error").into_iter().filter(|error| error["code"] == "broker.denied");
        denied
            .map(|error| error["message"].to_string())
            .find(|message| message.contains("bulbctl/bridge/attic/"))
    });
    quiet(Duration::from_secs(1));
    let errors = bridge.records("error").len();
    assert!(errors <= 6, "{errors} errors, one for each topic");
}

#[test]
fn p29_while_the_broker_is_away_only_the_newest_states_wait_and_no_command() {
    let Some(mut broker) = Mosquitto::start() else { return };
    let witness = broker.witness();
    // Somebody else plays with the bulb while the broker is away.
    let events: String = (0..40)
        .map(|n| {
            let at = 3000 + n * 50;
            format!(
                "[[event]]\nat = \"{at}ms\"\nbulb = \"C4:11:00:00:00:01\"\ndo = \"set\"\nbrightness = {}\n",
                n + 1
            )
        })
        .collect();
    let machine = Machine::new(&format!("{}{events}", desk()));
    let bridge = machine.bridge(&broker, &[]);
    witness.wait_for_state(DESK);
    drop(witness);
    broker.kill();
    bridge.wait_for("disconnected", 1);
    quiet(Duration::from_secs(5));
    broker.restart();
    let witness = broker.witness();
    bridge.wait_for("connected", 2);
    witness.wait_state(DESK, &json!({"brightness": 40}));
    quiet(Duration::from_millis(500));
    assert_eq!(witness.of(&state(DESK)).len(), 1, "{:?}", witness.of(&state(DESK)));
}

#[test]
fn a_half_open_connection_is_noticed_and_its_commands_do_not_come_late() {
    let Some(broker) = Mosquitto::start() else { return };
    let witness = broker.witness();
    let proxy = Proxy::to(broker.port);
    let machine = Machine::new(&desk());
    let bridge = machine.bridge_at(&proxy.url(), &[]);
    witness.wait_for_state(DESK);
    proxy.stop();
    broker.publish(&set(DESK), r#"{"state":"ON","brightness":99}"#, &[]);
    let start = Instant::now();
    let noticed = Duration::from_secs(35);
    within(noticed, "the end of the connection", &mut || {
        bridge.records("bridge").iter().any(|record| record["state"] == "disconnected").then_some(())
    });
    eprintln!("a half-open connection was noticed after {:.1?}", start.elapsed());
    proxy.go_on();
    within(noticed, "the next connection", &mut || {
        (bridge.records("bridge").iter().filter(|record| record["state"] == "connected").count() == 2)
            .then_some(())
    });
    assert_eq!(broker.request(&set(DESK), r#"{"brightness":12}"#), json!({"result": "confirmed"}));
    assert_eq!(witness.wait_state(DESK, &json!({"brightness": 12}))["state"], "OFF");
    witness.wait_last("bulbctl/bridge/attic/state", "online");
}

#[test]
fn a_stopped_process_drops_what_waited_for_it() {
    stage!(broker, witness, machine, bridge, desk());
    bridge.signal(Signal::STOP);
    broker.publish(&set(DESK), r#"{"state":"ON","brightness":99}"#, &[]);
    quiet(Duration::from_secs(7));
    bridge.signal(Signal::CONT);
    bridge.wait_for("connected", 2);
    assert_eq!(broker.request(&set(DESK), r#"{"brightness":12}"#), json!({"result": "confirmed"}));
    assert_eq!(witness.wait_state(DESK, &json!({"brightness": 12}))["state"], "OFF");
    drop(machine);
}
