//! The sim radio. Each scenario has its own folder for the world file.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::{Breakage, Disguise, Kind, Stage};
use crate::play::LogEntry;

pub struct Sim {
    pub kind: Kind,
}

impl Stage for Sim {
    fn kind(&self) -> Kind {
        self.kind
    }

    fn load(&self, _rig: &Path, _dir: &Path) {}

    fn reload(&self, _rig: &Path) {}

    fn disguises(&self, rig: &Path) -> Vec<Disguise> {
        if self.kind != Kind::MacOs {
            return Vec::new();
        }
        let rig: toml::Table = fs::read_to_string(rig).unwrap().parse().unwrap();
        let devices = ["bulb", "bystander"].iter().filter_map(|kind| rig.get(*kind)?.as_array()).flatten();
        let text = |device: &toml::Value, key: &str| device.get(key)?.as_str().map(str::to_owned);
        let disguise = |device| {
            let address = text(device, "address")?;
            Some(Disguise { id: uuid_of(&address), name: text(device, "name"), address })
        };
        devices.filter_map(disguise).collect()
    }

    fn prepare(&self, command: &mut Command, rig: &Path, dir: &Path, broken: Option<Breakage>) {
        let rig = broken.map_or_else(|| rig.to_path_buf(), |breakage| broken_rig(rig, dir, breakage));
        command.env("BULBCTL_ADAPTER", format!("sim:{}", rig.display()));
        if let Some(system) = self.kind.prefix().strip_suffix("::") {
            command.env("BULBCTL_SIM_SYSTEM", system);
        }
        command.env("BULBCTL_SIM_DIR", dir.join("world")).env("BULBCTL_SIM_LOG", log_file(dir));
    }

    fn break_system(&self, _breakage: Breakage) {}

    fn repair(&self) {}

    fn set_disconnect_reason(&self, _code: u8) {}

    fn start_events(&self) {}

    fn log(&self, dir: &Path) -> String {
        fs::read_to_string(log_file(dir)).unwrap_or_default()
    }

    fn wait_connecting(&self, _address: &str) {
        // The log of the command says so, and there is nobody else to ask.
    }

    fn end(&self, dir: &Path, may_be_linked: &[String]) -> Result<(), String> {
        let mut up = BTreeSet::new();
        for entry in LogEntry::parse(&self.log(dir)) {
            match entry.event.as_str() {
                "connect" => up.insert(entry.bulb),
                "disconnect" => up.remove(&entry.bulb),
                _ => false,
            };
        }
        up.retain(|address| !may_be_linked.contains(address));
        if up.is_empty() { Ok(()) } else { Err(format!("still connected: {up:?}")) }
    }

    fn has_died(&self) -> bool {
        false
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(10)
    }
}

fn log_file(dir: &Path) -> PathBuf {
    dir.join("air.log")
}

fn broken_rig(rig: &Path, dir: &Path, breakage: Breakage) -> PathBuf {
    let state = match breakage {
        Breakage::NoService => "no-service",
        Breakage::NoBus => "no-bus",
        Breakage::NoAdapter => "absent",
        Breakage::Blocked => "blocked",
        Breakage::Denied => "denied",
        Breakage::ServiceKilled | Breakage::BusKilled | Breakage::Suspended => {
            panic!("on the real stack only")
        }
    };
    let broken = dir.join("broken.toml");
    let text = fs::read_to_string(rig).unwrap();
    fs::write(&broken, format!("{text}\n[adapter]\nstate = \"{state}\"\n")).unwrap();
    broken
}

/// The identity that the program plays for an address (`uuid_of` in src/radio/btle/plug/played/peripheral.rs).
fn uuid_of(address: &str) -> String {
    let mut bits: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    for byte in address.bytes() {
        bits = (bits ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
    }
    uuid::Uuid::from_u128(bits).to_string().to_uppercase()
}
