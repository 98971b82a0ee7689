//! The `bulbctl` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    bulbctl::cli::main(std::env::args_os())
}
