//! Commands: steps from the reported state, and what counts as confirmed.

use super::*;

fn bulb(name: &str, last: u8, keys: &str) -> String {
    format!("[[bulb]]\nname = \"{name}\"\naddress = \"C4:11:00:00:0F:{last:02X}\"\n{keys}\n")
}

fn rig(bulbs: &[String]) -> String {
    format!("rig = 1\n{}", bulbs.concat())
}

/// The state that a command on one bulb leaves.
#[track_caller]
fn state(output: &Output) -> Value {
    succeeded(output);
    of_type(output, "state").pop().unwrap_or_else(|| panic!("{output:?}"))
}

#[test]
fn a_step_starts_from_the_reported_state() {
    let machine = Machine::new();
    let rig = rig(&[bulb("Light-1", 1, "power = true\nbrightness = 80\ncolor = \"#ff0000\"")]);
    for (step, brightness) in [("+10", 90), ("+10%", 100), ("+10", 100), ("-30", 70), ("-100", 0), ("+1", 1)]
    {
        let output = machine.rig(&rig, &["--json", "set", "Light-1", "--brightness", step]);
        let state = state(&output);
        assert_eq!(
            (&state["brightness"], &state["color"]),
            (&Value::from(brightness), &Value::from("#ff0000"))
        );
        assert_eq!(state["confirmed"], true, "{state}");
    }
    // With other settings, and in a fade.
    let output =
        machine.rig(&rig, &["--json", "set", "Light-1", "--brightness=+40", "--color", "blue", "--off"]);
    let after = state(&output);
    assert_eq!((&after["power"], &after["brightness"]), (&Value::Bool(false), &Value::from(41)));
    let output = machine.rig(&rig, &["--json", "set", "Light-1", "--brightness", "-20", "--fade", "200ms"]);
    assert_eq!(state(&output)["brightness"], 21);
}

/// Every feature that is a number, on a family that has it.
#[test]
fn white_kelvin_and_speed_have_steps_too() {
    let machine = Machine::new();
    let run = |arguments: &[&str]| {
        machine
            .bulbctl(&[&["--json"], arguments].concat())
            .env("BULBCTL_ADAPTER", "sim:families")
            .output()
            .unwrap()
    };
    let devices = of_type(&run(&["scan", "--duration", "2s"]), "device");
    let of = |family: &str| {
        let own = |device: &&Value| device["profile"].as_str().is_some_and(|own| own.starts_with(family));
        let found = devices.iter().find(own).unwrap_or_else(|| panic!("{family}: {devices:?}"));
        found["address"].as_str().unwrap().to_owned()
    };
    // This one is in pairing mode.
    let hue = "C4:11:00:00:01:08".to_owned();
    succeeded(&run(&["set", &hue, "--kelvin", "3000"]));
    let kelvin = state(&run(&["set", &hue, "--kelvin", "+500"]))["kelvin"].as_i64().unwrap();
    assert!((3450..=3550).contains(&kelvin), "{kelvin}");
    let coldest = state(&run(&["set", &hue, "--kelvin", "+9000"]))["kelvin"].as_i64().unwrap();
    assert!((6400..=6600).contains(&coldest), "{coldest}");
    let zengge = of("zengge");
    succeeded(&run(&["set", &zengge, "--white", "40"]));
    assert_eq!(state(&run(&["set", &zengge, "--white", "-10"]))["white"], 30);
    succeeded(&run(&["set", &zengge, "--effect", "fade-7", "--speed", "50"]));
    let speed = state(&run(&["set", &zengge, "--speed", "+25"]))["speed"].as_i64().unwrap();
    assert!((73..=77).contains(&speed), "{speed}");
    // In the mode of an effect it has no white to start from.
    let error = failed(&run(&["set", &zengge, "--white", "+10"]), 8, "bulb.state_unknown");
    assert!(error["message"].as_str().unwrap().contains("does not report its white"), "{error}");
    // A family that never reports, and one without the feature.
    let error = failed(&run(&["set", &of("elk"), "--brightness", "+10"]), 8, "bulb.write_only");
    assert!(error["message"].as_str().unwrap().contains("adjust"), "{error}");
    failed(&run(&["set", &zengge, "--kelvin", "+100"]), 8, "bulb.unsupported");
}

/// Half-dark colours change the colour and not the brightness, where the brightness is a setting of its own.
#[test]
fn a_half_dark_colour_keeps_the_brightness() {
    let machine = Machine::new();
    let rig = rig(&[bulb("Light-1", 1, "power = true\nbrightness = 60")]);
    for color in ["purple", "teal", "maroon"] {
        let state = state(&machine.rig(&rig, &["--json", "set", "Light-1", "--color", color]));
        assert_eq!(state["brightness"], 60, "{color}: {state}");
    }
}

/// The ways in which a command is not confirmed, each with what the bulb does.
#[test]
fn confirm_fails_unless_the_bulb_reports_what_was_commanded() {
    let machine = Machine::new();
    let silent = "[[bulb.fault]]\non = \"notify\"\ndo = \"lose\"\n[[bulb.fault]]\non = \"read\"\ndo = \"silent\"\nafter = 1";
    let rig = rig(&[
        bulb("Light-Good", 1, ""),
        bulb("Light-Stubborn", 2, "power = true\ndefects = [\"stays-on\"]"),
        bulb("Light-Silent", 3, silent),
        bulb("ELK-BLEDOM", 4, "profile = \"elk\""),
    ]);
    let run = |arguments: &[&str]| machine.rig(&rig, &[&["--json"], arguments].concat());
    for (target, why) in [
        ("Light-Stubborn", "it reports another state"),
        ("Light-Silent", "it did not answer"),
        ("ELK-BLEDOM", "this family never reports its state"),
    ] {
        let output = run(&["off", target, "--confirm"]);
        let error = failed(&output, 13, "bulb.not_confirmed");
        assert!(error["message"].as_str().unwrap().ends_with(why), "{error}");
        // The state is printed all the same, and without the flag that is all.
        assert_eq!(of_type(&output, "state").len(), 1, "{output:?}");
        if target != "Light-Silent" {
            succeeded(&run(&["off", target]));
        }
    }
    for arguments in [
        &["on", "Light-Good", "--confirm"][..],
        &["toggle", "Light-Good", "--confirm"],
        &["set", "Light-Good", "--brightness", "30", "--confirm"],
    ] {
        succeeded(&run(arguments));
    }
    failed(&run(&["set", "Light-Stubborn", "--off", "--confirm"]), 13, "bulb.not_confirmed");
    // Of several, those that are not confirmed are named.
    let output = run(&["off", "Light-Good", "Light-Stubborn", "--confirm"]);
    let errors = of_type(&output, "error");
    assert_eq!((code(&output), of_type(&output, "state").len()), (10, 2), "{output:?}");
    assert_eq!(
        (errors[0]["target"].as_str(), errors[0]["exit"].as_u64()),
        (Some("Light-Stubborn"), Some(13)),
        "{errors:?}"
    );
    assert_eq!(code(&run(&["off", "ELK-BLEDOM", "Light-Stubborn", "--confirm"])), 13);
}

/// A link with the smallest MTU carries 20 bytes in a write command.
#[test]
fn a_write_command_that_does_not_fit_is_refused_with_the_numbers() {
    let machine = Machine::new();
    let keys = "mtu = 23\n[[bulb.service]]\nuuid = \"aa00\"\n[[bulb.service.characteristic]]\nuuid = \"aa01\"\n\
                properties = [\"write\", \"write-without-response\"]\nvalue = \"00\"";
    let rig = rig(&[bulb("Light-1", 1, keys)]);
    let write = |bytes: usize, op: &str| {
        machine.rig(&rig, &["--json", "gatt", "write", "Light-1", "aa01", &"00".repeat(bytes), "--op", op])
    };
    let error = failed(&write(21, "command"), 2, "gatt.too_long");
    for part in ["at most 20 bytes", "MTU 23", "has 21", "aa01"] {
        assert!(error["message"].as_str().unwrap().contains(part), "{error}");
    }
    assert!(!machine.air().contains("\"event\":\"write\""), "{}", machine.air());
    succeeded(&write(20, "command"));
    succeeded(&write(21, "request"));
    let file = machine.write("long.gatt", &format!("write aa01 {} command\n", "00".repeat(30)));
    let output = machine.rig(&rig, &["--json", "gatt", "run", "Light-1", &file]);
    assert_eq!((code(&output), of_type(&output, "error")[0]["code"].as_str()), (2, Some("gatt.too_long")));
}

/// The frames of a family, written by a command.
#[test]
fn drivers_refuse_frames_that_do_not_fit_into_the_mtu() {
    let machine = Machine::new();
    let profile = "profile = 1\nname = \"long\"\ntitle = \"A board with long frames\"\n[role.control]\n\
                   at = [\"1234/1235\"]\nproperties = [\"write-without-response\"]\n[can]\npower = {}\n[commands]\n\
                   power = \"55 {power} 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00\"\n";
    let file = machine.write("long.toml", profile);
    let run = |mtu: u16| {
        let rig = rig(&[format!(
            "[[bulb]]\nprofile = \"./long.toml\"\naddress = \"C4:11:00:00:0F:01\"\nmtu = {mtu}\n"
        )]);
        machine.rig(&rig, &["--json", "on", "C4:11:00:00:0F:01", "--profile", &file])
    };
    let error = failed(&run(23), 6, "connect.mtu");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("MTU of 23") && message.contains("need 24"), "{message}");
    assert!(!machine.air().contains("\"event\":\"write\""), "{}", machine.air());
    succeeded(&run(24));
}

#[test]
fn a_long_uuid_can_be_shortened() {
    let machine = Machine::new();
    let one = |uuid: &str| {
        format!(
            "[[bulb.service.characteristic]]\nuuid = \"{uuid}b5a3f393e0a9e50e24dcca99\"\nproperties = [\"read\"]\n\
             value = \"07\"\n"
        )
    };
    let keys = format!(
        "[[bulb.service]]\nuuid = \"69400001b5a3f393e0a9e50e24dcca99\"\n{}{}",
        one("69400002"),
        one("69400003")
    );
    let rig = rig(&[bulb("Light-1", 1, &keys)]);
    let read = |place: &str| machine.rig(&rig, &["--json", "gatt", "read", "Light-1", place]);
    for place in ["69400002", "69400001/69400002-b5a3", "0x69400002"] {
        let output = read(place);
        succeeded(&output);
        assert_eq!(of_type(&output, "value")[0]["hex"], "07", "{place}");
    }
    let error = failed(&read("69400"), 2, "gatt.ambiguous");
    for candidate in
        ["69400002-b5a3-f393-e0a9-e50e24dcca99 or @0x", "69400003-b5a3-f393-e0a9-e50e24dcca99 or @0x"]
    {
        assert!(error["message"].as_str().unwrap().contains(candidate), "{error}");
    }
    failed(&read("6940000f"), 7, "gatt.no_characteristic");
}

/// A board that advertises what its own file looks for, which no other family knows.
#[test]
fn check_counts_the_matches_of_the_named_file() {
    let machine = Machine::new();
    let file = machine.write("board.toml", include_str!("files/board-checks.toml"));
    let rig = |name: &str| {
        format!(
            "rig = 1\n[[bulb]]\nprofile = \"./board.toml\"\nname = \"{name}\"\naddress = \"C4:11:00:00:0F:02\"\n"
        )
    };
    let check = |name: &str| {
        let arguments = ["--json", "check", "C4:11:00:00:0F:02", "--only", "name*", "--profile", &file];
        machine.rig(&rig(name), &arguments)
    };
    succeeded(&check("DESK-1"));
    let output = check("Table-1");
    assert_eq!((code(&output), of_type(&output, "check")[0]["result"].as_str()), (12, Some("failed")));
    // The same with a file for one bulb in the configuration.
    machine.config(&format!("[profiles]\n'C4:11:00:00:0F:02' = '{file}'\n"));
    succeeded(&machine.rig(&rig("DESK-1"), &["check", "C4:11:00:00:0F:02", "--only", "name*"]));
}

#[test]
fn info_hears_a_slow_advertiser() {
    let machine = Machine::new();
    let rig = rig(&[bulb("Light-Slow", 1, "interval = \"1500ms\"")]);
    let interval = |arguments: &[&str]| {
        let output = machine.rig(&rig, &[&["--json", "info", "Light-Slow"], arguments].concat());
        succeeded(&output);
        of_type(&output, "info")[0]["advertisement"].clone()
    };
    let heard = interval(&[]);
    assert!(heard["interval_ms"].is_array() && heard["listened_ms"].as_u64() < Some(6000), "{heard}");
    let short = interval(&["--listen", "100ms"]);
    assert!(short["interval_ms"].is_null() && short["listened_ms"].as_u64() < Some(1000), "{short}");
}
