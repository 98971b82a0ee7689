//! The TUI, in a terminal.

use rustix::process::Signal;
use serde_json::json;

use crate::play::Play;
use crate::pty::Terminal;
use crate::{BOTH, NO_RSSI, STACK, Scenario, scenario};

pub const SCENARIOS: &[Scenario] = &[
    scenario("a session, with a lost link in it", "desk", STACK, session).except(NO_RSSI),
    scenario("bulbs of two families", "families", BOTH, families).except(NO_RSSI),
    scenario("SIGTERM gives bulb and terminal back", "desk", STACK, terminated).except(NO_RSSI),
    scenario("the GATT pane reads, writes and follows", "desk", STACK, gatt).except(NO_RSSI),
    scenario("a check in the desk is stopped", "desk", STACK, checked).except(NO_RSSI),
    scenario("SIGTERM during a check in the desk", "desk", STACK, terminated_in_check).except(NO_RSSI),
    scenario("a scene is saved and recalled", "desk", STACK, scene).except(NO_RSSI),
    scenario("a fade in the desk", "desk", BOTH, fade).except(NO_RSSI),
    scenario("bulbs wait their turn for a link", "desk", STACK, queued).except(NO_RSSI),
];

const NEAR: &str = "C4:5C:00:00:0E:01";
const LEAPING: &str = "C4:5C:00:00:0E:02";
/// In the rig of families.
const ELK: &str = "C4:5C:00:00:10:01";

/// Waits for the screen after each key, so that changes are not merged and the bulb receives each one.
fn session(play: &Play) {
    let desk = play.tui((100, 30));
    desk.until_shown(&["Light-Near", "Light-Leaping", "scanning"]);
    assert!(!desk.contents().contains("JBL"), "a stranger is listed:\n{}", desk.contents());

    desk.keys("j");
    desk.until("the bulb is selected", |screen| {
        screen.contents().lines().any(|line| line.contains('▌') && line.contains("Light-Leaping"))
    });
    desk.keys("\r");
    desk.until_shown(&["● connected", "off  50 %", "#3060ff", "reported", "87 %", "BW-1"]);
    desk.keys(" ");
    desk.until_shown(&["on  50 %", "reported"]);
    desk.keys("2j\u{1b}[C");
    desk.until_shown(&["on  51 %", "reported"]);
    let (column, row) = end_of_slider(&desk, "Brightness");
    desk.click(column, row);
    desk.until_shown(&["on  100 %", "reported"]);

    // The bulb drops the link at this command.
    color(&desk, "rebeccapurple");
    desk.until_shown(&["link.lost", "state unknown"]);
    // The lost command is not repeated: minutes may have passed.
    desk.until_shown(&["● connected", "on  100 %", "#3060ff", "reported", "lost 1×"]);
    color(&desk, "tomato");
    desk.until_shown(&["on  100 %", "#ff6347", "reported"]);

    desk.resize(80, 24);
    desk.until_shown(&["by signal", "on  100 %", "q quit"]);
    desk.keys("q");
    assert_eq!(desk.end(), (Some(0), String::new()));
    play.expect_log(
        LEAPING,
        &[
            "connect",
            "subscribe fff2",
            "read fff2",
            "write fff1 request 01323060ff",
            "notify fff2 01323060ff",
            "write fff1 request 01333060ff",
            "notify fff2 01333060ff",
            "write fff1 request 01643060ff",
            "notify fff2 01643060ff",
            "write fff1 request 0164663399",
            "disconnect bulb",
            "connect",
            "subscribe fff2",
            "read fff2",
            "write fff1 request 0164ff6347",
            "notify fff2 0164ff6347",
            "disconnect central",
        ],
    );
    play.expect_log(NEAR, &[]);
}

/// A bulb that never reports its state, and one that is queried: their controls, their frames, and the shown provenance.
fn families(play: &Play) {
    let desk = play.tui((100, 30));
    desk.until_shown(&["ELK-BLEDOM", "scanning"]);
    desk.keys("/elk-bledom\r\r");
    desk.until_shown(&["● connected", "state unknown", "never reports", "Kelvin"]);
    desk.keys("t");
    desk.until("the cursor in the field", |screen| !screen.hide_cursor());
    desk.keys("2700\r");
    desk.until_shown(&["2700K", "assumed: never reports"]);
    effect(&desk, "jump-7");
    desk.until("the effect", |screen| {
        let text = screen.contents();
        text.contains("▓▒░") && text.contains("jump-7") && text.contains("assumed: never reports")
    });
    desk.keys("d");
    desk.until_shown(&["not connected"]);

    desk.keys("\u{1b}");
    desk.until("no filter", |screen| !screen.contents().contains("Esc clears it"));
    desk.keys("/triones\r\r");
    desk.until_shown(&["● connected", "Brightness≈", "reported"]);
    desk.until("what it cannot do is not there", |screen| !screen.contents().contains("Kelvin"));
    effect(&desk, "fade-red");
    desk.until_shown(&["✓", "fade-red", "reported"]);
    desk.keys("q");
    assert_eq!(desk.end(), (Some(0), String::new()));
    // Only these: it cannot be queried, and nothing was sent twice.
    let saw: Vec<String> = play.writes(ELK).iter().filter_map(|entry| entry.hex.clone()).collect();
    assert_eq!(saw, ["7e0605026400ff10ef", "7e05038803ffff00ef"]);
}

fn effect(desk: &Terminal, name: &str) {
    desk.keys("v");
    desk.until_shown(&[" Effects ", "Esc close"]);
    desk.keys(&format!("/{name}"));
    desk.until_shown(&[&format!("filter effects: {name}"), name]);
    desk.keys("\r");
    desk.until("the list closed", |screen| !screen.contents().contains(" Effects "));
}

fn terminated(play: &Play) {
    let desk = play.tui((80, 24));
    desk.until_shown(&["Light-Near"]);
    desk.keys("\r");
    desk.until_shown(&["● connected", "reported"]);
    desk.signal(Signal::TERM);
    assert_eq!(desk.end(), (Some(130), String::new()));
    play.expect_log(NEAR, &["connect", "subscribe fff2", "read fff2", "disconnect central"]);
}

/// Starts the desk and connects this bulb alone.
fn connected(play: &Play, name: &str) -> Terminal {
    let desk = play.tui((100, 40));
    desk.until_shown(&["Light-Near", "Light-Leaping", "scanning"]);
    desk.keys(&format!("/{name}\r\r"));
    desk.until_shown(&["● connected", "off  50 %", "reported"]);
    desk
}

fn gatt(play: &Play) {
    let desk = connected(play, "near");
    desk.keys("5");
    desk.until_shown(&["control", "status", "Battery Level"]);
    // A command by hand, and what the bulb says of it.
    click(&desk, "fff1 ");
    desk.keys("w");
    desk.until_shown(&["value (hex"]);
    desk.keys("0114ff0000\r");
    desk.until_shown(&["wrote 5 bytes to fff1", "on  20 %", "#ff0000", "reported"]);
    click(&desk, "fff2 ");
    desk.keys("\r");
    desk.until_shown(&["read 5 bytes from fff2"]);
    click(&desk, "2a19 ");
    desk.keys("n");
    let follows = |screen: &vt100::Screen| {
        screen.contents().lines().any(|line| line.contains("2a19") && line.contains('●'))
    };
    desk.until("the subscription", follows);
    desk.keys("n");
    desk.until("its end", |screen| !follows(screen));
    desk.keys("q");
    assert_eq!(desk.end(), (Some(0), String::new()));
    play.expect_log(
        NEAR,
        &[
            "connect",
            "subscribe fff2",
            "read fff2",
            "write fff1 request 0114ff0000",
            "notify fff2 0114ff0000",
            "read fff2",
            "disconnect central",
        ],
    );
}

/// The bulb is restored, and the desk takes it back.
fn checked(play: &Play) {
    let desk = connected(play, "near");
    desk.keys("6\r");
    changed_by_check(play, &desk);
    desk.keys("\r");
    desk.until_shown(&["stopped"]);
    desk.until_shown(&["● connected", "off  50 %", "#ffffff", "reported"]);
    desk.keys("q");
    assert_eq!(desk.end(), (Some(0), String::new()));
    play.bulbctl(&["status", "Light-Near"]).ok().state(&as_found());
}

fn terminated_in_check(play: &Play) {
    let desk = connected(play, "near");
    desk.keys("6\r");
    changed_by_check(play, &desk);
    desk.signal(Signal::TERM);
    assert_eq!(desk.end(), (Some(130), String::new()));
    play.bulbctl(&["status", "Light-Near"]).ok().state(&as_found());
}

/// Waits until a running check has changed the light.
fn changed_by_check(play: &Play, desk: &Terminal) {
    desk.until_shown(&["passed", " of "]);
    play.expect_log_where(NEAR, "a write", |saw| {
        saw.iter().rev().take_while(|event| *event != "connect").any(|event| event.starts_with("write"))
    });
}

fn as_found() -> serde_json::Value {
    json!({"power": false, "brightness": 50, "color": "#ffffff"})
}

fn scene(play: &Play) {
    let desk = connected(play, "near");
    desk.keys("S");
    desk.until_shown(&["name of the scene:"]);
    desk.keys("evening\r");
    desk.until_shown(&["saved the scene to", "evening.jsonl"]);
    color(&desk, "tomato");
    desk.until_shown(&["off  50 %", "#ff6347", "reported"]);
    desk.keys("d");
    desk.until_shown(&["not connected"]);
    desk.keys("R");
    desk.until_shown(&[" Scenes ", "evening"]);
    // It connects the bulb first.
    desk.keys("\r");
    desk.until_shown(&["● connected", "off  50 %", "#ffffff", "reported", "recalled evening on 1 bulb"]);
    desk.keys("q");
    assert_eq!(desk.end(), (Some(0), String::new()));
    // Some systems end a link later, and the second one is the first.
    let wanted = "the colour, then that of the scene, and no link";
    play.expect_log_where(NEAR, wanted, |saw| {
        let writes: Vec<&String> = saw.iter().filter(|event| event.starts_with("write")).collect();
        writes == ["write fff1 request 0032ff6347", "write fff1 request 0032ffffff"]
            && saw.last().is_some_and(|last| last == "disconnect central")
    });
}

fn fade(play: &Play) {
    let desk = connected(play, "near");
    desk.keys(" ");
    desk.until_shown(&["on  50 %", "reported", "✓"]);
    desk.keys("F");
    desk.until_shown(&["fade to:"]);
    desk.keys("blue 10% 3s\r");
    desk.until_shown(&["fading"]);
    desk.until_shown(&["on  10 %", "#0000ff", "reported", "✓"]);
    desk.keys("q");
    assert_eq!(desk.end(), (Some(0), String::new()));
    let writes = play.writes(NEAR);
    assert!(writes.len() > 5, "{writes:?}");
    assert_eq!(writes.last().and_then(|write| write.hex.as_deref()), Some("010a0000ff"));
}

fn queued(play: &Play) {
    let desk = play.tui_with(&["--max-links", "1"], (100, 30));
    desk.until_shown(&["Light-Near", "Light-Leaping", "scanning"]);
    desk.keys("M\r");
    desk.until_shown(&["1 connected  1 waits for a link"]);
    desk.keys("M");
    desk.until("no marks", |screen| !screen.contents().contains('◆'));
    let has = |screen: &str, sign: char, name: &str| {
        screen.lines().any(|line| line.contains(sign) && line.contains(name) && !line.contains('╭'))
    };
    let first = if has(&desk.contents(), '◔', "Light-Near") { "Light-Leaping" } else { "Light-Near" };
    let second = if first == "Light-Near" { "Light-Leaping" } else { "Light-Near" };
    click(&desk, &format!("{first} "));
    desk.keys("d");
    desk.until("the turn of the other", |screen| {
        let screen = screen.contents();
        has(&screen, '●', second) && !has(&screen, '●', first) && !screen.contains("waits")
    });
    desk.keys("q");
    assert_eq!(desk.end(), (Some(0), String::new()));
}

/// Clicks the first text like this in the panes.
fn click(desk: &Terminal, text: &str) {
    let contents = desk.contents();
    let mut rows = contents.lines().enumerate();
    let found = rows.find(|(_, line)| line.contains(text) && !line.contains('╭') && !line.contains('┏'));
    let (row, line) = found.unwrap_or_else(|| panic!("{text}:\n{contents}"));
    desk.click(line.split(text).next().unwrap().chars().count() + 1, row + 1);
}

fn color(desk: &Terminal, color: &str) {
    desk.keys("c");
    desk.until("the cursor in the field", |screen| !screen.hide_cursor());
    desk.keys(&format!("\u{15}{color}\r"));
}

/// The last cell of a slider; columns and rows count from 1.
fn end_of_slider(desk: &Terminal, name: &str) -> (usize, usize) {
    let contents = desk.contents();
    let (row, line) = contents.lines().enumerate().find(|(_, line)| line.contains(name)).unwrap();
    let last = line.chars().enumerate().filter(|(_, c)| matches!(c, '━' | '●')).last().unwrap();
    (last.0 + 1, row + 1)
}
