//! Plays the bulbs of a rig for another radio, over a pipe: a JSON request a line, a JSON response a line.
//!
//! The virtual machine of `cargo xtask realstack` runs this as `examples/virtual_bulbs.rs`. It has its own GATT server
//! and advertising, and asks here what a bulb's profile, defects and faults make of each operation. Characteristics are
//! numbered as in the table of `load`. Times are in seconds, bytes in hex. A key without a value is null.
//!
//! | request | response |
//! |---|---|
//! | `{"do": "load", "rig": "/path/to/rig.toml"}` | the rig: `adapter`, `bulbs`, `bystanders`, `events` |
//! | `{"do": "connect", "bulb": 0}`, `disconnect` | |
//! | `{"do": "fault", "bulb": 0, "on": "write", "characteristic": 0}` | `fault`: what the fault that acts now does |
//! | `{"do": "write", "bulb": 0, "characteristic": 0, "hex": "01…"}` | `att`: the error in the response; `hangs_up`: the bulb ends the link; `trigger` of the notifications that follow |
//! | `{"do": "read", "bulb": 0, "characteristic": 1}` | `hex` |
//! | `{"do": "notifications", "bulb": 0, "trigger": "command"}`, `change`, or the number of a query | `notifications`: a list of `[characteristic, hex]` |
//! | `{"do": "set", "event": 0}`: someone else changes a bulb as in this event | |
//! | `{"do": "advert", "bulb": 0}` | `services`, `manufacturer` and `service_data` |
//!
//! If a request fails, the response is `{"error": "…"}`.

use std::io::{self, BufRead, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bulb_protocol::profile::{Trigger, WriteOutcome};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::rig::{
    BulbEvent, BulbSpec, Defect, DeviceSpec, Event, EventKind, FaultAction, FaultTrigger, InitialAdapter,
    Rig, parse,
};
use super::world::{OpenLink, SimDevice};
use crate::files::{self, LONGEST_TEXT};
use crate::radio::CharacteristicId;
use crate::radio::gatt::short_of;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

#[derive(Deserialize)]
#[serde(rename_all = "snake_case", tag = "do", deny_unknown_fields)]
enum Request {
    Load { rig: PathBuf },
    Connect { bulb: usize },
    Disconnect { bulb: usize },
    Fault { bulb: usize, on: FaultTrigger, characteristic: Option<usize> },
    Write { bulb: usize, characteristic: usize, hex: String },
    Read { bulb: usize, characteristic: usize },
    Notifications { bulb: usize, trigger: Value },
    Set { event: usize },
    Advert { bulb: usize },
}

/// Reads requests until `input` ends.
pub fn serve_bulbs(input: impl BufRead, mut output: impl Write) -> io::Result<()> {
    let mut server = Server { bulbs: Vec::new(), events: Vec::new(), loaded: Instant::now() };
    for line in input.lines() {
        let response = server.answer(&line?).unwrap_or_else(|error| json!({"error": error.to_string()}));
        writeln!(output, "{response}")?;
        output.flush()?;
    }
    Ok(())
}

struct Server {
    bulbs: Vec<SimDevice>,
    events: Vec<Event>,
    loaded: Instant,
}

impl Server {
    fn answer(&mut self, line: &str) -> Result<Value> {
        Ok(match serde_json::from_str(line)? {
            Request::Load { rig } => self.load(&rig)?,
            Request::Connect { bulb } => {
                let now = self.loaded.elapsed();
                let device = self.bulb(bulb)?;
                device.link = Some(OpenLink::new(0, now, now));
                if let Some(bulb) = device.virtual_bulb() {
                    bulb.connected(false);
                }
                json!({})
            }
            Request::Disconnect { bulb } => {
                let device = self.bulb(bulb)?;
                device.link = None;
                device.reset_after_disconnect();
                json!({})
            }
            Request::Fault { bulb, on, characteristic } => {
                let device = self.bulb(bulb)?;
                let uuid = characteristic.map(|number| characteristic_id(device, number)).transpose()?;
                let fault = device.trigger_fault(on, uuid.map(|id| id.characteristic));
                json!({"fault": fault.as_ref().map(fault_json)})
            }
            Request::Write { bulb, characteristic, hex } => {
                let now = self.loaded.elapsed();
                let device = self.bulb(bulb)?;
                write(device, characteristic_id(device, characteristic)?, &hex::decode(hex)?, now)
            }
            Request::Read { bulb, characteristic } => {
                let now = self.loaded.elapsed();
                let device = self.bulb(bulb)?;
                json!({"hex": hex::encode(device.value(characteristic_id(device, characteristic)?, now))})
            }
            Request::Notifications { bulb, trigger } => {
                let now = self.loaded.elapsed();
                notifications(self.bulb(bulb)?, parse_trigger(&trigger)?, now)
            }
            Request::Set { event } => {
                self.set(event)?;
                json!({})
            }
            Request::Advert { bulb } => advert(self.bulb(bulb)?),
        })
    }

    fn bulb(&mut self, number: usize) -> Result<&mut SimDevice> {
        self.bulbs.get_mut(number).ok_or_else(|| "no such bulb".into())
    }

    fn load(&mut self, path: &Path) -> Result<Value> {
        let text = files::try_text(path, LONGEST_TEXT)?;
        let rig = parse(&text, &path.display().to_string())?;
        if !matches!(rig.adapter, InitialAdapter::On | InitialAdapter::Off) {
            return Err("this state of the adapter is for the sim radio only".into());
        }
        let Rig { adapter, devices, events, .. } = rig;
        let devices: Vec<SimDevice> = devices.into_iter().map(SimDevice::new).collect();
        let (bulbs, bystanders): (Vec<_>, Vec<_>) =
            devices.into_iter().partition(|device| device.bulb().is_some());
        for (defect, name) in [
            (Defect::AnswersLate, "answers-late"),
            (Defect::HangsUpAfterMalformed, "hangs-up-after-malformed"),
        ] {
            if bulbs.iter().any(|device| device.has_defect(defect)) {
                return Err(format!("the defect {name} is for the sim radio only").into());
            }
        }
        self.bulbs = bulbs;
        self.events = events;
        self.loaded = Instant::now();
        Ok(json!({
            "adapter": adapter,
            "bulbs": self.bulbs.iter().map(bulb_json).collect::<Vec<_>>(),
            "bystanders": bystanders.iter().map(device_json).collect::<Vec<_>>(),
            "events": self.events.iter().map(event_json).collect::<Vec<_>>(),
        }))
    }

    /// Changes a bulb as in a `set` event.
    fn set(&mut self, event: usize) -> Result<()> {
        let Some(EventKind::Bulb(address, BulbEvent::Set(change))) =
            self.events.get(event).map(|event| &event.kind)
        else {
            return Err("no such event".into());
        };
        let bulb = self.bulbs.iter_mut().find(|device| device.address() == *address);
        if let Some(bulb) = bulb.and_then(SimDevice::virtual_bulb) {
            bulb.set(bulb.light().clone().merged(change));
        }
        Ok(())
    }
}

fn characteristic_id(device: &SimDevice, number: usize) -> Result<CharacteristicId> {
    let id = device.bulb().and_then(|bulb| bulb.table.all().nth(number));
    Ok(id.map(|(id, ..)| id).ok_or("no such characteristic")?)
}

fn write(device: &mut SimDevice, id: CharacteristicId, value: &[u8], now: Duration) -> Value {
    let lost = device.loses_write(now);
    let att = if lost { None } else { device.accepts(id, value).err() };
    let trigger = match lost || att.is_some() {
        true => WriteOutcome::Ignored,
        false => device.process_write(id, value),
    };
    let trigger = match trigger {
        WriteOutcome::Applied => "command".into(),
        WriteOutcome::Query(query) => query.into(),
        WriteOutcome::Ignored | WriteOutcome::Stored => Value::Null,
    };
    let hangs_up = att.is_some() && device.has_defect(Defect::HangsUpOnMalformed);
    json!({"att": att, "hangs_up": hangs_up, "trigger": trigger})
}

fn notifications(device: &mut SimDevice, trigger: Trigger<'_>, now: Duration) -> Value {
    let frames = if device.is_mute(now) { Vec::new() } else { device.notifications(trigger) };
    let number = |id| device.bulb()?.table.all().position(|(other, ..)| other == id);
    let frames = frames.into_iter().filter_map(|(id, bytes)| Some((number(id)?, hex::encode(bytes))));
    json!({"notifications": frames.collect::<Vec<_>>()})
}

fn parse_trigger(value: &Value) -> Result<Trigger<'static>> {
    match (value.as_str(), value.as_u64()) {
        (Some("command"), _) => Ok(Trigger::Command),
        (Some("change"), _) => Ok(Trigger::Change),
        (_, Some(query)) => Ok(Trigger::Query(query.try_into()?)),
        _ => Err(format!("unknown trigger {value}").into()),
    }
}

// -- the rig as JSON -----------------------------------------------------------------------------------------------

fn uuid_json(uuid: Uuid) -> String {
    short_of(uuid).map_or_else(|| uuid.simple().to_string(), |short| format!("{short:04x}"))
}

fn device_json(device: &SimDevice) -> Value {
    let DeviceSpec { address, address_type, advert: sent, .. } = &device.spec;
    json!({
        "address": address.to_string(),
        "address_type": address_type,
        "name": sent.name,
        "name_in_response": sent.name_in_response,
        "rssi": sent.rssi,
        "interval": sent.interval.as_secs_f64(),
        "advert": advert(device),
    })
}

fn advert(device: &SimDevice) -> Value {
    let services: Vec<String> = device.services().into_iter().map(uuid_json).collect();
    let manufacturer: Vec<_> =
        device.manufacturer().into_iter().map(|(company, data)| (company, hex::encode(data))).collect();
    let service_data: Vec<_> =
        device.service_data().into_iter().map(|(uuid, data)| (uuid_json(uuid), hex::encode(data))).collect();
    json!({"services": services, "manufacturer": manufacturer, "service_data": service_data})
}

fn bulb_json(device: &SimDevice) -> Value {
    let mut json = device_json(device);
    if let (Some(bulb), Some(json)) = (device.bulb(), json.as_object_mut()) {
        let seconds = |time: Option<Duration>| time.map(|time| time.as_secs_f64());
        json.insert("services".to_owned(), services_json(device, bulb));
        json.insert(
            "battery_drain".to_owned(),
            json!(seconds(bulb.battery.and_then(|battery| battery.drain))),
        );
        json.insert("status_latency".to_owned(), json!(seconds(Some(bulb.status_latency))));
        json.insert("idle_drop".to_owned(), json!(seconds(bulb.idle_drop)));
        json.insert("mtu".to_owned(), json!(bulb.mtu));
        json.insert("pairing".to_owned(), json!(bulb.pairing));
    }
    json
}

fn services_json(device: &SimDevice, bulb: &BulbSpec) -> Value {
    let mut ids = bulb.table.all();
    let services = bulb.table.services.iter().map(|service| {
        let characteristics = service.characteristics.iter().map(|characteristic| {
            json!({
                "uuid": uuid_json(characteristic.uuid),
                "properties": characteristic.properties,
                "requires_bond": ids.next().is_some_and(|(id, ..)| device.requires_bond(id)),
            })
        });
        json!({"uuid": uuid_json(service.uuid), "characteristics": characteristics.collect::<Vec<_>>()})
    });
    services.collect()
}

fn event_json(event: &Event) -> Value {
    let (adapter, bulb, what, name) = match &event.kind {
        EventKind::AdapterPowered(on) => (Some(*on), None, None, None),
        EventKind::Bulb(address, event) => {
            let (what, name) = match event {
                BulbEvent::Set(_) => ("set", None),
                BulbEvent::Drop => ("drop", None),
                BulbEvent::Vanish => ("vanish", None),
                BulbEvent::Appear => ("appear", None),
                BulbEvent::Rename(name) => ("rename", Some(name)),
            };
            (None, Some(address.to_string()), Some(what), name)
        }
    };
    json!({"at": event.at.as_secs_f64(), "adapter": adapter, "bulb": bulb, "do": what, "name": name})
}

fn fault_json(fault: &FaultAction) -> Value {
    match fault {
        FaultAction::Drop => json!({"do": "drop"}),
        FaultAction::Silent => json!({"do": "silent"}),
        FaultAction::Error(att) => json!({"do": "error", "att": att}),
        FaultAction::Reply(bytes) => json!({"do": "reply", "hex": hex::encode(bytes)}),
        FaultAction::Delay(delay) => json!({"do": "delay", "seconds": delay.as_secs_f64()}),
        FaultAction::Lose => json!({"do": "lose"}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Serves requests about this rig, and returns the responses.
    fn serve(rig: &str, requests: &[Value]) -> Vec<Value> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rig.toml");
        std::fs::write(&path, format!("rig = 1\n{rig}")).unwrap();
        let load = json!({"do": "load", "rig": path});
        let input: String =
            std::iter::once(&load).chain(requests).map(|request| format!("{request}\n")).collect();
        let mut output = Vec::new();
        serve_bulbs(input.as_bytes(), &mut output).unwrap();
        let output = String::from_utf8(output).unwrap();
        output.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    const BULB: &str = "[[bulb]]\nname = \"Light\"\naddress = \"C4:11:00:00:00:01\"\n";

    fn write(hex: &str) -> Value {
        json!({"do": "write", "bulb": 0, "characteristic": 0, "hex": hex})
    }

    #[test]
    fn a_rig_is_loaded_with_the_defaults_of_its_profiles() {
        let rig = "[[bulb]]\nprofile = \"govee:h6127\"\naddress = \"C4:11:00:00:00:01\"\nbattery = 9\n\
                   [[bystander]]\naddress = \"C4:11:00:00:00:F1\"\naddress_type = \"random\"\n\
                   [[event]]\nat = \"1500ms\"\nbulb = \"C4:11:00:00:00:01\"\ndo = \"rename\"\nname = \"New\"\n";
        let [rig] = &serve(rig, &[])[..] else { panic!("one response") };
        let bulb = &rig["bulbs"][0];
        assert!(bulb["name"].is_string() && bulb["idle_drop"] == 10.0, "{bulb}");
        let services: Vec<_> = bulb["services"].as_array().unwrap().iter().map(|one| &one["uuid"]).collect();
        assert_eq!(services.last().unwrap(), &"180f", "{bulb}");
        assert_eq!(rig["bystanders"][0]["address_type"], "random");
        let event =
            json!({"at": 1.5, "adapter": null, "bulb": "C4:11:00:00:00:01", "do": "rename", "name": "New"});
        assert_eq!(rig["events"], json!([event]));
    }

    #[test]
    fn a_bulb_takes_commands_and_reports_its_state() {
        let rig = format!(
            "{BULB}[[event]]\nat = \"1s\"\nbulb = \"C4:11:00:00:00:01\"\ndo = \"set\"\npower = false\n"
        );
        let requests = [
            json!({"do": "connect", "bulb": 0}),
            write("0164ff0000"),
            json!({"do": "notifications", "bulb": 0, "trigger": "command"}),
            json!({"do": "set", "event": 0}),
            json!({"do": "read", "bulb": 0, "characteristic": 1}),
            write("01"),
            json!({"do": "read", "bulb": 1, "characteristic": 0}),
        ];
        let responses = serve(&rig, &requests);
        assert_eq!(
            responses[1..],
            [
                json!({}),
                json!({"att": null, "hangs_up": false, "trigger": "command"}),
                json!({"notifications": [[1, "0164ff0000"]]}),
                json!({}),
                json!({"hex": "0064ff0000"}),
                json!({"att": 0x0d, "hangs_up": false, "trigger": null}),
                json!({"error": "no such bulb"}),
            ]
        );
    }

    #[test]
    fn faults_and_defects_act() {
        let rig = format!(
            "{BULB}defects = [\"hangs-up-on-malformed\", \"forgets-on-disconnect\", \"short-reports\"]\n\
             [[bulb.fault]]\non = \"write\"\ndo = \"delay\"\nfor = \"500ms\"\ncharacteristic = \"fff1\"\ncount = 1\n"
        );
        let fault = json!({"do": "fault", "bulb": 0, "on": "write", "characteristic": 0});
        let read = json!({"do": "read", "bulb": 0, "characteristic": 1});
        let requests = [
            json!({"do": "connect", "bulb": 0}),
            fault.clone(),
            fault,
            write("0164ff0000"),
            read.clone(),
            write("01"),
            json!({"do": "disconnect", "bulb": 0}),
            read,
        ];
        let responses = serve(&rig, &requests);
        assert_eq!(
            responses[2..],
            [
                json!({"fault": {"do": "delay", "seconds": 0.5}}),
                json!({"fault": null}),
                json!({"att": null, "hangs_up": false, "trigger": "command"}),
                json!({"hex": "0164ff00"}),
                json!({"att": 0x0d, "hangs_up": true, "trigger": null}),
                json!({}),
                json!({"hex": "0032ffff"}),
            ]
        );
    }

    #[test]
    fn what_only_the_sim_radio_can_play_is_an_error() {
        for rig in ["[adapter]\nstate = \"absent\"\n", &format!("{BULB}defects = [\"answers-late\"]\n")] {
            assert!(
                serve(rig, &[])[0]["error"].as_str().unwrap().ends_with("for the sim radio only"),
                "{rig}"
            );
        }
    }
}
