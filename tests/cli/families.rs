//! Bulbs of every family through the whole program, on the sim radio.

use super::*;

/// Runs it on the built-in rig with a bulb of every family.
fn families(machine: &Machine, arguments: &[&str]) -> Output {
    machine.bulbctl(arguments).env("BULBCTL_ADAPTER", "sim:families").output().unwrap()
}

fn last(output: &Output) -> Value {
    records(output).pop().unwrap_or_else(|| panic!("{output:?}"))
}

fn state(machine: &Machine, arguments: &[&str]) -> Value {
    let output = families(machine, &[&["--json"], arguments].concat());
    assert_eq!(code(&output), 0, "{arguments:?}: {output:?}");
    of_type(&output, "state").pop().unwrap()
}

#[test]
fn lamps_that_tell_are_driven_and_confirmed() {
    let machine = Machine::new();
    for (address, profile, effect) in [
        ("C4:11:00:00:01:04", "zengge", Some("fade-red")),
        ("C4:11:00:00:01:05", "govee:segments", Some("7")),
        ("C4:11:00:00:01:08", "hue", Some("candle")),
        ("C4:11:00:00:01:0A", "switchbot", None),
        ("C4:11:00:00:01:0B", "lednetwf", Some("12")),
        ("C4:11:00:00:01:0C", "sp110e", Some("9")),
        ("C4:11:00:00:01:0D", "playbulb", None),
        ("C4:11:00:00:01:0E", "yeelight", None),
        ("C4:11:00:00:01:0F", "avea", None),
        ("C4:11:00:00:01:11", "banlanx", None),
    ] {
        let is = |arguments: &[&str], field: &str, value: Value| {
            let state = state(&machine, arguments);
            assert_eq!(state[field], value, "{profile} {arguments:?}: {state}");
            assert_eq!(
                (state["profile"].as_str(), state["provenance"].as_str()),
                (Some(profile), Some("reported")),
                "{arguments:?}: {state}"
            );
            state["confirmed"].clone()
        };
        // Power of this family is what its status says last, so it comes first.
        assert_eq!(is(&["on", address], "power", true.into()), true, "{profile}");
        assert_eq!(is(&["set", address, "--color", "red"], "color", "#ff0000".into()), true, "{profile} red");
        assert_eq!(
            is(&["set", address, "--brightness", "40"], "brightness", 40.into()),
            true,
            "{profile} 40"
        );
        is(&["status", address], "brightness", 40.into());
        is(&["status", address], "color", "#ff0000".into());
        if let Some(effect) = effect {
            is(&["set", address, "--effect", effect], "effect", effect.into());
            is(&["status", address], "mode", "effect".into());
        }
        assert_eq!(is(&["off", address], "power", false.into()), true, "{profile} off");
        assert_eq!(is(&["toggle", address], "power", true.into()), true, "{profile} toggle");
    }
}

#[test]
fn lamps_that_never_tell_are_assumed_and_nothing_is_guessed() {
    let machine = Machine::new();
    for (address, profile) in [("C4:11:00:00:01:01", "elk"), ("C4:11:00:00:01:03", "led-lamp")] {
        for arguments in [&["on", address][..], &["set", address, "--color", "red"]] {
            let state = state(&machine, arguments);
            assert_eq!(
                (&state["profile"], &state["provenance"], &state["confirmed"]),
                (&profile.into(), &"assumed".into(), &Value::Null),
                "{arguments:?}"
            );
        }
        let status = state(&machine, &["status", address]);
        assert_eq!((&status["provenance"], &status["power"]), (&"unknown".into(), &Value::Null));
        for arguments in [
            &["toggle", address][..],
            &["watch", address],
            &["set", address, "--color", "blue", "--fade", "1s"],
        ] {
            failed(&families(&machine, &[&["--json"], arguments].concat()), 8, "bulb.write_only");
        }
    }
    // MELK is greeted first, and given the time that it needs.
    let start = std::time::Instant::now();
    let log = stderr(&families(&machine, &["-vv", "on", "C4:11:00:00:01:02"]));
    assert!(start.elapsed() >= std::time::Duration::from_secs(2));
    let writes: Vec<&str> =
        log.lines().filter_map(|line| line.split_once("-> ")?.1.split(' ').next()).collect();
    assert_eq!(writes, ["7e0783", "7e0404", "7e00040100000000ef"], "{log}");
    let text = families(&machine, &["set", "C4:11:00:00:01:01", "--effect", "fade-red", "--speed", "10"]);
    assert_eq!(stdout(&text), "ELK-BLEDOM\teffect fade-red\tspeed 10 %\t(assumed: it never reports)\n");
}

#[test]
fn what_cannot_be_is_refused_with_what_can() {
    let machine = Machine::new();
    for (arguments, exit, error, words) in [
        (
            &["set", "C4:11:00:00:01:04", "--kelvin", "3000"][..],
            8,
            "bulb.unsupported",
            "power, brightness, color",
        ),
        (&["set", "C4:11:00:00:01:05", "--kelvin", "500"], 8, "bulb.unsupported", "2000 to 9000"),
        (&["set", "C4:11:00:00:01:01", "--effect", "disco"], 8, "bulb.unsupported", "fade-red"),
        (&["on", "C4:11:00:00:01:07"], 7, "profile.unsupported", "encrypted"),
        (&["status", "C4:11:00:00:01:09"], 8, "bulb.needs_pairing", "refused to pair"),
        (&["set", "C4:11:00:00:01:10", "--brightness", "40"], 2, "usage.incomplete", "also carries color"),
    ] {
        let output = families(&machine, &[&["--json"], arguments].concat());
        let record = failed(&output, exit, error);
        assert!(record["message"].as_str().unwrap().contains(words), "{record}");
    }
    let unpaired = last(&families(&machine, &["--json", "on", "C4:11:00:00:01:09"]));
    assert!(unpaired["hint"].as_str().unwrap().contains("Voice assistants"), "{unpaired}");
    // Scaled brightness is said to be so.
    let scaled = families(&machine, &["set", "C4:11:00:00:01:04", "--brightness", "30"]);
    assert!(stderr(&scaled).contains("dims the colour instead"), "{scaled:?}");
}

#[test]
fn frames_of_every_family_are_shown_with_their_meaning() {
    let machine = Machine::new();
    let log = stderr(&families(
        &machine,
        &["-vv", "set", "C4:11:00:00:01:04", "--color", "red", "--brightness", "100"],
    ));
    for words in ["-> 56ff000000f0aa  100 %  #ff0000", "-> ef0177  a query", "<- 66"] {
        assert!(log.contains(words), "no {words:?} in {log}");
    }
}

#[test]
fn advertised_states_show_before_any_link() {
    let machine = Machine::new();
    let output = families(&machine, &["--json", "scan", "--duration", "1500ms"]);
    let devices = of_type(&output, "device");
    let device = |address: &str| devices.iter().find(|device| device["address"] == address).unwrap();
    let bulb = device("C4:11:00:00:01:0B");
    assert_eq!((&bulb["profile"], bulb["state"]["power"].is_boolean()), (&"lednetwf".into(), true), "{bulb}");
    assert_eq!(device("C4:11:00:00:01:04")["state"], Value::Null);
    // Two families have this name: it is a bulb, and nobody knows of which.
    assert_eq!(device("C4:11:00:00:01:03")["profile"], Value::Null);
}

#[test]
fn detect_says_what_speaks_for_each_family() {
    let machine = Machine::new();
    let record = last(&families(&machine, &["--json", "profiles", "detect", "C4:11:00:00:01:03"]));
    assert_eq!(record["profile"], "led-lamp");
    let candidates = record["candidates"].as_array().unwrap();
    assert_eq!(candidates[1]["profile"], "zengge");
    assert!(candidates[1]["against"][0].as_str().unwrap().contains("ffd5/ffd9"), "{record}");
    let text = stdout(&machine.sim(&["profiles", "detect", "Light-Desk"]));
    assert!(text.starts_with("Light-Desk\tbase\n") && text.contains("+40"), "{text}");
}

/// A serial module has the table of three families: without a name nothing is written.
const UART: &str =
    "rig = 1\n[[bulb]]\nprofile = \"sp110e\"\nname = \"HMSoft Light\"\naddress = \"C4:11:00:00:02:01\"\n";

#[test]
fn evidence_that_does_not_decide_leaves_the_bulb_alone() {
    let machine = Machine::new();
    let output = machine.rig(UART, &["--json", "on", "C4:11:00:00:02:01"]);
    assert_eq!(code(&output), 7, "{output:?}");
    let anonymous = UART.replace("HMSoft Light", "HMSoft");
    let output = machine.rig(&anonymous, &["--json", "on", "C4:11:00:00:02:01"]);
    let error = failed(&output, 7, "profile.unknown");
    assert!(error["message"].as_str().unwrap().contains("sp110e, score 30"), "{error}");
    assert!(error["hint"].as_str().unwrap().contains("--profile"), "{error}");
    // Named, on the command line or for good, it is driven.
    let named = machine.rig(&anonymous, &["--json", "on", "C4:11:00:00:02:01", "--profile", "sp110e"]);
    assert_eq!(last(&named)["profile"], "sp110e");
    machine.config("[aliases]\nstrip = \"C4:11:00:00:02:01\"\n[profiles]\nstrip = \"sp110e\"\n");
    let kept = machine.rig(&anonymous, &["--json", "off", "strip"]);
    assert_eq!(
        (last(&kept)["profile"].as_str(), last(&kept)["power"].as_bool()),
        (Some("sp110e"), Some(false))
    );
}

#[test]
fn a_profile_in_the_user_s_folder_is_a_family_like_the_others() {
    let machine = Machine::new();
    let board = include_str!("files/desk-board.toml");
    machine.profile("board", board);
    machine.write("board.toml", board);
    let rig =
        "rig = 1\n[[bulb]]\nprofile = \"./board.toml\"\nname = \"DESK-1\"\naddress = \"C4:11:00:00:02:02\"\n";
    let output = machine.rig(rig, &["--json", "set", "DESK-1", "--on", "--brightness", "30"]);
    let state = last(&output);
    assert_eq!(
        (&state["profile"], &state["brightness"], &state["confirmed"]),
        (&"board".into(), &30.into(), &true.into()),
        "{output:?}"
    );
    assert!(stdout(&machine.run(&["profiles", "list"])).contains("\nboard\t"));
    // One that is wrong is complained about, and stops nothing that needs it not.
    machine.profile("broken", "profile = 1\nname = 7\n");
    let output = machine.rig(rig, &["on", "DESK-1"]);
    succeeded(&output);
    assert!(stderr(&output).contains("broken.toml") && stderr(&output).contains("line 2"), "{output:?}");
    let named = machine.rig(rig, &["on", "DESK-1", "--profile", "broken"]);
    assert_eq!(code(&named), 2, "{named:?}");
}

#[test]
fn a_profile_of_the_user_s_takes_the_place_of_a_built_in_one_of_the_same_name() {
    let machine = Machine::new();
    let encode = ["frame", "encode", "--profile", "elk", "--on"];
    let built_in = stdout(&machine.run(&encode));
    let own = machine.profile("elk", include_str!("files/other-elk.toml"));
    assert_eq!(stdout(&machine.run(&encode)), "5501\n");
    let list = stdout(&machine.run(&["profiles", "list"]));
    let lines: Vec<&str> = list.lines().filter(|line| line.starts_with("elk\t")).collect();
    assert!(lines.len() == 1 && lines[0].contains("a firmware of ours"), "{list}");
    // And a bulb is recognised by it.
    let rig = "rig = 1\n[[bulb]]\nprofile = \"elk\"\naddress = \"C4:11:00:00:02:03\"\n";
    let found = machine.rig(rig, &["-vv", "on", "C4:11:00:00:02:03"]);
    assert!(stderr(&found).contains("5501"), "{found:?}");
    std::fs::remove_file(own).unwrap();
    assert_eq!(stdout(&machine.run(&encode)), built_in);
}

#[test]
fn frames_that_do_not_fit_into_the_mtu_are_not_written() {
    let machine = Machine::new();
    let profile = machine.write("long.toml", include_str!("files/long-frames.toml"));
    let rig = |mtu: u16| {
        format!(
            "rig = 1\n[[bulb]]\nprofile = \"./long.toml\"\naddress = \"C4:11:00:00:02:04\"\nmtu = {mtu}\n"
        )
    };
    let on = ["--json", "-vv", "on", "C4:11:00:00:02:04", "--profile", &profile];
    let refused = machine.rig(&rig(63), &on);
    let error = failed(&refused, 6, "connect.mtu");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("63") && message.contains("64"), "{message}");
    assert!(!stderr(&refused).contains("5501"), "{refused:?}");
    let done = machine.rig(&rig(64), &on);
    assert!(code(&done) == 0 && stderr(&done).contains("5501"), "{done:?}");
}

#[test]
fn a_fade_goes_there_in_steps() {
    let machine = Machine::new();
    let start = std::time::Instant::now();
    let fade = "-vv set Light-Desk --brightness 20 --color ffb46b --fade 500ms";
    let output = machine.sim(&fade.split(' ').collect::<Vec<_>>());
    succeeded(&output);
    assert!(start.elapsed() >= std::time::Duration::from_millis(500));
    let log = stderr(&output);
    let levels: Vec<u32> = log
        .lines()
        .filter_map(|line| line.split_once("-> 01")?.1.get(..2))
        .map(|level| u32::from_str_radix(level, 16).unwrap())
        .collect();
    assert!(levels.len() >= 3, "{levels:?} in {log}");
    assert!(levels.is_sorted_by(|a, b| a >= b), "{levels:?}");
    assert_eq!(levels.last(), Some(&20), "{levels:?}");
    assert_eq!(stdout(&output), "Light-Desk\ton\t20 %\t#ffb46b\n");
}

/// A bulb that sends something is not silent, whatever it sends.
#[test]
fn a_wrong_answer_is_malformed_and_not_silence() {
    let profile = include_str!("../../protocol/profiles/zengge.toml");
    for (what, from, to, error) in [
        ("a wrong tail", " 99\"", " 98\"", (9, "frame.malformed")),
        ("a wrong start", "\"66 ", "\"77 ", (9, "frame.malformed")),
        ("a piece", " 06? 99\"", "\"", (9, "frame.malformed")),
        ("nothing", "", "", (8, "bulb.timeout")),
    ] {
        let machine = Machine::new();
        let silent = what == "nothing";
        machine.write("strange.toml", &if silent { profile.to_owned() } else { profile.replace(from, to) });
        let fault = if silent { "[[bulb.fault]]\non = \"notify\"\ndo = \"lose\"\n" } else { "" };
        let rig = format!(
            "rig = 1\n[[bulb]]\nprofile = \"strange.toml\"\nname = \"Triones-1\"\naddress = \"C4:11:00:00:00:01\"\n{fault}"
        );
        let arguments = ["--profile", "zengge", "status", "Triones-1", "--json"];
        let output = machine.rig(&rig, &arguments);
        let record = failed(&output, error.0, error.1);
        let text = record.to_string();
        if !silent {
            let start = if what == "a wrong start" { "77" } else { "66" };
            assert!(text.contains(start) && !text.contains("did not answer"), "{what}: {text}");
        }
    }
}

/// A bulb that loses a command and stays one step beside the commanded level has not confirmed it.
#[test]
fn a_level_from_before_the_command_confirms_nothing() {
    let machine = Machine::new();
    let rig = "rig = 1\n[[bulb]]\nname = \"Light-1\"\naddress = \"C4:11:00:00:00:01\"\nbrightness = 50\n\
               [[bulb.fault]]\non = \"write\"\ndo = \"lose\"\n";
    for (level, confirmed) in [("49", false), ("50", true), ("51", false)] {
        let output = machine.rig(rig, &["set", "Light-1", "--brightness", level, "--json"]);
        succeeded(&output);
        let state = last(&output);
        assert_eq!((&state["brightness"], &state["confirmed"]), (&50.into(), &confirmed.into()), "{level}");
    }
}

/// Without the key of its app, an encrypted bulb is listed and refused, with what to set. With the key it is driven.
#[test]
fn an_encrypted_family_is_driven_with_the_key_of_the_user() {
    let machine = Machine::new();
    let key = "00112233445566778899aabbccddeeff";
    let rig = format!(
        "rig = 1\n[[bulb]]\nprofile = \"istrip\"\nkey = \"{key}\"\naddress = \"C4:11:00:00:00:01\"\n"
    );
    let scan = machine.rig(&rig, &["scan", "--duration", "1s", "--json"]);
    let listed = of_type(&scan, "device");
    assert_eq!((listed.len(), &listed[0]["profile"]), (1, &"istrip".into()), "{scan:?}");
    let refused = machine.rig(&rig, &["on", "SSL-1122", "--json"]);
    assert_eq!(code(&refused), 7);
    let error = last(&refused);
    assert_eq!(error["code"], "profile.unsupported");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("[keys]") && message.contains("istrip = \"32 hex digits\""), "{message}");

    let config = machine.dir.path().join("keys.toml");
    std::fs::write(&config, format!("[keys]\nistrip = \"{key}\"\n")).unwrap();
    let config = config.to_str().unwrap();
    let red = ["--color", "red", "--brightness", "40"];
    let driven = machine.rig(
        &rig,
        &["--config", config, "set", "SSL-1122", "--color", "red", "--brightness", "40", "--json"],
    );
    succeeded(&driven);
    let state = last(&driven);
    assert_eq!((&state["power"], &state["color"]), (&true.into(), &"#ff0000".into()), "{state}");
    let frames =
        machine.run(&[&["--config", config, "frame", "encode", "--profile", "istrip"][..], &red].concat());
    succeeded(&frames);
    let frame = stdout(&frames);
    let decode = ["frame", "decode", "--profile", "istrip", "--role", "control", frame.trim()];
    let plain = machine.run(&[&["--config", config][..], &decode].concat());
    assert_eq!(stdout(&plain), "on\t40 %\t#ff0000\tspeed 100 %\n");
    for output in [&refused, &driven, &frames] {
        assert!(!format!("{output:?}").contains(key));
    }
    // Nothing that is not encrypted is written, and nothing without the key.
    let blind = machine.run(&decode);
    assert_eq!(code(&blind), 9, "{blind:?}");
}
