//! `info`.

use super::args::Info;
use super::context::Context;
use crate::bulb::{self, Families, ListenTime, collect_evidence, read_battery};
use crate::error::{Error, Result};
use crate::fleet;
use crate::output::{ConnectedDetails, InfoRecord, Record};
use crate::radio::{Deadline, Link, SeenDevice};

pub(crate) async fn run(args: &Info, context: &Context<'_>) -> Result<()> {
    let target = context.target(&args.bulbs.text())?;
    let mut found = context.find(&target, args.bulbs.wait).await?;
    let radio = context.radio().await?;
    // Before connecting: a connected bulb does not advertise, and scanning slows down links.
    let heard = if found.bulbs.iter().any(|device| !device.connected) {
        let _progress = context.progress(format!("listening to {}", target.text()));
        let time = args.listen.map_or_else(ListenTime::default, ListenTime::fixed);
        bulb::listen_to_advertisements(radio.as_ref(), &mut found.bulbs, time).await?
    } else {
        Default::default()
    };
    fleet::run_each(
        found,
        context.link_limit(radio.as_ref()),
        fleet::OnConnectFailure::Failed,
        async |device| {
            let deadline = context.deadline();
            let advertising = heard.get(&device.id).filter(|_| !device.connected);
            let inside = context.links.with_link(radio.as_ref(), &device, deadline, async |link| {
                let inside = look(link.as_ref(), &device, &context.families, deadline).await?;
                // Last: a bulb may request other connection parameters after it connects.
                Ok((inside, radio.details(&device.id).await?))
            });
            let (inside, details) = inside.await?;
            Ok(InfoRecord::of(target.text(), &device, details, advertising, &inside))
        },
        |name, result| match result {
            Ok(record) => context.printer.record(&Record::Info(Box::new(record))),
            Err(error) => context.printer.error(&error, Some(name)),
        },
    )
    .await
}

/// Reads everything, and writes nothing.
async fn look(
    link: &dyn Link,
    device: &SeenDevice,
    families: &Families,
    deadline: Deadline,
) -> Result<ConnectedDetails> {
    let battery = match read_battery(link, &device.label(), deadline).await {
        Ok(battery) => Some(battery),
        Err(error @ Error::LinkLost { .. }) => return Err(error),
        // Most bulbs have no battery.
        Err(Error::NoBattery { .. }) => None,
        Err(error) => {
            tracing::warn!("{error}");
            None
        }
    };
    let information = bulb::read_device_information(link, deadline).await?;
    let recognition = collect_evidence(link, device, families, deadline, true).await?;
    // Last: the MTU may have been negotiated meanwhile.
    Ok(ConnectedDetails { table: link.table().clone(), mtu: link.mtu(), information, battery, recognition })
}
