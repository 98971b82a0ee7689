//! The arguments of `gatt`. Their doc comments are the help texts.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand, ValueHint};

use super::super::args::{Wait, duration};
use super::script::choice;
use crate::bulb::{CharacteristicRef, WriteChoice};

#[derive(Debug, Args)]
#[command(after_help = CHAR_FORMS)]
pub(crate) struct Gatt {
    #[command(subcommand)]
    pub(crate) action: GattAction,
}

impl Gatt {
    pub(crate) const fn ends_with_reader(&self) -> bool {
        matches!(self.action, GattAction::Read(_) | GattAction::Notify(_))
    }

    /// Refuses what cannot work in a line of `run`.
    pub(crate) fn validate_in_run(&self) -> Result<(), String> {
        let problem = match &self.action {
            GattAction::Write(write) if write.value.as_deref() == Some("-") => {
                "a line cannot read standard input: give the bytes as HEX, --text or --file"
            }
            GattAction::Notify(notify) if notify.count.is_none() && notify.duration.is_none() => {
                "gatt notify in a line needs --count or --duration, because it would never end"
            }
            GattAction::Run(_) => "gatt run does not work in `run`: write its operations as gatt lines",
            _ => return Ok(()),
        };
        Err(problem.to_owned())
    }
}

const CHAR_FORMS: &str = "\
CHAR is one of:
  fff1         a UUID of 4 or 32 hex digits
  69400002     the first 5 digits or more of a long one, if no other begins like that
  fff0/fff1    SERVICE/UUID, if several services have this UUID
  fff1#2       the second characteristic with this UUID
  @0x0011      a handle
TARGET is one argument here; name several bulbs with commas. `bulbctl info TARGET` shows the GATT
table.";

const SCRIPT: &str = "\
A script has one operation per line. Lines that start with # are comments.
  read fff2
  subscribe fff2                     keep notifications for a later notify
  write fff1 0164ff0000 command      hex or \"text\"; request, command or auto (the default)
  notify fff2 count=1 for=2s         print notifications: this many [default: 1], or for this time
  unsubscribe fff2
  wait 200ms
--timeout applies to each operation.

Example:
  bulbctl gatt run Light-Desk script.txt";

#[derive(Debug, Subcommand)]
pub(crate) enum GattAction {
    /// Read a characteristic
    #[command(after_help = CHAR_FORMS)]
    Read(GattRead),
    /// Write a characteristic
    #[command(after_help = CHAR_FORMS)]
    Write(GattWrite),
    /// Print notifications and indications
    #[command(after_help = CHAR_FORMS)]
    Notify(GattNotify),
    /// Run several operations over one link
    #[command(after_help = SCRIPT)]
    Run(GattRun),
}

/// Output form of values.
#[derive(Debug, Args)]
pub(crate) struct ValueOutput {
    /// Print values as text
    #[arg(long = "text", id = "as_text")]
    pub(crate) text: bool,
    /// Decode values as frames of the bulb's family
    #[arg(long, conflicts_with = "as_text")]
    pub(crate) decode: bool,
}

#[derive(Debug, Args)]
pub(crate) struct GattRead {
    /// Bulbs: address, name, alias, pattern ('Light-*'), @group or all; several with commas
    pub(crate) target: String,
    #[command(flatten)]
    pub(crate) wait: Wait,
    /// Characteristic: fff1, fff0/fff1, fff1#2 or @0x0011
    #[arg(value_name = "CHAR")]
    pub(crate) place: CharacteristicRef,
    #[command(flatten)]
    pub(crate) output: ValueOutput,
    /// Print the raw bytes
    #[arg(long, conflicts_with_all = ["as_text", "decode", "json"])]
    pub(crate) raw: bool,
}

#[derive(Debug, Args)]
pub(crate) struct GattWrite {
    /// Bulbs: address, name, alias, pattern ('Light-*'), @group or all; several with commas
    pub(crate) target: String,
    #[command(flatten)]
    pub(crate) wait: Wait,
    /// Characteristic: fff1, fff0/fff1, fff1#2 or @0x0011
    #[arg(value_name = "CHAR")]
    pub(crate) place: CharacteristicRef,
    /// Bytes in hex, with or without colons and 0x; - reads raw bytes from stdin
    #[arg(value_name = "HEX")]
    pub(crate) value: Option<String>,
    /// Write this text
    #[arg(long, value_name = "TEXT", conflicts_with = "value", allow_hyphen_values = true)]
    pub(crate) text: Option<String>,
    /// Write the contents of this file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["value", "text"], value_hint = ValueHint::FilePath)]
    pub(crate) file: Option<PathBuf>,
    /// Write request, write command (no response), or a request if the characteristic allows it
    #[arg(long, value_parser = choices(), default_value = "auto", value_name = CHOICES, hide_possible_values = true)]
    pub(crate) op: WriteChoice,
}

const CHOICES: &str = "request|command|auto";

fn choices() -> impl TypedValueParser<Value = WriteChoice> {
    PossibleValuesParser::new(CHOICES.split('|')).try_map(|word| choice(&word))
}

#[derive(Debug, Args)]
pub(crate) struct GattNotify {
    /// Bulbs: address, name, alias, pattern ('Light-*'), @group or all; several with commas
    pub(crate) target: String,
    #[command(flatten)]
    pub(crate) wait: Wait,
    /// Characteristic: fff1, fff0/fff1, fff1#2 or @0x0011
    #[arg(value_name = "CHAR")]
    pub(crate) place: CharacteristicRef,
    /// Stop after this many; each must arrive within --timeout
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
    /// Stop after this time
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) duration: Option<Duration>,
    #[command(flatten)]
    pub(crate) output: ValueOutput,
    /// Print the raw bytes
    #[arg(long, conflicts_with_all = ["as_text", "decode", "json"])]
    pub(crate) raw: bool,
}

#[derive(Debug, Args)]
pub(crate) struct GattRun {
    /// Bulbs: address, name, alias, pattern ('Light-*'), @group or all; several with commas
    pub(crate) target: String,
    #[command(flatten)]
    pub(crate) wait: Wait,
    /// Script file; - reads stdin
    #[arg(value_name = "SCRIPT", value_hint = ValueHint::FilePath)]
    pub(crate) script: String,
    /// Continue after a failed operation
    #[arg(long)]
    pub(crate) keep_going: bool,
    #[command(flatten)]
    pub(crate) output: ValueOutput,
}
