//! The firmware as a program for Linux, on a controller that it reaches through a Unix socket with HCI packets as on a
//! serial line (H4). `cargo xtask realstack` has such a socket.
//!
//! Prints each state that the lamp shows.

use std::error::Error;
use std::io::{Write, stderr, stdout};
use std::process::ExitCode;

use bt_hci_serial::SerialTransport;
use bulb_protocol::{LightState, Percent};
use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use embedded_io_adapters::tokio_1::FromTokio;
use firmware::{Defects, Identity, Lamp};
use tokio::net::UnixStream;
use tokio::runtime;
use trouble_host::prelude::ExternalController;

const USAGE: &str = "\
usage: firmware-linux SOCKET [--name NAME] [--address C4:11:00:00:00:01] [--refuse-subscriptions]";

/// HCI commands that wait for an answer.
const COMMANDS: usize = 4;

struct Options {
    socket: String,
    name: String,
    address: [u8; 6],
    defects: Defects,
}

impl Options {
    /// Returns none if the arguments make no sense.
    fn parse(mut arguments: impl Iterator<Item = String>) -> Option<Self> {
        let mut options = Self {
            socket: arguments.next()?,
            name: "Light-Firmware".to_owned(),
            address: [0xC4, 0x11, 0, 0, 0, 1],
            defects: Defects::default(),
        };
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--name" => options.name = arguments.next()?,
                "--address" => options.address = address(&arguments.next()?)?,
                "--refuse-subscriptions" => options.defects.refuses_subscriptions = true,
                _ => return None,
            }
        }
        Some(options)
    }
}

fn address(text: &str) -> Option<[u8; 6]> {
    let bytes: Option<Vec<u8>> = text.split(':').map(|byte| u8::from_str_radix(byte, 16).ok()).collect();
    bytes?.try_into().ok()
}

/// A lamp that prints.
struct Printed;

impl Lamp for Printed {
    fn show(&mut self, LightState { power, brightness, color }: LightState) {
        let power = if power { "on" } else { "off" };
        let (red, green, blue) = (color.red, color.green, color.blue);
        let line = format!("{power}  {} %  #{red:02x}{green:02x}{blue:02x}", brightness.get());
        // Without a reader, it shines all the same.
        let _ = writeln!(stdout(), "{line}");
    }

    fn battery(&mut self) -> Percent {
        Percent::clamped(87)
    }
}

fn main() -> ExitCode {
    let Err(error) = begin() else { return ExitCode::SUCCESS };
    let _ = writeln!(stderr(), "firmware-linux: {error}");
    ExitCode::FAILURE
}

fn begin() -> Result<(), Box<dyn Error>> {
    let options = Options::parse(std::env::args().skip(1)).ok_or(USAGE)?;
    runtime::Builder::new_current_thread().enable_io().build()?.block_on(run(&options))
}

async fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let (reader, writer) = UnixStream::connect(&options.socket).await?.into_split();
    let transport: SerialTransport<NoopRawMutex, _, _> =
        SerialTransport::new(FromTokio::new(reader), FromTokio::new(writer));
    let controller: ExternalController<_, COMMANDS> = ExternalController::new(transport);
    let identity = Identity {
        name: &options.name,
        address: options.address,
        manufacturer: "Bulb Works",
        model: "BW-1",
        version: "1.4.2",
    };
    let ended = firmware::run(controller, &identity, options.defects, &mut Printed).await;
    ended.map_err(|error| format!("the controller is gone: {error:?}").into())
}
