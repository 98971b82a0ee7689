//! Completion of what is typed. The script of a shell calls bulbctl with `BULBCTL_COMPLETE` set to the name of the shell, and the
//! words so far after `--`. Nothing here touches Bluetooth, and what goes wrong gives no candidates.

mod bash;
mod candidates;
mod words;

use std::ffi::OsString;
use std::io::{self, Write};
use std::sync::Arc;

use clap::Command;
use clap_complete::Shell;
use clap_complete::env::Shells;

use super::parse::{self, each_command};
use candidates::Typed;

const VARIABLE: &str = "BULBCTL_COMPLETE";
const NAME: &str = "bulbctl";

/// The end of the script for zsh: when zsh loads it as the function `_bulbctl`, it has to complete at once, not only the next time.
const ZSH_LOADED: &str =
    "\nif [[ $funcstack[1] == _bulbctl ]]; then\n    _clap_dynamic_completer_bulbctl \"$@\"\nfi\n";

/// Answers a shell that asks for candidates. Returns false if none does.
pub(super) fn answer(arguments: &[OsString]) -> bool {
    let Some(shell) = std::env::var_os(VARIABLE).filter(|shell| !shell.is_empty()) else { return false };
    let [_, separator, words @ ..] = arguments else { return false };
    if separator != "--" {
        return false;
    }
    if words.is_empty() {
        return true;
    }
    let mut candidates = Vec::new();
    let shell = shell.to_string_lossy();
    // An error message would end up in the command line that somebody is typing.
    if write(&shell, words, &mut candidates).is_ok() {
        let _ = io::stdout().write_all(&candidates);
    }
    true
}

fn write(shell: &str, words: &[OsString], out: &mut dyn Write) -> io::Result<()> {
    if shell == bash::SHELL {
        return bash::write(words, out);
    }
    let last = words.len().saturating_sub(1);
    let unquoted = words.iter().enumerate().map(|(index, word)| match word.to_str() {
        // zsh quotes all words, fish the last one.
        Some(word) if shell == "zsh" || (shell == "fish" && index == last) => words::unquoted(word).into(),
        _ => word.clone(),
    });
    let words: Vec<OsString> = unquoted.collect();
    let shells = Shells::builtins();
    let Some(completer) = shells.completer(shell) else { return Ok(()) };
    let folder = std::env::current_dir().ok();
    // What the others do with a `$` is not known.
    let quotes = ["zsh", "fish"].contains(&shell);
    completer.write_complete(&mut command(&words, quotes), words, folder.as_deref(), out)
}

/// The command line with what completes its values. `quotes` is true for shells that quote candidates. Options are offered to those who begin one, and where there is nothing else.
fn command(words: &[OsString], quotes: bool) -> Command {
    let typed = Arc::new(Typed::new(words, quotes));
    let begun = words.last().is_some_and(|word| word.to_string_lossy().starts_with('-'));
    each_command(whole(), &|verb| {
        let name = verb.get_name().to_owned();
        let verb = verb.disable_help_flag(!begun).disable_version_flag(!begun);
        verb.mut_args(|argument| {
            let hidden = argument.is_hide_set() || !(begun || argument.is_positional());
            candidates::complete(argument.hide(hidden), &name, &typed)
        })
    })
}

/// The whole command line, with the verbs below `record` and `replay`.
fn whole() -> Command {
    let command = parse::command();
    let is_recording = |verb: &Command| ["record", "replay"].contains(&verb.get_name());
    let (recordings, verbs): (Vec<_>, Vec<_>) = command.get_subcommands().cloned().partition(is_recording);
    let recordings = recordings.into_iter().map(|recording| {
        let name = if recording.get_name() == "record" { "record" } else { "replay" };
        let file = recording.get_arguments().filter(|argument| argument.get_id() != "verb").cloned();
        Command::new(name).args(file).subcommands(verbs.clone())
    });
    Command::new(NAME)
        .args(command.get_arguments().cloned())
        .subcommands(verbs.clone())
        .subcommands(recordings.collect::<Vec<_>>())
}

/// The script that a shell runs at its start.
pub(super) fn script(shell: Shell) -> io::Result<String> {
    let mut script = Vec::new();
    match Shells::builtins().completer(&shell.to_string()) {
        _ if shell == Shell::Bash => script.extend(bash::SCRIPT.as_bytes()),
        Some(completer) => completer.write_registration(VARIABLE, NAME, NAME, NAME, &mut script)?,
        None => return Err(io::Error::other(format!("no completion for {shell}"))),
    }
    if shell == Shell::Zsh {
        script.extend(ZSH_LOADED.as_bytes());
    }
    Ok(String::from_utf8_lossy(&script).into_owned())
}
