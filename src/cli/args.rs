//! The argument types. Their doc comments are the help texts.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use bulb_protocol::{Percent, Rgb};
use clap::parser::ValueSource;
use clap::{
    ArgAction, ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum, ValueHint,
};
use clap_complete::Shell;
use uuid::Uuid;

use super::bench::Bench;
use super::gatt::Gatt;
use crate::bulb::{Change, Power};
use crate::color;
use crate::config::LONGEST;
use crate::output::ColorChoice;
use crate::radio::AdapterChoice;
use crate::radio::gatt::parse_uuid;

/// Find, control, watch and test Bluetooth LE light bulbs from a terminal.
#[derive(Debug, Parser)]
#[command(name = "bulbctl", version, max_term_width = 100, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// The argument that says when to colour.
const WHEN: &str = "color_when";

impl Cli {
    /// Reads the arguments. `record FILE VERB…` and `replay FILE VERB…` are other words for flags of the verb.
    pub(crate) fn read(arguments: &[OsString]) -> Result<Self, clap::Error> {
        let cli = Self::read_once(arguments)?;
        let (word, flag, prefix, session) = match &cli.verb {
            Verb::Record(session) => ("record", "--record", "", session),
            Verb::Replay(session) => ("replay", "--adapter", "replay:", session),
            _ => return Ok(cli),
        };
        let before = arguments.len().saturating_sub(session.verb.len());
        let place = arguments.iter().take(before).rposition(|argument| argument == word);
        let mut value = OsString::from(prefix);
        value.push(&session.file);
        let globals = arguments.iter().take(place.unwrap_or(before)).cloned();
        // What stands between the word and the verb is the file, and flags of the program.
        let between = arguments.iter().take(before).skip(place.unwrap_or(before) + 1);
        let between = between.filter(|argument| *argument != session.file.as_os_str()).cloned();
        let flags = [OsString::from(flag), value];
        let words: Vec<OsString> =
            globals.chain(between).chain(flags).chain(session.verb.iter().cloned()).collect();
        let cli = Self::read_once(&words)?;
        if matches!(cli.verb, Verb::Record(_) | Verb::Replay(_)) {
            let text = format!("{word} runs a verb, and not another record or replay");
            return Err(Self::command().error(clap::error::ErrorKind::InvalidSubcommand, text));
        }
        Ok(cli)
    }

    fn read_once(arguments: &[OsString]) -> Result<Self, clap::Error> {
        let mut matches = Self::commands().try_get_matches_from(arguments)?;
        let after_verb = when_after_verb(&matches);
        let mut cli = Self::from_arg_matches_mut(&mut matches)?;
        cli.global.color = after_verb.or(cli.global.color);
        Ok(cli)
    }

    /// The program's commands. Verbs that set a colour have a `--color` of their own, which a global flag of that name would
    /// clash with: so the flag that says when to colour is given to the program and to every other verb.
    pub(crate) fn commands() -> clap::Command {
        fn give(verb: clap::Command, when: &clap::Arg) -> clap::Command {
            let verb = verb.mut_subcommands(|verb| give(verb, when));
            let own =
                verb.has_subcommands() || verb.get_arguments().any(|arg| arg.get_long() == Some("color"));
            if own { verb } else { verb.arg(when.clone()) }
        }
        let command = Self::command();
        let when = command.get_arguments().find(|arg| arg.get_id() == WHEN).cloned();
        match when {
            Some(when) => command.mut_subcommands(|verb| give(verb, &when)),
            None => command,
        }
    }
}

/// The innermost `--color auto|always|never` that stands behind a verb.
fn when_after_verb(matches: &ArgMatches) -> Option<When> {
    let (_, verb) = matches.subcommand()?;
    let here = || {
        let typed = verb.try_contains_id(WHEN).unwrap_or(false)
            && verb.value_source(WHEN) == Some(ValueSource::CommandLine);
        typed.then(|| verb.get_one(WHEN).copied()).flatten()
    };
    when_after_verb(verb).or_else(here)
}

const EXAMPLES: &str = "\
Examples:
  bulbctl --adapter sim scan                 try it with virtual bulbs, no Bluetooth needed
  bulbctl scan --first --json                the first bulb in reach, as JSON
  bulbctl on Light-Desk                      switch one on
  bulbctl set 'Light-*' --brightness 30 --color orange
  bulbctl watch all --json | jq .            every state change of every bulb

TARGET is an address, a platform id, an alias, an advertised name, a pattern ('Light-*'), @group,
all, or a comma list of these.

Exit codes:
  0 done                 5 permission denied                 9 malformed data from the bulb
  1 unexpected failure   6 connect failed or timed out      10 some of several bulbs failed
  2 usage                7 not a bulb we can drive          11 link lost during the operation
  3 no bulb matched, or an exact name matched several      130 interrupted
  4 Bluetooth unusable   8 the bulb refused                 12 check found failures";

/// Flags that work before and after the verb.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Which radio: hci1, an adapter's address, sim, sim:families, sim:RIG.toml or replay:FILE
    /// [default: the first powered adapter]
    #[arg(long, global = true, env = "BULBCTL_ADAPTER", hide_env_values = true, value_name = "ADAPTER")]
    pub(crate) adapter: Option<AdapterChoice>,
    /// The bulb family, instead of recognising it: NAME, NAME:VARIANT or FILE.toml
    #[arg(long, global = true, env = "BULBCTL_PROFILE", hide_env_values = true, value_name = "PROFILE")]
    pub(crate) profile: Option<String>,
    /// How long an operation may take, as in 500ms or 1m [default: 10s]
    #[arg(long, global = true, env = "BULBCTL_TIMEOUT", hide_env_values = true, value_name = "TIME", value_parser = duration)]
    pub(crate) timeout: Option<Duration>,
    /// How many links to hold at once [default: 5, which most adapters manage]
    #[arg(long, global = true, env = "BULBCTL_MAX_LINKS", hide_env_values = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) max_links: Option<u16>,
    /// Report as JSON lines on stdout, errors included
    #[arg(long, global = true, env = "BULBCTL_JSON", hide_env_values = true)]
    pub(crate) json: bool,
    /// When to colour the output (before the verbs that have a --color of their own)
    #[arg(id = WHEN, long = "color", env = "BULBCTL_COLOR", hide_env_values = true, value_enum, hide_possible_values = true, value_name = "auto|always|never")]
    pub(crate) color: Option<When>,
    /// Read this configuration instead of the user's own
    #[arg(long, global = true, env = "BULBCTL_CONFIG", hide_env_values = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) config: Option<PathBuf>,
    /// Record everything that passes the radio to a file, for --adapter replay:FILE
    #[arg(long, global = true, env = "BULBCTL_RECORD", hide_env_values = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) record: Option<PathBuf>,
    /// Say more on stderr: -v what is done, -vv every frame, -vvv the libraries too
    #[arg(short, long, global = true, env = "BULBCTL_VERBOSE", hide_env_values = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Say nothing on stderr but errors
    #[arg(
        short,
        long,
        global = true,
        env = "BULBCTL_QUIET",
        hide_env_values = true,
        conflicts_with = "verbose"
    )]
    pub(crate) quiet: bool,
}

/// When to colour.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(crate) enum When {
    /// On a terminal, unless NO_COLOR is set
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

impl From<When> for ColorChoice {
    fn from(when: When) -> Self {
        match when {
            When::Auto => Self::Auto,
            When::Always => Self::Always,
            When::Never => Self::Never,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Find bulbs
    Scan(Scan),
    /// Switch on
    On(Bulbs),
    /// Switch off
    Off(Bulbs),
    /// Switch over
    Toggle(Bulbs),
    /// Change power, brightness, colour, white or effect, and keep the rest
    Set(Set),
    /// Read the state once
    Status(Bulbs),
    /// Report every change of state
    Watch(Watch),
    /// Read the battery level
    Battery(Bulbs),
    /// Connect and leave the link up, so that later commands are quick
    Connect(Bulbs),
    /// Drop the link that connect left up
    Disconnect(Bulbs),
    /// Show all that can be told of a bulb: advertisement, GATT table, device information
    Info(Info),
    /// Read, write and listen to single characteristics, as they are
    Gatt(Gatt),
    /// Measure a bulb: connect time, latency, and how many writes it takes; or compare two measurements
    Bench(Bench),
    /// Hold a bulb against its family: does it do all that it has to?
    Check(Check),
    /// Look at the machine's Bluetooth: what there is, what is wrong, and how to mend it
    Doctor,
    /// Open the control desk: see, drive and watch bulbs on the whole terminal
    Tui,
    /// Encode or decode frames, without any radio
    Frame(Frame),
    /// List the bulb families, or show what one can do
    Profiles(Profiles),
    /// Run a verb, and record everything that passes the radio: as --record FILE
    Record(Session),
    /// Run a verb on a recording: as --adapter replay:FILE
    Replay(Session),
    /// Print a recording with other addresses and names in it
    Redact(Redact),
    /// Print a completion script for a shell
    Completions(Completions),
    /// Print the manual page, of the program or of a verb
    Man(Man),
}

#[derive(Debug, Args)]
pub(crate) struct Bulbs {
    /// Which bulbs
    pub(crate) target: String,
}

#[derive(Debug, Args)]
pub(crate) struct Scan {
    /// How long to scan [default: 5s; with --watch: until interrupted]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) duration: Option<Duration>,
    /// Only devices whose name matches; may be given several times
    #[arg(long, value_name = "GLOB")]
    pub(crate) name: Vec<String>,
    /// Only devices that advertise this service (fff0, or a whole UUID); may be given several times
    #[arg(long, value_name = "UUID", value_parser = uuid)]
    pub(crate) service: Vec<Uuid>,
    /// Only devices whose address begins so
    #[arg(long, value_name = "PREFIX")]
    pub(crate) address: Option<String>,
    /// Only devices heard at least this loud, in dBm
    #[arg(long, value_name = "DBM", allow_negative_numbers = true, value_parser = clap::value_parser!(i16).range(-127..=20))]
    pub(crate) min_rssi: Option<i16>,
    /// Every device, not only bulbs
    #[arg(long)]
    pub(crate) any: bool,
    /// Stop at the first match
    #[arg(long)]
    pub(crate) first: bool,
    /// Go on until interrupted, and report changes and losses too
    #[arg(long, conflicts_with = "first")]
    pub(crate) watch: bool,
    /// Report devices too that the system only remembers
    #[arg(long)]
    pub(crate) known: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Set {
    /// Which bulbs
    pub(crate) target: String,
    #[command(flatten)]
    pub(crate) light: Light,
    /// Go there in steps over so long, from the state that the bulb reports
    #[arg(long, value_name = "TIME", value_parser = duration, conflicts_with_all = ["effect", "speed"])]
    pub(crate) fade: Option<Duration>,
}

/// What can be set of a light.
#[derive(Debug, Args)]
#[group(id = "light", multiple = true)]
pub(crate) struct Light {
    /// Switch on
    #[arg(long)]
    on: bool,
    /// Switch off
    #[arg(long, conflicts_with = "on")]
    off: bool,
    /// Brightness in percent
    #[arg(long, value_name = "0-100", value_parser = percent, allow_negative_numbers = true)]
    brightness: Option<Percent>,
    /// Colour: orange, ff8800, '#ff8800', 'hsl(30,100%,50%)' or 255,136,0
    #[arg(long, alias = "colour", value_name = "COLOR", value_parser = color::parse, num_args = 0..=1, default_missing_value = "")]
    color: Option<Rgb>,
    /// Level of the white channel in percent
    #[arg(long, value_name = "0-100", value_parser = percent, allow_negative_numbers = true, conflicts_with = "color")]
    white: Option<Percent>,
    /// Temperature of white in kelvin
    #[arg(long, value_name = "K", conflicts_with_all = ["color", "white"])]
    kelvin: Option<u16>,
    /// Effect, by its name or number: `bulbctl profiles show` lists them
    #[arg(long, value_name = "NAME", conflicts_with_all = ["white", "kelvin"])]
    effect: Option<String>,
    /// Speed of the effect in percent, higher is faster
    #[arg(long, value_name = "0-100", value_parser = percent, allow_negative_numbers = true)]
    speed: Option<Percent>,
}

impl Light {
    /// The change that is asked for.
    pub(crate) fn change(&self) -> Change {
        let power = match (self.on, self.off) {
            (true, _) => Some(Power::On),
            (_, true) => Some(Power::Off),
            _ => None,
        };
        Change {
            power,
            brightness: self.brightness,
            color: self.color,
            white: self.white,
            kelvin: self.kelvin,
            effect: self.effect.clone(),
            speed: self.speed,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Watch {
    /// Which bulbs
    pub(crate) target: String,
    /// End after so many states
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
    /// End after so long
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) duration: Option<Duration>,
}

#[derive(Debug, Args)]
pub(crate) struct Info {
    /// Which bulbs
    pub(crate) target: String,
    /// How long to listen to the advertisements
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "1s")]
    pub(crate) listen: Duration,
}

#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Which bulbs
    #[arg(required_unless_present = "list")]
    pub(crate) target: Option<String>,
    /// Only the checks of these names; patterns ('brightness-*'), several with commas
    #[arg(long, value_name = "GLOB", value_delimiter = ',')]
    pub(crate) only: Vec<String>,
    /// List the checks, and run none
    #[arg(long)]
    pub(crate) list: bool,
    /// Run those that flash, too
    #[arg(long)]
    pub(crate) flashing: bool,
    /// Run those that leave the bulb alone for a while, and for how long [default: 5m]
    #[arg(long, value_name = "TIME", value_parser = duration, num_args = 0..=1, default_missing_value = "5m", require_equals = true)]
    pub(crate) long: Option<Duration>,
    /// Write the results into this file as JUnit XML, for build servers
    #[arg(long, value_name = "FILE.xml", value_hint = ValueHint::FilePath)]
    pub(crate) report: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Frame {
    #[command(subcommand)]
    pub(crate) action: FrameAction,
}

#[derive(Debug, Subcommand)]
pub(crate) enum FrameAction {
    /// Print the frames of a command [what is not named with the base profile: on, 100 %, white]
    Encode(Encode),
    /// Print the meaning of frames
    Decode(Decode),
}

#[derive(Debug, Args)]
pub(crate) struct Encode {
    #[command(flatten)]
    pub(crate) light: Light,
    /// The number of the frame, for families that count them
    #[arg(long, value_name = "0-255", default_value_t = 0)]
    pub(crate) sequence: u8,
}

#[derive(Debug, Args)]
pub(crate) struct Profiles {
    #[command(subcommand)]
    pub(crate) action: ProfilesAction,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ProfilesAction {
    /// List the families
    List,
    /// Show what a family can do, its variants and its effects
    Show(Show),
    /// Say which family a bulb is of, and what speaks for each; writes nothing to it
    Detect(Bulbs),
}

#[derive(Debug, Args)]
pub(crate) struct Show {
    /// The family: NAME, NAME:VARIANT or FILE.toml
    pub(crate) name: String,
}

#[derive(Debug, Args)]
pub(crate) struct Decode {
    /// Frames in hex, with or without spaces, colons and 0x; - reads lines from stdin
    #[arg(required_unless_present = "capture", value_name = "HEX")]
    pub(crate) frames: Vec<String>,
    /// Decode a btsnoop log instead, as `btmon -w` and Android write it; - is stdin
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with_all = ["frames", "lenient", "role"])]
    pub(crate) capture: Option<PathBuf>,
    /// Of a capture only this device, by its address or name
    #[arg(long, value_name = "DEVICE", requires = "capture")]
    pub(crate) device: Option<String>,
    /// Read values out of range as a half-working board may mean them (base profile only)
    #[arg(long)]
    pub(crate) lenient: bool,
    /// The characteristic's role, where the family has several: `bulbctl profiles show` lists them
    #[arg(long, value_name = "NAME")]
    pub(crate) role: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Session {
    /// The recording
    #[arg(value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
    /// The verb and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "VERB")]
    pub(crate) verb: Vec<OsString>,
}

#[derive(Debug, Args)]
pub(crate) struct Redact {
    /// The recording
    #[arg(value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell
    pub(crate) shell: Shell,
}

#[derive(Debug, Args)]
pub(crate) struct Man {
    /// The verb [default: the program's own page]
    pub(crate) verb: Option<String>,
}

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(duration) if duration.is_zero() => Err("a time longer than nothing is needed".to_owned()),
        Ok(duration) if duration > LONGEST => Err("a time of at most a year is needed".to_owned()),
        Ok(duration) => Ok(duration),
        Err(_) => Err("a time is a number with its unit, as in 500ms, 5s or 2m".to_owned()),
    }
}

pub(super) fn percent(text: &str) -> Result<Percent, String> {
    let number = text.strip_suffix('%').unwrap_or(text).trim();
    number
        .parse()
        .ok()
        .and_then(|number| Percent::new(number).ok())
        .ok_or_else(|| "a whole number of percent from 0 to 100 is needed".to_owned())
}

fn uuid(text: &str) -> Result<Uuid, String> {
    parse_uuid(text).ok_or_else(|| "a UUID is 4 hex digits (fff0) or a whole one of 32".to_owned())
}
