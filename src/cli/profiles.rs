//! `profiles`: lists, shows and detects bulb families.

use super::args::{Bulbs, Global, Show};
use super::context::Context;
use crate::bulb::{Families, collect_evidence};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::output::{DetectRecord, Printer, ProfileRecord, Record};

pub(super) fn all(global: &Global) -> Families {
    Families::new(Config::profiles_folder(global.config.as_deref()))
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
