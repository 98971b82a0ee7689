//! The way back to the state that a bulb was found in, also when the measurement is interrupted.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bulb_protocol::profile::{Light, Profile, Write};
use tokio::time::{sleep, timeout};

use crate::bulb::Roles;
use crate::error::{Error, Result};
use crate::radio::{Deadline, Link, LinkState, Radio};

/// How long it may take.
const TIME: Duration = Duration::from_secs(5);
/// What was sent before it has to be through, and some lamps are still busy with that.
const SETTLE: Duration = Duration::from_millis(250);

/// What is needed to put a bulb back.
#[derive(Clone, Debug)]
pub struct Undo {
    radio: Arc<dyn Radio>,
    way: Arc<Mutex<Option<Way>>>,
}

#[derive(Clone, Debug)]
struct Way {
    link: Arc<dyn Link>,
    profile: Arc<Profile>,
    roles: Arc<Roles>,
    writes: Vec<Write>,
    /// Whether this is the state that the bulb was in.
    found: bool,
    light: Light,
}

impl Undo {
    /// Nothing to put back yet.
    #[must_use]
    pub fn new(radio: Arc<dyn Radio>) -> Self {
        Self { radio, way: Arc::default() }
    }

    /// From now on the bulb is touched, and these writes put it back.
    pub(super) fn touched(
        &self,
        link: Arc<dyn Link>,
        profile: Arc<Profile>,
        roles: Arc<Roles>,
        writes: Vec<Write>,
        light: Light,
        found: bool,
    ) {
        let way = Way { link, profile, roles, writes, found, light };
        *self.way.lock().unwrap_or_else(PoisonError::into_inner) = Some(way);
    }

    /// Writes the state that the bulb was found in, over the link that is there or another; once. Says whether it arrived as far
    /// as can be told, and nothing where that state was never known or nothing was changed.
    pub async fn run(&self) -> Option<bool> {
        let way = self.way.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        let found = way.found;
        let back = timeout(TIME, self.restore(way)).await.unwrap_or(Ok(false));
        let back = back.unwrap_or_else(|error| {
            tracing::warn!("putting it back: {error}");
            false
        });
        found.then_some(back)
    }

    async fn restore(&self, way: Way) -> Result<bool> {
        let deadline = Deadline::after(TIME);
        let link = match *way.link.state().borrow() {
            LinkState::Up => Some(Arc::clone(&way.link)),
            LinkState::Down => None,
        };
        let link = match link {
            Some(link) => link,
            None => self.radio.connect(way.link.device(), deadline).await?,
        };
        sleep(SETTLE.max(way.profile.session.gap)).await;
        for write in &way.writes {
            let Some(id) = way.roles.get(&write.role) else { continue };
            link.write(id, &write.bytes, way.roles.write_kind(&write.role, write.kind), deadline).await?;
            sleep(write.delay.max(way.profile.session.gap)).await;
        }
        if !way.profile.readback().read {
            return Ok(true);
        }
        // A read comes after the write on every link, and some lamps take a moment all the same.
        sleep(SETTLE).await;
        let mut now = Light::default();
        for role in way.profile.readable_roles() {
            let Some(id) = way.roles.get(&role.name) else { continue };
            let value = link.read(id, deadline).await?;
            match way.profile.decode(&role.name, &value) {
                Ok(light) => now.merge(&light),
                Err(fault) => {
                    let device = link.device().to_string();
                    return Err(Error::MalformedStatus { device, fault: Box::new(fault) });
                }
            }
        }
        Ok(way.profile.disagrees(way.light.items(), &way.light, &now).is_empty())
    }
}
