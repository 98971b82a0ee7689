//! The name of the adapter, which centrals read as the bulb's name (2A00), and its restoring.
//!
//! BlueZ keeps an alias for ever. So a file in the state folder says what it was before, one for each adapter. A program that is
//! killed leaves it, and the next `emulate` or `doctor` restores the alias. The file is locked as long as a program emulates
//! on the adapter, and then it is empty.

use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use dbus::arg::{Variant, prop_cast};
use serde::{Deserialize, Serialize};

use super::super::bus::Bus;
use super::super::properties::{ADAPTER, Objects, PROPERTIES};
use crate::files;
use crate::radio::{Address, RestoredAlias};

/// The longest file, bytes: an alias has at most 248 (`MAX_NAME_LENGTH` in BlueZ's src/adapter.c), escaped in JSON.
const LONGEST: u64 = 4096;
const PREFIX: &str = "emulate-";

/// What was changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Change {
    /// The alias before. Empty if it was that of the system, which BlueZ uses for an empty alias.
    before: String,
    now: String,
}

/// The file of an adapter, locked.
#[derive(Debug)]
pub(super) struct AliasFile(File);

impl AliasFile {
    /// Locks the file of an adapter. `None` if another program has done so.
    pub(super) fn lock(folder: &Path, adapter: Address) -> io::Result<Option<Self>> {
        fs::create_dir_all(folder)?;
        let path = folder.join(format!("{PREFIX}{}.json", adapter.to_string().replace(':', "-")));
        Self::lock_path(&path)
    }

    fn lock_path(path: &Path) -> io::Result<Option<Self>> {
        let file = File::options().read(true).write(true).create(true).truncate(false).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self(file))),
            Err(fs::TryLockError::WouldBlock) => Ok(None),
            Err(fs::TryLockError::Error(error)) => Err(error),
        }
    }

    fn load(&mut self) -> Option<Change> {
        self.0.rewind().ok()?;
        let mut text = String::new();
        (&self.0).take(LONGEST).read_to_string(&mut text).ok()?;
        serde_json::from_str(&text).ok()
    }

    fn save(&mut self, change: Option<&Change>) -> io::Result<()> {
        let text = change.map(serde_json::to_string).transpose()?.unwrap_or_default();
        self.0.set_len(0)?;
        self.0.rewind()?;
        self.0.write_all(text.as_bytes())?;
        // It has to be there before the alias is changed.
        self.0.sync_data()
    }

    /// Restores what a killed program has left. An alias that was changed since then stays.
    pub(super) async fn restore(&mut self, bus: &Bus, path: &str) -> Result<Option<String>, dbus::Error> {
        let Some(Change { before, now }) = self.load() else { return Ok(None) };
        let ours = alias(bus, path).await? == now;
        if ours {
            set_alias(bus, path, &before).await?;
        }
        if let Err(error) = self.save(None) {
            tracing::warn!("cannot empty the file about the name of the adapter: {error}");
        }
        Ok(ours.then_some(now))
    }

    /// Gives the adapter a name, and remembers the one that it had before the first call.
    pub(super) async fn rename(&mut self, bus: &Bus, path: &str, name: &str) -> Result<(), dbus::Error> {
        let before = match self.load() {
            Some(change) => change.before,
            None => {
                let alias = alias(bus, path).await?;
                if alias == property(bus, path, "Name").await? { String::new() } else { alias }
            }
        };
        let change = Change { before, now: name.to_owned() };
        self.save(Some(&change)).map_err(|error| dbus::Error::new_failed(&error.to_string()))?;
        set_alias(bus, path, name).await
    }
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

/// Restores the names that killed programs have left on any adapter.
pub(in super::super) async fn restore_all(bus: &Bus, objects: &Objects) -> Vec<RestoredAlias> {
    let entries = folder().and_then(|folder| fs::read_dir(folder).ok()).into_iter().flatten().flatten();
    let mut restored = Vec::new();
    for entry in entries {
        let name = entry.file_name();
        let address = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.strip_suffix(".json"));
        let Some(address) = address.map(|text| text.replace('-', ":")) else { continue };
        let adapter = objects.iter().find(|(_, all)| {
            all.get(ADAPTER).and_then(|one| prop_cast::<String>(one, "Address")) == Some(&address)
        });
        // The file of an adapter that is not there waits for it.
        let Some((path, _)) = adapter else { continue };
        let Ok(Some(mut file)) = AliasFile::lock_path(&entry.path()) else { continue };
        match file.restore(bus, path).await {
            Ok(Some(alias)) => {
                let adapter = path.rsplit('/').next().unwrap_or_default().to_owned();
                restored.push(RestoredAlias { adapter, alias });
            }
            Ok(None) => {}
            Err(error) => tracing::warn!("cannot restore the name of {path}: {error}"),
        }
    }
    restored
}
