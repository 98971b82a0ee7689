//! Diagnoses Bluetooth on this computer, even if no radio can be opened.

use std::time::Duration;

use uuid::Uuid;

use super::choice::AdapterChoice;
use super::{AdapterInfo, AdapterState, Deadline, DeviceId, Radio, btle};
use crate::error::Error;

#[derive(Clone, Debug, Default)]
pub struct Diagnosis {
    /// The system that was examined: `BlueZ on D-Bus`, `virtual radio`.
    pub system: String,
    pub version: Option<Version>,
    pub kernel: Option<String>,
    /// The environment, if it restricts Bluetooth: `a container`, `WSL`.
    pub inside: Option<&'static str>,
    pub adapters: Vec<AdapterFacts>,
    pub links: Vec<HeldLink>,
    /// What a killed `bulbctl emulate` had changed at adapters, and the diagnosis has restored.
    pub restored: Vec<RestoredAdapter>,
    /// BlueZ looks for the services of the devices that connect to this computer. `None` where nobody says.
    pub reverse_discovery: Option<bool>,
    pub error: Option<Error>,
}

/// An adapter that was restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoredAdapter {
    pub adapter: String,
    /// The name that it had until then, if that was restored.
    pub alias: Option<String>,
    /// The number of bonds that were removed.
    pub bonds: usize,
}

/// A version of BlueZ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    pub major: u8,
    pub minor: u8,
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

#[derive(Clone, Debug)]
pub struct AdapterFacts {
    pub info: AdapterInfo,
    /// `None` if nobody says.
    pub powered: Option<bool>,
    /// Rfkill blocks it. `true` if a hardware switch does, which software cannot undo.
    pub blocked: Option<bool>,
    /// `None` if nobody says.
    pub discovering: Option<bool>,
    pub chosen: bool,
    /// False if BlueZ does not report every property that btleplug needs. btleplug hides the adapter then.
    pub whole: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldLink {
    pub device: DeviceId,
    pub name: Option<String>,
    /// UUIDs that several of its services have.
    pub duplicates: Vec<Uuid>,
}

/// Examines Bluetooth without changing anything: it does not power on, scan or connect. At the deadline, what is
/// known at that time counts.
pub async fn diagnose(choice: Option<&AdapterChoice>, deadline: Deadline) -> Diagnosis {
    match choice {
        None => btle::diagnose(None, deadline).await,
        Some(AdapterChoice::Named(name)) => btle::diagnose(Some(name), deadline).await,
        Some(AdapterChoice::Sim(_)) => of_virtual("virtual radio", "sim", choice).await,
        Some(AdapterChoice::Replay(_)) => of_virtual("recording", "replay", choice).await,
    }
}

/// Diagnoses a virtual radio. If it cannot be opened, only the reason is known.
async fn of_virtual(system: &str, adapter: &str, choice: Option<&AdapterChoice>) -> Diagnosis {
    let mut diagnosis = Diagnosis { system: system.to_owned(), ..Diagnosis::default() };
    let facts = |powered, blocked| AdapterFacts {
        info: AdapterInfo { name: adapter.to_owned(), address: None },
        powered: Some(powered),
        blocked,
        discovering: Some(false),
        chosen: true,
        whole: true,
    };
    match super::open(choice).await {
        Ok(radio) => {
            let on = *radio.adapter_state().borrow() == AdapterState::On;
            diagnosis.adapters.push(facts(on, None));
            if !on {
                diagnosis.error = Some(Error::AdapterOff { adapter: adapter.to_owned() });
            }
            let known = radio.known_devices().await.unwrap_or_default();
            for device in known.into_iter().filter(|device| device.connected) {
                let duplicates = match choice {
                    Some(AdapterChoice::Sim(_)) => duplicates(radio.as_ref(), &device.id).await,
                    _ => Vec::new(),
                };
                diagnosis.links.push(HeldLink { device: device.id, name: device.name, duplicates });
            }
            radio.close().await;
        }
        Err(error) => {
            if let Error::AdapterBlocked { hard, .. } = &error {
                diagnosis.adapters.push(facts(false, Some(*hard)));
            }
            diagnosis.error = Some(error);
        }
    }
    diagnosis
}

/// The UUIDs that several services of a virtual bulb have, whose link is up.
async fn duplicates(radio: &dyn Radio, device: &DeviceId) -> Vec<Uuid> {
    match radio.connect(device, Deadline::after(Duration::from_secs(1))).await {
        Ok(link) => link.table().duplicate_services().map(|(uuid, _)| uuid).collect(),
        Err(_) => Vec::new(),
    }
}
