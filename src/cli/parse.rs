//! From the words of the command line to a verb and its settings.

use std::ffi::OsString;

use clap::builder::EnumValueParser;
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command, CommandFactory, FromArgMatches, ValueEnum};

use super::args::{Recordings, Root, Verb, VerbOrRecording};
use super::global::{Global, When};
use super::{environment, help};
use crate::radio::AdapterChoice;

/// The id and the variable of `--color auto|always|never`, the old name of `--color-output`.
const OLD_COLOR: &str = "old_color";
const OLD_COLOR_ENV: &str = "BULBCTL_COLOR";

#[derive(Debug)]
pub(crate) struct Cli {
    pub(crate) global: Global,
    pub(crate) verb: Verb,
}

/// A parsed command line. The flags say which options were typed, and not read from variables.
#[derive(Debug)]
struct Parsed {
    global: Global,
    verb: VerbOrRecording,
    adapter_typed: bool,
    record_typed: bool,
}

impl Parsed {
    /// Parses words with `parse`.
    fn new(
        words: &[OsString],
        parse: impl Fn(&dyn Fn() -> Command, &[OsString]) -> Result<ArgMatches, clap::Error>,
    ) -> Result<Self, clap::Error> {
        let is_typed = |verb: &str| words.iter().any(|word| word == verb);
        let matches = parse(&|| command_of(&is_typed), words).or_else(|error| {
            // The verb may be unknown, and an error lists what is known.
            if shows_help(&error) { Err(error) } else { parse(&command, words) }
        });
        match matches {
            // The help texts are arranged only to be printed, because that takes as long as all the rest.
            Err(error) if shows_help(&error) => {
                Self::of(parse(&|| help::arranged(command(), &is_typed), words)?)
            }
            matches => Self::of(matches?),
        }
    }

    fn of(mut matches: ArgMatches) -> Result<Self, clap::Error> {
        let color_output = color_output(&matches);
        let typed = |id| matches.value_source(id) == Some(ValueSource::CommandLine);
        let (adapter_typed, record_typed) = (typed("adapter"), typed("record"));
        let global = Global { color_output, ..Root::from_arg_matches_mut(&mut matches)?.global };
        let verb = VerbOrRecording::from_matches(&mut matches)?;
        Ok(Self { global, verb, adapter_typed, record_typed })
    }
}

fn shows_help(error: &clap::Error) -> bool {
    use ErrorKind::{DisplayHelp, DisplayHelpOnMissingArgumentOrSubcommand};
    matches!(error.kind(), DisplayHelp | DisplayHelpOnMissingArgumentOrSubcommand)
}

impl Cli {
    pub(crate) fn parse(words: &[OsString]) -> Result<Self, clap::Error> {
        let Parsed { global, verb, adapter_typed, record_typed } = Parsed::new(words, environment::matches)?;
        let (recording, is_played) = match verb {
            VerbOrRecording::Verb(verb) => return Ok(Self { global, verb }),
            VerbOrRecording::Recording(Recordings::Record(recording)) => (recording, false),
            VerbOrRecording::Recording(Recordings::Replay(recording)) => (recording, true),
        };
        // The verb of a recording is parsed on its own. Variables were read already.
        let program = words.first().cloned();
        let inner: Vec<OsString> = program.into_iter().chain(recording.verb).collect();
        let inner = Parsed::new(&inner, environment::typed)?;
        let conflict = |text: &str| Err(command().error(ErrorKind::ArgumentConflict, text.to_owned()));
        let VerbOrRecording::Verb(verb) = inner.verb else {
            return conflict("record and replay take one verb, which is neither of them");
        };
        let mut global = inner.global.or(global);
        if is_played {
            if adapter_typed || inner.adapter_typed {
                return conflict("`replay FILE` plays a recording; it cannot be combined with --adapter");
            }
            global.adapter = Some(AdapterChoice::Replay(recording.file));
        } else {
            if record_typed || inner.record_typed {
                return conflict("use either `record FILE` or --record FILE, not both");
            }
            global.record = Some(recording.file);
        }
        Ok(Self { global, verb })
    }
}

/// Returns the text of a usage error in one line, without the usage and the tips below it.
pub(crate) fn error_text(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let text = text.split("\n\n").next().unwrap_or_default().trim_start_matches("error: ");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The whole command line as clap sees it.
pub(crate) fn command() -> Command {
    command_of(&|_| true)
}

/// The command line with some of the verbs: the argument types, and a hidden `--color auto|always|never` for every verb that has
/// no `--color` for bulbs.
fn command_of(wanted: &dyn Fn(&str) -> bool) -> Command {
    let old_color = Arg::new(OLD_COLOR)
        .long("color")
        .value_parser(EnumValueParser::<When>::new())
        .ignore_case(true)
        .hide(true);
    let command = each_command(VerbOrRecording::augment(Root::command(), wanted), &|verb| {
        let taken = verb.get_arguments().any(|argument| argument.get_long() == Some("color"));
        if taken { verb } else { verb.arg(old_color.clone()) }
    });
    command.mut_arg(OLD_COLOR, |argument| argument.env(OLD_COLOR_ENV))
}

/// The same with the help texts arranged for people.
pub(crate) fn for_people() -> Command {
    help::arranged(command(), &|_| true)
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines of the examples that are one plain command.
    fn lines() -> Vec<Vec<OsString>> {
        let mut text = String::new();
        let mut command = for_people();
        command.build();
        let mut commands = vec![&command];
        while let Some(command) = commands.pop() {
            text += &command.get_after_long_help().map(ToString::to_string).unwrap_or_default();
            commands.extend(command.get_subcommands());
        }
        let plain = |line: &&str| line.starts_with("bulbctl ") && !line.contains(['|', '>']);
        let lines = text.lines().map(str::trim).filter(plain).map(|line| line.split("   ").next().unwrap());
        lines.map(|line| shlex::split(line).unwrap().into_iter().map(OsString::from).collect()).collect()
    }

    #[test]
    fn what_is_typed_is_parsed_without_the_other_verbs() {
        let lines = lines();
        assert!(lines.len() > 50, "{lines:?}");
        for words in lines {
            let is_typed = |verb: &str| words.iter().any(|word| word == verb);
            assert!(command_of(&is_typed).get_subcommands().count() <= 3, "{words:?}");
            let parsed = environment::typed(&|| command_of(&is_typed), &words).and_then(Parsed::of).unwrap();
            let whole = environment::typed(&command, &words).and_then(Parsed::of).unwrap();
            assert_eq!(format!("{parsed:?}"), format!("{whole:?}"), "{words:?}");
        }
    }

    #[test]
    fn an_error_is_that_of_all_verbs() {
        for line in ["bulbctl onn Light-1", "bulbctl", "bulbctl on --nope Light-1", "bulbctl --version"] {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            let error = Cli::parse(&words).unwrap_err();
            let whole = environment::matches(&|| help::arranged(command(), &|_| true), &words).unwrap_err();
            assert_eq!(error.to_string(), whole.to_string(), "{line}");
        }
    }
}
