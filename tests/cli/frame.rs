//! `frame encode` and `frame decode`.

use std::io::Write;

use super::*;

fn decode(arguments: &[&str], input: &str) -> Output {
    let machine = Machine::new();
    let mut command = machine.bulbctl(&["frame", "decode"]);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
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
