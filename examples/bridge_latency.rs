//! Measures the time from a command at the broker to the write at a virtual bulb, for `cargo xtask bench bridge`.
//!
//! The arguments are the port of a broker with a running bridge, its air log, the identifier of a bulb, and the number of
//! commands. Prints the times in µs, one a line.

// A program for developers, whose output is its purpose.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs::File;
use std::io::Read;
use std::time::{Duration, Instant};

use rumqttc::{AsyncClient, MqttOptions, PublishOptions, QoS};
use tokio::time::{sleep, timeout};

/// Interval between two looks at the air log. The measured times are too long by half of it.
const LOOK: Duration = Duration::from_micros(200);
const LATE: Duration = Duration::from_secs(10);
/// Between two commands, so that each is alone.
const PAUSE: Duration = Duration::from_millis(100);

#[tokio::main]
async fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [port, air, id, count] = words.as_slice() else { panic!("PORT AIR_LOG BULB COUNT") };
    let options = MqttOptions::new("bulbctl-bench", ("127.0.0.1", port.parse().expect("a port")));
    let (client, mut event_loop) = AsyncClient::builder(options).capacity(8).build();
    let network = tokio::spawn(async move { while event_loop.poll().await.is_ok() {} });
    let mut air = File::open(air).expect("the air log");
    writes(&mut air);
    for number in 0..count.parse::<u32>().expect("a number") {
        sleep(PAUSE).await;
        writes(&mut air);
        let payload = format!("{{\"state\":\"ON\",\"brightness\":{}}}", number % 90 + 1);
        let start = Instant::now();
        let options = PublishOptions::new(QoS::AtLeastOnce);
        client.publish(format!("bulbctl/{id}/set"), payload, options).await.expect("a connection");
        let written = async {
            while writes(&mut air) == 0 {
                sleep(LOOK).await;
            }
        };
        timeout(LATE, written).await.expect("no write");
        println!("{}", start.elapsed().as_micros());
    }
    network.abort();
}

/// The number of writes since the last call.
fn writes(air: &mut File) -> usize {
    let mut text = String::new();
    air.read_to_string(&mut text).expect("the air log");
    text.matches("\"event\":\"write\"").count()
}
