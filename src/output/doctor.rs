//! The state of the machine's Bluetooth, with what is wrong and how to mend it.

use serde::Serialize;

use super::text::{BOLD, Layout};
use crate::radio::{AdapterFacts, Diagnosis, Version};
use crate::sanitise::sanitise;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Bluetooth cannot be used.
    Fault,
    /// Something that works will not work well.
    Warning,
    /// Good to know.
    Note,
}

/// Something that was found.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct FindingRecord {
    /// How much it matters.
    pub level: Level,
    /// A stable dotted code; that of the error where it is a fault.
    pub code: &'static str,
    /// What was found.
    pub message: String,
    /// What to do about it.
    pub fix: Option<String>,
}

/// An adapter.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct AdapterStateRecord {
    /// Its name.
    pub name: String,
    /// Its address.
    pub address: Option<String>,
    /// Whether it is powered.
    pub powered: bool,
    /// What blocks it: `software` or `hardware`.
    pub blocked: Option<&'static str>,
    /// Whether a program scans with it.
    pub discovering: bool,
    /// Whether it is the one that bulbctl uses.
    pub chosen: bool,
}

/// A link that the system holds.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct HeldRecord {
    /// The platform's identifier of the device.
    pub id: String,
    /// Its name.
    pub name: Option<String>,
}

/// The state of the machine's Bluetooth.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct DoctorRecord {
    /// Whether bulbctl can work with it.
    pub usable: bool,
    /// What was asked.
    pub system: String,
    /// The version of the Bluetooth service; null where it does not tell.
    pub version: Option<String>,
    /// The kernel's release.
    pub kernel: Option<String>,
    /// `a container` or `WSL`; null on a machine of its own.
    pub inside: Option<&'static str>,
    /// All adapters.
    pub adapters: Vec<AdapterStateRecord>,
    /// The links that the system holds.
    pub links: Vec<HeldRecord>,
    /// What was found, the worst first.
    pub findings: Vec<FindingRecord>,
}

/// BlueZ tells the MTU of a link since 5.62, and what a connect failed of in words of its own.
const TELLS_MTU: Version = Version { major: 5, minor: 62 };

impl DoctorRecord {
    /// The record of what was found.
    #[must_use]
    pub fn of(diagnosis: &Diagnosis) -> Self {
        Self {
            usable: diagnosis.fault.is_none(),
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

    /// What people read: one page.
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
            lines.push(row("adapter", "none to be seen"));
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
            let name = if layout.terminal { format!("{BOLD}{name}{BOLD:#}") } else { name };
            lines.push(format!("{name} {} [{}]", sanitise(&finding.message), finding.code));
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
        let power = if self.powered { "on" } else { "off" };
        let blocked = self.blocked.map_or_else(String::new, |what| format!(", blocked by {what}"));
        let scans = if self.discovering { ", scanning" } else { "" };
        let chosen = if self.chosen { ", used" } else { "" };
        format!("{}{address} {power}{blocked}{scans}{chosen}", self.name)
    }
}

fn findings(diagnosis: &Diagnosis) -> Vec<FindingRecord> {
    let mut findings: Vec<FindingRecord> = Vec::new();
    let mut add = |level, code, message: String, fix: Option<String>| {
        findings.push(FindingRecord { level, code, message, fix });
    };
    if let Some(fault) = &diagnosis.fault {
        add(Level::Fault, fault.code(), fault.to_string(), fault.hint());
    }
    for one in
        diagnosis.adapters.iter().filter(|one| !one.chosen && !one.powered && diagnosis.fault.is_none())
    {
        let name = &one.info.name;
        let (message, fix) = match one.blocked {
            Some(true) => {
                (format!("adapter {name} is blocked by a hardware switch"), "use the switch".to_owned())
            }
            Some(false) => {
                (format!("adapter {name} is blocked by rfkill"), "rfkill unblock bluetooth".to_owned())
            }
            None => (format!("adapter {name} is off"), format!("bluetoothctl select {name}, then power on")),
        };
        add(Level::Note, "adapter.other_off", message, Some(fix));
    }
    for one in diagnosis.adapters.iter().filter(|one| one.discovering) {
        let fix = "end the other program's scan if connects fail or are slow (`bluetoothctl scan off`, a settings window)";
        let message =
            format!("another program scans with adapter {}, which takes air time from links", one.info.name);
        add(Level::Warning, "adapter.scanned", message, Some(fix.to_owned()));
    }
    for one in diagnosis.adapters.iter().filter(|one| !one.whole) {
        let message = format!(
            "BlueZ tells no Modalias of adapter {}: programs on btleplug do not see it",
            one.info.name
        );
        let fix = "bulbctl does see it; others need a newer BlueZ or another adapter".to_owned();
        add(Level::Note, "adapter.hidden", message, Some(fix));
    }
    if diagnosis.version.is_some_and(|version| version < TELLS_MTU) {
        let message = format!(
            "BlueZ before {TELLS_MTU} does not tell the MTU of a link, and little of why a connect failed"
        );
        add(Level::Note, "service.old", message, Some("install a newer BlueZ".to_owned()));
    }
    if diagnosis.kernel.as_ref().is_some_and(|release| release.starts_with("6.1.")) {
        let message = "Linux 6.1 has been seen to free a channel twice (hci_chan_del) when a link goes down at the wrong moment";
        let fix = "if bluetoothd dies or hangs of it, start it again; a later kernel is better";
        add(Level::Note, "kernel.channels", message.to_owned(), Some(fix.to_owned()));
    }
    if diagnosis.inside == Some("WSL") {
        let fix = "use bulbctl for Windows, or a kernel with Bluetooth and a USB adapter handed through";
        add(
            Level::Warning,
            "machine.wsl",
            "this is WSL, whose kernel has no Bluetooth".to_owned(),
            Some(fix.to_owned()),
        );
    }
    for link in &diagnosis.links {
        let name = link.name.as_deref().unwrap_or_else(|| link.device.as_str());
        let message = format!(
            "this machine holds a link to {name}: it does not advertise, and nobody else can connect to it"
        );
        add(Level::Note, "link.held", message, Some(format!("`bulbctl disconnect {}` ends it", link.device)));
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
            powered: true,
            blocked: None,
            discovering: false,
            chosen: true,
            whole: true,
        };
        let other = AdapterFacts { powered: false, chosen: false, blocked: Some(false), ..adapter("hci1") };
        let mut diagnosis = Diagnosis {
            version: Some(Version { major: 5, minor: 62 }),
            adapters: vec![adapter("hci0")],
            ..Diagnosis::default()
        };
        assert!(findings(&diagnosis).is_empty());
        diagnosis.version = Some(Version { major: 5, minor: 55 });
        diagnosis.kernel = Some("6.1.0-40-amd64".to_owned());
        diagnosis.inside = Some("WSL");
        diagnosis.adapters = vec![AdapterFacts { discovering: true, whole: false, ..adapter("hci0") }, other];
        let found = findings(&diagnosis);
        let codes: Vec<_> = found.iter().map(|finding| finding.code).collect();
        let want = [
            "adapter.other_off",
            "adapter.scanned",
            "adapter.hidden",
            "service.old",
            "kernel.channels",
            "machine.wsl",
        ];
        assert_eq!(codes, want);
        assert!(found.iter().all(|finding| finding.fix.is_some()));
    }
}
