//! Programs that are not ours drive an emulated bulb. Each writes frames of the base protocol as they stand in
//! protocol/vectors/base.toml, and knows nothing of bulbctl.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use btleplug::api::{Central, CharPropFlags, Manager as _, Peripheral, ScanFilter, WriteType, bleuuid};
use btleplug::platform::Manager;
use futures::StreamExt;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use super::{Emulated, NAME};
use crate::play::Play;

/// Frames, and what they mean.
const FRAMES: [(&str, &str, u8, &str); 3] = [
    ("0164ff0000", "on", 100, "#ff0000"),
    ("0100000000", "on", 0, "#000000"),
    ("0032ffffff", "off", 50, "#ffffff"),
];
const BATTERY: u8 = 87;
const TIME: Duration = Duration::from_secs(120);

/// Emulates a bulb while a witness drives it. The witness returns what it was notified and what it has read.
fn witnessed(play: &Play, drive: impl FnOnce(&[&str]) -> Value) {
    let rig = play.folder().join("rig.toml");
    let text = format!(
        "rig = 1\n[[bulb]]\nname = \"{NAME}\"\naddress = \"C4:5C:00:00:2E:01\"\nbattery = {BATTERY}\n"
    );
    fs::write(&rig, text).unwrap();
    let mut bulb = Emulated::start(play, &["--rig", rig.to_str().unwrap()]);
    let frames = FRAMES.map(|(frame, ..)| frame);
    let said = drive(&frames);
    assert_eq!(
        (&said["notified"], &said["read"], &said["battery"]),
        (&json!(frames), &json!(frames[2]), &json!(BATTERY)),
        "{said}"
    );
    bulb.wait_for("connected");
    bulb.wait_for("subscribed");
    for (frame, power, brightness, color) in FRAMES {
        let write = bulb.wait_for("write");
        assert_eq!((&write["hex"], &write["meaning"]), (&json!(frame), &json!("command")), "{write}");
        let state = json!({"power": power == "on", "brightness": brightness, "color": color});
        for written in [&write["frame"], &bulb.wait_for("state")["state"]] {
            for (feature, value) in state.as_object().unwrap() {
                assert_eq!(&written[feature], value, "{frame}: {feature} of {written}");
            }
        }
    }
    bulb.wait_for("disconnected");
    bulb.end();
}

pub fn bleak(play: &Play) {
    witnessed(play, |frames| {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("xtask/guest/witness_bleak.py");
        let output = Command::new("sh")
            .args([
                "-c",
                ". /run/out/settings; PYTHONPATH=$PYTHON_PACKAGES exec /usr/bin/python3 \"$@\"",
                "sh",
            ])
            .args([script.to_str().unwrap(), NAME])
            .args(frames)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{said} {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_str(&said).unwrap()
    });
}

pub fn bumble(play: &Play) {
    witnessed(play, |frames| ask_bumble(&json!({"do": "drive", "name": NAME, "frames": frames})));
}

/// Asks the air for something that Bumble's central does. It has a controller beside the three adapters.
pub fn ask_bumble(request: &Value) -> Value {
    let mut air = BufReader::new(UnixStream::connect("/run/air.sock").unwrap());
    writeln!(air.get_mut(), "{request}").unwrap();
    let mut line = String::new();
    air.read_line(&mut line).unwrap();
    let answer: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(answer["ok"], true, "{request}: {answer}");
    answer
}

pub fn btleplug(play: &Play) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let drive = async |frames: &[&str]| timeout(TIME, drive_with_btleplug(frames)).await.unwrap();
    witnessed(play, |frames| runtime.block_on(drive(frames)));
}

async fn drive_with_btleplug(frames: &[&str]) -> Value {
    let adapters = Manager::new().await.unwrap().adapters().await.unwrap();
    let mut adapter = None;
    for one in adapters {
        if one.adapter_info().await.unwrap().starts_with("hci0") {
            adapter = Some(one);
        }
    }
    let adapter = adapter.unwrap();
    adapter.start_scan(ScanFilter::default()).await.unwrap();
    let bulb = 'found: loop {
        for one in adapter.peripherals().await.unwrap() {
            let properties = one.properties().await.unwrap().unwrap_or_default();
            if properties.local_name.as_deref() == Some(NAME) {
                break 'found one;
            }
        }
        sleep(Duration::from_millis(200)).await;
    };
    adapter.stop_scan().await.unwrap();
    bulb.connect().await.unwrap();
    bulb.discover_services().await.unwrap();
    let all = bulb.characteristics();
    let characteristic =
        |uuid| all.iter().find(|one| one.uuid == bleuuid::uuid_from_u16(uuid)).unwrap().clone();
    let (control, status) = (characteristic(0xfff1), characteristic(0xfff2));
    assert!(status.properties.contains(CharPropFlags::READ | CharPropFlags::NOTIFY), "{status:?}");
    let mut notifications = bulb.notifications().await.unwrap();
    bulb.subscribe(&status).await.unwrap();
    let mut notified = Vec::new();
    for frame in frames {
        let bytes = hex::decode(frame).unwrap();
        bulb.write(&control, &bytes, WriteType::WithResponse).await.unwrap();
        notified.push(hex::encode(notifications.next().await.unwrap().value));
    }
    let read = hex::encode(bulb.read(&status).await.unwrap());
    let battery = bulb.read(&characteristic(0x2a19)).await.unwrap()[0];
    bulb.disconnect().await.unwrap();
    json!({"notified": notified, "read": read, "battery": battery})
}
