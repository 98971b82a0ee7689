//! What the bridge keeps between runs: its identity, and what it announced. Without that, renamed and removed bulbs would stay in
//! Home Assistant as ghosts.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::claims::Ended;
use super::topics::BulbId;
use crate::error::{Error, Result};
use crate::files;
use crate::radio::{DeviceId, SeenDevice};

/// The longest file, bytes: several times that of ten thousand bulbs.
const LONGEST: u64 = 16 << 20;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Memory {
    /// A part of the client identifier, random and the same in every run.
    pub(super) installation: String,
    pub(super) bulbs: BTreeMap<BulbId, RememberedBulb>,
    /// The topic names of announced groups.
    pub(super) groups: BTreeSet<String>,
    /// The bulbs that the last run owned when it ended.
    pub(super) ended: Ended<BulbId>,
}

/// A bulb that was announced.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct RememberedBulb {
    /// The identifier on this platform.
    pub(super) device: String,
    pub(super) name: Option<String>,
    pub(super) profile: String,
    /// The platform of each component.
    pub(super) components: BTreeMap<String, String>,
}

impl RememberedBulb {
    /// The device as far as it is known without an advertisement.
    pub(super) fn as_device(&self) -> SeenDevice {
        SeenDevice {
            id: DeviceId::new(&*self.device),
            address: self.device.parse().ok(),
            name: self.name.clone(),
            ..SeenDevice::default()
        }
    }
}

/// The file of a bridge.
#[derive(Debug)]
pub(super) struct Store {
    path: Option<PathBuf>,
    memory: Memory,
    saved: Memory,
    /// The memory may differ from the file.
    touched: bool,
}

impl Store {
    /// Reads the file. Without a folder, or if it cannot be read, the bridge starts without a memory.
    pub(super) fn open(folder: Option<&Path>, bridge: &str) -> Self {
        let path = folder.map(|folder| folder.join(format!("bridge-{bridge}.json")));
        let bytes =
            path.as_deref().map(|path| File::open(path).and_then(|file| files::bytes_of(file, LONGEST)));
        let saved: Memory = match bytes {
            Some(Ok(bytes)) => serde_json::from_slice(&bytes).unwrap_or_else(|error| {
                tracing::warn!("starting without a memory of earlier bulbs: {error}");
                Memory::default()
            }),
            Some(Err(_)) | None => Memory::default(),
        };
        let mut memory = saved.clone();
        if memory.installation.is_empty() {
            memory.installation = random();
        }
        Self { path, memory, saved, touched: true }
    }

    pub(super) const fn memory(&self) -> &Memory {
        &self.memory
    }

    /// The memory, to change it.
    pub(super) const fn memory_mut(&mut self) -> &mut Memory {
        self.touched = true;
        &mut self.memory
    }

    /// Writes the file, if anything has changed.
    pub(super) fn save(&mut self) {
        if !std::mem::take(&mut self.touched) {
            return;
        }
        let Some(path) = self.path.as_deref().filter(|_| self.memory != self.saved) else { return };
        let write = || {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            files::replace(path, &serde_json::to_vec(&self.memory)?)
        };
        if let Err(error) = write() {
            tracing::warn!("cannot write {}: {error}", path.display());
        }
        // A folder that cannot be written is complained about once for each change.
        self.saved = self.memory.clone();
    }
}

/// 16 random hex digits. They tell bridges apart, and protect nothing.
pub(super) fn random() -> String {
    format!("{:016x}", RandomState::new().build_hasher().finish())
}

/// Held while a bridge runs: two on one computer would take the bulbs from each other.
#[derive(Debug)]
pub(super) struct HostLock {
    _file: Option<File>,
}

impl HostLock {
    /// # Errors
    /// [`Error::BridgeRunning`]. A folder that cannot be written is no error: there is only no lock.
    pub(super) fn take(folder: Option<&Path>) -> Result<Self> {
        let Some(path) = folder.map(|folder| folder.join("bridge.lock")) else {
            return Ok(Self { _file: None });
        };
        let open = || {
            fs::create_dir_all(folder.unwrap_or(Path::new("")))?;
            OpenOptions::new().create(true).truncate(false).write(true).open(&path)
        };
        let file = match open() {
            Ok(file) => file,
            Err(error) => {
                tracing::warn!(
                    "cannot write {}: {error}; a second bridge would not be noticed",
                    path.display()
                );
                return Ok(Self { _file: None });
            }
        };
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: Some(file) }),
            Err(TryLockError::WouldBlock) => Err(Error::BridgeRunning { path: path.display().to_string() }),
            Err(TryLockError::Error(error)) => {
                tracing::warn!("cannot lock {}: {error}", path.display());
                Ok(Self { _file: None })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    #[test]
    fn p24_the_identity_of_an_installation_stays_and_differs() {
        let folder = TempDir::new().unwrap();
        let other = TempDir::new().unwrap();
        let identity = |folder: &TempDir| {
            let mut store = Store::open(Some(folder.path()), "attic");
            store.save();
            store.memory.installation.clone()
        };
        let first = identity(&folder);
        assert_eq!((first.len(), identity(&folder)), (16, first.clone()));
        assert_ne!(identity(&other), first);
    }

    #[test]
    fn p24_a_second_bridge_on_one_computer_is_refused() {
        let folder = TempDir::new().unwrap();
        let lock = HostLock::take(Some(folder.path())).unwrap();
        assert_eq!(HostLock::take(Some(folder.path())).unwrap_err().code(), "bridge.running");
        drop(lock);
        HostLock::take(Some(folder.path())).unwrap();
    }

    #[test]
    fn p11_announced_bulbs_are_remembered_and_a_broken_file_costs_only_that() {
        let folder = TempDir::new().unwrap();
        let mut store = Store::open(Some(folder.path()), "attic");
        let id = BulbId::try_from("c41100000001".to_owned()).unwrap();
        let bulb = RememberedBulb { device: "C4:11:00:00:00:01".to_owned(), ..RememberedBulb::default() };
        store.memory_mut().bulbs.insert(id.clone(), bulb.clone());
        store.save();
        let again = Store::open(Some(folder.path()), "attic");
        assert_eq!(again.memory.bulbs.get(&id), Some(&bulb));
        assert_eq!(BulbId::of(&bulb.as_device()), id);
        fs::write(folder.path().join("bridge-attic.json"), "{").unwrap();
        assert!(Store::open(Some(folder.path()), "attic").memory.bulbs.is_empty());
    }
}
