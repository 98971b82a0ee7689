//! `snapshot` and `restore`: the states of bulbs, and back.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bulb_protocol::profile::{Light, Profile};
use clap::{Args, ValueHint};

use super::args::{Bulbs, Wait};
use super::context::Context;
use super::status;
use crate::bulb::{BulbState, CommandOutcome, Provenance, RestorePlan, refuse_unsupported};
use crate::error::{Error, Result};
use crate::files::{self, LONGEST_TEXT};
use crate::fleet::Target;
use crate::output::{Record, SavedState, SnapshotRecord, StateRecord};
use crate::radio::SeenDevice;

#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// File that snapshot wrote, or - for stdin
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) wait: Wait,
}

/// `snapshot`. Prints JSON lines also without `--json`.
pub(crate) async fn save(args: &Bulbs, context: &Context<'_>) -> Result<()> {
    let target = args.text();
    context
        .each(
            args,
            "reading",
            async |radio, device, deadline| {
                let (state, profile) = status::read(radio.as_ref(), &device, deadline, context).await?;
                Ok(SnapshotRecord::of(&target, &device, &profile, &state))
            },
            |record| {
                if record.provenance == Provenance::Unknown {
                    let name = crate::output::sanitise(record.bulb.label()).into_owned();
                    context
                        .printer
                        .note(&format!("{name}: the state is not known, so it cannot be restored"));
                }
                context.printer.json_record(&Record::Snapshot(record))
            },
        )
        .await
}

pub(crate) async fn restore(args: &Restore, context: &Context<'_>) -> Result<()> {
    let file = args.file.clone();
    // Standard input may be a terminal or a pipe on which nothing comes.
    let text = tokio::task::spawn_blocking(move || text_of(&file));
    let text = text.await.map_err(|error| Error::Internal(error.to_string()))??;
    let invalid = |detail| Error::SnapshotInvalid { path: args.file.display().to_string(), detail };
    let states = SavedState::read(&text).map_err(invalid)?;
    let all: Vec<&str> = states.iter().map(|state| state.target.as_str()).collect();
    let target = context.target(&all.join(","))?;
    let states = states.iter().map(|state| Ok((context.target(&state.target)?, state)));
    let states = states.collect::<Result<Vec<_>>>()?;
    context
        .each_of(
            target,
            args.wait,
            "restoring",
            async |radio, device, deadline| {
                refuse_unsupported(&device, &context.families)?;
                let Some((target, saved)) = meant(&states, &device) else {
                    return Err(Error::Internal(format!("no line is for {}", device.label())));
                };
                let outcome = context.with_session(radio.as_ref(), &device, deadline, async |session| {
                    let profile = Arc::clone(session.profile());
                    let RestorePlan { wanted, .. } =
                        RestorePlan::to(saved.light.clone(), Arc::clone(&profile));
                    note_left_out(&saved.light, &profile, &device, context);
                    let outcome = if wanted.features().is_empty() {
                        CommandOutcome { state: BulbState::unknown(), confirmed: None }
                    } else {
                        session.command(&wanted, deadline).await?
                    };
                    Ok((outcome, profile))
                });
                let (outcome, profile) = outcome.await?;
                Ok(StateRecord::after(target.text(), &device, &profile, outcome))
            },
            |record| context.printer.record(&Record::State(record)),
            |_| None,
        )
        .await
}

fn text_of(file: &Path) -> Result<String> {
    let text = if file == Path::new("-") {
        files::text_of(std::io::stdin().lock(), LONGEST_TEXT)
    } else {
        files::try_text(file, LONGEST_TEXT)
    };
    text.map_err(|error| files::unreadable(file, &error))
}

/// The line for this bulb. If several mean it, the last one.
fn meant<'a>(
    states: &'a [(Target, &'a SavedState)],
    device: &SeenDevice,
) -> Option<(&'a Target, &'a SavedState)> {
    let find = |any_case: bool| {
        states.iter().rev().find(|(target, _)| {
            target
                .selectors()
                .iter()
                .any(|wanted| if any_case { wanted.matches_any_case(device) } else { wanted.matches(device) })
        })
    };
    find(false).or_else(|| find(true)).map(|(target, saved)| (target, *saved))
}

fn note_left_out(light: &Light, profile: &Profile, device: &SeenDevice, context: &Context<'_>) {
    let left_out = light.features().less(profile.settable());
    if !left_out.is_empty() {
        let name = crate::output::sanitise(&device.label()).into_owned();
        context.printer.note(&format!("{name}: {} bulbs cannot set {left_out}", profile.full_name()));
    }
}
