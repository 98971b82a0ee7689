//! Usage errors: their text, and the stream that they go to.

use super::*;

#[test]
fn bad_values_name_the_value_and_what_is_accepted() {
    let machine = Machine::new();
    for (arguments, words) in [
        (&["set", "x", "--brightness", "101"][..], &["'101'", "0 to 100"][..]),
        (&["set", "x", "--brightness", "-101"], &["'-101'", "-1 to -100"]),
        (&["set", "x", "--kelvin", "warm"], &["'warm'", "+500"]),
        (&["frame", "encode", "--brightness", "+10"], &["brightness", "give the value itself"]),
        (&["set", "x", "--brightness", "half"], &["'half'", "0 to 100"]),
        (&["set", "x", "--color", "orang"], &["orang", "255,136,0", "hsl"]),
        (&["set", "x", "--color", "256,0,0"], &["256,0,0", "0 to 255"]),
        (&["set", "x", "--color"], &["quote it"]),
        (&["set", "x", "--on", "--off"], &["--on", "--off"]),
        (&["set", "x"], &["--brightness", "--color"]),
        (&["set"], &["TARGET"]),
        (&["scan", "--min-rssi", "500"], &["500", "-127"]),
        (&["scan", "--service", "fff"], &["fff", "4 or 32 hex digits"]),
        (&["scan", "--duration", "5"], &["'5'", "500ms"]),
        (&["scan", "--duration", "0s"], &["longer than zero"]),
        (&["on", "x", "--timeout", "soon"], &["soon", "500ms"]),
        (&["on", "x", "--profile", "acme"], &["acme", "base"]),
        (&["on", "x", "--config", "/nowhere.toml"], &["/nowhere.toml"]),
        (&["on", ","], &["\",\""]),
        (&["on", "@cellar"], &["cellar"]),
        (&["on", "x", "--adapter", "sim:/nowhere.toml"], &["/nowhere.toml"]),
        (&["man", "frobnicate"], &["frobnicate"]),
        (&["frobnicate"], &["frobnicate"]),
        (&["frame", "decode", "zz"], &["zz"]),
        (&["frame", "decode", "012"], &["012"]),
    ] {
        let run = |arguments: &[&str]| match arguments.contains(&"--adapter") {
            true => machine.run(arguments),
            false => machine.sim(arguments),
        };
        let output = run(arguments);
        assert_eq!(code(&output), 2, "{arguments:?}: {output:?}");
        assert_eq!(stdout(&output), "", "{arguments:?}");
        for word in words {
            assert!(stderr(&output).contains(word), "{arguments:?} lacks {word:?}: {}", stderr(&output));
        }

        let output = run(&[arguments, &["--json"]].concat());
        let errors = records(&output);
        assert_eq!(code(&output), 2, "{arguments:?}");
        assert_eq!(errors.len(), 1, "{arguments:?}");
        assert_eq!((&errors[0]["type"], &errors[0]["exit"]), (&"error".into(), &2.into()), "{arguments:?}");
        assert_eq!(stderr(&output), "", "{arguments:?}");
    }
}

#[test]
fn help_and_version_are_no_failures() {
    let machine = Machine::new();
    for arguments in
        [&["--help"][..], &["set", "--help"], &["--version"], &["help", "scan"], &["--json", "--help"]]
    {
        let output = machine.run(arguments);
        assert_eq!((code(&output), stderr(&output).as_str()), (0, ""), "{arguments:?}");
        assert!(!stdout(&output).is_empty());
    }
}

#[test]
fn global_flags_stand_before_and_after_the_verb_and_in_the_environment() {
    let machine = Machine::new();
    let encode = ["frame", "decode", "0164ff0000"];
    let json = stdout(&machine.run(&[&["--json"], &encode[..]].concat()));
    assert!(json.starts_with(r#"{"type":"frame""#), "{json}");
    assert!(stdout(&machine.run(&[&encode[..], &["--json"]].concat())).starts_with(r#"{"type":"frame""#));
    let output = machine.bulbctl(&encode).env("BULBCTL_JSON", "true").output().unwrap();
    assert!(stdout(&output).starts_with(r#"{"type":"frame""#));
}

#[test]
fn color_output_colours_the_output_and_color_the_bulb() {
    let machine = Machine::new();
    let red = machine.run(&["frame", "encode", "--color", "red", "--color-output", "always"]);
    assert_eq!((code(&red), stdout(&red).as_str()), (0, "0164ff0000\n"));
    let colored = |arguments: &[&str], variables: &[(&str, &str)]| {
        let output = machine.bulbctl(arguments).envs(variables.iter().copied()).output().unwrap();
        assert_ne!(code(&output), 0, "{arguments:?}");
        stderr(&output).contains("\u{1b}[")
    };
    let decode = ["frame", "decode", "01"];
    assert!(!colored(&decode, &[]));
    for always in [
        &["--color-output", "always", "frame", "decode", "01"][..],
        &["frame", "decode", "01", "--color-output=always"],
        // The old spelling.
        &["--color", "always", "frame", "decode", "01"],
        &["frame", "--color", "always", "decode", "01"],
        &["frame", "decode", "01", "--color", "always"],
        &["--color", "always", "frame", "encode", "--color", "red", "--kelvin", "9"],
        // What cannot be parsed.
        &["frobnicate", "--color-output", "always"],
        &["set", "x", "--brightness", "101", "--color-output=always"],
    ] {
        assert!(colored(always, &[]), "{always:?}");
        assert!(colored(always, &[("BULBCTL_COLOR_OUTPUT", "never")]), "{always:?}");
    }
    assert!(colored(&decode, &[("BULBCTL_COLOR", "always")]));
    assert!(colored(&decode, &[("BULBCTL_COLOR", "never"), ("BULBCTL_COLOR_OUTPUT", "always")]));
    let mistaken = machine.run(&["frame", "encode", "--color", "never"]);
    assert_eq!(code(&mistaken), 2);
    assert!(stderr(&mistaken).contains("use --color-output never"), "{}", stderr(&mistaken));
    assert!(!stdout(&machine.run(&["scan", "--help"])).contains("--color "));
}

/// The exit codes in the source.
fn exit_codes() -> Vec<String> {
    let source = include_str!("../../src/error/kind.rs");
    let codes = source.lines().filter_map(|line| line.trim().strip_prefix("Self::")?.split_once(" => "));
    let codes: Vec<String> = codes
        .map(|(_, code)| code.trim_end_matches(',').to_owned())
        .filter(|code| code.parse::<u8>().is_ok())
        .collect();
    assert!(codes.len() >= 16, "{codes:?}");
    codes
}

/// All verbs, `gatt read` included, from the pages of the manual.
fn pages(machine: &Machine) -> Vec<(String, String)> {
    let folder = machine.path().join("man/man1");
    succeeded(&machine.run(&["man", "--all", folder.to_str().unwrap()]));
    let mut pages: Vec<(String, String)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            (name.strip_suffix(".1").unwrap().to_owned(), std::fs::read_to_string(&path).unwrap())
        })
        .collect();
    pages.sort();
    assert!(pages.len() > 25, "{}", pages.len());
    pages
}

#[test]
fn every_page_of_the_manual_is_whole() {
    let machine = Machine::new();
    let pages = pages(&machine);
    for name in ["bulbctl", "bulbctl-set", "bulbctl-gatt", "bulbctl-gatt-read", "bulbctl-profiles-show"] {
        assert!(pages.iter().any(|(page, _)| page == name), "{name}");
    }
    for (name, page) in &pages {
        for section in
            ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "ENVIRONMENT", "FILES", "EXAMPLES"]
        {
            let quoted = format!(".SH \"{section}\"");
            let found = page.contains(&format!(".SH {section}\n")) || page.contains(&quoted);
            assert!(found, "{name} has no {section}: {page}");
        }
        for code in exit_codes() {
            assert!(page.contains(&format!("\\fB{code}\\fR\n")), "{name}: {code}");
        }
        assert!(page.contains("BULBCTL_TIMEOUT") && page.contains("FORCE_COLOR"), "{name}");
        // One page is printed as it is written.
        let path: Vec<&str> = name.split('-').skip(1).collect();
        let printed = machine.run(&[&["man"], &path[..]].concat());
        assert_eq!(stdout(&printed).trim_end(), page.trim_end(), "{name}");
        assert_eq!(page.contains("max\\-links\\fR \\fI"), path.is_empty(), "{name}");
    }
    let wrong = machine.run(&["man", "gatt", "nosuch"]);
    assert_eq!(code(&wrong), 2);
    assert!(stderr(&wrong).contains("notify"), "{}", stderr(&wrong));
}

#[test]
fn help_is_short_or_long_and_lists_global_options_once() {
    let machine = Machine::new();
    for (name, _) in pages(&machine) {
        let path: Vec<&str> = name.split('-').skip(1).collect();
        let help = |flag| stdout(&machine.run(&[&path[..], &[flag]].concat()));
        let (short, long) = (help("-h"), help("--help"));
        assert!(short.len() < long.len(), "{path:?}");
        assert!(long.contains("Example") && !short.contains("Example"), "{path:?}: {short}");
        for option in ["--max-links", "BULBCTL_TIMEOUT", "Global options:"] {
            assert_eq!(short.contains(option), path.is_empty(), "{path:?}: {option}: {short}");
            assert_eq!(long.contains(option), path.is_empty(), "{path:?}: {option}: {long}");
        }
        assert_eq!(short.contains("see `bulbctl --help`"), !path.is_empty(), "{path:?}: {short}");
    }
    let help = stdout(&machine.run(&["--help"]));
    for code in exit_codes() {
        assert!(
            help.lines().any(|line| line.trim_start().starts_with(&format!("{code} "))),
            "{code}: {help}"
        );
    }
}

#[test]
fn what_is_proposed_is_no_limit() {
    let machine = Machine::new();
    // Effects have numbers too.
    let frame = machine.run(&["frame", "encode", "--profile", "sp110e", "--effect", "7"]);
    assert_eq!(stdout(&frame).lines().last(), Some("0700002c"), "{frame:?}");
}

#[test]
fn a_reader_that_closes_the_pipe_ends_it_quietly() {
    use std::io::Read;
    let machine = Machine::new();
    for arguments in [
        &["man"][..],
        &["completions", "zsh"],
        &["--adapter", "sim", "scan", "--watch", "--json"],
        &["--help"],
    ] {
        let mut child =
            machine.bulbctl(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // Gone before a byte was read.
        drop(child.stdout.take());
        let mut errors = String::new();
        child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
        assert_eq!((child.wait().unwrap().code(), errors.as_str()), (Some(0), ""), "{arguments:?}");
    }
}

#[test]
fn a_scan_without_a_terminal_takes_its_time_and_tells_each_device_once() {
    let machine = Machine::new();
    let start = std::time::Instant::now();
    // Its stdin is empty, its stdout a pipe.
    let output = machine.sim(&["scan", "--duration", "1500ms", "--json"]);
    assert!(start.elapsed() >= std::time::Duration::from_millis(1500), "{:?}", start.elapsed());
    let devices = of_type(&output, "device");
    let ids: std::collections::BTreeSet<_> = devices.iter().map(|device| device["id"].to_string()).collect();
    assert_eq!(ids.len(), devices.len(), "{devices:?}");
    assert_eq!(of_type(&output, "scan")[0]["found"], devices.len());
    assert_eq!(stderr(&output), "");
}
