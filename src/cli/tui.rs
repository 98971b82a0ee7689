//! `tui`.

use std::sync::Arc;

use super::context::Context;
use crate::error::Result;
use crate::fleet::Target;
use crate::tui::{Depth, Group, Setup};

pub(crate) async fn run(context: &Context<'_>) -> Result<()> {
    let groups = context.config.groups.keys().map(|name| {
        let target = Target::parse(&format!("@{name}"), &context.config, &context.families)?;
        Ok(Group { name: name.clone(), target })
    });
    let groups = groups.collect::<Result<_>>()?;
    let setup = Setup {
        open: Arc::new(context.opener()),
        families: context.families.clone(),
        timeout: context.timeout,
        max_links: context.max_links,
    };
    let depth = match anstream::ColorChoice::global() {
        anstream::ColorChoice::Never => Depth::None,
        _ => Depth::detect(|name| std::env::var(name).ok()),
    };
    crate::tui::run(setup, depth, groups).await
}
