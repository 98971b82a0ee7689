//! What can be told of the machine's Bluetooth, also where no radio can be opened.

use super::choice::AdapterChoice;
use super::{AdapterInfo, AdapterState, DeviceId, btle};
use crate::error::Error;

/// The state of the machine's Bluetooth.
#[derive(Clone, Debug, Default)]
pub struct Diagnosis {
    /// What is asked: `BlueZ on D-Bus`, `virtual radio`.
    pub system: String,
    /// The version of the Bluetooth service, where it can be told.
    pub version: Option<Version>,
    /// The kernel's release, where there is one to tell.
    pub kernel: Option<String>,
    /// Where it runs, if not on a machine of its own: `a container`, `WSL`.
    pub inside: Option<&'static str>,
    /// All adapters, in the order of names.
    pub adapters: Vec<AdapterFacts>,
    /// Devices that the system holds a link to.
    pub links: Vec<HeldLink>,
    /// Why it cannot be used, if it cannot.
    pub fault: Option<Error>,
}

/// A version of BlueZ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// 5.
    pub major: u8,
    /// 66 of 5.66.
    pub minor: u8,
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// An adapter.
#[derive(Clone, Debug)]
pub struct AdapterFacts {
    /// Which.
    pub info: AdapterInfo,
    /// Whether it is powered.
    pub powered: bool,
    /// Whether it is blocked; by hardware, which no software can undo, or by software.
    pub blocked: Option<bool>,
    /// Whether a program scans with it.
    pub discovering: bool,
    /// Whether it is the one that would be used.
    pub chosen: bool,
    /// Whether BlueZ tells of it all that btleplug and bluez-async want to see; they hide it otherwise.
    pub whole: bool,
}

/// A link that the system holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldLink {
    /// The device.
    pub device: DeviceId,
    /// Its name.
    pub name: Option<String>,
}

/// Looks at the machine's Bluetooth, and changes nothing: nothing is switched on, scanned or connected.
pub async fn diagnose(choice: Option<&AdapterChoice>) -> Diagnosis {
    match choice {
        None => btle::diagnose(None).await,
        Some(AdapterChoice::Named(name)) => btle::diagnose(Some(name)).await,
        Some(AdapterChoice::Sim(_)) => of_virtual("virtual radio", "sim", choice).await,
        Some(AdapterChoice::Replay(_)) => of_virtual("recording", "replay", choice).await,
    }
}

/// A radio that is no machine's. Where it cannot be used, all that is known is why.
async fn of_virtual(system: &str, adapter: &str, choice: Option<&AdapterChoice>) -> Diagnosis {
    let mut diagnosis = Diagnosis { system: system.to_owned(), ..Diagnosis::default() };
    let facts = |powered, blocked| AdapterFacts {
        info: AdapterInfo { name: adapter.to_owned(), address: None },
        powered,
        blocked,
        discovering: false,
        chosen: true,
        whole: true,
    };
    match super::open(choice).await {
        Ok(radio) => {
            let on = *radio.adapter_state().borrow() == AdapterState::On;
            diagnosis.adapters.push(facts(on, None));
            if !on {
                diagnosis.fault = Some(Error::AdapterOff { adapter: adapter.to_owned() });
            }
            let known = radio.known_devices().await.unwrap_or_default();
            let held = known.into_iter().filter(|device| device.connected);
            diagnosis.links = held.map(|device| HeldLink { device: device.id, name: device.name }).collect();
            radio.close().await;
        }
        Err(error) => {
            if let Error::AdapterBlocked { hard, .. } = &error {
                diagnosis.adapters.push(facts(false, Some(*hard)));
            }
            diagnosis.fault = Some(error);
        }
    }
    diagnosis
}
