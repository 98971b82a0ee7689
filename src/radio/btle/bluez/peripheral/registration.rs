//! What is registered at BlueZ for the bulb, and what was changed there.

use std::collections::BTreeSet;
use std::sync::Arc;

use dbus::arg::PropMap;
use tokio::time::timeout;

use super::super::agent::ServingAgent;
use super::super::bus::Bus;
use super::super::companion::BluezCompanion;
use super::changes::{ChangesFile, address_of};
use super::exports::{ADVERTISEMENT, APPLICATION};
use super::{ADVERTISING_MANAGER, ANSWER_TIME, GATT_MANAGER, refused, silent};
use crate::error::Result;
use crate::radio::peripheral::ServedBulb;

#[derive(Debug)]
pub(super) struct Registration {
    adapter: String,
    changes: ChangesFile,
    /// The addresses that were paired with the adapter before.
    paired_before: BTreeSet<String>,
    /// It needs a bond, and agrees to pair.
    pairs: bool,
    application: bool,
    advertisement: bool,
    agent: Option<ServingAgent>,
    /// The name that the adapter has.
    name: Option<String>,
}

impl Registration {
    pub(super) fn new(
        adapter: &str,
        bulb: &ServedBulb,
        changes: ChangesFile,
        paired_before: BTreeSet<String>,
    ) -> Self {
        Self {
            adapter: adapter.to_owned(),
            changes,
            paired_before,
            pairs: bulb.pairing && !bulb.closed.is_empty(),
            application: false,
            advertisement: false,
            agent: None,
            name: None,
        }
    }

    pub(super) fn adapter(&self) -> &str {
        &self.adapter
    }

    /// BlueZ knows nothing any more: it was restarted, or the adapter was away. If it still knows something, it says so.
    pub(super) fn forget(&mut self) {
        self.application = false;
        self.advertisement = false;
        self.agent = None;
        self.name = None;
    }

    /// Registers the application, the agent and the name, as far as they are not.
    pub(super) async fn serve(
        &mut self,
        companion: &BluezCompanion,
        bus: &Arc<Bus>,
        name: Option<&str>,
    ) -> Result<()> {
        let adapter = self.adapter.clone();
        if !self.application {
            let manager = (companion.path.as_str(), GATT_MANAGER);
            // Before the answer: if nobody waits for that any more, it is taken back all the same.
            self.application = true;
            if let Err(error) = register(bus, manager, "RegisterApplication", APPLICATION).await {
                self.application = is_unanswered(&error);
                return Err(refused(&adapter, "the GATT table", error));
            }
        }
        if self.pairs && self.agent.is_none() {
            let agent = ServingAgent::register(bus, companion.signals.clone(), &companion.path).await;
            self.agent = Some(agent.map_err(|error| refused(&adapter, "to pair", error))?);
        }
        if let Some(name) = name
            && self.name.as_deref() != Some(name)
        {
            self.changes
                .rename(bus, &companion.path, name)
                .await
                .map_err(|error| refused(&adapter, "the name", error))?;
            self.name = Some(name.to_owned());
        }
        Ok(())
    }

    /// Starts to advertise.
    pub(super) async fn advertise(&mut self, companion: &BluezCompanion, bus: &Bus) -> Result<()> {
        if !self.advertisement {
            let manager = (companion.path.as_str(), ADVERTISING_MANAGER);
            self.advertisement = true;
            if let Err(error) = register(bus, manager, "RegisterAdvertisement", ADVERTISEMENT).await {
                self.advertisement = is_unanswered(&error);
                return Err(refused(&self.adapter, "the advertisement", error));
            }
        }
        Ok(())
    }

    /// Stops advertising. An update by a property is not used: BlueZ 5.66 crashes if the update fails
    /// (`add_adv_params_callback` in its src/advertising.c answers a call that it no longer has).
    pub(super) async fn silence(&mut self, companion: &BluezCompanion, bus: &Bus) {
        if std::mem::take(&mut self.advertisement) {
            let manager = (companion.path.as_str(), ADVERTISING_MANAGER);
            unregister(bus, manager, "UnregisterAdvertisement", ADVERTISEMENT).await;
        }
    }

    /// Takes everything back.
    pub(super) async fn undo(&mut self, companion: &BluezCompanion) {
        let bus = companion.bus();
        self.silence(companion, &bus).await;
        if std::mem::take(&mut self.application) {
            let manager = (companion.path.as_str(), GATT_MANAGER);
            unregister(&bus, manager, "UnregisterApplication", APPLICATION).await;
        }
        self.agent = None;
        if let Err(error) = self.changes.restore(&bus, &companion.path).await {
            let adapter = &self.adapter;
            tracing::warn!(
                "cannot restore the name and the bonds of adapter {adapter}: {error}; \
                 the next `bulbctl emulate` or `bulbctl doctor` does it"
            );
        }
        // Others may lock the file.
        self.changes = ChangesFile::default();
    }

    /// Remembers that a central has paired, to remove the bond at the end.
    pub(super) fn paired(&mut self, central: &PropMap) {
        if let Some(address) = address_of(central).filter(|address| !self.paired_before.contains(address)) {
            self.changes.add_bond(&address);
        }
    }
}

type Manager<'a> = (&'a str, &'a str);

async fn register(bus: &Bus, manager: Manager<'_>, method: &str, object: &str) -> Result<(), dbus::Error> {
    let (path, interface) = manager;
    let arguments = (dbus::Path::from(object.to_owned()), PropMap::new());
    match timeout(ANSWER_TIME, bus.call(path, interface, method, arguments)).await {
        // BlueZ still has the one from before.
        Ok(Err(error)) if error.name() == Some("org.bluez.Error.AlreadyExists") => Ok(()),
        Ok(answer) => answer,
        Err(_) => Err(dbus::Error::new_custom(NO_REPLY, "no answer")),
    }
}

/// It may be registered.
fn is_unanswered(error: &dbus::Error) -> bool {
    error.name() == Some(NO_REPLY)
}

const NO_REPLY: &str = "org.freedesktop.DBus.Error.NoReply";

async fn unregister(bus: &Bus, manager: Manager<'_>, method: &str, object: &str) {
    let (path, interface) = manager;
    let answer = bus.call::<()>(path, interface, method, (dbus::Path::from(object.to_owned()),));
    match timeout(ANSWER_TIME, answer).await {
        Ok(Ok(())) => {}
        // BlueZ has dropped it already, or is gone with all that was registered.
        Ok(Err(error)) => tracing::debug!("{method}: {error}"),
        Err(_) => tracing::debug!("{method}: {}", silent(ANSWER_TIME)),
    }
}
