//! Parses the properties of BlueZ.

use std::collections::{BTreeMap, HashMap};

use dbus::arg::{PropMap, RefArg, Variant, cast, prop_cast};
use uuid::Uuid;

use super::super::registry::DeviceUpdate;
use super::gatt_objects::{GattCharacteristic, GattService};
use crate::radio::{Address, DeviceDetails, DeviceId};

pub(super) const ADAPTER: &str = "org.bluez.Adapter1";
pub(super) const DEVICE: &str = "org.bluez.Device1";
pub(super) const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
pub(super) const SERVICE: &str = "org.bluez.GattService1";
pub(super) const CHARACTERISTIC: &str = "org.bluez.GattCharacteristic1";

pub(super) const DESCRIPTOR: &str = "org.bluez.GattDescriptor1";

/// All objects of BlueZ: interfaces and properties by path.
pub(super) type Objects = HashMap<dbus::Path<'static>, HashMap<String, PropMap>>;

/// A report of BlueZ about an adapter. `None` means no change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct AdapterProperties {
    pub(super) address: Option<Address>,
    pub(super) powered: Option<bool>,
    pub(super) discovering: Option<bool>,
    /// Rfkill blocks it. BlueZ reports this since 5.65.
    pub(super) blocked: Option<bool>,
}

impl AdapterProperties {
    pub(super) fn of(properties: &PropMap) -> Self {
        Self {
            address: text(properties, "Address").and_then(|text| text.parse().ok()),
            powered: prop_cast(properties, "Powered").copied(),
            discovering: prop_cast(properties, "Discovering").copied(),
            blocked: text(properties, "PowerState").map(|state| state == "off-blocked"),
        }
    }
}

pub(super) fn device_update(properties: &PropMap) -> DeviceUpdate {
    DeviceUpdate {
        address: text(properties, "Address").and_then(|text| text.parse().ok()),
        name: text(properties, "Name").cloned(),
        alias: text(properties, "Alias").cloned(),
        rssi: prop_cast(properties, "RSSI").copied(),
        tx_power: prop_cast(properties, "TxPower").copied(),
        services: prop_cast::<Vec<String>>(properties, "UUIDs").map(|uuids| parse_all(uuids)),
        manufacturer: prop_cast::<HashMap<u16, Variant<Box<dyn RefArg>>>>(properties, "ManufacturerData")
            .map(by_company),
        service_data: prop_cast::<PropMap>(properties, "ServiceData").map(by_service),
        connected: prop_cast(properties, "Connected").copied(),
        resolved: prop_cast(properties, "ServicesResolved").copied(),
        appeared: false,
        received: false,
        remembered: false,
    }
}

/// Parses only whether a device is connected.
pub(super) fn link_update(properties: &PropMap) -> DeviceUpdate {
    DeviceUpdate { connected: prop_cast(properties, "Connected").copied(), ..DeviceUpdate::default() }
}

/// Parses further properties of a device. BlueZ has `Bonded` since 5.65, and the flags only with
/// experimental interfaces.
pub(super) fn details_of(properties: &PropMap) -> DeviceDetails {
    DeviceDetails {
        address_type: text(properties, "AddressType").cloned(),
        appearance: prop_cast(properties, "Appearance").copied(),
        flags: prop_cast::<Vec<u8>>(properties, "AdvertisingFlags").cloned(),
        bonded: prop_cast(properties, "Bonded").or_else(|| prop_cast(properties, "Paired")).copied(),
        parameters: None,
    }
}

pub(super) fn resolved(properties: &PropMap) -> bool {
    prop_cast(properties, "ServicesResolved").copied().unwrap_or_default()
}

pub(super) fn service_of(properties: &PropMap) -> Option<GattService> {
    let primary = prop_cast(properties, "Primary").copied().unwrap_or(true);
    Some(GattService { uuid: uuid_of(properties)?, secondary: !primary })
}

pub(super) fn characteristic_of(properties: &PropMap) -> Option<GattCharacteristic> {
    Some(GattCharacteristic {
        uuid: uuid_of(properties)?,
        flags: prop_cast::<Vec<String>>(properties, "Flags").cloned().unwrap_or_default(),
        mtu: mtu_of(properties),
    })
}

pub(super) fn uuid_of(properties: &PropMap) -> Option<Uuid> {
    text(properties, "UUID")?.parse().ok()
}

pub(super) fn mtu_of(properties: &PropMap) -> Option<u16> {
    // Bluetooth Core, Vol 3, Part G, 5.2.1, and Part F, 3.2.9.
    prop_cast(properties, "MTU").copied().filter(|mtu| (23..=517).contains(mtu))
}

pub(super) fn value_of(properties: &PropMap) -> Option<Vec<u8>> {
    prop_cast::<Vec<u8>>(properties, "Value").cloned()
}

/// The device with this path on this adapter: `…/dev_C4_11_00_00_00_01`. `None` for paths below a
/// device.
pub(super) fn device_of(adapter: &str, path: &str) -> Option<DeviceId> {
    let address = path.strip_prefix(adapter)?.strip_prefix("/dev_")?.replace('_', ":");
    let address: Address = address.parse().ok()?;
    Some(DeviceId::new(address.to_string()))
}

fn text<'a>(properties: &'a PropMap, name: &str) -> Option<&'a String> {
    prop_cast(properties, name)
}

fn parse_all(uuids: &[String]) -> Vec<Uuid> {
    uuids.iter().filter_map(|uuid| uuid.parse().ok()).collect()
}

fn by_company(data: &HashMap<u16, Variant<Box<dyn RefArg>>>) -> BTreeMap<u16, Vec<u8>> {
    data.iter().filter_map(|(company, value)| Some((*company, bytes(value)?))).collect()
}

fn by_service(data: &PropMap) -> BTreeMap<Uuid, Vec<u8>> {
    data.iter().filter_map(|(service, value)| Some((service.parse().ok()?, bytes(value)?))).collect()
}

fn bytes(value: &Variant<Box<dyn RefArg>>) -> Option<Vec<u8>> {
    cast::<Vec<u8>>(&value.0).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::radio::gatt::uuid16;

    type Any = Variant<Box<dyn RefArg>>;

    fn of(name: &str, value: Box<dyn RefArg>) -> PropMap {
        PropMap::from([(name.to_owned(), Variant(value))])
    }

    fn data(value: &[u8]) -> Any {
        Variant(Box::new(value.to_vec()))
    }

    #[test]
    fn a_value_of_another_type_is_no_value() {
        assert_eq!(value_of(&of("Value", Box::new(vec![7_u8, 8]))), Some(vec![7, 8]));
        assert_eq!(value_of(&of("Value", Box::new(Vec::<u8>::new()))), Some(Vec::new()));
        for other in [of("Value", Box::new("0708".to_owned())), of("Value", Box::new(7_u8)), PropMap::new()] {
            assert_eq!(value_of(&other), None, "{other:?}");
        }
    }

    #[test]
    fn advertised_data_is_read_by_company_and_by_service() {
        let text = || Variant(Box::new("no bytes".to_owned()) as Box<dyn RefArg>);
        let companies = HashMap::from([(0x5a02_u16, data(&[1, 2])), (0x004c, data(&[])), (7, text())]);
        let service = uuid16(0xfd3d);
        let services = PropMap::from([
            (service.to_string(), data(&[3])),
            (uuid16(0xfff0).to_string(), text()),
            ("no service".to_owned(), data(&[4])),
        ]);
        let mut all = of("ManufacturerData", Box::new(companies));
        all.extend(of("ServiceData", Box::new(services)));
        let update = device_update(&all);
        let want = BTreeMap::from([(0x5a02, vec![1, 2]), (0x004c, Vec::new())]);
        assert_eq!(update.manufacturer, Some(want));
        assert_eq!(update.service_data, Some(BTreeMap::from([(service, vec![3])])));
        let none = device_update(&PropMap::new());
        assert_eq!((none.manufacturer, none.service_data), (None, None));
    }

    #[test]
    fn only_an_mtu_that_can_be_counts() {
        for (mtu, want) in [(22_u16, None), (23, Some(23)), (517, Some(517)), (518, None)] {
            assert_eq!(mtu_of(&of("MTU", Box::new(mtu))), want, "{mtu}");
        }
    }
}
