//! Applies keys, the mouse, and what happens at the bulbs.

use bulb_protocol::Percent;
use bulb_protocol::profile::{Feature, Light};
use crossterm::event::{KeyEvent, KeyEventKind, MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::Position;
use tui_input::Input;

use super::super::event::{Effect, Event, RadioEvent};
use super::super::keys::{Action, KeyContext};
use super::super::layout::too_small;
use super::super::messages::{Holds, Message, Severity};
use super::super::text::plain;
use super::super::update::{fill, global_action, pasted, request};
use super::log::Row;
use super::view::{self, Areas, EventColumns};
use super::{EmulateScreen, Prompt};
use crate::bulb::{Change, Power};
use crate::color;
use crate::emulate::BulbAction;
use crate::error::Result;

/// Rows of a turn of the wheel.
const WHEEL: isize = 3;

pub(super) async fn update(screen: &mut EmulateScreen, event: Event) -> Result<Option<Effect>> {
    match event {
        Event::Key(key) => return press(screen, key).await,
        Event::Mouse(mouse) => return click(screen, mouse).await,
        Event::Paste(text) => {
            if let Some((_, input)) = &mut screen.prompt {
                fill(input, pasted(&text));
                screen.prompt_error = None;
                screen.changed = true;
            }
        }
        Event::Resize(width, height) => {
            screen.size = (width, height);
            screen.changed = true;
        }
        Event::Radio(RadioEvent::Log(text)) => {
            screen.log.push(Row::of_log(&text, screen.now()));
            screen.changed = true;
        }
        Event::Radio(RadioEvent::Panic(text)) => {
            let message = Message::new(screen.now(), Severity::Error, plain(&text), Holds::UntilClosed);
            screen.messages.push(message);
            screen.changed = true;
        }
        Event::Radio(_) => {}
        Event::Tick => {
            if let Some(next) = screen.next.take() {
                screen.emulation.handle(next).await?;
            }
            let shown = screen.messages.current().is_some();
            screen.messages.expire(screen.now());
            screen.changed |= shown;
            if screen.end.is_some_and(|end| end <= tokio::time::Instant::now()) {
                return Ok(Some(Effect::Quit));
            }
        }
    }
    Ok(None)
}

/// The contexts whose keys work at the moment.
pub(super) fn contexts(screen: &EmulateScreen) -> &'static [KeyContext] {
    match (&screen.prompt, screen.help) {
        (Some(_), _) => &[KeyContext::Always, KeyContext::Prompt],
        (_, Some(_)) => &[KeyContext::Always, KeyContext::Popup],
        _ => &[KeyContext::Always, KeyContext::Emulate],
    }
}

async fn press(screen: &mut EmulateScreen, key: KeyEvent) -> Result<Option<Effect>> {
    // Windows also sends key releases.
    if key.kind == KeyEventKind::Release {
        return Ok(None);
    }
    let action = screen.keys.find(key, contexts(screen));
    match action {
        Some(action) => act(screen, action).await,
        None => {
            if let (Some((_, input)), Some(request)) = (&mut screen.prompt, request(key)) {
                fill(input, [request]);
                screen.prompt_error = None;
                screen.changed = true;
            }
            Ok(None)
        }
    }
}

async fn act(screen: &mut EmulateScreen, action: Action) -> Result<Option<Effect>> {
    let mut effects = Vec::new();
    if global_action(action, &mut effects) {
        return Ok(effects.pop());
    }
    // Ignore keys whose effect cannot be seen.
    if too_small(screen.size) && action != Action::Quit {
        return Ok(None);
    }
    screen.changed = true;
    // Whoever presses a key has read it.
    screen.messages.close_brief();
    if screen.prompt.is_some() {
        return in_prompt(screen, action).await;
    }
    if let Some(row) = screen.help {
        in_help(screen, action, row);
        return Ok(None);
    }
    let page = isize::try_from(Areas::of(screen).events().0).unwrap_or(1).max(1);
    match action {
        Action::Quit => return Ok(Some(Effect::Quit)),
        Action::Help => screen.help = Some(0),
        Action::Toggle => set(screen, Change::power(Power::Toggle)).await,
        Action::Brighter => dim(screen, 5).await,
        Action::Dimmer => dim(screen, -5).await,
        Action::TypeColor => screen.prompt = Some((Prompt::Color, Input::default())),
        Action::TypeKelvin => screen.prompt = Some((Prompt::Kelvin, Input::default())),
        Action::TypeLine => screen.prompt = Some((Prompt::Line, Input::default())),
        Action::Disconnect => bulb_action(screen, screen.selected, BulbAction::Drop).await,
        Action::ToFrames => screen.log.show_frames(),
        Action::Clear => screen.log.clear(),
        Action::Dismiss => drop(screen.messages.close(|_| true)),
        Action::Up => screen.selected = screen.selected.saturating_sub(1),
        Action::Down => screen.selected = (screen.selected + 1).min(screen.bulbs.len().saturating_sub(1)),
        Action::PageUp => scroll(screen, page),
        Action::PageDown => scroll(screen, -page),
        Action::First => scroll(screen, isize::MAX),
        Action::Last => scroll(screen, isize::MIN),
        _ => {}
    }
    Ok(None)
}

fn scroll(screen: &mut EmulateScreen, rows: isize) {
    let (height, width) = Areas::of(screen).events();
    let columns = EventColumns::of(screen, width);
    screen.log.scroll(rows, height, |row| columns.lines(row).len());
}

fn in_help(screen: &mut EmulateScreen, action: Action, row: usize) {
    let help = view::help(screen);
    let (page, last) = (help.page(screen.size), help.last_row(screen.size));
    let row = match action {
        Action::Up => row.saturating_sub(1),
        Action::Down => row + 1,
        Action::PageUp => row.saturating_sub(page),
        Action::PageDown => row + page,
        Action::First => 0,
        Action::Last => last,
        Action::Accept | Action::Cancel => {
            screen.help = None;
            return;
        }
        _ => row,
    };
    screen.help = Some(row.min(last));
}

async fn in_prompt(screen: &mut EmulateScreen, action: Action) -> Result<Option<Effect>> {
    screen.prompt_error = None;
    match action {
        Action::Cancel => screen.prompt = None,
        Action::Accept => return accept(screen).await,
        _ => {}
    }
    Ok(None)
}

async fn accept(screen: &mut EmulateScreen) -> Result<Option<Effect>> {
    let Some((what, input)) = screen.prompt.take() else { return Ok(None) };
    let text = input.value().trim();
    let parsed = match what {
        _ if text.is_empty() => return Ok(None),
        Prompt::Color => color::parse(text)
            .map(|color| change(Light { color: Some(color), ..Light::default() }))
            .map_err(|_| format!("{text:?} is not a colour")),
        Prompt::Kelvin => text
            .trim_end_matches(['K', 'k', ' '])
            .parse()
            .map(|kelvin| change(Light { kelvin: Some(kelvin), ..Light::default() }))
            .map_err(|_| "enter a whole number".to_owned()),
        Prompt::Line => (screen.parse)(text, &screen.emulation),
    };
    match parsed {
        Ok(None) => return Ok(Some(Effect::Quit)),
        Ok(Some((bulb, action))) => {
            let bulb = bulb.unwrap_or(screen.selected);
            bulb_action(screen, bulb, action).await;
        }
        Err(error) => {
            screen.prompt_error = Some(error);
            screen.prompt = Some((what, input));
        }
    }
    Ok(None)
}

fn change(light: Light) -> Option<super::ParsedLine> {
    Some((None, BulbAction::Set(light.into())))
}

async fn set(screen: &mut EmulateScreen, change: Change) {
    bulb_action(screen, screen.selected, BulbAction::Set(change)).await;
}

/// Changes the brightness by this many percent.
async fn dim(screen: &mut EmulateScreen, by: i32) {
    let bulbs = screen.emulation.bulbs();
    let range = bulbs.profile(screen.selected).and_then(|profile| profile.range(Feature::Brightness));
    let (least, most) = range.unwrap_or((0, 100));
    let now = bulbs.light(screen.selected).and_then(|light| light.brightness).unwrap_or(Percent::MAX);
    let next = i64::from(now.get()) + i64::from(by);
    let next = next.clamp(i64::from(least), i64::from(most.max(least)));
    let brightness = u8::try_from(next).ok().map(Percent::clamped);
    set(screen, Light { brightness, ..Light::default() }.into()).await;
}

/// Does something to a bulb, and shows an error.
async fn bulb_action(screen: &mut EmulateScreen, bulb: usize, action: BulbAction) {
    // Nothing else on the screen shows that a fault was added.
    let quiet = matches!(action, BulbAction::AddFault(_) | BulbAction::ClearFaults);
    let result = screen.emulation.act(bulb, action).await;
    let (name, now) = (screen.name(bulb), screen.now());
    match result {
        Ok(()) if quiet => {
            let text = format!("{name}: done");
            screen.messages.push(Message::new(now, Severity::Info, text, Holds::Briefly));
        }
        Ok(()) => {}
        Err(error) => screen.messages.push(Message::of(now, &error, Some(&name), Holds::Briefly)),
    }
}

async fn click(screen: &mut EmulateScreen, mouse: MouseEvent) -> Result<Option<Effect>> {
    if too_small(screen.size) {
        return Ok(None);
    }
    let at = Position::new(mouse.column, mouse.row);
    match mouse.kind {
        MouseEventKind::ScrollUp if screen.help.is_some() => return act(screen, Action::Up).await,
        MouseEventKind::ScrollDown if screen.help.is_some() => return act(screen, Action::Down).await,
        MouseEventKind::ScrollUp => scroll(screen, WHEEL),
        MouseEventKind::ScrollDown => scroll(screen, -WHEEL),
        MouseEventKind::Down(MouseButton::Left) => {
            let areas = Areas::of(screen);
            let hint = view::hints(screen, |hints| hints.at(areas.hints, at));
            if let Some(action) = hint.filter(|_| screen.prompt_error.is_none()) {
                return act(screen, action).await;
            }
            if let Some(bulb) = areas.bulb_at(screen, at).filter(|_| screen.help.is_none()) {
                screen.selected = bulb;
            }
        }
        _ => return Ok(None),
    }
    screen.changed = true;
    Ok(None)
}
