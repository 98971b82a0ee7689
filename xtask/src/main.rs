//! Developer commands: `cargo xtask --help`.
// A program for developers, which prints to their terminal.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod bench;
mod crates;
mod dist;
mod firmware;
mod fuzz;
mod mutants;
mod numbers;
mod oracle;
mod picture;
mod realstack;
mod setup;
mod test;
mod watch;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Developer commands of bulbctl.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask")]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run all tests; installs what it needs
    Test(test::Options),
    /// Measure, and print Markdown tables
    Bench(bench::Options),
    /// Make the files for a release: packages, checksums, the list of components
    Dist(dist::Options),
    /// Fuzz the codec and everything the program reads
    Fuzz(fuzz::Options),
    /// Change the code and the profiles, and find out which changes no test notices
    Mutants(mutants::Options),
    /// Run the scenarios on a real Bluetooth stack in a virtual machine
    Realstack(realstack::Options),
    /// Compare frames with those of public Python libraries
    Oracle(oracle::Options),
    /// Draw the picture of the TUI for README.md
    Picture,
    /// Run a program of tests, and end it if a test takes too long
    #[command(hide = true)]
    Watch(watch::Options),
    /// Generate the names of companies, services and characteristics in src/numbers
    Numbers,
}

fn main() -> ExitCode {
    let result = match Args::parse().command {
        Command::Test(options) => test::run(&options),
        Command::Bench(options) => bench::run(&options),
        Command::Dist(options) => dist::run(&options),
        Command::Fuzz(options) => fuzz::run(&options),
        Command::Mutants(options) => mutants::run(&options),
        Command::Watch(options) => return watched(&options),
        Command::Realstack(options) => realstack::run(&options),
        Command::Oracle(options) => oracle::run(&options),
        Command::Picture => picture::run(),
        Command::Numbers => numbers::generate(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failure(&error),
    }
}

fn watched(options: &watch::Options) -> ExitCode {
    watch::run(options).unwrap_or_else(|error| failure(&error))
}

fn failure(error: &anyhow::Error) -> ExitCode {
    eprintln!("error: {error:#}");
    ExitCode::FAILURE
}
