//! The world file: saves a world between commands, and shares it among commands that run at the same time.
//!
//! Each rig has its own file, named by a hash of the rig's text. An edited rig starts with a new world. The files are
//! small and rarely written, so blocking reads and writes are fine.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bulb_protocol::profile::Light;
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use super::world::millis;
use crate::files;

/// The format of world files. Files of another format are ignored.
const FORMAT: u32 = 4;
/// The longest file, bytes: several times what the largest rig needs.
const LONGEST: u64 = 64 << 20;
/// The interval and the number of attempts to take the lock. A command holds it for about a millisecond. One that is
/// stopped while it holds the lock must not block the others.
const LOCK_EVERY: Duration = Duration::from_millis(2);
const LOCK_TRIES: u32 = 500;
/// The same for a command that ends without time to wait.
const LOCK_TRIES_AT_END: u32 = 50;

/// The saved devices, by address.
pub(super) type SavedDevices = BTreeMap<String, SavedDevice>;

/// The saved part of a device. Times are ages of the world.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct SavedDevice {
    pub(super) light: Option<Light>,
    /// The state in its last advertisement.
    pub(super) advertised_light: Option<Light>,
    pub(super) bonded: bool,
    /// The time of the last write over its link, or of the connect.
    pub(super) last_activity_ms: Option<u64>,
    /// The values written to characteristics without a role, in hex.
    pub(super) written: BTreeMap<String, String>,
    pub(super) name: Option<String>,
    /// It does not advertise.
    pub(super) vanished: bool,
    /// The system holds a link to it.
    pub(super) linked: bool,
    pub(super) fault_counts: Vec<u32>,
    pub(super) known_name: Option<String>,
    pub(super) heard_ms: Option<u64>,
    /// The system knows its services.
    pub(super) resolved: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Saved {
    format: u32,
    about: String,
    /// The age of the world when the file was written.
    age_ms: u64,
    /// Time of the write, in milliseconds since 1970.
    written_ms: u64,
    pub(super) devices: SavedDevices,
}

impl Saved {
    /// The age of the world now: the saved age plus the time since then by the wall clock.
    pub(super) fn age(&self) -> Duration {
        Duration::from_millis(self.age_ms.saturating_add(wall_ms().saturating_sub(self.written_ms)))
    }
}

#[derive(Debug)]
pub(super) struct Store {
    /// `None` if the user has no home directory.
    path: Option<PathBuf>,
    about: String,
    warned: AtomicBool,
}

/// Holds the lock of a world file until it is dropped.
#[derive(Debug)]
pub(super) struct StoreLock(#[expect(dead_code, reason = "closing the file releases the lock")] Option<File>);

impl Store {
    /// Creates the store of a rig's world in `dir`, by default the user's state directory.
    pub(super) fn new(dir: Option<PathBuf>, rig: &str, about: String) -> Self {
        let dir = dir.or_else(|| Some(files::state_folder()?.join("sim")));
        let path = dir.map(|dir| dir.join(format!("{:016x}.json", hash(rig))));
        Self { path, about, warned: AtomicBool::new(false) }
    }

    /// The folder with the sockets of bulbs that other processes emulate.
    pub(super) fn air_folder(&self) -> Option<PathBuf> {
        Some(self.path.as_ref()?.with_extension("air"))
    }

    pub(super) fn load(&self) -> Option<Saved> {
        let path = self.path.as_deref()?;
        let text = match File::open(path).and_then(|file| files::bytes_of(file, LONGEST)) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return None,
            Err(error) => {
                self.warn("read", path, &error);
                return None;
            }
        };
        match serde_json::from_slice(&text) {
            Ok(Saved { format, .. }) if format != FORMAT => None,
            Ok(saved) => Some(saved),
            Err(error) => {
                tracing::info!("{} is broken ({error}); starting with a new world", path.display());
                None
            }
        }
    }

    /// Waits until no other command holds the lock. Gives up after a second and goes on without it: better to lose a
    /// change than to hang. On a busy machine, dozens of commands can keep it for most of that time.
    pub(super) async fn lock(&self) -> StoreLock {
        let Some(file) = self.lock_file() else { return StoreLock(None) };
        for _ in 0..LOCK_TRIES {
            if file.try_lock().is_ok() {
                return StoreLock(Some(file));
            }
            sleep(LOCK_EVERY).await;
        }
        StoreLock(None)
    }

    /// The same as [`lock`](Self::lock), for at most 100 ms and without a runtime.
    pub(super) fn lock_at_end(&self) -> StoreLock {
        let Some(file) = self.lock_file() else { return StoreLock(None) };
        for _ in 0..LOCK_TRIES_AT_END {
            if file.try_lock().is_ok() {
                return StoreLock(Some(file));
            }
            std::thread::sleep(LOCK_EVERY);
        }
        StoreLock(None)
    }

    fn lock_file(&self) -> Option<File> {
        let path = self.path.as_deref()?;
        let open = || {
            if let Some(dir) = path.parent() {
                fs::create_dir_all(dir)?;
            }
            File::options().create(true).truncate(false).write(true).open(path.with_extension("lock"))
        };
        open().map_err(|error| self.warn("write", path, &error)).ok()
    }

    /// Writes the file.
    pub(super) fn save(&self, age: Duration, devices: &SavedDevices, _lock: &StoreLock) {
        let Some(path) = self.path.as_deref() else { return };
        let saved = Saved {
            format: FORMAT,
            about: self.about.clone(),
            age_ms: millis(age),
            written_ms: wall_ms(),
            devices: devices.clone(),
        };
        let text = serde_json::to_vec(&saved).map_err(io::Error::from);
        if let Err(error) = text.and_then(|text| files::replace(path, &text)) {
            self.warn("write", path, &error);
        }
    }

    fn warn(&self, what: &str, path: &Path, error: &io::Error) {
        if !self.warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "cannot {what} {}: {error}. The virtual bulbs will forget their state after this command",
                path.display()
            );
        }
    }
}

fn wall_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, millis)
}

/// FNV-1a, 64 bits (Fowler, Noll and Vo): the same on every machine and in every release, unlike the standard hasher.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
