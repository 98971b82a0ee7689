//! The way back to the state that a bulb was found in, also when the suite is interrupted.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bulb_protocol::profile::{Item, Items, Light, Profile};
use tokio::time::{sleep, timeout};

use crate::bulb::{Roles, connect};
use crate::radio::{Deadline, Link, LinkState, Radio, Report};

/// How long it may take.
const TIME: Duration = Duration::from_secs(8);
/// Later reports of the last check must not be taken for what was restored, and some lamps are still busy.
const SETTLE: Duration = Duration::from_millis(100);

/// What is needed to put a bulb back.
#[derive(Clone, Debug)]
pub struct Undo {
    radio: Arc<dyn Radio>,
    report: Report,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    found: Option<(Light, Arc<Profile>)>,
    link: Option<Arc<dyn Link>>,
    /// Whether anything was written since.
    touched: bool,
}

impl Undo {
    pub(super) fn new(radio: Arc<dyn Radio>, report: Report) -> Self {
        Self { radio, report, state: Arc::default() }
    }

    fn with<T>(&self, what: impl FnOnce(&mut State) -> T) -> T {
        what(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The bulb was found so.
    pub(super) fn found(&self, light: Light, profile: Arc<Profile>) {
        self.with(|state| {
            state.found.get_or_insert((light, profile));
        });
    }

    pub(super) fn link(&self, link: Option<Arc<dyn Link>>) {
        self.with(|state| state.link = link);
    }

    /// Something is about to be written. Says whether it is the first.
    pub(super) fn touch(&self) -> bool {
        self.with(|state| !std::mem::replace(&mut state.touched, true))
    }

    /// It was refused.
    pub(super) fn untouched(&self) {
        self.with(|state| state.touched = false);
    }

    /// Writes the state that the bulb was found in, over the link that is there or another; once. Says whether that worked,
    /// and nothing where the state was never known or nothing was changed.
    pub async fn run(&self) -> Option<bool> {
        let (found, link) = self.with(|state| {
            let found = if state.touched { state.found.clone() } else { None };
            state.touched = false;
            (found, state.link.clone())
        });
        let (light, profile) = found?;
        let restored = timeout(TIME, self.restore(&light, &profile, link)).await;
        Some(restored.unwrap_or(false))
    }

    async fn restore(&self, light: &Light, profile: &Profile, link: Option<Arc<dyn Link>>) -> bool {
        let deadline = Deadline::after(TIME);
        let up = link.filter(|link| *link.state().borrow() == LinkState::Up);
        let link = match up {
            Some(link) => link,
            None => match connect(self.radio.as_ref(), &self.report, deadline).await {
                Ok(link) => link,
                Err(error) => {
                    tracing::info!("{}: putting it back: {error}", self.report.label());
                    return false;
                }
            },
        };
        let Ok(roles) = Roles::find(profile, link.table(), self.report.id.as_str()) else { return false };
        sleep(SETTLE).await;
        // What the family reports but cannot be set is not ours to restore.
        let settable = profile.settable();
        let wanted = light.only(restorable(light, settable));
        let Ok(sent) = profile.encode(&wanted, light, 0) else { return false };
        for write in &sent.writes {
            let Some(id) = roles.get(&write.role) else { return false };
            let kind = roles.write_kind(&write.role, write.kind);
            if let Err(error) = link.write(id, &write.bytes, kind, deadline).await {
                tracing::info!("{}: putting it back: {error}", self.report.label());
                return false;
            }
            sleep(write.delay.max(profile.session.gap)).await;
        }
        true
    }
}

/// What can be put back: the parts that can be set, and of what it can shine with, what it shines with.
fn restorable(light: &Light, settable: Items) -> Items {
    let shines = |item: Item| item.mode().is_none() || light.mode.is_none() || item.mode() == light.mode;
    settable.iter().filter(|item| shines(*item)).collect()
}
