//! The lines that change emulated bulbs while they run.

use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use super::super::args::duration;
use super::super::light::Light;
use super::super::parse;
use crate::bulb::{Change, Power};
use crate::emulate::BulbAction;
use crate::radio::sim::emulated::NewFault;

/// A line of the standard input.
#[derive(Debug, Parser)]
#[command(no_binary_name = true, disable_help_subcommand = true, disable_help_flag = true)]
struct Line {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Switches the bulb on
    On(Which),
    /// Switches the bulb off
    Off(Which),
    /// Switches the bulb on or off
    Toggle(Which),
    /// Changes the state
    Set {
        #[command(flatten)]
        light: Light,
        #[command(flatten)]
        which: Which,
    },
    /// Ends the link
    Drop(Which),
    /// Stops advertising, and ends the link
    Vanish(Which),
    /// Advertises again
    Appear(Which),
    /// Advertises another name
    Rename {
        name: String,
        #[command(flatten)]
        which: Which,
    },
    /// Adds a fault, with the keys of a rig; or removes those that were added: fault clear
    Fault {
        #[arg(required = true, value_name = "KEY=VALUE")]
        keys: Vec<String>,
        #[command(flatten)]
        which: Which,
    },
    /// Waits before the next line
    Wait {
        #[arg(value_name = "TIME", value_parser = duration)]
        time: Duration,
    },
    /// Ends the emulation
    Quit,
}

#[derive(Debug, Args)]
struct Which {
    /// The bulb, if there are several: its name, address or number
    #[arg(long, value_name = "BULB")]
    bulb: Option<String>,
}

/// What a line asks for.
#[derive(Debug)]
pub(in crate::cli) enum Statement {
    /// Do something to the bulb of this name, or to the only one.
    Act(Option<String>, BulbAction),
    Wait(Duration),
    Quit,
}

/// Parses a line; `None` if it is empty or a comment.
pub(in crate::cli) fn parse(text: &str) -> Result<Option<Statement>, String> {
    let words = shlex::split(text.trim()).ok_or("a quote is not closed, or the line ends in \\")?;
    if words.is_empty() {
        return Ok(None);
    }
    let line = Line::try_parse_from(words).map_err(|error| parse::error_text(&error))?;
    let power = |power| BulbAction::Set(Change::power(power));
    let (which, action) = match line.command {
        Command::On(which) => (which, power(Power::On)),
        Command::Off(which) => (which, power(Power::Off)),
        Command::Toggle(which) => (which, power(Power::Toggle)),
        Command::Set { light, which } => {
            let change = light.change();
            if change.is_empty() {
                return Err("set needs at least one setting, such as --brightness 30".to_owned());
            }
            (which, BulbAction::Set(change))
        }
        Command::Drop(which) => (which, BulbAction::Drop),
        Command::Vanish(which) => (which, BulbAction::Vanish),
        Command::Appear(which) => (which, BulbAction::Appear),
        Command::Rename { name, which } => (which, BulbAction::Rename(name)),
        Command::Fault { keys, which } => (which, fault(&keys)?),
        Command::Wait { time } => return Ok(Some(Statement::Wait(time))),
        Command::Quit => return Ok(Some(Statement::Quit)),
    };
    Ok(Some(Statement::Act(which.bulb, action)))
}

/// Reads `on=write do=error att=0x0e`: the keys of a rig, each with its value.
fn fault(words: &[String]) -> Result<BulbAction, String> {
    if let [word] = words
        && word == "clear"
    {
        return Ok(BulbAction::ClearFaults);
    }
    let mut text = String::new();
    for word in words {
        let (key, value) = word.split_once('=').ok_or_else(|| {
            format!("{word:?} is not KEY=VALUE, as in: fault on=write do=lose count=2; or: fault clear")
        })?;
        if !key.chars().all(|c| c.is_ascii_lowercase()) {
            return Err(format!("a fault has no key {key:?}"));
        }
        let digits = value.strip_prefix("0x").unwrap_or(value);
        let number =
            matches!(key, "att" | "count" | "after") && digits.chars().all(|c| c.is_ascii_hexdigit());
        // A string of JSON is one of TOML, too.
        let value = if number { value.to_owned() } else { serde_json::Value::from(value).to_string() };
        text.push_str(&format!("{key} = {value}\n"));
    }
    NewFault::parse(&text).map(BulbAction::AddFault)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_command_with_its_settings() {
        for empty in ["", "  ", "# comment"] {
            assert!(parse(empty).unwrap().is_none(), "{empty:?}");
        }
        let act = |line: &str| match parse(line).unwrap() {
            Some(Statement::Act(bulb, action)) => (bulb, action),
            other => panic!("{line}: {other:?}"),
        };
        assert!(matches!(act("set --brightness 30"), (None, BulbAction::Set(change)) if !change.is_empty()));
        assert!(matches!(act("drop --bulb 2"), (Some(bulb), BulbAction::Drop) if bulb == "2"));
        assert!(matches!(act("rename 'Light 2'"), (None, BulbAction::Rename(name)) if name == "Light 2"));
        assert!(matches!(
            act("fault on=write do=error att=0x0e count=1 characteristic=fff1"),
            (None, BulbAction::AddFault(_))
        ));
        assert!(matches!(act("fault on=read do=delay for=500ms"), (None, BulbAction::AddFault(_))));
        assert!(matches!(act("fault clear"), (None, BulbAction::ClearFaults)));
        assert!(
            matches!(parse("wait 2s"), Ok(Some(Statement::Wait(time))) if time == Duration::from_secs(2))
        );
        assert!(matches!(parse("quit"), Ok(Some(Statement::Quit))));
    }

    #[test]
    fn other_lines_are_refused_with_what_is_wrong() {
        for (line, want) in [
            ("sett --on", "unrecognized subcommand 'sett'"),
            ("set", "at least one setting"),
            ("set --brightness 130", "0 to 100"),
            ("on 'x", "a quote is not closed"),
            ("fault", "required arguments"),
            ("fault write", "is not KEY=VALUE"),
            ("fault on=write do=error", "needs the key `att`"),
            ("fault on=write do=reply bytes=00", "`reply` works only on read and notify"),
            ("fault on=wash do=drop", "unknown variant"),
            ("fault on=write do=drop sound=loud", "unknown field"),
            ("fault on=write do=lose count=-1", "invalid"),
            ("wait 5", "needs a number and a unit"),
        ] {
            let error = parse(line).unwrap_err();
            assert!(error.contains(want), "{line}: {error}");
        }
    }
}
