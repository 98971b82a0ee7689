//! Variables of the environment that stand for options: an empty one counts as unset, booleans have several spellings, and errors
//! name the variable.

use std::ffi::OsString;

use clap::builder::Resettable;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, ArgMatches, Command};

use super::parse::each_command;

/// Parses the arguments and the variables. What is typed wins over a variable that it cannot be combined with. `make` makes the
/// command line, as parsing uses it up.
pub(super) fn matches(make: &dyn Fn() -> Command, arguments: &[OsString]) -> Result<ArgMatches, clap::Error> {
    let mut error = match asking(make(), |_| false).try_get_matches_from(arguments) {
        Ok(matches) => return Ok(matches),
        Err(error) => error,
    };
    for argument in make().get_arguments().filter(|argument| value(argument).is_some()) {
        let named: Vec<ContextKind> =
            ARGUMENTS.into_iter().filter(|kind| names(&error, *kind, argument)).collect();
        if named.is_empty() {
            continue;
        }
        let rest = asking(make(), |other| other.get_id() == argument.get_id());
        match rest.try_get_matches_from(arguments) {
            Ok(matches) if error.kind() == ErrorKind::ArgumentConflict => return Ok(matches),
            // It is the typed value that is wrong.
            Err(other) if named.iter().all(|kind| names(&other, *kind, argument)) => {}
            _ => {
                let variable = argument.get_env().unwrap_or_default().to_string_lossy();
                for kind in named {
                    error.insert(kind, ContextValue::String(variable.clone().into_owned()));
                }
            }
        }
    }
    Err(error)
}

/// Parses the arguments, and no variables.
pub(super) fn typed(make: &dyn Fn() -> Command, arguments: &[OsString]) -> Result<ArgMatches, clap::Error> {
    asking(make(), |_| true).try_get_matches_from(arguments)
}

/// The command line without the variables that say nothing, and without those of these arguments. All variables are of global
/// options.
fn asking(command: Command, not: impl Fn(&Arg) -> bool) -> Command {
    let drops = |argument: &Arg| says_nothing(argument) || not(argument);
    if !command.get_arguments().any(drops) {
        return command;
    }
    each_command(command, &|verb| {
        verb.mut_args(|argument| if drops(&argument) { argument.env(Resettable::Reset) } else { argument })
    })
}

/// The parts of an error that name an argument.
const ARGUMENTS: [ContextKind; 2] = [ContextKind::InvalidArg, ContextKind::PriorArg];

/// Returns true if this part of the error names the argument, as in `--timeout <TIME>`.
fn names(error: &clap::Error, kind: ContextKind, argument: &Arg) -> bool {
    let is_it = |name: &String| {
        let rest = name.strip_prefix("--").and_then(|name| name.strip_prefix(argument.get_long()?));
        rest.is_some_and(|rest| !rest.starts_with(|letter: char| letter == '-' || letter.is_alphanumeric()))
    };
    match error.get(kind) {
        Some(ContextValue::String(name)) => is_it(name),
        Some(ContextValue::Strings(names)) => names.iter().any(is_it),
        _ => false,
    }
}

/// The value of the argument's variable, if that is set.
fn value(argument: &Arg) -> Option<OsString> {
    std::env::var_os(argument.get_env()?)
}

/// Returns true if the variable is empty, or says no to an option that is off by default. clap would count both as a use of the
/// option.
fn says_nothing(argument: &Arg) -> bool {
    value(argument).is_some_and(|value| {
        let no = || value.to_str().is_some_and(|text| boolean(text) == Ok(false));
        value.is_empty() || matches!(argument.get_action(), ArgAction::SetTrue) && no()
    })
}

/// Returns true if the variable says yes.
pub(super) fn is_true(variable: &str) -> bool {
    std::env::var(variable).is_ok_and(|text| boolean(&text) == Ok(true))
}

/// Reads a boolean, in upper or lower case.
pub(super) fn boolean(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Ok(true),
        "0" | "false" | "no" | "off" => Ok(false),
        _ => Err("must be yes or no, true or false, 1 or 0".to_owned()),
    }
}

/// Reads a number of repetitions, or a boolean: once or not at all.
pub(super) fn count(text: &str) -> Result<u8, String> {
    let number = text.parse().ok().or_else(|| boolean(text).ok().map(u8::from));
    number.ok_or_else(|| "must be a number from 0 to 255, yes or no".to_owned())
}
