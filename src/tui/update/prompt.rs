//! The input line: filters, colours, values, file names.

use std::path::PathBuf;

use bulb_protocol::profile::Light;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use tui_input::{Input, InputRequest};

use super::super::control::{self, Control};
use super::super::event::{Effect, SavedKind};
use super::super::export;
use super::super::frames::FrameRow;
use super::super::keys::Action;
use super::super::model::{Model, Prompt};
use super::{actions, choose_row, clamp_popup, fade, gatt, global_action, palette, scenes};
use crate::bulb::{Change, DriverCommand};
use crate::color;

/// Limit for input, in characters.
const LONGEST: usize = 200;
const FORMS: &str = "orange, ff8800, hsl(30,100%,50%) or 255,136,0";
const FILE: &str = "bulbctl-frames.log";
const RECORDING: &str = "bulbctl-frames.jsonl";

pub(super) fn start(model: &mut Model, what: Prompt) {
    let text = match what {
        Prompt::Filter => model.filter.clone(),
        Prompt::FrameFilter => model.frames.filter().to_owned(),
        Prompt::File => FILE.to_owned(),
        Prompt::EffectFilter => model.effect_filter.clone(),
        Prompt::Recording => RECORDING.to_owned(),
        Prompt::Color
        | Prompt::Kelvin
        | Prompt::Value(_)
        | Prompt::Gatt
        | Prompt::Palette
        | Prompt::Fade
        | Prompt::Scene => String::new(),
    };
    model.prompt = Some((what, Input::new(text)));
    model.prompt_error = None;
}

pub(super) fn start_color(model: &mut Model) {
    start_for(model, Prompt::Color, Control::Color);
}

pub(super) fn start_kelvin(model: &mut Model) {
    start_for(model, Prompt::Kelvin, Control::Kelvin);
}

fn start_for(model: &mut Model, what: Prompt, control: Control) {
    let up = || model.targets().filter(|device| device.is_connected());
    let able = up().any(|device| control::has_control(device, control));
    let change = match control {
        // Rejected for every bulb, so that the error shows the supported range.
        Control::Kelvin => Change::from(Light { kelvin: Some(u16::MAX), ..Light::default() }),
        _ => Change::from(Light { color: Some(bulb_protocol::Rgb::WHITE), ..Light::default() }),
    };
    if able || up().any(|device| device.profile.is_none()) {
        start(model, what);
    } else {
        actions::send(model, change, &mut Vec::new());
    }
}

pub(super) fn press(model: &mut Model, action: Action, effects: &mut Vec<Effect>) {
    if global_action(action, effects) {
        return;
    }
    model.changed();
    match action {
        Action::Accept => accept(model, effects),
        Action::Up | Action::Down if model.popup.is_some() => {
            let by = if action == Action::Up { -1 } else { 1 };
            model.popup_row = model.popup_row.saturating_add_signed(by);
            clamp_popup(model);
        }
        Action::Up | Action::Down => {}
        _ => cancel(model),
    }
}

fn cancel(model: &mut Model) {
    match model.prompt.take().map(|(what, _)| what) {
        Some(Prompt::Filter) => {
            model.filter.clear();
            model.reorder();
        }
        Some(Prompt::FrameFilter) => model.frames.set_filter(""),
        Some(Prompt::EffectFilter) => model.effect_filter.clear(),
        Some(Prompt::Palette) => model.popup = None,
        _ => {}
    }
    model.prompt_error = None;
}

fn accept(model: &mut Model, effects: &mut Vec<Effect>) {
    let Some((what, input)) = model.prompt.take() else { return };
    model.prompt_error = None;
    let text = input.value().trim();
    match what {
        Prompt::Filter | Prompt::FrameFilter => {}
        Prompt::Color => match color::parse(text) {
            Ok(color) => actions::color(model, color, effects),
            Err(_) => {
                let fault = format!("{text:?} is not a colour. Use {FORMS}");
                model.prompt_error = Some(fault);
                model.prompt = Some((what, input));
            }
        },
        Prompt::EffectFilter => choose_row(model, effects),
        Prompt::Kelvin => number(model, Control::Kelvin, (what, input.clone()), effects),
        Prompt::Value(control) => number(model, control, (what, input.clone()), effects),
        Prompt::File | Prompt::Recording | Prompt::Scene if text.is_empty() => {}
        Prompt::File => {
            let lines: Vec<String> = model.frames.shown().map(FrameRow::line).collect();
            effects.push(Effect::Save(SavedKind::Frames, PathBuf::from(text), lines));
        }
        Prompt::Recording => {
            let lines = export::recording(model);
            effects.push(Effect::Save(SavedKind::Recording, PathBuf::from(text), lines));
        }
        Prompt::Scene => scenes::save(model, text, effects),
        Prompt::Palette => palette::choose(model, effects),
        Prompt::Gatt => {
            if let Err(fault) = gatt::write(model, text, effects) {
                model.prompt_error = Some(fault);
                model.prompt = Some((what, input));
            }
        }
        Prompt::Fade => match fade::parse(text) {
            Ok((light, over)) => actions::command(model, &DriverCommand::Fade(light, over), effects),
            Err(fault) => {
                model.prompt_error = Some(fault);
                model.prompt = Some((what, input));
            }
        },
    }
}

/// Sets a slider to the number in the input line, if it is in range.
fn number(model: &mut Model, control: Control, typed: (Prompt, Input), effects: &mut Vec<Effect>) {
    let (least, most) =
        control::shown_bulb(model, control).map_or((0, 0), |device| control::range(device, control));
    match typed.1.value().trim().trim_end_matches(['%', '°', ' ', 'K', 'k']).parse() {
        Ok(value) if (least..=most).contains(&value) => actions::set(model, control, value, effects),
        _ => {
            model.prompt_error = Some(format!("enter a whole number from {least} to {most}"));
            model.prompt = Some(typed);
        }
    }
}

pub(super) fn edit(model: &mut Model, key: KeyEvent) {
    if let Some(request) = request(key) {
        request_all(model, [request]);
    }
}

/// Returns the change of the input for a key.
pub(crate) fn request(key: KeyEvent) -> Option<InputRequest> {
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    Some(match key.code {
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
        _ => return None,
    })
}

pub(super) fn paste(model: &mut Model, text: &str) {
    request_all(model, pasted(text));
}

/// Returns the changes of the input for a text that is pasted.
pub(crate) fn pasted(text: &str) -> impl Iterator<Item = InputRequest> {
    text.chars().filter(|c| !c.is_control()).map(InputRequest::InsertChar)
}

/// Changes the input, up to its limit.
pub(crate) fn fill(input: &mut Input, requests: impl IntoIterator<Item = InputRequest>) {
    for request in requests {
        let full = input.value().chars().count() >= LONGEST;
        if !(full && matches!(request, InputRequest::InsertChar(_))) {
            input.handle(request);
        }
    }
}

fn request_all(model: &mut Model, requests: impl IntoIterator<Item = InputRequest>) {
    let Some((what, input)) = &mut model.prompt else { return };
    fill(input, requests);
    let (what, text) = (*what, input.value().to_owned());
    model.prompt_error = None;
    model.changed();
    match what {
        Prompt::Filter => {
            model.filter = text.trim().to_owned();
            model.reorder();
        }
        Prompt::FrameFilter => model.frames.set_filter(&text),
        Prompt::EffectFilter => {
            model.effect_filter = text.trim().to_lowercase();
            model.popup_row = 0;
        }
        Prompt::Palette => {
            model.palette_filter = text.trim().to_lowercase();
            model.popup_row = 0;
        }
        _ => {}
    }
}
