//! The `bulbctl` program.
fn main() {}
