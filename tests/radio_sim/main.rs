//! The sim radio through the traits of the port, on Tokio's paused clock: links, scans, faults, events, and the world file.
//! Tests of the world's own behaviour are in src/radio/sim/world/tests.rs.

// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod families;
mod faults;
mod links;
mod scan;
mod world_file;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bulbctl::radio::sim::{SimOptions, open};
use bulbctl::radio::{CharacteristicId, Deadline, DeviceId, Link, Radio, WriteKind};
use bulbctl::{Error, Result};

const CONTROL: CharacteristicId = CharacteristicId::short(0xFFF0, 0xFFF1);
const STATUS: CharacteristicId = CharacteristicId::short(0xFFF0, 0xFFF2);
const BATTERY: CharacteristicId = CharacteristicId::short(0x180F, 0x2A19);
const LIGHT: &str = "C4:11:00:00:00:01";
const RED: [u8; 5] = [1, 100, 255, 0, 0];
const START: [u8; 5] = [0, 50, 255, 255, 255];

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(5))
}

fn light() -> DeviceId {
    DeviceId::new(LIGHT)
}

/// A rig with its own world file and air log.
struct TestRig {
    dir: tempfile::TempDir,
    path: PathBuf,
}

impl TestRig {
    /// A rig with one bulb. `more` is the rest of its table.
    fn with_bulb(more: &str) -> Self {
        Self::new(&format!("[[bulb]]\nname = \"Light\"\naddress = \"{LIGHT}\"\n{more}"))
    }

    fn new(rig: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rig.toml");
        std::fs::write(&path, format!("rig = 1\n{rig}")).unwrap();
        Self { dir, path }
    }

    fn log_path(&self) -> PathBuf {
        self.dir.path().join("air.jsonl")
    }

    async fn try_open(&self) -> Result<Arc<dyn Radio>> {
        let options = SimOptions { dir: Some(self.dir.path().join("world")), log: Some(self.log_path()) };
        open(Some(&self.path), options).await
    }

    async fn open(&self) -> Arc<dyn Radio> {
        self.try_open().await.unwrap()
    }

    /// Opens the radio and scans until every device of the rig has been heard.
    async fn heard(&self) -> Arc<dyn Radio> {
        let radio = self.open().await;
        heard(radio.as_ref()).await;
        radio
    }

    /// The air log so far, in short form.
    fn log(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.log_path()).unwrap();
        text.lines()
            .map(|line| {
                let line: serde_json::Value = serde_json::from_str(line).unwrap();
                assert!(line["ms"].is_u64() && line["bulb"] == LIGHT, "{line}");
                ["event", "by", "characteristic", "kind", "hex"]
                    .iter()
                    .filter_map(|key| line[*key].as_str())
                    .collect::<Vec<_>>()
                    .join(" ")
            })
            .collect()
    }
}

/// Scans for long enough to hear every device of the rig.
async fn heard(radio: &dyn Radio) {
    radio.start_scan().await.unwrap();
    tokio::time::sleep(ms(1200)).await;
    radio.stop_scan().await.unwrap();
}

async fn connected(rig: &TestRig) -> (Arc<dyn Radio>, Arc<dyn Link>) {
    let radio = rig.heard().await;
    let link = radio.connect(&light(), soon()).await.unwrap();
    (radio, link)
}

async fn write(link: &dyn Link, frame: &[u8]) -> Result<()> {
    link.write(CONTROL, frame, WriteKind::Request, soon()).await
}

fn code<T: std::fmt::Debug>(result: Result<T, Error>) -> &'static str {
    result.unwrap_err().code()
}
