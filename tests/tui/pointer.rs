//! The mouse on a desk without a terminal: what is under it, and what is just beside that.

use bulb_protocol::Rgb;
use bulbctl::bulb::{BulbState, DrivenProfile, DriverCommand, DriverEvent, Families};
use bulbctl::check::Outcome;
use bulbctl::tui::{Effect, Event};
use crossterm::event::{KeyCode, MouseButton, MouseEventKind};

use super::panes;
use super::test_desk::{ON, TestDesk, id};

/// The first cell of a text.
fn place(desk: &TestDesk, text: &str) -> (u16, u16) {
    let screen = desk.screen();
    let (row, line) = screen
        .lines()
        .enumerate()
        .find(|(_, line)| line.contains(text))
        .unwrap_or_else(|| panic!("{text}\n{screen}"));
    let column = line.split(text).next().unwrap().chars().count();
    (u16::try_from(column).unwrap(), u16::try_from(row).unwrap())
}

/// The colours that were sent, and nothing else was.
fn colors(desk: &mut TestDesk) -> Vec<Rgb> {
    let sent = desk.effects.drain(..).map(|effect| match effect {
        Effect::Command(_, DriverCommand::Change(change), _) => change.set.color.unwrap(),
        other => panic!("{other:?}"),
    });
    sent.collect()
}

#[test]
fn each_swatch_is_two_cells_wide() {
    let mut desk = TestDesk::office(120, 40);
    desk.connect(1, ON);
    desk.keys("cteal");
    desk.press(KeyCode::Enter);
    desk.keys("cnavy");
    desk.press(KeyCode::Enter);
    desk.effects.clear();
    // From the name of the control to its first swatch.
    let (column, row) = place(&desk, "Presets");
    let start = column + 12;
    let clicked = |desk: &mut TestDesk, column: u16, row: u16| {
        desk.click(column, row);
        colors(desk)
    };
    let candle = Rgb::new(0xff, 0x93, 0x29);
    let warm = Rgb::new(0xff, 0xb4, 0x6b);
    let magenta = Rgb::new(0xff, 0, 0x88);
    for (along, wanted) in [(0, candle), (1, candle), (2, warm), (3, warm), (22, magenta), (23, magenta)] {
        assert_eq!(clicked(&mut desk, start + along, row), [wanted], "{along}");
    }
    assert_eq!(clicked(&mut desk, start + 24, row), [], "behind the last");
    assert_eq!(clicked(&mut desk, start - 1, row), [], "before the first");
    // Those that were used since come first.
    let (_, row) = place(&desk, "Recent");
    let (teal, navy) = (Rgb::new(0, 0x80, 0x80), Rgb::new(0, 0, 0x80));
    let typed: Vec<_> = (0..3).flat_map(|index| clicked(&mut desk, start + 2 * index, row)).collect();
    assert!(typed.iter().all(|color| [magenta, warm, candle, teal, navy].contains(color)), "{typed:?}");
    assert_eq!(clicked(&mut desk, start + 10, row), [], "there are five");
}

#[test]
fn a_recent_colour_is_the_one_under_the_mouse() {
    for (along, wanted) in [(0, Some(0x80)), (1, Some(0x80)), (2, Some(0x40)), (3, Some(0x40)), (4, None)] {
        let mut desk = TestDesk::office(120, 40);
        desk.connect(1, ON);
        for typed in ["c004040", "c008080"] {
            desk.keys(typed);
            desk.press(KeyCode::Enter);
        }
        desk.effects.clear();
        let (column, row) = place(&desk, "Recent");
        desk.click(column + 12 + along, row);
        let wanted: Vec<_> = wanted.map(|value| Rgb::new(0, value, value)).into_iter().collect();
        assert_eq!(colors(&mut desk), wanted, "{along}");
    }
}

#[test]
fn a_slider_goes_from_its_least_to_its_most() {
    let mut desk = TestDesk::office(120, 40);
    let hue = Families::default().profile("hue", None).unwrap();
    desk.connect(1, ON);
    desk.bulb(1, DriverEvent::Recognised(DrivenProfile(hue.clone())));
    let warm = bulb_protocol::profile::Light {
        kelvin: Some(3000),
        mode: Some(bulb_protocol::profile::Mode::White),
        ..ON.into()
    };
    desk.bulb(1, DriverEvent::State(BulbState::reported(warm), 0));
    let (column, row) = place(&desk, "Kelvin");
    let start = column + 12;
    let line = desk.screen().lines().nth(row.into()).unwrap().to_owned();
    let track = line.chars().filter(|c| matches!(c, '━' | '●')).count();
    // Those of borders are not in this pane.
    let last = start + u16::try_from(track).unwrap() - 1;
    desk.effects.clear();
    let kelvin = |desk: &mut TestDesk, column: u16| {
        desk.click(column, row);
        desk.effects.drain(..).next_back().map(|effect| match effect {
            Effect::Command(_, DriverCommand::Change(change), _) => change.set.kelvin.unwrap(),
            other => panic!("{other:?}"),
        })
    };
    let (least, most) = hue.range(bulb_protocol::profile::Feature::Kelvin).unwrap();
    assert_eq!(kelvin(&mut desk, start).map(u32::from), Some(least));
    let middle = u32::from(kelvin(&mut desk, start + (last - start) / 2).unwrap());
    assert!(middle.abs_diff((least + most) / 2) <= (most - least) / 20, "{middle}");
    assert_eq!(kelvin(&mut desk, last).map(u32::from), Some(most));
    assert_eq!(kelvin(&mut desk, last + 1), None, "behind the track");
}

#[test]
fn the_wheel_changes_sliders_of_connected_bulbs_only() {
    let mut desk = TestDesk::office(120, 40);
    desk.connect(1, ON);
    desk.effects.clear();
    let (column, row) = place(&desk, "Brightness");
    desk.mouse(MouseEventKind::ScrollUp, column, row);
    desk.mouse(MouseEventKind::ScrollDown, column, row);
    let sent: Vec<_> = desk
        .effects
        .drain(..)
        .map(|effect| match effect {
            Effect::Command(_, DriverCommand::Change(change), _) => change.set.brightness.unwrap().get(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(sent, [85, 80]);
    for name in ["Power", "Colour", "Presets"] {
        let (column, row) = place(&desk, name);
        desk.mouse(MouseEventKind::ScrollUp, column, row);
        assert_eq!(desk.effects, [], "{name}");
    }
    // That it is not connected is no news.
    let mut desk = TestDesk::office(120, 40);
    let base = Families::default().profile("base", None).unwrap();
    desk.bulb(1, DriverEvent::Recognised(DrivenProfile(base)));
    let (column, row) = place(&desk, "Brightness");
    desk.mouse(MouseEventKind::ScrollUp, column, row);
    assert_eq!(desk.effects, []);
    assert!(!desk.screen().contains("not connected: Enter"), "{}", desk.screen());
}

#[test]
fn a_click_while_typing_or_below_the_list_does_nothing() {
    let mut desk = TestDesk::office(120, 40);
    let (column, row) = place(&desk, "Light-Shelf");
    desk.keys("/");
    desk.click(column, row);
    assert_eq!(desk.model.selected(), Some(&id(1)));
    desk.press(KeyCode::Esc);
    let (_, last) = place(&desk, "Bulb-Hallway");
    desk.click(column, last + 1);
    desk.click(column, last + 1);
    assert_eq!((desk.model.selected(), desk.effects.as_slice()), (Some(&id(1)), &[][..]));
    desk.click(column, last);
    desk.click(column, last);
    assert!(matches!(&desk.effects[..], [Effect::Connect(seen)] if seen.id == id(3)), "{:?}", desk.effects);
    // What is under a terminal that is too small cannot be meant.
    desk.event(Event::Resize(20, 5));
    desk.click(1, 1);
    desk.event(Event::Resize(120, 40));
    assert_eq!(desk.model.selected(), Some(&id(3)));
}

#[test]
fn a_click_goes_to_the_pane_and_the_row_under_it() {
    let mut desk = panes::desk(120, 40);
    let (column, row) = place(&desk, "fff1");
    desk.click(column, row);
    assert!(desk.screen().contains("┏ 3 Frames"), "{}", desk.screen());
    desk.keys("6");
    desk.press(KeyCode::Enter);
    for name in ["advertises", "connects-in-time", "state-readable"] {
        desk.radio(panes::finished(name, Outcome::Passed));
    }
    desk.keys("1");
    let (column, row) = place(&desk, "connects-in-time");
    desk.click(column, row);
    let selected = |desk: &TestDesk| {
        desk.screen().lines().find(|line| line.contains("┃▌")).map(|line| line.contains("connects-in-time"))
    };
    assert!(desk.screen().contains("┏ 3 Frames"), "{}", desk.screen());
    assert_eq!(selected(&desk), Some(true), "{}", desk.screen());
}

#[test]
fn the_wheel_turns_three_rows_of_frames_and_of_the_help() {
    let mut desk = panes::desk(120, 40);
    desk.keys("3");
    let (column, row) = place(&desk, "fff1");
    let newest = desk.screen();
    desk.mouse(MouseEventKind::ScrollUp, column, row);
    let wheel = desk.screen();
    desk.mouse(MouseEventKind::ScrollDown, column, row);
    assert_eq!(desk.screen(), newest);
    (0..3).for_each(|_| desk.press(KeyCode::Up));
    assert_eq!(desk.screen(), wheel);
    let mut desk = TestDesk::office(80, 24);
    let without = desk.screen();
    desk.keys("?");
    let first = desk.screen();
    desk.mouse(MouseEventKind::ScrollDown, 40, 12);
    let wheel = desk.screen();
    desk.mouse(MouseEventKind::ScrollUp, 40, 12);
    assert_eq!(desk.screen(), first);
    (0..3).for_each(|_| desk.press(KeyCode::Down));
    assert_eq!(desk.screen(), wheel);
    desk.mouse(MouseEventKind::Down(MouseButton::Left), 0, 23);
    assert_eq!(desk.screen(), without, "a click beside it closes it");
}
