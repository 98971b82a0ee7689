//! `battery`.

use super::args::Bulbs;
use super::context::Context;
use crate::bulb::read_battery;
use crate::error::Result;
use crate::output::{BatteryRecord, Record};

pub(crate) async fn run(args: &Bulbs, context: &Context<'_>) -> Result<()> {
    let target = args.text();
    context
        .each(
            args,
            "reading",
            async |radio, device, deadline| {
                let battery = context.links.with_link(radio.as_ref(), &device, deadline, async |link| {
                    read_battery(link.as_ref(), &device.label(), deadline).await
                });
                Ok(BatteryRecord::of(&target, &device, battery.await?))
            },
            |record| context.printer.record(&Record::Battery(record)),
        )
        .await
}
