//! `battery`.

use super::args::Bulbs;
use super::context::Context;
use crate::bulb::read_battery;
use crate::error::Result;
use crate::report::{BatteryRecord, Body};

pub(crate) async fn run(args: &Bulbs, context: &Context<'_>) -> Result<()> {
    context
        .each(
            &args.target,
            "reading",
            async |radio, report, deadline| {
                let link = radio.connect(&report.id, deadline).await?;
                let battery = read_battery(link.as_ref(), &report.label(), deadline).await?;
                Ok(BatteryRecord::of(&args.target, &report, battery))
            },
            |record| context.reporter.record(&Body::Battery(record)),
        )
        .await
}
