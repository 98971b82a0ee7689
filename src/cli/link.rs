//! `connect` and `disconnect`.

use super::args::Bulbs;
use super::context::Context;
use crate::bulb::connect_and_keep;
use crate::error::Result;
use crate::fleet;
use crate::output::{LinkKind, LinkRecord, Record};

pub(crate) async fn connect(args: &Bulbs, context: &Context<'_>) -> Result<()> {
    context
        .each(
            &args.target,
            "connecting to",
            async |radio, device, deadline| {
                connect_and_keep(radio.as_ref(), &device, deadline).await?;
                Ok(LinkRecord::of(&args.target, &device, LinkKind::Connected))
            },
            |record| context.printer.record(&Record::Link(record)),
        )
        .await
}

/// Does not scan: a bulb that the system does not know has no link to drop.
pub(crate) async fn disconnect(args: &Bulbs, context: &Context<'_>) -> Result<()> {
    let target = context.target(&args.target)?;
    let radio = context.radio().await?;
    let many = target.single().is_none();
    let mut found = fleet::find_known(radio.as_ref(), &target, |device| device.connected || !many).await?;
    if many {
        // With a pattern or `all`, it is fine if none is connected.
        found.failures.clear();
    }
    fleet::run_each(
        found,
        context.links(radio.as_ref()),
        fleet::OnConnectFailure::Failed,
        async |device| {
            if device.connected {
                radio.connect(&device.id, context.deadline()).await?.disconnect().await?;
            }
            Ok(LinkRecord::of(&args.target, &device, LinkKind::Disconnected))
        },
        |name, result| match result {
            Ok(record) => context.printer.record(&Record::Link(record)),
            Err(error) => context.printer.error(&error, Some(name)),
        },
    )
    .await
}
