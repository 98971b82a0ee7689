//! The variables that stand for options, and those that colour the output.

use super::*;

const STATUS: [&str; 2] = ["status", "Light-Desk"];

fn with(machine: &Machine, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = machine.bulbctl(arguments);
    command.env("BULBCTL_ADAPTER", "sim").envs(variables.iter().copied()).output().unwrap()
}

#[test]
fn booleans_have_several_spellings() {
    let machine = Machine::new();
    #[rustfmt::skip]
    let spellings = [
        ("1", true), ("0", false), ("true", true), ("FALSE", false), ("yes", true), ("No", false),
        ("YES", true), ("on", true), ("off", false), ("", false),
    ];
    for (value, json) in spellings {
        let output = with(&machine, &STATUS, &[("BULBCTL_JSON", value)]);
        succeeded(&output);
        assert_eq!(stdout(&output).starts_with('{'), json, "{value:?}: {output:?}");
        // An error of the command line is JSON as well.
        let output = with(&machine, &["nosuch"], &[("BULBCTL_JSON", value)]);
        assert_eq!((code(&output), stdout(&output).starts_with('{')), (2, json), "{value:?}: {output:?}");
    }
    for value in ["1", "yes", "true", "2", "0", "no", ""] {
        let output = with(&machine, &STATUS, &[("BULBCTL_VERBOSE", value)]);
        succeeded(&output);
        assert_eq!(stderr(&output).contains("using adapter"), !["0", "no", ""].contains(&value), "{value:?}");
    }
}

/// Every variable in the help, so that a new one is covered as well.
fn variables(machine: &Machine) -> Vec<String> {
    let help = stdout(&machine.run(&["--help"]));
    let words = help.split(|letter: char| !letter.is_ascii_uppercase() && letter != '_');
    let mut names: Vec<String> =
        words.filter(|word| word.starts_with("BULBCTL_")).map(str::to_owned).collect();
    names.sort();
    names.dedup();
    assert!(names.len() >= 10, "{names:?}");
    names.push("BULBCTL_COLOR".to_owned());
    names
}

#[test]
fn an_empty_variable_is_not_set() {
    let machine = Machine::new();
    for name in variables(&machine) {
        let mut command = machine.bulbctl(&["--adapter", "sim", "status", "Light-Desk"]);
        let output = command.env(&name, "").output().unwrap();
        assert_eq!((code(&output), stderr(&output).as_str()), (0, ""), "{name}: {output:?}");
        assert_eq!(stdout(&output), "Light-Desk\ton\t80 %\t#ffb46b\n", "{name}");
    }
}

#[test]
fn an_error_in_a_variable_names_the_variable() {
    let machine = Machine::new();
    for (name, value, flag) in [
        ("BULBCTL_JSON", "maybe", "--json"),
        ("BULBCTL_QUIET", "2", "--quiet"),
        ("BULBCTL_VERBOSE", "much", "--verbose"),
        ("BULBCTL_TIMEOUT", "soon", "--timeout"),
        ("BULBCTL_MAX_LINKS", "0", "--max-links"),
        ("BULBCTL_COLOR_OUTPUT", "red", "--color-output"),
        ("BULBCTL_COLOR", "red", "--color"),
    ] {
        let output = with(&machine, &STATUS, &[(name, value)]);
        let error = stderr(&output);
        assert_eq!(code(&output), 2, "{name}: {output:?}");
        assert!(error.contains(&format!("'{value}' for '{name}'")), "{name}: {error}");
        assert!(!error.contains(&format!("'{flag}")), "{name}: {error}");
        // The typed value is the one that is wrong.
        if !["--json", "--quiet", "--verbose"].contains(&flag) {
            let output = with(&machine, &[&STATUS[..], &[flag, "wrong"]].concat(), &[(name, value)]);
            assert!(stderr(&output).contains(&format!("'wrong' for '{flag}")), "{output:?}");
        }
    }
}

#[test]
fn what_is_typed_wins_over_a_variable_that_it_excludes() {
    let machine = Machine::new();
    let verbose = |output: &Output| stderr(output).contains("using adapter");
    for value in ["false", "0", "true"] {
        let output = with(&machine, &["-v", "status", "Light-Desk"], &[("BULBCTL_QUIET", value)]);
        succeeded(&output);
        assert!(verbose(&output), "{value}: {output:?}");
    }
    let output = with(&machine, &["-q", "status", "Light-Desk"], &[("BULBCTL_VERBOSE", "1")]);
    succeeded(&output);
    assert!(!verbose(&output), "{output:?}");
    for value in ["true", "false"] {
        let raw = ["gatt", "read", "Light-Desk", "fff2", "--raw"];
        let output = with(&machine, &raw, &[("BULBCTL_JSON", value)]);
        succeeded(&output);
        assert_eq!(output.stdout, [1, 80, 0xff, 0xb4, 0x6b], "{value}");
    }
    let output = with(&machine, &["-v", "-q", "status", "Light-Desk"], &[]);
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("cannot be used with"), "{output:?}");
}

/// Runs each kind of output: a state, a list, an error of a verb, one of the command line, help.
#[test]
fn colours_in_a_pipe_are_forced_or_absent() {
    let machine = Machine::new();
    for arguments in [
        &["status", "Light-Desk"][..],
        &["scan", "--duration", "500ms"],
        &["profiles", "list"],
        &["profiles", "show", "elk"],
        &["info", "Light-Desk", "--listen", "100ms"],
        &["check", "Light-Desk", "--only", "command-on"],
        &["profiles", "detect", "Light-Desk"],
        &["frame", "decode", "02"],
        &["frame", "decode", "0164ff0000"],
        &["nosuch"],
        &["set", "x", "--brightness", "101"],
        &["--help"],
    ] {
        let colored = |variables: &[(&str, &str)], more: &[&str]| {
            let output = with(&machine, &[more, arguments].concat(), variables);
            let text = format!("{}{}", stdout(&output), stderr(&output));
            text.contains("\u{1b}[")
        };
        for force in [("CLICOLOR_FORCE", "1"), ("FORCE_COLOR", "1"), ("BULBCTL_COLOR_OUTPUT", "ALWAYS")] {
            assert!(colored(&[force], &[]), "{arguments:?} {force:?}");
        }
        assert!(colored(&[("NO_COLOR", "1")], &["--color-output", "always"]), "{arguments:?}");
        assert!(!colored(&[], &[]), "{arguments:?}");
        assert!(!colored(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], &[]), "{arguments:?}");
        assert!(!colored(&[("FORCE_COLOR", "1"), ("BULBCTL_COLOR_OUTPUT", "never")], &[]), "{arguments:?}");
        assert!(!colored(&[("FORCE_COLOR", "0")], &[]), "{arguments:?}");
    }
}

#[test]
fn a_swatch_shows_the_colour() {
    let machine = Machine::new();
    let force = ("FORCE_COLOR", "1");
    let shown = |variables: &[(&str, &str)]| stdout(&with(&machine, &STATUS, variables));
    let name = "Light-Desk\ton\t80 %\t";
    assert_eq!(
        shown(&[force, ("COLORTERM", "truecolor")]),
        format!("{name}\u{1b}[38;2;255;180;107m●\u{1b}[0m #ffb46b\n")
    );
    assert_eq!(shown(&[force, ("COLORTERM", "")]), format!("{name}\u{1b}[38;5;215m●\u{1b}[0m #ffb46b\n"));
    assert_eq!(shown(&[]), format!("{name}#ffb46b\n"));
}

/// On a terminal, the same without being asked to.
#[cfg(unix)]
#[test]
fn a_terminal_shows_swatches_and_coloured_errors() {
    let patience = std::time::Duration::from_secs(30);
    // Returns true if this letter has a colour.
    let run = |arguments: &[&str], letter: &str, shown: &str, variables: &[(&str, &str)]| {
        let machine = Machine::new();
        let mut command = machine.bulbctl(arguments);
        command.env("BULBCTL_ADAPTER", "sim:families").envs(variables.iter().copied());
        command.stdin(Stdio::inherit());
        let terminal = pty::Terminal::start(command, (120, 24), patience);
        let colored = std::cell::Cell::new(false);
        terminal.until(shown, |screen| {
            let cells = (0..24).flat_map(|row| (0..120).filter_map(move |column| screen.cell(row, column)));
            let colors = cells.filter(|cell| cell.contents() == letter).map(|cell| cell.fgcolor());
            colored.set(colors.into_iter().any(|color| color != vt100::Color::Default));
            screen.contents().contains(shown)
        });
        terminal.end();
        colored.get()
    };
    for arguments in [
        &["status", "LEDnetWF02001D112233"][..],
        &["set", "LEDnetWF02001D112233", "--brightness", "50"],
        &["scan", "--name", "LEDnetWF*", "--first"],
    ] {
        assert!(run(arguments, "●", "● #ffffff", &[]), "{arguments:?}");
        for never in [("NO_COLOR", "1"), ("BULBCTL_COLOR_OUTPUT", "never")] {
            assert!(!run(arguments, "●", "50 %  #ffffff", &[never]), "{arguments:?}");
        }
    }
    assert!(run(&["nosuch"], "e", "--help", &[]));
    for never in [("BULBCTL_COLOR_OUTPUT", "never"), ("BULBCTL_COLOR", "never"), ("NO_COLOR", "1")] {
        assert!(!run(&["nosuch"], "e", "--help", &[never]), "{never:?}");
    }
    assert!(!run(&["--color-output", "never", "nosuch"], "e", "--help", &[]));
}
