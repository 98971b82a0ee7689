//! The table of keys.

use std::borrow::Cow;

use crossterm::event::{KeyCode, KeyModifiers};

use super::Action as A;
use super::KeyContext as P;
use super::{Action, Binding, Key, KeyContext};

const fn c(c: char) -> Key {
    Key::new(KeyCode::Char(c), KeyModifiers::NONE)
}

const fn ctrl(c: char) -> Key {
    Key::new(KeyCode::Char(c), KeyModifiers::CONTROL)
}

const fn k(code: KeyCode) -> Key {
    Key::new(code, KeyModifiers::NONE)
}

const fn shift(code: KeyCode) -> Key {
    Key::new(code, KeyModifiers::SHIFT)
}

const fn row(
    context: KeyContext,
    keys: &'static [Key],
    action: Action,
    hint: &'static str,
    help: &'static str,
) -> Binding {
    Binding { context, keys: Cow::Borrowed(keys), action, help, hint }
}

const UP: &[Key] = &[k(KeyCode::Up), c('k')];
const DOWN: &[Key] = &[k(KeyCode::Down), c('j')];
const PAGE_UP: &[Key] = &[k(KeyCode::PageUp), ctrl('b')];
const PAGE_DOWN: &[Key] = &[k(KeyCode::PageDown), ctrl('f')];
const FIRST: &[Key] = &[k(KeyCode::Home), c('g')];
const LAST: &[Key] = &[k(KeyCode::End), c('G')];
const ENTER: &[Key] = &[k(KeyCode::Enter)];

/// The key table. Hints appear in this order.
#[rustfmt::skip]
pub const TABLE: &[Binding] = &[
    row(P::List, ENTER, A::Connect, "connect", "connect, or go to a connected bulb"),
    row(P::List, UP, A::Up, "", "previous bulb"),
    row(P::List, DOWN, A::Down, "", "next bulb"),
    row(P::List, PAGE_UP, A::PageUp, "", "page up"),
    row(P::List, PAGE_DOWN, A::PageDown, "", "page down"),
    row(P::List, FIRST, A::First, "", "first bulb"),
    row(P::List, LAST, A::Last, "", "last bulb"),
    row(P::List, &[k(KeyCode::Right), c('l')], A::ToDetail, "", "go to the selected bulb"),
    row(P::List, &[c('/')], A::Filter, "filter", "filter bulbs by name or address"),

    row(P::Detail, ENTER, A::Activate, "do", "use the control: switch, type a value, apply a colour; or connect"),
    row(P::Detail, UP, A::Up, "", "previous control"),
    row(P::Detail, DOWN, A::Down, "", "next control"),
    row(P::Detail, &[k(KeyCode::Left), c('h')], A::Decrease, "less", "decrease, or previous"),
    row(P::Detail, &[k(KeyCode::Right), c('l')], A::Increase, "more", "increase, or next"),
    row(P::Detail, &[shift(KeyCode::Left), k(KeyCode::PageDown), c('H')], A::DecreaseMuch, "", "decrease by ten steps"),
    row(P::Detail, &[shift(KeyCode::Right), k(KeyCode::PageUp), c('L')], A::IncreaseMuch, "", "increase by ten steps"),
    row(P::Detail, FIRST, A::Minimum, "", "minimum"),
    row(P::Detail, LAST, A::Maximum, "", "maximum"),

    row(P::Frames, &[c('p')], A::Pause, "pause", "pause or continue the log"),
    row(P::Frames, &[c('/')], A::Filter, "filter", "filter frames by their text"),
    row(P::Frames, &[c('w')], A::Save, "save", "save the shown frames to a new file, as text"),
    row(P::Frames, &[c('W')], A::SaveRecording, "record", "save the shown frames to a new file, as a recording"),
    row(P::Frames, &[c('x')], A::Clear, "", "clear the log"),
    row(P::Frames, UP, A::Up, "", "scroll up"),
    row(P::Frames, DOWN, A::Down, "", "scroll down"),
    row(P::Frames, PAGE_UP, A::PageUp, "", "page up"),
    row(P::Frames, PAGE_DOWN, A::PageDown, "", "page down"),
    row(P::Frames, FIRST, A::First, "", "oldest frame"),
    row(P::Frames, LAST, A::Last, "", "newest frame, and follow"),

    row(P::Gatt, ENTER, A::GattRead, "read", "read the value of the characteristic"),
    row(P::Gatt, &[c('w')], A::GattWrite, "write", "write a value: hex, or text in quotes"),
    row(P::Gatt, &[c('n')], A::GattNotify, "notify", "start or stop notifications"),
    row(P::Gatt, UP, A::Up, "", "previous characteristic"),
    row(P::Gatt, DOWN, A::Down, "", "next characteristic"),
    row(P::Gatt, PAGE_UP, A::PageUp, "", "page up"),
    row(P::Gatt, PAGE_DOWN, A::PageDown, "", "page down"),
    row(P::Gatt, FIRST, A::First, "", "first characteristic"),
    row(P::Gatt, LAST, A::Last, "", "last characteristic"),

    row(P::Check, ENTER, A::RunCheck, "run", "run the checks on the selected bulb, or stop them"),
    row(P::Check, UP, A::Up, "", "previous check"),
    row(P::Check, DOWN, A::Down, "", "next check"),
    row(P::Check, PAGE_UP, A::PageUp, "", "page up"),
    row(P::Check, PAGE_DOWN, A::PageDown, "", "page down"),
    row(P::Check, FIRST, A::First, "", "first check"),
    row(P::Check, LAST, A::Last, "", "last check"),

    row(P::Log, UP, A::Up, "up", "scroll up"),
    row(P::Log, DOWN, A::Down, "down", "scroll down"),
    row(P::Log, PAGE_UP, A::PageUp, "", "page up"),
    row(P::Log, PAGE_DOWN, A::PageDown, "", "page down"),
    row(P::Log, FIRST, A::First, "", "oldest message"),
    row(P::Log, LAST, A::Last, "", "newest message"),

    row(P::Panes, &[c(' ')], A::Toggle, "on/off", "switch on or off, and connect first if necessary"),
    row(P::Panes, &[c('+'), c('=')], A::Brighter, "", "brighter by 5 %"),
    row(P::Panes, &[c('-')], A::Dimmer, "", "dimmer by 5 %"),
    row(P::Panes, &[c('c')], A::TypeColor, "colour", "type a colour: orange, ff8800, hsl(30,100%,50%), 255,136,0"),
    row(P::Panes, &[c('t')], A::TypeKelvin, "kelvin", "type a colour temperature in kelvin"),
    row(P::Panes, &[c('v')], A::Effects, "effects", "list the effects"),
    row(P::Panes, &[c('F')], A::Fade, "", "type a fade: orange 50% 3s, 2700K 10s, off 1m"),
    row(P::Panes, &[c('S')], A::SaveScene, "", "save the states of the marked bulbs as a scene"),
    row(P::Panes, &[c('R')], A::RecallScene, "", "recall a scene"),
    row(P::Panes, &[c('d')], A::Disconnect, "", "disconnect, or stop trying to connect"),
    row(P::Panes, &[c('r')], A::RetryNow, "", "reconnect now"),
    row(P::Panes, &[c('m')], A::Mark, "mark", "mark or unmark; changes go to all marked bulbs that support them"),
    row(P::Panes, &[c('M')], A::MarkAll, "", "mark all listed bulbs, or none"),
    row(P::Panes, &[c('@')], A::Groups, "", "mark the bulbs of a group"),
    row(P::Panes, &[c('s')], A::Scan, "", "start or stop the scan"),
    row(P::Panes, &[c('a')], A::ToggleShowAll, "", "show all devices, or only bulbs"),
    row(P::Panes, &[c('o')], A::Sort, "", "sort by signal, name or address"),
    row(P::Panes, &[k(KeyCode::Tab)], A::NextPane, "pane", "next pane"),
    row(P::Panes, &[k(KeyCode::BackTab)], A::PreviousPane, "", "previous pane"),
    row(P::Panes, &[c('1')], A::ToList, "", "list of bulbs"),
    row(P::Panes, &[c('2')], A::ToDetail, "", "selected bulb"),
    row(P::Panes, &[c('3'), c('f')], A::ToFrames, "", "frame log"),
    row(P::Panes, &[c('4')], A::ToGraphs, "", "signal and latency over time"),
    row(P::Panes, &[c('5')], A::ToGatt, "", "GATT table of the selected bulb"),
    row(P::Panes, &[c('6')], A::ToCheck, "", "conformance checks"),
    row(P::Panes, &[c('7'), c('e')], A::ToLog, "", "messages and log"),
    row(P::Panes, &[c(']')], A::NextLower, "", "next of the panes 3 to 7"),
    row(P::Panes, &[c('[')], A::PreviousLower, "", "previous of the panes 3 to 7"),
    row(P::Panes, &[c('z')], A::Zoom, "", "zoom the pane, or show all panes"),
    row(P::Panes, &[c(':')], A::Palette, "actions", "find an action by its name"),
    row(P::Panes, &[k(KeyCode::Esc)], A::Dismiss, "", "close the message, then the filter, then the marks"),
    row(P::Panes, &[c('?')], A::Help, "help", "this help"),
    row(P::Panes, &[c('q')], A::Quit, "quit", "quit"),

    row(P::Emulate, &[c(' ')], A::Toggle, "on/off", "switch the bulb on or off, as its button does"),
    row(P::Emulate, &[c('+'), c('=')], A::Brighter, "brighter", "brighter by 5 %"),
    row(P::Emulate, &[c('-')], A::Dimmer, "dimmer", "dimmer by 5 %"),
    row(P::Emulate, &[c('c')], A::TypeColor, "colour", "type a colour: orange, ff8800, hsl(30,100%,50%), 255,136,0"),
    row(P::Emulate, &[c('t')], A::TypeKelvin, "", "type a colour temperature in kelvin"),
    row(P::Emulate, &[c('f')], A::ToFrames, "frames", "show all frames, or only what happened"),
    row(P::Emulate, &[c('d')], A::Disconnect, "drop", "end the link, as the bulb does"),
    row(P::Emulate, &[c(':')], A::TypeLine, "line", "type a line: set --effect rainbow, fault on=write do=lose, rename Light-2"),
    row(P::Emulate, UP, A::Up, "", "previous bulb"),
    row(P::Emulate, DOWN, A::Down, "", "next bulb"),
    row(P::Emulate, PAGE_UP, A::PageUp, "", "page up in the events"),
    row(P::Emulate, PAGE_DOWN, A::PageDown, "", "page down in the events"),
    row(P::Emulate, FIRST, A::First, "", "oldest event"),
    row(P::Emulate, LAST, A::Last, "", "newest event, and follow"),
    row(P::Emulate, &[c('x')], A::Clear, "", "clear the events"),
    row(P::Emulate, &[k(KeyCode::Esc)], A::Dismiss, "", "close the message"),
    row(P::Emulate, &[c('?')], A::Help, "help", "this help"),
    row(P::Emulate, &[c('q')], A::Quit, "quit", "quit"),

    row(P::Popup, UP, A::Up, "up", "up"),
    row(P::Popup, DOWN, A::Down, "down", "down"),
    row(P::Popup, PAGE_UP, A::PageUp, "", "page up"),
    row(P::Popup, PAGE_DOWN, A::PageDown, "", "page down"),
    row(P::Popup, FIRST, A::First, "", "top"),
    row(P::Popup, LAST, A::Last, "", "end"),
    row(P::Popup, &[c('/')], A::Filter, "filter", "filter effects by name, or by the first digits of a number"),
    row(P::Popup, ENTER, A::Accept, "choose", "choose the selected row"),
    row(P::Popup, &[k(KeyCode::Esc), c('q'), c('?')], A::Cancel, "close", "close"),

    row(P::Prompt, ENTER, A::Accept, "apply", "apply the input"),
    row(P::Prompt, &[k(KeyCode::Up)], A::Up, "", "previous effect in the list"),
    row(P::Prompt, &[k(KeyCode::Down)], A::Down, "", "next effect in the list"),
    row(P::Prompt, &[k(KeyCode::Esc)], A::Cancel, "cancel", "cancel the input"),

    row(P::Always, &[ctrl('c')], A::Interrupt, "", "quit with exit code 130"),
    row(P::Always, &[ctrl('z')], A::Suspend, "", "suspend; the shell's fg continues"),
    row(P::Always, &[ctrl('l')], A::Redraw, "", "redraw"),
];
