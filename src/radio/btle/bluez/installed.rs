//! Facts about Bluetooth that need neither BlueZ nor the bus: the adapters of the kernel, and the
//! BlueZ that is installed.

use std::fs::{self, File};
use std::path::Path;

use super::rfkill::block_of;
use crate::files;
use crate::radio::{AdapterFacts, AdapterInfo, Version};

/// The adapters in sysfs, and their links: `hci0`, `hci0:64`. Missing on kernels without Bluetooth.
pub(super) const ADAPTERS: &str = "/sys/class/bluetooth";
/// The places where distributions install bluetoothd.
const PROGRAMS: [&str; 4] = [
    "usr/libexec/bluetooth/bluetoothd",
    "usr/lib/bluetooth/bluetoothd",
    "usr/sbin/bluetoothd",
    "usr/local/libexec/bluetooth/bluetoothd",
];
const CONFIGURATION: &str = "etc/bluetooth/main.conf";
/// The longest program to search, bytes. That of Debian has a tenth of it.
const LONGEST_PROGRAM: u64 = 16 << 20;

/// The adapters as the kernel lists them. It says whether one is blocked, but not whether it is
/// powered or scans.
pub(super) fn adapters_of_the_kernel(adapters: &Path, switches: &Path) -> Vec<AdapterFacts> {
    let entries = fs::read_dir(adapters).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.retain(|name| name.starts_with("hci") && !name.contains(':'));
    names.sort();
    let facts = names.into_iter().map(|name| {
        let blocked = block_of(switches, &name).map(|block| block.hard);
        AdapterFacts {
            info: AdapterInfo { name, address: None },
            // The kernel switches an adapter off when it is blocked.
            powered: blocked.map(|_| false),
            blocked,
            discovering: None,
            chosen: false,
            whole: true,
        }
    });
    facts.collect()
}

/// Returns true if BlueZ reads the services of devices that connect to this computer, as it does unless its configuration
/// says no (`parse_config` in its `src/main.c`).
pub(super) fn reverse_discovery(root: &Path) -> bool {
    let text = files::try_text(&root.join(CONFIGURATION), files::LONGEST_TEXT).unwrap_or_default();
    let lines = text.lines().filter_map(|line| line.split_once('='));
    let mut set = lines.filter(|(name, _)| name.trim() == "ReverseServiceDiscovery");
    set.next_back().is_none_or(|(_, value)| value.trim() != "false")
}

/// The version of the bluetoothd that is installed below `root`. The program is read and not run.
pub(super) fn installed_version(root: &Path) -> Option<Version> {
    let program = PROGRAMS.iter().find_map(|path| File::open(root.join(path)).ok())?;
    version_in(&files::bytes_of(program, LONGEST_PROGRAM).ok()?)
}

/// Finds the version among the strings of bluetoothd: it is the only string that is a version alone
/// (`VERSION` in its `src/main.c`). `None` if there are several.
fn version_in(program: &[u8]) -> Option<Version> {
    let versions: Vec<Version> = program
        .split(|byte| *byte == 0)
        .filter(|text| (3..=6).contains(&text.len()))
        .filter_map(parsed)
        .collect();
    let first = *versions.first()?;
    versions.iter().all(|other| *other == first).then_some(first)
}

fn parsed(text: &[u8]) -> Option<Version> {
    let (major, minor) = std::str::from_utf8(text).ok()?.split_once('.')?;
    let number = |digits: &str| -> Option<u8> {
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
    };
    Some(Version { major: number(major)?, minor: number(minor)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_lists_adapters_and_says_which_are_blocked() {
        let root = tempfile::tempdir().unwrap();
        let (adapters, switches) = (root.path().join("bluetooth"), root.path().join("rfkill"));
        assert_eq!(adapters_of_the_kernel(&adapters, &switches).len(), 0, "a kernel without Bluetooth");
        for name in ["hci1", "hci0", "hci0:64"] {
            fs::create_dir_all(adapters.join(name)).unwrap();
        }
        let switch = switches.join("rfkill0");
        fs::create_dir_all(&switch).unwrap();
        for (file, text) in [("type", "bluetooth"), ("name", "hci1"), ("soft", "1"), ("hard", "0")] {
            fs::write(switch.join(file), text).unwrap();
        }
        let facts: Vec<_> = adapters_of_the_kernel(&adapters, &switches)
            .into_iter()
            .map(|one| (one.info.name, one.powered, one.blocked, one.discovering, one.chosen))
            .collect();
        let unknown = ("hci0".to_owned(), None, None, None, false);
        assert_eq!(facts, [unknown, ("hci1".to_owned(), Some(false), Some(false), None, false)]);
    }

    #[test]
    fn reverse_discovery_is_on_unless_the_configuration_says_no() {
        let root = tempfile::tempdir().unwrap();
        assert!(reverse_discovery(root.path()), "no file");
        let file = root.path().join(CONFIGURATION);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        for (text, on) in [
            ("[General]\n#ReverseServiceDiscovery = false\n", true),
            ("[General]\nReverseServiceDiscovery = false\n", false),
            ("[General]\nReverseServiceDiscovery=true\nDeviceID=false", true),
        ] {
            fs::write(&file, text).unwrap();
            assert_eq!(reverse_discovery(root.path()), on, "{text}");
        }
    }

    #[test]
    fn the_version_is_read_from_the_program() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(installed_version(root.path()), None);
        let program = root.path().join("usr/libexec/bluetooth/bluetoothd");
        fs::create_dir_all(program.parent().unwrap()).unwrap();
        for (bytes, version) in [
            (&b"\x7fELF\0Bluetooth daemon %s\x005.66\0%s\n\x00127.0.0.1\x001.x\0"[..], Some((5, 66))),
            (b"\x005.66\x005.66\0", Some((5, 66))),
            (b"\x005.66\x004.99\0", None),
            (b"Bluetooth 5.66 daemon\0.\0+5.66\0999.1\0", None),
            (b"", None),
        ] {
            fs::write(&program, bytes).unwrap();
            let version = version.map(|(major, minor)| Version { major, minor });
            assert_eq!(installed_version(root.path()), version, "{bytes:?}");
        }
    }
}
