//! `check`.

use std::io;
use std::path::Path;
use std::sync::Arc;

use bulb_protocol::text::glob;

use super::args::Check;
use super::context::Context;
use super::global::Global;
use super::profiles;
use crate::check::{self, Board, CHECKS, CheckPlan};
use crate::error::{Error, Result};
use crate::files;
use crate::output::{CheckListing, CheckRecord, CheckSummary, Printer, Record, junit};

pub(crate) fn list(args: &Check, global: &Global, printer: &Printer) -> Result<()> {
    let plan = plan(args)?;
    let named = global.profile.as_deref().map(|text| profiles::all(global).load(text)).transpose()?;
    let own = named.iter().flat_map(|(_, profile)| CheckListing::own(profile));
    CheckListing::all()
        .chain(own)
        .filter(|one| plan.names(&one.check))
        .try_for_each(|one| printer.record(&Record::CheckListing(one)))
}

fn plan(args: &Check) -> Result<CheckPlan> {
    for text in &args.only {
        // A name with a dot belongs to a profile, which is not known yet.
        if !text.contains('.') && !CHECKS.iter().any(|check| glob(text, check.name)) {
            return Err(no_check(text));
        }
    }
    Ok(CheckPlan { only: args.only.clone(), flashing: args.flashing, long: args.long })
}

fn no_check(text: &str) -> Error {
    Error::Usage(format!(
        "there is no check {text:?}; `bulbctl check --list` lists all, with --profile also those of the profile"
    ))
}

pub(crate) async fn run(args: &Check, context: &Context<'_>) -> Result<()> {
    let plan = plan(args)?;
    let text = args.targets.join(",");
    let target = context.target(&text)?;
    let found = context.find(&target, args.wait).await?;
    let of = found.bulbs.len() + found.failures.len();
    let radio = Arc::clone(context.radio().await?);
    let mut kinds = Vec::new();
    let mut records = Vec::new();
    for (name, error) in found.failures {
        kinds.push(error.kind());
        context.printer.error(&error, (of > 1).then_some(&name))?;
    }
    let (mut failed, mut bulbs) = (0, 0);
    // One after another, because other traffic would distort the measured times.
    for device in found.bulbs {
        let profile =
            match check::profile_for(radio.as_ref(), &device, &context.families, context.deadline()).await {
                Ok(profile) => profile,
                Err(error) if of == 1 => return Err(error),
                // The other bulbs can still be checked.
                Err(error) => {
                    kinds.push(error.kind());
                    context.printer.error(&error, Some(&device.label()))?;
                    continue;
                }
            };
        let mut board = Board::new(
            Arc::clone(&radio),
            device.clone(),
            Arc::clone(&context.families),
            Arc::clone(&profile),
        );
        let restorer = board.restorer().clone();
        context.at_exit(async move {
            restorer.run().await;
        });
        let name = profile.full_name();
        let summary = check::run(&mut board, &plan, |done| {
            let record = CheckRecord::of(&text, &device, &name, done.clone());
            records.push(record.clone());
            context.printer.record(&Record::Check(Box::new(record)))
        });
        let summary = summary.await?;
        bulbs += 1;
        failed += summary.failed + summary.blocked;
        context.printer.record(&Record::CheckSummary(CheckSummary::of(&text, &device, &name, summary)))?;
    }
    let nowhere =
        args.only.iter().find(|text| bulbs > 0 && !records.iter().any(|record| glob(text, &record.check)));
    if let Some(text) = nowhere {
        return Err(no_check(text));
    }
    if let Some(path) = &args.junit {
        write(path, &junit(&records)?)?;
    }
    match Error::partial(&kinds, of) {
        Some(error) => Err(error),
        None if failed > 0 => Err(Error::CheckFailed { failed, bulbs }),
        None => Ok(()),
    }
}

pub(super) fn write(path: &Path, content: &[u8]) -> Result<()> {
    let unwritable = |error: io::Error| Error::FileUnwritable {
        path: path.display().to_string(),
        detail: error.to_string(),
    };
    files::replace(path, content).map_err(unwritable)
}
