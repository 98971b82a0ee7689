//! Keeps the cases of models as vectors, so that a test runs them without the libraries.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use bulb_protocol::profile::Light;

use super::cases::Line;
use super::models::Advertised;

/// What a library does with the devices of a family.
#[derive(Debug, Default)]
pub(super) struct Record(BTreeMap<(String, String), Peer>);

#[derive(Debug, Default)]
struct Peer {
    version: String,
    devices: BTreeMap<Device, Vec<Case>>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Device {
    model: String,
    advertised: Advertised,
    payload: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Case {
    /// As a line of the file, without the braces.
    text: String,
    differs: bool,
}

impl Record {
    /// Adds a case, if it is one of a model. `why` we differ, if we do.
    pub(super) fn add(&mut self, version: &str, line: &Line, why: Option<&str>) {
        let Some(advertised) = line.device.clone() else { return };
        let peer = self.0.entry((line.profile.clone(), line.library.clone())).or_default();
        version.clone_into(&mut peer.version);
        let device = Device { model: line.model.clone(), advertised, payload: line.payload };
        let case = Case { text: case(line, why), differs: why.is_some() };
        peer.devices.entry(device).or_default().push(case);
    }

    /// The number of models and cases, as a table.
    pub(super) fn table(&self) -> String {
        let mut text = String::from(
            "| family | library | version | models | not driven there, nor here | cases | the same | different |\n|---|---|---|---:|---:|---:|---:|---:|\n",
        );
        for ((family, library), peer) in &self.0 {
            let refused = |cases: &Vec<Case>| cases.iter().all(|case| case.text == "not_driven = true");
            let models = |which: &dyn Fn(&Vec<Case>) -> bool| {
                let devices = peer.devices.iter().filter(|(_, cases)| which(cases));
                devices.map(|(device, _)| &device.model).collect::<BTreeSet<_>>().len()
            };
            let (driven, not_driven) = (models(&|cases| !refused(cases)), models(&|cases| refused(cases)));
            let cases: usize = peer.devices.values().map(Vec::len).sum();
            let differ = peer.devices.values().flatten().filter(|case| case.differs).count();
            let _ = writeln!(
                text,
                "| `{family}` | {library} | {} | {driven} | {not_driven} | {cases} | {} | {differ} |",
                peer.version,
                cases - differ
            );
        }
        text
    }

    /// Writes a file for each family, with one group for all models that take the same frames.
    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        fs::create_dir_all(folder).context("the folder of the vectors")?;
        let mut files: BTreeMap<&str, String> = BTreeMap::new();
        for ((family, library), peer) in &self.0 {
            let text = files.entry(family).or_insert_with(|| {
                format!(
                    "# What other programs write for the models that they know. `cargo xtask oracle --write` makes this file;\n# ../README.md explains the keys.\nprofile = \"{family}\"\n"
                )
            });
            let mut groups: Vec<(&Vec<Case>, Vec<&Device>)> = Vec::new();
            for (device, cases) in &peer.devices {
                match groups
                    .iter_mut()
                    .find(|(same, of)| *same == cases && of.iter().all(|one| one.payload == device.payload))
                {
                    Some((_, devices)) => devices.push(device),
                    None => groups.push((cases, vec![device])),
                }
            }
            for (cases, devices) in groups {
                let _ = write!(text, "\n[[models]]\npeer = \"{library} {}\"\n", peer.version);
                if devices.iter().any(|device| device.payload) {
                    *text += "payload = true\n";
                }
                *text += "devices = [\n";
                for device in devices {
                    let _ = writeln!(text, "    {{ {} }},", device.text());
                }
                *text += "]\ncases = [\n";
                for case in cases {
                    let _ = writeln!(text, "    {{ {} }},", case.text);
                }
                *text += "]\n";
            }
        }
        for (family, text) in files {
            fs::write(folder.join(format!("{family}.toml")), text).context("the vectors of models")?;
        }
        Ok(())
    }
}

impl Device {
    fn text(&self) -> String {
        let Advertised { name, company, data, service, service_data, address, table } = &self.advertised;
        let mut text = format!("model = {}", toml::Value::String(self.model.clone()));
        if let Some(company) = company {
            let _ = write!(text, ", company = {company:#06X}");
        }
        let texts = [
            ("data", data.as_deref().map(spaced)),
            ("service", service.clone()),
            ("service_data", service_data.as_deref().map(spaced)),
            ("name", name.clone()),
            ("address", address.clone()),
        ];
        for (key, value) in texts {
            if let Some(value) = value {
                let _ = write!(text, ", {key} = {}", toml::Value::String(value));
            }
        }
        if !table.is_empty() {
            let _ = write!(text, ", table = {table:?}");
        }
        text
    }
}

/// Hex with spaces, in capitals.
fn spaced(hex: &str) -> String {
    let digits: Vec<char> = hex.to_uppercase().chars().collect();
    let pairs = digits.chunks(2).map(|pair| pair.iter().collect::<String>());
    pairs.collect::<Vec<_>>().join(" ")
}

fn case(line: &Line, why: Option<&str>) -> String {
    let mut parts = Vec::new();
    let light = |key: &str, light: &Light| {
        let table = toml::Value::try_from(light).ok().filter(|_| *light != Light::default());
        table.map(|table| format!("{key} = {table}"))
    };
    parts.extend(light("ask", &line.ask.light));
    parts.extend(light("known", &line.known.light));
    if let Some((low, high)) = line.kelvin {
        parts.push(format!("kelvin = [{low}, {high}]"));
    } else if line.refused {
        parts.push("refused = true".to_owned());
    } else if line.not_driven {
        parts.push("not_driven = true".to_owned());
    } else {
        let frames: Vec<_> = line.writes.iter().map(|frame| spaced(frame)).collect();
        parts.push(format!("hex = \"{}\"", frames.join(" / ")));
    }
    if let Some(why) = why {
        parts.push(format!("differs = {}", toml::Value::String(why.to_owned())));
    }
    parts.join(", ")
}
