//! `tui`.

use std::sync::Arc;

use super::context::Context;
use crate::error::Result;
use crate::fleet::Target;
use crate::tui::{Depth, Group, RestoreAtExit, Settings, Setup};

pub(crate) async fn run(context: &Context<'_>) -> Result<()> {
    let groups = context.config.groups.keys().map(|name| {
        let target = Target::parse(&format!("@{name}"), &context.config, &context.families)?;
        Ok(Group { name: name.clone(), target })
    });
    let groups = groups.collect::<Result<_>>()?;
    let settings = settings(context)?;
    let at_exit = RestoreAtExit::default();
    let restore = at_exit.clone();
    context.at_exit(async move { restore.run().await });
    let setup = Setup {
        open: Arc::new(context.opener()),
        families: context.families.clone(),
        timeout: context.timeout,
        max_links: context.max_links,
        config: Arc::new(context.config.clone()),
        scenes: context.scenes.clone(),
        at_exit,
    };
    crate::tui::run(setup, depth(), groups, settings).await
}

/// Checks that there is a terminal, and returns the settings of a TUI on it.
pub(super) fn settings(context: &Context<'_>) -> Result<Settings> {
    crate::tui::check_terminal()?;
    Settings::of(&context.config.tui).map_err(|mistake| context.config.mistake(mistake))
}

/// The colours of this terminal.
pub(super) fn depth() -> Depth {
    match anstream::ColorChoice::global() {
        anstream::ColorChoice::Never => Depth::None,
        _ => Depth::detect(|name| std::env::var(name).ok()),
    }
}
