//! `battery`.

use super::args::Bulbs;
use super::context::Context;
use crate::bulb::{reach, read_battery};
use crate::error::Result;
use crate::output::{BatteryRecord, Body};

pub(crate) async fn run(args: &Bulbs, context: &Context<'_>) -> Result<()> {
    context
        .each(
            &args.target,
            "reading",
            async |radio, report, deadline| {
                let battery = reach(radio.as_ref(), &report, deadline, async |link| {
                    read_battery(link.as_ref(), &report.label(), deadline).await
                });
                Ok(BatteryRecord::of(&args.target, &report, battery.await?))
            },
            |record| context.reporter.record(&Body::Battery(record)),
        )
        .await
}
