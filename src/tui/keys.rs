//! The key table. Key handling, help, hints and the palette all use it.

use std::borrow::Cow;
use std::fmt;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

mod table;

pub use table::TABLE;

use self::Action as A;
use self::KeyContext as P;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyContext {
    /// Everywhere, also in the input line.
    Always,
    Panes,
    List,
    Detail,
    Frames,
    Graphs,
    Gatt,
    Check,
    Log,
    /// The screen of `emulate`.
    Emulate,
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
            Self::Graphs => "Graphs",
            Self::Gatt => "GATT",
            Self::Check => "Check",
            Self::Log => "Log",
            Self::Emulate => "Emulated bulbs",
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
    Palette,
    Groups,
    Dismiss,
    NextPane,
    PreviousPane,
    ToList,
    ToDetail,
    ToFrames,
    ToGraphs,
    ToGatt,
    ToCheck,
    ToLog,
    NextLower,
    PreviousLower,
    Zoom,
    Scan,
    ToggleShowAll,
    Sort,
    Filter,
    Toggle,
    Brighter,
    Dimmer,
    TypeColor,
    TypeKelvin,
    TypeLine,
    Effects,
    Fade,
    SaveScene,
    RecallScene,
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
    SaveRecording,
    Clear,
    GattRead,
    GattWrite,
    GattNotify,
    RunCheck,
    Accept,
    Cancel,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    code: KeyCode,
    modifiers: KeyModifiers,
}

impl Key {
    pub(super) const fn new(code: KeyCode, modifiers: KeyModifiers) -> Self {
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

#[derive(Clone, Debug)]
pub struct Binding {
    pub context: KeyContext,
    pub keys: Cow<'static, [Key]>,
    pub action: Action,
    pub help: &'static str,
    /// Word for the hint line; empty if the keys are not shown there.
    pub hint: &'static str,
}

/// The keys of the desk: the table, with the user's changes.
#[derive(Clone, Debug)]
pub struct KeyMap(Vec<Binding>);

impl Default for KeyMap {
    fn default() -> Self {
        Self(TABLE.to_vec())
    }
}

/// Contexts that are active at the same time.
const TOGETHER: [&[KeyContext]; 10] = [
    &[P::Always, P::Panes, P::List],
    &[P::Always, P::Panes, P::Detail],
    &[P::Always, P::Panes, P::Frames],
    &[P::Always, P::Panes, P::Graphs],
    &[P::Always, P::Panes, P::Gatt],
    &[P::Always, P::Panes, P::Check],
    &[P::Always, P::Panes, P::Log],
    &[P::Always, P::Emulate],
    &[P::Always, P::Popup],
    &[P::Always, P::Prompt],
];

impl KeyMap {
    pub fn rows(&self) -> &[Binding] {
        &self.0
    }

    pub fn find(&self, event: KeyEvent, contexts: &[KeyContext]) -> Option<Action> {
        let key = Key::of(event);
        let mut rows = self.0.iter().filter(|row| contexts.contains(&row.context));
        rows.find(|row| row.keys.contains(&key)).map(|row| row.action)
    }

    /// Gives an action other keys, in every pane that has it.
    ///
    /// # Errors
    /// There is no action of that name, or it cannot be changed.
    pub(crate) fn bind(&mut self, action: &str, keys: &[Key]) -> Result<(), String> {
        let fixed = |row: &Binding| row.context == P::Prompt || row.action == A::Interrupt;
        let named: Vec<_> =
            self.0.iter_mut().filter(|row| row.action.name() == action && !fixed(row)).collect();
        if named.is_empty() {
            return Err(format!("there is no action {action:?}; `:` in the desk lists them"));
        }
        for row in named {
            row.keys = Cow::Owned(keys.to_vec());
        }
        Ok(())
    }

    /// Returns an action whose key does something else too, and what is wrong.
    pub(crate) fn conflict(&self) -> Option<(String, String)> {
        for contexts in TOGETHER {
            let mut seen: Vec<(Key, Action)> = Vec::new();
            for row in self.0.iter().filter(|row| contexts.contains(&row.context)) {
                for key in row.keys.iter() {
                    if let Some((_, other)) = seen.iter().find(|(other, _)| other == key) {
                        let (own, other) = (row.action.name(), other.name());
                        let both = format!("{} is the key of {own:?} and of {other:?}", key.text());
                        return Some((own, both));
                    }
                    seen.push((*key, row.action));
                }
            }
        }
        None
    }
}

impl Action {
    /// The name in the configuration: `next-pane`.
    pub fn name(self) -> String {
        let mut name = String::new();
        for c in format!("{self:?}").chars() {
            if c.is_ascii_uppercase() && !name.is_empty() {
                name.push('-');
            }
            name.push(c.to_ascii_lowercase());
        }
        name
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

impl Key {
    /// Reads a key as the help writes it: `q`, `Space`, `Ctrl-R`, `Shift-Left`, `F2`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (mut rest, mut modifiers) = (text, KeyModifiers::NONE);
        for (prefix, modifier) in
            [("Ctrl-", KeyModifiers::CONTROL), ("Alt-", KeyModifiers::ALT), ("Shift-", KeyModifiers::SHIFT)]
        {
            if let Some(key) = rest.strip_prefix(prefix) {
                rest = key;
                modifiers |= modifier;
            }
        }
        let code = match rest {
            "Space" => KeyCode::Char(' '),
            "Enter" => KeyCode::Enter,
            "Esc" => KeyCode::Esc,
            "Tab" if modifiers.contains(KeyModifiers::SHIFT) => KeyCode::BackTab,
            "Tab" => KeyCode::Tab,
            "Up" => KeyCode::Up,
            "Down" => KeyCode::Down,
            "Left" => KeyCode::Left,
            "Right" => KeyCode::Right,
            "PgUp" => KeyCode::PageUp,
            "PgDn" => KeyCode::PageDown,
            "Home" => KeyCode::Home,
            "End" => KeyCode::End,
            "Insert" => KeyCode::Insert,
            "Delete" => KeyCode::Delete,
            "Backspace" => KeyCode::Backspace,
            _ => match (rest.strip_prefix('F').and_then(|number| number.parse().ok()), rest.chars().next()) {
                (Some(number @ 1..=12), _) => KeyCode::F(number),
                // Ctrl and a letter: terminals do not tell the cases apart.
                (_, Some(c)) if c.len_utf8() == rest.len() && modifiers.contains(KeyModifiers::CONTROL) => {
                    KeyCode::Char(c.to_ascii_lowercase())
                }
                (_, Some(c)) if c.len_utf8() == rest.len() && !c.is_control() => KeyCode::Char(c),
                _ => return None,
            },
        };
        let modifiers = if matches!(code, KeyCode::Char(_) | KeyCode::BackTab) {
            modifiers - KeyModifiers::SHIFT
        } else {
            modifiers
        };
        Some(Self { code, modifiers })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(event: KeyEvent, contexts: &[KeyContext]) -> Option<Action> {
        KeyMap::default().find(event, contexts)
    }

    #[test]
    fn no_key_does_two_things() {
        assert_eq!(KeyMap::default().conflict(), None);
    }

    #[test]
    fn keys_are_read_as_they_are_shown() {
        for row in TABLE {
            for key in row.keys.iter() {
                let text = key.text();
                let text = [("↑", "Up"), ("↓", "Down"), ("←", "Left"), ("→", "Right")]
                    .iter()
                    .fold(text, |text, (sign, name)| text.replace(sign, name));
                assert_eq!(Key::parse(&text), Some(*key), "{text}");
            }
        }
        for text in ["", "xy", "F13", "Hyper-x", "Ctrl-"] {
            assert_eq!(Key::parse(text), None, "{text}");
        }
    }

    #[test]
    fn an_action_can_have_other_keys() {
        let mut keys = KeyMap::default();
        let press = |c| KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE);
        keys.bind("quit", &[Key::of(press('Q'))]).unwrap();
        assert_eq!(keys.conflict(), None);
        assert_eq!(keys.find(press('Q'), &[P::Panes]), Some(Action::Quit));
        assert_eq!(keys.find(press('q'), &[P::Panes]), None);
        keys.bind("quit", &[Key::of(press('z'))]).unwrap();
        let (_, message) = keys.conflict().unwrap();
        assert!(message.starts_with("z is the key of "), "{message}");
        assert!(keys.bind("fly", &[]).unwrap_err().starts_with("there is no action"));
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
