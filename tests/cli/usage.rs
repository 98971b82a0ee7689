//! Usage errors: their text, and the stream that they go to.

use super::*;

#[test]
fn bad_values_name_the_value_and_what_is_accepted() {
    let machine = Machine::new();
    for (arguments, words) in [
        (&["set", "x", "--brightness", "101"][..], &["'101'", "0 to 100"][..]),
        (&["set", "x", "--brightness", "-1"], &["'-1'", "0 to 100"]),
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

#[test]
fn help_and_manual_list_every_exit_code() {
    let machine = Machine::new();
    for arguments in [&["--help"][..], &["man"]] {
        let text = stdout(&machine.run(arguments));
        for exit in ["11 the link dropped", "12 check found failures", "130 interrupted"] {
            assert!(text.contains(exit), "{exit}: {text}");
        }
    }
}

#[test]
fn completions_and_manual_pages_come_from_the_arguments() {
    let machine = Machine::new();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let output = machine.run(&["completions", shell]);
        assert_eq!(code(&output), 0);
        assert!(stdout(&output).contains("brightness"), "{shell}");
    }
    assert!(stdout(&machine.run(&["man"])).contains(".TH bulbctl 1"));
    assert!(stdout(&machine.run(&["man", "set"])).contains("brightness"));
}

#[test]
fn effects_are_completed_by_their_names_those_of_the_user_s_own_families_too() {
    let machine = Machine::new();
    machine.profile("hand", include_str!("files/hand.toml"));
    for shell in ["bash", "zsh", "fish"] {
        let script = stdout(&machine.run(&["completions", shell]));
        for effect in ["crossfade-red-green", "lighthouse"] {
            assert!(script.contains(effect), "{shell}: {effect}");
        }
    }
    // What is proposed is no limit: effects have numbers too.
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
