//! The firmware of a bulb that speaks the base protocol.
//!
//! It runs on every controller that `trouble-host` can use, and needs neither std nor an allocator. A board calls [`run`]
//! with its controller and its [`Lamp`]. `linux.rs` does that on Linux.
#![no_std]
#![warn(missing_docs)]

mod table;

use bulb_protocol::base::{self, DecodeErrorKind};
use bulb_protocol::{LightState, Percent, Rgb};
use embassy_futures::select::{Either, select};
use trouble_host::att::{AttClient, AttCmd};
use trouble_host::prelude::*;

use table::Table;

/// The name, address and device information of a bulb.
#[derive(Clone, Copy, Debug)]
pub struct Identity<'a> {
    /// The name, at most 22 bytes, so that it fits into the advertisement.
    pub name: &'a str,
    /// The static random address, as people write it. Its two highest bits are set in any case.
    pub address: [u8; 6],
    /// The manufacturer in the device information.
    pub manufacturer: &'a str,
    /// The model in the device information.
    pub model: &'a str,
    /// The version of the firmware in the device information.
    pub version: &'a str,
}

/// The faults that the firmware plays, to test centrals.
#[derive(Clone, Copy, Debug, Default)]
pub struct Defects {
    /// Answers a subscription to the status with an ATT error, 0x03.
    pub refuses_subscriptions: bool,
}

/// The hardware of the bulb.
pub trait Lamp {
    /// Shines as this state says.
    fn show(&mut self, state: LightState);

    /// The level of the battery.
    fn battery(&mut self) -> Percent;
}

/// Links at a time.
const LINKS: usize = 1;
/// L2CAP channels of a link: for signals and for ATT.
const CHANNELS: usize = 2;
const ADVERTISEMENT_LEN: usize = 31;
/// The state of a bulb that has just got power.
const INITIAL: LightState =
    LightState { power: false, brightness: Percent::MAX, color: Rgb::new(255, 255, 255) };

/// Is the bulb: advertises, and serves one central after the other. Ends only with the controller.
///
/// # Errors
/// The controller is lost, or the identity does not fit into an advertisement.
pub async fn run<C: Controller>(
    controller: C,
    identity: &Identity<'_>,
    defects: Defects,
    lamp: &mut impl Lamp,
) -> Result<(), BleHostError<C::Error>> {
    let mut address = identity.address;
    // The marks of a static random address (Bluetooth Core 5.4, Vol 6, Part B, 1.3.2.1).
    address[0] |= 0xC0;
    address.reverse();
    let mut resources: HostResources<DefaultPacketPool, LINKS, CHANNELS> = HostResources::new();
    let stack =
        trouble_host::new(controller, &mut resources).set_random_address(Address::random(address)).build();
    let table = Table::new(identity, base::encode(INITIAL))?;
    let mut bulb = Bulb { table: &table, defects, lamp, state: INITIAL };
    bulb.lamp.show(INITIAL);
    let mut runner = stack.runner();
    match select(runner.run(), bulb.serve(identity.name, stack.peripheral())).await {
        Either::First(result) | Either::Second(result) => result,
    }
}

struct Bulb<'b, 'a, L> {
    table: &'b Table<'a>,
    defects: Defects,
    lamp: &'b mut L,
    state: LightState,
}

impl<L: Lamp> Bulb<'_, '_, L> {
    async fn serve<C: Controller>(
        &mut self,
        name: &str,
        mut peripheral: Peripheral<'_, C, DefaultPacketPool>,
    ) -> Result<(), BleHostError<C::Error>> {
        let mut data = [0; ADVERTISEMENT_LEN];
        let structures = [
            AdStructure::Flags(LE_GENERAL_DISCOVERABLE | BR_EDR_NOT_SUPPORTED),
            AdStructure::CompleteServiceUuids16(&[base::SERVICE.to_le_bytes()]),
            AdStructure::CompleteLocalName(name.as_bytes()),
        ];
        let len = AdStructure::encode_slice(&structures, &mut data)?;
        let (adv_data, _) = data.split_at(len);
        loop {
            let advertisement = Advertisement::ConnectableScannableUndirected { adv_data, scan_data: &[] };
            let advertiser = peripheral.advertise(&AdvertisementParameters::default(), advertisement).await?;
            // Without a link, the controller has ended the advertising.
            let Ok(link) = advertiser.accept().await else { continue };
            self.serve_link(&link.with_attribute_server(&self.table.server)?).await;
        }
    }

    /// Serves a central until its link ends.
    async fn serve_link(&mut self, link: &GattConnection<'_, '_, DefaultPacketPool>) {
        loop {
            match link.next().await {
                GattConnectionEvent::Disconnected { .. } => return,
                GattConnectionEvent::Gatt { event } => self.answer(link, event).await,
                _ => {}
            }
        }
    }

    async fn answer(
        &mut self,
        link: &GattConnection<'_, '_, DefaultPacketPool>,
        event: GattEvent<'_, '_, DefaultPacketPool>,
    ) {
        let mut changed = false;
        let reply = match event {
            GattEvent::Write(write) if write.handle() == self.table.control.handle => {
                match write.with_data(|_, frame| base::decode(frame)) {
                    Ok(state) => {
                        self.state = state;
                        changed = true;
                        write.accept_unprocessed()
                    }
                    // A command has no answer, and the host would send one.
                    Err(_) if is_command(write.payload()) => write.accept_unprocessed(),
                    Err(error) => write.reject(att_error(error.kind())),
                }
            }
            GattEvent::Write(write)
                if self.defects.refuses_subscriptions
                    && Some(write.handle()) == self.table.status.cccd_handle =>
            {
                write.reject(AttErrorCode::WRITE_NOT_PERMITTED)
            }
            GattEvent::Read(read) if read.handle() == self.table.battery.handle => {
                self.table.set_battery(self.lamp.battery());
                read.accept()
            }
            other => other.accept(),
        };
        // The answer first: centrals may take a notification before it for an older state.
        if let Ok(reply) = reply {
            reply.send().await;
        }
        if changed {
            self.lamp.show(self.state);
            self.table.notify_status(link, base::encode(self.state)).await;
        }
    }
}

fn is_command(payload: &GattData<'_, DefaultPacketPool>) -> bool {
    matches!(payload.incoming(), AttClient::Command(AttCmd::Write { .. }))
}

fn att_error(kind: DecodeErrorKind) -> AttErrorCode {
    match kind {
        DecodeErrorKind::Length => AttErrorCode::INVALID_ATTRIBUTE_VALUE_LENGTH,
        DecodeErrorKind::Power { .. } | DecodeErrorKind::Brightness { .. } => AttErrorCode::VALUE_NOT_ALLOWED,
    }
}
