//! The arguments of `gatt`. Their doc comments are the help texts.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum, ValueHint};

use super::super::args::duration;
use crate::bulb::{CharacteristicRef, WriteChoice};
use crate::radio::WriteKind;

#[derive(Debug, Args)]
#[command(after_help = PLACES)]
pub(crate) struct Gatt {
    #[command(subcommand)]
    pub(crate) action: GattAction,
}

const PLACES: &str = "\
CHAR is a UUID of 4 or 32 hex digits (fff1), SERVICE/UUID where several services have it, UUID#2 for the
second of that UUID, or a handle: @0x0011. `bulbctl info TARGET` shows the table.";

/// How a script for `gatt run` looks.
const SCRIPT: &str = "\
A script has one operation a line; lines that begin with # mean nothing:
  read fff2
  subscribe fff2                     keeps what is notified from here on for notify
  write fff1 0164ff0000 command      hex, or a \"text\"; request, command or auto (the default)
  notify fff2 count=1 for=2s         takes notifications: so many [default: 1], or for so long
  unsubscribe fff2
  wait 200ms
--timeout holds for each operation.";

#[derive(Debug, Subcommand)]
pub(crate) enum GattAction {
    /// Read a value
    #[command(after_help = PLACES)]
    Read(GattRead),
    /// Write a value
    #[command(after_help = PLACES)]
    Write(GattWrite),
    /// Print what a characteristic notifies or indicates
    #[command(after_help = PLACES)]
    Notify(GattNotify),
    /// Run several operations over one link
    #[command(after_help = SCRIPT)]
    Run(GattRun),
}

/// How values are printed.
#[derive(Debug, Args)]
pub(crate) struct ValueOutput {
    /// Print values as text
    #[arg(long = "text", id = "as_text")]
    pub(crate) text: bool,
    /// Print what values mean in the bulb's profile
    #[arg(long, conflicts_with = "as_text")]
    pub(crate) decode: bool,
}

#[derive(Debug, Args)]
pub(crate) struct GattRead {
    /// Which bulbs
    pub(crate) target: String,
    /// The characteristic
    #[arg(value_name = "CHAR")]
    pub(crate) place: CharacteristicRef,
    #[command(flatten)]
    pub(crate) output: ValueOutput,
    /// Print the bytes as they are, for a pipe
    #[arg(long, conflicts_with_all = ["as_text", "decode", "json"])]
    pub(crate) raw: bool,
}

#[derive(Debug, Args)]
pub(crate) struct GattWrite {
    /// Which bulbs
    pub(crate) target: String,
    /// The characteristic
    #[arg(value_name = "CHAR")]
    pub(crate) place: CharacteristicRef,
    /// The bytes in hex, with or without colons and 0x; - takes them as they are from stdin
    #[arg(value_name = "HEX")]
    pub(crate) value: Option<String>,
    /// Write this text
    #[arg(long, value_name = "TEXT", conflicts_with = "value", allow_hyphen_values = true)]
    pub(crate) text: Option<String>,
    /// Write what is in this file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["value", "text"], value_hint = ValueHint::FilePath)]
    pub(crate) file: Option<PathBuf>,
    /// With the bulb's answer or without; auto is with it where the characteristic allows
    #[arg(
        long,
        value_enum,
        default_value_t,
        value_name = "request|command|auto",
        hide_possible_values = true
    )]
    pub(crate) op: WriteOp,
}

/// How to write.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(crate) enum WriteOp {
    /// With the bulb's answer
    Request,
    /// Without an answer
    Command,
    /// What the characteristic allows
    #[default]
    Auto,
}

impl From<WriteOp> for WriteChoice {
    fn from(op: WriteOp) -> Self {
        match op {
            WriteOp::Request => Self::Only(WriteKind::Request),
            WriteOp::Command => Self::Only(WriteKind::Command),
            WriteOp::Auto => Self::Auto,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct GattNotify {
    /// Which bulbs
    pub(crate) target: String,
    /// The characteristic
    #[arg(value_name = "CHAR")]
    pub(crate) place: CharacteristicRef,
    /// End after so many; each has to come within --timeout
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
    /// End after so long, whatever has come
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) duration: Option<Duration>,
    #[command(flatten)]
    pub(crate) output: ValueOutput,
    /// Print the bytes as they are, for a pipe
    #[arg(long, conflicts_with_all = ["as_text", "decode", "json"])]
    pub(crate) raw: bool,
}

#[derive(Debug, Args)]
pub(crate) struct GattRun {
    /// Which bulbs
    pub(crate) target: String,
    /// The script; - reads it from stdin
    #[arg(value_name = "SCRIPT", value_hint = ValueHint::FilePath)]
    pub(crate) script: String,
    /// Go on after an operation that failed
    #[arg(long)]
    pub(crate) keep_going: bool,
    #[command(flatten)]
    pub(crate) output: ValueOutput,
}
