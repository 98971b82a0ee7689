//! `frame encode` and `frame decode`.

use super::*;

fn decode(arguments: &[&str], input: &str) -> Output {
    let machine = Machine::new();
    let mut command = machine.bulbctl(&["frame", "decode"]);
    command.args(arguments);
    fed(command, input.as_bytes())
}

#[test]
fn encodes_what_is_named_and_fills_in_the_rest() {
    let machine = Machine::new();
    for (arguments, hex) in [
        (&[][..], "0164ffffff"),
        (&["--off", "--brightness", "50"], "0032ffffff"),
        (&["--on", "--brightness", "0", "--color", "black"], "0100000000"),
        (&["--color", "255,136,0", "--brightness", "80%"], "0150ff8800"),
    ] {
        let output = machine.run(&[&["frame", "encode"], arguments].concat());
        assert_eq!((code(&output), stdout(&output)), (0, format!("{hex}\n")), "{arguments:?}");
    }
}

#[test]
fn decodes_every_spelling() {
    for arguments in [
        &["0164ff0000"][..],
        &["01 64 FF 00 00"],
        &["01:64:ff:00:00"],
        &["01-64-ff-00-00"],
        &["0x01,0x64,0xff,0x00,0x00"],
        &["(0x) 01-64-FF-00-00"],
        &["0x0164FF0000"],
        &["{0x01, 0x64, 0xff, 0x00, 0x00}"],
        &["01", "64", "ff", "00", "00"],
    ] {
        let output = decode(arguments, "");
        assert_eq!((code(&output), stdout(&output).as_str()), (0, "on\t100 %\t#ff0000\n"), "{arguments:?}");
    }
}

#[test]
fn names_the_byte_at_fault() {
    for (frame, words) in [
        ("0264ff0000", "byte 0 (power) is 2"),
        ("0165ff0000", "byte 1 (brightness) is 101"),
        ("0164ff00", "has 4"),
        ("0164ff000000", "has 6"),
        ("", "has 0"),
    ] {
        let output = decode(&[frame], "");
        assert_eq!(code(&output), 9, "{frame}");
        assert!(stderr(&output).contains(words), "{frame}: {}", stderr(&output));
    }
    let lenient = decode(&["--lenient", "02c8ff0000"], "");
    assert_eq!((code(&lenient), stdout(&lenient).as_str()), (0, "on\t100 %\t#ff0000\n"));
}

#[test]
fn a_wrong_frame_among_several_does_not_stop_the_others() {
    let output = decode(&["-"], "0164ff0000\n\n02\n0032ffffff\n");
    assert_eq!(code(&output), 10);
    assert_eq!(stdout(&output), "on\t100 %\t#ff0000\noff\t50 %\t#ffffff\n");
    assert!(stderr(&output).contains("1 of 3 failed"), "{}", stderr(&output));
    // When all fail alike, the exit code says how.
    assert_eq!(code(&decode(&["02", "0164"], "")), 9);
}

#[test]
fn decode_reads_what_encode_writes() {
    let machine = Machine::new();
    let encoded = machine.run(&["frame", "encode", "--color", "teal", "--brightness", "7", "--off"]);
    let output = decode(&["-"], &stdout(&encoded));
    assert_eq!(stdout(&output), "off\t7 %\t#008080\n");
}

#[test]
fn every_family_encodes_and_decodes_by_name() {
    let machine = Machine::new();
    for (profile, arguments, hex, text) in [
        ("elk", &["--color", "red"][..], "7e070503ff000010ef", "#ff0000"),
        ("elk:bledob", &["--brightness", "50"], "7e04013201ff0201ef", "50 %"),
        ("zengge", &["--effect", "fade-green", "--speed", "0"], "bb271f44", "effect fade-green\tspeed 0 %"),
        ("govee", &[], "3301010000000000000000000000000000000033", "on"),
        ("govee:segments", &["--kelvin", "3600"], "33051501ffffff0e10ffcb8dff7f0000000000fa", "3600 K"),
        ("lednetwf", &["--off", "--sequence", "91"], "005b8000000d0e0b3b2400000000000000320000 91", "off"),
        ("neewer:cb60-rgb", &["--on", "--address", "F7:AC:16:F1:58:96"], "788d08f7ac16f158968101 27", "on"),
    ] {
        let encoded = machine.run(&[&["frame", "encode", "--profile", profile], arguments].concat());
        let hex = hex.replace(' ', "");
        assert_eq!((code(&encoded), stdout(&encoded)), (0, format!("{hex}\n")), "{encoded:?}");
        let decoded = machine.run(&["frame", "decode", "--profile", profile, &hex]);
        assert_eq!((code(&decoded), stdout(&decoded)), (0, format!("{text}\n")), "{decoded:?}");
    }
    let frames = ["66 15 23 41 20 00 FF 00 00 00 06 99", "EF 01 77"];
    let status = machine.run(&[&["frame", "decode", "--profile", "zengge"][..], &frames].concat());
    assert_eq!(stdout(&status), "on\t100 %\t#ff0000\na query\n");
}

#[test]
fn what_a_family_cannot_say_is_refused_with_what_it_can() {
    let machine = Machine::new();
    for (profile, arguments, exit, words) in [
        ("govee", &["--color", "red"][..], 8, "color cannot be set; this bulb supports: power"),
        ("hue", &["--kelvin", "9000"], 8, "2000 to 6535"),
        ("zengge", &["--effect", "disco"], 8, "there is no effect \"disco\"; this bulb has: fade-7"),
        ("govee:encrypted", &[], 8, "encrypted"),
        ("zengge", &["--brightness", "50"], 2, "its frame also carries color"),
        ("nonesuch", &[], 2, "the profiles are: base, elk"),
        ("elk:nonesuch", &[], 2, "bledob"),
        ("base", &["--kelvin", "3000"], 2, "--kelvin"),
        ("./nowhere.toml", &[], 2, "nowhere.toml"),
    ] {
        let output = machine.run(&[&["frame", "encode", "--profile", profile], arguments].concat());
        assert_eq!(code(&output), exit, "{profile}: {}", stderr(&output));
        assert!(stderr(&output).contains(words), "{profile}: {}", stderr(&output));
    }
    let foreign =
        machine.run(&["frame", "decode", "--profile", "govee", "330101000000000000000000000000000000 0034"]);
    assert_eq!(code(&foreign), 9);
    assert!(stderr(&foreign).contains("expected 33"), "{}", stderr(&foreign));
    // One byte is power or brightness: nothing is guessed.
    assert_eq!(code(&machine.run(&["frame", "decode", "--profile", "hue", "01"])), 2);
    let power = machine.run(&["frame", "decode", "--profile", "hue", "--role", "brightness", "FE"]);
    assert_eq!(stdout(&power), "100 %\n");
}

#[test]
fn a_board_of_one_s_own_is_a_file() {
    let machine = Machine::new();
    let file = machine.write("board.toml", include_str!("files/own-board.toml"));
    let file = file.as_str();
    let encoded = machine.run(&["frame", "encode", "--profile", file, "--on", "--color", "ff8800"]);
    assert_eq!(stdout(&encoded), "55010157\n550288ff00de\n", "{}", stderr(&encoded));
    std::fs::write(file, "profile = 1\nname = \"board\"\ntitle = \"x\"\nnmae = 1\n").unwrap();
    let broken = machine.run(&["profiles", "show", file]);
    assert_eq!(code(&broken), 2);
    assert!(stderr(&broken).contains("board.toml: line 4: unknown field `nmae`"), "{}", stderr(&broken));
}

#[test]
fn profiles_are_listed_and_shown() {
    let machine = Machine::new();
    let list = stdout(&machine.run(&["profiles", "list"]));
    assert!(
        list.lines().any(|line| line.starts_with("elk\tpower,brightness,color,white,kelvin?,effect,speed\t")),
        "{list}"
    );
    let shown = stdout(&machine.run(&["profiles", "show", "elk:melk"]));
    for words in ["elk:melk", "0 to 227", "never reported, always assumed", "fff0/fff3", "experimental"] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    let records = records(&machine.run(&["profiles", "show", "hue", "--json"]));
    assert_eq!(records[0]["type"], "profile");
    assert_eq!(records[0]["abilities"][3]["range"], serde_json::json!([2000, 6535]));
}
