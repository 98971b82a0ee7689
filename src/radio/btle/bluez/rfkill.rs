//! Reads why an adapter is off from the rfkill switches of the kernel.

use std::path::Path;

use super::super::adapter_choice::PowerBlock;

/// The switches in sysfs. Missing on kernels without rfkill, which is no error.
pub(super) const SWITCHES: &str = "/sys/class/rfkill";

/// Returns the switch that blocks this adapter. A switch of the whole computer counts only if the
/// adapter has none.
pub(super) fn block_of(switches: &Path, adapter: &str) -> Option<PowerBlock> {
    let mut machine = None;
    for entry in std::fs::read_dir(switches).ok()?.flatten() {
        let switch = entry.path();
        if value(&switch, "type").as_deref() != Some("bluetooth") {
            continue;
        }
        let block = blocked(&switch);
        match value(&switch, "name") {
            Some(name) if name == adapter => return block,
            // The switch of another adapter.
            Some(name) if name.starts_with("hci") => continue,
            _ => {}
        }
        // Prefer a hardware switch, because software cannot undo it.
        machine = match (machine, block) {
            (Some(PowerBlock { hard: true }), _) | (_, None) => machine,
            (_, some) => some,
        };
    }
    machine
}

fn blocked(switch: &Path) -> Option<PowerBlock> {
    let on = |file| value(switch, file).as_deref() == Some("1");
    match (on("hard"), on("soft")) {
        (true, _) => Some(PowerBlock { hard: true }),
        (false, true) => Some(PowerBlock { hard: false }),
        (false, false) => None,
    }
}

fn value(switch: &Path, file: &str) -> Option<String> {
    std::fs::read_to_string(switch.join(file)).ok().map(|text| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn switch(root: &Path, number: u32, kind: &str, name: &str, soft: &str, hard: &str) {
        let dir = root.join(format!("rfkill{number}"));
        std::fs::create_dir(&dir).unwrap();
        for (file, text) in [("type", kind), ("name", name), ("soft", soft), ("hard", hard)] {
            std::fs::write(dir.join(file), format!("{text}\n")).unwrap();
        }
    }

    #[test]
    fn a_missing_directory_is_no_block() {
        assert_eq!(block_of(Path::new("/nonexistent/rfkill"), "hci0"), None);
    }

    #[test]
    fn soft_and_hard_are_told_apart_by_the_adapters_own_switch() {
        let root = tempfile::tempdir().unwrap();
        switch(root.path(), 0, "wlan", "phy0", "1", "1");
        switch(root.path(), 1, "bluetooth", "hci0", "1", "0");
        switch(root.path(), 2, "bluetooth", "hci1", "1", "1");
        switch(root.path(), 3, "bluetooth", "hci2", "0", "0");
        assert_eq!(block_of(root.path(), "hci0"), Some(PowerBlock { hard: false }));
        assert_eq!(block_of(root.path(), "hci1"), Some(PowerBlock { hard: true }));
        assert_eq!(block_of(root.path(), "hci2"), None);
        assert_eq!(block_of(root.path(), "hci3"), None, "it has no switch");
    }

    #[test]
    fn the_machines_switch_counts_for_an_adapter_without_one() {
        let root = tempfile::tempdir().unwrap();
        switch(root.path(), 0, "bluetooth", "tpacpi_bluetooth_sw", "0", "1");
        assert_eq!(block_of(root.path(), "hci0"), Some(PowerBlock { hard: true }));
    }
}
