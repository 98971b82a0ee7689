//! `bridge` with mosquitto and its clients. Real stack only: tests/bridge has the same on the sim radio, and more.

use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use broker::{Mosquitto, Witness};

use crate::play::Play;
use crate::run::Running;
use crate::stage::Breakage::{self, Blocked, ServiceKilled, Suspended};
use crate::{REAL, Scenario, scenario};

#[path = "../bridge/broker.rs"]
#[allow(dead_code, clippy::print_stderr, reason = "most of it is for tests/bridge")]
mod broker;

pub const SCENARIOS: &[Scenario] = &[
    scenario("a command comes back as the state that the bulb reports", "bridge", REAL, commanded),
    scenario("a bulb is lost and found", "bridge", REAL, lost_and_found),
    scenario("the computer sleeps", "bridge", REAL, suspended),
    scenario("the adapter is blocked, and free again", "bridge", REAL, blocked),
    scenario("bluetoothd is killed and comes back", "bridge", REAL, killed),
];

const ADDRESS: &str = "C4:5C:00:00:30:01";
const BULB: &str = "c45c00003001";
const SET: &str = "bulbctl/c45c00003001/set";
const AVAILABILITY: &str = "bulbctl/c45c00003001/availability";
const ERRORS: &str = "bulbctl/bridge/attic/errors";
const INFO: &str = "bulbctl/bridge/attic/info";
/// A bulb is out of reach a minute after it was heard last.
const LIMIT: Duration = Duration::from_secs(150);

/// What the helpers of tests/bridge wait with, on a processor that is emulated.
fn until<T>(what: &str, mut ready: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = ready() {
            return value;
        }
        assert!(start.elapsed() < LIMIT, "{what}: not within {LIMIT:?}");
        sleep(Duration::from_millis(50));
    }
}

fn state(id: &str) -> String {
    format!("bulbctl/{id}/state")
}

/// A broker, a witness who sees everything, and a bridge whose bulb has reported its state.
fn bridged(play: &Play) -> (Mosquitto, Witness, Running) {
    let broker = Mosquitto::start().expect("mosquitto is installed");
    let witness = broker.witness();
    let url = broker.url();
    let bridge = play.start(&["bridge", "--alone", "--name", "attic", "--broker", &url]).with_patience(2);
    witness.wait_for_state(BULB);
    witness.wait_last(AVAILABILITY, "online");
    (broker, witness, bridge)
}

/// Sends a command, and waits for the bulb's own word in the state.
fn drive(broker: &Mosquitto, witness: &Witness, brightness: u8) {
    let command = json!({"state": "ON", "brightness": brightness}).to_string();
    broker.publish(SET, &command, &[]);
    let want = json!({"state": "ON", "brightness": brightness, "provenance": "reported"});
    witness.wait_state(BULB, &want);
}

fn commanded(play: &Play) {
    let (broker, witness, bridge) = bridged(play);
    let before = play.writes(ADDRESS).len();
    drive(&broker, &witness, 31);
    let writes = play.writes(ADDRESS);
    assert_eq!(writes.len(), before + 1, "{writes:?}");
    let frame = writes.last().unwrap().hex.as_deref().unwrap();
    assert!(frame.starts_with("011f"), "on, at 31 %: {frame}");
    let discovery = format!("homeassistant/device/bulbctl_{BULB}/config");
    let config = witness.wait("the discovery", |message| message.topic == discovery).json();
    assert_eq!(config["device"]["name"], "Light-Bridged");
    assert_eq!(broker.request(SET, "OFF"), json!({"result": "confirmed"}));
    bridge.interrupt();
    witness.wait_last("bulbctl/bridge/attic/state", "offline");
}

fn lost_and_found(play: &Play) {
    let (broker, witness, bridge) = bridged(play);
    play.stage.start_events();
    let unknown = json!({"state": null, "provenance": "unknown"});
    witness.wait_state(BULB, &unknown);
    let failed = broker.request(SET, "ON");
    assert_eq!(failed["result"], "failed", "{failed}");
    witness.wait_last(AVAILABILITY, "offline");
    play.flash_boards("bridge");
    witness.wait_last(AVAILABILITY, "online");
    witness.wait_state(BULB, &json!({"provenance": "reported"}));
    drive(&broker, &witness, 32);
    bridge.interrupt();
}

/// No program runs until the resume, and the kernel ends the links. What was commanded meanwhile is old.
fn suspended(play: &Play) {
    let (broker, witness, bridge) = bridged(play);
    let writes = play.writes(ADDRESS).len();
    bridge.signal("STOP");
    play.break_system(Suspended);
    broker.publish(SET, "{\"brightness\":77}", &[]);
    play.expect_log_where(ADDRESS, "the end of the link", |saw| {
        saw.last().is_some_and(|last| last.starts_with("disconnect"))
    });
    // Long enough for the bridge to notice.
    sleep(Duration::from_secs(7));
    let from = witness.count();
    play.repair_system();
    bridge.signal("CONT");
    witness.wait_after(from, "the bridge again", |message| {
        message.topic == "bulbctl/bridge/attic/state" && message.text == "online"
    });
    witness.wait_after(from, "the state again", |message| {
        message.topic == state(BULB) && message.json()["provenance"] == "reported"
    });
    assert_eq!(play.writes(ADDRESS).len(), writes, "an old command was carried out");
    witness.wait_last(AVAILABILITY, "online");
    drive(&broker, &witness, 33);
    bridge.interrupt();
}

fn blocked(play: &Play) {
    broken(play, Blocked, &["adapter.blocked"]);
}

fn killed(play: &Play) {
    broken(play, ServiceKilled, &["adapter.lost", "service.down"]);
}

/// The bridge says why no bulb is in reach, and drives them again afterwards.
fn broken(play: &Play, breakage: Breakage, codes: &[&str]) {
    let (broker, witness, bridge) = bridged(play);
    play.break_system(breakage);
    let error = witness.wait("the error", |message| message.topic == ERRORS).json();
    assert!(codes.contains(&error["code"].as_str().unwrap()), "{error}");
    assert!(error["hint"].is_string(), "{error}");
    witness.wait_last(AVAILABILITY, "offline");
    let info = until("the facts", || witness.last(INFO).filter(|info| info.json()["powered"] == false));
    assert_eq!(info.json()["error"], error["code"]);
    play.repair_system();
    witness.wait_last(AVAILABILITY, "online");
    let info = until("the facts", || witness.last(INFO).filter(|info| info.json()["powered"] == true));
    assert_eq!(info.json()["error"], Value::Null);
    drive(&broker, &witness, 34);
    bridge.interrupt();
}
