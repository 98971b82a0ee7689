//! The `info` page: advertisement, device information and GATT table.

use serde::Serialize;
use uuid::Uuid;

use super::detect::CandidateRecord;
use super::gatt::printable;
use super::parameters::ParametersRecord;
use super::records::{Bulb, millis};
use super::text::{BOLD, DIM, Layout};
use crate::bulb::{Advertising, Battery, BatterySource, Candidate, DeviceInformation, Recognition};
use crate::numbers;
use crate::radio::gatt::{Characteristic, Descriptor, Service, uuid_text};
use crate::radio::{CharacteristicId, DeviceDetails, GattTable, SeenDevice};
use crate::sanitise::sanitise;

/// An assigned number: a UUID or a company identifier.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct AssignedNumberRecord {
    /// 128-bit UUID, or company identifier in hex.
    pub number: String,
    /// Assigned name; null if unknown.
    pub name: Option<&'static str>,
    /// Data that was advertised with it, in hex.
    pub hex: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct AdvertRecord {
    /// RSSI in dBm.
    pub rssi: Option<i16>,
    /// Transmit power in dBm.
    pub tx_power: Option<i16>,
    /// Flags in hex.
    pub flags: Option<String>,
    /// Appearance in hex.
    pub appearance: Option<String>,
    pub services: Vec<AssignedNumberRecord>,
    pub manufacturer: Vec<AssignedNumberRecord>,
    pub service_data: Vec<AssignedNumberRecord>,
    /// Listening time in milliseconds; null if the device was connected and so did not advertise.
    pub listened_ms: Option<u64>,
    /// Number of advertisements heard in that time.
    pub heard: usize,
    /// Shortest, median and longest interval between advertisements, in milliseconds.
    pub interval_ms: Option<[u64; 3]>,
}

#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ServiceRecord {
    /// 128-bit UUID.
    pub uuid: String,
    /// Assigned name; null if unknown.
    pub name: Option<&'static str>,
    /// Handle of the declaration; null if the platform does not report it.
    pub handle: Option<u16>,
    pub secondary: bool,
    /// True if another service has the same UUID.
    pub duplicate: bool,
    pub characteristics: Vec<CharacteristicRecord>,
}

#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CharacteristicRecord {
    /// 128-bit UUID.
    pub uuid: String,
    /// Assigned name; null if unknown.
    pub name: Option<&'static str>,
    /// Handle of the declaration; null if the platform does not report it.
    pub handle: Option<u16>,
    /// Handle of the value, as seen in captures.
    pub value_handle: Option<u16>,
    /// Properties: `read`, `write`, `write-without-response`, `notify`, `indicate`, and others that the platform reports.
    pub properties: Vec<String>,
    /// True if another characteristic of this service has the same UUID.
    pub duplicate: bool,
    pub descriptors: Vec<DescriptorRecord>,
    /// CHAR for the command line: the UUID, with the service or a number if it is not unique.
    pub place: String,
}

#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct DescriptorRecord {
    /// 128-bit UUID.
    pub uuid: String,
    /// Assigned name; null if unknown.
    pub name: Option<&'static str>,
    pub handle: Option<u16>,
}

#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct DeviceInformationRecord {
    /// 128-bit UUID of the characteristic.
    pub uuid: String,
    /// Assigned name; null if unknown.
    pub name: Option<&'static str>,
    /// Value as text; null if it is not printable.
    pub text: Option<String>,
    /// Value in hex; null if reading failed.
    pub hex: Option<String>,
    pub error: Option<String>,
}

/// Everything bulbctl can find out about a device.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct InfoRecord {
    pub target: String,
    #[serde(flatten)]
    pub bulb: Bulb,
    /// Name that you gave it in the system, if it differs.
    pub alias: Option<String>,
    /// Address type, `public` or `random`; null if the platform does not report it.
    pub address_type: Option<String>,
    pub bonded: Option<bool>,
    pub advertisement: AdvertRecord,
    /// ATT MTU of the link in bytes; null if the platform does not report it.
    pub mtu: Option<u16>,
    /// Requested connection parameters; null if unknown.
    pub parameters: Option<ParametersRecord>,
    /// Battery level in percent.
    pub battery: Option<u8>,
    pub battery_source: Option<BatterySource>,
    /// Values of the Device Information service (180A).
    pub device: Vec<DeviceInformationRecord>,
    /// Detected profile with its variant; null if the evidence is not conclusive.
    pub profile: Option<String>,
    /// Candidate families, best match first.
    pub candidates: Vec<CandidateRecord>,
    pub services: Vec<ServiceRecord>,
}

/// Data that `info` reads over the link.
#[derive(Clone, Debug)]
pub struct ConnectedDetails {
    pub table: GattTable,
    pub mtu: Option<u16>,
    pub information: Vec<DeviceInformation>,
    pub battery: Option<Battery>,
    /// Its family, and the evidence for it.
    pub recognition: Recognition,
}

impl InfoRecord {
    pub fn of(
        target: &str,
        device: &SeenDevice,
        details: DeviceDetails,
        advertising: Option<&Advertising>,
        connected: &ConnectedDetails,
    ) -> Self {
        Self {
            target: target.to_owned(),
            bulb: Bulb::of(device),
            alias: device.alias.clone(),
            address_type: details.address_type.clone(),
            bonded: details.bonded,
            advertisement: AdvertRecord::of(device, &details, advertising),
            mtu: connected.mtu,
            parameters: details.parameters.map(ParametersRecord::of),
            battery: connected.battery.map(|battery| battery.percent),
            battery_source: connected.battery.map(|battery| battery.source),
            device: connected.information.iter().map(DeviceInformationRecord::of).collect(),
            profile: connected.recognition.winner().map(Candidate::name),
            candidates: connected.recognition.candidates.iter().map(CandidateRecord::of).collect(),
            services: services(&connected.table),
        }
    }

    pub(super) fn text(&self, layout: Layout) -> String {
        let mut page = TextPage::new(layout);
        page.title(&sanitise(self.bulb.label()));
        let address = self.bulb.address.as_deref().unwrap_or(&self.bulb.id);
        let kind = self.address_type.as_ref().map_or_else(String::new, |kind| format!(" ({kind})"));
        page.row("address", &format!("{address}{kind}"));
        page.some("alias", self.alias.as_deref());
        page.some("bonded", self.bonded.map(|bonded| if bonded { "yes" } else { "no" }));
        page.some("mtu", self.mtu.map(|mtu| format!("{mtu} bytes, values up to {}", mtu.saturating_sub(3))));
        page.some("connection", self.parameters.as_ref().map(ToString::to_string));
        let remembered =
            if self.battery_source == Some(BatterySource::Bluez) { " (remembered by BlueZ)" } else { "" };
        page.some("battery", self.battery.map(|percent| format!("{percent} %{remembered}")));
        self.advertisement.print(&mut page);
        if !self.device.is_empty() {
            page.section("Device information");
        }
        for information in &self.device {
            information.print(&mut page);
        }
        page.section("Profile");
        for candidate in &self.candidates {
            candidate_rows(candidate, &mut page);
        }
        page.row("detected", self.profile.as_deref().unwrap_or("none: the evidence is not conclusive"));
        page.section("Services");
        for service in &self.services {
            service.print(&mut page);
        }
        page.text
    }
}

fn candidate_rows(candidate: &CandidateRecord, page: &mut TextPage) {
    for evidence in &candidate.evidence {
        page.row(&candidate.profile, &format!("+{} {}", evidence.score, sanitise(&evidence.text)));
    }
    for against in candidate.against.iter().chain(&candidate.unsupported) {
        page.row(&candidate.profile, &format!("but {}", sanitise(against)));
    }
}

impl AdvertRecord {
    fn of(device: &SeenDevice, details: &DeviceDetails, advertising: Option<&Advertising>) -> Self {
        let interval = advertising.and_then(|heard| Some([heard.least()?, heard.median()?, heard.most()?]));
        Self {
            rssi: device.rssi,
            tx_power: device.tx_power,
            flags: details.flags.as_ref().map(hex::encode),
            appearance: details.appearance.map(|appearance| format!("{appearance:04x}")),
            services: device.services.iter().map(|uuid| service_number(*uuid, None)).collect(),
            manufacturer: device
                .manufacturer
                .iter()
                .map(|(company, data)| AssignedNumberRecord {
                    number: format!("{company:04x}"),
                    name: numbers::company(*company),
                    hex: Some(hex::encode(data)),
                })
                .collect(),
            service_data: device
                .service_data
                .iter()
                .map(|(uuid, data)| service_number(*uuid, Some(data)))
                .collect(),
            listened_ms: advertising.map(|heard| millis(heard.listened)),
            heard: advertising.map_or(0, |advertising| advertising.received),
            interval_ms: interval.map(|all| all.map(millis)),
        }
    }

    fn print(&self, page: &mut TextPage) {
        page.section("Advertisement");
        page.some("signal", self.rssi.map(|rssi| format!("{rssi} dBm")));
        page.some("tx power", self.tx_power.map(|power| format!("{power} dBm")));
        page.some("flags", self.flags.as_deref());
        page.some("appearance", self.appearance.as_deref());
        for (kind, all) in [
            ("service", &self.services),
            ("company", &self.manufacturer),
            ("service data", &self.service_data),
        ] {
            for one in all {
                let short = one.number.parse().map_or_else(|_| one.number.clone(), uuid_text);
                let data = one.hex.as_ref().map_or_else(String::new, |hex| format!(": {hex}"));
                page.row(kind, &format!("{}{data}", named(&short, one.name)));
            }
        }
        match (self.interval_ms, self.listened_ms) {
            (Some([least, median, most]), Some(listened)) => {
                let heard = self.heard;
                page.row(
                    "interval",
                    &format!("{median} ms ({least} to {most}; {heard} heard in {listened} ms)"),
                );
            }
            (None, Some(listened)) => {
                page.row("interval", &format!("unknown ({} heard in {listened} ms)", self.heard))
            }
            (_, None) => page.row("interval", "unknown: the device was connected"),
        }
    }
}

fn service_number(uuid: Uuid, data: Option<&Vec<u8>>) -> AssignedNumberRecord {
    AssignedNumberRecord {
        number: uuid.to_string(),
        name: numbers::service(uuid),
        hex: data.map(hex::encode),
    }
}

impl DeviceInformationRecord {
    fn of(information: &DeviceInformation) -> Self {
        let value = information.value.as_ref().ok();
        Self {
            uuid: information.id.characteristic.to_string(),
            name: numbers::characteristic(information.id.characteristic),
            text: value.and_then(|bytes| printable(bytes)),
            hex: value.map(hex::encode),
            error: information.value.as_ref().err().map(ToString::to_string),
        }
    }

    fn print(&self, page: &mut TextPage) {
        let name = self
            .name
            .map_or_else(|| self.uuid.clone(), |name| name.trim_end_matches(" String").to_lowercase());
        match (&self.text, &self.hex, &self.error) {
            (Some(text), ..) => page.row(&name, &sanitise(text)),
            (None, Some(hex), _) => page.row(&name, if hex.is_empty() { "(empty)" } else { hex }),
            (.., Some(error)) => page.row(&name, &format!("({})", sanitise(error))),
            _ => {}
        }
    }
}

fn services(table: &GattTable) -> Vec<ServiceRecord> {
    let ids: Vec<(CharacteristicId, &Service, &Characteristic)> = table.all().collect();
    let mut rest = ids.iter();
    let record = |service: &Service| ServiceRecord {
        uuid: service.uuid.to_string(),
        name: numbers::service(service.uuid),
        handle: service.handle,
        secondary: service.secondary,
        duplicate: table.services.iter().filter(|other| other.uuid == service.uuid).count() > 1,
        characteristics: rest
            .by_ref()
            .take(service.characteristics.len())
            .map(|(id, _, characteristic)| characteristic_record(*id, characteristic, &ids))
            .collect(),
    };
    table.services.iter().map(record).collect()
}

fn characteristic_record(
    id: CharacteristicId,
    characteristic: &Characteristic,
    all: &[(CharacteristicId, &Service, &Characteristic)],
) -> CharacteristicRecord {
    let count =
        |fits: &dyn Fn(&CharacteristicId) -> bool| all.iter().filter(|(other, ..)| fits(other)).count();
    let alike = count(&|other| other.characteristic == id.characteristic);
    let in_service = count(&|other| other.characteristic == id.characteristic && other.service == id.service);
    let (service, short) = (uuid_text(id.service), uuid_text(id.characteristic));
    let place = match (alike, in_service) {
        (1, _) => short,
        (_, 1) => format!("{service}/{short}"),
        _ => format!("{service}/{short}#{}", u16::from(id.nth) + 1),
    };
    let named = characteristic.properties.to_string();
    let named = named.split(", ").filter(|name| *name != "none").map(str::to_owned);
    CharacteristicRecord {
        uuid: characteristic.uuid.to_string(),
        name: numbers::characteristic(characteristic.uuid),
        handle: characteristic.handle,
        value_handle: characteristic.value_handle(),
        properties: named.chain(characteristic.flags.iter().cloned()).collect(),
        duplicate: in_service > 1,
        descriptors: characteristic.descriptors.iter().map(descriptor_record).collect(),
        place,
    }
}

fn descriptor_record(descriptor: &Descriptor) -> DescriptorRecord {
    DescriptorRecord {
        uuid: descriptor.uuid.to_string(),
        name: numbers::descriptor(descriptor.uuid),
        handle: descriptor.handle,
    }
}

impl ServiceRecord {
    fn print(&self, page: &mut TextPage) {
        let short = self.uuid.parse().map_or_else(|_| self.uuid.clone(), uuid_text);
        let mut line = named(&short, self.name);
        for (holds, what) in [
            (self.secondary, "secondary"),
            (self.duplicate, "duplicate: several services have this UUID"),
            (self.characteristics.is_empty(), "empty"),
        ] {
            if holds {
                line.push_str(&format!("  ({what})"));
            }
        }
        page.item(1, self.handle, &line);
        for characteristic in &self.characteristics {
            let mut line = named(&characteristic.place, characteristic.name);
            line.push_str(&format!("  [{}]", characteristic.properties.join(", ")));
            if characteristic.duplicate {
                line.push_str("  (duplicate)");
            }
            page.item(2, characteristic.handle, &line);
            for descriptor in &characteristic.descriptors {
                let short = descriptor.uuid.parse().map_or_else(|_| descriptor.uuid.clone(), uuid_text);
                page.item(3, descriptor.handle, &named(&short, descriptor.name));
            }
        }
    }
}

fn named(number: &str, name: Option<&str>) -> String {
    name.map_or_else(|| number.to_owned(), |name| format!("{number}  {name}"))
}

struct TextPage {
    text: String,
    layout: Layout,
}

impl TextPage {
    fn new(layout: Layout) -> Self {
        Self { text: String::new(), layout }
    }

    fn line(&mut self, line: &str) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.text.push_str(line.trim_end());
    }

    fn title(&mut self, title: &str) {
        let bold = self.layout.style(BOLD);
        self.line(&format!("{bold}{title}{bold:#}"));
    }

    fn section(&mut self, title: &str) {
        self.title(title);
    }

    fn row(&mut self, name: &str, value: &str) {
        self.line(&format!("  {name:<20} {value}"));
    }

    fn some(&mut self, name: &str, value: Option<impl AsRef<str>>) {
        if let Some(value) = value {
            self.row(name, &sanitise(value.as_ref()));
        }
    }

    /// An indented line of the GATT table, with its handle if known.
    fn item(&mut self, depth: usize, handle: Option<u16>, line: &str) {
        let handle = handle.map_or_else(String::new, |handle| format!("0x{handle:04x}  "));
        let dim = self.layout.style(DIM);
        let handle = if handle.is_empty() { handle } else { format!("{dim}{handle}{dim:#}") };
        self.line(&format!("{:width$}{handle}{line}", "", width = depth * 2));
    }
}
