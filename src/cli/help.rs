//! The help texts: a short one for `-h`, and one with examples for `--help` and the manual. The global options are listed once, for
//! bulbctl itself.

use clap::builder::Resettable;
use clap::{Arg, Command};

const GLOBAL: &str =
    "Global options such as --adapter, --json and --timeout work here too: see `bulbctl --help`.";

/// The meaning of each exit code.
pub(super) const EXIT_CODES: [(u8, &str); 17] = [
    (0, "done"),
    (1, "unexpected failure"),
    (2, "usage error"),
    (3, "no bulb matched, or several bulbs have the name you gave"),
    (4, "Bluetooth unusable"),
    (5, "permission denied"),
    (6, "connect failed or timed out"),
    (7, "not a bulb bulbctl can drive"),
    (8, "the bulb refused"),
    (9, "malformed data from the bulb"),
    (10, "some of several bulbs failed"),
    (11, "the link dropped"),
    (12, "check found failures, or expect another state"),
    (13, "not confirmed by the bulb (--confirm)"),
    (14, "the broker cannot be used (bridge)"),
    (15, "the broker refuses the credentials (bridge)"),
    (130, "interrupted"),
];

/// Examples of the verbs whose help has no text of its own.
const EXAMPLES: &[(&str, &[&str])] = &[
    ("on", &["bulbctl on Light-Desk", "bulbctl on @office Light-Shelf"]),
    ("off", &["bulbctl off all", "bulbctl off 'Light-*' --json"]),
    ("toggle", &["bulbctl toggle Light-Desk"]),
    ("status", &["bulbctl status Light-Desk", "bulbctl status all --json"]),
    ("battery", &["bulbctl battery Light-Desk"]),
    ("connect", &["bulbctl connect Light-Desk", "bulbctl connect @office"]),
    ("disconnect", &["bulbctl disconnect Light-Desk", "bulbctl disconnect all"]),
    ("info", &["bulbctl info Light-Desk", "bulbctl info C4:11:00:00:00:01 --json"]),
    ("gatt", &["bulbctl gatt read Light-Desk fff2", "bulbctl gatt write Light-Desk fff1 0164ff0000"]),
    ("gatt read", &["bulbctl gatt read Light-Desk fff2", "bulbctl gatt read Light-Desk 2a00 --text"]),
    (
        "gatt write",
        &[
            "bulbctl gatt write Light-Desk fff1 0164ff0000",
            "bulbctl gatt write Light-Desk fff1 0164ff0000 --op command",
        ],
    ),
    (
        "gatt notify",
        &[
            "bulbctl gatt notify Light-Desk fff2 --decode",
            "bulbctl gatt notify Light-Desk fff2 --count 1 --json",
        ],
    ),
    ("doctor", &["bulbctl doctor", "bulbctl doctor --json"]),
    ("tui", &["bulbctl tui", "bulbctl --adapter sim:families tui"]),
    ("frame", &["bulbctl frame encode --color red", "bulbctl frame decode 0164ff0000"]),
    ("profiles", &["bulbctl profiles list", "bulbctl profiles show elk"]),
    ("profiles list", &["bulbctl profiles list"]),
    ("profiles show", &["bulbctl profiles show elk", "bulbctl profiles show elk:melk --json"]),
    ("profiles detect", &["bulbctl profiles detect Light-Desk"]),
    ("profiles new", &["bulbctl profiles new Light-Desk > my-board.toml"]),
    ("profiles check", &["bulbctl profiles check my-board.toml"]),
    ("redact", &["bulbctl redact session.jsonl > public.jsonl"]),
    (
        "completions",
        &[
            "bulbctl completions bash > ~/.local/share/bash-completion/completions/bulbctl",
            "bulbctl completions zsh > /usr/local/share/zsh/site-functions/_bulbctl",
            "bulbctl completions fish > ~/.config/fish/completions/bulbctl.fish",
        ],
    ),
    (
        "man",
        &[
            "bulbctl man | man -l -",
            "bulbctl man gatt read | man -l -",
            "bulbctl man --all ~/.local/share/man/man1",
        ],
    ),
];

/// Arranges the help of bulbctl and of these of its verbs.
pub(super) fn arranged(command: Command, wanted: &dyn Fn(&str) -> bool) -> Command {
    let globals = command.get_arguments().filter(|argument| argument.is_global_set());
    // Verbs would inherit them, and list them.
    let hidden: Vec<Arg> = globals.map(|argument| argument.clone().hide(true)).collect();
    let codes = EXIT_CODES.iter().map(|(code, meaning)| format!("\n{code:>5} {meaning}"));
    let text = format!("{}\n\nExit codes:{}", own_text(&command), codes.collect::<String>());
    let command = command.after_help(Resettable::Reset).after_long_help(text);
    command.mut_subcommands(|verb| match wanted(verb.get_name()) {
        true => arranged_verb(verb, "", &hidden),
        false => verb,
    })
}

fn arranged_verb(verb: Command, above: &str, hidden: &[Arg]) -> Command {
    let path = format!("{above}{}", verb.get_name());
    let mut text = own_text(&verb);
    let lists_examples = text.contains("Example");
    if let Some((_, examples)) = EXAMPLES.iter().find(|(name, _)| *name == path && !lists_examples) {
        let title = if examples.len() == 1 { "Example:" } else { "Examples:" };
        let lines = examples.iter().map(|example| format!("\n  {example}"));
        let gap = if text.is_empty() { "" } else { "\n\n" };
        text = format!("{text}{gap}{title}{}", lines.collect::<String>());
    }
    let gap = if text.is_empty() { "" } else { "\n\n" };
    let verb = verb.args(hidden).after_help(GLOBAL).after_long_help(format!("{text}{gap}{GLOBAL}"));
    let below = format!("{path} ");
    verb.mut_subcommands(|verb| arranged_verb(verb, &below, hidden))
}

/// The text that a verb has after its options.
fn own_text(command: &Command) -> String {
    command.get_after_help().map(ToString::to_string).unwrap_or_default()
}

/// A part of the long help, for the manual.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part<'a> {
    /// A sentence, over several lines.
    Prose(String),
    /// Lines that stay as they are.
    Lines(Vec<&'a str>),
    Examples(Vec<&'a str>),
}

/// Splits the text after the options. What the manual says elsewhere is left out.
pub(super) fn parts(text: &str) -> Vec<Part<'_>> {
    let (mut parts, mut in_examples, mut in_codes) = (Vec::new(), false, false);
    for line in text.lines().filter(|line| !line.is_empty() && *line != GLOBAL) {
        let kept = line.starts_with("  ");
        if !kept {
            in_examples = matches!(line, "Example:" | "Examples:");
            in_codes = line == "Exit codes:";
        }
        match parts.last_mut() {
            _ if in_codes => {}
            _ if !kept && in_examples => parts.push(Part::Examples(Vec::new())),
            Some(Part::Examples(lines) | Part::Lines(lines)) if kept => lines.push(line),
            Some(Part::Prose(prose)) if !kept => {
                prose.push(' ');
                prose.push_str(line);
            }
            _ if kept => parts.push(Part::Lines(vec![line])),
            _ => parts.push(Part::Prose(line.to_owned())),
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_prose_lines_and_examples() {
        let text = format!(
            "One\nsentence:\n  a  b\n  c\nMore.\n\nExamples:\n  bulbctl x\n\n{GLOBAL}\n\nExit codes:\n    0 done"
        );
        assert_eq!(
            parts(&text),
            [
                Part::Prose("One sentence:".to_owned()),
                Part::Lines(vec!["  a  b", "  c"]),
                Part::Prose("More.".to_owned()),
                Part::Examples(vec!["  bulbctl x"]),
            ]
        );
    }
}
