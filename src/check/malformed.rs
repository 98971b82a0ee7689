//! Checks with malformed frames, which a bulb must refuse or ignore.

use std::sync::Arc;

use bulb_protocol::profile::{Feature, Light, Profile, Write};
use bulb_protocol::{Percent, Rgb};
use tokio::time::sleep;

use super::board::{REQUEST_TIME, SETTLE_TIME};
use super::light::require_unchanged;
use super::{Board, LINK_DROPPED, OrNotPassed, RunResult, failed};
use crate::error::Error;
use crate::radio::Deadline;

#[derive(Clone, Copy)]
pub(super) enum Malformation {
    Short,
    Long,
    OutOfRange,
}

/// The frames for a state, each with its bytes for a state that differs in everything.
fn valid_frames(profile: &Profile) -> Vec<(Write, Option<Vec<u8>>)> {
    let can = profile.settable();
    let of = |power: bool, brightness: u8, color: Rgb| {
        let wanted = Light {
            power: can.contains(Feature::Power).then_some(power),
            brightness: can.contains(Feature::Brightness).then(|| Percent::clamped(brightness)),
            color: can.contains(Feature::Color).then_some(color),
            ..Light::default()
        };
        profile.encode(&wanted, &profile.starting_state(&Light::default()), 0).map(|sent| sent.writes)
    };
    let one = of(true, 77, Rgb::new(10, 200, 90)).unwrap_or_default();
    let other = of(false, 12, Rgb::new(210, 3, 33)).unwrap_or_default();
    one.into_iter()
        .map(|write| {
            let same = |twin: &&Write| twin.role == write.role && twin.bytes.len() == write.bytes.len();
            let twin = other.iter().find(same).map(|twin| twin.bytes.clone());
            (write, twin)
        })
        .collect()
}

/// Frames that the family does not know. Opcodes stay valid: each frame lacks a byte, has one more, or has a value out of range.
fn malformed_frames(profile: &Profile, how: Malformation) -> Vec<Write> {
    let mut frames = Vec::new();
    for (write, twin) in valid_frames(profile) {
        let with = |bytes: Vec<u8>| Write { bytes, ..write.clone() };
        match how {
            Malformation::Short => {
                frames.extend(write.bytes.split_last().map(|(_, bytes)| with(bytes.to_vec())));
            }
            Malformation::Long => frames.push(with([&write.bytes[..], &[0]].concat())),
            Malformation::OutOfRange => {
                let Some(twin) = twin else { continue };
                let varies = write.bytes.iter().zip(&twin).enumerate().filter(|(_, (a, b))| a != b);
                for (place, _) in varies {
                    let mut bytes = write.bytes.clone();
                    if let Some(byte) = bytes.get_mut(place) {
                        *byte = 0xFF;
                    }
                    frames.push(with(bytes));
                }
            }
        }
    }
    frames.retain(|write| profile.decode_command(&write.role, &write.bytes).is_err());
    frames
}

pub(super) fn lacks(profile: &Profile, how: Malformation) -> Option<String> {
    malformed_frames(profile, how).is_empty().then(|| "its family has no such frames".to_owned())
}

pub(super) async fn refuses(board: &mut Board, how: Malformation) -> RunResult {
    let profile = Arc::clone(board.profile());
    for write in malformed_frames(&profile, how) {
        board.prepare(true).await?;
        let unchanged = format!("{} changes nothing, and the link stays up", hex::encode(&write.bytes));
        changes_nothing(board, std::slice::from_ref(&write), &unchanged).await?;
    }
    Ok(())
}

/// Writes frames that the bulb may refuse, and requires that they have no effect.
pub(super) async fn changes_nothing(board: &mut Board, writes: &[Write], expected: &str) -> RunResult {
    let before = board.current_state(None).await?;
    for write in writes {
        match board.write(write, Deadline::after(REQUEST_TIME)).await {
            Ok(())
            | Err(
                Error::Refused { .. }
                | Error::RefusedWithoutCode { .. }
                | Error::Unsupported { .. }
                | Error::RoleMissing { .. }
                | Error::NeedsPairing { .. },
            ) => {}
            result => result.or_failed(expected)?,
        }
    }
    sleep(SETTLE_TIME).await;
    if !board.is_up() {
        return Err(failed(expected, LINK_DROPPED));
    }
    board.drain();
    let after = board.current_state(None).await?;
    match (before, after) {
        (Some(before), Some(after)) => require_unchanged(board, &before, &after, before.features(), expected),
        _ => Ok(()),
    }
}
