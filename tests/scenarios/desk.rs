//! The TUI, in a terminal.

use rustix::process::Signal;

use crate::play::Play;
use crate::pty::Terminal;
use crate::{BOTH, NO_RSSI, STACK, Scenario, scenario};

pub const SCENARIOS: &[Scenario] = &[
    scenario("a session, with a lost link in it", "desk", STACK, session).except(NO_RSSI),
    scenario("bulbs of two families", "families", BOTH, families).except(NO_RSSI),
    scenario("SIGTERM gives bulb and terminal back", "desk", STACK, terminated).except(NO_RSSI),
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
    desk.until_shown(&["MELK"]);
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
