//! Diagnosis of the machine's Bluetooth, with suggested fixes.

use serde::Serialize;

use super::text::{BOLD, Layout};
use crate::radio::gatt::uuid_text;
use crate::radio::{AdapterFacts, Diagnosis, RestoredAdapter, Version};
use crate::sanitise::sanitise;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Bluetooth is unusable.
    Fault,
    /// Bluetooth works, but not well.
    Warning,
    /// Information.
    Note,
}

#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct FindingRecord {
    pub level: Level,
    /// Stable dotted code; for a fault, the code of its error.
    pub code: &'static str,
    pub message: String,
    pub fix: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct AdapterStateRecord {
    pub name: String,
    pub address: Option<String>,
    /// Null if unknown, because the Bluetooth service does not answer.
    pub powered: Option<bool>,
    /// Kind of rfkill block: `software` or `hardware`; null if not blocked.
    pub blocked: Option<&'static str>,
    /// True if a program is scanning with it; null if unknown.
    pub discovering: Option<bool>,
    /// True if bulbctl uses it.
    pub chosen: bool,
}

/// A link that the system holds.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct HeldRecord {
    /// Platform identifier of the device.
    pub id: String,
    pub name: Option<String>,
}

/// The state of the machine's Bluetooth.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct DoctorRecord {
    /// True if bulbctl can use Bluetooth.
    pub usable: bool,
    pub system: String,
    /// Version of the Bluetooth service; null if unknown.
    pub version: Option<String>,
    pub kernel: Option<String>,
    /// `a container` or `WSL`; null on a normal machine.
    pub inside: Option<&'static str>,
    pub adapters: Vec<AdapterStateRecord>,
    pub links: Vec<HeldRecord>,
    /// Findings, most severe first.
    pub findings: Vec<FindingRecord>,
}

/// First BlueZ version that reports the MTU of a link and detailed connect errors.
const MTU_SINCE: Version = Version { major: 5, minor: 62 };

impl DoctorRecord {
    pub fn of(diagnosis: &Diagnosis) -> Self {
        Self {
            usable: diagnosis.error.is_none(),
            system: diagnosis.system.clone(),
            version: diagnosis.version.map(|version| version.to_string()),
            kernel: diagnosis.kernel.clone(),
            inside: diagnosis.inside,
            adapters: diagnosis.adapters.iter().map(AdapterStateRecord::of).collect(),
            links: diagnosis
                .links
                .iter()
                .map(|link| HeldRecord { id: link.device.to_string(), name: link.name.clone() })
                .collect(),
            findings: findings(diagnosis),
        }
    }

    pub(super) fn text(&self, layout: Layout) -> String {
        let mut lines = Vec::new();
        let unknown = || "unknown".to_owned();
        let row = |name: &str, value: &str| format!("{name:<10} {}", sanitise(value));
        let version = self.version.as_ref().map_or_else(String::new, |version| format!(" {version}"));
        lines.push(row("service", &format!("{}{version}", self.system)));
        lines.push(row("kernel", &self.kernel.clone().unwrap_or_else(unknown)));
        lines.extend(self.inside.map(|inside| row("inside", inside)));
        lines.extend(self.adapters.iter().map(|one| row("adapter", &one.line())));
        if self.adapters.is_empty() {
            lines.push(row("adapter", "none"));
        }
        for link in &self.links {
            lines.push(row("link", &format!("{} {}", link.id, link.name.as_deref().unwrap_or_default())));
        }
        lines.push(String::new());
        for finding in &self.findings {
            let level = match finding.level {
                Level::Fault => "fault",
                Level::Warning => "warning",
                Level::Note => "note",
            };
            let name = format!("{level:<10}");
            let bold = layout.style(BOLD);
            lines.push(format!("{bold}{name}{bold:#} {} [{}]", sanitise(&finding.message), finding.code));
            lines.extend(finding.fix.as_ref().map(|fix| row("", &format!("fix: {fix}"))));
        }
        lines.push(
            if self.usable { "Bluetooth can be used." } else { "Bluetooth cannot be used." }.to_owned(),
        );
        lines.join("\n")
    }
}

impl AdapterStateRecord {
    fn of(facts: &AdapterFacts) -> Self {
        Self {
            name: facts.info.name.clone(),
            address: facts.info.address.map(|address| address.to_string()),
            powered: facts.powered,
            blocked: facts.blocked.map(|hard| if hard { "hardware" } else { "software" }),
            discovering: facts.discovering,
            chosen: facts.chosen,
        }
    }

    fn line(&self) -> String {
        let address = self.address.as_ref().map_or_else(String::new, |address| format!(" {address}"));
        let power = match self.powered {
            Some(true) => "on",
            Some(false) => "off",
            None => "power unknown",
        };
        let blocked = self.blocked.map_or_else(String::new, |what| format!(", blocked by {what}"));
        let scans = if self.discovering == Some(true) { ", scanning" } else { "" };
        let chosen = if self.chosen { ", used" } else { "" };
        format!("{}{address} {power}{blocked}{scans}{chosen}", self.name)
    }
}

fn findings(diagnosis: &Diagnosis) -> Vec<FindingRecord> {
    let mut findings: Vec<FindingRecord> = Vec::new();
    let mut add = |level, code, message: String, fix: Option<String>| {
        findings.push(FindingRecord { level, code, message, fix });
    };
    if let Some(fault) = &diagnosis.error {
        add(Level::Fault, fault.code(), fault.to_string(), fault.hint());
    }
    let off = |one: &&AdapterFacts| !one.chosen && one.powered == Some(false) && diagnosis.error.is_none();
    for one in diagnosis.adapters.iter().filter(off) {
        let name = &one.info.name;
        let (message, fix) = match one.blocked {
            Some(true) => {
                (format!("adapter {name} is blocked by a hardware switch"), "turn the switch on".to_owned())
            }
            Some(false) => {
                (format!("adapter {name} is blocked by rfkill"), "run `rfkill unblock bluetooth`".to_owned())
            }
            None => (
                format!("adapter {name} is off"),
                format!("run `bluetoothctl select {name}`, then `power on`"),
            ),
        };
        add(Level::Note, "adapter.other_off", message, Some(fix));
    }
    for one in diagnosis.adapters.iter().filter(|one| one.discovering == Some(true)) {
        let fix = "stop that scan if connecting fails or is slow: run `bluetoothctl scan off` or close the Bluetooth settings";
        let message =
            format!("another program is scanning with adapter {}, which slows down links", one.info.name);
        add(Level::Warning, "adapter.scanned", message, Some(fix.to_owned()));
    }
    for one in diagnosis.adapters.iter().filter(|one| !one.whole) {
        let message = format!(
            "BlueZ reports no Modalias for adapter {}: programs that use btleplug cannot see it",
            one.info.name
        );
        let fix =
            "bulbctl can use it; for other programs, install a newer BlueZ or use another adapter".to_owned();
        add(Level::Note, "adapter.hidden", message, Some(fix));
    }
    for RestoredAdapter { adapter, alias, bonds } in &diagnosis.restored {
        let killed = "from a `bulbctl emulate` that was killed";
        if let Some(alias) = alias {
            let message =
                format!("the name of adapter {adapter} was still {alias:?}, {killed}: it is restored");
            add(Level::Note, "adapter.name_restored", message, None);
        }
        if *bonds > 0 {
            let message = format!("adapter {adapter} still had bonds, {killed}: {bonds} removed");
            add(Level::Note, "adapter.bonds_removed", message, None);
        }
    }
    if diagnosis.reverse_discovery == Some(true) && diagnosis.error.is_none() {
        let message = "BlueZ reads the services of the phones that connect to this machine: while it emulates a bulb, \
                       iPhones may ask to pair, and then lose their writes";
        let fix =
            "to emulate bulbs for phones, set `ReverseServiceDiscovery = false` in /etc/bluetooth/main.conf";
        add(Level::Note, "service.reverse_discovery", message.to_owned(), Some(fix.to_owned()));
    }
    if diagnosis.version.is_some_and(|version| version < MTU_SINCE) {
        let message = format!(
            "BlueZ before {MTU_SINCE} does not report the MTU of a link and says little about failed connects"
        );
        add(Level::Note, "service.old", message, Some("install a newer BlueZ".to_owned()));
    }
    if diagnosis.kernel.as_ref().is_some_and(|release| release.starts_with("6.1.")) {
        let message =
            "Linux 6.1 can free a channel twice (hci_chan_del) when a link drops at the wrong moment";
        let fix = "if bluetoothd crashes or hangs, restart it, or install a newer kernel";
        add(Level::Note, "kernel.channels", message.to_owned(), Some(fix.to_owned()));
    }
    if diagnosis.inside == Some("WSL") {
        let fix = "use bulbctl for Windows, or a kernel with Bluetooth and a USB adapter passed through";
        add(
            Level::Warning,
            "machine.wsl",
            "this is WSL, whose kernel has no Bluetooth".to_owned(),
            Some(fix.to_owned()),
        );
    }
    for link in &diagnosis.links {
        let name = link.name.as_deref().unwrap_or_else(|| link.device.as_str());
        for uuid in &link.duplicates {
            let message = format!("{name} has several services {}: bulbctl uses the first", uuid_text(*uuid));
            let fix = format!("see them with `bulbctl info {}`; the firmware should have one", link.device);
            add(Level::Note, "link.duplicate_service", message, Some(fix));
        }
        let message =
            format!("this machine is connected to {name}: other devices cannot see it or connect to it");
        add(Level::Note, "link.held", message, Some(format!("run `bulbctl disconnect {}`", link.device)));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::radio::AdapterInfo;

    #[test]
    fn each_trap_is_found_with_its_fix() {
        let adapter = |name: &str| AdapterFacts {
            info: AdapterInfo { name: name.to_owned(), address: None },
            powered: Some(true),
            blocked: None,
            discovering: Some(false),
            chosen: true,
            whole: true,
        };
        let other =
            AdapterFacts { powered: Some(false), chosen: false, blocked: Some(false), ..adapter("hci1") };
        let mut diagnosis = Diagnosis {
            version: Some(Version { major: 5, minor: 62 }),
            adapters: vec![adapter("hci0")],
            ..Diagnosis::default()
        };
        assert!(findings(&diagnosis).is_empty());
        diagnosis.version = Some(Version { major: 5, minor: 55 });
        diagnosis.reverse_discovery = Some(true);
        let alias = Some("Light\u{1b}[1m".to_owned());
        diagnosis.restored = vec![RestoredAdapter { adapter: "hci0".to_owned(), alias, bonds: 2 }];
        diagnosis.kernel = Some("6.1.0-40-amd64".to_owned());
        diagnosis.inside = Some("WSL");
        diagnosis.adapters =
            vec![AdapterFacts { discovering: Some(true), whole: false, ..adapter("hci0") }, other];
        let found = findings(&diagnosis);
        let codes: Vec<_> = found.iter().map(|finding| finding.code).collect();
        let want = [
            "adapter.other_off",
            "adapter.scanned",
            "adapter.hidden",
            "adapter.name_restored",
            "adapter.bonds_removed",
            "service.reverse_discovery",
            "service.old",
            "kernel.channels",
            "machine.wsl",
        ];
        assert_eq!(codes, want);
        let done = ["adapter.name_restored", "adapter.bonds_removed"];
        assert!(found.iter().all(|finding| finding.fix.is_some() || done.contains(&finding.code)));
    }
}
