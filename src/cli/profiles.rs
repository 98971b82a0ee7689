//! `profiles`: the bulb families, what one can do, and which one a bulb is of.

use super::args::{Bulbs, Global, Show};
use super::context::Context;
use crate::bulb::{Families, reach, weigh};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::output::{Body, DetectRecord, Printer, ProfileRecord};

/// The families, the user's own among them.
pub(super) fn all(global: &Global) -> Families {
    Families::new(Config::profiles_folder(global.config.as_deref()))
}

/// `list`. A file of the user's that is wrong does not stop the others.
pub(crate) fn list(global: &Global, reporter: &Printer) -> Result<()> {
    let families = all(global);
    for name in families.names() {
        match families.load(&name) {
            Ok((family, profile)) => {
                reporter.record(&Body::Profile(ProfileRecord::of(&family, &profile, false)))?;
            }
            Err(error @ Error::ProfileInvalid { .. }) => tracing::warn!("{error}; passed over"),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// `show`.
pub(crate) fn show(args: &Show, global: &Global, reporter: &Printer) -> Result<()> {
    let (family, profile) = all(global).load(&args.name)?;
    reporter.record(&Body::Profile(ProfileRecord::of(&family, &profile, true)))
}

/// `detect`: every family that anything speaks for. What is named with `--profile` or in the configuration does not count.
pub(crate) async fn detect(args: &Bulbs, context: &Context<'_>) -> Result<()> {
    context
        .each(
            &args.target,
            "recognising",
            async |radio, report, deadline| {
                let found = reach(radio.as_ref(), &report, deadline, async |link| {
                    weigh(link.as_ref(), &report, &context.families, deadline, true).await
                });
                Ok(DetectRecord::of(&args.target, &report, &found.await?))
            },
            |record| context.reporter.record(&Body::Detect(record)),
        )
        .await
}
