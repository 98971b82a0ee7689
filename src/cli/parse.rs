//! From the words of the command line to a verb and its settings.

use std::ffi::{OsStr, OsString};

use clap::builder::EnumValueParser;
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command, CommandFactory, FromArgMatches, ValueEnum};

use super::args::{Arguments, Global, Recording, Verb, VerbOrRecording, When};
use super::{environment, help};
use crate::radio::AdapterChoice;

/// The id and the variable of `--color auto|always|never`, the old name of `--color-output`.
const OLD_COLOR: &str = "old_color";
const OLD_COLOR_ENV: &str = "BULBCTL_COLOR";
/// The names of the verbs that run another one.
pub(super) const RECORD: &str = "record";
pub(super) const REPLAY: &str = "replay";

#[derive(Debug)]
pub(crate) struct Cli {
    pub(crate) global: Global,
    pub(crate) verb: Verb,
}

/// The command line, before the verb of a recording is parsed.
struct Parsed {
    global: Global,
    verb: VerbOrRecording,
    adapter_typed: bool,
    record_typed: bool,
}

impl Parsed {
    fn parse(arguments: &[OsString]) -> Result<Self, clap::Error> {
        let mut matches = match environment::matches(command, arguments) {
            // The help texts are arranged only to be printed, because that takes as long as all the rest.
            Err(error) if shows_help(&error) => environment::matches(for_people, arguments)?,
            result => result?,
        };
        let color_output = color_output(&matches);
        let typed = |id| matches.value_source(id) == Some(ValueSource::CommandLine);
        let (adapter_typed, record_typed) = (typed("adapter"), typed("record"));
        let Arguments { mut global, verb } = Arguments::from_arg_matches_mut(&mut matches)?;
        global.color_output = color_output;
        Ok(Self { global, verb, adapter_typed, record_typed })
    }
}

fn shows_help(error: &clap::Error) -> bool {
    use ErrorKind::{DisplayHelp, DisplayHelpOnMissingArgumentOrSubcommand};
    matches!(error.kind(), DisplayHelp | DisplayHelpOnMissingArgumentOrSubcommand)
}

impl Cli {
    pub(crate) fn parse(arguments: &[OsString]) -> Result<Self, clap::Error> {
        let Parsed { global, verb, .. } = Parsed::parse(arguments)?;
        match verb {
            VerbOrRecording::Verb(verb) => Ok(Self { global, verb }),
            VerbOrRecording::Record(recording) => {
                let mut cli = Self::of_recording(arguments, RECORD, &recording, |parsed| {
                    parsed.record_typed.then_some("use either `record FILE` or --record FILE, not both")
                })?;
                cli.global.record = Some(recording.file);
                Ok(cli)
            }
            VerbOrRecording::Replay(recording) => {
                let mut cli = Self::of_recording(arguments, REPLAY, &recording, |parsed| {
                    let text = "`replay FILE` plays a recording; it cannot be combined with --adapter";
                    parsed.adapter_typed.then_some(text)
                })?;
                cli.global.adapter = Some(AdapterChoice::Replay(recording.file));
                Ok(cli)
            }
        }
    }

    /// Parses the verb of a recording, with the options before it.
    fn of_recording(
        arguments: &[OsString],
        name: &str,
        recording: &Recording,
        conflict: impl FnOnce(&Parsed) -> Option<&'static str>,
    ) -> Result<Self, clap::Error> {
        let parsed = Parsed::parse(&without_recording(arguments, name, recording))?;
        let nested = "record and replay take one verb, which is neither of them";
        match (conflict(&parsed), parsed.verb) {
            (None, VerbOrRecording::Verb(verb)) => Ok(Self { global: parsed.global, verb }),
            (text, _) => Err(Arguments::command().error(ErrorKind::ArgumentConflict, text.unwrap_or(nested))),
        }
    }
}

/// The arguments without `record FILE` or `replay FILE`.
fn without_recording(arguments: &[OsString], name: &str, recording: &Recording) -> Vec<OsString> {
    let verb = arguments.len().saturating_sub(recording.verb.len());
    let (before, verb) = arguments.split_at(verb);
    let position = |word: &OsStr| before.iter().rposition(|argument| argument == word);
    let dropped =
        [position(OsStr::new(name)), position(recording.file.as_os_str()), position(OsStr::new("--"))];
    let kept = before.iter().enumerate().filter(|(index, _)| !dropped.contains(&Some(*index)));
    kept.map(|(_, argument)| argument).chain(verb).cloned().collect()
}

/// Returns the text of a usage error in one line, without the usage and the tips below it.
pub(crate) fn error_text(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let text = text.split("\n\n").next().unwrap_or_default().trim_start_matches("error: ");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The whole command line as clap sees it: the argument types, and a hidden `--color auto|always|never` for every verb that has no
/// `--color` for bulbs.
pub(crate) fn command() -> Command {
    let old_color = Arg::new(OLD_COLOR)
        .long("color")
        .value_parser(EnumValueParser::<When>::new())
        .ignore_case(true)
        .hide(true);
    let command = each_command(Arguments::command(), &|verb| {
        let taken = verb.get_arguments().any(|argument| argument.get_long() == Some("color"));
        if taken { verb } else { verb.arg(old_color.clone()) }
    });
    command.mut_arg(OLD_COLOR, |argument| argument.env(OLD_COLOR_ENV))
}

/// The same with the help texts arranged for people.
pub(crate) fn for_people() -> Command {
    help::arranged(command())
}

/// The command below this one that these names lead to.
pub(crate) fn subcommand<'a>(command: &'a Command, path: &[&str]) -> Option<&'a Command> {
    path.iter().try_fold(command, |command, name| command.find_subcommand(name))
}

pub(crate) fn each_command(command: Command, change: &dyn Fn(Command) -> Command) -> Command {
    change(command.mut_subcommands(|verb| each_command(verb, change)))
}

/// The command line wins over the environment, and `--color-output` over `--color`.
fn color_output(matches: &ArgMatches) -> Option<When> {
    let set = |id: &str| matches.get_one(id).copied();
    typed(matches, "color_output")
        .or_else(|| old_color_typed(matches))
        .or_else(|| set("color_output"))
        .or_else(|| set(OLD_COLOR))
}

/// The innermost `--color auto|always|never`.
fn old_color_typed(matches: &ArgMatches) -> Option<When> {
    let inner = matches.subcommand().and_then(|(_, verb)| old_color_typed(verb));
    inner.or_else(|| typed(matches, OLD_COLOR))
}

fn typed(matches: &ArgMatches, id: &str) -> Option<When> {
    let known = matches.try_contains_id(id).unwrap_or(false);
    let typed = known && matches.value_source(id) == Some(ValueSource::CommandLine);
    typed.then(|| matches.get_one(id).copied()).flatten()
}

/// The choice of colours on a command line that cannot be parsed.
pub(crate) fn color_of_usage_error(arguments: &[OsString]) -> Option<When> {
    let words = arguments.iter().filter_map(|argument| argument.to_str()).flat_map(|word| word.split('='));
    let words: Vec<&str> = words.collect();
    let typed = words.windows(2).rev().find_map(|pair| match pair {
        ["--color-output" | "--color", when] => When::from_str(when, true).ok(),
        _ => None,
    });
    let set = |name: &str| std::env::var(name).ok().and_then(|when| When::from_str(&when, true).ok());
    typed.or_else(|| set("BULBCTL_COLOR_OUTPUT")).or_else(|| set(OLD_COLOR_ENV))
}
