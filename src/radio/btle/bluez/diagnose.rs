//! Examines BlueZ and what it depends on, without using an adapter. Restores the names of adapters that a killed
//! `bulbctl emulate` has left.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use dbus::arg::prop_cast;
use futures::TryFutureExt;
use uuid::Uuid;

use super::super::adapter_choice::choose;
use super::super::platform_error::PlatformError;
use super::super::{open_error, silent};
use super::bus::Bus;
use super::installed::{ADAPTERS, adapters_of_the_kernel, installed_version, reverse_discovery};
use super::peripheral::restore_all;
use super::properties::{ADAPTER, AdapterProperties, DEVICE, Objects, SERVICE, device_of, device_update};
use super::rfkill::SWITCHES;
use super::signals::SignalReceiver;
use crate::radio::{AdapterFacts, AdapterInfo, Deadline, Diagnosis, HeldLink, Version};

pub(in super::super) async fn diagnose(wanted: Option<&str>, deadline: Deadline) -> Diagnosis {
    let mut diagnosis = Diagnosis {
        system: "BlueZ on D-Bus".to_owned(),
        kernel: read("/proc/sys/kernel/osrelease"),
        inside: inside(),
        version: installed_version(Path::new("/")),
        reverse_discovery: Some(reverse_discovery(Path::new("/"))),
        ..Diagnosis::default()
    };
    let objects = async {
        let bus = Bus::open(Arc::new(SignalReceiver::default())).await?;
        let objects = bus.objects().await.map_err(PlatformError::from)?;
        let restored = restore_all(&bus, &objects).await;
        Ok((objects, restored))
    };
    match deadline.run(objects.map_err(|error: PlatformError| open_error(&error)), silent).await {
        Ok((objects, restored)) => {
            fill(&mut diagnosis, &objects, wanted);
            diagnosis.restored = restored;
        }
        Err(error) => {
            diagnosis.error = Some(error);
            diagnosis.adapters = adapters_of_the_kernel(Path::new(ADAPTERS), Path::new(SWITCHES));
        }
    }
    diagnosis
}

fn fill(diagnosis: &mut Diagnosis, objects: &Objects, wanted: Option<&str>) {
    let mut candidates = super::candidates(objects);
    let chosen = choose(&mut candidates, wanted);
    for candidate in candidates {
        let path = format!("/org/bluez/{}", candidate.info.name);
        let properties = objects.iter().find(|(own, _)| **own == *path).and_then(|(_, all)| all.get(ADAPTER));
        let discovering = properties.and_then(|properties| AdapterProperties::of(properties).discovering);
        let modalias = properties.and_then(|properties| prop_cast::<String>(properties, "Modalias"));
        // The running BlueZ may be older than the installed one.
        diagnosis.version = modalias.and_then(|text| version_of(text)).or(diagnosis.version);
        let is_chosen = chosen.as_ref().is_ok_and(|chosen| chosen.info == candidate.info);
        diagnosis.adapters.push(AdapterFacts {
            powered: candidate.powered,
            blocked: candidate.block.map(|block| block.hard),
            discovering,
            chosen: is_chosen,
            whole: modalias.is_some(),
            info: candidate.info,
        });
    }
    diagnosis.error = match chosen {
        Ok(chosen) => chosen.unusable(),
        Err(error) => Some(error),
    };
    diagnosis.links = links(objects, &diagnosis.adapters.iter().map(|one| &one.info).collect::<Vec<_>>());
}

fn links(objects: &Objects, adapters: &[&AdapterInfo]) -> Vec<HeldLink> {
    let mut links: Vec<HeldLink> = objects
        .iter()
        .filter_map(|(path, interfaces)| {
            let update = device_update(interfaces.get(DEVICE)?);
            let device =
                adapters.iter().find_map(|one| device_of(&format!("/org/bluez/{}", one.name), path))?;
            let held = || HeldLink { device, name: update.name, duplicates: duplicates(objects, path) };
            update.connected?.then(held)
        })
        .collect();
    links.sort_by(|a, b| a.device.cmp(&b.device));
    links
}

/// The UUIDs that several services of a device have.
fn duplicates(objects: &Objects, device: &str) -> Vec<Uuid> {
    let mut counts: BTreeMap<Uuid, usize> = BTreeMap::new();
    let below = objects
        .iter()
        .filter(|(path, _)| path.strip_prefix(device).is_some_and(|rest| rest.starts_with('/')));
    for uuid in below.filter_map(|(_, all)| prop_cast::<String>(all.get(SERVICE)?, "UUID")?.parse().ok()) {
        *counts.entry(uuid).or_default() += 1;
    }
    counts.into_iter().filter(|(_, count)| *count > 1).map(|(uuid, _)| uuid).collect()
}

/// Extracts the version of BlueZ from the identity of an adapter: `usb:v1D6Bp0246d0542` is 5.66, as
/// 42 is hex (`init_defaults` in its `src/main.c`). Other identities come from the configuration of
/// the computer.
fn version_of(modalias: &str) -> Option<Version> {
    let digits = modalias.split_once("v1D6Bp0246d")?.1;
    let byte = |range| u8::from_str_radix(digits.get(range)?, 16).ok();
    Some(Version { major: byte(0..2)?, minor: byte(2..4)? })
}

/// The environment, if it lacks what Bluetooth needs.
fn inside() -> Option<&'static str> {
    let kernel = read("/proc/sys/kernel/osrelease").unwrap_or_default().to_lowercase();
    let container = ["/.dockerenv", "/run/.containerenv"].iter().any(|mark| Path::new(mark).exists());
    if kernel.contains("microsoft") { Some("WSL") } else { container.then_some("a container") }
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use dbus::arg::{PropMap, RefArg, Variant};

    use super::*;
    use crate::error::Error;
    use crate::radio::gatt::uuid16;

    fn properties(all: Vec<(&str, Box<dyn RefArg>)>) -> PropMap {
        all.into_iter().map(|(name, value)| (name.to_owned(), Variant(value))).collect()
    }

    fn adapter(powered: bool, modalias: Option<&str>) -> PropMap {
        let address = "02:B0:1B:00:00:01".to_owned();
        let mut all: Vec<(&str, Box<dyn RefArg>)> = vec![
            ("Address", Box::new(address)),
            ("Powered", Box::new(powered)),
            ("Discovering", Box::new(powered)),
        ];
        all.extend(modalias.map(|text| ("Modalias", Box::new(text.to_owned()) as Box<dyn RefArg>)));
        properties(all)
    }

    fn object(
        path: &str,
        interface: &str,
        properties: PropMap,
    ) -> (dbus::Path<'static>, HashMap<String, PropMap>) {
        (path.to_owned().into(), HashMap::from([(interface.to_owned(), properties)]))
    }

    #[test]
    fn the_identity_of_an_adapter_has_the_version_in_it() {
        assert_eq!(version_of("usb:v1D6Bp0246d0542").unwrap().to_string(), "5.66");
        assert_eq!(version_of("bluetooth:v1D6Bp0246d0557").unwrap().to_string(), "5.87");
        for other in ["usb:v0A12p0001d0542", "usb:v1D6Bp0246d", "usb:v1D6Bp0246d05x2", ""] {
            assert_eq!(version_of(other), None, "{other}");
        }
    }

    #[test]
    fn all_adapters_and_links_are_told_of() {
        let device = |connected: bool| {
            properties(vec![("Connected", Box::new(connected)), ("Name", Box::new("Light-Desk".to_owned()))])
        };
        let objects = Objects::from([
            object("/org/bluez/hci1", ADAPTER, adapter(true, Some("usb:v1D6Bp0246d0542"))),
            object("/org/bluez/hci0", ADAPTER, adapter(false, None)),
            object("/org/bluez/hci1/dev_C4_11_00_00_00_01", DEVICE, device(true)),
            object("/org/bluez/hci1/dev_C4_11_00_00_00_02", DEVICE, device(false)),
        ]);
        let mut diagnosis = Diagnosis::default();
        fill(&mut diagnosis, &objects, None);
        let update: Vec<_> = diagnosis
            .adapters
            .iter()
            .map(|one| (one.info.name.as_str(), one.powered, one.discovering, one.chosen, one.whole))
            .collect();
        let (on, off) = (Some(true), Some(false));
        assert_eq!(update, [("hci0", off, off, false, false), ("hci1", on, on, true, true)]);
        assert_eq!(diagnosis.error, None);
        let held: Vec<_> = diagnosis.links.iter().map(|link| link.device.as_str()).collect();
        assert_eq!(held, ["C4:11:00:00:00:01"]);
        fill(&mut diagnosis, &objects, Some("hci0"));
        assert_eq!(diagnosis.error, Some(Error::AdapterOff { adapter: "hci0".to_owned() }));
    }

    #[test]
    fn a_held_link_says_which_services_its_device_has_several_times() {
        let service = |uuid: u16| properties(vec![("UUID", Box::new(uuid16(uuid).to_string()))]);
        let held = "/org/bluez/hci0/dev_C4_11_00_00_00_01";
        let below = |device: &str, number: u8| format!("{device}/service{number:04x}");
        let objects = Objects::from([
            object("/org/bluez/hci0", ADAPTER, adapter(true, None)),
            object(held, DEVICE, properties(vec![("Connected", Box::new(true))])),
            object(&below(held, 1), SERVICE, service(0xFFF0)),
            object(&below(held, 2), SERVICE, service(0x180F)),
            object(&below(held, 3), SERVICE, service(0xFFF0)),
            // A device whose path begins alike.
            object(&below(&format!("{held}0"), 4), SERVICE, service(0x180F)),
        ]);
        let mut diagnosis = Diagnosis::default();
        fill(&mut diagnosis, &objects, None);
        let duplicates: Vec<_> = diagnosis.links.iter().map(|link| link.duplicates.clone()).collect();
        assert_eq!(duplicates, [[uuid16(0xFFF0)]]);
    }

    #[tokio::test]
    async fn what_needs_no_bus_is_told_at_once() {
        let diagnosis = diagnose(None, Deadline::after(std::time::Duration::ZERO)).await;
        assert_eq!(diagnosis.system, "BlueZ on D-Bus");
        assert_eq!(diagnosis.reverse_discovery, Some(reverse_discovery(Path::new("/"))));
        assert!(diagnosis.error.is_some());
    }
}
