//! Checks of commands and the state that the bulb reports afterwards.

use std::sync::Arc;

use bulb_protocol::profile::{Feature, Features, Light, Profile};
use bulb_protocol::{Percent, Rgb};

use super::board::describe;
use super::{Board, OrNotPassed, RunResult, blocked, failed, skipped};

/// Mixes of the extreme channel values, and values next to them.
const CORNERS: [(u8, u8, u8); 6] =
    [(255, 255, 0), (0, 255, 255), (255, 0, 255), (0, 0, 0), (1, 1, 1), (254, 254, 254)];

pub(super) fn power(on: bool) -> Light {
    Light { power: Some(on), ..Light::default() }
}

pub(super) fn lacks(profile: &Profile, item: Feature) -> Option<String> {
    let lacks = !profile.settable().contains(item);
    lacks.then(|| format!("its family cannot set {}", item.name()))
}

pub(super) fn lacks_effects(profile: &Profile) -> Option<String> {
    let none = || profile.effects().next().is_none().then(|| "its effects have no names".to_owned());
    lacks(profile, Feature::Effect).or_else(none)
}

pub(super) fn lacks_brightness(profile: &Profile, percent: u32) -> Option<String> {
    lacks(profile, Feature::Brightness).or_else(|| {
        let (least, most) = profile.range(Feature::Brightness)?;
        let out = percent < least || percent > most;
        out.then(|| format!("its family dims from {least} to {most} %"))
    })
}

pub(super) async fn switch(board: &mut Board, on: bool) -> RunResult {
    board.write_start_state(!on).await?.or_failed("a command is accepted")?;
    // A bulb that is in this state already proves nothing.
    let before = board.current_state(None).await?.and_then(|light| light.power);
    if before == Some(on) {
        let other = if on { "command-off" } else { "command-on" };
        return Err(blocked(format!("it does not take the opposite command, see {other}")));
    }
    let expected = if on { "it reports on" } else { "it reports off" };
    board.command_and_verify(&power(on), expected, Features::NONE).await
}

pub(super) async fn brightness(board: &mut Board, percent: u8) -> RunResult {
    board.prepare(true).await?;
    let wanted = Light { brightness: Some(Percent::clamped(percent)), ..Light::default() };
    // Dark is not off.
    let keeping = Features::NONE.with(Feature::Power);
    board.command_and_verify(&wanted, &format!("it reports brightness {percent} %, and on"), keeping).await
}

pub(super) async fn color(board: &mut Board, red: u8, green: u8, blue: u8) -> RunResult {
    board.prepare(true).await?;
    command_color(board, Rgb::new(red, green, blue)).await
}

pub(super) async fn corners(board: &mut Board) -> RunResult {
    board.prepare(true).await?;
    for (red, green, blue) in CORNERS {
        command_color(board, Rgb::new(red, green, blue)).await?;
    }
    Ok(())
}

async fn command_color(board: &mut Board, color: Rgb) -> RunResult {
    let wanted = Light { color: Some(color), ..Light::default() };
    // Black is not off.
    let keeping = Features::NONE.with(Feature::Power);
    board.command_and_verify(&wanted, &format!("it reports the colour {color}, and on"), keeping).await
}

pub(super) async fn white(board: &mut Board) -> RunResult {
    board.prepare(true).await?;
    let (least, most) = board.profile().range(Feature::White).unwrap_or((0, 100));
    for value in [least, most] {
        let white = Some(Percent::clamped(u8::try_from(value).unwrap_or(100)));
        let wanted = Light { white, ..Light::default() };
        board.command_and_verify(&wanted, &format!("it reports white {value} %"), Features::NONE).await?;
    }
    Ok(())
}

pub(super) async fn kelvin(board: &mut Board) -> RunResult {
    board.prepare(true).await?;
    let (least, most) = board.profile().range(Feature::Kelvin).unwrap_or((2700, 6500));
    for value in [least, most] {
        let wanted = Light { kelvin: u16::try_from(value).ok(), ..Light::default() };
        board.command_and_verify(&wanted, &format!("it reports {value} K"), Features::NONE).await?;
    }
    Ok(())
}

pub(super) async fn effects(board: &mut Board) -> RunResult {
    let profile = Arc::clone(board.profile());
    for name in profile.effects() {
        board.prepare(true).await?;
        let wanted = Light { effect: Some(name.to_owned()), ..Light::default() };
        board.command_and_verify(&wanted, &format!("it reports the effect {name}"), Features::NONE).await?;
    }
    Ok(())
}

pub(super) async fn keeps_the_rest(board: &mut Board) -> RunResult {
    board.prepare(true).await?;
    let Some(mut before) = board.current_state(None).await? else {
        return Err(skipped("its family reports its state only when it changes"));
    };
    let can = board.profile().settable();
    let none = Light::default;
    let changes = [
        power(false),
        power(true),
        Light { brightness: Some(Percent::clamped(35)), ..none() },
        Light { color: Some(Rgb::new(40, 120, 200)), ..none() },
    ];
    for change in changes {
        let named = change.features();
        let names = named.iter().map(Feature::name).collect::<Vec<_>>().join(", ");
        if !named.less(can).is_empty() {
            continue;
        }
        // `None`: this family cannot report the change.
        let Some(after) = board.command(&change).await? else { break };
        let steps_are_coarse = board.profile().inexact(named, &before, &board.known).is_empty();
        if named.and(after.features()).is_empty() || steps_are_coarse {
            // Whether it was carried out does not show.
            before = after;
            continue;
        }
        if board.profile().inexact(named, &before, &after).is_empty() {
            return Err(blocked(format!("a change of {names} is not carried out")));
        }
        let mut rest = before.features().less(named);
        if board.profile().scales_brightness() {
            rest = rest.without(Feature::Brightness).without(Feature::Color);
        }
        let expected = format!("{names} alone changes, and the rest stays");
        // Some families fold the brightness into the colour, so compare in the light of what was changed.
        let before_like = before.clone().merged(&after.only(named));
        require_unchanged(board, &before_like, &after, rest, &expected)?;
        before = after;
    }
    Ok(())
}

pub(super) fn require_unchanged(
    board: &Board,
    before: &Light,
    after: &Light,
    items: Features,
    expected: &str,
) -> RunResult {
    let wrong = board.profile().inexact(items, before, after);
    if wrong.is_empty() {
        return Ok(());
    }
    let parts = |light: &Light| wrong.iter().map(|item| describe(item, light)).collect::<Vec<_>>().join(", ");
    Err(failed(format!("{expected} ({})", parts(before)), format!("it reports {}", parts(after))))
}
