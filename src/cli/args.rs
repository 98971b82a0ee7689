//! The argument types. Their doc comments are the help texts.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use bulb_protocol::Percent;
use clap::{ArgMatches, Args, Command, FromArgMatches, Parser, Subcommand, ValueHint};
use clap_complete::Shell;
use uuid::Uuid;

use super::bench::Bench;
use super::bridge::Bridge;
use super::emulate::Emulate;
use super::gatt::Gatt;
use super::global::Global;
use super::light::Light;
use super::run::Run;
use super::snapshot::Restore;
use crate::config::LONGEST;
use crate::radio::Address;
use crate::radio::gatt::parse_uuid;

/// Find, control, watch and test Bluetooth LE light bulbs from a terminal.
#[derive(Debug, Parser)]
#[command(name = "bulbctl", version, max_term_width = 100, after_help = EXAMPLES)]
#[command(subcommand_value_name = "VERB", subcommand_help_heading = "Verbs")]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct Root {
    #[command(flatten)]
    pub(crate) global: Global,
}

/// A verb, or a verb that is recorded or replayed.
#[derive(Debug)]
pub(crate) enum VerbOrRecording {
    Verb(Verb),
    Recording(Recordings),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Recordings {
    /// Run a verb and record all radio traffic to FILE, like --record FILE
    #[command(after_help = RECORD_EXAMPLES)]
    Record(Recording),
    /// Run a verb on a recording instead of a radio, like --adapter replay:FILE
    #[command(after_help = REPLAY_EXAMPLES)]
    Replay(Recording),
}

impl VerbOrRecording {
    /// Adds the verbs that `wanted` returns true for.
    pub(crate) fn augment(command: Command, wanted: &dyn Fn(&str) -> bool) -> Command {
        let command = Verb::augment(command, wanted);
        if wanted("record") || wanted("replay") { Recordings::augment_subcommands(command) } else { command }
    }

    pub(crate) fn from_matches(matches: &mut ArgMatches) -> Result<Self, clap::Error> {
        if matches.subcommand_name().is_some_and(Recordings::has_subcommand) {
            Recordings::from_arg_matches_mut(matches).map(Self::Recording)
        } else {
            Verb::from_arg_matches_mut(matches).map(Self::Verb)
        }
    }
}

const EXAMPLES: &str = "\
Examples:
  bulbctl --adapter sim scan                 try bulbctl on virtual bulbs, without Bluetooth
  bulbctl scan --first --json                find one bulb and print it as JSON
  bulbctl on Light-Desk                      switch a bulb on
  bulbctl set 'Light-*' --brightness 30 --color orange
  bulbctl watch all --json | jq .            print every state change of all bulbs

TARGET is an address, a platform id, an alias, an advertised name, a pattern ('Light-*'), @group,
all, or a comma-separated list of these. Most verbs take several.";

const SCAN_EXAMPLES: &str = "\
Without a filter, scan lists devices that bulbctl can drive and devices with Light or Bulb in their
name.

Examples:
  bulbctl scan --name 'Light-*' --min-rssi -70
  bulbctl scan --any --duration 10s          every device nearby
  bulbctl scan --watch --json                run until Ctrl-C, print changes and losses too";

const SET_EXAMPLES: &str = "\
Settings you don't mention stay as they are. `bulbctl profiles show NAME` lists what a family can do.

Examples:
  bulbctl set Light-Desk --brightness 30 --color orange
  bulbctl set @office --on --kelvin 2700
  bulbctl set Light-Desk --brightness -10    10 % darker than it reports
  bulbctl set Light-Desk --brightness 100 --fade 5s";

const WATCH_EXAMPLES: &str = "\
Lost links reconnect. Without --count or --duration, watch runs until Ctrl-C.

Examples:
  bulbctl watch Light-Desk
  bulbctl watch all --json --duration 1m";

const SNAPSHOT_EXAMPLES: &str = "\
A file of snapshots has one JSON object per line, which you can edit. Bulbs that never report their
state are in it as unknown, and restore leaves them as they are.

Examples:
  bulbctl snapshot all > evening.jsonl
  bulbctl restore evening.jsonl";

const CHECK_EXAMPLES: &str = "\
A check that finds failures exits with 12. The bulb gets its original state back at the end.

Examples:
  bulbctl check Light-Desk
  bulbctl check Light-Desk --only 'command-*,brightness-*' --junit results.xml
  bulbctl check --list";

const ENCODE_EXAMPLES: &str = "\
Examples:
  bulbctl frame encode --color red
  bulbctl frame encode --profile elk --brightness 50";

const DECODE_EXAMPLES: &str = "\
Examples:
  bulbctl frame decode 0164ff0000
  bulbctl frame decode --profile zengge 661523412000ff0000000699
  bulbctl frame decode --capture btsnoop_hci.log --device Light-Desk";

const RECORD_EXAMPLES: &str = "\
Example:
  bulbctl record session.jsonl set Light-Desk --brightness 30";

const REPLAY_EXAMPLES: &str = "\
Run the same verb as in the recording.

Example:
  bulbctl replay session.jsonl set Light-Desk --brightness 30";

/// Defines the verbs, and a way to build the arguments of some of them: building all takes longer than a short command.
macro_rules! verbs {
    ($($(#[$about:meta])* $verb:ident $(($arguments:ty))?,)*) => {
        #[derive(Debug, Subcommand)]
        pub(crate) enum Verb { $($(#[$about])* $verb $(($arguments))?,)* }

        impl Verb {
            fn augment(mut command: Command, wanted: &dyn Fn(&str) -> bool) -> Command {
                $({
                    // It only describes the arguments, and no value of it is read.
                    #[allow(dead_code)]
                    #[derive(Subcommand)]
                    enum One { $(#[$about])* $verb $(($arguments))?, }
                    if wanted(&stringify!($verb).to_ascii_lowercase()) {
                        command = One::augment_subcommands(command);
                    }
                })*
                command
            }
        }
    };
}

verbs! {
    /// Find bulbs
    #[command(after_help = SCAN_EXAMPLES)]
    Scan(Scan),
    /// Switch bulbs on
    On(Switch),
    /// Switch bulbs off
    Off(Switch),
    /// Switch bulbs on if they are off, and off if they are on
    Toggle(Switch),
    /// Change power, brightness, colour, white or effect
    #[command(after_help = SET_EXAMPLES)]
    Set(Set),
    /// Read the state once
    Status(Bulbs),
    /// Print every state change
    #[command(after_help = WATCH_EXAMPLES)]
    Watch(Watch),
    /// Read the battery level
    Battery(Bulbs),
    /// Connect and keep the link, so that later commands start faster
    Connect(Bulbs),
    /// Drop the link that connect kept
    Disconnect(Targets),
    /// Show the advertisement, GATT table and device information
    Info(Info),
    /// Read, write and watch single characteristics
    Gatt(Gatt),
    /// Print the states of bulbs as JSON lines, for restore
    #[command(after_help = SNAPSHOT_EXAMPLES)]
    Snapshot(Bulbs),
    /// Set bulbs to the states that snapshot printed
    #[command(after_help = SNAPSHOT_EXAMPLES)]
    Restore(Restore),
    /// Run verbs from a file or a pipe, line by line over held links
    Run(Run),
    /// Connect bulbs to an MQTT broker, and so to Home Assistant
    Bridge(Bridge),
    /// Measure connect time, latency and write rate, or compare two measurements
    Bench(Bench),
    /// Test whether a bulb conforms to its family
    #[command(after_help = CHECK_EXAMPLES)]
    Check(Check),
    /// Be a bulb: advertise, serve its GATT table and behave as it does
    Emulate(Emulate),
    /// Diagnose this machine's Bluetooth and suggest fixes
    Doctor,
    /// Open the desk: find, control and watch bulbs in a full-screen view
    Tui,
    /// Encode or decode frames, without a radio
    Frame(Frame),
    /// List the bulb families, show one, or detect which one a bulb belongs to
    Profiles(Profiles),
    /// Print a recording with addresses and names replaced
    Redact(Redact),
    /// Print a completion script for your shell
    Completions(Completions),
    /// Print a page of the manual, or write all pages to a folder
    Man(Man),
}

impl Verb {
    /// Returns true if the verb takes the whole terminal.
    pub(crate) fn has_tui(&self) -> bool {
        match self {
            Self::Tui => true,
            Self::Emulate(emulate) => emulate.tui,
            _ => false,
        }
    }

    /// Returns true if the verb only prints, so that it ends when nobody reads its output.
    pub(crate) fn ends_with_reader(&self) -> bool {
        match self {
            Self::Scan(_) | Self::Status(_) | Self::Watch(_) | Self::Battery(_) => true,
            Self::Snapshot(_) => true,
            Self::Info(_) | Self::Doctor | Self::Profiles(_) => true,
            Self::Emulate(emulate) => !emulate.tui,
            Self::Check(check) => check.junit.is_none(),
            Self::Gatt(gatt) => gatt.ends_with_reader(),
            _ => false,
        }
    }
}

/// The bulbs that a verb works on.
#[derive(Clone, Debug, Args)]
pub(crate) struct Bulbs {
    #[command(flatten)]
    targets: Targets,
    #[command(flatten)]
    pub(crate) wait: Wait,
}

impl Bulbs {
    pub(crate) fn text(&self) -> String {
        self.targets.text()
    }
}

#[derive(Clone, Debug, Args)]
pub(crate) struct Targets {
    /// Bulbs: address, name, alias, pattern ('Light-*'), @group or all
    #[arg(required = true, value_name = "TARGET")]
    targets: Vec<String>,
}

impl Targets {
    /// All targets as one, which is how records name them.
    pub(crate) fn text(&self) -> String {
        self.targets.join(",")
    }
}

#[derive(Clone, Copy, Debug, Default, Args)]
pub(crate) struct Wait {
    /// Wait until the bulbs are in reach, for this time or without end; write it after TARGET
    #[arg(long = "wait", value_name = "TIME", num_args = 0..=1, default_missing_value = "365d", value_parser = wait)]
    pub(crate) time: Option<Duration>,
}

#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Confirm {
    /// Fail with exit code 13 if the bulb does not report what was commanded
    #[arg(long = "confirm")]
    pub(crate) required: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Switch {
    #[command(flatten)]
    pub(crate) bulbs: Bulbs,
    #[command(flatten)]
    pub(crate) confirm: Confirm,
}

#[derive(Debug, Args)]
pub(crate) struct Scan {
    /// Time to scan [default: 5s; with --watch: until interrupted]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) duration: Option<Duration>,
    /// Only devices whose name matches this pattern; repeat for several
    #[arg(long, value_name = "GLOB")]
    pub(crate) name: Vec<String>,
    /// Only devices that advertise this service UUID (fff0); repeat for several
    #[arg(long, value_name = "UUID", value_parser = uuid)]
    pub(crate) service: Vec<Uuid>,
    /// Only devices whose address starts with this
    #[arg(long, value_name = "PREFIX")]
    pub(crate) address: Option<String>,
    /// Only devices with at least this RSSI, in dBm
    #[arg(long, value_name = "DBM", allow_negative_numbers = true, value_parser = clap::value_parser!(i16).range(-127..=20))]
    pub(crate) min_rssi: Option<i16>,
    /// All devices, not only bulbs
    #[arg(long)]
    pub(crate) any: bool,
    /// Stop at the first match
    #[arg(long)]
    pub(crate) first: bool,
    /// Keep scanning until interrupted, and print changes and losses too
    #[arg(long, conflicts_with = "first")]
    pub(crate) watch: bool,
    /// Include devices that the system remembers but does not hear now
    #[arg(long)]
    pub(crate) known: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Set {
    #[command(flatten)]
    pub(crate) bulbs: Bulbs,
    #[command(flatten)]
    pub(crate) light: Light,
    /// Fade over this time, starting from the reported state
    #[arg(long, value_name = "TIME", value_parser = duration, conflicts_with_all = ["effect", "speed"])]
    pub(crate) fade: Option<Duration>,
    #[command(flatten)]
    pub(crate) confirm: Confirm,
}

#[derive(Debug, Args)]
pub(crate) struct Watch {
    #[command(flatten)]
    pub(crate) bulbs: Bulbs,
    /// Stop after this many states
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
    /// Stop after this time
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) duration: Option<Duration>,
}

#[derive(Debug, Args)]
pub(crate) struct Info {
    #[command(flatten)]
    pub(crate) bulbs: Bulbs,
    /// Time to listen for advertisements [default: 1s, for a slow advertiser up to 6s]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) listen: Option<Duration>,
}

#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Bulbs: address, name, alias, pattern ('Light-*'), @group or all
    #[arg(required_unless_present = "list", value_name = "TARGET")]
    pub(crate) targets: Vec<String>,
    #[command(flatten)]
    pub(crate) wait: Wait,
    /// Only these checks: names or patterns ('brightness-*'), several with commas
    #[arg(long, value_name = "GLOB", value_delimiter = ',')]
    pub(crate) only: Vec<String>,
    /// List the checks without running them
    #[arg(long)]
    pub(crate) list: bool,
    /// Also run checks that make the bulb flash
    #[arg(long)]
    pub(crate) flashing: bool,
    /// Also run checks that leave the bulb idle, and for how long [default: 5m]
    #[arg(long, value_name = "TIME", value_parser = duration, num_args = 0..=1, default_missing_value = "5m", require_equals = true)]
    pub(crate) long: Option<Duration>,
    /// Write the results to this file as JUnit XML, for build servers
    #[arg(long, alias = "report", value_name = "FILE.xml", value_hint = ValueHint::FilePath)]
    pub(crate) junit: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Frame {
    #[command(subcommand)]
    pub(crate) action: FrameAction,
}

#[derive(Debug, Subcommand)]
pub(crate) enum FrameAction {
    /// Print the frames of a command [defaults of the base profile: on, 100 %, white]
    #[command(after_help = ENCODE_EXAMPLES)]
    Encode(Encode),
    /// Print what frames mean
    #[command(after_help = DECODE_EXAMPLES)]
    Decode(Decode),
}

#[derive(Debug, Args)]
pub(crate) struct Encode {
    #[command(flatten)]
    pub(crate) light: Light,
    /// Sequence number of the frame, for families that number their frames
    #[arg(long, value_name = "0-255", default_value_t = 0)]
    pub(crate) sequence: u8,
    /// Address of the bulb, for families whose frames carry it
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) address: Option<Address>,
}

#[derive(Debug, Args)]
pub(crate) struct Profiles {
    #[command(subcommand)]
    pub(crate) action: ProfilesAction,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ProfilesAction {
    /// List all families
    List,
    /// Show a family: what it can do, its variants and its effects
    Show(Show),
    /// Detect the family of a bulb and show the evidence; writes nothing to the bulb
    Detect(Bulbs),
    /// Print a draft of a profile for a device, with what is not known marked
    New(NewProfile),
    /// Find the mistakes in profile files
    Check(ProfileFiles),
}

#[derive(Debug, Args)]
pub(crate) struct NewProfile {
    /// Device: an address, a name or an alias
    pub(crate) target: String,
    #[command(flatten)]
    pub(crate) wait: Wait,
}

#[derive(Debug, Args)]
pub(crate) struct ProfileFiles {
    /// Profile files
    #[arg(required = true, value_name = "FILE.toml", value_hint = ValueHint::FilePath)]
    pub(crate) files: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Show {
    /// Family: NAME, NAME:VARIANT or FILE.toml
    pub(crate) name: String,
}

#[derive(Debug, Args)]
pub(crate) struct Decode {
    /// Frames in hex: 0164ff0000, 01:64:ff, '0x01, 0x64', '(0x) 01-64'; - reads one per line from stdin
    #[arg(required_unless_present = "capture", value_name = "HEX")]
    pub(crate) frames: Vec<String>,
    /// Decode a btsnoop log instead, as written by `btmon -w` and Android; - reads stdin
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with_all = ["frames", "lenient", "role"])]
    pub(crate) capture: Option<PathBuf>,
    /// Only this device of the capture, by address or name
    #[arg(long, value_name = "DEVICE", requires = "capture")]
    pub(crate) device: Option<String>,
    /// Accept values that are out of range (base profile only)
    #[arg(long)]
    pub(crate) lenient: bool,
    /// Role of the characteristic, if the family has several; `bulbctl profiles show NAME` lists them
    #[arg(long, value_name = "NAME")]
    pub(crate) role: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Recording {
    /// Recording
    #[arg(value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
    /// Verb, with its arguments
    // These are parsed on their own: all verbs below `record` and `replay` again would triple the time to start.
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "VERB")]
    pub(crate) verb: Vec<OsString>,
}

#[derive(Debug, Args)]
pub(crate) struct Redact {
    /// Recording
    #[arg(value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// Shell to complete for
    pub(crate) shell: Shell,
}

#[derive(Debug, Args)]
pub(crate) struct Man {
    /// Verb, such as gatt read [default: the page of bulbctl itself]
    #[arg(value_name = "VERB")]
    pub(crate) verb: Vec<String>,
    /// Write all pages to this folder
    #[arg(long, value_name = "DIR", conflicts_with = "verb", value_hint = ValueHint::DirPath)]
    pub(crate) all: Option<PathBuf>,
}

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(duration) if duration.is_zero() => Err("the time must be longer than zero".to_owned()),
        Ok(duration) if duration > LONGEST => Err("the time must not exceed a year".to_owned()),
        Ok(duration) => Ok(duration),
        Err(_) => Err("a time needs a number and a unit, such as 500ms, 5s or 2m".to_owned()),
    }
}

fn wait(text: &str) -> Result<Duration, String> {
    duration(text).map_err(|error| format!("{error}; write --wait after TARGET, or --wait=TIME"))
}

pub(super) fn percent(text: &str) -> Result<Percent, String> {
    let number = text.strip_suffix('%').unwrap_or(text).trim();
    number
        .parse()
        .ok()
        .and_then(|number| Percent::new(number).ok())
        .ok_or_else(|| "must be a whole number from 0 to 100".to_owned())
}

fn uuid(text: &str) -> Result<Uuid, String> {
    parse_uuid(text).ok_or_else(|| "must be a UUID of 4 or 32 hex digits, such as fff0".to_owned())
}
