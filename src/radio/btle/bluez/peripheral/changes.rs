//! What an emulation changes at BlueZ for longer than its connection to the bus, and how that is restored: the name of the
//! adapter, which centrals read as the bulb's name (2A00), and the bonds of centrals.
//!
//! BlueZ keeps both for ever. So a file in the state folder says what was changed, one for each adapter. A program that is
//! killed leaves it, and the next `emulate` or `doctor` restores what it says. The file is locked as long as a program emulates
//! on the adapter, and then it is empty.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use dbus::arg::{PropMap, Variant, prop_cast};
use serde::{Deserialize, Serialize};

use super::super::bus::Bus;
use super::super::properties::{ADAPTER, DEVICE, Objects, PROPERTIES};
use crate::files;
use crate::radio::{Address, RestoredAdapter};

/// The longest file, bytes. An alias has at most 248 (`MAX_NAME_LENGTH` in BlueZ's src/adapter.c), escaped in JSON. A bond
/// takes 20.
const LONGEST: u64 = 64 << 10;
const PREFIX: &str = "emulate-";

/// What was changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Changes {
    alias: Option<AliasChange>,
    /// The addresses of the centrals that have paired.
    bonds: BTreeSet<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct AliasChange {
    /// The alias before. Empty if it was that of the system, which BlueZ uses for an empty alias.
    before: String,
    now: String,
}

/// What was restored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Restored {
    /// The alias until then.
    pub(super) alias: Option<String>,
    /// The number of bonds that were removed.
    pub(super) bonds: usize,
}

/// The file of an adapter, locked. Without a state folder there is none, and the changes are only in memory.
#[derive(Debug, Default)]
pub(super) struct ChangesFile {
    file: Option<File>,
    changes: Changes,
}

impl ChangesFile {
    /// Locks the file of an adapter. `None` if another program has done so.
    pub(super) fn lock(folder: &Path, adapter: Address) -> io::Result<Option<Self>> {
        fs::create_dir_all(folder)?;
        let path = folder.join(format!("{PREFIX}{}.json", adapter.to_string().replace(':', "-")));
        Self::lock_path(&path)
    }

    fn lock_path(path: &Path) -> io::Result<Option<Self>> {
        let file = File::options().read(true).write(true).create(true).truncate(false).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { changes: load(&file).unwrap_or_default(), file: Some(file) })),
            Err(fs::TryLockError::WouldBlock) => Ok(None),
            Err(fs::TryLockError::Error(error)) => Err(error),
        }
    }

    fn save(&mut self) -> io::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let nothing = self.changes == Changes::default();
        let text = if nothing { String::new() } else { serde_json::to_string(&self.changes)? };
        file.set_len(0)?;
        file.rewind()?;
        file.write_all(text.as_bytes())?;
        // It has to be there before the change is made.
        file.sync_data()
    }

    /// Restores what the file says. An alias that was changed since then stays. What BlueZ refuses stays in the file.
    pub(super) async fn restore(&mut self, bus: &Bus, path: &str) -> Result<Restored, dbus::Error> {
        let mut restored = Restored::default();
        if self.changes == Changes::default() {
            return Ok(restored);
        }
        let result = self.restore_all(bus, path, &mut restored).await;
        if let Err(error) = self.save() {
            tracing::warn!("cannot empty the file about adapter {path}: {error}");
        }
        result.map(|()| restored)
    }

    async fn restore_all(
        &mut self,
        bus: &Bus,
        path: &str,
        restored: &mut Restored,
    ) -> Result<(), dbus::Error> {
        if let Some(AliasChange { before, now }) = &self.changes.alias {
            if alias(bus, path).await? == *now {
                set_alias(bus, path, before).await?;
                restored.alias = Some(now.clone());
            }
            self.changes.alias = None;
        }
        if self.changes.bonds.is_empty() {
            return Ok(());
        }
        for (device, address) in bonded(&bus.objects().await?, path) {
            if self.changes.bonds.contains(&address) {
                let device = dbus::Path::from(device);
                bus.call::<()>(path, ADAPTER, "RemoveDevice", (device,)).await?;
                restored.bonds += 1;
            }
        }
        self.changes.bonds.clear();
        Ok(())
    }

    /// Gives the adapter a name, and remembers the one that it had before the first call.
    pub(super) async fn rename(&mut self, bus: &Bus, path: &str, name: &str) -> Result<(), dbus::Error> {
        let before = match self.changes.alias.take() {
            Some(change) => change.before,
            None => {
                let alias = alias(bus, path).await?;
                if alias == property(bus, path, "Name").await? { String::new() } else { alias }
            }
        };
        self.changes.alias = Some(AliasChange { before, now: name.to_owned() });
        self.save().map_err(|error| dbus::Error::new_failed(&error.to_string()))?;
        set_alias(bus, path, name).await
    }

    /// Remembers that a central has paired.
    pub(super) fn add_bond(&mut self, address: &str) {
        if self.changes.bonds.insert(address.to_owned())
            && let Err(error) = self.save()
        {
            tracing::warn!("after a crash, the bond of {address} is not removed: {error}");
        }
    }
}

fn load(mut file: &File) -> Option<Changes> {
    file.rewind().ok()?;
    let mut text = String::new();
    file.take(LONGEST).read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

/// The paths and addresses of the devices that are paired with an adapter.
pub(super) fn bonded(objects: &Objects, adapter: &str) -> Vec<(String, String)> {
    let devices = objects.iter().filter_map(|(path, interfaces)| {
        let rest = path.strip_prefix(adapter)?;
        let properties =
            interfaces.get(DEVICE).filter(|device| rest.starts_with('/') && is_paired(device))?;
        Some((path.to_string(), address_of(properties)?))
    });
    devices.collect()
}

pub(super) fn is_paired(properties: &PropMap) -> bool {
    prop_cast(properties, "Paired").copied().unwrap_or_default()
}

/// The address of a device. That of a paired phone is the one that stays.
pub(super) fn address_of(properties: &PropMap) -> Option<String> {
    prop_cast(properties, "Address").cloned()
}

async fn property(bus: &Bus, path: &str, name: &str) -> Result<String, dbus::Error> {
    let (Variant(text),) = bus.call(path, PROPERTIES, "Get", (ADAPTER, name)).await?;
    Ok(text)
}

async fn alias(bus: &Bus, path: &str) -> Result<String, dbus::Error> {
    property(bus, path, "Alias").await
}

async fn set_alias(bus: &Bus, path: &str, alias: &str) -> Result<(), dbus::Error> {
    bus.call(path, PROPERTIES, "Set", (ADAPTER, "Alias", Variant(alias))).await
}

/// The folder of the files.
pub(super) fn folder() -> Option<PathBuf> {
    files::state_folder()
}

/// Restores what killed programs have left on any adapter.
pub(in super::super) async fn restore_all(bus: &Bus, objects: &Objects) -> Vec<RestoredAdapter> {
    let entries = folder().and_then(|folder| fs::read_dir(folder).ok()).into_iter().flatten().flatten();
    let mut all = Vec::new();
    for entry in entries {
        let name = entry.file_name();
        let address = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.strip_suffix(".json"));
        let Some(address) = address.map(|text| text.replace('-', ":")) else { continue };
        let adapter = objects.iter().find(|(_, all)| {
            all.get(ADAPTER).and_then(|one| prop_cast::<String>(one, "Address")) == Some(&address)
        });
        // The file of an adapter that is not there waits for it.
        let Some((path, _)) = adapter else { continue };
        let Ok(Some(mut file)) = ChangesFile::lock_path(&entry.path()) else { continue };
        match file.restore(bus, path).await {
            Ok(Restored { alias: None, bonds: 0 }) => {}
            Ok(Restored { alias, bonds }) => {
                let adapter = path.rsplit('/').next().unwrap_or_default().to_owned();
                all.push(RestoredAdapter { adapter, alias, bonds });
            }
            Err(error) => tracing::warn!("cannot restore {path}: {error}"),
        }
    }
    all
}
