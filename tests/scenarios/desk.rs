//! The TUI, in a terminal.

use rustix::process::Signal;

use crate::play::Play;
use crate::pty::Terminal;
use crate::{BOTH, Scenario};

pub const SCENARIOS: &[Scenario] = &[
    Scenario { name: "a session, with a lost link in it", rig: "desk", on: BOTH, play: session },
    Scenario { name: "SIGTERM gives bulb and terminal back", rig: "desk", on: BOTH, play: terminated },
];

const NEAR: &str = "C4:5C:00:00:0E:01";
const LEAPING: &str = "C4:5C:00:00:0E:02";

/// Between two keys the screen settles: so no change is merged with the next, and the bulb sees each one.
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

    // The bulb goes as this comes.
    color(&desk, "rebeccapurple");
    desk.until_shown(&["link.lost", "state unknown"]);
    // What it swallowed is not repeated: minutes may have passed.
    desk.until_shown(&["● connected", "on  100 %", "#3060ff", "reported", "lost 1×"]);
    color(&desk, "tomato");
    desk.until_shown(&["on  100 %", "#ff6347", "reported"]);

    desk.resize(80, 24);
    desk.until_shown(&["by signal", "on  100 %", "q quit"]);
    desk.keys("q");
    assert_eq!(desk.end(), (Some(0), String::new()));
    play.sees(
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
    play.sees(NEAR, &[]);
}

fn terminated(play: &Play) {
    let desk = play.tui((80, 24));
    desk.until_shown(&["Light-Near"]);
    desk.keys("\r");
    desk.until_shown(&["● connected", "reported"]);
    desk.signal(Signal::TERM);
    assert_eq!(desk.end(), (Some(130), String::new()));
    play.sees(NEAR, &["connect", "subscribe fff2", "read fff2", "disconnect central"]);
}

/// Types a colour in place of the present one.
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
