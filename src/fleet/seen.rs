//! The bulbs that were seen lately, for the completion of targets: a file in the user's state folder. Losing it costs nothing, so
//! nothing fails if it cannot be read or written.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::files;
use crate::radio::SeenDevice;

/// A bulb is forgotten after this time.
const LATELY: Duration = Duration::from_secs(30 * 86_400);
/// A bulb that is in the file is written again only after this time.
const FRESH: Duration = Duration::from_secs(86_400);
/// The most bulbs in the file. The oldest are dropped.
const MOST: usize = 200;
/// The longest file, bytes: several times the size of a full one.
const LONGEST: u64 = 256 << 10;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SeenBulb {
    /// The address, or the identifier where the platform gives no address.
    pub(crate) id: String,
    pub(crate) name: Option<String>,
    /// The family, if the advertisement identifies it.
    pub(crate) profile: Option<String>,
    /// Seconds since 1970.
    at: u64,
}

impl SeenBulb {
    pub(crate) fn of(device: &SeenDevice, profile: Option<String>) -> Self {
        Self {
            id: device.address.map_or_else(|| device.id.to_string(), |address| address.to_string()),
            name: device.trimmed_name().map(str::to_owned),
            profile,
            at: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
        }
    }
}

/// The file of this user.
pub(crate) fn file() -> Option<PathBuf> {
    Some(files::state_folder()?.join("seen.json"))
}

/// Reads the bulbs in the file, the newest first.
pub(crate) fn load(file: &Path) -> Vec<SeenBulb> {
    let bytes = fs::File::open(file).and_then(|file| files::bytes_of(file, LONGEST)).unwrap_or_default();
    serde_json::from_slice(&bytes).unwrap_or_default()
}

/// Adds bulbs to the file.
pub(crate) fn add(file: &Path, bulbs: Vec<SeenBulb>) {
    let known = load(file);
    let mut all = known.clone();
    for bulb in bulbs {
        let old = all.iter().position(|one| one.id == bulb.id).map(|at| all.remove(at));
        let kept = old.filter(|old| {
            let same = (&old.name, &old.profile) == (&bulb.name, &bulb.profile);
            same && bulb.at.saturating_sub(old.at) < FRESH.as_secs()
        });
        all.push(kept.unwrap_or(bulb));
    }
    all.sort_by(|a, b| (b.at, &a.id).cmp(&(a.at, &b.id)));
    let newest = all.first().map_or(0, |bulb| bulb.at);
    all.retain(|bulb| newest.saturating_sub(bulb.at) < LATELY.as_secs());
    all.truncate(MOST);
    if all != known
        && let Err(error) = save(file, &all)
    {
        tracing::debug!("cannot write {}: {error}", file.display());
    }
}

fn save(file: &Path, bulbs: &[SeenBulb]) -> std::io::Result<()> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    files::replace(file, &serde_json::to_vec(bulbs)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulb(id: &str, name: &str, day: u64) -> SeenBulb {
        SeenBulb { id: id.to_owned(), name: Some(name.to_owned()), profile: None, at: day * 86_400 }
    }

    #[test]
    fn bulbs_are_kept_for_a_month_and_not_without_limit() {
        let folder = tempfile::TempDir::new().unwrap();
        let file = folder.path().join("state").join("seen.json");
        add(&file, vec![bulb("a", "Light-A", 1), bulb("b", "Light-B", 10)]);
        assert_eq!(load(&file), [bulb("b", "Light-B", 10), bulb("a", "Light-A", 1)]);
        // Seen again within a day: not written. With another name: written.
        let before = fs::read(&file).unwrap();
        add(&file, vec![SeenBulb { at: 10 * 86_400 + 60, ..bulb("b", "Light-B", 0) }]);
        assert_eq!(fs::read(&file).unwrap(), before);
        add(&file, vec![SeenBulb { at: 10 * 86_400 + 60, ..bulb("b", "Light-Beta", 0) }]);
        assert_eq!(load(&file)[0].name.as_deref(), Some("Light-Beta"));
        add(&file, vec![bulb("b", "Light-Bee", 11), bulb("c", "Light-C", 31)]);
        assert_eq!(load(&file), [bulb("c", "Light-C", 31), bulb("b", "Light-Bee", 11)]);
        let many = (0..300).map(|n| bulb(&n.to_string(), "Light", 32)).collect();
        add(&file, many);
        assert_eq!(load(&file).len(), MOST);
        assert_eq!(fs::read_dir(file.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_is_wrong_or_cannot_be_written_costs_nothing() {
        let folder = tempfile::TempDir::new().unwrap();
        let file = folder.path().join("seen.json");
        for wrong in ["", "{", "[1]", "\0"] {
            fs::write(&file, wrong).unwrap();
            assert_eq!(load(&file), []);
        }
        fs::write(&file, vec![b'['; 1 << 20]).unwrap();
        assert_eq!(load(&file), []);
        add(&file, vec![bulb("a", "Light-A", 1)]);
        assert_eq!(load(&file).len(), 1);
        add(&file.join("below"), vec![bulb("a", "Light-A", 1)]);
    }
}
