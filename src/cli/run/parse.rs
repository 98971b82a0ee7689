//! From a line of `run` to what it asks for.

use std::time::Duration;

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command, FromArgMatches};

use super::super::args::{Bulbs, Verb, VerbOrRecording, duration};
use super::super::light::Light;
use super::super::parse;

/// The verbs that work over held links, for messages.
const VERBS: &str = "on, off, toggle, set, status, battery, info, gatt, connect, disconnect, expect and wait";

/// The command of a line.
#[derive(Debug)]
pub(crate) struct Statement {
    pub(crate) action: Action,
    /// The time limit, if the line has one.
    pub(super) timeout: Option<Duration>,
}

#[derive(Debug)]
pub(crate) enum Action {
    Verb(Box<Verb>),
    Expect(Box<Expect>),
    Wait(Duration),
}

/// Waits for a time
#[derive(Debug, Args)]
struct Pause {
    /// Time to wait
    #[arg(value_name = "TIME", value_parser = duration)]
    time: Duration,
}

/// Compares the state that a bulb reports with these values
#[derive(Debug, Args)]
pub(crate) struct Expect {
    #[command(flatten)]
    pub(super) bulbs: Bulbs,
    #[command(flatten)]
    pub(super) light: Light,
    /// Time for the bulb to report them
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "1s")]
    pub(super) within: Duration,
}

/// Parses lines. Built once, because building takes longer than parsing.
#[derive(Debug)]
pub(crate) struct LineParser(Command);

impl LineParser {
    pub(crate) fn new() -> Self {
        let command = parse::command()
            .no_binary_name(true)
            .subcommand(Pause::augment_args(Command::new("wait")))
            .subcommand(Expect::augment_args(Command::new("expect")));
        Self(command)
    }

    /// Parses a line; `None` if it is empty or a comment.
    pub(crate) fn parse(&mut self, line: &str) -> Result<Option<Statement>, String> {
        let words = shlex::split(line.trim()).ok_or("a quote is not closed, or the line ends in \\")?;
        if words.is_empty() {
            return Ok(None);
        }
        let mut matches = self.0.try_get_matches_from_mut(words).map_err(|error| {
            if error.use_stderr() {
                parse::error_text(&error)
            } else {
                "help and version are not available in a line".to_owned()
            }
        })?;
        let timeout = self.line_timeout(&matches)?;
        let action = match matches.subcommand() {
            Some(("wait", wait)) => Action::Wait(from_matches::<Pause>(wait)?.time),
            Some(("expect", expect)) => Action::Expect(Box::new(from_matches(expect)?)),
            _ => {
                let verb = VerbOrRecording::from_matches(&mut matches);
                match verb.map_err(|error| parse::error_text(&error))? {
                    VerbOrRecording::Verb(verb) => Action::Verb(Box::new(verb)),
                    _ => {
                        return Err(format!(
                            "recordings are made and replayed by the whole run: `bulbctl record FILE run …`; the verbs in it are {VERBS}"
                        ));
                    }
                }
            }
        };
        if let Action::Verb(verb) = &action {
            validate(verb)?;
        }
        Ok(Some(Statement { action, timeout }))
    }

    /// Returns the time limit of a line. Other global options are for the whole run.
    fn line_timeout(&self, matches: &ArgMatches) -> Result<Option<Duration>, String> {
        let typed = |id: &str| matches.value_source(id) == Some(ValueSource::CommandLine);
        let global = self.0.get_arguments().filter(|argument| argument.is_global_set());
        let wrong = global
            .filter(|argument| argument.get_id() != "timeout")
            .find(|argument| typed(argument.get_id().as_str()));
        if let Some(wrong) = wrong {
            let name = wrong.get_long().unwrap_or_default();
            return Err(format!("--{name} is for the whole run: write it before `run`"));
        }
        Ok(if typed("timeout") { matches.get_one("timeout").copied() } else { None })
    }
}

fn from_matches<T: FromArgMatches>(matches: &ArgMatches) -> Result<T, String> {
    T::from_arg_matches(matches).map_err(|error| parse::error_text(&error))
}

/// Refuses verbs that make no sense over held links.
fn validate(verb: &Verb) -> Result<(), String> {
    match verb {
        Verb::On(_) | Verb::Off(_) | Verb::Toggle(_) | Verb::Set(_) | Verb::Status(_) => Ok(()),
        Verb::Battery(_) | Verb::Info(_) | Verb::Connect(_) | Verb::Disconnect(_) => Ok(()),
        Verb::Gatt(gatt) => gatt.validate_in_run(),
        _ => Err(format!("this verb does not work in `run`; the verbs that do are {VERBS}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Option<Statement>, String> {
        LineParser::new().parse(line)
    }

    #[test]
    fn a_line_is_a_verb_with_its_arguments() {
        let mut parser = LineParser::new();
        let mut action = |line: &str| parser.parse(line).unwrap().map(|statement| statement.action);
        for empty in ["", "  \t ", "# comment", "   # comment", "\r"] {
            assert!(action(empty).is_none(), "{empty:?}");
        }
        assert!(
            matches!(action("wait 2s # comment"), Some(Action::Wait(time)) if time == Duration::from_secs(2))
        );
        assert!(matches!(action("set 'Light Desk' --color '#ff8800'"), Some(Action::Verb(_))));
        assert!(matches!(action("gatt read desk fff2\r"), Some(Action::Verb(_))));
        assert!(matches!(action("expect desk --on --brightness 30 --within 3s"), Some(Action::Expect(_))));
        let statement = parser.parse("on desk --timeout 3s").unwrap().unwrap();
        assert_eq!(statement.timeout, Some(Duration::from_secs(3)));
        assert_eq!(parser.parse("on desk").unwrap().unwrap().timeout, None);
    }

    #[test]
    fn other_lines_are_refused() {
        for (line, want) in [
            ("reed desk", "unrecognized subcommand 'reed'"),
            ("set desk --brightness 130", "invalid value '130' for '--brightness"),
            ("set desk --color #ff8800", "invalid value '' for '--color"),
            ("on 'desk", "a quote is not closed"),
            ("on", "the following required arguments were not provided"),
            ("on desk --help", "help and version are not available"),
            ("on desk --json", "--json is for the whole run"),
            ("on desk -v", "--verbose is for the whole run"),
            ("--adapter hci1 on desk", "--adapter is for the whole run"),
            ("tui", "this verb does not work in `run`"),
            ("run other", "this verb does not work in `run`"),
            ("watch desk", "this verb does not work in `run`"),
            ("record x on desk", "recordings are made"),
            ("gatt run desk script", "gatt run"),
            ("gatt write desk fff1 -", "standard input"),
            ("gatt notify desk fff1", "--count"),
            ("wait", "the following required arguments"),
            ("wait 5", "invalid value '5' for '<TIME>'"),
        ] {
            let error = parse(line).unwrap_err();
            assert!(error.contains(want), "{line}: {error}");
        }
    }
}
