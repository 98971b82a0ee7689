//! Bulbs that accept nothing without a bond.

use std::sync::Arc;
use std::time::Duration;

use bulbctl::error::Error;
use bulbctl::radio::{AdapterChoice, CharacteristicId, Deadline, DeviceId, Link, Radio, open};

use serde_json::json;

use crate::play::Play;
use crate::stage::Kind;
use crate::{REAL, STACK, Scenario, scenario};

pub const SCENARIOS: &[Scenario] = &[
    scenario("a bulb is paired once", "bonding", STACK, once),
    scenario("a bulb that is not ready to be paired", "bonding", STACK, shut)
        .except(&[(Kind::MacOs, NOT_TOLD), (Kind::Windows, NOT_TOLD)]),
    scenario("a link bonds once", "bonding", REAL, |play| at_the_port(play, bonds)),
];

const NOT_TOLD: &str = "the system pairs by itself, and does not tell that it failed";

const STATUS: CharacteristicId = CharacteristicId::short(0xFFF0, 0xFFF2);
const READY: &str = "C4:5C:00:00:0F:01";
const SHUT: &str = "C4:5C:00:00:0F:02";

const WHITE: [u8; 5] = [0, 50, 0xff, 0xff, 0xff];
const HUE: &str = "C4:5C:00:00:0F:03";
const HUE_SHUT: &str = "C4:5C:00:00:0F:04";

fn once(play: &Play) {
    play.bulbctl(&["on", "Hue-Ready"]).ok().state(&json!({"profile": "hue", "power": true}));
    play.bulbctl(&["off", "Hue-Ready"]).ok().state(&json!({"power": false}));
    play.expect_log(HUE, &["connect", "pair", "disconnect central", "connect", "disconnect central"]);
}

fn shut(play: &Play) {
    let error = play.bulbctl(&["on", "Hue-Shut"]).failed(8, "bulb.needs_pairing");
    assert!(error["hint"].as_str().unwrap().contains("Hue app"), "{error}");
    play.expect_log(HUE_SHUT, &["connect", "disconnect central"]);
}

fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(40))
}

/// Uses the radio directly, without the program.
fn at_the_port(play: &Play, work: impl AsyncFnOnce(&dyn Radio)) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let radio = open(Some(&AdapterChoice::Named(play.stage.kind().adapter().to_owned()))).await.unwrap();
        let mut reports = radio.seen_devices();
        radio.start_scan().await.unwrap();
        let mut left = vec![READY, SHUT];
        while !left.is_empty() {
            let report = reports.recv().await.unwrap();
            left.retain(|address| report.id.as_str() != *address);
        }
        radio.stop_scan().await.unwrap();
        work(radio.as_ref()).await;
        radio.close().await;
    });
    let saw = play.log_of(READY);
    assert_eq!(saw.iter().filter(|event| *event == "pair").count(), 1, "{saw:?}");
}

async fn connected(radio: &dyn Radio, address: &str) -> Arc<dyn Link> {
    radio.connect(&DeviceId::new(address), soon()).await.unwrap()
}

async fn bonds(radio: &dyn Radio) {
    let link = connected(radio, READY).await;
    link.bond(soon()).await.unwrap();
    link.bond(soon()).await.unwrap();
    assert_eq!(link.read(STATUS, soon()).await.unwrap(), WHITE);
    assert_eq!(radio.details(&DeviceId::new(READY)).await.unwrap().bonded, Some(true));
    let error = connected(radio, SHUT).await.bond(soon()).await.unwrap_err();
    assert!(matches!(&error, Error::PairingFailed { how: None, .. }), "{error:?}");
    assert!(error.to_string().contains("it refused to pair"), "{error}");
}
