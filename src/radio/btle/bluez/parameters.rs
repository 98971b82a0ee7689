//! Reads connection parameters: the kernel has the defaults of an adapter, and BlueZ stores what a
//! device asked for. Only root may read these files; for others the parameters are unknown.

use std::path::Path;

use crate::radio::{Address, ConnectionParameters};

pub(super) const ADAPTERS: &str = "/sys/kernel/debug/bluetooth";
pub(super) const STORE: &str = "/var/lib/bluetooth";

/// The parameters that the device asked for, or else those of the adapter.
pub(super) fn parameters_of(
    (adapters, store): (&Path, &Path),
    adapter: &str,
    own: Option<Address>,
    device: Address,
) -> Option<ConnectionParameters> {
    let kept = || {
        let info = store.join(own?.to_string()).join(device.to_string()).join("info");
        of_device(&std::fs::read_to_string(info).ok()?)
    };
    kept().or_else(|| of_adapter(&adapters.join(adapter)))
}

/// Parses the file that BlueZ stores for a device.
fn of_device(info: &str) -> Option<ConnectionParameters> {
    let section = info.lines().map(str::trim).skip_while(|line| *line != "[ConnectionParameters]").skip(1);
    let entries: Vec<_> =
        section.take_while(|line| !line.starts_with('[')).filter_map(|line| line.split_once('=')).collect();
    let number = |name: &str| entries.iter().find(|(own, _)| *own == name)?.1.parse().ok();
    Some(ConnectionParameters {
        interval_min: number("MinInterval")?,
        interval_max: number("MaxInterval")?,
        latency: number("Latency")?,
        timeout: number("Timeout")?,
        of_device: true,
    })
}

/// Reads the files of the kernel for an adapter.
fn of_adapter(adapter: &Path) -> Option<ConnectionParameters> {
    let number = |name: &str| std::fs::read_to_string(adapter.join(name)).ok()?.trim().parse().ok();
    Some(ConnectionParameters {
        interval_min: number("conn_min_interval")?,
        interval_max: number("conn_max_interval")?,
        latency: number("conn_latency")?,
        timeout: number("supervision_timeout")?,
        of_device: false,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_device_comes_before_the_adapter_and_nothing_is_made_up() {
        let root = tempfile::tempdir().unwrap();
        let (adapters, store) = (root.path().join("debug"), root.path().join("store"));
        let own = Some(Address::new([0xC0, 0, 0, 0, 0, 1]));
        let device = Address::new([0xC4, 0x11, 0, 0, 0, 1]);
        let ask = || parameters_of((&adapters, &store), "hci0", own, device);
        assert_eq!(ask(), None);

        let hci0 = adapters.join("hci0");
        std::fs::create_dir_all(&hci0).unwrap();
        let files = [("conn_min_interval", 24), ("conn_max_interval", 40), ("conn_latency", 0)];
        for (name, value) in files {
            std::fs::write(hci0.join(name), format!("{value}\n")).unwrap();
        }
        assert_eq!(ask(), None, "one is missing");
        std::fs::write(hci0.join("supervision_timeout"), "42\n").unwrap();
        let of_adapter = ConnectionParameters {
            interval_min: 24,
            interval_max: 40,
            latency: 0,
            timeout: 42,
            of_device: false,
        };
        assert_eq!(ask(), Some(of_adapter));
        let ms = Duration::from_millis;
        assert_eq!((of_adapter.interval(), of_adapter.supervision()), ((ms(30), ms(50)), ms(420)));

        let kept = store.join("C0:00:00:00:00:01").join("C4:11:00:00:00:01");
        std::fs::create_dir_all(&kept).unwrap();
        let info = "[General]\nName=Bulb\nTimeout=7\n\n[ConnectionParameters]\nMinInterval=6\nMaxInterval=6\nLatency=4\n\
                    Timeout=300\n\n[Attributes]\nLatency=9\n";
        std::fs::write(kept.join("info"), info).unwrap();
        let of_device = ConnectionParameters {
            interval_min: 6,
            interval_max: 6,
            latency: 4,
            timeout: 300,
            of_device: true,
        };
        assert_eq!(ask(), Some(of_device));
    }
}
