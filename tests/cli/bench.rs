//! The bench of who brings up a board: `info`, `gatt`, `doctor`.

use serde_json::json;

use super::errors::UNUSABLE;
use super::*;

/// A board whose table no profile expects: two services of one UUID, characteristics alike, one empty service.
const RIG: &str = include_str!("files/board.toml");

fn board(machine: &Machine, arguments: &[&str]) -> Output {
    machine.rig(RIG, arguments)
}

#[test]
fn info_tells_all_that_can_be_told() {
    let machine = Machine::new();
    let output = board(&machine, &["info", "Light-Board", "--json", "--listen", "600ms"]);
    let info = of_type(&output, "info").pop().unwrap_or_else(|| panic!("{output:?}"));
    let advertisement = &info["advertisement"];
    assert_eq!(
        advertisement["manufacturer"][0],
        json!({"number": "004c", "name": "Apple, Inc.", "hex": "0201"})
    );
    assert_eq!(advertisement["services"][0]["number"], "0000fff0-0000-1000-8000-00805f9b34fb");
    // Up to 10 ms late, each.
    let interval: Vec<u64> = serde_json::from_value(advertisement["interval_ms"].clone()).unwrap();
    assert!(interval[0] >= 49 && (50..=62).contains(&interval[1]), "{advertisement}");
    assert_eq!((&info["profile"], &info["candidates"][0]["profile"]), (&json!("base"), &json!("base")));
    assert_eq!((&info["battery"], &info["battery_source"]), (&json!(61), &json!("gatt")));
    let services = info["services"].as_array().unwrap();
    let outline: Vec<_> = services
        .iter()
        .map(|service| {
            (&service["uuid"].as_str().unwrap()[4..8], service["handle"].as_u64(), &service["duplicate"])
        })
        .collect();
    let (yes, no) = (json!(true), json!(false));
    assert_eq!(
        outline,
        [
            ("fff0", Some(1), &yes),
            ("fff0", Some(11), &yes),
            ("ffe0", Some(14), &no),
            ("0001", Some(17), &no),
            ("180f", Some(18), &no),
            ("180a", Some(22), &no)
        ]
    );
    assert_eq!(services[3]["name"], "Nordic UART Service");
    let places: Vec<_> = services
        .iter()
        .flat_map(|service| service["characteristics"].as_array().unwrap())
        .map(|one| (one["place"].as_str().unwrap(), one["value_handle"].as_u64().unwrap()))
        .collect();
    assert_eq!(
        places,
        [
            ("fff1", 3),
            ("fff2", 5),
            ("fff0/fff4#1", 8),
            ("fff0/fff4#2", 10),
            ("fff0/fff5", 13),
            ("ffe0/fff5", 16),
            ("2a19", 20),
            ("2a29", 24),
            ("2a24", 26)
        ]
    );
    assert_eq!(services[0]["characteristics"][1]["properties"], json!(["read", "notify"]));
    assert_eq!(services[0]["characteristics"][1]["descriptors"][0]["handle"], 6);
    let said: Vec<_> = info["device"].as_array().unwrap().iter().map(|said| &said["name"]).collect();
    assert_eq!(said, ["Manufacturer Name String", "Model Number String"]);
    // What it says of itself for the command line is what the command line takes.
    for (place, _) in places.iter().filter(|(place, _)| *place != "fff1") {
        assert_eq!(code(&board(&machine, &["gatt", "read", "Light-Board", place])), 0, "{place}");
    }
}

#[test]
fn info_for_people_is_a_tree_without_what_a_stranger_put_in() {
    let machine = Machine::new();
    let output = board(&machine, &["info", "Light-Board", "--listen", "300ms"]);
    let text = stdout(&output);
    succeeded(&output);
    for line in [
        "  0x0001  fff0  (duplicate: several services have this UUID)",
        "    0x0004  fff2  [read, notify]",
        "      0x0006  2902  Client Characteristic Configuration",
        "    0x0009  fff0/fff4#2  [read, write-without-response]  (duplicate)",
        "  0x0011  6e400001-b5a3-f393-e0a9-e50e24dcca9e  Nordic UART Service  (empty)",
        "    0x0013  2a19  Battery Level  [read, notify]",
    ] {
        assert!(text.lines().any(|own| own == line), "{line}\n{text}");
    }
    assert!(text.contains("004c  Apple, Inc.: 0201") && text.contains("Bulb Works"), "{text}");
    assert!(!text.contains('\u{1b}'), "{text:?}");
}

#[test]
fn a_bulb_that_is_connected_is_not_listened_to() {
    let machine = Machine::new();
    assert_eq!(code(&board(&machine, &["connect", "Light-Board"])), 0);
    let output = board(&machine, &["info", "Light-Board", "--json", "--listen", "10m"]);
    let info = of_type(&output, "info").pop().unwrap();
    assert_eq!(info["advertisement"]["interval_ms"], json!(null));
    assert_eq!(info["advertisement"]["listened_ms"], json!(null));
}

#[test]
fn values_are_read_in_every_form() {
    let machine = Machine::new();
    for (arguments, want) in [
        (&["read", "Light-Board", "fff0/fff4#1"][..], "01\n"),
        (&["read", "Light-Board", "fff0/fff4#2"], "02\n"),
        (&["read", "Light-Board", "@0x000a"], "02\n"),
        (&["read", "Light-Board", "fff0/fff5"], "0500\n"),
        (&["read", "Light-Board", "ffe0/0000fff5-0000-1000-8000-00805f9b34fb", "--text"], "Hello\n"),
        (&["read", "Light-Board", "ffe0/fff5", "--raw"], "Hello\0"),
        (&["read", "Light-Board", "fff2", "--decode"], "off\t50 %\t#ffffff\n"),
        (&["write", "Light-Board", "fff1", "01:19:ff:00:00"], "5 bytes written (request)\n"),
        (&["write", "Light-Board", "fff1", "--op", "command", "0x01, 0x19, 0xff, 0, 0"], ""),
        (&["read", "Light-Board", "fff2"], "0119ff0000\n"),
        (&["write", "Light-Board", "fff0/fff4#1", "--text", "hi"], "2 bytes written (request)\n"),
        (&["write", "Light-Board", "fff0/fff4#2", "7f"], "1 byte written (command)\n"),
        (&["read", "Light-Board", "fff0/fff4#1", "--text"], "hi\n"),
        (&["read", "Light-Board", "fff0/fff4#2"], "7f\n"),
    ] {
        let output = board(&machine, &[&["gatt"], arguments].concat());
        if want.is_empty() {
            // `0` is half a byte.
            assert_eq!(code(&output), 2, "{output:?}");
        } else {
            assert_eq!((stdout(&output).as_str(), code(&output)), (want, 0), "{arguments:?}: {output:?}");
        }
    }
}

#[test]
fn values_are_written_from_files_and_pipes() {
    let machine = Machine::new();
    let file = machine.path().join("frame.bin");
    std::fs::write(&file, [1, 10, 1, 2, 3]).unwrap();
    let output = board(&machine, &["gatt", "write", "Light-Board", "fff1", "--file", file.to_str().unwrap()]);
    succeeded(&output);
    assert_eq!(stdout(&board(&machine, &["gatt", "read", "Light-Board", "fff2"])), "010a010203\n");
    let output = fed(machine.on_rig(RIG, &["gatt", "write", "Light-Board", "fff1", "-"]), &[0, 11, 4, 5, 6]);
    succeeded(&output);
    assert_eq!(stdout(&board(&machine, &["gatt", "read", "Light-Board", "fff2"])), "000b040506\n");
    let output = fed(machine.on_rig(RIG, &["gatt", "write", "Light-Board", "fff1", "-"]), &[0; 600]);
    assert!(stderr(&output).contains("longer than 512 bytes") && code(&output) == 2, "{output:?}");
}

#[test]
fn what_cannot_be_is_told_with_what_can() {
    let machine = Machine::new();
    for (arguments, code_, exit, part) in [
        (
            &["read", "Light-Board", "2a00"][..],
            "gatt.no_characteristic",
            7,
            "it has: fff0 (fff1, fff2, fff4, fff4)",
        ),
        (&["read", "Light-Board", "fff5"], "gatt.ambiguous", 2, "fff0/fff5 or @0x000c (read), ffe0/fff5"),
        (&["read", "Light-Board", "fff0/fff4"], "gatt.ambiguous", 2, "fff4#1 or @0x0007"),
        (&["read", "Light-Board", "fff1"], "gatt.wrong_properties", 7, "cannot be read"),
        (&["write", "Light-Board", "fff2", "00"], "gatt.wrong_properties", 7, "cannot be written"),
        (
            &["write", "Light-Board", "@0x0009", "00", "--op", "request"],
            "gatt.wrong_properties",
            7,
            "by a request",
        ),
        (&["notify", "Light-Board", "fff1"], "gatt.wrong_properties", 7, "cannot notify"),
        (
            &["notify", "Light-Board", "fff2", "--count", "1", "--timeout", "500ms"],
            "gatt.no_notification",
            8,
            "sent no notification from fff2 within",
        ),
        (&["read", "Light-Board", "fffg"], "usage", 2, "is not a characteristic"),
        (&["write", "Light-Board", "fff1", "01x4"], "usage", 2, "byte 2 is \"x4\""),
        (&["write", "Light-Board", "fff1"], "usage", 2, "--text"),
        (&["write", "Light-Board", "fff1", "01"], "bulb.refused", 8, "0x0d"),
    ] {
        let output = board(&machine, &[&["gatt"], arguments, &["--json"]].concat());
        let error = of_type(&output, "error").pop().unwrap_or_else(|| panic!("{arguments:?}: {output:?}"));
        assert_eq!((error["code"].as_str(), code(&output)), (Some(code_), exit), "{arguments:?}: {error}");
        assert!(error["message"].as_str().unwrap().contains(part), "{arguments:?}: {error}");
    }
}

/// Subscribed first, so that the answer to the write is not missed; each operation is a record with its line.
const SCRIPT: &str = "# switch on\nsubscribe fff2\nwrite fff1 0164ff8800\nnotify fff2 count=1\nwait 20ms\nread 9999\nread fff2\n";

#[test]
fn a_script_runs_over_one_link_and_stops_at_what_fails() {
    let machine = Machine::new();
    let script = machine.write("script", SCRIPT);
    let output = fed(
        machine.on_rig(RIG, &["gatt", "run", "Light-Board", "-", "--json", "--decode"]),
        SCRIPT.as_bytes(),
    );
    let lines = |output: &Output| -> Vec<(String, u64)> {
        let values = of_type(output, "value");
        let of = |value: &Value| {
            (value["operation"].as_str().unwrap().to_owned(), value["line"].as_u64().unwrap())
        };
        values.iter().map(of).collect()
    };
    let done =
        [("subscribe", 2), ("write", 3), ("notification", 4)].map(|(name, line)| (name.to_owned(), line));
    assert_eq!(lines(&output), done, "{output:?}");
    let values = of_type(&output, "value");
    assert_eq!((&values[2]["hex"], &values[2]["frame"]["color"]), (&json!("0164ff8800"), &json!("#ff8800")));
    let errors = of_type(&output, "error");
    assert_eq!(
        (&errors[0]["target"], &errors[0]["code"]),
        (&json!("line 6"), &json!("gatt.no_characteristic"))
    );
    assert_eq!((&errors[1]["code"], code(&output)), (&json!("partial"), 7));

    std::fs::remove_file(machine.path().join("air.log")).unwrap();
    let output = board(&machine, &["gatt", "run", "Light-Board", &script, "--keep-going", "--json"]);
    let all = [done.as_slice(), &[("read".to_owned(), 7)]].concat();
    assert_eq!((lines(&output), code(&output)), (all, 10), "{output:?}");
    let log = machine.air();
    assert_eq!(log.matches("\"event\":\"connect\"").count(), 1, "{log}");
}

#[test]
fn a_script_with_a_mistake_is_not_begun() {
    let machine = Machine::new();
    let output = fed(
        machine.on_rig(RIG, &["gatt", "run", "Light-Board", "-", "--json"]),
        b"write fff1 0100ffffff\nreed fff2\n",
    );
    let error = of_type(&output, "error").pop().unwrap();
    assert!(
        error["message"].as_str().unwrap().starts_with("line 2: unknown operation \"reed fff2\""),
        "{error}"
    );
    assert_eq!((records(&output).len(), code(&output)), (1, 2));
}

#[test]
fn bytes_that_mean_nothing_are_shown_and_are_an_error() {
    let machine = Machine::new();
    let fault =
        "[[bulb.fault]]\non = \"read\"\ndo = \"reply\"\nbytes = \"0199\"\ncharacteristic = \"fff2\"\n";
    let rig = format!("{RIG}\n{fault}");
    let output = machine.rig(&rig, &["gatt", "read", "Light-Board", "fff2", "--decode", "--json"]);
    assert_eq!(of_type(&output, "value")[0]["hex"], "0199");
    assert_eq!((&of_type(&output, "error")[0]["code"], code(&output)), (&json!("frame.malformed"), 9));
    // Of a characteristic that the family does not have, nothing can be wrong.
    let output = machine.rig(&rig, &["gatt", "read", "Light-Board", "fff0/fff5", "--decode", "--json"]);
    assert_eq!((&of_type(&output, "value")[0]["frame"], code(&output)), (&json!(null), 0));
}

#[test]
fn frames_of_a_family_are_decoded_by_its_profile() {
    let machine = Machine::new();
    let rig =
        "rig = 1\n[[bulb]]\nname = \"ELK-BLEDOM\"\naddress = \"C4:11:00:00:0B:02\"\nprofile = \"elk\"\n";
    let script = machine.write("script", "write fff3 7e070503ff000010ef\n");
    let output = machine.rig(rig, &["gatt", "run", "ELK-BLEDOM", &script, "--decode", "--json"]);
    let value = of_type(&output, "value").pop().unwrap_or_else(|| panic!("{output:?}"));
    assert_eq!((&value["frame"]["profile"], &value["frame"]["color"]), (&json!("elk"), &json!("#ff0000")));
    let output = machine.rig(rig, &["info", "ELK-BLEDOM", "--json", "--listen", "300ms"]);
    let info = of_type(&output, "info").pop().unwrap();
    assert_eq!((&info["profile"], &info["candidates"][0]["against"]), (&json!("elk"), &json!([])));
}

#[test]
fn several_bulbs_are_told_apart() {
    let machine = Machine::new();
    let output = machine.sim(&["gatt", "read", "Light-Desk,Light-Shelf", "fff2", "--decode"]);
    let text = stdout(&output);
    assert!(text.lines().any(|line| line == "Light-Shelf\toff\t35 %\t#3060ff"), "{text}");
    let output = machine.sim(&["gatt", "read", "Light-Desk,Light-Shelf", "fff2", "--raw"]);
    assert_eq!(code(&output), 2, "{output:?}");
}

#[test]
fn doctor_tells_what_there_is_also_where_nothing_works() {
    let machine = Machine::new();
    let unusable = UNUSABLE.map(|(state, error, exit)| (state, Some(error), exit));
    for (state, error, exit) in unusable.into_iter().chain([("on", None, 0)]) {
        let rig = format!("rig = 1\n[adapter]\nstate = \"{state}\"\n");
        let output = machine.rig(&rig, &["doctor", "--json"]);
        let all = records(&output);
        assert_eq!(code(&output), exit, "{state}: {output:?}");
        assert_eq!(all[0]["usable"], error.is_none(), "{state}: {}", all[0]);
        if let Some(error) = error {
            let finding = &all[0]["findings"][0];
            assert_eq!((&finding["level"], &finding["code"]), (&json!("fault"), &json!(error)), "{state}");
            assert!(finding["fix"].is_string(), "{finding}");
            assert_eq!(all[1]["code"], error);
        }
        let page = machine.rig(&rig, &["doctor"]);
        let want = if error.is_none() { "Bluetooth can be used." } else { "Bluetooth cannot be used." };
        assert!(stdout(&page).ends_with(&format!("{want}\n")), "{page:?}");
    }
}

#[test]
fn doctor_tells_of_links_that_are_held() {
    let machine = Machine::new();
    assert_eq!(code(&machine.sim(&["connect", "Light-Desk"])), 0);
    let doctor = of_type(&machine.sim(&["doctor", "--json"]), "doctor").pop().unwrap();
    assert_eq!(doctor["links"], json!([{"id": "C4:11:00:00:00:01", "name": "Light-Desk"}]));
    assert_eq!(doctor["findings"][0]["code"], "link.held");
}
