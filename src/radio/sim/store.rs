//! The world file: what a world is like, kept from one command to the next, and shared by commands that run at once.
//!
//! Each rig has a file of its own, named by a hash of the rig's text: a rig that is edited begins a new world. Files are
//! small and written seldom, so that reading and writing them in place costs the runtime nothing that matters.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bulb_protocol::profile::{Light, Mode};
use bulb_protocol::{Percent, Rgb};
use etcetera::BaseStrategy;
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use super::world::millis;

/// The format of world files. One of another format is passed over.
const FORMAT: u32 = 2;
/// How often, and how many times, another command's lock is waited for. It holds it for about a millisecond; one
/// that was stopped meanwhile must not stop us.
const LOCK_EVERY: Duration = Duration::from_millis(2);
const LOCK_TRIES: u32 = 100;

/// What is kept of all devices, by address.
pub(super) type SavedPeers = BTreeMap<String, SavedPeer>;

/// What is kept of a device. Times are ages of the world.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct SavedPeer {
    /// The bulb's state.
    pub(super) light: Option<SavedLight>,
    /// The state of which its last advertisement told.
    pub(super) told: Option<SavedLight>,
    /// It is bonded with the system.
    pub(super) bonded: bool,
    /// When something was written over its link last, or that came up.
    pub(super) spoken_ms: Option<u64>,
    /// What was written to other characteristics, in hex.
    pub(super) written: BTreeMap<String, String>,
    /// The name that it advertises.
    pub(super) name: Option<String>,
    /// It does not advertise.
    pub(super) gone: bool,
    /// The system holds a link to it.
    pub(super) linked: bool,
    /// How often each fault has acted.
    pub(super) used: Vec<u32>,
    /// The name that the system knows.
    pub(super) known_name: Option<String>,
    /// When it was last heard.
    pub(super) heard_ms: Option<u64>,
    /// Whether the system knows its services.
    pub(super) resolved: bool,
}

/// A bulb's state as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SavedLight {
    power: Option<bool>,
    brightness: Option<u8>,
    color: Option<[u8; 3]>,
    white: Option<u8>,
    kelvin: Option<u16>,
    effect: Option<String>,
    speed: Option<u8>,
    mode: Option<String>,
}

impl SavedLight {
    pub(super) fn of(light: &Light) -> Self {
        Self {
            power: light.power,
            brightness: light.brightness.map(Percent::get),
            color: light.color.map(|Rgb { red, green, blue }| [red, green, blue]),
            white: light.white.map(Percent::get),
            kelvin: light.kelvin,
            effect: light.effect.clone(),
            speed: light.speed.map(Percent::get),
            mode: light.mode.map(|mode| mode.name().to_owned()),
        }
    }

    /// The state that was kept; none if it has a mode that is not known.
    pub(super) fn light(&self) -> Option<Light> {
        let known = |name: &String| {
            [Mode::Color, Mode::White, Mode::Effect].into_iter().find(|mode| mode.name() == name)
        };
        let mode = match &self.mode {
            Some(name) => Some(known(name)?),
            None => None,
        };
        Some(Light {
            power: self.power,
            brightness: self.brightness.map(Percent::clamped),
            color: self.color.map(|[red, green, blue]| Rgb::new(red, green, blue)),
            white: self.white.map(Percent::clamped),
            kelvin: self.kelvin,
            effect: self.effect.clone(),
            speed: self.speed.map(Percent::clamped),
            mode,
        })
    }
}

/// A world file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Saved {
    format: u32,
    /// The rig's own line for people.
    about: String,
    /// The age of the world when this was written.
    age_ms: u64,
    /// When this was written, in milliseconds since 1970.
    written_ms: u64,
    /// The devices.
    pub(super) peers: SavedPeers,
}

impl Saved {
    /// The age of the world now: as of the writing, and what has passed since by the wall clock.
    pub(super) fn age(&self) -> Duration {
        Duration::from_millis(self.age_ms.saturating_add(wall_ms().saturating_sub(self.written_ms)))
    }
}

/// Where a world is kept.
#[derive(Debug)]
pub(super) struct Store {
    /// Absent where there is no home to keep it in.
    path: Option<PathBuf>,
    about: String,
    warned: AtomicBool,
}

/// The right to read and write a world file, for as long as it lives.
#[derive(Debug)]
pub(super) struct Turn(
    #[expect(dead_code, reason = "held, not looked at: the lock goes with the file")] Option<File>,
);

impl Store {
    /// The place of this rig's world: in `dir`, or else in the user's state directory.
    pub(super) fn new(dir: Option<PathBuf>, rig: &str, about: String) -> Self {
        let dir = dir.or_else(state_dir);
        let path = dir.map(|dir| dir.join(format!("{:016x}.json", hash(rig))));
        Self { path, about, warned: AtomicBool::new(false) }
    }

    /// What the file has; nothing if it is missing or broken.
    pub(super) fn load(&self) -> Option<Saved> {
        let path = self.path.as_deref()?;
        let text = match fs::read(path) {
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
                tracing::info!("{} is broken ({error}), so the world begins anew", path.display());
                None
            }
        }
    }

    /// Waits until no other command reads and writes the file. Without the right to it after a while too: a world that
    /// forgets is better than one that hangs.
    pub(super) async fn turn(&self) -> Turn {
        let Some(file) = self.lock_file() else { return Turn(None) };
        for _ in 0..LOCK_TRIES {
            if file.try_lock().is_ok() {
                return Turn(Some(file));
            }
            sleep(LOCK_EVERY).await;
        }
        Turn(None)
    }

    /// As [`turn`](Self::turn), without waiting.
    pub(super) fn turn_now(&self) -> Turn {
        Turn(self.lock_file().filter(|file| file.try_lock().is_ok()))
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

    /// Writes the file: another one beside it, which then takes its place.
    pub(super) fn save(&self, age: Duration, peers: &SavedPeers, _turn: &Turn) {
        let Some(path) = self.path.as_deref() else { return };
        let saved = Saved {
            format: FORMAT,
            about: self.about.clone(),
            age_ms: millis(age),
            written_ms: wall_ms(),
            peers: peers.clone(),
        };
        let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
        let written = serde_json::to_vec(&saved)
            .map_err(io::Error::from)
            .and_then(|text| fs::write(&temporary, text))
            .and_then(|()| fs::rename(&temporary, path));
        if let Err(error) = written {
            // It may not be there, and cannot be helped if it is.
            let _ = fs::remove_file(&temporary);
            self.warn("write", path, &error);
        }
    }

    fn warn(&self, what: &str, path: &Path, error: &io::Error) {
        if !self.warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "the virtual bulbs forget everything after this command: cannot {what} {}: {error}",
                path.display()
            );
        }
    }
}

fn state_dir() -> Option<PathBuf> {
    let base = etcetera::choose_base_strategy().ok()?;
    let state = base.state_dir().unwrap_or_else(|| base.data_dir());
    Some(state.join("bulbctl").join("sim"))
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
