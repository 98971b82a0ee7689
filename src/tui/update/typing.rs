//! What is typed: filters, colours, a file's name.

use std::path::PathBuf;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use tui_input::{Input, InputRequest};

use super::super::event::Effect;
use super::super::keys::Action;
use super::super::model::{Model, Typing};
use super::{act, always};
use crate::color;

/// Longer texts are nobody's filter, colour or file name.
const LONGEST: usize = 200;
/// Colours as they can be typed, in a line.
const FORMS: &str = "orange, ff8800, hsl(30,100%,50%) or 255,136,0";
/// Where frames go unless another name is typed.
const FILE: &str = "bulbctl-frames.log";

pub(super) fn start(model: &mut Model, what: Typing) {
    let text = match what {
        Typing::Filter => model.filter.clone(),
        Typing::FrameFilter => model.frames.filter().to_owned(),
        Typing::File => FILE.to_owned(),
        Typing::Color | Typing::Value(_) => String::new(),
    };
    model.typing = Some((what, Input::new(text)));
    model.typing_fault = None;
}

/// A colour is typed for bulbs that can take one.
pub(super) fn start_color(model: &mut Model) {
    let up = |id| model.devices.get(id).is_some_and(super::super::device::Device::up);
    if model.targets().iter().any(up) {
        start(model, Typing::Color);
    } else {
        act::send(model, crate::bulb::Change::default(), &mut Vec::new());
    }
}

pub(super) fn press(model: &mut Model, action: Action, effects: &mut Vec<Effect>) {
    if always(action, effects) {
        return;
    }
    model.changed();
    match action {
        Action::Accept => accept(model, effects),
        _ => cancel(model),
    }
}

fn cancel(model: &mut Model) {
    match model.typing.take().map(|(what, _)| what) {
        Some(Typing::Filter) => {
            model.filter.clear();
            model.reorder();
        }
        Some(Typing::FrameFilter) => model.frames.set_filter(""),
        Some(Typing::Color | Typing::Value(_) | Typing::File) | None => {}
    }
    model.typing_fault = None;
}

fn accept(model: &mut Model, effects: &mut Vec<Effect>) {
    let Some((what, input)) = model.typing.take() else { return };
    model.typing_fault = None;
    let text = input.value().trim();
    match what {
        Typing::Filter | Typing::FrameFilter => {}
        Typing::Color => match color::parse(text) {
            Ok(color) => act::color(model, color, effects),
            Err(_) => {
                let fault = format!("{text:?} is no colour: write {FORMS}");
                model.typing_fault = Some(fault);
                model.typing = Some((what, input));
            }
        },
        Typing::Value(control) => match text.trim_end_matches(['%', '°', ' ']).parse() {
            Ok(value) if value <= act::most(control) => act::set(model, control, value, effects),
            _ => {
                model.typing_fault =
                    Some(format!("a whole number from 0 to {} is needed", act::most(control)));
                model.typing = Some((what, input));
            }
        },
        Typing::File if text.is_empty() => {}
        Typing::File => {
            let lines: Vec<String> = model.frames.shown().map(|row| row.line.clone()).collect();
            effects.push(Effect::Save(PathBuf::from(text), lines));
        }
    }
}

pub(super) fn edit(model: &mut Model, key: KeyEvent) {
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    let request = match key.code {
        KeyCode::Char('w') if control => InputRequest::DeletePrevWord,
        KeyCode::Char('u') if control => InputRequest::DeleteLine,
        KeyCode::Char('a') if control => InputRequest::GoToStart,
        KeyCode::Char('e') if control => InputRequest::GoToEnd,
        KeyCode::Char(c) if !control && !key.modifiers.contains(KeyModifiers::ALT) => {
            InputRequest::InsertChar(c)
        }
        KeyCode::Backspace => InputRequest::DeletePrevChar,
        KeyCode::Delete => InputRequest::DeleteNextChar,
        KeyCode::Left => InputRequest::GoToPrevChar,
        KeyCode::Right => InputRequest::GoToNextChar,
        KeyCode::Home => InputRequest::GoToStart,
        KeyCode::End => InputRequest::GoToEnd,
        _ => return,
    };
    request_all(model, [request]);
}

/// Text that is pasted is typed, where something is typed.
pub(super) fn paste(model: &mut Model, text: &str) {
    let shown = text.chars().filter(|c| !c.is_control());
    request_all(model, shown.map(InputRequest::InsertChar));
}

fn request_all(model: &mut Model, requests: impl IntoIterator<Item = InputRequest>) {
    let Some((what, input)) = &mut model.typing else { return };
    for request in requests {
        let full = input.value().chars().count() >= LONGEST;
        if !(full && matches!(request, InputRequest::InsertChar(_))) {
            input.handle(request);
        }
    }
    let (what, text) = (*what, input.value().to_owned());
    model.typing_fault = None;
    model.changed();
    match what {
        Typing::Filter => {
            model.filter = text.trim().to_owned();
            model.reorder();
        }
        Typing::FrameFilter => model.frames.set_filter(&text),
        Typing::Color | Typing::Value(_) | Typing::File => {}
    }
}
