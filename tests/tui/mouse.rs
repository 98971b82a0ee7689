//! The mouse and pasted text in the real program.

use bulbctl::check::CHECKS;

use super::keys::Keys;
use super::pty::Terminal;

/// The place of a text on the screen; columns and rows count from 1.
fn place(terminal: &Terminal, text: &str) -> (usize, usize) {
    let contents = terminal.contents();
    let mut lines = contents.lines().enumerate();
    let (row, line) =
        lines.find(|(_, line)| line.contains(text)).unwrap_or_else(|| panic!("{text}:\n{contents}"));
    (line.split(text).next().unwrap().chars().count() + 1, row + 1)
}

pub(crate) fn click(keys: &Keys, text: &str) {
    let (column, row) = place(&keys.terminal, text);
    keys.terminal.click(column, row);
}

pub(crate) fn quit(keys: Keys) {
    keys.terminal.keys("q");
    assert_eq!(keys.terminal.end(), (Some(0), String::new()));
}

#[test]
fn the_mouse_selects_connects_drags_and_scrolls() {
    let keys = Keys::start((80, 24));
    keys.waits_for("all bulbs", |screen| screen.contains("26 of 26"));
    click(&keys, "Light-03");
    keys.waits_for("the bulb", |screen| {
        screen.lines().any(|line| line.contains('▌') && line.contains("Light-03"))
    });
    assert!(keys.terminal.contents().contains("not connected"));
    // The wheel selects the next one.
    let (column, row) = place(&keys.terminal, "Light-06");
    keys.terminal.keys(&format!("\u{1b}[<65;{column};{row}M"));
    keys.waits_for("the next", |screen| {
        screen.lines().any(|line| line.contains('▌') && line.contains("Light-04"))
    });
    // A double click connects.
    click(&keys, "Light-05");
    click(&keys, "Light-05");
    keys.waits_for("the link", |screen| screen.contains("● connected") && screen.contains("on  80 %"));
    // A slider is dragged to its start, and turned by the wheel.
    let (_, row) = place(&keys.terminal, "Brightness");
    keys.terminal
        .keys(&format!("\u{1b}[<0;60;{row}M\u{1b}[<32;58;{row}M\u{1b}[<32;2;{row}M\u{1b}[<0;2;{row}m"));
    keys.waits_for("the start", |screen| screen.contains("on  0 %") && screen.contains("reported"));
    keys.terminal.keys(&format!("\u{1b}[<64;60;{row}M"));
    keys.waits_for("a step", |screen| screen.contains("on  5 %"));
    // Swatches, the switch, names of panes, hints, and rows of popups.
    click(&keys, " off ");
    keys.waits_for("off", |screen| screen.contains("off  5 %"));
    click(&keys, "3 Frames");
    keys.waits_for("frames", |screen| screen.contains("┏ Frames"));
    click(&keys, "1 Bulbs");
    keys.waits_for("the list", |screen| screen.contains("┏ Bulbs") && screen.contains("m mark"));
    click(&keys, "m mark");
    keys.waits_for("the mark", |screen| screen.contains("1 marked"));
    keys.terminal.keys("@");
    keys.waits_for("the groups", |screen| screen.contains("@office"));
    click(&keys, "@office");
    keys.waits_for("the group", |screen| screen.contains("2 bulbs of @office are marked"));
    // A click beside a popup closes it.
    keys.terminal.keys("@");
    keys.waits_for("the groups", |screen| screen.contains("@hall"));
    keys.terminal.click(1, 24);
    keys.waits_for("no groups", |screen| !screen.contains("@hall"));
    quit(keys);
}

#[test]
fn a_click_selects_in_the_gatt_and_the_check_pane() {
    let mut keys = Keys::start((80, 24));
    keys.connect("light-02");
    keys.terminal.keys("5");
    keys.waits_for("the table", |screen| screen.contains("1 of 8"));
    click(&keys, "2a19");
    keys.waits_for("the row", |screen| screen.contains("5 of 8"));
    keys.terminal.keys("6\r");
    keys.waits_for("checks", |screen| screen.contains("command-on"));
    keys.terminal.keys("\r");
    keys.waits_for("the end", |screen| screen.contains("stopped"));
    keys.terminal.keys("g");
    keys.waits_for("the first", |screen| {
        screen.lines().any(|line| line.contains('▌') && line.contains(CHECKS[0].name))
    });
    click(&keys, "connects-in-time");
    keys.waits_for("the row", |screen| {
        screen.lines().any(|line| line.contains('▌') && line.contains("connects-in-time"))
    });
    // What the check is about is below the list.
    keys.waits_for("the details", |screen| screen.contains("about     "));
    quit(keys);
}

#[test]
fn text_that_is_pasted_goes_into_the_input_line_only() {
    let keys = Keys::start((80, 24));
    keys.waits_for("all bulbs", |screen| screen.contains("26 of 26"));
    keys.terminal.keys("\u{1b}[200~q\u{1b}[201~/");
    keys.waits_for("the input line", |screen| screen.contains("filter:"));
    keys.terminal.keys("\u{1b}[200~light-07\u{1b}[201~");
    keys.waits_for("one bulb", |screen| screen.contains("1 of 26") && screen.contains("Light-07"));
    keys.terminal.keys("\r");
    keys.waits_for("the filter", |screen| screen.contains("Esc clears it"));
    quit(keys);
}
