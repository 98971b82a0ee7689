//! `connect` and `disconnect`.

use super::args::{Bulbs, Targets};
use super::context::Context;
use crate::bulb::connect_and_keep;
use crate::error::Result;
use crate::fleet;
use crate::output::{LinkKind, LinkRecord, Record};
use crate::radio::SeenDevice;

pub(crate) async fn connect(args: &Bulbs, context: &Context<'_>) -> Result<()> {
    let target = args.text();
    context
        .each(
            args,
            "connecting to",
            async |radio, device, deadline| {
                if context.links.holds() {
                    context.links.with_link(radio.as_ref(), &device, deadline, async |_| Ok(())).await?;
                } else {
                    connect_and_keep(radio.as_ref(), &device, deadline).await?;
                }
                Ok(LinkRecord::of(&target, &device, LinkKind::Connected))
            },
            |record| context.printer.record(&Record::Link(record)),
        )
        .await
}

/// Does not scan: a bulb that the system does not know has no link to drop.
pub(crate) async fn disconnect(args: &Targets, context: &Context<'_>) -> Result<()> {
    let target = context.target(&args.text())?;
    let radio = context.radio().await?;
    let many = target.single().is_none();
    let among = |device: &SeenDevice| device.connected || !many;
    let mut found = fleet::find_known(radio.as_ref(), &target, context.deadline(), among).await?;
    if many {
        // With a pattern or `all`, it is fine if none is connected.
        found.failures.clear();
    }
    fleet::run_each(
        found,
        context.link_limit(radio.as_ref()),
        fleet::OnConnectFailure::Failed,
        async |device| {
            if device.connected {
                radio.connect(&device.id, context.deadline()).await?.disconnect().await?;
            }
            Ok(LinkRecord::of(target.text(), &device, LinkKind::Disconnected))
        },
        |name, result| match result {
            Ok(record) => context.printer.record(&Record::Link(record)),
            Err(error) => context.printer.error(&error, Some(name)),
        },
    )
    .await
}
