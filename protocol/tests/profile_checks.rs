//! Conformance checks of a profile file, and the frames that they accept.
#![cfg(feature = "profiles")]
// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

#[path = "shared/edge.rs"]
mod edge;

use std::time::Duration;

use bulb_protocol::profile::{DecodeErrorKind, Expectation, Family};

use edge::profile;

const BOARD: &str =
    "[role.other]\nat = [\"fff0/fff3\"]\n[can]\npower = {}\n[commands]\npower = \"01 {power}\"\n";

#[test]
fn a_check_says_what_it_writes_and_expects() {
    let board = profile(&format!(
        "{BOARD}[[check]]\nname = \"pong\"\nabout = \"It answers.\"\nwrite = [{{ frame = \"50 01\" }}]\n\
         reply = \"51 {{power}}\"\nwithin = \"200ms\"\nflashing = true\nlook = \"uart.c\"\n\
         [[check]]\nname = \"version\"\nabout = \"It has a version\"\nread = \"02 ...\"\nfrom = \"other\"\n\
         [[check]]\nname = \"noise\"\nabout = \"Noise does nothing\"\n\
         write = [{{ frame = \"FF\", delay = \"1s\" }}]\nunchanged = true\n"
    ));
    let [pong, version, noise] = &board.checks[..] else { panic!("{:?}", board.checks) };
    let status = "status".to_owned();
    assert_eq!(pong.expect, Expectation::Reply { role: status, within: Duration::from_millis(200) });
    assert_eq!(version.expect, Expectation::Read { role: "other".to_owned() });
    assert_eq!(noise.expect, Expectation::Unchanged);
    assert_eq!((pong.about.as_str(), pong.look.as_str(), pong.flashing), ("It answers", "uart.c", true));
    assert_eq!((pong.writes.len(), version.writes.len(), noise.writes.len()), (1, 0, 1));
    assert_eq!(noise.writes[0].delay, Duration::from_secs(1));
    let usual = profile(&format!(
        "{BOARD}[[check]]\nname = \"x\"\nabout = \"x\"\nwrite = [{{ frame = \"50\" }}]\nreply = \"51\"\n"
    ));
    let second = Expectation::Reply { role: "status".to_owned(), within: Duration::from_secs(1) };
    assert_eq!(usual.checks[0].expect, second);
    for (check, bytes, kind) in [
        (pong, &[0x51, 1][..], None),
        (pong, &[0x51, 2], Some(DecodeErrorKind::Value)),
        (pong, &[0x50, 1], Some(DecodeErrorKind::UnknownFrame)),
        (version, &[2, 7, 8], None),
        (version, &[3, 7, 8], Some(DecodeErrorKind::UnknownFrame)),
        // It expects no frame.
        (noise, &[9], None),
    ] {
        let found = board.matches_check(check, bytes).err().map(|error| error.kind());
        assert_eq!(found, kind, "{} {bytes:?}", check.name);
    }
}

#[test]
fn a_check_needs_one_expectation_and_something_to_do() {
    const WRITE: &str = "write = [{ frame = \"FF\" }]\n";
    let mistake = |check: &str| {
        let text = format!(
            "profile = 1\nname = \"edge\"\ntitle = \"Edge\"\n[role.control]\nat = [\"fff0/fff1\"]\n\
             [role.status]\nat = [\"fff0/fff2\"]\n{BOARD}[[check]]\nname = \"x\"\nabout = \"x\"\n{check}"
        );
        Family::parse(&text).unwrap().validate_variants().err().map(|error| error.message)
    };
    let (one, write) = (
        Some("a check needs one of `reply`, `read` and `unchanged`".to_owned()),
        Some("a check without `write` needs `read`".to_owned()),
    );
    for (check, error) in [
        (format!("{WRITE}reply = \"51\"\n"), None),
        ("read = \"51\"\n".to_owned(), None),
        (format!("{WRITE}read = \"51\"\n"), None),
        (format!("{WRITE}unchanged = true\n"), None),
        (WRITE.to_owned(), one.clone()),
        (format!("{WRITE}reply = \"51\"\nread = \"51\"\n"), one.clone()),
        (format!("{WRITE}reply = \"51\"\nunchanged = true\n"), one.clone()),
        (format!("{WRITE}read = \"51\"\nunchanged = true\n"), one),
        ("reply = \"51\"\n".to_owned(), write.clone()),
        ("unchanged = true\n".to_owned(), write),
    ] {
        assert_eq!(mistake(&check), error, "{check}");
    }
}
