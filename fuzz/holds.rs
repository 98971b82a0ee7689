// Assertions for any text from users and any bytes from strangers. Included by the fuzz targets and by
// `tests/hostile.rs`, which runs the corpora and mutations of them.

#[cfg(unix)]
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bulbctl::Result;
use bulbctl::bulb::{BulbState, Change, Families, Power, Session};
use bulbctl::config::{Config, LONGEST};
#[cfg(unix)]
use bulbctl::emulate::Emulation;
use bulbctl::fleet::Target;
use bulbctl::output::{DeviceRecord, Record, StateRecord, json_line};
use bulbctl::radio::record::{self, Recording, redact};
#[cfg(unix)]
use bulbctl::radio::sim::emulated::EmulatedBulbs;
use bulbctl::radio::sim::{self, SimOptions};
#[cfg(unix)]
use bulbctl::radio::{CharacteristicId, DeviceId};
use bulbctl::radio::{Deadline, Link, Radio, SeenDevice};
use bulbctl::{capture as captures, cli, color as colors};
#[cfg(unix)]
use tokio::io::{AsyncReadExt, AsyncWriteExt};
#[cfg(unix)]
use tokio::net::{UnixListener, UnixStream};
use tokio::time::{sleep, timeout};

pub(crate) static FAMILIES: LazyLock<Arc<Families>> = LazyLock::new(Arc::default);

pub(crate) fn of(target: &str) -> fn(&[u8]) {
    match target {
        "advert" => advert,
        "air" => air,
        "arguments" => arguments,
        "capture" => capture,
        "color" => color,
        "config" => config,
        "recording" => recording,
        "rig" => rig,
        "target" => target_and_config,
        other => panic!("there is no target {other}"),
    }
}

/// Returns the bytes as text, up to the first invalid one.
fn text(bytes: &[u8]) -> &str {
    bytes.utf8_chunks().next().map_or("", |chunk| chunk.valid())
}

/// Runs a future on a paused clock.
fn at_once(future: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(future);
}

// -- text from users
// ------------------------------------------------------------------------------------------------------

pub(crate) fn config(bytes: &[u8]) {
    match Config::parse(text(bytes), "the-file") {
        Ok(config) => {
            assert!(config.timeout.is_none_or(|timeout| timeout <= LONGEST));
            // No duration overflows a clock, and no group contains itself.
            let _ = config.timeout.map(Deadline::after);
            for group in config.groups.keys() {
                let _ = Target::parse(&format!("@{group}"), &config, &FAMILIES);
            }
            assert_eq!(config.kept_profiles().count(), config.profiles.len());
        }
        Err(error) => {
            assert_eq!((error.code(), error.exit_code()), ("config.invalid", 2), "{error}");
            assert!(error.to_string().contains("the-file"), "{error}");
        }
    }
}

pub(crate) fn color(bytes: &[u8]) {
    if let Err(error) = colors::parse(text(bytes)) {
        assert!(error.contains("255,136,0"), "{error}");
    }
}

/// The first line is a target, the rest is a configuration.
pub(crate) fn target_and_config(bytes: &[u8]) {
    let (words, settings) = text(bytes).split_once('\n').unwrap_or((text(bytes), ""));
    target(words, &Config::parse(settings, "the-file").unwrap_or_default());
}

/// A target selects something or is rejected.
pub(crate) fn target(words: &str, config: &Config) {
    match Target::parse(words, config, &FAMILIES) {
        Ok(target) => {
            assert!(!target.selectors().is_empty());
            assert_eq!(target.text(), words);
            target.selectors().iter().for_each(|wanted| assert!(!wanted.text().is_empty()));
        }
        Err(error) => assert_eq!(error.exit_code(), 2, "{error}"),
    }
}

/// One argument per line.
pub(crate) fn arguments(bytes: &[u8]) {
    let words = std::iter::once("bulbctl").chain(text(bytes).lines());
    if let Err(told) = cli::validate_arguments(words.map(Into::into)) {
        assert!(!told.is_empty());
    }
}

/// A rig is rejected with its position, or its bulbs work.
pub(crate) fn rig(bytes: &[u8]) {
    at_once(async {
        let dir = tempfile::tempdir().unwrap();
        let options = SimOptions { dir: Some(dir.path().to_owned()), log: None };
        match sim::open_text(text(bytes), "the-rig", options) {
            Ok(radio) => {
                let talked = talk(radio.as_ref()).await;
                if let Some((_, Err(error))) = talked {
                    assert_ne!(error.exit_code(), 1, "{error}");
                }
            }
            Err(error) if error.code() == "rig.invalid" => {
                assert!(error.to_string().contains("the-rig"), "{error}");
            }
            Err(error) => assert!([4, 5].contains(&error.exit_code()), "{error}"),
        }
    });
}

// -- data from strangers
// --------------------------------------------------------------------------------------------------

/// Lines of another process harm neither a bulb that is emulated nor a central that takes the process for a bulb.
#[cfg(unix)]
pub(crate) fn air(bytes: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.unwrap().block_on(async {
        let dir = tempfile::tempdir().unwrap();
        let (rig, bulb) = (dir.path().join("empty.toml"), dir.path().join("bulb.toml"));
        std::fs::write(&rig, "rig = 1\n").unwrap();
        std::fs::write(&bulb, format!("rig = 1\n[[bulb]]\nname = \"Light\"\naddress = \"{BULB}\"\n"))
            .unwrap();
        let options = SimOptions { dir: Some(dir.path().join("world")), log: None };
        let peripheral = sim::open_peripheral(Some(&rig), options.clone()).unwrap();
        let bulbs = EmulatedBulbs::of_rig(&bulb, |_, _| true).unwrap();
        let mut emulation = Emulation::start(Arc::clone(&peripheral), bulbs, soon()).await.unwrap();
        let radio = sim::open(Some(&rig), options).await.unwrap();
        let play = async {
            loop {
                let next = emulation.next().await.unwrap();
                emulation.handle(next).await.unwrap();
                while emulation.next_told().is_some() {}
            }
        };
        let socket = only_socket(&dir.path().join("world"));
        tokio::select! {
            () = play => unreachable!("it has no end"),
            () = rubbish(bytes, &socket, radio.as_ref()) => {}
        }
        radio.close().await;
        peripheral.close().await;
        assert!(!socket.exists());
    });
}

#[cfg(not(unix))]
pub(crate) fn air(_bytes: &[u8]) {}

#[cfg(unix)]
const BULB: &str = "C4:11:00:00:00:01";
/// The address of the process that is no bulb.
#[cfg(unix)]
const STRANGER: &str = "C4:11:00:00:0F:01";

#[cfg(unix)]
fn only_socket(folder: &Path) -> PathBuf {
    let folders = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = folders.filter(|path| path.is_dir()).flat_map(|air| std::fs::read_dir(air).unwrap());
    let mut sockets = files.map(|file| file.unwrap().path());
    sockets.find(|file| file.extension().is_some_and(|end| end == "sock")).unwrap()
}

/// Says each line to the bulb, over one of three connections, and to a central. Both work afterwards.
#[cfg(unix)]
async fn rubbish(bytes: &[u8], socket: &Path, radio: &dyn Radio) {
    let mut connections = Vec::new();
    for _ in 0..3 {
        connections.push(UnixStream::connect(socket).await.unwrap());
    }
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let to = usize::from(line.first().copied().unwrap_or_default()) + line.len();
        let _ = connections[to % 3].write_all(line).await;
    }
    let listener = UnixListener::bind(socket.with_file_name("c41100000f01.sock")).unwrap();
    let stranger = async {
        let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
        for connection in 0.. {
            let (mut stream, _) = listener.accept().await.unwrap();
            // An answer to nothing is ignored: each request has all of them.
            let mut request = [0; 1024];
            while let Ok(Ok(1..)) = timeout(Duration::from_millis(30), stream.read(&mut request)).await {
                for line in lines.iter().skip(connection) {
                    let _ = stream.write_all(line).await;
                }
            }
        }
    };
    let ask = async {
        let _ = radio.known_devices().await;
        let short = || Deadline::after(Duration::from_millis(30));
        if let Ok(link) = radio.connect(&DeviceId::new(STRANGER), short()).await {
            let ids: Vec<_> = link.table().all().map(|(id, ..)| id).collect();
            for id in ids {
                let _ = link.read(id, short()).await;
                let _ = link.subscribe(id, short()).await;
            }
        }
        drop(connections);
        // A link that the lines made may just be ending.
        let status = CharacteristicId::short(0xFFF0, 0xFFF2);
        let mut last = None;
        for _ in 0..50 {
            last = Some(match radio.connect(&DeviceId::new(BULB), soon()).await {
                Ok(link) => link.read(status, soon()).await,
                Err(error) => Err(error),
            });
            if let Some(Ok(state)) = &last {
                assert_eq!(state.len(), 5);
                return;
            }
            sleep(Duration::from_millis(20)).await;
        }
        panic!("the bulb does not work: {last:?}");
    };
    tokio::select! {
        () = stranger => {}
        () = ask => {}
    }
}

/// Memory stays proportional to the file.
pub(crate) fn capture(bytes: &[u8]) {
    let Ok(capture) = captures::read(bytes) else { return };
    assert!(capture.events.len() <= bytes.len() / 2 && capture.devices.len() <= bytes.len() / 8);
    for device in &capture.devices {
        assert!(device.attributes(false).len() + device.attributes(true).len() <= bytes.len());
    }
    capture.devices.iter().take(2).for_each(|device| drop(report(&device.seen)));
    if let Some(fault) = capture.fault {
        assert!(fault.record > 0 && fault.offset < bytes.len());
    }
}

/// A recording is rejected with its line, or can be replayed and redacted.
pub(crate) fn recording(bytes: &[u8]) {
    match Recording::read("the-recording", bytes) {
        Ok(recording) => {
            let hidden = redact(&recording).unwrap().join("\n");
            Recording::read("hidden", hidden.as_bytes()).unwrap_or_else(|error| panic!("{error}: {hidden}"));
            at_once(async {
                let radio = record::radio(recording).unwrap();
                talk(radio.as_ref()).await;
            });
        }
        Err(error) => {
            let told = error.to_string();
            assert!(told.contains("line ") || told.ends_with("it is empty"), "{told}");
        }
    }
}

/// Longest data of an advertising report (Bluetooth Core 5.4, Vol 4, Part E, 7.7.65.2).
const LONGEST_DATA: usize = 243;

/// Advertising data of one device, as a controller reports it.
pub(crate) fn advert(bytes: &[u8]) {
    let mut log = b"btsnoop\0\0\0\0\x01\0\0\x03\xea".to_vec();
    for data in bytes.chunks(LONGEST_DATA) {
        let length = u8::try_from(data.len()).unwrap_or_default();
        let head = [0x04, 0x3e, length + 12, 0x02, 0x01, 0x00, 0x00, 1, 0, 0, 0, 0x11, 0xc4, length];
        let packet = [&head, data, &[0xc4]].concat();
        let length = u32::try_from(packet.len()).unwrap_or_default().to_be_bytes();
        log.extend([length, length, 1_u32.to_be_bytes(), [0; 4]].concat());
        log.extend(0x00dc_ddb3_0f2f_8000_u64.to_be_bytes());
        log.extend(packet);
    }
    let capture = captures::read(&log).unwrap();
    assert_eq!((capture.devices.len(), capture.fault), (usize::from(!bytes.is_empty()), None));
    capture.devices.iter().for_each(|device| drop(report(&device.seen)));
}

/// The record of a device matches it, and every question about its family has an answer.
pub(crate) fn report(report: &SeenDevice) -> serde_json::Value {
    let record = json(&Record::Device(DeviceRecord::of(report, &FAMILIES)));
    assert_eq!(record["name"].as_str(), report.name.as_deref());
    assert_eq!(record["alias"].as_str(), report.alias.as_deref());
    assert_eq!(record["profile"].is_null(), FAMILIES.advertised(report).is_none());
    let _ = (FAMILIES.looks_like_a_bulb(report), FAMILIES.score_advertisement(report));
    let _ = (FAMILIES.advertised_profile(report), FAMILIES.advertised_light(report));
    let all = Target::parse("all,*,Light-*,C4:11:00:00:00:01,x", &Config::default(), &FAMILIES);
    all.unwrap().selectors().iter().for_each(|wanted| _ = wanted.matches(report));
    record
}

/// Returns a record parsed from its JSON line, which must be safe to print on a terminal.
pub(crate) fn json(body: &Record) -> serde_json::Value {
    let line = json_line(body).unwrap();
    let acts = |c: char| {
        c.is_control() || ('\u{2028}'..='\u{202e}').contains(&c) || ('\u{2066}'..='\u{2069}').contains(&c)
    };
    assert!(!line.contains(acts), "{line:?}");
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(5))
}

/// Uses the first bulb as far as it allows: sends a command, reads its state and every characteristic.
pub(crate) async fn talk(radio: &dyn Radio) -> Option<(SeenDevice, Result<BulbState>)> {
    let mut reports = radio.seen_devices();
    let _ = radio.start_scan().await;
    let heard = timeout(Duration::from_secs(3), reports.recv()).await;
    let _ = radio.stop_scan().await;
    let heard = heard.ok()?.ok()?;
    report(&heard);
    let told = match radio.connect(&heard.id, soon()).await {
        Ok(link) => {
            let told = command(Arc::clone(&link), &heard).await;
            let ids: Vec<_> = link.table().all().map(|(id, ..)| id).collect();
            for id in ids {
                let _ = link.read(id, soon()).await;
            }
            told
        }
        Err(error) => Err(error),
    };
    radio.close().await;
    Some((heard, told))
}

async fn command(link: Arc<dyn Link>, report: &SeenDevice) -> Result<BulbState> {
    let mut session = Session::open(link, report, &FAMILIES, soon()).await?;
    session.prepare(soon()).await?;
    let change = Change::power(Power::On);
    let state = session.apply(&change, soon()).await?.state;
    json(&Record::State(StateRecord::of("x", report, session.profile(), state)));
    // Lets pending events happen.
    sleep(Duration::from_secs(5)).await;
    session.read_state(soon()).await
}
