use super::*;
use crate::radio::Properties;
use crate::radio::gatt::{Characteristic, Service, uuid16};

pub(crate) const CONTROL: CharacteristicId = CharacteristicId::short(0xFFF0, 0xFFF1);
pub(crate) const STATUS: CharacteristicId = CharacteristicId::short(0xFFF0, 0xFFF2);

/// A bulb that is open to all.
pub(crate) fn served_bulb() -> ServedBulb {
    let characteristics = vec![
        Characteristic::new(CONTROL.characteristic, Properties::WRITE),
        Characteristic::new(STATUS.characteristic, Properties::READ.or(Properties::NOTIFY)),
    ];
    ServedBulb {
        label: "Light".to_owned(),
        address: Address::new([0xC4, 0x11, 0, 0, 0, 1]),
        random_address: false,
        advertisement: Advertisement {
            name: Some("Light".to_owned()),
            name_in_response: false,
            services: vec![uuid16(0xFFF0)],
            manufacturer: BTreeMap::new(),
            service_data: BTreeMap::new(),
            interval: Duration::from_millis(100),
        },
        table: GattTable { services: vec![Service::new(uuid16(0xFFF0), characteristics)] },
        closed: BTreeSet::new(),
        pairing: true,
        mtu: 517,
        rssi: -50,
    }
}

/// A radio that can be two bulbs.
#[derive(Debug)]
struct Two;

#[async_trait]
impl Peripheral for Two {
    fn adapter(&self) -> AdapterInfo {
        AdapterInfo { name: "hci0".to_owned(), address: None }
    }

    fn limits(&self) -> PeripheralLimits {
        PeripheralLimits { bulbs: 2, room: None, chosen_addresses: true, own_services: Vec::new() }
    }

    async fn start(&self, _: Vec<ServedBulb>, _: Deadline) -> Result<mpsc::Receiver<PeripheralEvent>> {
        Ok(mpsc::channel(1).1)
    }

    async fn advertise(&self, _: usize, _: Option<Advertisement>) -> Result<()> {
        Ok(())
    }

    async fn notify(&self, _: usize, _: u64, _: CharacteristicId, _: Vec<u8>) -> Result<()> {
        Ok(())
    }

    async fn drop_link(&self, _: usize, _: u64) -> Result<()> {
        Ok(())
    }

    async fn close(&self) {}
}

#[test]
fn a_radio_plays_as_many_bulbs_as_it_can_and_no_more() {
    let played = |count| check(&Two, &vec![served_bulb(); count], &[]);
    assert_eq!((played(1), played(2)), (Ok(()), Ok(())));
    for count in [3, 4] {
        let what = format!("{count} bulbs at once");
        let reason = "it can be 2".to_owned();
        assert_eq!(played(count), Err(Error::NotPlayable { adapter: "hci0".to_owned(), what, reason }));
    }
}
