//! The GATT table. Handles are given in the order of the calls, and are the same in every build:
//!
//! | handle | attribute |
//! |---|---|
//! | 0x0001 to 0x0006 | 1800 with the name (2A00) and the appearance (2A01), 1801 |
//! | 0x0007 | the light service |
//! | 0x0009 | control |
//! | 0x000b, 0x000c | status and its subscription |
//! | 0x000d | battery service |
//! | 0x000f, 0x0010 | battery level and its subscription |
//! | 0x0011 | device information: manufacturer 0x0013, model 0x0015, version 0x0017 |

use bulb_protocol::Percent;
use bulb_protocol::base::{self, FRAME_LEN};
use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use trouble_host::Error;
use trouble_host::prelude::*;

use crate::{Identity, LINKS};

const ATTRIBUTES: usize = 0x17;

type Frame = [u8; FRAME_LEN];

pub(crate) struct Table<'a> {
    pub(crate) server: AttributeServer<'a, NoopRawMutex, DefaultPacketPool, ATTRIBUTES, LINKS>,
    pub(crate) control: Characteristic<Frame>,
    pub(crate) status: Characteristic<Frame>,
    pub(crate) battery: Characteristic<u8>,
}

impl<'a> Table<'a> {
    pub(crate) fn new(identity: &Identity<'a>, frame: Frame) -> Result<Self, Error> {
        use CharacteristicProp::{Notify, Read, Write, WriteWithoutResponse};

        let mut table: AttributeTable<'a, NoopRawMutex, ATTRIBUTES> = AttributeTable::new();
        GapConfig::default(identity.name).build(&mut table).map_err(|_| Error::InvalidValue)?;

        let mut light = table.add_service(Service::new(base::SERVICE));
        let control =
            light.add_characteristic_small(base::CONTROL, [Write, WriteWithoutResponse], frame).build();
        let status = light.add_characteristic_small(base::STATUS, [Read, Notify], frame).build();
        light.build();

        let mut power = table.add_service(Service::new(service::BATTERY));
        let battery = power
            .add_characteristic_small(characteristic::BATTERY_LEVEL, [Read, Notify], Percent::MAX.get())
            .build();
        power.build();

        let mut device = table.add_service(Service::new(service::DEVICE_INFORMATION));
        for (uuid, text) in [
            (characteristic::MANUFACTURER_NAME_STRING, identity.manufacturer),
            (characteristic::MODEL_NUMBER_STRING, identity.model),
            (characteristic::FIRMWARE_REVISION_STRING, identity.version),
        ] {
            device.add_characteristic_ro(uuid, text).build();
        }
        device.build();

        Ok(Self { server: AttributeServer::new(table), control, status, battery })
    }

    pub(crate) fn set_battery(&self, level: Percent) {
        // It fails only for an attribute that does not exist.
        let _ = self.server.table().set(&self.battery, &level.get());
    }

    /// Stores the status, and notifies it if the central has subscribed.
    pub(crate) async fn notify_status(&self, link: &GattConnection<'_, '_, DefaultPacketPool>, frame: Frame) {
        // It fails if the link has just ended. The next central reads the status.
        let _ = self.status.notify(link, &frame, true).await;
    }
}
