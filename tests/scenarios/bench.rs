//! Verbs for hardware bring-up, and `doctor`.

use serde_json::json;

use crate::play::Play;
use crate::stage::Breakage;
use crate::{BOTH, NO_TWINS, NOT_LINUX, NOT_SHARED, STACK, Scenario, TWIN_SERVICE, scenario};

pub const SCENARIOS: &[Scenario] = &[
    scenario("info", "bench", STACK, info).except(NO_TWINS),
    scenario("gatt read, write and notify", "bench", STACK, gatt).except(NOT_SHARED),
    scenario("gatt run", "bench", BOTH, script).except(TWIN_SERVICE),
    scenario("characteristics alike", "bench", STACK, alike).except(NO_TWINS),
    scenario("bench", "bench", BOTH, bench).except(TWIN_SERVICE),
    scenario("doctor", "bench", STACK, doctor).except(NOT_LINUX),
    scenario("doctor without the Bluetooth service", "bench", STACK, no_service).except(NOT_LINUX),
    scenario("doctor with the adapter off", "adapter-off", STACK, off).except(NOT_LINUX),
];

const BOARD: &str = "C4:5C:00:00:0B:01";

fn short(uuid: &serde_json::Value) -> String {
    uuid.as_str().unwrap_or_default().get(4..8).unwrap_or_default().to_owned()
}

fn info(play: &Play) {
    let done = play.bulbctl(&["info", "Light-Board", "--listen", play.time("400ms", "5s")]).ok();
    let info = done.one("info");
    assert_eq!(info["advertisement"]["manufacturer"][0]["name"], "Apple, Inc.");
    assert!(info["advertisement"]["interval_ms"][1].as_u64().is_some_and(|ms| ms > 0), "{info}");
    assert_eq!(info["device"][0]["text"], "Bulb Works");
    assert_eq!(info["battery"], 61);
    // The real stack has its own services before these.
    let services = info["services"].as_array().unwrap();
    let of =
        |name: &str| services.iter().filter(|service| short(&service["uuid"]) == name).collect::<Vec<_>>();
    let light = of("fff0");
    assert_eq!(light.len(), 2, "{info}");
    assert!(light.iter().all(|service| service["duplicate"] == true && service["handle"].is_u64()), "{info}");
    assert_eq!(of("ffe0")[0]["characteristics"][0]["place"], "ffe0/fff5");
    assert_eq!(of("180a")[0]["name"], "Device Information");
    let status = &light[0]["characteristics"][1];
    assert_eq!(status["properties"], json!(["read", "notify"]));
    assert_eq!(short(&status["descriptors"][0]["uuid"]), "2902");
    let handle = |value: &serde_json::Value| value.as_u64().unwrap();
    assert_eq!(handle(&status["value_handle"]), handle(&status["handle"]) + 1);
    let place = format!("@{:x}", handle(&status["value_handle"]));
    let done = play.bulbctl(&["gatt", "read", "Light-Board", &place]).ok();
    assert_eq!(done.one("value")["hex"], "0032ffffff");
}

fn gatt(play: &Play) {
    let done = play.bulbctl(&["gatt", "read", BOARD, "fff2", "--decode"]).ok();
    assert_eq!(done.one("value")["frame"]["brightness"], 50);
    let done = play.bulbctl(&["gatt", "write", BOARD, "fff1", "0119ff0000"]).ok();
    assert_eq!(done.one("value")["kind"], "request");
    play.bulbctl(&["gatt", "write", BOARD, "fff1", "011aff0000", "--op", "command"]).ok();
    let mut notify = play.start(&["gatt", "notify", BOARD, "fff2", "--count", "1"]);
    play.expect_log_where(BOARD, "a subscription", |saw| saw.iter().any(|one| one == "subscribe fff2"));
    play.bulbctl(&["gatt", "write", BOARD, "fff1", "011bff0000"]).ok();
    let value = notify.wait_for("the notification", |line| line["type"] == "value");
    assert_eq!((&value["operation"], &value["hex"]), (&json!("notification"), &json!("011bff0000")));
    assert_eq!(notify.end().exit, 0);
    play.bulbctl(&["gatt", "write", BOARD, "fff1", "01"]).failed(8, "bulb.refused");
    play.bulbctl(&["gatt", "read", BOARD, "fff1"]).failed(7, "gatt.wrong_properties");
    let saw = play.log_of(BOARD);
    for want in ["write fff1 request 0119ff0000", "write fff1 command 011aff0000", "write fff1 request 01"] {
        assert!(saw.iter().any(|one| one == want), "{want}: {saw:#?}");
    }
}

fn script(play: &Play) {
    let file = std::env::temp_dir().join(format!("bulbctl-script-{}", std::process::id()));
    std::fs::write(&file, "subscribe fff2\nwrite fff1 0164ff8800\nnotify fff2 count=1\nread fff2\n").unwrap();
    let done = play.bulbctl(&["gatt", "run", "Light-Board", file.to_str().unwrap()]).ok();
    std::fs::remove_file(&file).unwrap();
    let values = done.all("value");
    let what: Vec<_> = values.iter().map(|value| value["operation"].as_str().unwrap()).collect();
    assert_eq!(what, ["subscribe", "write", "notification", "read"]);
    assert!(values[2..].iter().all(|value| value["hex"] == "0164ff8800"), "{done:#?}");
    let saw = [
        "connect",
        "subscribe fff2",
        "write fff1 request 0164ff8800",
        "notify fff2 0164ff8800",
        "read fff2",
        "disconnect central",
    ];
    play.expect_log(BOARD, &saw);
}

fn alike(play: &Play) {
    play.bulbctl(&["gatt", "read", BOARD, "fff5"]).failed(2, "gatt.ambiguous");
    for (place, hex) in
        [("fff0/fff4#1", "01"), ("fff0/fff4#2", "02"), ("fff0/fff5", "0500"), ("ffe0/fff5", "0600")]
    {
        let done = play.bulbctl(&["gatt", "read", BOARD, place]).ok();
        assert_eq!(done.one("value")["hex"], hex, "{place}");
    }
}

fn bench(play: &Play) {
    let rounds = play.time("6", "4");
    let done = play
        .start(&["bench", "Light-Board", "--rounds", rounds, "--warm-up", "1"])
        .with_patience(4)
        .end()
        .ok();
    let bench = done.one("bench");
    let schema = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/schema/output-1.json");
    let schema = serde_json::from_str(&std::fs::read_to_string(schema).unwrap()).unwrap();
    let valid = jsonschema::validate(&schema, bench);
    assert!(valid.is_ok(), "{bench}: {valid:?}");
    let rounds: u64 = rounds.parse().unwrap();
    for times in ["connect", "discovery", "notification", "answer"] {
        assert_eq!((&bench[times]["count"], &bench[times]["failed"]), (&json!(rounds), &json!(0)), "{bench}");
        let [min, p50, max] = ["min_ms", "p50_ms", "max_ms"].map(|key| bench[times][key].as_f64().unwrap());
        assert!(0.0 < min && min <= p50 && p50 <= max, "{times}: {bench}");
    }
    // The defaults of Linux: 30 to 50 ms, with a supervision timeout of 420 ms.
    let of_all =
        r#"{"interval_ms":[30.0,50.0],"latency":0,"supervision_timeout_ms":420.0,"of_device":false}"#;
    let parameters: serde_json::Value = serde_json::from_str(play.time("null", of_all)).unwrap();
    assert_eq!(bench["parameters"], parameters);
    let kinds: Vec<_> = bench["rates"].as_array().unwrap().iter().map(|rate| &rate["kind"]).collect();
    assert_eq!(kinds, ["request", "command"]);
    assert!(bench["rates"][0]["highest_per_s"].is_number(), "{bench}");
    assert_eq!((&bench["restored"], &bench["skipped"]), (&json!(true), &json!([])));
    // The last write restores the state.
    let saw = play.log_of(BOARD);
    let last = saw.iter().rfind(|one| one.starts_with("write fff1"));
    assert!(last.is_some_and(|last| last.ends_with("0032ffffff")), "{last:?}");
}

fn doctor(play: &Play) {
    let done = play.bulbctl(&["doctor"]).ok();
    let doctor = done.one("doctor");
    assert_eq!((&doctor["usable"], &doctor["adapters"][0]["powered"]), (&json!(true), &json!(true)));
    play.bulbctl(&["connect", "Light-Board"]).ok();
    let done = play.bulbctl(&["doctor"]).ok();
    let doctor = done.one("doctor");
    assert_eq!(doctor["links"][0]["name"], "Light-Board", "{doctor}");
    play.bulbctl(&["disconnect", "Light-Board"]).ok();
}

fn no_service(play: &Play) {
    play.break_system(Breakage::NoService);
    let done = play.bulbctl(&["doctor"]);
    assert_eq!(done.one("doctor")["usable"], false);
    done.failed(4, "service.down");
}

fn off(play: &Play) {
    let done = play.bulbctl(&["doctor"]);
    assert_eq!(done.one("doctor")["adapters"][0]["powered"], false);
    done.failed(4, "adapter.off");
}
