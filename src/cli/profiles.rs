//! `profiles`: lists, shows and detects bulb families.

use bulb_protocol::profile::Family;

use super::args::{Bulbs, NewProfile, ProfileFiles, Show};
use super::context::Context;
use super::global::Global;
use crate::bulb::{Families, collect_evidence, read_device_info};
use crate::config::Config;
use crate::error::{Error, ErrorKind, Result};
use crate::files::{self, LONGEST_TEXT};
use crate::output::{
    Bulb, DetectRecord, Printer, ProfileCheckRecord, ProfileDraftRecord, ProfileRecord, Record, profile_draft,
};

pub(super) fn all(global: &Global) -> Families {
    let families = Families::new(Config::profiles_folder(global.config.as_deref()));
    // Nothing else of the configuration matters here, so its mistakes don't either.
    match Config::load(global.config.as_deref()).and_then(|config| config.family_keys()) {
        Ok(keys) => families.with_keys(keys),
        Err(error) => {
            tracing::warn!("{error}; going on without keys");
            families
        }
    }
}

/// `list`. Skips invalid profile files.
pub(crate) fn list(global: &Global, printer: &Printer) -> Result<()> {
    let families = all(global);
    for name in families.names() {
        match families.load(&name) {
            Ok((family, profile)) => {
                printer.record(&Record::Profile(ProfileRecord::of(&family, &profile, false)))?;
            }
            Err(error @ Error::ProfileInvalid { .. }) => tracing::warn!("{error}; skipped"),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

pub(crate) fn show(args: &Show, global: &Global, printer: &Printer) -> Result<()> {
    let (family, profile) = all(global).load(&args.name)?;
    printer.record(&Record::Profile(ProfileRecord::of(&family, &profile, true)))
}

/// `detect`. Ignores `--profile` and the profiles of the configuration.
pub(crate) async fn detect(args: &Bulbs, context: &Context<'_>) -> Result<()> {
    let target = args.text();
    context
        .each(
            args,
            "recognising",
            async |radio, device, deadline| {
                let found = context.links.with_link(radio.as_ref(), &device, deadline, async |link| {
                    collect_evidence(link.as_ref(), &device, &context.families, deadline, true).await
                });
                Ok(DetectRecord::of(&target, &device, &found.await?))
            },
            |record| context.printer.record(&Record::Detect(record)),
        )
        .await
}

/// `check`. Goes on with the next file after one that is wrong.
pub(crate) fn check(args: &ProfileFiles, printer: &Printer) -> Result<()> {
    let mut kinds = Vec::new();
    for file in &args.files {
        let name = file.display().to_string();
        match files::text(file, LONGEST_TEXT) {
            Ok(text) => {
                let record = ProfileCheckRecord::of(&name, Family::mistakes(&text));
                if !record.mistakes.is_empty() {
                    kinds.push(ErrorKind::Usage);
                }
                printer.record(&Record::ProfileCheck(record))?;
            }
            Err(error) if args.files.len() == 1 => return Err(error),
            Err(error) => {
                kinds.push(error.kind());
                printer.error(&error, Some(&name))?;
            }
        }
    }
    Error::partial(&kinds, args.files.len()).map_or(Ok(()), Err)
}

/// `new`. Reads the device information and writes nothing.
pub(crate) async fn draft(args: &NewProfile, context: &Context<'_>) -> Result<()> {
    let target = context.target(&args.target)?;
    if target.single().is_none() {
        return Err(Error::Usage(
            "a profile is drafted for one device at a time: give its name or address".to_owned(),
        ));
    }
    context
        .each_of(
            target,
            args.wait,
            "reading",
            async |radio, device, deadline| {
                let read = context.links.with_link(radio.as_ref(), &device, deadline, async |link| {
                    let info = read_device_info(link.as_ref(), deadline).await?;
                    let known_as = context.families.advertised(&device);
                    Ok(profile_draft(&device, link.table(), &info, known_as.as_deref()))
                });
                let text = read.await?;
                Ok(ProfileDraftRecord { target: args.target.clone(), bulb: Bulb::of(&device), text })
            },
            |record| context.printer.record(&Record::ProfileDraft(record)),
            |_| None,
        )
        .await
}
