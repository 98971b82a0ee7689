//! `profiles`: the bulb families, what one can do, and which one a bulb is of.

use super::args::{Bulbs, Global, Show};
use super::context::Context;
use crate::bulb::{Families, collect_evidence, with_link};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::output::{DetectRecord, Printer, ProfileRecord, Record};

/// The families, the user's own among them.
pub(super) fn all(global: &Global) -> Families {
    Families::new(Config::profiles_folder(global.config.as_deref()))
}

/// `list`. A file of the user's that is wrong does not stop the others.
pub(crate) fn list(global: &Global, printer: &Printer) -> Result<()> {
    let families = all(global);
    for name in families.names() {
        match families.load(&name) {
            Ok((family, profile)) => {
                printer.record(&Record::Profile(ProfileRecord::of(&family, &profile, false)))?;
            }
            Err(error @ Error::ProfileInvalid { .. }) => tracing::warn!("{error}; passed over"),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// `show`.
pub(crate) fn show(args: &Show, global: &Global, printer: &Printer) -> Result<()> {
    let (family, profile) = all(global).load(&args.name)?;
    printer.record(&Record::Profile(ProfileRecord::of(&family, &profile, true)))
}

/// `detect`: every family that anything speaks for. What is named with `--profile` or in the configuration does not count.
pub(crate) async fn detect(args: &Bulbs, context: &Context<'_>) -> Result<()> {
    context
        .each(
            &args.target,
            "recognising",
            async |radio, device, deadline| {
                let found = with_link(radio.as_ref(), &device, deadline, async |link| {
                    collect_evidence(link.as_ref(), &device, &context.families, deadline, true).await
                });
                Ok(DetectRecord::of(&args.target, &device, &found.await?))
            },
            |record| context.printer.record(&Record::Detect(record)),
        )
        .await
}
