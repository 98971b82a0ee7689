//! Plays the bulbs of a rig over a pipe, for the virtual machine of `cargo xtask realstack`.
//! `src/radio/sim/server.rs` has the requests.

use std::io;

fn main() -> io::Result<()> {
    bulbctl::radio::sim::serve_bulbs(io::stdin().lock(), io::stdout().lock())
}
