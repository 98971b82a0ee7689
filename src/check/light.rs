//! Checks of commands and the state that the bulb reports afterwards.

use std::sync::Arc;

use bulb_protocol::profile::{Feature, Features, Light, Profile};
use bulb_protocol::{Percent, Rgb};
use futures::FutureExt;
use futures::future::BoxFuture;

use super::board::describe;
use super::{Board, NotPassed, OrNotPassed, RunResult, failed};

/// Mixes of the extreme channel values, and values next to them.
const CORNERS: [(u8, u8, u8); 6] =
    [(255, 255, 0), (0, 255, 255), (255, 0, 255), (0, 0, 0), (1, 1, 1), (254, 254, 254)];

fn lacks(profile: &Profile, item: Feature) -> Option<String> {
    let lacks = !profile.settable().contains(item);
    lacks.then(|| format!("its family cannot set {}", item.name()))
}

pub(super) fn skip_without_power(profile: &Profile) -> Option<String> {
    lacks(profile, Feature::Power)
}

pub(super) fn skip_without_color(profile: &Profile) -> Option<String> {
    lacks(profile, Feature::Color)
}

pub(super) fn skip_without_white(profile: &Profile) -> Option<String> {
    lacks(profile, Feature::White)
}

pub(super) fn skip_without_kelvin(profile: &Profile) -> Option<String> {
    lacks(profile, Feature::Kelvin)
}

pub(super) fn skip_without_effects(profile: &Profile) -> Option<String> {
    let none = || profile.effects().next().is_none().then(|| "its effects have no names".to_owned());
    lacks(profile, Feature::Effect).or_else(none)
}

pub(super) fn skip_without_brightness<const P: u8>(profile: &Profile) -> Option<String> {
    lacks(profile, Feature::Brightness).or_else(|| {
        let (least, most) = profile.range(Feature::Brightness)?;
        let out = u32::from(P) < least || u32::from(P) > most;
        out.then(|| format!("its family dims from {least} to {most} %"))
    })
}

pub(super) fn command_on(board: &mut Board) -> BoxFuture<'_, RunResult> {
    switch(board, true).boxed()
}

pub(super) fn command_off(board: &mut Board) -> BoxFuture<'_, RunResult> {
    switch(board, false).boxed()
}

async fn switch(board: &mut Board, on: bool) -> RunResult {
    board.write_start_state(!on).await?.or_failed("a command is accepted")?;
    // A bulb that is in this state already proves nothing.
    let before = board.current_state(None).await?.and_then(|light| light.power);
    if before == Some(on) {
        let other = if on { "command-off" } else { "command-on" };
        return Err(NotPassed::Blocked(format!("it does not take the opposite command, see {other}")));
    }
    let wanted = Light { power: Some(on), ..Light::default() };
    board
        .command_and_verify(&wanted, if on { "it reports on" } else { "it reports off" }, Features::NONE)
        .await
}

pub(super) fn brightness<const P: u8>(board: &mut Board) -> BoxFuture<'_, RunResult> {
    async {
        board.prepare(true).await?;
        let wanted = Light { brightness: Some(Percent::clamped(P)), ..Light::default() };
        // Dark is not off.
        let keeping = Features::NONE.with(Feature::Power);
        board.command_and_verify(&wanted, &format!("it reports brightness {P} %, and on"), keeping).await
    }
    .boxed()
}

pub(super) fn color<const RGB: u32>(board: &mut Board) -> BoxFuture<'_, RunResult> {
    async {
        let [_, red, green, blue] = RGB.to_be_bytes();
        board.prepare(true).await?;
        shines(board, Rgb::new(red, green, blue)).await
    }
    .boxed()
}

pub(super) fn corners(board: &mut Board) -> BoxFuture<'_, RunResult> {
    async {
        board.prepare(true).await?;
        for (red, green, blue) in CORNERS {
            shines(board, Rgb::new(red, green, blue)).await?;
        }
        Ok(())
    }
    .boxed()
}

async fn shines(board: &mut Board, color: Rgb) -> RunResult {
    let wanted = Light { color: Some(color), ..Light::default() };
    // Black is not off.
    let keeping = Features::NONE.with(Feature::Power);
    board.command_and_verify(&wanted, &format!("it reports the colour {color}, and on"), keeping).await
}

pub(super) fn white(board: &mut Board) -> BoxFuture<'_, RunResult> {
    async {
        board.prepare(true).await?;
        let (least, most) = board.profile().range(Feature::White).unwrap_or((0, 100));
        for value in [least, most] {
            let white = Some(Percent::clamped(u8::try_from(value).unwrap_or(100)));
            let wanted = Light { white, ..Light::default() };
            board.command_and_verify(&wanted, &format!("it reports white {value} %"), Features::NONE).await?;
        }
        Ok(())
    }
    .boxed()
}

pub(super) fn kelvin(board: &mut Board) -> BoxFuture<'_, RunResult> {
    async {
        board.prepare(true).await?;
        let (least, most) = board.profile().range(Feature::Kelvin).unwrap_or((2700, 6500));
        for value in [least, most] {
            let wanted = Light { kelvin: u16::try_from(value).ok(), ..Light::default() };
            board.command_and_verify(&wanted, &format!("it reports {value} K"), Features::NONE).await?;
        }
        Ok(())
    }
    .boxed()
}

pub(super) fn effects(board: &mut Board) -> BoxFuture<'_, RunResult> {
    async {
        let profile = Arc::clone(board.profile());
        for name in profile.effects() {
            board.prepare(true).await?;
            let wanted = Light { effect: Some(name.to_owned()), ..Light::default() };
            board
                .command_and_verify(&wanted, &format!("it reports the effect {name}"), Features::NONE)
                .await?;
        }
        Ok(())
    }
    .boxed()
}

/// Switches off and on, then changes brightness and colour, one at a time. Each time the rest must stay.
pub(super) fn keeps_the_rest(board: &mut Board) -> BoxFuture<'_, RunResult> {
    async {
        board.prepare(true).await?;
        let Some(mut before) = board.current_state(None).await? else {
            return Err(NotPassed::Skipped("its family tells its state only when it changes".to_owned()));
        };
        let can = board.profile().settable();
        let none = Light::default;
        let changes = [
            Light { power: Some(false), ..none() },
            Light { power: Some(true), ..none() },
            Light { brightness: Some(Percent::clamped(35)), ..none() },
            Light { color: Some(Rgb::new(40, 120, 200)), ..none() },
        ];
        for change in changes {
            let named = change.features();
            if !named.less(can).is_empty() {
                continue;
            }
            // `None`: this family cannot report the change.
            let Some(after) = board.command(&change).await? else { break };
            if board.profile().mismatches(named, &before, &after).is_empty() {
                let what = named.iter().map(Feature::name).collect::<Vec<_>>().join(", ");
                return Err(NotPassed::Blocked(format!("a change of {what} is not carried out")));
            }
            let mut rest = before.features().less(named);
            if board.profile().scales_brightness() {
                rest = rest.without(Feature::Brightness).without(Feature::Color);
            }
            let names: Vec<&str> = named.iter().map(Feature::name).collect();
            require_unchanged(
                board,
                &before,
                &after,
                rest,
                &format!("{} alone changes, and the rest stays", names.join(", ")),
            )?;
            before = after;
        }
        Ok(())
    }
    .boxed()
}

/// Requires that these features have not changed.
pub(super) fn require_unchanged(
    board: &Board,
    before: &Light,
    after: &Light,
    items: Features,
    what: &str,
) -> RunResult {
    let wrong = board.profile().mismatches(items, before, after);
    if wrong.is_empty() {
        return Ok(());
    }
    let parts = |light: &Light| wrong.iter().map(|item| describe(item, light)).collect::<Vec<_>>().join(", ");
    Err(failed(format!("{what} ({})", parts(before)), format!("it reports {}", parts(after))))
}
