//! The key table. Key handling, help and hints all use it.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyContext {
    /// Everywhere, also in the input line.
    Always,
    Panes,
    List,
    Detail,
    Frames,
    Popup,
    /// In the input line. Other keys edit the text.
    Prompt,
}

impl KeyContext {
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Always => "Always",
            Self::Panes => "Everywhere",
            Self::List => "Bulbs",
            Self::Detail => "The selected bulb",
            Self::Frames => "Frames",
            Self::Popup => "In a popup",
            Self::Prompt => "While typing",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    Quit,
    Interrupt,
    Suspend,
    Redraw,
    Help,
    Messages,
    Groups,
    Dismiss,
    NextPane,
    PreviousPane,
    ToList,
    ToDetail,
    ToFrames,
    Scan,
    ToggleShowAll,
    Sort,
    Filter,
    Toggle,
    Brighter,
    Dimmer,
    TypeColor,
    TypeKelvin,
    Effects,
    Mark,
    MarkAll,
    Connect,
    Disconnect,
    RetryNow,
    Up,
    Down,
    PageUp,
    PageDown,
    First,
    Last,
    Decrease,
    Increase,
    DecreaseMuch,
    IncreaseMuch,
    Minimum,
    Maximum,
    Activate,
    Pause,
    Save,
    Clear,
    Accept,
    Cancel,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    code: KeyCode,
    modifiers: KeyModifiers,
}

impl Key {
    const fn new(code: KeyCode, modifiers: KeyModifiers) -> Self {
        Self { code, modifiers }
    }

    /// Returns the key of an event. Characters already include Shift.
    pub fn of(event: KeyEvent) -> Self {
        let mut modifiers =
            event.modifiers & (KeyModifiers::CONTROL | KeyModifiers::ALT | KeyModifiers::SHIFT);
        if matches!(event.code, KeyCode::Char(_) | KeyCode::BackTab) {
            modifiers -= KeyModifiers::SHIFT;
        }
        Self { code: event.code, modifiers }
    }

    pub fn text(self) -> String {
        let name = match self.code {
            KeyCode::Char(' ') => "Space".to_owned(),
            KeyCode::Char(c) if self.modifiers.contains(KeyModifiers::CONTROL) => {
                c.to_ascii_uppercase().into()
            }
            KeyCode::Char(c) => c.into(),
            KeyCode::Enter => "Enter".to_owned(),
            KeyCode::Esc => "Esc".to_owned(),
            KeyCode::Tab => "Tab".to_owned(),
            KeyCode::BackTab => "Shift-Tab".to_owned(),
            KeyCode::Up => "↑".to_owned(),
            KeyCode::Down => "↓".to_owned(),
            KeyCode::Left => "←".to_owned(),
            KeyCode::Right => "→".to_owned(),
            KeyCode::PageUp => "PgUp".to_owned(),
            KeyCode::PageDown => "PgDn".to_owned(),
            KeyCode::Home => "Home".to_owned(),
            KeyCode::End => "End".to_owned(),
            other => other.to_string(),
        };
        let control = if self.modifiers.contains(KeyModifiers::CONTROL) { "Ctrl-" } else { "" };
        let shift = if self.modifiers.contains(KeyModifiers::SHIFT) { "Shift-" } else { "" };
        format!("{control}{shift}{name}")
    }
}

#[derive(Clone, Copy, Debug)]
pub struct Binding {
    pub context: KeyContext,
    pub keys: &'static [Key],
    pub action: Action,
    pub help: &'static str,
    /// Word for the hint line; empty if the keys are not shown there.
    pub hint: &'static str,
}

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
    Binding { context, keys, action, help, hint }
}

const UP: &[Key] = &[k(KeyCode::Up), c('k')];
const DOWN: &[Key] = &[k(KeyCode::Down), c('j')];
const PAGE_UP: &[Key] = &[k(KeyCode::PageUp), ctrl('b')];
const PAGE_DOWN: &[Key] = &[k(KeyCode::PageDown), ctrl('f')];
const FIRST: &[Key] = &[k(KeyCode::Home), c('g')];
const LAST: &[Key] = &[k(KeyCode::End), c('G')];
const ENTER: &[Key] = &[k(KeyCode::Enter)];

use Action as A;
use KeyContext as P;

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
    row(P::Frames, &[c('w')], A::Save, "save", "save the shown frames to a new file"),
    row(P::Frames, &[c('x')], A::Clear, "", "clear the log"),
    row(P::Frames, UP, A::Up, "", "scroll up"),
    row(P::Frames, DOWN, A::Down, "", "scroll down"),
    row(P::Frames, PAGE_UP, A::PageUp, "", "page up"),
    row(P::Frames, PAGE_DOWN, A::PageDown, "", "page down"),
    row(P::Frames, FIRST, A::First, "", "oldest frame"),
    row(P::Frames, LAST, A::Last, "", "newest frame, and follow"),

    row(P::Panes, &[c(' ')], A::Toggle, "on/off", "switch on or off; a bulb that never reports is switched on first"),
    row(P::Panes, &[c('+'), c('=')], A::Brighter, "", "brighter by 5 %"),
    row(P::Panes, &[c('-')], A::Dimmer, "", "dimmer by 5 %"),
    row(P::Panes, &[c('c')], A::TypeColor, "colour", "type a colour: orange, ff8800, hsl(30,100%,50%), 255,136,0"),
    row(P::Panes, &[c('t')], A::TypeKelvin, "kelvin", "type a colour temperature in kelvin"),
    row(P::Panes, &[c('v')], A::Effects, "effects", "list the effects"),
    row(P::Panes, &[c('d')], A::Disconnect, "", "disconnect, or stop trying to connect"),
    row(P::Panes, &[c('r')], A::RetryNow, "", "reconnect now"),
    row(P::Panes, &[c('m')], A::Mark, "mark", "mark or unmark; changes go to all marked bulbs that support them"),
    row(P::Panes, &[c('M')], A::MarkAll, "", "mark all listed bulbs, or none"),
    row(P::Panes, &[c('@')], A::Groups, "", "mark the bulbs of a group"),
    row(P::Panes, &[c('s')], A::Scan, "", "start or stop the scan"),
    row(P::Panes, &[c('a')], A::ToggleShowAll, "", "show all devices, or only bulbs"),
    row(P::Panes, &[c('o')], A::Sort, "", "sort by signal, name or address"),
    row(P::Panes, &[c('e')], A::Messages, "", "show the messages"),
    row(P::Panes, &[k(KeyCode::Tab)], A::NextPane, "pane", "next pane"),
    row(P::Panes, &[k(KeyCode::BackTab)], A::PreviousPane, "", "previous pane"),
    row(P::Panes, &[c('1')], A::ToList, "", "list of bulbs"),
    row(P::Panes, &[c('2')], A::ToDetail, "", "selected bulb"),
    row(P::Panes, &[c('3'), c('f')], A::ToFrames, "", "frame log"),
    row(P::Panes, &[k(KeyCode::Esc)], A::Dismiss, "", "close the message, then the filter, then the marks"),
    row(P::Panes, &[c('?')], A::Help, "help", "this help"),
    row(P::Panes, &[c('q')], A::Quit, "quit", "quit"),

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

pub fn find(event: KeyEvent, contexts: &[KeyContext]) -> Option<Action> {
    let key = Key::of(event);
    let mut rows = TABLE.iter().filter(|row| contexts.contains(&row.context));
    rows.find(|row| row.keys.contains(&key)).map(|row| row.action)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Contexts that are active at the same time.
    const TOGETHER: [&[KeyContext]; 5] = [
        &[KeyContext::Always, KeyContext::Panes, KeyContext::List],
        &[KeyContext::Always, KeyContext::Panes, KeyContext::Detail],
        &[KeyContext::Always, KeyContext::Panes, KeyContext::Frames],
        &[KeyContext::Always, KeyContext::Popup],
        &[KeyContext::Always, KeyContext::Prompt],
    ];

    #[test]
    fn no_key_does_two_things() {
        for contexts in TOGETHER {
            let mut seen = BTreeSet::new();
            for row in TABLE.iter().filter(|row| contexts.contains(&row.context)) {
                for key in row.keys {
                    assert!(seen.insert(key.text()), "{} stands twice in {contexts:?}", key.text());
                }
            }
        }
    }

    #[test]
    fn every_row_says_what_it_does() {
        for row in TABLE {
            assert!(!row.keys.is_empty() && !row.help.is_empty(), "{row:?}");
        }
    }

    #[test]
    fn typing_is_not_disturbed_by_letters() {
        let letter = KeyEvent::new(KeyCode::Char('q'), KeyModifiers::NONE);
        assert_eq!(find(letter, &[KeyContext::Always, KeyContext::Prompt]), None);
        assert_eq!(
            find(letter, &[KeyContext::Always, KeyContext::Panes, KeyContext::List]),
            Some(Action::Quit)
        );
        let upper = KeyEvent::new(KeyCode::Char('M'), KeyModifiers::SHIFT);
        assert_eq!(find(upper, &[KeyContext::Panes]), Some(Action::MarkAll));
    }
}
