//! The draft of a profile file, from what a device shows without being asked for anything.

use std::fmt::Write;

use uuid::Uuid;

use crate::bulb::DeviceInfo;
use crate::numbers;
use crate::radio::gatt::{Characteristic, Service, uuid_text, uuid16};
use crate::radio::{GattTable, SeenDevice, WriteKind};
use crate::sanitise::{json_safe, sanitise};

/// Services that every device may have: they do not drive the light.
const COMMON: [u16; 4] = [0x1800, 0x1801, 0x180A, 0x180F];
const NO_PLACE: &str = "*/ffff";

/// Writes the text of a profile file for this device. It can be loaded, but cannot do anything before its frames are filled in.
pub fn profile_draft(
    device: &SeenDevice,
    table: &GattTable,
    info: &DeviceInfo,
    known_as: Option<&str>,
) -> String {
    let mut text = head(device, known_as);
    matches(&mut text, device);
    roles(&mut text, table);
    text.push_str(FRAMES);
    example(&mut text, device, info);
    outline(&mut text, table);
    text
}

const FRAMES: &str = r#"
# ??? What the bulb can do. Remove the # of what it has. `raw` has the numbers for 0 % and for 100 %.
[can]
# power = {}
# brightness = { raw = [0, 255] }
# color = {}
# kelvin = { range = [2700, 6500] }
# effect = { names = { fade = 1, jump = 2 } }

# ??? The frames of its commands, in hex, with fields for the values. Its app sends them:
# `bulbctl frame decode --capture FILE` shows those in a capture.
[commands]
# power = "55 01 {power}"
# brightness = "55 03 {brightness} {sum}"
# color = "55 02 {red} {green} {blue} {sum}"

# ??? What it reports: `bulbctl gatt notify` shows it while somebody uses the app.
# [[report]]
# on = ["change"]                          # or ask = "AA", the frame that asks for it
# frame = "AA {power} {brightness} {red} {green} {blue} {sum}"

# ??? What a link needs, if anything.
# [session]
# gap = "50ms"
# first = [{ frame = "01" }]
"#;

fn head(device: &SeenDevice, known_as: Option<&str>) -> String {
    let label = device.label();
    let known = known_as.map_or_else(String::new, |profile| {
        format!("# bulbctl already drives it as {profile}: `bulbctl profiles show {profile}`.\n")
    });
    format!(
        "# A draft of a profile for {} ({}), made by `bulbctl profiles new`.\n\
         # ??? marks what is not known. Fill it in, then run `bulbctl profiles check FILE`.\n\
         # docs/PROFILES.md describes every key.\n{known}\n\
         profile = 1\n\
         name = {}\n\
         title = {}\n\
         grade = \"C\"                              # A: two sources agree; B: one source; C: not certain\n",
        sanitise(&label),
        sanitise(device.id.as_str()),
        quoted(&slug(&label)),
        quoted(&label),
    )
}

fn matches(text: &mut String, device: &SeenDevice) {
    let mut rule = |comment: &str, rule: String, score: u8| {
        // Writing to a string cannot fail.
        let _ = write!(text, "\n# {comment}\n[[match]]\n{rule}\nscore = {score}\n");
    };
    if let Some(name) = device.trimmed_name() {
        let literal: String =
            name.chars().map(|c| if matches!(c, '*' | '?' | '{' | '}') { '?' } else { c }).collect();
        let comment = "??? Its name. Put * in place of what differs between two such bulbs.";
        rule(comment, format!("name = {}", quoted(&literal)), 60);
    }
    for (company, data) in &device.manufacturer {
        let who =
            numbers::company(*company).map_or_else(String::new, |name| format!(" ({})", sanitise(name)));
        let data = spaced(data);
        let comment =
            format!("??? Its manufacturer data{who}. With the bytes that stay the same, score = 80.");
        let data = if data.is_empty() { String::new() } else { format!("\n# data = \"{data}\"") };
        rule(&comment, format!("company = 0x{company:04X}{data}"), 10);
    }
    for (service, data) in &device.service_data {
        let (uuid, data) = (uuid_text(*service), spaced(data));
        let data = if data.is_empty() { String::new() } else { format!("\n# data = \"{data}\"") };
        rule("??? Its service data.", format!("service_data = \"{uuid}\"{data}"), 10);
    }
    for service in advertised(device) {
        rule(
            "??? A service that it advertises. Others may have it, too.",
            format!("service = \"{}\"", uuid_text(service)),
            10,
        );
    }
}

fn roles(text: &mut String, table: &GattTable) {
    let all: Vec<_> = table
        .all()
        .filter(|(_, service, _)| !is_common(service.uuid))
        .map(|(_, service, found)| (service, found))
        .collect();
    let control = all.iter().find(|(_, found)| found.properties.writable());
    let notifies = |(_, found): &&(&Service, &Characteristic)| found.properties.notifies();
    let beside = all.iter().filter(|(service, _)| control.is_some_and(|(with, _)| with.uuid == service.uuid));
    let status = beside.clone().find(notifies).or_else(|| all.iter().find(notifies));
    let others = |wanted: fn(&Characteristic) -> bool, chosen: Option<&(&Service, &Characteristic)>| {
        let others = all.iter().filter(|(_, found)| wanted(found));
        let others = others.filter(|(service, found)| {
            chosen.is_none_or(|(of, one)| of.uuid != service.uuid || one.uuid != found.uuid)
        });
        let places: Vec<_> = others.map(|(service, found)| place(service, found)).collect();
        if places.is_empty() { String::new() } else { format!(" Others: {}.", places.join(", ")) }
    };
    let (at, properties) = match control {
        Some((service, found)) => (place(service, found), write_properties(found)),
        None => (NO_PLACE.to_owned(), "\"write\"".to_owned()),
    };
    let none = if control.is_none() { " None of this device can be written." } else { "" };
    let others_of_control = others(|found| found.properties.writable(), control);
    let _ = write!(
        text,
        "\n# ??? Where commands are written.{none}{others_of_control}\n[role.control]\nat = [\"{at}\"]\nproperties = [{properties}]\n"
    );
    if let Some((service, found)) = status {
        let others = others(|found| found.properties.notifies(), status);
        let read = if found.properties.readable() { ", \"read\"" } else { "" };
        let _ = write!(
            text,
            "\n# ??? Where it reports its state, if it does.{others}\n[role.status]\nat = [\"{}\"]\nproperties = [\"notify|indicate\"{read}]\n",
            place(service, found)
        );
    }
}

fn write_properties(found: &Characteristic) -> String {
    let kinds = [(WriteKind::Request, "write"), (WriteKind::Command, "write-without-response")];
    let names: Vec<_> =
        kinds.into_iter().filter(|(kind, _)| found.properties.allows(*kind)).map(|(_, name)| name).collect();
    format!("\"{}\"", names.join("|"))
}

fn place(service: &Service, found: &Characteristic) -> String {
    format!("{}/{}", uuid_text(service.uuid), uuid_text(found.uuid))
}

/// The advertised services. Of a device that was connected, BlueZ also lists those of its table.
fn advertised(device: &SeenDevice) -> impl Iterator<Item = Uuid> {
    device.services.iter().copied().filter(|uuid| !is_common(*uuid))
}

fn is_common(uuid: Uuid) -> bool {
    COMMON.into_iter().any(|common| uuid16(common) == uuid)
}

/// The advertisement and the device information, for virtual bulbs of this profile.
fn example(text: &mut String, device: &SeenDevice, info: &DeviceInfo) {
    text.push_str("\n# What this one advertises, for virtual bulbs.\n[example]\n");
    let mut key = |name: &str, value: String| {
        let _ = writeln!(text, "{name} = {value}");
    };
    if let Some(name) = device.trimmed_name() {
        key("name", quoted(name));
    }
    let services: Vec<_> = advertised(device).map(|uuid| quoted(&uuid_text(uuid))).collect();
    if !services.is_empty() {
        key("services", format!("[{}]", services.join(", ")));
    }
    if let Some((company, data)) = device.manufacturer.first_key_value() {
        key("company", format!("0x{company:04X}"));
        key("data", quoted(&spaced(data)));
    }
    if let Some((service, data)) = device.service_data.first_key_value() {
        key("service", quoted(&uuid_text(*service)));
        key("service_data", quoted(&spaced(data)));
    }
    if let Some(manufacturer) = &info.manufacturer {
        key("manufacturer", quoted(manufacturer));
    }
}

/// The whole GATT table and the device information, as comments.
fn outline(text: &mut String, table: &GattTable) {
    text.push_str("\n# Its GATT table:\n");
    for service in &table.services {
        let _ = writeln!(text, "#   {}", uuid_text(service.uuid));
        for found in &service.characteristics {
            let _ = writeln!(text, "#     {}  {}", uuid_text(found.uuid), found.properties);
        }
    }
}

/// A TOML string. Its escapes are those of JSON.
fn quoted(text: &str) -> String {
    json_safe(serde_json::Value::from(text).to_string())
}

fn spaced(bytes: &[u8]) -> String {
    let bytes: Vec<_> = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
    bytes.join(" ")
}

/// A name for the family: lower-case letters, digits and hyphens.
fn slug(label: &str) -> String {
    let words = label.to_ascii_lowercase();
    let words: Vec<_> =
        words.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    if words.is_empty() { "my-bulb".to_owned() } else { words.join("-") }
}

#[cfg(test)]
mod tests {
    use bulb_protocol::profile::Family;
    use proptest::prelude::*;

    use super::*;
    use crate::radio::Properties;

    fn drafted(device: &SeenDevice, table: &GattTable) -> Family {
        let text = profile_draft(device, table, &DeviceInfo::default(), Some("base"));
        assert_eq!(Family::mistakes(&text), [], "{text}");
        Family::parse(&text).unwrap()
    }

    fn table(properties: &[&str]) -> GattTable {
        let one = |(index, names): (usize, &&str)| {
            let properties =
                names.split(' ').filter_map(Properties::named).fold(Properties::default(), Properties::or);
            Characteristic::new(uuid16(0xFFF1 + u16::try_from(index).unwrap()), properties)
        };
        let common = Service::new(
            uuid16(0x1800),
            vec![Characteristic::new(uuid16(0x2A00), Properties::named("write").unwrap())],
        );
        GattTable {
            services: vec![
                common,
                Service::new(uuid16(0xFFF0), properties.iter().enumerate().map(one).collect()),
            ],
        }
    }

    #[test]
    fn the_roles_come_from_the_table() {
        let device = SeenDevice { name: Some("Lumen 7".to_owned()), ..SeenDevice::default() };
        let table = table(&["read", "write write-without-response", "read notify", "write"]);
        let text = profile_draft(&device, &table, &DeviceInfo::default(), None);
        for part in [
            "name = \"lumen-7\"\n",
            "name = \"Lumen 7\"\nscore = 60\n",
            "# ??? Where commands are written. Others: fff0/fff4.\n[role.control]\nat = [\"fff0/fff2\"]\nproperties = [\"write|write-without-response\"]\n",
            "[role.status]\nat = [\"fff0/fff3\"]\nproperties = [\"notify|indicate\", \"read\"]\n",
            "#     fff3  read, notify\n",
        ] {
            assert!(text.contains(part), "{part}\nis not in\n{text}");
        }
    }

    proptest! {
        #[test]
        fn a_draft_can_always_be_loaded(name: Option<String>, data: Vec<u8>, company: u16, service: u16, writable: bool, notifies: bool) {
            let device = SeenDevice {
                name,
                manufacturer: [(company, data.clone())].into(),
                service_data: [(uuid16(service), data)].into(),
                services: vec![uuid16(service), Uuid::from_u128(7)],
                ..SeenDevice::default()
            };
            let properties = [if writable { "write" } else { "read" }, if notifies { "notify" } else { "read" }];
            drafted(&device, &table(&properties));
            drafted(&device, &GattTable::default());
        }
    }
}
